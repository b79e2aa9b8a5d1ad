/*
 * traffic - publishers and subscribers that stay connected: pairs, fan-in, fan-out, telemetry.
 *
 * Each payload carries when it was sent, by whom, and its number, so a receiver knows latency,
 * loss, repeats and order. Closed loop: a publisher has at most `window` messages not yet delivered
 * to all of its subscribers. Open loop: publishers take turns at an even pace; latency counts from
 * when the message was due, so a stall isn't hidden by the messages that weren't sent during it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load/client.h"
#include "tests/bench/load/histogram.h"
#include "tests/bench/load/process.h"
#include "tests/bench/load/report.h"
#include "tests/bench/load/scenario.h"

#define CONNECTING_AT_ONCE 200u
#define STAMP_SIZE 24u

struct publisher {
    struct conn *conn;
    uint64_t sent, acked;
    uint64_t delivered; /* summed over its subscribers */
    char topic[48];
};

struct traffic {
    const struct options *o;
    struct loop *loop;
    struct publisher *publishers;
    unsigned publisher_count, subscriber_count;
    unsigned fan_out; /* subscribers of each publisher */
    uint64_t *next;   /* [subscriber * publishers + publisher]: number expected next */
    unsigned started, ready;
    bool publishing;
    uint64_t delivered, duplicates, reordered, lost_gaps;
    struct histogram latency;
    uint8_t *payload;
};

static void topology(struct traffic *t)
{
    const struct options *o = t->o;
    t->publisher_count = o->mode == MODE_FAN_OUT ? 1 : o->clients;
    t->subscriber_count = o->mode == MODE_FAN_IN      ? 1
                          : o->mode == MODE_TELEMETRY ? o->subscribers
                                                      : o->clients;
    t->fan_out = o->mode == MODE_FAN_OUT || o->mode == MODE_TELEMETRY ? t->subscriber_count : 1;
    t->publishers = calloc(t->publisher_count, sizeof(*t->publishers));
    t->next = calloc((size_t)t->publisher_count * t->subscriber_count, sizeof(*t->next));
    t->payload = calloc(1, o->payload);
    if (t->publishers == NULL || t->next == NULL || t->payload == NULL)
        die("out of memory");
    for (unsigned i = 0; i < t->publisher_count; i++)
        snprintf(t->publishers[i].topic, sizeof(t->publishers[i].topic), "campus/device/%u/gps", i);
}

static void subscribe(struct traffic *t, struct conn *c)
{
    char filter[64];
    for (unsigned i = 0; i < t->o->extra_filters; i++) {
        snprintf(filter, sizeof(filter), t->o->wildcard ? "other/%u/+/%u" : "other/%u/x/%u",
                 c->index, i);
        client_send_subscribe(c, t->o, filter, t->o->qos, (uint16_t)(2 + i % 60000));
    }
    if (t->o->mode == MODE_PAIRS)
        snprintf(filter, sizeof(filter), "campus/device/%u/gps", c->index);
    else
        snprintf(filter, sizeof(filter),
                 t->o->mode == MODE_FAN_OUT ? "campus/device/0/gps" : "campus/#");
    client_send_subscribe(c, t->o, filter, t->o->qos, 1);
}

static void acknowledge(struct conn *c, const struct received *r)
{
    if (r->qos == 1)
        conn_send_ack(c, MQTT_PUBACK, r->packet_id);
    else if (r->qos == 2)
        conn_send_ack(c, MQTT_PUBREC, r->packet_id);
}

