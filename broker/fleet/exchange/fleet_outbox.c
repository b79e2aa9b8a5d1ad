/* Fills chunks with items during a turn and sends each as one entry of a node's inbox stream. The
 * publishes in a chunk are notified when it was sent, and when it couldn't be delivered. */
#include "broker/fleet/exchange/fleet_outbox.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"
#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/exchange/fleet_parts.h"
#include "broker/fleet/exchange/outbox_chain.h"
#include "broker/fleet/exchange/outbox_chunk.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_batch.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "common/log/log.h"

enum {
    ASK_LENGTH_MS = 50,
    PAUSED_ASK_MS = 100,
    HOLD_MS = 2000,
};

/* ---- filling --------------------------------------------------------------------------------- */

void outbox_add_message(struct fleet *f, struct route_node *n, struct fleet_parts *p,
                        const struct fleet_bytes *frame)
{
    struct outbox_chunk *c = outbox_open_chunk(f, &n->outbox, n->id);
    if (c == NULL || !outbox_chunk_note(c, p)) {
        fleet_parts_failed(p, STORE_UNAVAILABLE);
        return;
    }
    fleet_parts_gathered(p);
    fleet_bytes_u8(&c->items, ITEM_MESSAGE);
    fleet_bytes_put(&c->items, frame->data, frame->len);
    c->messages++;
    outbox_count(f, &n->outbox, n->outbox.bytes + frame->len);
}

void outbox_add_wake(struct fleet *f, struct route_node *n, struct mqtt_slice client)
{
    struct outbox_chunk *c = outbox_open_chunk(f, &n->outbox, n->id);
    if (c == NULL)
        return; /* the sweep finds it */
    fleet_bytes_u8(&c->items, ITEM_WAKE);
    fleet_bytes_slice(&c->items, client);
    fleet_bytes_slice(&c->wakes, client);
}

void outbox_add_share_wake(struct fleet *f, struct route_node *n, struct mqtt_slice filter,
                           uint32_t messages)
{
    struct outbox_chunk *c = outbox_open_chunk(f, &n->outbox, n->id);
    if (c == NULL)
        return; /* nodes with room look now and then */
    fleet_bytes_u8(&c->items, ITEM_SHARE_WAKE);
    fleet_bytes_slice(&c->items, filter);
    fleet_bytes_varint(&c->items, messages);
}

static void begin_request(struct fleet *f, struct route_node *n, enum fleet_item kind)
{
    struct fleet_bytes *b = &n->outbox.requests;
    if (b->len == 0) {
        fleet_bytes_reset(b, SIZE_MAX);
        fleet_batch_begin(b, f->id, 0); /* numbered when it is sent */
    }
    fleet_bytes_u8(b, (uint8_t)kind);
}

void outbox_add_hand_over(struct fleet *f, struct route_node *n, uint64_t request, uint64_t epoch,
                          struct mqtt_slice client)
{
    begin_request(f, n, ITEM_HAND_OVER);
    fleet_bytes_u64(&n->outbox.requests, request);
    fleet_bytes_u64(&n->outbox.requests, epoch);
    fleet_bytes_slice(&n->outbox.requests, client);
}

void outbox_add_gone(struct fleet *f, struct route_node *n, uint64_t request)
{
    begin_request(f, n, ITEM_GONE);
    fleet_bytes_u64(&n->outbox.requests, request);
}

/* ---- sent, and not answered yet --------------------------------------------------------------- */

struct outbox_sent {
    struct fleet *f;
    struct outbox_chunk *chunk;
    struct outbox_chain *chain;
    uint64_t number;
};

static enum outbox_written written_by(const redisReply *r)
{
    if (r == NULL)
        return OUTBOX_UNKNOWN;
    return r->type == REDIS_REPLY_ERROR || r->type == REDIS_REPLY_NIL ? OUTBOX_NOT : OUTBOX_WRITTEN;
}

/* Its receiver drops it, because one before it wasn't written. */
static void send_again(struct fleet *f, struct outbox_chunk *c)
{
    struct route_node *n = fleet_node_find(f, c->node);
    struct fleet_reader wakes = fleet_reader_of(c->wakes.data, c->wakes.len);
    for (size_t i = 0; i < c->publish_count; i++)
        fleet_parts_refused(c->publishes[i], 0, c->node);
    while (n != NULL && fleet_reader_more(&wakes))
        outbox_add_wake(f, n, fleet_reader_slice(&wakes));
}

