/*
 * The last step of a message: fanout.c, retained_delivery.c and the store's queues hand it here,
 * and from here it goes into the client's output.
 */
#include "broker/delivery/deliver.h"

#include <stdlib.h>
#include <string.h>

#include "broker/auth/auth.h"
#include "broker/base/account.h"
#include "broker/base/broker_config.h"
#include "broker/base/leftovers.h"
#include "broker/client/client.h"
#include "broker/client/holders.h"
#include "broker/delivery/retained_known.h"
#include "common/log/log.h"

enum {
    FETCH_BYTES = 256 * 1024,
    OUTPUT_HIGH_TIGHT = 16 * 1024, /* instead of OUTPUT_HIGH while memory is short */
};

struct pending {
    struct message *message;
    uint8_t qos;
    bool retain;
};

enum { PENDING_BLOCK = 32 };

/* Blocks rather than a ring that doubles: one publish may fill those of thousands of clients. */
struct pending_block {
    struct pending_block *next;
    struct pending items[PENDING_BLOCK];
};

/* What waits for a clean session's window; one block at least. */
struct pending_queue {
    struct pending_block *first, *last;
    uint32_t head;  /* of the first block: the oldest item */
    uint32_t count; /* of all items */
    uint64_t bytes;
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
    client_close_later(c, END_NO_MEMORY); /* half a packet may be in the output */
    return false;
}

static bool send_with_id(struct client *c, struct delivery *d, uint8_t qos, bool retain, bool dup,
                         uint64_t sequence)
{
    enum inflight_state state = qos == 1 ? INFLIGHT_PUBLISHED : INFLIGHT_SENT;
    if (!inflight_add(&c->inflight, sequence, state)) {
        client_close_later(c, END_NO_MEMORY);
        return false;
    }
    return put(c, d, publish_first_byte(qos, retain, dup), inflight_packet_id(sequence));
}

bool deliver_is_full(const struct client *c)
{
    const struct broker *b = c->broker;
    return c->output.pending > b->config->limits.max_output ||
           (c->output.pending > 0 && b->chunks.pending > b->output_limit) ||
           (c->blocked && memory_budget_is_tight(&b->memory, account.total));
}

static void deliver_qos0(struct client *c, struct delivery *d, bool retain)
{
    struct broker *b = c->broker;
    if (deliver_is_full(c)) {
        b->stats.dropped[DROP_SLOW_CONSUMER]++;
        return;
    }
    put(c, d, publish_first_byte(0, retain, false), 0);
}

/* ---- a clean session's own queue ------------------------------------------------------------- */

static struct pending_queue *queue_new(void)
{
    struct pending_queue *q = account_zalloc(ACCOUNT_WINDOWS, sizeof(*q));
    struct pending_block *block = account_alloc(ACCOUNT_WINDOWS, sizeof(*block));
    if (q == NULL || block == NULL) {
        account_free(ACCOUNT_WINDOWS, block);
        account_free(ACCOUNT_WINDOWS, q);
        return NULL;
    }
    block->next = NULL;
    q->first = q->last = block;
    return q;
}

/* Where the next item belongs; NULL when out of memory. */
static struct pending *queue_end(struct pending_queue *q)
{
    uint32_t at = (q->head + q->count) % PENDING_BLOCK;
    if (at == 0 && q->count > 0) {
        struct pending_block *block = account_alloc(ACCOUNT_WINDOWS, sizeof(*block));
        if (block == NULL)
            return NULL;
        block->next = NULL;
        q->last->next = block;
        q->last = block;
    }
    return &q->last->items[at];
}

static void queue_push(struct client *c, struct delivery *d, uint8_t qos, bool retain)
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
        q = c->queue = queue_new();
        holders_note(c);
    }
    struct pending *end = m != NULL && q != NULL ? queue_end(q) : NULL;
    if (end == NULL) {
        client_close_later(c, END_NO_MEMORY);
        return;
    }
    *end = (struct pending){.message = message_ref(m), .qos = qos, .retain = retain};
    q->count++;
    q->bytes += pending_size(m);
}

