/* The connections of traffic: what a publisher and a subscriber say and hear. */
#include "tests/bench/load/traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROPS_MAX = 128 };
#define READY_PACKET_ID 1u /* of the SUBSCRIBE whose SUBACK makes a subscriber ready */

/* ---- subscribers ----------------------------------------------------------------------------- */

static const char *own_filter(const struct traffic *t, unsigned subscriber, char *out, size_t size)
{
    if (t->o->share != NULL) {
        snprintf(out, size, "$share/%s/campus/#", t->o->share);
        return out;
    }
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

/* True: it counts, and isn't a repeat. */
static bool count_message(struct traffic_worker *w, const struct subscriber *s,
                          const struct stamp *stamp)
{
    const struct traffic *t = w->traffic;
    if (t->o->share != NULL)
        return tally_take_shared(&w->tally, &t->group[stamp->from], &s->shared[stamp->from],
                                 stamp->number);
    return tally_take(&w->tally, &s->sequences[t->hears_all ? stamp->from : 0], stamp->number);
}

static void take_message(struct traffic_worker *w, struct conn *c, const struct frame *f)
{
    struct traffic *t = w->traffic;
    struct received r;
    struct stamp stamp;
    client_take_publish(c, t->o, f, &r);
    if (!stamp_read(r.payload, &stamp) || stamp.from >= t->publisher_count)
        return;
    if (!count_message(w, &t->subscribers[c->index], &stamp))
        return;
    count_delivery(t, &t->publishers[stamp.from]);
    uint64_t now = w->loop->now_ns;
    histogram_record(&w->latency, now > stamp.due_ns ? now - stamp.due_ns : 0);
}

static void subscriber_opened(struct conn *c)
{
    struct traffic_worker *w = c->user;
    client_send_connect(
        c, w->traffic->o,
        &(struct client_identity){.prefix = "sub", .clean = true, .takes_messages = true});
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
    bool is_first = stamp.number == 0;
    template_send(is_first ? &p->first : &p->packet, p->conn, &stamp);
}

/* ---- opening --------------------------------------------------------------------------------- */

static const struct conn_events subscriber_events = {.opened = subscriber_opened,
                                                     .frame = subscriber_frame};
static const struct conn_events publisher_events = {.opened = publisher_opened,
                                                    .frame = publisher_frame};

static struct mqtt_slice text(const char *s)
{
    return mqtt_slice_of(s, strlen(s));
}

unsigned traffic_share(unsigned all, unsigned index, unsigned workers)
{
    return all / workers + (index < all % workers ? 1 : 0);
}

static void open_subscriber(struct traffic_worker *w, unsigned index)
{
    const struct options *o = w->traffic->o;
    struct subscriber *s = &w->traffic->subscribers[index];
    unsigned heard = w->traffic->hears_all ? w->traffic->publisher_count : 1;
    s->sequences = calloc(o->share == NULL ? heard : 1, sizeof(*s->sequences));
    s->shared = calloc(o->share != NULL ? heard : 1, sizeof(*s->shared));
    if (s->sequences == NULL || s->shared == NULL)
        die("out of memory");
    s->conn = conn_open(w->loop, &o->subscribe_to[index % o->subscribe_targets], &subscriber_events,
                        w, index);
}

/* Of each message; its publisher has one topic, and so one alias. `buf` has PROPS_MAX bytes. */
static struct mqtt_slice properties(const struct options *o, uint8_t *buf)
{
    size_t used = 0;
    if (o->aliases)
        mqtt_props_put_num(buf, PROPS_MAX, &used, MQTT_P_TOPIC_ALIAS, 1);
    if (!o->properties)
        return mqtt_slice_of(buf, used);
    mqtt_props_put_num(buf, PROPS_MAX, &used, MQTT_P_MESSAGE_EXPIRY, 3600);
    mqtt_props_put_str(buf, PROPS_MAX, &used, MQTT_P_CONTENT_TYPE, text("application/json"));
    mqtt_props_put_pair(buf, PROPS_MAX, &used, text("unit"), text("degrees"));
    mqtt_props_put_pair(buf, PROPS_MAX, &used, text("model"), text("gps-2"));
    return mqtt_slice_of(buf, used);
}

static void open_publisher(struct traffic_worker *w, unsigned index)
{
    const struct options *o = w->traffic->o;
    struct publisher *p = &w->traffic->publishers[index];
    char topic[48];
    uint8_t props[PROPS_MAX];
    snprintf(topic, sizeof(topic), "campus/device/%u/gps", index);
    struct template_options packet = {.version = o->version,
                                      .qos = (uint8_t)o->qos,
                                      .topic = topic,
                                      .props = properties(o, props),
                                      .payload = o->payload};
    template_make(&p->first, &packet);
    if (o->aliases)
        packet.topic = "";
    template_make(&p->packet, &packet);
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