static void on_sent(void *arg, const redisReply *r)
{
    struct outbox_sent *sent = arg;
    struct outbox_chunk *c = sent->chunk;
    enum store_status status = fleet_reply_status(r);
    enum outbox_written written =
        outbox_chain_answered(sent->f, sent->chain, sent->number, written_by(r));
    if (status == STORE_OK && written == OUTBOX_UNKNOWN)
        status = STORE_UNAVAILABLE;
    for (size_t i = 0; i < c->publish_count; i++) {
        if (status == STORE_FULL)
            fleet_parts_held(c->publishes[i], 0, c->node);
        else if (status != STORE_OK)
            fleet_parts_failed(c->publishes[i], status);
        else if (r->type == REDIS_REPLY_NIL)
            fleet_parts_missed(c->publishes[i], c->node);
    }
    if (status == STORE_OK && written == OUTBOX_NOT && r->type != REDIS_REPLY_NIL)
        send_again(sent->f, c);
    if (status == STORE_OK && r->type == REDIS_REPLY_NIL)
        sent->f->connect_ops->node_gone(sent->f, c->node);
    outbox_chunk_free(c);
    free(sent);
}

/* ---- taken away ------------------------------------------------------------------------------ */

static void skip_item(struct fleet_reader *r, uint8_t kind)
{
    switch (kind) {
    case ITEM_MESSAGE:
    case ITEM_VOID:
        fleet_frame_skip(r);
        return;
    case ITEM_WAKE:
        fleet_reader_slice(r);
        return;
    case ITEM_SHARE_WAKE:
        fleet_reader_slice(r);
        fleet_reader_varint(r);
        return;
    default:
        return; /* a gap has nothing behind it, and the others are in batches of their own */
    }
}

/* Its messages are in the order of its publishes. */
static void void_items(const struct outbox_chunk *c, uint8_t *items, size_t len)
{
    struct fleet_reader r = fleet_reader_of(items, len);
    size_t at = 0;
    fleet_reader_u64(&r);
    fleet_reader_u64(&r);
    while (fleet_reader_more(&r) && at < c->publish_count) {
        uint8_t *kind = items + (r.at - items);
        if (*kind == ITEM_MESSAGE || *kind == ITEM_VOID)
            *kind = c->publishes[at++]->taken ? ITEM_VOID : *kind;
        fleet_reader_u8(&r);
        skip_item(&r, *kind);
    }
}

/* XADD key NOMKSTREAM * d items */
static void void_sent(void *each_arg, void *arg, struct redis_args args)
{
    const struct outbox_sent *sent = arg;
    size_t len = 0;
    char *items = NULL;
    (void)each_arg;
    for (size_t i = 0; i < 6; i++)
        items = redis_args_next(&args, &len);
    if (items != NULL)
        void_items(sent->chunk, (uint8_t *)items, len);
}

void outboxes_void(struct fleet *f)
{
    redis_queue_each(f->q, on_sent, void_sent, NULL);
    for (struct route_node *n = f->nodes; n != NULL; n = n->hh.next) {
        struct outbox_chunk *c;
        TAILQ_FOREACH (c, &n->outbox.chunks, next)
            void_items(c, c->items.data, c->items.len);
    }
}

/* The outbox may send of this stream. */
static bool is_open(struct fleet *f, struct route_node *n, enum fleet_batch_stream stream)
{
    if (n->outbox.chain == NULL)
        n->outbox.chain = outbox_chain_get(f, n->id);
    return n->outbox.chain == NULL || outbox_chain_is_open(f, n->outbox.chain, stream);
}

