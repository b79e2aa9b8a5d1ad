/*
 * auth - which clients may connect and what they may do: the chains of identity sources, and the ACL
 * file.
 *
 * Data flow: handle_connect.c asks at CONNECT and may get the answer later (chain.h); the handlers
 *            ask before each publish and subscription, deliver.c before each delivery. Where nothing
 *            narrows rights, everything but writing to $SYS is allowed, at the cost of one compare.
 * Reload:    auth_reload (SIGHUP) has `auth:` of the configuration and both files read again by a
 *            thread; a bad one leaves everything as it was and is named in the log. Chains stay as
 *            they were at the start. New rules hold
 *            for existing connections from the next message on. Then `changed` is called: connected
 *            clients must be checked again (auth_recheck.c).
 */
#ifndef FLOTILLA_BROKER_AUTH_AUTH_H
#define FLOTILLA_BROKER_AUTH_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/auth/sources/chain.h"
#include "common/mqtt/mqtt.h"

struct auth;
struct broker_config;
struct event_base;
struct grant_terms;
struct listener_config;
struct source_http_stats;
struct scram_secret;
struct user_store;

/* Who asks. The texts are the asker's. */
struct identity {
    char *username; /* NULL: anonymous */
    struct mqtt_slice client_id;
    struct grant_terms *terms; /* NULL: none */
};

/* NULL with a sentence in err. `anonymous` stands in for the configuration's when there is none.
 * Borrows `config`. */
struct auth *auth_new(struct event_base *base, const struct broker_config *config, bool anonymous,
                      uint64_t hash_key, char *err, size_t errlen);
/* All clients are gone. */
void auth_free(struct auth *a);

void auth_reload(struct auth *a);
/* Who else has a say in a reload: gets the configuration that was read (not when there is no file), puts what is its in
 * force and leaves in it what is to be freed; or says in `err` why not, and then nothing changes. NULL: nobody. */
typedef bool auth_reload_accept_fn(void *arg, struct broker_config *fresh, char *err,
                                   size_t errlen);
void auth_on_reload(struct auth *a, auth_reload_accept_fn *accept, void *arg);
void auth_on_change(struct auth *a, void (*changed)(void *arg), void *arg);
/* A source's users have changed: who came in by it is checked again. */
void auth_changed(struct auth *a);
/* All clients have been looked at since `changed` was called last. */
void auth_checked(struct auth *a);
/* Whether any chain has users of a store outside of this process; and the store. False when out of memory or
 * threads. */
bool auth_wants_users(const struct auth *a);
bool auth_use_users(struct auth *a, const struct user_store *store);
/* login_forget_some, if there is anything to forget. */
bool auth_forget_some(struct auth *a, size_t *at);

/* Whether a client's certificate makes a difference at that listener. */
bool auth_wants_certificate(const struct auth *a, const struct listener_config *l);
/* Whether a client with this certificate (NULL: none) may log in by a method of 5.0 instead of the chain: not where a
 * certificate is required and it has none that counts. */
bool auth_allows_method(const struct auth *a, const struct listener_config *l,
                        const struct peer_certificate *certificate);
/* As chain_ask, with the chain of that listener (NULL: the one for all). With LOGIN_OK, here or in `done`,
 * wait->source.grant is what the client got. */
enum login_verdict auth_login(struct auth *a, const struct listener_config *l,
                              const struct source_request *r, struct chain_wait *wait);
/* Whether a client with that name (NULL: none) that this source admitted with this stamp is still to be
 * admitted. */
bool auth_still_admits(const struct auth *a, const struct listener_config *l,
                       enum source_kind source, const char *username, uint64_t stamp);

/* What a user gets who has proved by a method of 5.0 who he is (auth_method.h). False: there is no such
 * user, or nobody may come in without a password. */
bool auth_admit_user(const struct auth *a, const struct listener_config *l, const char *username,
                     struct grant *out);

/* NULL: no service is asked. */
const struct source_http_stats *auth_service_stats(const struct auth *a);
/* What SCRAM-SHA-256 asks of this user: passwd_find_scram. */
uint64_t auth_find_scram(const struct auth *a, struct mqtt_slice username,
                         struct scram_secret *out);
/* A method has found out whether that is who it says it is: login_settle. LOGIN_PENDING: wait->done gets the
 * verdict, as of auth_login. */
enum login_verdict auth_settle(struct auth *a, const struct login_request *r, bool right,
                               uint64_t stamp, struct chain_wait *wait);

/* NULL: no source has had anything checked by threads. */
const struct logins *auth_logins(const struct auth *a);

bool auth_may_write(const struct auth *a, const struct identity *who, struct mqtt_slice topic);
bool auth_may_read(const struct auth *a, const struct identity *who, struct mqtt_slice topic);
bool auth_may_subscribe(const struct auth *a, const struct identity *who, struct mqtt_slice filter);

#endif
