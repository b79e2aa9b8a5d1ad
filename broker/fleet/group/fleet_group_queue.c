/* Batches by bucket. The script names hungry nodes, which are woken. */
#include "broker/fleet/group/fleet_group_queue.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/exchange/fleet_parts.h"
#include "broker/fleet/group/fleet_group.h"
#include "broker/fleet/group/fleet_group_done.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/storage/fleet_usage.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "common/log/log.h"

enum { TARGETS_MAX = 64, BYTES_MAX = 256 * 1024, FIXED_ARGS = 7, TARGET_ARGS = 5 };

struct group_target {
    struct fleet_parts *part;
    size_t filter_at, frame_at, frame_len;
    uint32_t filter_len;
    uint8_t id[16];
    bool remember;
    uint64_t keep_ms;
    uint64_t key; /* fleet_group_part */
};

struct group_batch {
    STAILQ_ENTRY(group_batch) link;
    struct fleet *f;
    unsigned bucket;
    struct fleet_bytes bytes;
    size_t count;
    struct group_target targets[TARGETS_MAX];
};

uint64_t fleet_group_part(struct mqtt_slice filter)
{
    enum { GROUPS = 0x67726f75 }; /* apart from the client ids */
    return fleet_hash(filter.data, filter.len) ^ GROUPS;
}

static void batch_free(struct group_batch *b)
{
    fleet_bytes_fini(&b->bytes);
    free(b);
}

static void refuse_all(struct group_batch *b, enum store_status status)
{
    for (size_t i = 0; i < b->count; i++) {
        if (status == STORE_FULL)
            fleet_parts_held(b->targets[i].part, b->targets[i].key, 0);
        else
            fleet_parts_failed(b->targets[i].part, status);
    }
}

/* The group has no member: after a loss of data they are listed again soon. */
static void nobody(struct group_batch *b, size_t i)
{
    if (i < b->count && fleet_may_be_lost(b->f))
        fleet_parts_unknown(b->targets[i].part, b->targets[i].key);
    else
        metric_add(b->f->metrics.share_nobody, 1);
}

static void take_triple(struct group_batch *b, redisReply **e)
{
    struct fleet *f = b->f;
    struct mqtt_slice filter = mqtt_slice_of(e[1]->str, e[1]->len);
    if (e[0]->str[0] == '#')
        nobody(b, (size_t)e[2]->integer);
    else if (e[0]->str[0] == '!')
        LOG_LIMITED(LOG_LEVEL_WARN, "share_queue_full", KV_BYTES("filter", filter.data, filter.len),
                    KV_UINT("messages", fleet_usage_queue_messages(f->usage)),
                    KV_UINT("bytes", fleet_usage_queue_bytes(f->usage)),
                    KV_STR("effect", "its next messages are dropped until members have read some"));
    else
        fleet_group_wake(f, e[0]->str, e[0]->len, filter, (uint32_t)e[2]->integer);
}

static void on_appended(void *arg, const redisReply *r)
{
    struct group_batch *b = arg;
    enum store_status status = fleet_reply_status(r);
    if (status != STORE_OK) {
        refuse_all(b, status);
    } else if (r->type == REDIS_REPLY_ARRAY) {
        metric_add(b->f->metrics.queue_dropped, (uint64_t)r->element[0]->integer);
        for (size_t i = 1; i + 2 < r->elements; i += 3)
            take_triple(b, &r->element[i]);
    }
    batch_free(b);
}

/* EVALSHA sha 1 key · seven · group, frame, id, keep, partition a target. Of a publish that isn't this node's any
 * more the group becomes one that nobody can be in. */
static void void_targets(void *each_arg, void *arg, struct redis_args args)
{
    const struct group_batch *b = arg;
    size_t len;
    (void)each_arg;
    for (size_t i = 0; i < 4 + FIXED_ARGS; i++)
        redis_args_next(&args, &len);
    for (size_t i = 0; i < b->count; i++) {
        char *group = redis_args_next(&args, &len);
        if (group != NULL && b->targets[i].part->taken)
            memset(group, '!', len);
        redis_args_next(&args, &len);
        redis_args_next(&args, &len);
        char *keep = redis_args_next(&args, &len);
        if (keep != NULL && b->targets[i].part->taken)
            memset(keep, '0', len);
        redis_args_next(&args, &len);
    }
}

void fleet_group_queues_void(struct fleet *f)
{
    redis_queue_each(f->q, on_appended, void_targets, NULL);
}

static void write_partition(struct fleet *f, const struct message *m)
{
    bool by_topic = f->cfg.share_strategy == SHARE_HASH_TOPIC;
    struct mqtt_slice by = by_topic ? m->topic : m->publisher;
    if (share_strategy_is_hashed(f->cfg.share_strategy))
        redis_queue_u64(f->q, fleet_hash(by.data, by.len) % SHARE_PARTITIONS);
    else
        redis_queue_str(f->q, "");
}

