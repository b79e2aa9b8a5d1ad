/*
 * Jobs (login_job.h) on their way: from a question, by the queue and a thread, to a verdict.
 */
#include "broker/auth/login/login.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/rand.h>

#include "broker/auth/files/passwd.h"
#include "broker/auth/login/login_failures.h"
#include "broker/auth/login/login_job.h"
#include "broker/auth/login/login_memory.h"
#include "broker/auth/login/login_queue.h"
#include "broker/base/id_set.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/hash_table.h"
#include "common/net/peer.h"
#include "common/process/work_pool.h"

enum {
    AHEAD_ITERATIONS = 10000, /* of a hash, given to each thread in advance: about 14 ms */
    AHEAD_JOBS = 64,
    PARKED_FROM_US = 1000, /* no timer is as exact as a shorter hash: it is made */
    SAMPLES = 16,
    NICE = 10, /* a tenth of a core beside a loop that is always busy, and less beside several */
    USUAL_SALT_BYTES = 12,
    FIRST_SAMPLE_ITERATIONS = 2000, /* hashed once at start, for a first guess of their time */
    REFUSAL_US = 5000,  /* where there is no table whose hashes say how long a refusal takes */
    HOPELESS_STAMP = 2, /* no secret's: those are odd, and an unknown user's is 0 */
};

struct logins {
    struct event_base *base;
    const struct passwd *passwd;
    struct work_pool *pool;
    struct login_memory *memory;
    struct login_queue *queue;
    struct login_failures sources, names; /* apart: many of one kind don't push out the other */
    struct hash_table jobs;               /* by proof */
    uint64_t hash_key;
    uint32_t max_waiting;
    unsigned threads, running;
    uint64_t running_iterations;
    double samples[SAMPLES]; /* ns an iteration took lately */
    unsigned next_sample, next_guess;
    bool closing;
    struct login_stats stats;
};

/* ---- hashing --------------------------------------------------------------------------------- */

static void run_hash(struct work *w)
{
    struct login_job *job =
        (struct login_job *)(void *)((char *)w - offsetof(struct login_job, work));
    uint64_t begun_ns = clock_monotonic_ns();
    job->right = job->test.matches != NULL ? job->test.matches(job->test.secret, job->password)
                                           : passwd_secret_matches(&job->secret, job->password);
    job->took_ns = clock_monotonic_ns() - begun_ns;
}

static void note_cost(struct logins *l, const struct login_job *job)
{
    l->stats.hashed++;
    l->stats.hash_ns += job->took_ns;
    if (job->test.matches == NULL)
        l->samples[l->next_sample++ % SAMPLES] = (double)job->took_ns / job->cost;
}

/* Without memory those that wait stay where they are; the next ones are known. */
static void note_source(struct logins *l, struct id_set *failed, uint64_t source, uint64_t now_ms)
{
    if (source == 0 || id_set_has(failed, source))
        return;
    id_set_add(failed, source);
    login_failures_note(&l->sources, source, now_ms);
}

/* All clients that wait for it have failed, and so has the client that began it and has left. */
static void note_failure(struct logins *l, const struct login_job *job)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct id_set failed = {.key = l->hash_key};
    if (job->test.matches != NULL ? job->test.names_user : job->stamp != 0)
        login_failures_note(&l->names, job->origin.name, now_ms);
    note_source(l, &failed, job->origin.source, now_ms);
    const struct login_wait *wait;
    TAILQ_FOREACH (wait, &job->waits, link)
        note_source(l, &failed, wait->source, now_ms);
    login_queue_failed(l->queue, &failed, job->origin.name);
    id_set_fini(&failed);
}

static void start_some(struct logins *l);

/* The proof that a job began with is another one if the user's line has changed since. */
static bool prove(const struct logins *l, const struct login_job *job, struct login_proof *out)
{
    *out = job->proof;
    return job->hopeless ||
           login_memory_prove(l->memory, job->username, job->stamp, job->password, out);
}

