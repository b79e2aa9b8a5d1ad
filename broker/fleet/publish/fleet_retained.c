/* Retained values in Redis: set by one script per bucket and turn, behind the live messages of that
 * turn (fleet_retained_read.c says why). A bucket is chosen by the topic's first level. A call has
 * a bound in values and bytes, so that it doesn't stall Redis. */
#include "broker/fleet/publish/fleet_retained.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/exchange/fleet_parts.h"
#include "broker/fleet/fence/fleet_taken.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/storage/fleet_usage.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_chain.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "broker/fleet/wire/fleet_piece.h"
#include "common/log/log.h"

/* ---- setting --------------------------------------------------------------------------------- */

/* Who sets a value. */
struct retain_for {
    struct fleet_parts *publish; /* waits for it; NULL: nobody does (QoS 0) */
    struct fleet_behalf behalf;
    bool remember; /* its id: it may come twice */
    bool taken;    /* from this node, before it was written */
    uint8_t id[16];
};

/* What one call sets. */
struct retain_batch {
    struct fleet *f;
    struct retain_batch *next; /* of the same bucket, not sent yet */
    unsigned bucket;
    uint64_t number; /* of the call, once it is written */
    struct fleet_piece piece;
    struct fleet_bytes values; /* topic, frame (empty: clear); each a slice */
    size_t count, size;
    struct retain_for *values_for; /* of each value */
};

struct fleet_retaining {
    struct retain_batch *open[FLEET_TOPIC_BUCKETS], *last[FLEET_TOPIC_BUCKETS];
    struct fleet_chain chains[FLEET_TOPIC_BUCKETS];
    struct fleet_bytes frame;
    uint64_t sequence; /* of the last value written; a call has that of its last one */
    bool any;
};

bool fleet_retaining_init(struct fleet *f)
{
    f->retaining = calloc(1, sizeof(*f->retaining));
    return f->retaining != NULL;
}

void fleet_retaining_free(struct fleet *f)
{
    if (f->retaining == NULL)
        return;
    fleet_bytes_fini(&f->retaining->frame);
    free(f->retaining);
    f->retaining = NULL;
}

static void batch_free(struct retain_batch *b)
{
    fleet_bytes_fini(&b->values);
    free(b->values_for);
    free(b);
}

static void fail_publishes(const struct retain_batch *b, enum store_status status)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->values_for[i].publish != NULL && status == STORE_FULL)
            fleet_parts_held(b->values_for[i].publish, 0, 0);
        else if (b->values_for[i].publish != NULL)
            fleet_parts_failed(b->values_for[i].publish, status);
}

/* The call before it wasn't done. */
static void try_again(const struct retain_batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->values_for[i].publish != NULL)
            fleet_parts_refused(b->values_for[i].publish, 0, 0);
        else
            metric_add(b->f->metrics.bulk_dropped, 1);
}

static void issue_publishes(const struct retain_batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->values_for[i].publish != NULL)
            fleet_parts_issued(b->values_for[i].publish);
}

static void note_dropped(struct fleet *f, const redisReply *count, const redisReply *topic)
{
    if (count->integer == 0)
        return;
    metric_add(f->metrics.retained_dropped, (uint64_t)count->integer);
    LOG_LIMITED(LOG_LEVEL_WARN, "retained_not_kept", KV_BYTES("topic", topic->str, topic->len),
                KV_STR("key", "limits.max_stored_bytes"));
}

static void on_retained(void *arg, const redisReply *r)
{
    struct retain_batch *b = arg;
    enum store_status status = fleet_reply_status(r);
    bool is_done = status == STORE_OK && r->type == REDIS_REPLY_ARRAY && r->elements == 2;
    fleet_chain_answered(&b->f->retaining->chains[b->bucket], b->number, is_done);
    if (status != STORE_OK)
        fail_publishes(b, status);
    else if (is_done)
        note_dropped(b->f, r->element[0], r->element[1]);
    else
        try_again(b);
    batch_free(b);
}

/* EVALSHA sha 1 key · node, number, the one before, window, ids, room · is it to be set, topic, frame, id a value. */
static void void_values(void *each_arg, void *arg, struct redis_args args)
{
    const struct fleet *f = each_arg;
    const struct retain_batch *b = arg;
    size_t len;
    for (size_t i = 0; i < 4 + 6; i++)
        redis_args_next(&args, &len);
    for (size_t i = 0; i < b->count; i++) {
        char *is_set = redis_args_next(&args, &len);
        if (is_set != NULL && fleet_taken_has(f, b->values_for[i].behalf))
            *is_set = '0';
        for (size_t k = 0; k < 3; k++)
            redis_args_next(&args, &len);
    }
}

void fleet_retaining_void(struct fleet *f)
{
    redis_queue_each(f->q, on_retained, void_values, f);
    for (unsigned bucket = 0; bucket < FLEET_TOPIC_BUCKETS; bucket++)
        for (struct retain_batch *b = f->retaining->open[bucket]; b != NULL; b = b->next)
            for (size_t i = 0; i < b->count; i++)
                b->values_for[i].taken |= fleet_taken_has(f, b->values_for[i].behalf);
}

/* Which may not have what the former one answered. */
static void forget_done(void *each_arg, void *arg, struct redis_args args)
{
    const struct fleet_retaining *ret = each_arg;
    const struct retain_batch *b = arg;
    scripts_clear_done(args, 3, &ret->chains[b->bucket]);
}

void fleet_retaining_run_changed(struct fleet *f)
{
    redis_queue_each(f->q, on_retained, forget_done, f->retaining);
}

