/* Runs traffic: its workers, their pace, and the measurement. */
#include "tests/bench/load/traffic.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/load/report.h"
#include "tests/bench/load/scenario.h"

#define CONNECTING_AT_ONCE 200u
#define CONNECT_NS 240000000000u
#define DRAIN_NS 5000000000u
#define CALM_STEP_NS 2e6 /* between two messages of a worker */
#define AWAKE_NS 300000u /* before one is due */

/* ---- a worker -------------------------------------------------------------------------------- */

static void connect_some(struct traffic_worker *w)
{
    while (w->started - atomic_load(&w->ready) < CONNECTING_AT_ONCE && traffic_connect_next(w))
        ;
}

/* Closed loop: publishes what the windows have room for. */
static void fill_windows(struct traffic_worker *w)
{
    struct traffic *t = w->traffic;
    uint64_t now = now_ns();
    for (unsigned i = w->index; i < t->publisher_count; i += t->o->threads) {
        struct publisher *p = &t->publishers[i];
        uint64_t delivered = atomic_load_explicit(&p->delivered, memory_order_relaxed);
        if (t->fan_out > 1)
            delivered /= t->fan_out;
        if (t->o->qos > 0 && p->acked < delivered)
            delivered = p->acked;
        while (p->sent - delivered < p->window)
            traffic_publish(w, p, now);
    }
}

/* How long to wait for what is due in `left` ns. The timer of an idle processor is late by a tenth of
 * a millisecond, which isn't the server's doing: with a calm load the loop is awake before. */
static uint64_t wait_for_due(uint64_t left, double step_ns)
{
    if (step_ns < CALM_STEP_NS)
        return left;
    return left > AWAKE_NS ? left - AWAKE_NS : 0;
}

/* Open loop: publishes what is due; returns how long to wait for the next, in nanoseconds. The
 * worker's publishers take turns; workers are offset against each other. */
static uint64_t publish_due(struct traffic_worker *w)
{
    struct traffic *t = w->traffic;
    unsigned threads = t->o->threads;
    unsigned own = traffic_share(t->publisher_count, w->index, threads);
    if (own == 0)
        return MILLISECONDS(1);
    double step_ns = 1e9 / (t->o->rate * own);
    double offset = (double)w->index / threads;
    uint64_t now = now_ns();
    for (;; w->turn++) {
        uint64_t due = t->pace_start_ns + (uint64_t)(((double)w->turn + offset) * step_ns);
        if (due > now)
            return wait_for_due(due - now, step_ns);
        unsigned i = (unsigned)(w->turn % own) * threads + w->index;
        traffic_publish(w, &t->publishers[i], due);
    }
}

/* What the phase asks for; returns how long the loop may wait. */
static uint64_t act(struct traffic_worker *w, enum phase phase)
{
    switch (phase) {
    case PHASE_CONNECT:
        connect_some(w);
        return MILLISECONDS(10);
    case PHASE_WARM_UP:
    case PHASE_MEASURE:
        if (w->traffic->o->rate > 0)
            return publish_due(w);
        fill_windows(w);
        return MILLISECONDS(1);
    case PHASE_DRAIN:
    case PHASE_END:
        return MILLISECONDS(10);
    }
    return 0;
}

/* Shows the measuring thread where the worker is, and all that it did before. */
static void show(struct traffic_worker *w, enum phase phase)
{
    atomic_store_explicit(&w->delivered, w->tally.delivered, memory_order_relaxed);
    atomic_store_explicit(&w->phase, phase, memory_order_release);
}

static void *work(void *arg)
{
    struct traffic_worker *w = arg;
    enum phase seen = PHASE_CONNECT;
    while (seen != PHASE_END) {
        enum phase phase = (enum phase)atomic_load(&w->traffic->phase);
        if (phase == PHASE_MEASURE && seen != PHASE_MEASURE)
            memset(&w->latency, 0, sizeof(w->latency));
        seen = phase;
        loop_turn(w->loop, act(w, phase));
        show(w, phase);
    }
    return NULL;
}

/* ---- the measuring thread -------------------------------------------------------------------- */

static void wait_ns(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    nanosleep(&t, NULL);
}

static uint64_t delivered(const struct traffic *t)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < t->o->threads; i++)
        sum += atomic_load_explicit(&t->workers[i].delivered, memory_order_relaxed);
    return sum;
}