/* The verdict holds if the user's line is still the one that was hashed against. */
static void conclude(struct logins *l, struct login_job *job)
{
    struct login_proof proof;
    if (prove(l, job, &proof))
        login_memory_note(l->memory, &proof, job->right, job->origin.name, job->stamp);
    if (!job->right)
        note_failure(l, job);
    login_job_tell(job, job->right ? LOGIN_OK : LOGIN_BAD);
    login_job_free(job);
}

static bool holds(const struct logins *l, const struct login_job *job)
{
    return job->hopeless || job->test.matches != NULL ||
           passwd_stamp(l->passwd, job->username) == job->stamp;
}

static void on_hashed(struct work *w)
{
    struct login_job *job =
        (struct login_job *)(void *)((char *)w - offsetof(struct login_job, work));
    struct logins *l = job->logins;
    job->running = false;
    l->running--;
    l->running_iterations -= job->cost;
    if (w->ran)
        note_cost(l, job);
    if (l->closing) {
        login_job_free(job);
        return;
    }
    if (holds(l, job))
        conclude(l, job);
    else if (TAILQ_EMPTY(&job->waits))
        login_job_free(job);
    else if (!login_queue_push(l->queue, &job->place, &job->origin)) {
        login_job_tell(job, LOGIN_BUSY);
        login_job_free(job);
    }
    start_some(l);
}

static bool may_start(const struct logins *l)
{
    uint64_t most = passwd_most_iterations(l->passwd);
    return l->running < l->threads ||
           (l->running < l->threads * AHEAD_JOBS &&
            l->running_iterations + most <= (uint64_t)l->threads * AHEAD_ITERATIONS);
}

/* The user's line in the file now counts, not the one when the client connected. A user without a
 * line costs as much time as others, and no password is right. */
static void look_up(struct logins *l, struct login_job *job)
{
    job->stamp = job->hopeless ? 0 : passwd_stamp(l->passwd, job->username);
    if (job->hopeless || !passwd_find(l->passwd, job->username, &job->secret))
        job->secret = (struct passwd_secret){.iterations = passwd_most_iterations(l->passwd),
                                             .salt_len = USUAL_SALT_BYTES};
    job->cost = passwd_secret_cost(&job->secret);
}

static void start(struct logins *l, struct login_job *job)
{
    if (job->test.matches != NULL) {
        job->stamp = job->test.stamp;
        job->cost = job->test.cost;
    } else {
        look_up(l, job);
    }
    bool pbkdf2 = job->secret.iterations > 0 && job->secret.memory_kib == 0;
    if (job->shortened && !pbkdf2) { /* the line was PBKDF2's when it came */
        login_job_tell(job, LOGIN_BUSY);
        login_job_free(job);
        return;
    }
    if (job->cost == 0) { /* no thread's work */
        job->right = job->stamp != 0 && passwd_secret_matches(&job->secret, job->password);
        conclude(l, job);
        return;
    }
    job->running = true;
    job->work.run = run_hash;
    job->work.done = on_hashed;
    l->running++;
    l->running_iterations += job->cost;
    work_pool_submit(l->pool, &job->work);
}

static void start_some(struct logins *l)
{
    struct login_place *place;
    while (may_start(l) && (place = login_queue_pop(l->queue)) != NULL)
        start(l, (struct login_job *)(void *)place);
}

/* ---- users that don't exist ------------------------------------------------------------------ */

static uint64_t guess_us(struct logins *l)
{
    double ns = l->samples[l->next_guess++ % SAMPLES] * passwd_most_iterations(l->passwd);
    return (uint64_t)(ns / 1000 + 0.5);
}

static void on_parked_due(evutil_socket_t fd, short what, void *arg)
{
    struct login_job *job = arg;
    (void)fd;
    (void)what;
    if (!job->settled)
        login_memory_note(job->logins->memory, &job->proof, false, job->origin.name, 0);
    login_job_tell(job, job->right ? LOGIN_OK : LOGIN_BAD);
    login_job_free(job);
}