static void on_message(struct traffic *t, struct conn *c, const struct frame *f)
{
    struct received r;
    client_read_publish(t->o, f, &r);
    acknowledge(c, &r);
    if (r.payload.len < STAMP_SIZE)
        return;
    uint32_t from = get_u32(r.payload.data + 8);
    uint64_t number = get_u64(r.payload.data + 16);
    if (from >= t->publisher_count)
        return;
    uint64_t *next = &t->next[(size_t)c->index * t->publisher_count + from];
    if (number < *next) {
        t->duplicates += r.dup ? 1 : 0;
        t->reordered += r.dup ? 0 : 1;
        return;
    }
    t->lost_gaps += number - *next;
    *next = number + 1;
    t->delivered++;
    t->publishers[from].delivered++;
    uint64_t sent_at = get_u64(r.payload.data);
    histogram_record(&t->latency, t->loop->now_ns > sent_at ? t->loop->now_ns - sent_at : 0);
}

static void subscriber_opened(struct conn *c)
{
    struct traffic *t = c->user;
    client_send_connect(c, t->o, &(struct client_identity){.prefix = "sub", .clean = true});
}

static void subscriber_frame(struct conn *c, const struct frame *f)
{
    struct traffic *t = c->user;
    switch (f->head >> 4) {
    case MQTT_PUBLISH:
        on_message(t, c, f);
        break;
    case MQTT_PUBREL:
        conn_send_ack(c, MQTT_PUBCOMP, (uint16_t)((f->body[0] << 8) | f->body[1]));
        break;
    case MQTT_CONNACK:
        client_check_connack(c, f);
        subscribe(t, c);
        break;
    case MQTT_SUBACK:
        client_check_suback(c, t->o, f);
        if (f->body[0] == 0 && f->body[1] == 1)
            t->ready++;
        break;
    default:
        break;
    }
}

static void publisher_opened(struct conn *c)
{
    struct traffic *t = c->user;
    client_send_connect(c, t->o, &(struct client_identity){.prefix = "pub", .clean = true});
}

static void publish_one(struct traffic *t, struct publisher *p, uint64_t due_ns)
{
    put_u64(t->payload, due_ns);
    put_u32(t->payload + 8, (uint32_t)(p - t->publishers));
    put_u64(t->payload + 16, p->sent);
    struct mqtt_publish m = {
        .qos = (uint8_t)t->o->qos,
        .packet_id = t->o->qos == 0 ? 0 : (uint16_t)(p->sent % 60000 + 1),
        .topic = {.data = (const uint8_t *)p->topic, .len = (uint32_t)strlen(p->topic)},
        .payload = {.data = t->payload, .len = t->o->payload},
    };
    uint8_t head[MQTT_PUBLISH_HEAD_MAX + sizeof(p->topic)];
    size_t n = mqtt_encode_publish_head(&m, t->o->version, head, NULL);
    uint8_t *out = conn_reserve(p->conn, n + t->o->payload);
    memcpy(out, head, n);
    memcpy(out + n, t->payload, t->o->payload);
    p->sent++;
}

static void fill_window(struct traffic *t, struct publisher *p)
{
    uint64_t now = now_ns();
    while (t->publishing && p->sent - p->delivered / t->fan_out < t->o->window &&
           (t->o->qos == 0 || p->sent - p->acked < t->o->window))
        publish_one(t, p, now);
}

static void publisher_frame(struct conn *c, const struct frame *f)
{
    struct traffic *t = c->user;
    struct publisher *p = &t->publishers[c->index];
    switch (f->head >> 4) {
    case MQTT_CONNACK:
        client_check_connack(c, f);
        t->ready++;
        break;
    case MQTT_PUBACK:
    case MQTT_PUBCOMP:
        p->acked++;
        break;
    case MQTT_PUBREC:
        conn_send_ack(c, MQTT_PUBREL, (uint16_t)((f->body[0] << 8) | f->body[1]));
        break;
    default:
        break;
    }
}

static const struct conn_events subscriber_events = {.opened = subscriber_opened,
                                                     .frame = subscriber_frame};
static const struct conn_events publisher_events = {.opened = publisher_opened,
                                                    .frame = publisher_frame};

