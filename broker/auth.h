/*
 * auth - who is let in and what they may do: anonymous, password file, ACL file.
 *
 * Data flow: handle_connect.c asks at CONNECT, the handlers before each publish and subscription,
 *            deliver.c before each delivery. Without an ACL file everything but writing to
 *            what is reserved ($SYS, $share) is allowed, at the cost of one compare.
 * Reload:    auth_reload (SIGHUP) reads both files again; a bad one leaves everything as it was and
 *            is named in the log. Connected clients stay.
 */
#ifndef FLOTILLA_BROKER_AUTH_H
#define FLOTILLA_BROKER_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "common/mqtt.h"

struct auth;
struct auth_config;
struct client;

enum auth_verdict { AUTH_OK, AUTH_BAD_LOGIN, AUTH_NOT_AUTHORIZED };

/* NULL with a sentence in err. `anonymous` stands in for the configuration's when there is none. */
struct auth *auth_new(const struct auth_config *config, bool anonymous, char *err, size_t errlen);
void auth_free(struct auth *a);
bool auth_reload(struct auth *a);

/* `username` is NULL when the client gave none. */
enum auth_verdict auth_login(const struct auth *a, const struct mqtt_slice *username,
                             struct mqtt_slice password);
/* `client_id` is given apart, since a will is checked before the session is there. */
bool auth_may_write(const struct auth *a, const struct client *c, struct mqtt_slice client_id,
                    struct mqtt_slice topic);
bool auth_may_read(const struct auth *a, const struct client *c, struct mqtt_slice topic);
bool auth_may_subscribe(const struct auth *a, const struct client *c, struct mqtt_slice filter);

#endif