/* Answered when a hash would be over. The name isn't noted, because an attacker can make up any
 * number of names. */
static void park(struct logins *l, struct login_job *job)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t takes_us = l->passwd != NULL ? guess_us(l) : REFUSAL_US;
    size_t ahead = login_queue_ahead(l->queue, &job->origin) + l->running;
    uint64_t from_ms = now_ms + ahead * takes_us / l->threads / 1000;
    uint64_t due_ms =
        login_failures_line_up(&l->sources, job->origin.source, from_ms, (takes_us + 500) / 1000);
    uint64_t wait_ms = due_ms - now_ms;
    struct timeval after = {.tv_sec = (time_t)(wait_ms / 1000),
                            .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000)};
    event_assign(&job->parked, l->base, -1, 0, on_parked_due, job);
    event_add(&job->parked, &after);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static struct login_origin origin_of(const struct logins *l, const struct login_request *r)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct login_origin o = {.name = hash_bytes(l->hash_key, r->username.data, r->username.len)};
    if (r->source != NULL) {
        uint8_t source[16];
        peer_source(r->source, source);
        o.source = hash_bytes(~l->hash_key, source, sizeof(source)) | 1;
    }
    o.source_failed = login_failures_recent(&l->sources, o.source, now_ms);
    o.name_failed = login_failures_recent(&l->names, o.name, now_ms);
    return o;
}

/* Waits with others for the same password. A client of a better rank moves the job into its
 * rank. */
static void join(struct logins *l, struct login_job *job, struct login_wait *wait,
                 const struct login_origin *origin)
{
    login_job_join(job, wait, origin->source);
    if (job->place.group == NULL || origin->source_failed || !job->origin.source_failed)
        return;
    login_queue_remove(l->queue, &job->place);
    job->origin = *origin;
    if (!login_queue_push(l->queue, &job->place, origin)) {
        login_job_tell(job, LOGIN_BUSY);
        login_job_free(job);
    }
}

/* Makes room for one more by refusing a login of the worst rank; false: that would be the
 * newcomer. */
static bool make_room(struct logins *l, const struct login_origin *newcomer)
{
    if (login_queue_count(l->queue) < l->max_waiting)
        return true;
    l->stats.busy++;
    struct login_place *place = login_queue_crowded(l->queue, newcomer);
    if (place == NULL)
        return false;
    struct login_job *job = (struct login_job *)(void *)place;
    login_queue_remove(l->queue, place);
    login_job_tell(job, LOGIN_BUSY);
    login_job_free(job);
    return true;
}

/* What is asked, on its way to a job. */
struct question {
    const struct login_request *r; /* as it is proved */
    struct login_proof proof;
    const struct login_test *test; /* NULL: none */
    bool checked;                  /* else it is parked, or hashed in vain */
    bool hopeless, shortened;
};

/* NULL: out of memory. Takes over the test. */
static struct login_job *job_for(struct logins *l, const struct question *q,
                                 const struct login_origin *origin, bool hashed)
{
    struct login_job *job = login_job_new(&l->jobs, hashed ? q->r : NULL, &q->proof, origin);
    if (job == NULL) {
        login_test_release(q->test);
        return NULL;
    }
    job->logins = l;
    job->hopeless = q->hopeless;
    job->shortened = q->shortened;
    if (q->test != NULL)
        job->test = *q->test;
    if (hashed && !login_queue_push(l->queue, &job->place, origin)) {
        login_job_free(job);
        return NULL;
    }
    return job;
}