/* Subscribers first, then publishers, a bounded number under way at once. */
static void connect_all(struct traffic *t)
{
    unsigned all = t->subscriber_count + t->publisher_count;
    uint64_t deadline = now_ns() + 120000000000u;
    while (t->ready < all) {
        while (t->started < all && t->started - t->ready < CONNECTING_AT_ONCE) {
            unsigned i = t->started++;
            if (i < t->subscriber_count) {
                conn_open(t->loop, &t->o->subscribe_to[i % t->o->subscribe_targets],
                          &subscriber_events, t, i);
            } else {
                unsigned p = i - t->subscriber_count;
                t->publishers[p].conn = conn_open(
                    t->loop, &t->o->publish_to[p % t->o->publish_targets], &publisher_events, t, p);
            }
        }
        loop_turn(t->loop, MILLISECONDS(100));
        if (now_ns() > deadline)
            die("only %u of %u clients were ready after two minutes", t->ready, all);
    }
}

struct pace {
    uint64_t start_ns, period_ns; /* of one publisher */
    uint64_t turn;                /* messages given out */
};

/* Sends what is due; returns how long to wait for the next, in nanoseconds. */
static uint64_t publish_due(struct traffic *t, struct pace *pace)
{
    uint64_t now = now_ns();
    for (;;) {
        uint64_t due = pace->start_ns + pace->turn * pace->period_ns / t->publisher_count;
        if (due > now)
            return due - now;
        publish_one(t, &t->publishers[pace->turn % t->publisher_count], due);
        pace->turn++;
    }
}

static void publish_until(struct traffic *t, struct pace *pace, uint64_t until_ns)
{
    while (now_ns() < until_ns) {
        uint64_t wait_ns = MILLISECONDS(1);
        if (pace != NULL) {
            wait_ns = publish_due(t, pace);
        } else {
            for (unsigned i = 0; i < t->publisher_count; i++)
                fill_window(t, &t->publishers[i]);
        }
        loop_turn(t->loop, wait_ns);
    }
}

static uint64_t expected(const struct traffic *t, uint64_t *sent)
{
    *sent = 0;
    for (unsigned i = 0; i < t->publisher_count; i++)
        *sent += t->publishers[i].sent;
    return *sent * t->fan_out;
}

static void drain(struct traffic *t)
{
    uint64_t sent = 0;
    uint64_t wanted = expected(t, &sent);
    uint64_t deadline = now_ns() + 5000000000u;
    while (t->delivered < wanted && now_ns() < deadline)
        loop_turn(t->loop, MILLISECONDS(10));
}

void run_traffic(const struct options *o)
{
    struct traffic *t = calloc(1, sizeof(*t));
    if (t == NULL)
        die("out of memory");
    t->o = o;
    t->loop = loop_new(o->tls, o->ca_file);
    topology(t);
    connect_all(t);

    t->publishing = true;
    struct pace pace = {.start_ns = now_ns(),
                        .period_ns = o->rate > 0 ? (uint64_t)(1e9 / o->rate) : 0};
    struct pace *open_loop = o->rate > 0 ? &pace : NULL;
    publish_until(t, open_loop, now_ns() + (uint64_t)(o->warmup * 1e9));

    memset(&t->latency, 0, sizeof(t->latency));
    uint64_t delivered_before = t->delivered;
    struct process_use before = process_measure(o->pids, o->pid_count);
    uint64_t began = now_ns();
    publish_until(t, open_loop, began + (uint64_t)(o->seconds * 1e9));
    struct process_use after = process_measure(o->pids, o->pid_count);
    struct report r = {
        .unit = "message",
        .done = t->delivered - delivered_before,
        .seconds = (double)(now_ns() - began) / 1e9,
        .cpu_ns = after.cpu_ns - before.cpu_ns,
        .bytes_each = -1,
        .latency = &t->latency,
    };
    t->publishing = false;
    drain(t);
    r.expected = expected(t, &r.sent);
    r.received = t->delivered;
    r.duplicates = t->duplicates;
    r.reordered = t->reordered;
    report_print(o, &r);
}
