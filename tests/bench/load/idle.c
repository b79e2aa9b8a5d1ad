/*
 * idle - connected clients that do nothing: what does each cost in resident memory?
 */
#include <stdlib.h>

#include "tests/bench/load/client.h"
#include "tests/bench/load/report.h"
#include "tests/bench/load/scenario.h"

#define CONNECTING_AT_ONCE 200u
#define WARM_UP                                                                                    \
    100u /* connections before the first measurement: first-use costs aren't counted               \
          */

struct idle {
    const struct options *o;
    struct loop *loop;
    unsigned started, ready;
};

static void opened(struct conn *c)
{
    struct idle *s = c->user;
    client_send_connect(c, s->o, &(struct client_identity){.prefix = "idle", .clean = true});
}

static void frame(struct conn *c, const struct frame *f)
{
    struct idle *s = c->user;
    client_take_connack(c, s->o, f);
    s->ready++;
}

static const struct conn_events events = {.opened = opened, .frame = frame};

static void connect_until(struct idle *s, unsigned count)
{
    while (s->ready < count) {
        while (s->started < count && s->started - s->ready < CONNECTING_AT_ONCE) {
            conn_open(s->loop, &s->o->subscribe_to[s->started % s->o->subscribe_targets], &events,
                      s, s->started);
            s->started++;
        }
        loop_turn(s->loop, MILLISECONDS(100));
    }
}

void run_idle(const struct options *o)
{
    struct idle s = {.o = o, .loop = loop_new(options_loop(o))};
    struct usage before;
    struct usage after;
    connect_until(&s, WARM_UP);
    usage_take(&before, o->pids, o->pid_count);
    uint64_t began = now_ns();
    connect_until(&s, WARM_UP + o->clients);
    usage_take(&after, o->pids, o->pid_count);
    report_print(o, &(struct report){
                        .unit = "connection",
                        .done = o->clients,
                        .seconds = (double)(now_ns() - began) / 1e9,
                        .sent = s.started,
                        .expected = s.started,
                        .tally.delivered = s.ready,
                        .began = &before,
                        .ended = &after,
                        .memory_before = &before,
                        .memory_after = &after,
                        .memory_count = o->clients,
                    });
}
