/*
 * durable - N durable sessions subscribe and leave; --count messages are published for all of them;
 * they come back and fetch. The measured time is queueing and fetching; `cpu_us_each` is per
 * message and session. `bytes_each` is memory per offline session after they left; with --count 0
 * they subscribe to --extra-filters of their own only.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/load/client.h"
#include "tests/bench/load/report.h"
#include "tests/bench/load/scenario.h"
#include "tests/bench/load/template.h"

#define AT_ONCE 200u          /* sessions connected at the same time */
#define STUCK_NS 20000000000u /* without progress for this long, what is missing stays missing */
#define WARM_UP 100u          /* sessions before memory is measured, not counted in it */

enum phase { PHASE_SUBSCRIBE, PHASE_FETCH };

struct session {
    struct sequence sequence;
    unsigned finished; /* messages whose acknowledgement is complete */
};

struct durable {
    const struct options *o;
    struct loop *loop;
    enum phase phase;
    struct session *sessions;
    unsigned started, done, live;
    struct tally tally;
    unsigned sent, acked, window;
    bool publisher_ready;
};

static void session_opened(struct conn *c)
{
    struct durable *s = c->user;
    client_send_connect(c, s->o, &(struct client_identity){.prefix = "durable", .clean = false});
}

static void leave(struct durable *s, struct conn *c)
{
    s->done++;
    s->live--;
    client_send_disconnect(c);
    conn_finish(c);
}

static void subscribe(const struct durable *s, struct conn *c)
{
    char filter[64];
    struct filters l = {.count = 0};
    for (unsigned i = 0; i < s->o->extra_filters && !filters_are_full(&l); i++) {
        snprintf(filter, sizeof(filter), "durable/%u/%u", c->index, i);
        filters_add(&l, true, filter, s->o->qos);
    }
    if (s->o->count > 0)
        filters_add(&l, true, "durable/all", s->o->qos);
    client_send_filters(c, s->o, true, &l, 1);
}

/* The last acknowledgement of one message is on its way. */
static void finish_message(struct durable *s, struct conn *c)
{
    if (++s->sessions[c->index].finished == s->o->count)
        leave(s, c);
}

static void session_message(struct durable *s, struct conn *c, const struct frame *f)
{
    struct received r;
    struct stamp stamp;
    client_take_publish(c, s->o, f, &r);
    if (!stamp_read(r.payload, &stamp))
        return;
    bool fresh = tally_take(&s->tally, &s->sessions[c->index].sequence, stamp.number);
    if (fresh && r.qos < 2)
        finish_message(s, c);
}

static void session_frame(struct conn *c, const struct frame *f)
{
    struct durable *s = c->user;
    switch (f->head >> 4) {
    case MQTT_CONNACK:
        client_take_connack(c, s->o, f);
        if (s->phase == PHASE_SUBSCRIBE)
            subscribe(s, c);
        break;
    case MQTT_SUBACK:
        client_take_suback(c, s->o, f);
        leave(s, c);
        break;
    case MQTT_PUBLISH:
        session_message(s, c, f);
        break;
    case MQTT_PUBREL:
        client_take_pubrel(c, f);
        finish_message(s, c);
        break;
    default:
        client_take_other(c, f);
        break;
    }
}

static const struct conn_events session_events = {.opened = session_opened, .frame = session_frame};

/* All sessions up to `count` come and leave again, unless nothing moves any more. */
static void run_sessions(struct durable *s, unsigned count)
{
    uint64_t moved_ns = now_ns();
    uint64_t moved = 0;
    while (s->done < count && now_ns() - moved_ns < STUCK_NS) {
        while (s->live < AT_ONCE && s->started < count) {
            conn_open(s->loop, &s->o->subscribe_to[s->started % s->o->subscribe_targets],
                      &session_events, s, s->started);
            s->started++;
            s->live++;
        }
        loop_turn(s->loop, MILLISECONDS(100));
        if (moved != s->tally.delivered + s->done) {
            moved = s->tally.delivered + s->done;
            moved_ns = now_ns();
        }
    }
}

static void publisher_opened(struct conn *c)
{
    struct durable *s = c->user;
    client_send_connect(c, s->o, &(struct client_identity){.prefix = "feed", .clean = true});
}

static void publisher_frame(struct conn *c, const struct frame *f)
{
    struct durable *s = c->user;
    if (f->head >> 4 == MQTT_CONNACK) {
        unsigned most = client_take_connack(c, s->o, f);
        s->window = most < s->o->window ? most : s->o->window;
        s->publisher_ready = true;
        return;
    }
    s->acked += client_take_ack(c, f) ? 1 : 0;
}

static const struct conn_events publisher_events = {.opened = publisher_opened,
                                                    .frame = publisher_frame};

static void publish_all(struct durable *s)
{
    struct template t = {.bytes = NULL};
    template_make(&t, &(struct template_options){.version = s->o->version,
                                                 .qos = (uint8_t)s->o->qos,
                                                 .topic = "durable/all",
                                                 .payload = s->o->payload});
    struct conn *c = conn_open(s->loop, &s->o->publish_to[0], &publisher_events, s, 0);
    while (!s->publisher_ready)
        loop_turn(s->loop, MILLISECONDS(100));
    while (s->acked < s->o->count) {
        while (s->sent < s->o->count && s->sent - s->acked < s->window)
            template_send(&t, c, &(struct stamp){.number = s->sent++});
        loop_turn(s->loop, MILLISECONDS(100));
    }
    client_send_disconnect(c);
    conn_finish(c);
    template_free(&t);
}

static void fetch_all(struct durable *s)
{
    s->phase = PHASE_FETCH;
    s->started = 0;
    s->done = 0;
    run_sessions(s, s->o->clients);
}

void run_durable(const struct options *o)
{
    struct durable s = {.o = o, .loop = loop_new(options_loop(o))};
    struct usage empty;
    struct usage left;
    struct usage after;
    s.sessions = calloc(o->clients, sizeof(*s.sessions));
    if (s.sessions == NULL)
        die("out of memory");
    unsigned warm_up = o->clients > 10 * WARM_UP ? WARM_UP : 0;
    run_sessions(&s, warm_up);
    usage_take(&empty, o->pids, o->pid_count);
    run_sessions(&s, o->clients);
    if (s.done < o->clients)
        die("only %u of %u sessions subscribed", s.done, o->clients);
    usage_take(&left, o->pids, o->pid_count);
    uint64_t began = now_ns();
    if (o->count > 0) {
        publish_all(&s);
        fetch_all(&s);
    }
    usage_take(&after, o->pids, o->pid_count);
    report_print(o, &(struct report){
                        .unit = "message",
                        .done = s.tally.delivered,
                        .seconds = (double)(now_ns() - began) / 1e9,
                        .sent = s.sent,
                        .expected = (uint64_t)o->count * o->clients,
                        .tally = s.tally,
                        .began = &left,
                        .ended = &after,
                        .memory_before = &empty,
                        .memory_after = &left,
                        .memory_count = o->clients - warm_up,
                        .setup_before = &empty,
                        .setup_count = o->clients - warm_up,
                    });
}