static void write_batch(struct fleet *f, struct retain_batch *b)
{
    struct fleet_key key = fleet_key_topics(&f->keys, b->bucket);
    struct fleet_reader r = fleet_reader_of(b->values.data, b->values.len);
    scripts_begin(&f->scripts, f->q, SCRIPT_RETAIN, key.text, 6 + 4 * b->count);
    redis_queue_str(f->q, f->hex);
    b->number = f->retaining->sequence += b->count;
    redis_queue_u64(f->q, b->number);
    redis_queue_u64(f->q, fleet_chain_send(&f->retaining->chains[b->bucket], b->number));
    redis_queue_u64(f->q, f->cfg.dedup_window_ms);
    redis_queue_u64(f->q, (uint64_t)f->cfg.dedup_limit * 5);
    redis_queue_str(f->q, fleet_usage_may_grow(f->usage) ? "1" : "0");
    for (size_t i = 0; i < b->count; i++) {
        struct mqtt_slice topic = fleet_reader_slice(&r);
        struct mqtt_slice frame = fleet_reader_slice(&r);
        redis_queue_arg(f->q, b->values_for[i].taken ? "0" : "1", 1);
        redis_queue_arg(f->q, topic.data, topic.len);
        redis_queue_arg(f->q, frame.data, frame.len);
        redis_queue_arg(f->q, b->values_for[i].id, b->values_for[i].remember ? 16 : 0);
    }
    redis_queue_end(f->q, REDIS_REPLAY, on_retained, b);
    fleet_bytes_fini(&b->values);
}

static void send_batch(struct fleet *f, unsigned bucket)
{
    struct retain_batch *b = f->retaining->open[bucket];
    f->retaining->open[bucket] = b->next;
    if (b->values.failed)
        fail_publishes(b, STORE_UNAVAILABLE);
    issue_publishes(b);
    if (b->values.failed)
        batch_free(b);
    else
        write_batch(f, b);
}

static bool note_value(struct retain_batch *b, const struct retain_for *value)
{
    if (b->count == b->size) {
        size_t size = b->size == 0 ? 16 : b->size * 2;
        struct retain_for *list = realloc(b->values_for, size * sizeof(*list));
        if (list == NULL)
            return false;
        b->values_for = list;
        b->size = size;
    }
    b->values_for[b->count++] = *value;
    if (value->publish != NULL)
        fleet_parts_gathered(value->publish);
    return true;
}

/* The bucket's batch that this value goes into. NULL when out of memory. */
static struct retain_batch *batch_for(struct fleet *f, unsigned bucket, size_t bytes)
{
    struct fleet_retaining *ret = f->retaining;
    struct retain_batch *b = ret->open[bucket] != NULL ? ret->last[bucket] : NULL;
    if (b != NULL && fleet_piece_take(&b->piece, bytes))
        return b;
    struct retain_batch *next = calloc(1, sizeof(*next));
    if (next == NULL)
        return NULL;
    next->f = f;
    next->bucket = bucket;
    fleet_piece_take(&next->piece, bytes);
    if (b != NULL)
        b->next = next;
    else
        ret->open[bucket] = next;
    ret->last[bucket] = next;
    return next;
}

void fleet_retain(struct fleet *f, struct fleet_parts *p, struct fleet_behalf behalf,
                  const struct message *m, bool remember)
{
    struct retain_for value = {.publish = p, .behalf = behalf, .remember = remember};
    struct fleet_retaining *ret = f->retaining;
    unsigned bucket = fleet_topic_bucket(m->topic);
    if (p == NULL && (!fleet_is_joined(f) || !fleet_accepts(f))) {
        metric_add(f->metrics.bulk_dropped, 1);
        return;
    }
    struct retain_batch *b = batch_for(f, bucket, message_content_size(m));
    fleet_id_write(value.id, m->id);
    if (b == NULL || !note_value(b, &value)) {
        if (p != NULL)
            fleet_parts_failed(p, STORE_UNAVAILABLE);
        return;
    }
    fleet_bytes_reset(&ret->frame, 1 << 20);
    if (m->payload.len > 0)
        fleet_frame_put(&ret->frame, m, false);
    fleet_bytes_slice(&b->values, m->topic);
    fleet_bytes_slice(&b->values, fleet_bytes_all(&ret->frame));
    b->values.failed |= ret->frame.failed;
    ret->any = true;
}

bool fleet_retaining_is_due(const struct fleet *f)
{
    return f->retaining->any;
}

void fleet_retaining_flush(struct fleet *f)
{
    if (!f->retaining->any)
        return;
    f->retaining->any = false;
    for (unsigned bucket = 0; bucket < FLEET_TOPIC_BUCKETS; bucket++) {
        while (f->retaining->open[bucket] != NULL &&
               fleet_chain_is_open(&f->retaining->chains[bucket]))
            send_batch(f, bucket);
        f->retaining->any |= f->retaining->open[bucket] != NULL;
    }
}

void fleet_retaining_reset(struct fleet *f)
{
    struct fleet_retaining *ret = f->retaining;
    if (ret == NULL)
        return;
    for (unsigned bucket = 0; bucket < FLEET_TOPIC_BUCKETS; bucket++) {
        while (ret->open[bucket] != NULL) {
            struct retain_batch *b = ret->open[bucket];
            ret->open[bucket] = b->next;
            fail_publishes(b, STORE_UNAVAILABLE);
            issue_publishes(b);
            batch_free(b);
        }
    }
    ret->any = false;
}
