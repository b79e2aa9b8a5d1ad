/*
 * auth - which clients may connect and what they may do: anonymous, password file, ACL file.
 *
 * Data flow: handle_connect.c asks at CONNECT and may get the answer later (login.h); the handlers
 *            ask before each publish and subscription, deliver.c before each delivery. Without an
 *            ACL file everything but writing to $SYS is allowed, at the cost of one compare.
 * Reload:    auth_reload (SIGHUP) has `auth:` of the configuration and both files read again by a
 *            thread; a bad one leaves everything as it was and is named in the log. New rules hold
 *            for existing connections from the next message on. Then `changed` is called: connected
 *            clients must be checked again (auth_recheck.c).
 */
#ifndef FLOTILLA_BROKER_AUTH_AUTH_H
#define FLOTILLA_BROKER_AUTH_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/auth/login/login.h"
#include "common/mqtt/mqtt.h"

struct auth;
struct broker_config;
struct event_base;

/* Who asks. The texts are the asker's. */
struct identity {
    char *username; /* NULL: anonymous */
    struct mqtt_slice client_id;
};

/* NULL with a sentence in err. `anonymous` stands in for the configuration's when there is none.
 * Borrows `config`. */
struct auth *auth_new(struct event_base *base, const struct broker_config *config, bool anonymous,
                      uint64_t hash_key, char *err, size_t errlen);
/* All clients are gone. */
void auth_free(struct auth *a);

void auth_reload(struct auth *a);
void auth_on_change(struct auth *a, void (*changed)(void *arg), void *arg);
/* login_forget_some, if there is anything to forget. */
bool auth_forget_some(struct auth *a, size_t *at);

/* As login_check; `has_username` is false when the client gave none. With LOGIN_OK, here or in
 * `done`, wait->stamp is what auth_still_admits wants to know. */
enum login_verdict auth_login(struct auth *a, bool has_username, const struct login_request *r,
                              struct login_wait *wait);
/* Whether a client that logged in with that name (NULL: none) and stamp is still a user with this
 * password, or is still allowed without one. */
bool auth_still_admits(const struct auth *a, const char *username, uint64_t stamp);

/* The stamp of a user who has proved by a method of 5.0 who he is (auth_method.h). False: there is no such user,
 * or nobody may come in without a password. */
bool auth_admit_user(const struct auth *a, const char *username, uint64_t *stamp);

/* NULL: there is no password file. */
const struct logins *auth_logins(const struct auth *a);

bool auth_may_write(const struct auth *a, const struct identity *who, struct mqtt_slice topic);
bool auth_may_read(const struct auth *a, const struct identity *who, struct mqtt_slice topic);
/* Of a shared subscription the inner filter. By auth.subscribe; what may be read of it is asked again at
 * each delivery. */
bool auth_may_subscribe(const struct auth *a, const struct identity *who, struct mqtt_slice filter);
/* There are rules: a question about a filter takes longer than one compare. */
bool auth_has_rules(const struct auth *a);
/* auth.denied_publish: close. */
bool auth_closes_denied(const struct auth *a);

#endif
