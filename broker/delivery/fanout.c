/*
 * Between publish.c, which knows who gets a message, and deliver.c, which gives it to one of them.
 */
#include "broker/delivery/fanout.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"
#include "broker/client/client.h"
#include "broker/delivery/deliver.h"
#include "broker/delivery/retained_known.h"
#include "broker/routing/match_cache.h"
#include "broker/routing/router.h"
#include "common/base/timebox.h"

enum {
    SYS_WAITING_MAX = 128,
    RECEIVER_US = 1, /* about a delivery */
    HELD_FIRST = 64,
};

/* A message for many. Waiting: without receivers. Under way: the receivers from `at` on are still
 * to get it, except those without a subscriber, which have it already. */
struct fanout {
    STAILQ_ENTRY(fanout) link;
    struct message *message;
    struct fanout_order order;
    struct topic_match *receivers; /* behind them their overlaps */
    uint32_t at, count;
    struct mqtt_publish fields;
    struct delivery delivery;
};

static uint8_t lower(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

/* To a clean session at any QoS, to a durable one where the effective QoS is 0; connected here. */
static inline void deliver_by(struct session *s, const struct match_terms *terms,
                              struct delivery *d)
{
    struct client *c = s->client;
    bool retained = d->publish->retain;
    uint8_t effective = lower(d->publish->qos, terms->qos);
    if (s->durable && effective > 0)
        return; /* from its queue */
    if (retained && c->retained != NULL) {
        struct retained_known *known = retained_known_of(c->retained);
        if (retained_known_is_overtaken(known, d->publish->topic, d->id))
            return; /* it got this value already */
        retained_known_note_live(known, d->publish->topic, d->id);
    }
    deliver_message(c, d,
                    (struct deliver_as){.qos = effective,
                                        .retain = retained && terms->retain_as_published,
                                        .ids = terms->ids});
}

/* Apart from the others, who are most and cost no look at identifiers. */
static __attribute__((noinline)) void
deliver_to_special(const struct topic_match *m, const uint32_t *overlaps, struct delivery *d)
{
    struct match_terms terms;
    if (match_serves(m, overlaps, d->publisher, &terms))
        deliver_by(session_of(m->subscriber), &terms, d);
}

/* False: it is a special one, and connected. */
static inline bool deliver_to_plain(const struct topic_match *m, struct delivery *d)
{
    struct session *s = session_of(m->subscriber);
    const struct subscription_terms *t = &m->terms;
    if (s->client == NULL || !client_is_connected(s->client))
        return true;
    if (t->no_local || t->has_more)
        return false;
    struct match_terms terms = {.qos = t->qos, .retain_as_published = t->retain_as_published};
    deliver_by(s, &terms, d);
    return true;
}

static inline void deliver_to(const struct topic_match *m, const uint32_t *overlaps,
                              struct delivery *d)
{
    if (!deliver_to_plain(m, d))
        deliver_to_special(m, overlaps, d);
}

static inline void deliver_to_all(struct fanouts *f, const struct match_entry *e,
                                  struct delivery *d)
{
    bool busy = fanouts_busy(f);
    for (uint32_t i = 0; i < e->count; i++) {
        if (busy)
            fanout_settle_now(f, session_of(e->items[i].subscriber));
        if (!deliver_to_plain(&e->items[i], d))
            deliver_to_special(&e->items[i], match_entry_overlaps(e), d);
    }
}

/* ---- clients that aren't read ---------------------------------------------------------------- */

/* For one more. */
static bool has_place(struct fanouts *f)
{
    if (f->held_count < f->held_capacity)
        return true;
    uint32_t capacity = f->held_capacity > 0 ? f->held_capacity * 2 : HELD_FIRST;
    struct client **held = realloc(f->held, capacity * sizeof(struct client *));
    if (held == NULL)
        return false;
    f->held = held;
    f->held_capacity = capacity;
    return true;
}

void fanout_hold(struct fanouts *f, struct client *c)
{
    if ((c->pause & PAUSE_FANOUT) || c->state == CLIENT_CLOSED)
        return;
    if (!has_place(f)) {
        client_close_later(c, END_NO_MEMORY); /* nor is it read then */
        return;
    }
    client_pause(c, PAUSE_FANOUT);
    c->ops++; /* the client's memory stays until it is released here, also if it is closed */
    f->held[f->held_count++] = c;
}

static void release(struct client *c)
{
    if (c->state != CLIENT_CLOSED)
        client_resume(c, PAUSE_FANOUT);
    client_op_done(c);
}

/* The first one, the message's publisher, is resumed last: otherwise no other client would get its
 * turn. */
static void release_all(struct fanouts *f)
{
    uint32_t count = f->held_count;
    f->held_count = 0; /* releasing holds nobody */
    for (uint32_t i = 1; i < count; i++)
        release(f->held[i]);
    if (count > 0)
        release(f->held[0]);
}

/* ---- one message ----------------------------------------------------------------------------- */

static struct fanout *fanout_new(struct delivery *d)
{
    struct message *m = delivery_message(d);
    struct fanout *o = m != NULL ? account_zalloc(ACCOUNT_MESSAGES, sizeof(*o)) : NULL;
    if (o != NULL)
        o->message = message_ref(m);
    return o;
}

/* Notes the receivers. Each session knows its place among them, by which it is found out whether it
 * is still to get the message. */
static bool begin(struct fanouts *f, struct fanout *o, const struct match_entry *e)
{
    size_t size = e->count * sizeof(*o->receivers);
    size_t overlap_size = e->overlap_words * sizeof(uint32_t);
    o->receivers = account_alloc(ACCOUNT_MESSAGES, size + overlap_size);
    if (o->receivers == NULL)
        return false;
    memcpy(o->receivers, e->items, size);
    memcpy(o->receivers + e->count, match_entry_overlaps(e), overlap_size);
    o->count = e->count;
    for (uint32_t i = 0; i < o->count; i++)
        session_of(o->receivers[i].subscriber)->owed_at = i;
    o->delivery = delivery_of_message(f->encoder, o->message, &o->fields);
    return true;
}

static void fanout_free(struct fanout *o)
{
    if (o->receivers != NULL)
        delivery_end(&o->delivery);
    account_free(ACCOUNT_MESSAGES, o->receivers);
    message_unref(o->message);
    account_free(ACCOUNT_MESSAGES, o);
}

static uint32_t *waiting_of(struct fanouts *f, struct client *publisher)
{
    return publisher != NULL ? &publisher->fanouts_waiting : &f->others_waiting;
}

/* The first of the list is through. */
static void end_first(struct fanouts *f)
{
    struct fanout *o = STAILQ_FIRST(&f->list);
    STAILQ_REMOVE_HEAD(&f->list, link);
    if (o->order.done != NULL)
        o->order.done(o->order.arg);
    fanout_free(o);
    release_all(f);
}

/* A message for few receivers, or one for which there is no memory to do it in pieces: better a
 * long turn than a loss. */
static void at_once(struct fanouts *f, struct fanout *o, const struct match_entry *e)
{
    struct mqtt_publish fields;
    struct delivery d = delivery_of_message(f->encoder, o->message, &fields);
    for (uint32_t i = 0; i < e->count; i++)
        deliver_to(&e->items[i], match_entry_overlaps(e), &d);
    delivery_end(&d);
}

/* The first of the list has waited until now. Returns how many receivers have it already. */
static uint32_t start_waiting(struct fanouts *f, struct fanout *o)
{
    struct client *publisher = o->order.publisher;
    --*waiting_of(f, publisher);
    const struct match_entry *e = router_match(f->router, o->message->topic);
    if (e == NULL)
        return 0;
    if (e->count <= FANOUT_PIECE || !begin(f, o, e)) {
        at_once(f, o, e);
        return e->count;
    }
    if (publisher != NULL)
        fanout_hold(f, publisher);
    return 0;
}

static const uint32_t *overlaps_of(const struct fanout *o)
{
    return (const uint32_t *)(o->receivers + o->count);
}

/* Up to `count` receivers; how many it were. */
static uint32_t serve(struct fanout *o, uint32_t count, struct timebox *box)
{
    uint32_t served = 0;
    while (served < count && o->at < o->count && !timebox_is_over(box)) {
        struct topic_match *r = &o->receivers[o->at++];
        if (r->subscriber == NULL)
            continue; /* it has it: fanout_settle */
        deliver_to(r, overlaps_of(o), &o->delivery);
        served++;
        timebox_spend(box, RECEIVER_US);
    }
    return served;
}

void fanouts_go_on(struct fanouts *f, uint32_t receivers, struct timebox *box)
{
    uint32_t served = 0;
    while (fanouts_busy(f) && served < receivers && !timebox_is_over(box)) {
        struct fanout *o = STAILQ_FIRST(&f->list);
        if (o->receivers == NULL)
            served += start_waiting(f, o);
        else
            served += serve(o, receivers - served, box);
        if (o->at == o->count)
            end_first(f);
    }
}

void fanout_settle_now(struct fanouts *f, struct session *s)
{
    struct fanout *o = STAILQ_FIRST(&f->list);
    if (o->receivers == NULL || s->owed_at < o->at || s->owed_at >= o->count)
        return;
    struct topic_match *r = &o->receivers[s->owed_at];
    if (r->subscriber != &s->subscriber)
        return;
    struct topic_match owed = *r;
    r->subscriber = NULL;
    deliver_to(&owed, overlaps_of(o), &o->delivery);
}

/* ---- what comes ------------------------------------------------------------------------------ */

static bool is_for_many(const struct match_entry *e)
{
    return e->count > FANOUT_PIECE;
}

/* It is under way now, or waits. False: there is no memory for that. The first piece is served when
 * the next turn comes to it. */
static bool add(struct fanouts *f, struct fanout *o, const struct match_entry *e,
                struct client *publisher)
{
    if (o == NULL)
        return false;
    if (fanouts_busy(f)) {
        ++*waiting_of(f, o->order.publisher);
        STAILQ_INSERT_TAIL(&f->list, o, link);
        return true;
    }
    if (!begin(f, o, e)) {
        fanout_free(o);
        return false;
    }
    STAILQ_INSERT_TAIL(&f->list, o, link);
    if (publisher != NULL)
        fanout_hold(f, publisher);
    return true;
}

void fanout_publish(struct fanouts *f, const struct match_entry *e, struct delivery *d,
                    struct client *publisher)
{
    if (!is_for_many(e) || !add(f, fanout_new(d), e, publisher))
        deliver_to_all(f, e, d);
}

void fanout_sys(struct fanouts *f, const struct match_entry *e, struct delivery *d)
{
    if (f->others_waiting < SYS_WAITING_MAX || !is_for_many(e))
        fanout_publish(f, e, d, NULL);
}

bool fanout_in_order(struct fanouts *f, const struct match_entry *e, struct delivery *d,
                     const struct fanout_order *order)
{
    if (is_for_many(e) || *waiting_of(f, order->publisher) > 0) {
        struct fanout *o = fanout_new(d);
        if (o != NULL)
            o->order = *order;
        if (add(f, o, e, order->publisher))
            return false;
    }
    deliver_to_all(f, e, d);
    return true;
}

bool fanout_must_wait(const struct fanouts *f, const struct match_entry *e)
{
    return fanouts_busy(f) && is_for_many(e);
}

/* ---- new, free ------------------------------------------------------------------------------- */

struct fanouts *fanouts_new(struct router *router)
{
    struct fanouts *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return NULL;
    STAILQ_INIT(&f->list);
    f->router = router;
    f->encoder = encoder_new();
    if (f->encoder == NULL) {
        free(f);
        return NULL;
    }
    return f;
}

void fanouts_drop(struct fanouts *f)
{
    while (f != NULL && fanouts_busy(f)) {
        struct fanout *o = STAILQ_FIRST(&f->list);
        if (o->receivers == NULL)
            --*waiting_of(f, o->order.publisher);
        end_first(f);
    }
}

void fanouts_free(struct fanouts *f)
{
    if (f == NULL)
        return;
    fanouts_drop(f);
    free(f->held);
    encoder_free(f->encoder);
    free(f);
}
