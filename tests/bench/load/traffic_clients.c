/* The connections of traffic: what a publisher and a subscriber say and hear. */
#include "tests/bench/load/traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READY_PACKET_ID 1u /* of the SUBSCRIBE whose SUBACK makes a subscriber ready */

/* ---- subscribers ----------------------------------------------------------------------------- */

static const char *own_filter(const struct traffic *t, unsigned subscriber, char *out, size_t size)
{
    if (t->hears_all)
        return "campus/#";
    unsigned publisher = t->o->mode == MODE_PAIRS ? subscriber : 0;
    snprintf(out, size, "campus/device/%u/gps", publisher);
    return out;
}

/* One SUBSCRIBE a time: the extra filters in large batches, then the one that matters. */
static void subscribe_next(const struct traffic *t, struct conn *c)
{
    struct subscriber *s = &t->subscribers[c->index];
    struct filters l = {.count = 0};
    char filter[64];
    if (s->extra_asked == t->o->extra_filters) {
        filters_add(&l, true, own_filter(t, c->index, filter, sizeof(filter)), t->o->qos);
        client_send_filters(c, t->o, true, &l, READY_PACKET_ID);
        s->asked = true;
        return;
    }
    for (; s->extra_asked < t->o->extra_filters && !filters_are_full(&l); s->extra_asked++) {
        snprintf(filter, sizeof(filter), t->o->wildcard ? "other/%u/+/%u" : "other/%u/x/%u",
                 c->index, s->extra_asked);
        filters_add(&l, true, filter, t->o->qos);
    }
    client_send_filters(c, t->o, true, &l, READY_PACKET_ID + 1);
}

/* A publisher heard by subscribers of one thread has one writer of `delivered`. */
static void count_delivery(const struct traffic *t, struct publisher *p)
{
    if (t->fan_out > 1 && t->o->threads > 1)
        atomic_fetch_add_explicit(&p->delivered, 1, memory_order_relaxed);
    else
        atomic_store_explicit(&p->delivered,
                              atomic_load_explicit(&p->delivered, memory_order_relaxed) + 1,
                              memory_order_relaxed);
}

static void take_message(struct traffic_worker *w, struct conn *c, const struct frame *f)
{
    struct traffic *t = w->traffic;
    struct received r;
    struct stamp stamp;
    client_take_publish(c, t->o, f, &r);
    if (!stamp_read(r.payload, &stamp) || stamp.from >= t->publisher_count)
        return;
    struct sequence *s = &t->subscribers[c->index].sequences[t->hears_all ? stamp.from : 0];
    if (!tally_take(&w->tally, s, stamp.number))
        return;
    count_delivery(t, &t->publishers[stamp.from]);
    uint64_t now = w->loop->now_ns;
    histogram_record(&w->latency, now > stamp.due_ns ? now - stamp.due_ns : 0);
}

static void subscriber_opened(struct conn *c)
{
    struct traffic_worker *w = c->user;
    client_send_connect(c, w->traffic->o,
                        &(struct client_identity){.prefix = "sub", .clean = true});
}

static void subscriber_frame(struct conn *c, const struct frame *f)
{
    struct traffic_worker *w = c->user;
    switch (f->head >> 4) {
    case MQTT_PUBLISH:
        take_message(w, c, f);
        break;
    case MQTT_PUBREL:
        client_take_pubrel(c, f);
        break;
    case MQTT_CONNACK:
        client_take_connack(c, w->traffic->o, f);
        subscribe_next(w->traffic, c);
        break;
    case MQTT_SUBACK:
        if (client_take_suback(c, w->traffic->o, f) == READY_PACKET_ID)
            atomic_fetch_add(&w->ready, 1);
        else
            subscribe_next(w->traffic, c);
        break;
    default:
        client_take_other(c, f);
        break;
    }
}

/* ---- publishers ------------------------------------------------------------------------------ */

static void publisher_opened(struct conn *c)
{
    struct traffic_worker *w = c->user;
    client_send_connect(c, w->traffic->o,
                        &(struct client_identity){.prefix = "pub", .clean = true});
}

static void publisher_frame(struct conn *c, const struct frame *f)
{
    struct traffic_worker *w = c->user;
    struct publisher *p = &w->traffic->publishers[c->index];
    if (f->head >> 4 != MQTT_CONNACK) {
        p->acked += client_take_ack(c, f) ? 1 : 0;
        return;
    }
    unsigned most = client_take_connack(c, w->traffic->o, f);
    p->window = most < w->traffic->o->window ? most : w->traffic->o->window;
    atomic_fetch_add(&w->ready, 1);
}

void traffic_publish(struct traffic_worker *w, struct publisher *p, uint64_t due_ns)
{
    struct stamp stamp = {
        .due_ns = due_ns, .from = (uint64_t)(p - w->traffic->publishers), .number = p->sent++};
    template_send(&p->packet, p->conn, &stamp);
}

/* ---- opening --------------------------------------------------------------------------------- */

static const struct conn_events subscriber_events = {.opened = subscriber_opened,
                                                     .frame = subscriber_frame};
static const struct conn_events publisher_events = {.opened = publisher_opened,
                                                    .frame = publisher_frame};

unsigned traffic_share(unsigned all, unsigned index, unsigned workers)
{
    return all / workers + (index < all % workers ? 1 : 0);
}

static void open_subscriber(struct traffic_worker *w, unsigned index)
{
    const struct options *o = w->traffic->o;
    struct subscriber *s = &w->traffic->subscribers[index];
    s->sequences =
        calloc(w->traffic->hears_all ? w->traffic->publisher_count : 1, sizeof(*s->sequences));
    if (s->sequences == NULL)
        die("out of memory");
    s->conn = conn_open(w->loop, &o->subscribe_to[index % o->subscribe_targets], &subscriber_events,
                        w, index);
}

static void open_publisher(struct traffic_worker *w, unsigned index)
{
    const struct options *o = w->traffic->o;
    struct publisher *p = &w->traffic->publishers[index];
    char topic[48];
    snprintf(topic, sizeof(topic), "campus/device/%u/gps", index);
    template_make(&p->packet, &(struct template_options){.version = o->version,
                                                         .qos = (uint8_t)o->qos,
                                                         .topic = topic,
                                                         .payload = o->payload});
    p->conn =
        conn_open(w->loop, &o->publish_to[index % o->publish_targets], &publisher_events, w, index);
}

bool traffic_connect_next(struct traffic_worker *w)
{
    const struct traffic *t = w->traffic;
    unsigned threads = t->o->threads;
    unsigned subscribers = traffic_share(t->subscriber_count, w->index, threads);
    unsigned publishers = traffic_share(t->publisher_count, w->index, threads);
    if (w->started == subscribers + publishers)
        return false;
    unsigned i = w->started++;
    if (i < subscribers)
        open_subscriber(w, i * threads + w->index);
    else
        open_publisher(w, (i - subscribers) * threads + w->index);
    return true;
}
