/* Gathers a turn's messages for durable sessions: one script call per bucket, with each message
 * once for many sessions. The script answers with the sessions' owners, which are woken. */
#include "broker/fleet/publish/fleet_queue.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/exchange/fleet_parts.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/storage/fleet_usage.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_chain.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "common/log/log.h"

/* A call's bounds: a target costs Redis 7 us (with `seen` 10), and what is copied for the targets
 * 1 ms per megabyte. */
enum { TARGETS_MAX = 128, BYTES_MAX = 256 * 1024, COPIED_MAX = 4 << 20 };
enum { FLAG_RETAIN = 0x04, FLAG_VALUE = 0x08, FLAG_IDS = 0x10 };

struct queue_message {
    const struct message *message; /* a publish holds it; only compared */
    size_t at, len;                /* of the frame, in bytes */
    uint8_t id[16];
    bool remember;
};

struct queue_target {
    size_t at, len;   /* of the client id, in bytes */
    size_t flags_len; /* of what comes behind it: the flags, and identifiers */
    unsigned message;
    uint64_t client; /* hash of the client id */
};

struct queue_batch {
    struct fleet *f;
    STAILQ_ENTRY(queue_batch) link; /* among those to be sent */
    unsigned bucket;
    uint64_t number; /* of the call, once it is written */
    struct fleet_bytes bytes;
    struct queue_message messages[TARGETS_MAX];
    size_t message_count;
    size_t copied; /* bytes of the messages of all targets */
    struct queue_target targets[TARGETS_MAX];
    size_t target_count;
    struct fleet_parts *publishes[TARGETS_MAX]; /* one per target */
};

struct fleet_queues {
    struct queue_batch *open[FLEET_CLIENT_BUCKETS];
    struct fleet_chain chains[FLEET_CLIENT_BUCKETS];
    STAILQ_HEAD(queue_batches, queue_batch) list;
};

bool fleet_queues_init(struct fleet *f)
{
    f->queues = calloc(1, sizeof(*f->queues));
    if (f->queues == NULL)
        return false;
    STAILQ_INIT(&f->queues->list);
    return true;
}

void fleet_queues_free(struct fleet *f)
{
    free(f->queues);
    f->queues = NULL;
}

static void batch_free(struct queue_batch *b)
{
    fleet_bytes_fini(&b->bytes);
    free(b);
}

static void tell_owner(struct fleet *f, const redisReply *owner, const redisReply *client)
{
    uint64_t id;
    if (!fleet_hex_parse(owner->str, owner->len, &id))
        return;
    if (id == f->id) {
        f->host.wake(f->host.arg, mqtt_slice_of(client->str, client->len));
        return;
    }
    struct route_node *n = fleet_node_find(f, id);
    if (n != NULL)
        outbox_add_wake(f, n,
                        (struct mqtt_slice){.data = (const uint8_t *)client->str,
                                            .len = (uint32_t)client->len});
}

/* Redis has no such session: it ended, or was lost and its holder will assert it. */
static void note_unknown(struct queue_batch *b, const redisReply *number)
{
    unsigned long i = strtoul(number->str + 1, NULL, 10);
    if (i < b->target_count)
        fleet_parts_unknown(b->publishes[i], b->targets[i].client);
}

static void note_full(struct queue_batch *b, const redisReply *number, const redisReply *client)
{
    unsigned long i = strtoul(number->str + 1, NULL, 10);
    struct mqtt_slice topic = {0};
    if (i < b->target_count)
        topic = b->publishes[i]->message->topic;
    LOG_LIMITED(LOG_LEVEL_WARN, "queue_full", KV_BYTES("client_id", client->str, client->len),
                KV_BYTES("topic", topic.data, topic.len),
                KV_UINT("messages", fleet_usage_queue_messages(b->f->usage)),
                KV_UINT("bytes", fleet_usage_queue_bytes(b->f->usage)),
                KV_STR("effect", "its next messages are dropped until it has read some"));
}

static void note_expired(struct fleet *f, uint64_t count)
{
    metric_add(f->metrics.expired, count);
    LOG_LIMITED(LOG_LEVEL_INFO, "message_dropped", KV_STR("reason", "expired"),
                KV_STR("where", "queue"), KV_UINT("messages", count));
}

static void refuse_all(struct queue_batch *b, enum store_status status)
{
    for (size_t i = 0; i < b->target_count; i++) {
        if (status == STORE_FULL)
            fleet_parts_held(b->publishes[i], b->targets[i].client, 0);
        else
            fleet_parts_failed(b->publishes[i], status);
    }
}

/* The call before it wasn't done. */
static void try_all_again(struct queue_batch *b)
{
    for (size_t i = 0; i < b->target_count; i++)
        fleet_parts_refused(b->publishes[i], b->targets[i].client, 0);
}

