/* Asks each bucket for what has expired; the script decides by Redis' own clock. */
#include "broker/fleet/publish/fleet_retained_expiry.h"

#include <stdlib.h>

#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/node/fleet.h"
#include "common/log/log.h"

enum { SWEEP_MS = 1000, AT_ONCE = 50 };

struct expiry_bucket {
    struct fleet *f;
    bool asking;
};

struct fleet_retained_expiry {
    uint64_t next_ms;
    struct expiry_bucket buckets[FLEET_TOPIC_BUCKETS];
};

bool fleet_retained_expiry_init(struct fleet *f)
{
    f->retained_expiry = calloc(1, sizeof(*f->retained_expiry));
    if (f->retained_expiry == NULL)
        return false;
    for (unsigned i = 0; i < FLEET_TOPIC_BUCKETS; i++)
        f->retained_expiry->buckets[i].f = f;
    return true;
}

void fleet_retained_expiry_free(struct fleet *f)
{
    free(f->retained_expiry);
    f->retained_expiry = NULL;
}

static void on_expired(void *arg, const redisReply *r)
{
    struct expiry_bucket *b = arg;
    struct fleet *f = b->f;
    b->asking = false;
    if (fleet_reply_status(r) != STORE_OK || r->type != REDIS_REPLY_ARRAY || r->elements != 2)
        return;
    if (r->element[0]->integer > 0) {
        metric_add(f->metrics.expired, (uint64_t)r->element[0]->integer);
        LOG_LIMITED(LOG_LEVEL_INFO, "message_dropped", KV_STR("reason", "expired"),
                    KV_STR("where", "retained"),
                    KV_UINT("messages", (uint64_t)r->element[0]->integer));
    }
    if (r->element[1]->integer == 1)
        fleet_retained_expire(f, (unsigned)(b - f->retained_expiry->buckets));
}

void fleet_retained_expire(struct fleet *f, unsigned bucket)
{
    struct expiry_bucket *b = &f->retained_expiry->buckets[bucket];
    struct fleet_key key = fleet_key_topics(&f->keys, bucket);
    if (b->asking || !fleet_is_joined(f))
        return;
    b->asking = true;
    scripts_begin(&f->scripts, f->q, SCRIPT_EXPIRE, key.text, 1);
    redis_queue_u64(f->q, AT_ONCE);
    redis_queue_end(f->q, REDIS_REPLAY, on_expired, b);
}

void fleet_retained_expiry_tick(struct fleet *f)
{
    if (f->now_ms < f->retained_expiry->next_ms || f->state != FLEET_READY || !fleet_can_act(f))
        return;
    f->retained_expiry->next_ms = f->now_ms + SWEEP_MS;
    unsigned rank;
    unsigned count;
    fleet_nodes_rank(f, &rank, &count);
    for (unsigned bucket = rank; bucket < FLEET_TOPIC_BUCKETS; bucket += count)
        fleet_retained_expire(f, bucket);
}