static void send_chunk(struct fleet *f, struct route_node *n, struct outbox_chunk *c)
{
    struct fleet_key key = fleet_key_inbox(&f->keys, n->id);
    struct outbox_chain *chain = n->outbox.chain;
    struct outbox_sent *sent = malloc(sizeof(*sent));
    bool failed = sent == NULL || c->items.failed || chain == NULL;
    for (size_t i = 0; i < c->publish_count; i++) {
        if (failed)
            fleet_parts_failed(c->publishes[i], STORE_UNAVAILABLE);
        fleet_parts_issued(c->publishes[i]);
    }
    if (failed) {
        free(sent);
        outbox_chunk_free(c);
        return;
    }
    *sent = (struct outbox_sent){.f = f, .chunk = c, .chain = chain};
    /* One count for all nodes and over their comings and goings: a receiver drops what isn't above
     * the last one it had from here. */
    sent->number = outbox_chain_send(f, chain, FLEET_BATCH_MESSAGES);
    fleet_u64_write(c->items.data + 8, sent->number);
    redis_queue_begin(f->q, 6);
    redis_queue_str(f->q, "XADD");
    redis_queue_str(f->q, key.text);
    redis_queue_str(f->q, "NOMKSTREAM");
    redis_queue_str(f->q, "*");
    redis_queue_str(f->q, "d");
    redis_queue_arg(f->q, c->items.data, c->items.len);
    redis_queue_end(f->q, REDIS_REPLAY, on_sent, sent);
    if (c->messages > 0)
        metric_observe(f->metrics.batch, (double)c->messages);
    fleet_bytes_fini(&c->items); /* the link has it now */
}

/* ---- requests and answers -------------------------------------------------------------------- */

struct requests_sent {
    struct fleet *f;
    uint64_t node;
    struct outbox_chain *chain;
    uint64_t number;
};

static void on_requests_sent(void *arg, const redisReply *r)
{
    struct requests_sent *sent = arg;
    outbox_chain_answered(sent->f, sent->chain, sent->number, written_by(r));
    if (fleet_reply_status(r) == STORE_OK && r->type == REDIS_REPLY_NIL)
        sent->f->connect_ops->node_gone(sent->f, sent->node);
    free(sent);
}

void outbox_write_small(struct fleet *f, uint64_t node, const struct fleet_bytes *batch,
                        redis_reply_fn *fn, void *arg)
{
    struct fleet_key key = fleet_key_inbox(&f->keys, node);
    scripts_begin(&f->scripts, f->q, SCRIPT_SEND, key.text, 1);
    redis_queue_arg(f->q, batch->data, batch->len);
    redis_queue_end(f->q, REDIS_REPLAY, fn, arg);
}

/* A request that isn't sent for want of memory times out at its asker. */
static void send_requests(struct fleet *f, struct route_node *n)
{
    struct fleet_bytes *b = &n->outbox.requests;
    struct outbox_chain *chain = n->outbox.chain;
    struct requests_sent *sent = b->failed || chain == NULL ? NULL : malloc(sizeof(*sent));
    if (sent != NULL) {
        *sent = (struct requests_sent){.f = f, .node = n->id, .chain = chain};
        sent->number = outbox_chain_send(f, chain, FLEET_BATCH_REQUESTS);
        fleet_u64_write(b->data + 8, sent->number);
        outbox_write_small(f, n->id, b, on_requests_sent, sent);
    }
    fleet_bytes_fini(b);
}

/* ---- another run of Redis --------------------------------------------------------------------- */

/* Of the batch that is this argument of a command. */
static void number_again(struct redis_args args, size_t argument, const struct outbox_chain *chain,
                         uint64_t *number)
{
    size_t len = 0;
    char *batch = NULL;
    for (size_t i = 0; i < argument; i++)
        batch = redis_args_next(&args, &len);
    *number = outbox_chain_again(chain, *number);
    if (batch != NULL && len >= 16)
        fleet_u64_write((uint8_t *)batch + 8, *number);
}

/* XADD key NOMKSTREAM * d items */
static void number_chunk_again(void *each_arg, void *arg, struct redis_args args)
{
    struct outbox_sent *sent = arg;
    (void)each_arg;
    number_again(args, 6, sent->chain, &sent->number);
}

/* EVALSHA sha 1 inbox batch */
static void number_requests_again(void *each_arg, void *arg, struct redis_args args)
{
    struct requests_sent *sent = arg;
    (void)each_arg;
    number_again(args, 5, sent->chain, &sent->number);
}

void outboxes_run_changed(struct fleet *f)
{
    redis_queue_each(f->q, on_sent, number_chunk_again, NULL);
    redis_queue_each(f->q, on_requests_sent, number_requests_again, NULL);
}