static void take_answer(struct queue_batch *b, const redisReply *r)
{
    struct fleet *f = b->f;
    metric_add(f->metrics.queue_dropped, (uint64_t)r->element[0]->integer);
    for (size_t i = 1; i + 1 < r->elements; i += 2) {
        if (r->element[i]->str[0] == '#')
            note_unknown(b, r->element[i]);
        else if (r->element[i]->str[0] == '~')
            metric_add(f->metrics.seen_dropped, strtoull(r->element[i + 1]->str, NULL, 10));
        else if (r->element[i]->str[0] == '=')
            note_expired(f, strtoull(r->element[i + 1]->str, NULL, 10));
        else if (r->element[i]->str[0] == '!')
            note_full(b, r->element[i], r->element[i + 1]);
        else
            tell_owner(f, r->element[i], r->element[i + 1]);
    }
}

static void on_queued(void *arg, const redisReply *r)
{
    struct queue_batch *b = arg;
    enum store_status status = fleet_reply_status(r);
    bool is_done = status == STORE_OK && r->type == REDIS_REPLY_ARRAY;
    fleet_chain_answered(&b->f->queues->chains[b->bucket], b->number, is_done);
    if (status != STORE_OK)
        refuse_all(b, status);
    else if (is_done)
        take_answer(b, r);
    else
        try_all_again(b);
    batch_free(b);
}

/* The flags of a target that is skipped. */
enum { FLAGS_VOID = 'x' };

/* EVALSHA sha 1 key · node, call, the one before, four limits, count · frame, id a message · client, index, flags a
 * target. Its first flags say that it is void, whatever follows. */
static void void_targets(void *each_arg, void *arg, struct redis_args args)
{
    const struct queue_batch *b = arg;
    size_t before = 4 + 8 + 2 * b->message_count;
    (void)each_arg;
    size_t len;
    for (size_t i = 0; i < before; i++)
        redis_args_next(&args, &len);
    for (size_t i = 0; i < b->target_count; i++) {
        redis_args_next(&args, &len);
        redis_args_next(&args, &len);
        char *flags = redis_args_next(&args, &len);
        if (flags != NULL && b->publishes[i]->taken)
            *flags = FLAGS_VOID;
    }
}

void fleet_queues_void(struct fleet *f)
{
    redis_queue_each(f->q, on_queued, void_targets, NULL);
}

/* It does only what it has done. Of the others some may be for sessions that it doesn't know before they are asserted:
 * these would come behind what is done now. So all are tried again, in order. */
static void retag(void *each_arg, void *arg, struct redis_args args)
{
    const struct fleet *f = each_arg;
    (void)arg;
    scripts_end_arg(args, 1, f->run_tag); /* of the node's field */
    scripts_fill_arg(args, 3, 'x');
}

void fleet_queues_run_changed(struct fleet *f)
{
    redis_queue_each(f->q, on_queued, retag, f);
}

static void write_batch(struct fleet *f, struct queue_batch *b)
{
    struct fleet_key key = fleet_key_clients(&f->keys, b->bucket);
    struct redis_queue *q = f->q;
    char run[sizeof(f->run_tag) + 1];

    snprintf(run, sizeof(run), ":%s", f->run_tag);
    scripts_begin(&f->scripts, q, SCRIPT_QUEUE, key.text,
                  8 + 2 * b->message_count + 3 * b->target_count);
    redis_queue_arg2(q, f->hex, FLEET_HEX_SIZE - 1, run, strlen(run));
    b->number = f->calls++;
    redis_queue_u64(q, b->number);
    redis_queue_u64(q, fleet_chain_send(&f->queues->chains[b->bucket], b->number));
    redis_queue_u64(q, fleet_usage_queue_messages(f->usage));
    redis_queue_u64(q, fleet_usage_queue_bytes(f->usage));
    redis_queue_u64(q, f->cfg.dedup_window_ms);
    redis_queue_u64(q, f->cfg.dedup_limit);
    redis_queue_u64(q, b->message_count);
    for (size_t i = 0; i < b->message_count; i++) {
        redis_queue_arg(q, b->bytes.data + b->messages[i].at, b->messages[i].len);
        redis_queue_arg(q, b->messages[i].id, b->messages[i].remember ? 16 : 0);
    }
    for (size_t i = 0; i < b->target_count; i++) {
        redis_queue_arg(q, b->bytes.data + b->targets[i].at, b->targets[i].len);
        redis_queue_u64(q, b->targets[i].message);
        if (b->publishes[i]->taken)
            redis_queue_arg(q, "x", 1);
        else
            redis_queue_arg(q, b->bytes.data + b->targets[i].at + b->targets[i].len,
                            b->targets[i].flags_len);
    }
    redis_queue_end(q, REDIS_REPLAY, on_queued, b);
}

