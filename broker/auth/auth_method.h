/*
 * auth_method - enhanced authentication of 5.0 (4.12): methods by which a client proves who it is, in as many
 * steps as they take.
 *
 * Data flow: handle_auth.c begins an exchange with what CONNECT says, and passes on each AUTH; the method
 *            answers, and names the user at the end. A method knows nothing of connections. Failures that name a
 *            user are counted and slowed down like wrong passwords by handle_auth.c (auth_settle).
 * Time:      handle_auth.c bounds how long an exchange may take.
 * Ownership: an exchange is its client's. Answers are the exchange's, good until its next step.
 * A new one: its struct auth_method into the table of auth_method.c.
 */
#ifndef FLOTILLA_BROKER_AUTH_AUTH_METHOD_H
#define FLOTILLA_BROKER_AUTH_AUTH_METHOD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/mqtt/mqtt.h"

struct auth;
struct broker_config;

enum auth_step {
    AUTH_STEP_CONTINUE, /* the client is to answer */
    AUTH_STEP_ACCEPTED,
    AUTH_STEP_REFUSED,
};

struct auth_answer {
    struct mqtt_slice data; /* for the client; empty: none */
    /* With AUTH_STEP_ACCEPTED who it is; with AUTH_STEP_REFUSED who it isn't, if it said. */
    struct mqtt_slice username;
    /* Which secret of that user it was (auth_still_admits); 0: auth_admit_user knows. */
    uint64_t stamp;
};

struct auth_exchange;

struct auth_method {
    const char *name;
    /* NULL when out of memory. `a` outlives the exchange. */
    struct auth_exchange *(*begin)(const struct auth *a);
    /* `data`: what the client says, empty if nothing. */
    enum auth_step (*step)(struct auth_exchange *x, struct mqtt_slice data,
                           struct auth_answer *out);
    void (*end)(struct auth_exchange *x); /* `x` may be NULL */
};

/* The method of this name, if the configuration allows it (auth.methods); else NULL. */
const struct auth_method *auth_method_find(const struct broker_config *config,
                                           struct mqtt_slice name);
/* Proves nothing: the client says its user name, gets a challenge, and says it again, back to front. For tests of
 * clients and of the way there. */
extern const struct auth_method auth_method_mirror;
/* SCRAM-SHA-256 (RFC 7677) for users of the password file who have keys for it. */
extern const struct auth_method auth_method_scram;

#endif
