/*
 * The last step of a message: router.c, retained_delivery.c and the store's queues hand it here,
 * and from here it goes into the client's output.
 */
#include "broker/deliver.h"

#include <stdlib.h>
#include <string.h>

#include "broker/account.h"
#include "broker/auth.h"
#include "broker/client.h"
#include "broker/leftovers.h"
#include "broker/retained_delivery.h"
#include "broker/session.h"
#include "broker/shed.h"
#include "common/log.h"

enum {
    FETCH_BYTES = 256 * 1024,
    OUTPUT_HIGH_TIGHT = 16 * 1024, /* instead of OUTPUT_HIGH while memory is short */
};

struct pending {
    struct message *message;
    uint8_t qos;
    bool retain;
};

/* A ring of what waits for a clean session's window. */
struct pending_queue {
    uint32_t head, count, capacity;
    uint64_t bytes;
    struct pending items[];
};

static size_t pending_size(const struct message *m)
{
    return sizeof(struct pending) + sizeof(*m) + m->topic.len + m->payload.len;
}

/* Copies the variant into the output and fills in what is the receiver's own. */
static bool put(struct client *c, struct delivery *d, uint8_t first_byte, uint16_t packet_id)
{
    struct broker *b = c->broker;
    const struct encoded *e = delivery_encode(d, (enum mqtt_version)c->version, packet_id != 0);
    uint8_t *at = e != NULL ? output_put(&c->output, &b->chunks, e->len) : NULL;
    if (at == NULL)
        goto fail;
    memcpy(at, e->bytes, e->len);
    at[0] = first_byte;
    if (packet_id != 0) {
        at[e->id_at] = (uint8_t)(packet_id >> 8);
        at[e->id_at + 1] = (uint8_t)packet_id;
    }
    if (!e->whole) {
        struct message *m = delivery_message(d);
        if (m == NULL || !output_put_message(&c->output, &b->chunks, m, m->payload))
            goto fail;
    }
    uint8_t qos = (first_byte >> 1) & 3;
    b->stats.sent_packets++;
    b->stats.sent[qos]++;
    b->stats.sent_payload += d->publish->payload.len;
    b->deliveries++;
    client_mark_flush(c);
    return true;
fail:
    client_doom(c, END_NO_MEMORY); /* half a packet may be in the output */
    return false;
}

static bool send_with_id(struct client *c, struct delivery *d, uint8_t qos, bool retain, bool dup,
                         uint64_t sequence)
{
    enum inflight_state state = qos == 1 ? INFLIGHT_PUBLISHED : INFLIGHT_SENT;
    if (!inflight_add(&c->inflight, sequence, state)) {
        client_doom(c, END_NO_MEMORY);
        return false;
    }
    return put(c, d, publish_first_byte(qos, retain, dup), inflight_packet_id(sequence));
}

static void deliver_qos0(struct client *c, struct delivery *d, bool retain)
{
    struct broker *b = c->broker;
    if (c->output.pending > b->config->limits.max_output ||
        (c->output.pending > 0 && b->chunks.pending > b->output_limit) ||
        (c->blocked && shed_is_tight(b))) {
        b->stats.dropped[DROP_SLOW_CONSUMER]++;
        return;
    }
    put(c, d, publish_first_byte(0, retain, false), 0);
}

/* ---- a clean session's own queue ------------------------------------------------------------- */

static struct pending_queue *queue_grown(struct pending_queue *q)
{
    uint32_t capacity = q == NULL ? 16 : q->capacity * 2;
    struct pending_queue *grown =
        account_alloc(ACCOUNT_WINDOWS, sizeof(*grown) + capacity * sizeof(grown->items[0]));
    if (grown == NULL)
        return NULL;
    grown->head = 0;
    grown->count = q == NULL ? 0 : q->count;
    grown->bytes = q == NULL ? 0 : q->bytes;
    grown->capacity = capacity;
    for (uint32_t i = 0; i < grown->count; i++)
        grown->items[i] = q->items[(q->head + i) & (q->capacity - 1)];
    account_free(ACCOUNT_WINDOWS, q);
    return grown;
}

static void queue_push(struct client *c, struct delivery *d, uint8_t qos, bool retain)
{
    const struct limits_config *limits = &c->broker->config->limits;
    struct pending_queue *q = c->queue;
    if (q != NULL &&
        (q->count >= limits->max_queued_messages || q->bytes >= limits->max_queued_bytes)) {
        client_doom(c, END_QUEUE_FULL);
        return;
    }
    struct message *m = delivery_message(d);
    if (m != NULL && (q == NULL || q->count == q->capacity)) {
        q = queue_grown(q);
        if (q != NULL)
            c->queue = q;
        shed_note(c);
    }
    if (m == NULL || q == NULL) {
        client_doom(c, END_NO_MEMORY);
        return;
    }
    q->items[(q->head + q->count++) & (q->capacity - 1)] =
        (struct pending){.message = message_ref(m), .qos = qos, .retain = retain};
    q->bytes += pending_size(m);
}

