/*
 * storm - connections that come and go: connect, (TLS handshake), CONNECT, CONNACK, DISCONNECT,
 * close. Each thread makes its share of them.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load/client.h"
#include "tests/bench/load/report.h"
#include "tests/bench/load/scenario.h"

struct storm;

struct storm_worker {
    struct storm *storm;
    pthread_t thread;
    struct loop *loop;
    unsigned index;
    unsigned at_once, count; /* its share */
    unsigned started, done, live;
    struct histogram latency; /* connect(2) to CONNACK */
};

struct storm {
    const struct options *o;
    struct storm_worker *workers;
    pthread_barrier_t warm, begin, end;
};

static void opened(struct conn *c)
{
    struct storm_worker *w = c->user;
    client_send_connect(c, w->storm->o,
                        &(struct client_identity){.prefix = "storm", .clean = true});
}

static void frame(struct conn *c, const struct frame *f)
{
    struct storm_worker *w = c->user;
    client_take_connack(c, w->storm->o, f);
    histogram_record(&w->latency, now_ns() - c->opened_at_ns);
    w->done++;
    w->live--;
    client_send_disconnect(c);
    conn_finish(c);
}

static void lost(struct conn *c)
{
    struct storm_worker *w = c->user;
    w->live--;
}

static const struct conn_events events = {.opened = opened, .frame = frame, .closed = lost};

static void connect_some(struct storm_worker *w, unsigned until)
{
    const struct options *o = w->storm->o;
    while (w->done + w->loop->failed < until) {
        while (w->live < w->at_once && w->started < until) {
            unsigned index = w->started * o->threads + w->index;
            conn_open(w->loop, &o->subscribe_to[index % o->subscribe_targets], &events, w, index);
            w->started++;
            w->live++;
        }
        loop_turn(w->loop, MILLISECONDS(100));
    }
}

static void *work(void *arg)
{
    struct storm_worker *w = arg;
    connect_some(w, w->at_once);
    memset(&w->latency, 0, sizeof(w->latency));
    w->done = 0;
    w->started = 0;
    w->loop->failed = 0;
    w->loop->resumed = 0;
    pthread_barrier_wait(&w->storm->warm);
    pthread_barrier_wait(&w->storm->begin);
    connect_some(w, w->count);
    pthread_barrier_wait(&w->storm->end);
    return NULL;
}

/* Worker i's part of `all`. */
static unsigned share(unsigned all, unsigned i, unsigned workers)
{
    return all / workers + (i < all % workers ? 1 : 0);
}

static void start(struct storm *s)
{
    const struct options *o = s->o;
    pthread_barrier_init(&s->warm, NULL, o->threads + 1);
    pthread_barrier_init(&s->begin, NULL, o->threads + 1);
    pthread_barrier_init(&s->end, NULL, o->threads + 1);
    for (unsigned i = 0; i < o->threads; i++) {
        struct storm_worker *w = &s->workers[i];
        *w = (struct storm_worker){.storm = s, .index = i, .loop = loop_new(options_loop(o))};
        w->loop->keep_session = o->resume;
        w->at_once = share(o->clients, i, o->threads);
        w->count = share(o->count, i, o->threads);
        if (w->at_once == 0)
            die("--threads: more than --clients");
        if (pthread_create(&w->thread, NULL, work, w) != 0)
            die("can't start a thread");
    }
}

static void add_up(const struct storm *s, struct report *r, struct histogram *latency)
{
    for (unsigned i = 0; i < s->o->threads; i++) {
        const struct storm_worker *w = &s->workers[i];
        histogram_add(latency, &w->latency);
        r->tally.delivered += w->done;
        r->failed += w->loop->failed;
        r->resumed += w->loop->resumed;
    }
    r->done = r->tally.delivered;
}

void run_storm(const struct options *o)
{
    struct storm s = {.o = o, .workers = calloc(o->threads, sizeof(struct storm_worker))};
    struct histogram *latency = calloc(1, sizeof(*latency));
    struct usage before;
    struct usage after;
    if (s.workers == NULL || latency == NULL)
        die("out of memory");
    start(&s);
    pthread_barrier_wait(&s.warm);
    usage_take(&before, o->pids, o->pid_count);
    uint64_t began = now_ns();
    pthread_barrier_wait(&s.begin);
    pthread_barrier_wait(&s.end);
    usage_take(&after, o->pids, o->pid_count);
    struct report r = {
        .unit = "connection",
        .seconds = (double)(now_ns() - began) / 1e9,
        .sent = o->count,
        .expected = o->count,
        .began = &before,
        .ended = &after,
        .latency = latency,
    };
    for (unsigned i = 0; i < o->threads; i++)
        pthread_join(s.workers[i].thread, NULL);
    add_up(&s, &r, latency);
    if (o->resume && r.resumed < r.done)
        die("only %llu of %llu connections were resumed", (unsigned long long)r.resumed,
            (unsigned long long)r.done);
    report_print(o, &r);
}
