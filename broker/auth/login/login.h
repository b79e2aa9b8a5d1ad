/*
 * login - checks passwords without stopping the loop: what was checked before is known at once, the
 * rest is hashed by a few threads, in an order in which guessing slows down only other guesses.
 *
 * Data flow: sources ask at CONNECT. login_memory.c knows the answer, or login_queue.c puts it in
 *            line and work_pool.c's threads hash. The verdict comes by the wait's `done`, exactly
 *            once, unless login_cancel was called before. The same password of the same user is
 *            hashed once, however many clients wait for it.
 * Unknown users aren't hashed: they cost no CPU. They are answered after the time that a hash takes
 *            (measured), behind the others of their rank and source, as if there were such a user.
 *            Hashes of less than 1 ms are made, since no timer is that exact.
 * Others:    login_check_by has something else checked than a line of the table (a token's signature, a user
 *            of another store), by the same threads, in the same order, remembered in the same way.
 *            login_refuse says no to what needn't be checked at all, as if it were an unknown user's.
 * Failures:  are counted by user name and by source (IPv4 address, IPv6 /64; not a trusted proxy's
 *            own address), and decide the order only.
 * Reload:    login_set_table; a hash that was under way for an old line is made again.
 * Ownership: waits are the caller's and stay until `done` or login_cancel. Passwords are copied
 *            while they wait and wiped afterwards.
 * Bounds:    `max_waiting` different passwords wait; then one login of the longest group of the
 *            worst rank gets LOGIN_BUSY. How long a client waits is its caller's timeout.
 * Threads:   all calls belong to the loop's thread, and so does `done`, which must do no more than
 *            mark: it may be called within login_check for somebody else.
 */
#ifndef FLOTILLA_BROKER_AUTH_LOGIN_LOGIN_H
#define FLOTILLA_BROKER_AUTH_LOGIN_LOGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/auth/login/login_request.h"
#include "common/mqtt/mqtt.h"

struct event_base;
struct logins;
struct passwd;

/* What became of logins, and what it cost. */
struct login_stats {
    uint64_t hashed, hash_ns; /* in threads */
    uint64_t remembered;      /* right, without hashing */
    uint64_t repeated;        /* wrong, without hashing */
    uint64_t unknown_user, busy;
    uint64_t refused; /* without hashing: tokens */
    uint64_t settled; /* without a password: login_settle */
};

/* NULL when there is no memory or no thread. */
struct logins *logins_new(struct event_base *base, uint64_t hash_key, unsigned threads,
                          uint32_t max_waiting);
/* Nobody waits any more. Waits for hashes that have begun. */
void logins_free(struct logins *l);

/* Borrows it until the next call. NULL: there are no users. */
void login_set_table(struct logins *l, const struct passwd *passwd);
/* After a new table: forgets what was remembered of users that are no more, and what login_check_by
 * remembered, in pieces; `*at` is 0 at first. False when there is nothing left to do. */
bool login_forget_some(struct logins *l, size_t *at);

/* Anything but LOGIN_PENDING is the verdict, and `done` isn't called. */
enum login_verdict login_check(struct logins *l, const struct login_request *r,
                               struct login_wait *wait);
/* The same, against `test`, which it takes over in any case. What `test` says holds, also if something
 * else is right by then. */
enum login_verdict login_check_by(struct logins *l, const struct login_request *r,
                                  const struct login_test *test, struct login_wait *wait);
/* Never LOGIN_OK, but as late as if there were something to check. `unknown_user`: what it counts as. */
enum login_verdict login_refuse(struct logins *l, const struct login_request *r, bool unknown_user,
                                struct login_wait *wait);
/* Whether the table has such a user. */
bool login_knows(const struct logins *l, struct mqtt_slice username);
/* Somebody else has found out whether that is who it says it is (SCRAM: `r` has no password). Counts a failure,
 * for the name if there is such a user (`stamp` isn't 0). A failure is answered as late as an unknown user's,
 * and so is who is right where both name and source have failed: else guessing would be faster than with
 * passwords. `wait` NULL: it is only counted. */
enum login_verdict login_settle(struct logins *l, const struct login_request *r, bool right,
                                uint64_t stamp, struct login_wait *wait);
/* Harmless when it doesn't wait. */
void login_cancel(struct login_wait *wait);

const struct login_stats *login_stats(const struct logins *l);
size_t login_waiting(const struct logins *l);

#endif
