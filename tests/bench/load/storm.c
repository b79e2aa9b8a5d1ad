/*
 * storm - connections that come and go: connect, (TLS handshake), CONNECT, CONNACK, DISCONNECT,
 * close.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load/client.h"
#include "tests/bench/load/histogram.h"
#include "tests/bench/load/process.h"
#include "tests/bench/load/report.h"
#include "tests/bench/load/scenario.h"

struct storm {
    const struct options *o;
    struct loop *loop;
    unsigned started, done, live;
    struct histogram latency; /* connect(2) to CONNACK */
};

static void opened(struct conn *c)
{
    struct storm *s = c->user;
    client_send_connect(c, s->o, &(struct client_identity){.prefix = "storm", .clean = true});
}

static void frame(struct conn *c, const struct frame *f)
{
    struct storm *s = c->user;
    client_check_connack(c, f);
    histogram_record(&s->latency, now_ns() - c->opened_at_ns);
    s->done++;
    s->live--;
    client_send_disconnect(c);
    conn_finish(c);
}

static void lost(struct conn *c)
{
    struct storm *s = c->user;
    s->live--;
}

static const struct conn_events events = {.opened = opened, .frame = frame, .closed = lost};

static void connect_some(struct storm *s, unsigned until)
{
    while (s->done + s->loop->failed < until) {
        while (s->live < s->o->clients && s->started < until) {
            conn_open(s->loop, &s->o->subscribe_to[s->started % s->o->subscribe_targets], &events,
                      s, s->started);
            s->started++;
            s->live++;
        }
        loop_turn(s->loop, MILLISECONDS(100));
    }
}

void run_storm(const struct options *o)
{
    struct storm *s = calloc(1, sizeof(*s));
    if (s == NULL)
        die("out of memory");
    s->o = o;
    s->loop = loop_new(o->tls, o->ca_file);
    s->loop->keep_session = o->resume;
    unsigned warm_up = o->clients;
    connect_some(s, warm_up);
    memset(&s->latency, 0, sizeof(s->latency));
    unsigned done_before = s->done;
    struct process_use before = process_measure(o->pids, o->pid_count);
    uint64_t began = now_ns();
    connect_some(s, warm_up + o->count);
    struct process_use after = process_measure(o->pids, o->pid_count);
    struct report r = {
        .unit = "connection",
        .done = s->done - done_before,
        .seconds = (double)(now_ns() - began) / 1e9,
        .cpu_ns = after.cpu_ns - before.cpu_ns,
        .sent = s->started,
        .expected = s->started,
        .received = s->done,
        .failed = s->loop->failed,
        .bytes_each = -1,
        .latency = &s->latency,
    };
    report_print(o, &r);
}
