/*
 * durable - N durable sessions subscribe and leave; --count QoS 1 messages are published for all of
 * them; they come back and fetch. The measured time is queueing and fetching; `cpu_us_each` is per
 * message and session. `bytes_each` is memory per offline session after they left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load/client.h"
#include "tests/bench/load/process.h"
#include "tests/bench/load/report.h"
#include "tests/bench/load/scenario.h"

enum { PHASE_SUBSCRIBE, PHASE_FETCH };

struct durable {
    const struct options *o;
    struct loop *loop;
    int phase;
    unsigned started, done, live, acked, sent;
    uint64_t received, reordered, duplicates;
    uint64_t *next; /* per session */
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

/* The one that matters last, with packet id 1. */
static void subscribe(struct durable *s, struct conn *c)
{
    char filter[64];
    for (unsigned i = 0; i < s->o->extra_filters; i++) {
        snprintf(filter, sizeof(filter), "durable/%u/%u", c->index, i);
        client_send_subscribe(c, s->o, filter, 1, (uint16_t)(2 + i % 60000));
    }
    client_send_subscribe(c, s->o, "durable/all", 1, 1);
}

static void session_message(struct durable *s, struct conn *c, const struct frame *f)
{
    struct received r;
    client_read_publish(s->o, f, &r);
    conn_send_ack(c, MQTT_PUBACK, r.packet_id);
    uint64_t number = get_u64(r.payload.data);
    if (number < s->next[c->index])
        s->duplicates++;
    else if (number > s->next[c->index])
        s->reordered++;
    s->next[c->index] = number + 1;
    s->received++;
    if (s->next[c->index] == s->o->count)
        leave(s, c);
}

static void session_frame(struct conn *c, const struct frame *f)
{
    struct durable *s = c->user;
    switch (f->head >> 4) {
    case MQTT_CONNACK:
        client_check_connack(c, f);
        if (s->phase == PHASE_SUBSCRIBE)
            subscribe(s, c);
        break;
    case MQTT_SUBACK:
        client_check_suback(c, s->o, f);
        if (f->body[0] == 0 && f->body[1] == 1)
            leave(s, c);
        break;
    case MQTT_PUBLISH:
        session_message(s, c, f);
        break;
    default:
        break;
    }
}

static const struct conn_events session_events = {.opened = session_opened, .frame = session_frame};

static void run_sessions(struct durable *s, unsigned at_once)
{
    s->started = 0;
    s->done = 0;
    uint64_t deadline = now_ns() + 300000000000u;
    while (s->done < s->o->clients && now_ns() < deadline) {
        while (s->live < at_once && s->started < s->o->clients) {
            conn_open(s->loop, &s->o->subscribe_to[s->started % s->o->subscribe_targets],
                      &session_events, s, s->started);
            s->started++;
            s->live++;
        }
        loop_turn(s->loop, MILLISECONDS(100));
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
        client_check_connack(c, f);
        s->publisher_ready = true;
    }
    s->acked += f->head >> 4 == MQTT_PUBACK ? 1 : 0;
}

static const struct conn_events publisher_events = {.opened = publisher_opened,
                                                    .frame = publisher_frame};

static void publish_all(struct durable *s)
{
    static const char topic[] = "durable/all";
    uint8_t payload[64] = {0};
    struct conn *c = conn_open(s->loop, &s->o->publish_to[0], &publisher_events, s, 0);
    while (!s->publisher_ready)
        loop_turn(s->loop, MILLISECONDS(100));
    while (s->acked < s->o->count) {
        while (s->sent < s->o->count && s->sent - s->acked < s->o->window) {
            put_u64(payload, s->sent);
            struct mqtt_packet p = {.type = MQTT_PUBLISH};
            p.u.publish = (struct mqtt_publish){
                .qos = 1,
                .packet_id = (uint16_t)(s->sent % 60000 + 1),
                .topic = {.data = (const uint8_t *)topic, .len = sizeof(topic) - 1},
                .payload = {.data = payload, .len = sizeof(payload)},
            };
            conn_send_packet(c, &p, s->o->version);
            s->sent++;
        }
        loop_turn(s->loop, MILLISECONDS(100));
    }
}

void run_durable(const struct options *o)
{
    struct durable s = {.o = o, .loop = loop_new(o->tls, o->ca_file)};
    s.next = calloc(o->clients, sizeof(*s.next));
    if (s.next == NULL)
        die("out of memory");
    struct process_use empty = process_measure(o->pids, o->pid_count);
    run_sessions(&s, 200);
    struct process_use before = process_measure(o->pids, o->pid_count);
    uint64_t began = now_ns();
    publish_all(&s);
    s.phase = PHASE_FETCH;
    run_sessions(&s, 200);
    struct process_use after = process_measure(o->pids, o->pid_count);
    struct report r = {
        .unit = "message",
        .done = s.received,
        .seconds = (double)(now_ns() - began) / 1e9,
        .cpu_ns = after.cpu_ns - before.cpu_ns,
        .sent = s.sent,
        .expected = (uint64_t)o->count * o->clients,
        .received = s.received,
        .duplicates = s.duplicates,
        .reordered = s.reordered,
        .bytes_each = ((double)before.resident - (double)empty.resident) / o->clients,
    };
    report_print(o, &r);
}