/* Takes all chunks out and sends them. */
static void send_all(struct fleet *f, struct route_node *n)
{
    struct outbox_chunks chunks = TAILQ_HEAD_INITIALIZER(chunks);
    outbox_take(f, &n->outbox, &chunks);
    while (!TAILQ_EMPTY(&chunks)) {
        struct outbox_chunk *c = TAILQ_FIRST(&chunks);
        TAILQ_REMOVE(&chunks, c, next);
        send_chunk(f, n, c);
    }
}

/* ---- the bound ------------------------------------------------------------------------------- */

struct length_asked {
    struct fleet *f;
    uint64_t node;
};

static void on_length(void *arg, const redisReply *r)
{
    struct length_asked *asked = arg;
    struct fleet *f = asked->f;
    struct route_node *n = fleet_node_find(f, asked->node);
    free(asked);
    if (n == NULL || r == NULL || r->type != REDIS_REPLY_INTEGER)
        return;
    n->outbox.length = (uint64_t)r->integer;
    metric_set(f->metrics.inbox_length, r->integer);
    if (n->outbox.paused_since_ms == 0 && n->outbox.length >= f->cfg.inbox_limit) {
        n->outbox.paused_since_ms = f->now_ms;
        LOG_LIMITED(LOG_LEVEL_WARN, "inbox_over_limit", KV_STR("node", n->hex),
                    KV_UINT("length", n->outbox.length));
    } else if (n->outbox.paused_since_ms != 0 && n->outbox.length < f->cfg.inbox_limit) {
        n->outbox.paused_since_ms = 0;
    }
}

static void ask_length(struct fleet *f, struct route_node *n, uint64_t interval_ms)
{
    if (f->now_ms - n->outbox.length_asked_ms < interval_ms)
        return;
    struct length_asked *asked = malloc(sizeof(*asked));
    if (asked == NULL)
        return;
    *asked = (struct length_asked){.f = f, .node = n->id};
    n->outbox.length_asked_ms = f->now_ms;
    struct fleet_key key = fleet_key_inbox(&f->keys, n->id);
    redis_queue_begin(f->q, 2);
    redis_queue_str(f->q, "XLEN");
    redis_queue_str(f->q, key.text);
    redis_queue_end(f->q, REDIS_REPLAY, on_length, asked);
}

/* Held for long enough: what waits is dropped, and a gap mark tells its receiver. */
static void mark_gap(struct fleet *f, struct route_node *n)
{
    metric_add(f->metrics.gaps, 1);
    LOG_LIMITED(LOG_LEVEL_WARN, "inbox_gap", KV_STR("node", n->hex),
                KV_UINT("bytes", n->outbox.bytes));
    outbox_drop(f, &n->outbox);
    struct outbox_chunk *c = outbox_open_chunk(f, &n->outbox, n->id);
    if (c == NULL)
        return;
    fleet_bytes_u8(&c->items, ITEM_GAP);
    send_all(f, n);
    n->outbox.paused_since_ms = f->now_ms;
}

void outboxes_tick(struct fleet *f)
{
    account_set(ACCOUNT_STORE, redis_queue_bytes(f->q) + f->outbox_bytes);
    if (!fleet_can_act(f))
        return;
    for (struct route_node *n = f->nodes; n != NULL; n = n->hh.next) {
        if (n->outbox.paused_since_ms == 0)
            continue;
        if (n->outbox.bytes > 0 && f->now_ms - n->outbox.paused_since_ms >= HOLD_MS &&
            is_open(f, n, FLEET_BATCH_MESSAGES))
            mark_gap(f, n);
        ask_length(f, n, PAUSED_ASK_MS);
    }
}

void outboxes_flush(struct fleet *f)
{
    for (struct route_node *n = f->nodes; n != NULL; n = n->hh.next) {
        if (n->outbox.paused_since_ms != 0)
            continue;
        if (!TAILQ_EMPTY(&n->outbox.chunks) && is_open(f, n, FLEET_BATCH_MESSAGES)) {
            send_all(f, n);
            ask_length(f, n, ASK_LENGTH_MS);
        }
        if (n->outbox.requests.len > 0 && is_open(f, n, FLEET_BATCH_REQUESTS))
            send_requests(f, n);
    }
}