static struct traffic *traffic_new(const struct options *o)
{
    struct traffic *t = calloc(1, sizeof(*t));
    if (t == NULL)
        die("out of memory");
    t->o = o;
    t->hears_all = o->mode == MODE_FAN_IN || o->mode == MODE_TELEMETRY;
    t->publisher_count = o->mode == MODE_FAN_OUT ? 1 : o->clients;
    t->subscriber_count = o->mode == MODE_FAN_IN      ? 1
                          : o->mode == MODE_TELEMETRY ? o->subscribers
                                                      : o->clients;
    bool for_all = (o->mode == MODE_FAN_OUT || o->mode == MODE_TELEMETRY) && o->share == NULL;
    t->fan_out = for_all ? t->subscriber_count : 1;
    t->group = calloc(t->publisher_count, sizeof(*t->group));
    t->publishers = calloc(t->publisher_count, sizeof(*t->publishers));
    t->subscribers = calloc(t->subscriber_count, sizeof(*t->subscribers));
    t->workers = calloc(o->threads, sizeof(*t->workers));
    if (t->publishers == NULL || t->subscribers == NULL || t->workers == NULL || t->group == NULL)
        die("out of memory");
    return t;
}

static void start_workers(struct traffic *t)
{
    for (unsigned i = 0; i < t->o->threads; i++) {
        struct traffic_worker *w = &t->workers[i];
        w->traffic = t;
        w->index = i;
        w->loop = loop_new(options_loop(t->o));
    }
    for (unsigned i = 0; i < t->o->threads; i++) {
        if (pthread_create(&t->workers[i].thread, NULL, work, &t->workers[i]) != 0)
            die("can't start a thread");
    }
}

static void await_connections(const struct traffic *t)
{
    unsigned all = t->subscriber_count + t->publisher_count;
    uint64_t deadline = now_ns() + CONNECT_NS;
    for (;;) {
        unsigned ready = 0;
        for (unsigned i = 0; i < t->o->threads; i++)
            ready += atomic_load(&t->workers[i].ready);
        if (ready == all)
            return;
        if (now_ns() > deadline)
            die("only %u of %u clients were ready after four minutes", ready, all);
        wait_ns(MILLISECONDS(1));
    }
}

/* Called when no worker publishes any more. */
static uint64_t sent(const struct traffic *t)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < t->publisher_count; i++)
        sum += t->publishers[i].sent;
    return sum;
}

/* Waits for what is on its way: until all came, or nothing came for long. */
static void drain(struct traffic *t)
{
    uint64_t came = 0;
    uint64_t moved_ns = now_ns();
    for (unsigned i = 0; i < t->o->threads; i++) { /* until its last messages are out */
        while (atomic_load_explicit(&t->workers[i].phase, memory_order_acquire) != PHASE_DRAIN)
            wait_ns(MILLISECONDS(1));
    }
    while (delivered(t) < sent(t) * t->fan_out && now_ns() - moved_ns < DRAIN_NS) {
        if (came != delivered(t)) {
            came = delivered(t);
            moved_ns = now_ns();
        }
        wait_ns(MILLISECONDS(5));
    }
    wait_ns(MILLISECONDS(20)); /* for repeats */
}

static void add_up(struct traffic *t, struct report *r, struct histogram *latency)
{
    for (unsigned i = 0; i < t->o->threads; i++) {
        struct traffic_worker *w = &t->workers[i];
        pthread_join(w->thread, NULL);
        histogram_add(latency, &w->latency);
        r->tally.delivered += w->tally.delivered;
        r->tally.duplicates += w->tally.duplicates;
        r->tally.reordered += w->tally.reordered;
    }
    r->sent = sent(t);
    r->expected = r->sent * t->fan_out;
}

void run_traffic(const struct options *o)
{
    struct traffic *t = traffic_new(o);
    struct histogram *latency = calloc(1, sizeof(*latency));
    struct usage before;
    struct usage after;
    if (latency == NULL)
        die("out of memory");
    start_workers(t);
    await_connections(t);
    t->pace_start_ns = now_ns();
    atomic_store(&t->phase, PHASE_WARM_UP);
    wait_ns((uint64_t)(o->warmup * 1e9));

    atomic_store(&t->phase, PHASE_MEASURE);
    usage_take(&before, o->pids, o->pid_count);
    uint64_t delivered_before = delivered(t);
    uint64_t began = now_ns();
    wait_ns((uint64_t)(o->seconds * 1e9));
    usage_take(&after, o->pids, o->pid_count);
    struct report r = {
        .unit = "message",
        .done = delivered(t) - delivered_before,
        .seconds = (double)(now_ns() - began) / 1e9,
        .began = &before,
        .ended = &after,
        .latency = latency,
    };
    atomic_store(&t->phase, PHASE_DRAIN);
    drain(t);
    atomic_store(&t->phase, PHASE_END);
    add_up(t, &r, latency);
    report_print(o, &r);
}
