/*
 * The last step of a message: fanout.c, retained_delivery.c and the store's queues hand it here,
 * and from here it goes into the client's output.
 */
#include "broker/delivery/deliver.h"

#include <string.h>

#include "broker/auth/auth.h"
#include "broker/base/account.h"
#include "broker/base/broker_config.h"
#include "broker/base/drop_log.h"
#include "broker/base/leftovers.h"
#include "broker/client/client.h"
#include "broker/client/client_v5.h"
#include "broker/client/holders.h"
#include "broker/delivery/pending_queue.h"
#include "broker/delivery/retained_known.h"
#include "common/log/log.h"

enum {
    FETCH_BYTES = 256 * 1024,
    OUTPUT_HIGH_TIGHT = 16 * 1024, /* instead of OUTPUT_HIGH while memory is short */
};

/* ---- one message into the output -------------------------------------------------------------- */

/* Of a packet that is about to be put. */
struct packet {
    const struct encoded *encoded; /* NULL: out of memory */
    uint64_t topic;                /* of `alias` */
    struct alias_choice alias;
};

/* To the nearest second, so that two brokers' clocks may differ a little: rounded up, a message would
 * be told more than its publisher gave it. What hasn't expired has a second at least. */
static uint32_t expiry_left_s(uint64_t expires_at_ms, uint64_t now_ms)
{
    if (expires_at_ms <= now_ms)
        return 0;
    uint64_t left_s = (expires_at_ms - now_ms + 500) / 1000;
    return left_s > 0 ? (uint32_t)left_s : 1;
}

/* How the topic is named to this client. */
static struct alias_choice choose_alias(struct client *c, uint64_t topic)
{
    struct client_v5 *v = c->v5;
    if (v->alias_maximum == 0)
        return (struct alias_choice){0};
    if (v->alias_out == NULL) {
        v->alias_out = alias_out_new(v->alias_maximum);
        if (v->alias_out == NULL)
            return (struct alias_choice){0}; /* it goes without */
    }
    return alias_out_choose(v->alias_out, topic);
}

/* 3.1.2-24 */
static bool is_too_large(const struct client *c, const struct encoded *e)
{
    return e != NULL && e->packet > c->v5->max_packet;
}

static struct packet encode_v5(struct client *c, struct delivery *d, const struct deliver_as *as)
{
    struct encode_own own = {.with_id = as->qos > 0, .ids = as->ids};
    struct packet p = {0};
    if (c->v5->alias_maximum > 0) {
        p.topic = delivery_topic_hash(d, c->broker->hash_key);
        p.alias = own.alias = choose_alias(c, p.topic);
    }
    own.has_expiry = d->expires_at_ms != 0;
    if (own.has_expiry)
        own.expiry_s = expiry_left_s(d->expires_at_ms, client_expiry_now_ms(c));
    p.encoded = delivery_encode_own(d, &own);
    if (p.alias.alias != 0 && is_too_large(c, p.encoded)) { /* not for what we add to it */
        p.alias = own.alias = (struct alias_choice){0};
        p.encoded = delivery_encode_own(d, &own);
    }
    return p;
}

/* Copies the variant into the output and fills in what is the receiver's own. */
static bool write_packet(struct client *c, struct delivery *d, const struct encoded *e,
                         uint8_t first_byte, uint16_t packet_id)
{
    struct broker *b = c->broker;
    uint8_t *at = output_put(&c->output, &b->chunks, e->len);
    if (at == NULL)
        return false;
    memcpy(at, e->bytes, e->len);
    at[0] = first_byte;
    if (packet_id != 0) {
        at[e->id_at] = (uint8_t)(packet_id >> 8);
        at[e->id_at + 1] = (uint8_t)packet_id;
    }
    if (e->whole)
        return true;
    struct message *m = delivery_message(d);
    return m != NULL && output_put_message(&c->output, &b->chunks, m, m->payload);
}

static __attribute__((noinline, cold)) void drop(const struct client *c, struct mqtt_slice topic,
                                                 enum drop why)
{
    drop_note(&c->broker->stats, why, c->who.client_id, topic);
}

enum put { PUT_DONE, PUT_DROPPED, PUT_FAILED };

/* At QoS 0 the sequence is 0. `e` may be NULL: out of memory. */
static inline enum put put_encoded(struct client *c, struct delivery *d, const struct encoded *e,
                                   uint8_t first_byte, uint64_t sequence)
{
    struct broker *b = c->broker;
    uint8_t qos = (first_byte >> 1) & 3;
    enum inflight_state state = qos == 1 ? INFLIGHT_PUBLISHED : INFLIGHT_SENT;
    if (e == NULL || (sequence != 0 && !inflight_add(&c->inflight, sequence, state)) ||
        !write_packet(c, d, e, first_byte, sequence != 0 ? inflight_packet_id(sequence) : 0)) {
        client_close_later(c, END_NO_MEMORY); /* half a packet may be in the output */
        return PUT_FAILED;
    }
    b->stats.sent_packets++;
    b->stats.sent[qos]++;
    b->stats.sent_payload += d->publish->payload.len;
    b->deliveries++;
    client_mark_flush(c);
    return PUT_DONE;
}

