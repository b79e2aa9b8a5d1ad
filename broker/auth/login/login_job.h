/*
 * login_job - one password of one user that at least one client waits for, or what stands in a
 * password's place.
 *
 * It is queued, running (a thread has it) or, for a user that doesn't exist, parked until a hash would be
 * over. It is checked against the user's line in the table, or its own test.
 *
 * Data flow: login.c makes it, moves it along and tells the verdict; the table finds those that wait for the same.
 * Ownership: login.c's, until login_job_free. Waits are their clients'. The password is copied, and wiped.
 */
#ifndef FLOTILLA_BROKER_AUTH_LOGIN_LOGIN_JOB_H
#define FLOTILLA_BROKER_AUTH_LOGIN_LOGIN_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <event2/event_struct.h>

#include "broker/auth/files/passwd.h"
#include "broker/auth/login/login_memory.h"
#include "broker/auth/login/login_queue.h"
#include "broker/auth/login/login_request.h"
#include "common/base/hash_table.h"
#include "common/process/work_pool.h"

struct logins;

TAILQ_HEAD(login_wait_list, login_wait);

struct login_job {
    struct login_place place; /* first member */
    struct work work;
    struct hash_table *jobs; /* the table that it is in, by proof */
    struct hash_link by_proof;
    struct event parked; /* pending: parked */
    struct login_wait_list waits;
    struct logins *logins;
    struct login_proof proof;
    struct login_origin origin;
    struct login_test test; /* matches NULL: the table's line counts */
    bool hopeless;          /* refused: it only takes its time */
    bool shortened;         /* the password is PBKDF2's short form */
    bool settled;           /* login_settle: there is no password, `right` is known */
    bool running;
    uint32_t cost;               /* running */
    struct passwd_secret secret; /* running, without a test */
    uint64_t stamp;              /* of that secret, or the test */
    bool right;
    uint64_t took_ns;
    struct mqtt_slice username, password; /* point into text */
    uint8_t text[];
};

struct login_job *login_job_find(const struct hash_table *jobs, const struct login_proof *proof);
/* `r` NULL: it is never hashed. NULL when out of memory. */
struct login_job *login_job_new(struct hash_table *jobs, const struct login_request *r,
                                const struct login_proof *proof, const struct login_origin *origin);
/* It neither waits in the queue nor runs. Releases its test. */
void login_job_free(struct login_job *job);

void login_job_join(struct login_job *job, struct login_wait *wait, uint64_t source);
/* Nobody waits for it any more. */
void login_job_tell(struct login_job *job, enum login_verdict verdict);

/* NULL is harmless. */
void login_test_release(const struct login_test *test);

#endif