static struct pending queue_pop(struct pending_queue *q)
{
    struct pending p = q->items[q->head];
    q->head = (q->head + 1) & (q->capacity - 1);
    q->count--;
    q->bytes -= pending_size(p.message);
    return p;
}

/* It may be long: released in pieces. */
void deliver_drop_queue(struct client *c)
{
    struct pending_queue *q = c->queue;
    c->queue = NULL;
    if (q == NULL)
        return;
    struct leftover_ring ring = {.kind = ACCOUNT_WINDOWS,
                                 .block = q,
                                 .items = q->items,
                                 .stride = sizeof(q->items[0]),
                                 .mask = q->capacity - 1,
                                 .from = q->head,
                                 .to = (uint64_t)q->head + q->count,
                                 .bytes = q->bytes};
    leftovers_add(&c->broker->leftovers, &ring);
}

size_t deliver_queue_bytes(const struct client *c)
{
    return c->queue != NULL ? c->queue->bytes : 0;
}

static bool has_room(struct client *c)
{
    size_t pending = c->output.pending;
    if (pending >= OUTPUT_HIGH_TIGHT && (pending >= OUTPUT_HIGH || shed_is_tight(c->broker))) {
        c->wants_output = true;
        return false;
    }
    return !inflight_is_full(&c->inflight, c->broker->config->limits.max_inflight) &&
           inflight_takes(&c->inflight, c->next_sequence);
}

static void pump_queue(struct client *c)
{
    while (c->queue != NULL && c->queue->count > 0 && has_room(c) && !c->doomed) {
        struct pending p = queue_pop(c->queue);
        struct mqtt_publish fields;
        struct delivery d = delivery_of_message(c->broker->encoder, p.message, &fields);
        send_with_id(c, &d, p.qos, p.retain, false, c->next_sequence++);
        delivery_end(&d);
        message_unref(p.message);
    }
    if (c->queue != NULL && c->queue->count == 0)
        deliver_drop_queue(c);
}

void deliver_message(struct client *c, struct delivery *d, uint8_t qos, bool retain)
{
    if (c->doomed || !auth_may_read(c->broker->auth, c, d->publish->topic))
        return;
    if (qos == 0)
        deliver_qos0(c, d, retain);
    else if (c->queue == NULL && has_room(c))
        send_with_id(c, d, qos, retain, false, c->next_sequence++);
    else
        queue_push(c, d, qos, retain);
}

bool deliver_is_behind(const struct client *c)
{
    return c->output.pending >= OUTPUT_HIGH || (c->queue != NULL && c->queue->count > 0);
}

/* ---- a durable session's queue in the store -------------------------------------------------- */

static void send_entry(struct client *c, const struct store_entry *e)
{
    const struct message_id copied = {0}; /* a retained value has an id of its own in the queue */
    c->next_sequence = e->sequence + 1;
    if ((e->is_value && retained_delivery_is_stale(c, e->message->topic, copied)) ||
        !auth_may_read(c->broker->auth, c, e->message->topic)) {
        store_ack(c->broker->store, &c->hold, e->sequence);
        return;
    }
    if (!e->is_value && e->message->retain)
        retained_delivery_note_live(c, e->message->topic, e->message->id);
    struct mqtt_publish fields;
    struct delivery d = delivery_of_message(c->broker->encoder, e->message, &fields);
    send_with_id(c, &d, e->qos, e->retain, e->duplicate, e->sequence);
    delivery_end(&d);
}

/* False: stopped at one whose packet id an older message still has. */
static bool send_entries(struct client *c, const struct store_entry *entries, size_t count)
{
    for (size_t i = 0; i < count && !c->doomed; i++) {
        if (!inflight_takes(&c->inflight, entries[i].sequence)) {
            c->next_sequence = entries[i].sequence;
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
    if (c->state == CLIENT_ONLINE && status == STORE_OK) {
        bool all = send_entries(c, entries, count);
        c->wake = c->wake || more || !all;
        if (c->wake)
            client_mark_work(c);
    } else if (c->state == CLIENT_ONLINE && status == STORE_FENCED) {
        client_doom(c, END_TAKEN_OVER);
    } else if (c->state == CLIENT_ONLINE) {
        client_doom(c, END_STORE_FAILED);
    }
    client_op_done(c);
}

static void pump_store(struct client *c)
{
    if (!c->wake || c->fetching || c->doomed || !has_room(c))
        return;
    uint32_t window = c->broker->config->limits.max_inflight;
    size_t room = window - c->inflight.open;
    c->wake = false;
    c->fetching = true;
    c->ops++;
    store_fetch(c->broker->store, &c->hold, c->next_sequence, room, FETCH_BYTES, on_fetched, c);
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