static __attribute__((noinline)) enum put put_v5(struct client *c, struct delivery *d,
                                                 const struct deliver_as *as, bool dup,
                                                 uint64_t sequence)
{
    struct packet p = encode_v5(c, d, as);
    if (is_too_large(c, p.encoded)) {
        drop(c, d->publish->topic, DROP_PACKET_SIZE);
        return PUT_DROPPED; /* to this client it counts as sent (3.1.2-25) */
    }
    enum put done =
        put_encoded(c, d, p.encoded, publish_first_byte(as->qos, as->retain, dup), sequence);
    if (done == PUT_DONE && c->v5->alias_out != NULL)
        alias_out_sent(c->v5->alias_out, p.topic, p.alias);
    return done;
}

static enum put put(struct client *c, struct delivery *d, const struct deliver_as *as, bool dup,
                    uint64_t sequence)
{
    if (c->v5 != NULL)
        return put_v5(c, d, as, dup, sequence);
    const struct encoded *e = delivery_encode(d, MQTT_V311, sequence != 0);
    return put_encoded(c, d, e, publish_first_byte(as->qos, as->retain, dup), sequence);
}

/* With the next sequence, to a clean session. */
static inline void put_next(struct client *c, struct delivery *d, const struct deliver_as *as)
{
    if (put(c, d, as, false, inflight_next(&c->inflight)) == PUT_DONE)
        inflight_advance(&c->inflight);
}

bool deliver_is_full(const struct client *c)
{
    const struct broker *b = c->broker;
    return c->output.pending > b->config->limits.max_output ||
           (c->output.pending > 0 && b->chunks.pending > b->output_limit) ||
           (c->blocked && memory_budget_is_tight(&b->memory, account.total));
}

static void deliver_qos0(struct client *c, struct delivery *d, const struct deliver_as *as)
{
    if (deliver_is_full(c)) {
        drop(c, d->publish->topic, DROP_SLOW_CONSUMER);
        return;
    }
    put(c, d, as, false, 0);
}

/* How many QoS 1 and 2 messages may be on their way to it. */
static uint32_t window_of(const struct client *c)
{
    uint32_t window = c->broker->config->limits.max_inflight;
    return c->v5 != NULL && c->v5->receive_maximum < window ? c->v5->receive_maximum : window;
}

static bool is_expired(const struct client *c, const struct message *m)
{
    if (m->expires_at_ms == 0 || !message_is_expired(m, client_expiry_now_ms(c)))
        return false;
    drop(c, m->topic, DROP_EXPIRED);
    return true;
}

/* ---- a clean session's own queue ------------------------------------------------------------- */

static __attribute__((noinline)) void queue_push(struct client *c, struct delivery *d,
                                                 const struct deliver_as *as)
{
    const struct limits_config *limits = &c->broker->config->limits;
    struct pending_queue *q = c->queue;
    if (q != NULL &&
        (q->count >= limits->max_queued_messages || q->bytes >= limits->max_queued_bytes)) {
        client_close_later(c, END_QUEUE_FULL);
        return;
    }
    struct message *m = delivery_message(d);
    if (m != NULL && q == NULL) {
        q = c->queue = pending_queue_new();
        holders_note(c);
    }
    if (m == NULL || q == NULL || !pending_queue_push(q, m, as->qos, as->retain, as->ids))
        client_close_later(c, END_NO_MEMORY);
}

/* It may be long: released in pieces. */
void deliver_drop_queue(struct client *c)
{
    struct pending_queue *q = c->queue;
    c->queue = NULL;
    if (q != NULL)
        leftovers_add(&c->broker->leftovers, pending_queue_release, q, q->count, q->bytes);
}

size_t deliver_queue_bytes(const struct client *c)
{
    return c->queue != NULL ? c->queue->bytes : 0;
}

static inline __attribute__((always_inline)) bool has_room(struct client *c)
{
    size_t pending = c->output.pending;
    if (pending >= OUTPUT_HIGH_TIGHT &&
        (pending >= OUTPUT_HIGH || memory_budget_is_tight(&c->broker->memory, account.total))) {
        c->wants_output = true;
        return false;
    }
    return !inflight_is_full(&c->inflight, window_of(c)) &&
           inflight_takes(&c->inflight, inflight_next(&c->inflight));
}

static void send_pending(struct client *c, const struct pending *p)
{
    const struct deliver_as as = {.qos = p->qos, .retain = p->retain, .ids = kept_ids_all(&p->ids)};
    struct mqtt_publish fields;
    struct delivery d = delivery_of_message(c->broker->encoder, p->message, &fields);
    put_next(c, &d, &as);
    delivery_end(&d);
}