static enum login_verdict line_up(struct logins *l, const struct question *q,
                                  struct login_wait *wait)
{
    struct login_origin origin = origin_of(l, q->r);
    struct login_job *job = login_job_find(&l->jobs, &q->proof);
    if (job != NULL) {
        login_test_release(q->test);
        join(l, job, wait, &origin);
        return LOGIN_PENDING;
    }
    bool hashed = q->checked || (l->passwd != NULL && guess_us(l) < PARKED_FROM_US);
    if (hashed && !make_room(l, &origin)) {
        login_test_release(q->test);
        return LOGIN_BUSY;
    }
    job = job_for(l, q, &origin, hashed);
    if (job == NULL)
        return LOGIN_BUSY;
    login_job_join(job, wait, origin.source);
    if (hashed)
        start_some(l);
    else
        park(l, job);
    return LOGIN_PENDING;
}

/* Takes over the question's test. */
static enum login_verdict ask_memory(struct logins *l, struct question *q, uint64_t stamp,
                                     struct login_wait *wait)
{
    enum login_known known = LOGIN_UNKNOWN;
    if (!login_memory_prove(l->memory, q->r->username, stamp, q->r->password, &q->proof)) {
        login_test_release(q->test);
        return LOGIN_BUSY;
    }
    known = login_memory_ask(l->memory, &q->proof);
    if (known == LOGIN_UNKNOWN)
        return line_up(l, q, wait);
    login_test_release(q->test);
    if (known == LOGIN_RIGHT)
        l->stats.remembered++;
    else
        l->stats.repeated++;
    return known == LOGIN_RIGHT ? LOGIN_OK : LOGIN_BAD;
}

/* Long passwords would take memory while they wait. */
static enum login_verdict ask_shortened(struct logins *l, const struct login_request *r,
                                        struct question *q, uint64_t stamp, struct login_wait *wait)
{
    struct login_request shortened = *r;
    uint8_t buf[PASSWD_HASH_BYTES];
    shortened.password = passwd_shorten(r->password, buf);
    q->r = &shortened;
    q->shortened = shortened.password.data == buf;
    return ask_memory(l, q, stamp, wait);
}

enum login_verdict login_check(struct logins *l, const struct login_request *r,
                               struct login_wait *wait)
{
    struct passwd_secret secret = {0};
    wait->job = NULL;
    wait->stamp = passwd_stamp(l->passwd, r->username);
    if (r->username.len == 0 || r->password.len == 0)
        return LOGIN_BAD;
    struct question q = {.r = r, .checked = passwd_find(l->passwd, r->username, &secret)};
    if (!q.checked)
        l->stats.unknown_user++;
    uint32_t cost = q.checked ? passwd_secret_cost(&secret) : passwd_most_iterations(l->passwd);
    if (cost == 0) /* no thread's */
        return q.checked && passwd_secret_matches(&secret, r->password) ? LOGIN_OK : LOGIN_BAD;
    if (password_hash_needs_whole(&secret))
        return ask_memory(l, &q, wait->stamp, wait);
    return ask_shortened(l, r, &q, wait->stamp, wait);
}

enum login_verdict login_check_by(struct logins *l, const struct login_request *r,
                                  const struct login_test *test, struct login_wait *wait)
{
    struct question q = {.r = r, .test = test, .checked = true};
    wait->job = NULL;
    wait->stamp = test->stamp;
    return ask_memory(l, &q, test->stamp, wait);
}

enum login_verdict login_refuse(struct logins *l, const struct login_request *r, bool unknown_user,
                                struct login_wait *wait)
{
    struct question q = {.hopeless = true};
    wait->job = NULL;
    wait->stamp = 0;
    if (unknown_user)
        l->stats.unknown_user++;
    else
        l->stats.refused++;
    bool at_once = l->passwd != NULL && passwd_most_iterations(l->passwd) == 0;
    if (at_once || r->password.len == 0 || (unknown_user && r->username.len == 0))
        return LOGIN_BAD;
    return ask_shortened(l, r, &q, HOPELESS_STAMP, wait);
}

bool login_knows(const struct logins *l, struct mqtt_slice username)
{
    return passwd_stamp(l->passwd, username) != 0;
}