static struct pending queue_pop(struct pending_queue *q)
{
    struct pending_block *block = q->first;
    struct pending p = block->items[q->head++];
    q->count--;
    q->bytes -= pending_size(p.message);
    if (q->head == PENDING_BLOCK) {
        q->head = 0;
        if (block->next != NULL) {
            q->first = block->next;
            account_free(ACCOUNT_WINDOWS, block);
        }
    }
    return p;
}

/* One message less; the last one takes the queue along. */
static bool queue_release(void *queue)
{
    struct pending_queue *q = queue;
    if (q->count > 0)
        message_unref(queue_pop(q).message);
    if (q->count > 0)
        return true;
    account_free(ACCOUNT_WINDOWS, q->first);
    account_free(ACCOUNT_WINDOWS, q);
    return false;
}

/* It may be long: released in pieces. */
void deliver_drop_queue(struct client *c)
{
    struct pending_queue *q = c->queue;
    c->queue = NULL;
    if (q != NULL)
        leftovers_add(&c->broker->leftovers, queue_release, q, q->count, q->bytes);
}

size_t deliver_queue_bytes(const struct client *c)
{
    return c->queue != NULL ? c->queue->bytes : 0;
}

static bool has_room(struct client *c)
{
    size_t pending = c->output.pending;
    if (pending >= OUTPUT_HIGH_TIGHT &&
        (pending >= OUTPUT_HIGH || memory_budget_is_tight(&c->broker->memory, account.total))) {
        c->wants_output = true;
        return false;
    }
    return !inflight_is_full(&c->inflight, c->broker->config->limits.max_inflight) &&
           inflight_takes(&c->inflight, c->next_sequence);
}

static void pump_queue(struct client *c)
{
    while (c->queue != NULL && c->queue->count > 0 && has_room(c) && client_is_connected(c)) {
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

void deliver_message(struct client *c, struct delivery *d, struct deliver_as as)
{
    if (!client_is_connected(c) || !auth_may_read(c->broker->auth, &c->who, d->publish->topic))
        return;
    if (as.qos == 0)
        deliver_qos0(c, d, as.retain);
    else if (c->queue == NULL && has_room(c))
        send_with_id(c, d, as.qos, as.retain, false, c->next_sequence++);
    else
        queue_push(c, d, as.qos, as.retain);
}

uint64_t deliver_taken(struct client *c, struct delivery *d, struct deliver_as as)
{
    if (!client_is_connected(c))
        return 0;
    if (!auth_may_read(c->broker->auth, &c->who, d->publish->topic)) {
        c->broker->stats.dropped[DROP_DENIED]++;
        return 0;
    }
    if (as.qos == 0) {
        deliver_qos0(c, d, as.retain);
        return 0;
    }
    uint64_t sequence = c->next_sequence++;
    return send_with_id(c, d, as.qos, as.retain, false, sequence) ? sequence : 0;
}

uint32_t deliver_room(struct client *c)
{
    uint32_t window = c->broker->config->limits.max_inflight;
    bool waits = c->hold.durable ? c->wake || c->fetching : c->queue != NULL;
    if (waits || !has_room(c))
        return 0;
    return window > c->inflight.open ? window - c->inflight.open : 0;
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
    if ((e->is_value && retained_known_is_stale(c->known, e->message->topic, copied)) ||
        !auth_may_read(c->broker->auth, &c->who, e->message->topic)) {
        store_ack(c->broker->store, &c->hold, e->sequence);
        return;
    }
    if (!e->is_value && e->message->retain)
        retained_known_note_live(c->known, e->message->topic, e->message->id);
    struct mqtt_publish fields;
    struct delivery d = delivery_of_message(c->broker->encoder, e->message, &fields);
    send_with_id(c, &d, e->qos, e->retain, e->duplicate, e->sequence);
    delivery_end(&d);
}

/* False: stopped at one whose packet id an older message still has. */
static bool send_entries(struct client *c, const struct store_entry *entries, size_t count)
{
    for (size_t i = 0; i < count && client_is_connected(c); i++) {
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
