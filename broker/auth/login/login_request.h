/*
 * login_request - what login.c is asked and answers: the structs of both sides.
 *
 * Ownership: waits are the asker's, and stay until `done` or login_cancel. What a request points to is
 *            borrowed for the call. A test's secret is login.c's, until it calls `release`.
 */
#ifndef FLOTILLA_BROKER_AUTH_LOGIN_LOGIN_REQUEST_H
#define FLOTILLA_BROKER_AUTH_LOGIN_LOGIN_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/mqtt/mqtt.h"

struct login_job;
struct peer;

enum login_verdict {
    LOGIN_PENDING,
    LOGIN_OK,
    LOGIN_BAD,            /* no such user, or not the password */
    LOGIN_NOT_AUTHORIZED, /* no user name, and it needs one */
    LOGIN_BUSY,           /* too many wait */
};

struct login_wait {
    void (*done)(void *arg, enum login_verdict verdict);
    void *arg;
    uint64_t stamp; /* with LOGIN_OK: passwd_stamp of the line, or the test's, that was right */
    /* login.c's */
    TAILQ_ENTRY(login_wait) link;
    struct login_job *job; /* NULL: doesn't wait */
    uint64_t source;
};

struct login_request {
    struct mqtt_slice username, password;
    const struct peer *source; /* NULL: not to be told apart from others */
};

/* What a password, or what stands in its place, is checked against if that is no line of the table. */
struct login_test {
    uint64_t stamp;  /* which secret it is; odd */
    uint32_t cost;   /* in iterations of PBKDF2 (1.4 µs), at least 1 */
    bool names_user; /* there is such a user: a failure is counted for the name as well */
    bool (*matches)(void *secret, struct mqtt_slice password); /* in a thread */
    void (*release)(void *secret);                             /* once, in the loop's thread */
    void *secret;
};

#endif