void login_cancel(struct login_wait *wait)
{
    struct login_job *job = wait->job;
    if (job == NULL)
        return;
    TAILQ_REMOVE(&job->waits, wait, link);
    wait->job = NULL;
    if (!TAILQ_EMPTY(&job->waits) || job->running)
        return;
    login_queue_remove(job->logins->queue, &job->place);
    login_job_free(job);
}

enum login_verdict login_settle(struct logins *l, const struct login_request *r, bool right,
                                uint64_t stamp, struct login_wait *wait)
{
    struct login_origin origin = origin_of(l, r);
    struct login_proof unique;
    struct login_job *job = NULL;
    l->stats.settled++;
    if (wait != NULL) {
        wait->job = NULL;
        wait->stamp = stamp;
    }
    if (RAND_bytes(unique.bytes, sizeof(unique.bytes)) == 1)
        job = login_job_new(&l->jobs, NULL, &unique, &origin);
    if (job == NULL)
        return LOGIN_BUSY;
    job->logins = l;
    job->settled = true;
    job->right = right;
    job->stamp = stamp;
    if (!right)
        note_failure(l, job);
    bool late = !right || (origin.source_failed && origin.name_failed);
    if (wait == NULL || !late || guess_us(l) < PARKED_FROM_US) {
        login_job_free(job);
        return right ? LOGIN_OK : LOGIN_BAD;
    }
    login_job_join(job, wait, origin.source);
    park(l, job);
    return LOGIN_PENDING;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* A first guess of what an iteration takes here, until there are measurements. */
static void sample_once(struct logins *l)
{
    static const uint8_t word[] = "password";
    struct passwd_secret secret = {.iterations = FIRST_SAMPLE_ITERATIONS,
                                   .salt_len = USUAL_SALT_BYTES};
    uint64_t begun_ns = clock_monotonic_ns();
    (void)passwd_secret_matches(&secret, (struct mqtt_slice){.data = word, .len = sizeof(word)});
    double ns = (double)(clock_monotonic_ns() - begun_ns) / FIRST_SAMPLE_ITERATIONS;
    for (size_t i = 0; i < SAMPLES; i++)
        l->samples[i] = ns;
}

struct logins *logins_new(struct event_base *base, uint64_t hash_key, unsigned threads,
                          uint32_t max_waiting)
{
    struct logins *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return NULL;
    l->hash_key = hash_key;
    l->threads = threads;
    l->max_waiting = max_waiting;
    l->base = base;
    l->memory = login_memory_new();
    l->queue = login_queue_new();
    if (!hash_table_init(&l->jobs) || l->memory == NULL || l->queue == NULL)
        goto fail;
    const struct work_pool_config config = {.name = "login", .threads = threads, .nice = NICE};
    l->pool = work_pool_new(base, &config);
    if (l->pool == NULL)
        goto fail;
    sample_once(l);
    return l;
fail:
    logins_free(l);
    return NULL;
}

void logins_free(struct logins *l)
{
    if (l == NULL)
        return;
    l->closing = true;
    work_pool_free(l->pool);
    login_queue_free(l->queue);
    login_memory_free(l->memory);
    hash_table_fini(&l->jobs);
    free(l);
}

void login_set_table(struct logins *l, const struct passwd *passwd)
{
    l->passwd = passwd;
}

static bool is_current(void *arg, uint64_t name_hash, uint64_t stamp)
{
    const struct logins *l = arg;
    return passwd_stamp_of_hash(l->passwd, name_hash) == stamp;
}

bool login_forget_some(struct logins *l, size_t *at)
{
    return login_memory_forget(l->memory, at, is_current, l);
}

const struct login_stats *login_stats(const struct logins *l)
{
    return &l->stats;
}

size_t login_waiting(const struct logins *l)
{
    return login_queue_count(l->queue) + l->running;
}
