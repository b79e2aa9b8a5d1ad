/*
 * retained - sets --count retained topics from N publishers, then reads them all by one wildcard.
 * The measured time is the reading; `cpu_us_each` is per retained message read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load/client.h"
#include "tests/bench/load/process.h"
#include "tests/bench/load/report.h"
#include "tests/bench/load/scenario.h"

struct retained {
    const struct options *o;
    struct loop *loop;
    unsigned ready, set, acked, read;
    struct conn *reader;
    bool subscribed;
};

static void opened(struct conn *c)
{
    struct retained *s = c->user;
    client_send_connect(
        c, s->o,
        &(struct client_identity){.prefix = c->index == 0 ? "read" : "set", .clean = true});
}

static void frame(struct conn *c, const struct frame *f)
{
    struct retained *s = c->user;
    switch (f->head >> 4) {
    case MQTT_CONNACK:
        client_check_connack(c, f);
        s->ready++;
        break;
    case MQTT_PUBACK:
        s->acked++;
        break;
    case MQTT_SUBACK:
        client_check_suback(c, s->o, f);
        s->subscribed = true;
        break;
    case MQTT_PUBLISH:
        s->read += (f->head & 1) != 0 ? 1 : 0;
        break;
    default:
        break;
    }
}

static const struct conn_events events = {.opened = opened, .frame = frame};

static void set_one(struct retained *s, struct conn *c)
{
    char topic[64];
    snprintf(topic, sizeof(topic), "retained/%u/%u", s->set / 1000, s->set % 1000);
    uint8_t payload[64];
    memset(payload, 'r', sizeof(payload));
    struct mqtt_packet p = {.type = MQTT_PUBLISH};
    p.u.publish = (struct mqtt_publish){
        .retain = true,
        .qos = 1,
        .packet_id = (uint16_t)(s->set % 60000 + 1),
        .topic = {.data = (const uint8_t *)topic, .len = (uint32_t)strlen(topic)},
        .payload = {.data = payload,
                    .len = s->o->payload < sizeof(payload) ? s->o->payload : sizeof(payload)},
    };
    conn_send_packet(c, &p, s->o->version);
    s->set++;
}

void run_retained(const struct options *o)
{
    struct retained s = {.o = o, .loop = loop_new(o->tls, o->ca_file)};
    s.reader = conn_open(s.loop, &o->subscribe_to[0], &events, &s, 0);
    struct conn *setter = conn_open(s.loop, &o->publish_to[0], &events, &s, 1);
    while (s.ready < 2)
        loop_turn(s.loop, MILLISECONDS(100));
    while (s.acked < o->count) {
        while (s.set < o->count && s.set - s.acked < o->window)
            set_one(&s, setter);
        loop_turn(s.loop, MILLISECONDS(100));
    }
    struct process_use before = process_measure(o->pids, o->pid_count);
    uint64_t began = now_ns();
    client_send_subscribe(s.reader, o, "retained/#", 0, 1);
    uint64_t deadline = began + 60000000000u;
    while ((!s.subscribed || s.read < o->count) && now_ns() < deadline)
        loop_turn(s.loop, MILLISECONDS(100));
    struct process_use after = process_measure(o->pids, o->pid_count);
    struct report r = {
        .unit = "message",
        .done = s.read,
        .seconds = (double)(now_ns() - began) / 1e9,
        .cpu_ns = after.cpu_ns - before.cpu_ns,
        .sent = s.set,
        .expected = o->count,
        .received = s.read,
        .bytes_each = -1,
    };
    report_print(o, &r);
}