static void send_batch(struct fleet *f, struct queue_batch *b)
{
    for (size_t i = 0; i < b->target_count; i++) {
        if (b->bytes.failed)
            fleet_parts_failed(b->publishes[i], STORE_UNAVAILABLE);
        fleet_parts_issued(b->publishes[i]);
    }
    if (f->queues->open[b->bucket] == b)
        f->queues->open[b->bucket] = NULL;
    if (b->bytes.failed) {
        batch_free(b);
        return;
    }
    write_batch(f, b);
    fleet_bytes_fini(&b->bytes); /* the link has it now */
}

void fleet_queues_flush(struct fleet *f)
{
    struct queue_batches list = STAILQ_HEAD_INITIALIZER(list);
    STAILQ_CONCAT(&list, &f->queues->list);
    while (!STAILQ_EMPTY(&list)) {
        struct queue_batch *b = STAILQ_FIRST(&list);
        STAILQ_REMOVE_HEAD(&list, link);
        if (fleet_chain_is_open(&f->queues->chains[b->bucket]))
            send_batch(f, b);
        else
            STAILQ_INSERT_TAIL(&f->queues->list, b, link);
    }
}

/* The bucket's batch with room for one more target. NULL when out of memory. */
static struct queue_batch *open_batch(struct fleet *f, unsigned bucket)
{
    struct queue_batch *b = f->queues->open[bucket];
    if (b != NULL && b->target_count < TARGETS_MAX && b->bytes.len < BYTES_MAX &&
        b->copied < COPIED_MAX)
        return b;
    b = malloc(sizeof(*b));
    if (b == NULL)
        return NULL;
    b->f = f;
    b->bucket = bucket;
    b->bytes = (struct fleet_bytes){0};
    b->message_count = b->target_count = 0;
    b->copied = 0;
    f->queues->open[bucket] = b; /* a full one before it stays in the list, in order */
    STAILQ_INSERT_TAIL(&f->queues->list, b, link);
    return b;
}

static void add_message(struct queue_batch *b, const struct message *m, bool remember)
{
    if (b->message_count > 0 && b->messages[b->message_count - 1].message == m)
        return;
    struct queue_message *qm = &b->messages[b->message_count++];
    qm->message = m;
    qm->at = b->bytes.len;
    fleet_frame_put(&b->bytes, m, remember);
    qm->len = b->bytes.len - qm->at;
    qm->remember = remember;
    fleet_id_write(qm->id, m->id);
}

/* The flags, and behind them the identifiers of the subscriptions, if there are any. */
static void put_flags(struct fleet_bytes *b, const struct message *m,
                      const struct store_queue_target *target, struct fleet_queue_how how)
{
    uint8_t flags = target->qos;
    if (how.is_value || (m->retain && target->retain_as_published))
        flags |= FLAG_RETAIN;
    flags |= how.is_value ? FLAG_VALUE : 0;
    flags |= target->ids.count > 0 ? FLAG_IDS : 0;
    fleet_bytes_u8(b, flags);
    if (target->ids.count == 0)
        return;
    fleet_bytes_varint(b, target->ids.count);
    for (uint32_t i = 0; i < target->ids.count; i++)
        fleet_bytes_varint(b, target->ids.items[i]);
}

void fleet_queue_add(struct fleet *f, struct fleet_parts *p, const struct message *m,
                     const struct store_queue_target *target, struct fleet_queue_how how)
{
    unsigned bucket =
        fleet_client_bucket(&f->keys, (const char *)target->client_id.data, target->client_id.len);
    struct queue_batch *b = open_batch(f, bucket);
    if (b == NULL) {
        fleet_parts_failed(p, STORE_UNAVAILABLE);
        return;
    }
    add_message(b, m, how.remember);
    struct queue_target *t = &b->targets[b->target_count];
    t->message = (unsigned)b->message_count - 1;
    t->at = b->bytes.len;
    t->len = target->client_id.len;
    t->client = how.client;
    b->copied += b->messages[t->message].len;
    fleet_bytes_put(&b->bytes, target->client_id.data, target->client_id.len);
    put_flags(&b->bytes, m, target, how);
    t->flags_len = b->bytes.len - t->at - t->len;
    b->publishes[b->target_count++] = p;
    fleet_parts_gathered(p);
}

static void drop_batch(struct queue_batch *b)
{
    for (size_t i = 0; i < b->target_count; i++) {
        fleet_parts_failed(b->publishes[i], STORE_UNAVAILABLE);
        fleet_parts_issued(b->publishes[i]);
    }
    batch_free(b);
}

/* Empty before anybody is told. */
void fleet_queues_reset(struct fleet *f)
{
    struct queue_batches list = STAILQ_HEAD_INITIALIZER(list);
    if (f->queues == NULL)
        return;
    STAILQ_CONCAT(&list, &f->queues->list);
    memset(f->queues->open, 0, sizeof(f->queues->open));
    while (!STAILQ_EMPTY(&list)) {
        struct queue_batch *b = STAILQ_FIRST(&list);
        STAILQ_REMOVE_HEAD(&list, link);
        drop_batch(b);
    }
}