static void write_batch(struct fleet *f, struct group_batch *b)
{
    struct fleet_key key = fleet_key_groups(&f->keys, b->bucket);
    struct redis_queue *q = f->q;
    scripts_begin(&f->scripts, q, SCRIPT_GROUP_APPEND, key.text,
                  FIXED_ARGS + TARGET_ARGS * b->count);
    redis_queue_str(q, f->hex);
    redis_queue_u64(q, f->calls++);
    redis_queue_u64(q, fleet_usage_queue_messages(f->usage));
    redis_queue_u64(q, fleet_usage_queue_bytes(f->usage));
    redis_queue_u64(q, f->cfg.dedup_window_ms);
    redis_queue_u64(q, f->cfg.dedup_limit);
    redis_queue_str(q, f->cfg.share_strategy == SHARE_LOCAL ? f->hex : "");
    for (size_t i = 0; i < b->count; i++) {
        const struct group_target *t = &b->targets[i];
        redis_queue_arg(q, b->bytes.data + t->filter_at, t->filter_len);
        redis_queue_arg(q, b->bytes.data + t->frame_at, t->frame_len);
        redis_queue_arg(q, t->id, t->remember ? sizeof(t->id) : 0);
        redis_queue_u64(q, t->keep_ms);
        write_partition(f, t->part->message);
    }
    redis_queue_end(q, REDIS_REPLAY, on_appended, b);
}

static void send_batch(struct fleet *f, struct group_batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        if (b->bytes.failed)
            fleet_parts_failed(b->targets[i].part, STORE_UNAVAILABLE);
        fleet_parts_issued(b->targets[i].part);
    }
    if (f->groups->open[b->bucket] == b)
        f->groups->open[b->bucket] = NULL;
    if (b->bytes.failed) {
        batch_free(b);
        return;
    }
    write_batch(f, b);
    fleet_bytes_fini(&b->bytes); /* the link has it now */
}

void fleet_group_queues_flush(struct fleet *f)
{
    struct group_batch *b;
    while ((b = STAILQ_FIRST(&f->groups->batches)) != NULL) {
        STAILQ_REMOVE_HEAD(&f->groups->batches, link);
        send_batch(f, b);
    }
}

/* The bucket's batch with room for one more. NULL: out of memory. */
static struct group_batch *open_batch(struct fleet *f, unsigned bucket)
{
    struct group_batch *b = f->groups->open[bucket];
    if (b != NULL && b->count < TARGETS_MAX && b->bytes.len < BYTES_MAX)
        return b;
    b = malloc(sizeof(*b));
    if (b == NULL)
        return NULL;
    b->f = f;
    b->bucket = bucket;
    b->bytes = (struct fleet_bytes){0};
    b->count = 0;
    f->groups->open[bucket] = b; /* a full one before it stays in the list, in order */
    STAILQ_INSERT_TAIL(&f->groups->batches, b, link);
    return b;
}

void fleet_group_add(struct fleet *f, struct fleet_parts *p, struct mqtt_slice filter,
                     bool remember)
{
    struct group_batch *b = open_batch(f, fleet_group_bucket(&f->keys, filter));
    if (b == NULL) {
        fleet_parts_failed(p, STORE_UNAVAILABLE);
        return;
    }
    struct group_target *t = &b->targets[b->count++];
    *t = (struct group_target){.part = p,
                               .filter_at = b->bytes.len,
                               .filter_len = filter.len,
                               .remember = remember,
                               .keep_ms = fleet_group_keep_ms(f, filter),
                               .key = fleet_group_part(filter)};
    fleet_bytes_put(&b->bytes, filter.data, filter.len);
    t->frame_at = b->bytes.len;
    fleet_frame_put(&b->bytes, p->message, remember);
    t->frame_len = b->bytes.len - t->frame_at;
    fleet_id_write(t->id, p->message->id);
    fleet_parts_gathered(p);
}

static void drop_batch(struct group_batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        fleet_parts_failed(b->targets[i].part, STORE_UNAVAILABLE);
        fleet_parts_issued(b->targets[i].part);
    }
    batch_free(b);
}

/* Empty before anybody is told. */
void fleet_group_queues_reset(struct fleet *f)
{
    struct group_batches list = STAILQ_HEAD_INITIALIZER(list);
    struct group_batch *b;
    if (f->groups == NULL)
        return;
    STAILQ_CONCAT(&list, &f->groups->batches);
    memset(f->groups->open, 0, sizeof(f->groups->open));
    while ((b = STAILQ_FIRST(&list)) != NULL) {
        STAILQ_REMOVE_HEAD(&list, link);
        drop_batch(b);
    }
}
