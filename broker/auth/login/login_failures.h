/*
 * login_failures - which addresses (sources) and which names had wrong passwords lately: a table of
 * each.
 *
 * It decides nothing about a login, only its place behind others (login_queue.h): nobody is locked
 * out. A key is a hash of the source or the name; 0 is nobody's and never has failures, which is
 * what a trusted proxy's own address gets.
 *
 * Pure: no I/O, the time is an argument.
 * Bounds: 4,096 keys; in its set of four a new one takes the place of the one that failed longest
 *         ago.
 */
#ifndef FLOTILLA_BROKER_AUTH_LOGIN_LOGIN_FAILURES_H
#define FLOTILLA_BROKER_AUTH_LOGIN_LOGIN_FAILURES_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LOGIN_FAILURE_LASTS_MS = 300000,
    LOGIN_LINE_MS = 5000,
    LOGIN_FAILURE_SETS = 1024,
    LOGIN_FAILURE_WAYS = 4
};

struct login_failure {
    uint64_t key;
    uint64_t at_ms;
    uint64_t busy_until_ms; /* see login_failures_line_up */
};

struct login_failures {
    struct login_failure sets[LOGIN_FAILURE_SETS][LOGIN_FAILURE_WAYS];
};

void login_failures_note(struct login_failures *f, uint64_t key, uint64_t now_ms);
bool login_failures_recent(const struct login_failures *f, uint64_t key, uint64_t now_ms);

/* When a failure of `key` that isn't hashed, but must look as if, would be over: behind the ones
 * that wait already, as they would wait for a thread, but for 5 s at most, since those at the end of
 * a longer line give up. Notes the failure. */
uint64_t login_failures_line_up(struct login_failures *f, uint64_t key, uint64_t from_ms,
                                uint64_t takes_ms);

#endif