static void pump_queue(struct client *c)
{
    while (c->queue != NULL && c->queue->count > 0 && has_room(c) && client_is_connected(c)) {
        struct pending p = pending_queue_pop(c->queue);
        /* The rules may have changed since it was queued. */
        if (auth_may_read(c->broker->auth, &c->who, p.message->topic) && !is_expired(c, p.message))
            send_pending(c, &p);
        pending_drop(p);
    }
    if (c->queue != NULL && c->queue->count == 0)
        deliver_drop_queue(c);
}

void deliver_message(struct client *c, struct delivery *d, struct deliver_as as)
{
    if (!client_is_connected(c) || !auth_may_read(c->broker->auth, &c->who, d->publish->topic))
        return;
    if (as.qos == 0)
        deliver_qos0(c, d, &as);
    else if (c->queue == NULL && has_room(c))
        put_next(c, d, &as);
    else
        queue_push(c, d, &as);
}

__attribute__((noinline)) uint64_t deliver_taken(struct client *c, struct delivery *d,
                                                 struct deliver_as as)
{
    if (!client_is_connected(c))
        return 0;
    if (!auth_may_read(c->broker->auth, &c->who, d->publish->topic)) {
        drop(c, d->publish->topic, DROP_DENIED);
        return 0;
    }
    if (as.qos == 0) {
        deliver_qos0(c, d, &as);
        return 0;
    }
    uint64_t sequence = inflight_next(&c->inflight);
    put_next(c, d, &as);
    return inflight_next(&c->inflight) != sequence ? sequence : 0;
}

uint32_t deliver_room(struct client *c)
{
    uint32_t window = window_of(c);
    bool waits = c->hold.durable ? c->wake || c->fetching : c->queue != NULL;
    if (waits || !has_room(c))
        return 0;
    uint32_t under_way = inflight_open(&c->inflight);
    return window > under_way ? window - under_way : 0;
}

bool deliver_is_behind(const struct client *c)
{
    return c->output.pending >= OUTPUT_HIGH || (c->queue != NULL && c->queue->count > 0);
}

/* ---- a durable session's queue in the store -------------------------------------------------- */

static void send_entry(struct client *c, const struct store_entry *e)
{
    const struct message_id copied = {0}; /* a retained value has an id of its own in the queue */
    struct retained_known *known = retained_known_of(c->retained);
    if (!inflight_set_next(&c->inflight, e->sequence + 1)) {
        client_close_later(c, END_NO_MEMORY);
        return;
    }
    if ((e->is_value && retained_known_is_stale(known, e->message->topic, copied)) ||
        !auth_may_read(c->broker->auth, &c->who, e->message->topic) ||
        (!e->duplicate && is_expired(c, e->message))) { /* what was sent is sent again: 4.4.0-1 */
        store_ack(c->broker->store, &c->hold, e->sequence);
        return;
    }
    if (!e->is_value && e->message->retain)
        retained_known_note_live(known, e->message->topic, e->message->id);
    struct mqtt_publish fields;
    struct delivery d = delivery_of_message(c->broker->encoder, e->message, &fields);
    const struct deliver_as as = {.qos = e->qos, .retain = e->retain, .ids = e->ids};
    if (put(c, &d, &as, e->duplicate, e->sequence) == PUT_DROPPED)
        store_ack(c->broker->store, &c->hold, e->sequence);
    delivery_end(&d);
}

/* False: stopped at one whose packet id an older message still has. */
static bool send_entries(struct client *c, const struct store_entry *entries, size_t count)
{
    for (size_t i = 0; i < count && client_is_connected(c); i++) {
        if (!inflight_takes(&c->inflight, entries[i].sequence)) {
            inflight_set_next(&c->inflight, entries[i].sequence); /* it has some: it can't fail */
            return false;
        }
        send_entry(c, &entries[i]);
    }
    return true;
}

static void on_fetched(void *arg, enum store_status status, const struct store_entry *entries,
                       size_t count, bool more)
{
    struct client *c = arg;
    c->fetching = false;
    if (client_is_connected(c) && status == STORE_OK) {
        bool all = send_entries(c, entries, count);
        c->wake = c->wake || more || !all;
        if (c->wake || c->shares != NULL) /* there is room for a group's messages again */
            client_mark_work(c);
    } else if (client_is_connected(c)) {
        client_close_later(c, status == STORE_FENCED ? END_TAKEN_OVER : END_STORE_FAILED);
    }
    client_op_done(c);
}

static void pump_store(struct client *c)
{
    if (!c->wake || c->fetching || !has_room(c))
        return;
    size_t room = window_of(c) - inflight_open(&c->inflight);
    c->wake = false;
    c->fetching = true;
    c->ops++;
    store_fetch(c->broker->store, &c->hold, inflight_next(&c->inflight), room, FETCH_BYTES,
                on_fetched, c);
}

void deliver_wake(struct client *c)
{
    c->wake = true;
    client_mark_work(c);
}

void deliver_pump(struct client *c)
{
    if (c->hold.durable)
        pump_store(c);
    else
        pump_queue(c);
}
