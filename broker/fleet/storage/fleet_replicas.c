/* Asks Redis by WAIT whether a replica has everything, for all who wait for that; again and again
 * while none has. */
#include "broker/fleet/storage/fleet_replicas.h"

#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/node/fleet.h"
#include "common/log/log.h"

/* A WAIT ends earlier when the replica has everything. RETRY_MS: after an answer that came at once.
 */
enum { WAIT_MS = 1000, RETRY_MS = 100 };

STAILQ_HEAD(fleet_replica_list, fleet_replica_wait);

struct fleet_replicas {
    struct fleet_replica_list gathered; /* for the next WAIT */
    struct fleet_replica_list asking;   /* those of the one that is under way */
    bool under_way, missing;
    bool probe; /* ask although nobody waits: is there a replica at all? */
    uint64_t retry_ms;
    char run_id[48]; /* of the Redis that answers WAIT */
};

bool fleet_replicas_init(struct fleet *f)
{
    f->replicas = calloc(1, sizeof(*f->replicas));
    if (f->replicas == NULL)
        return false;
    STAILQ_INIT(&f->replicas->gathered);
    STAILQ_INIT(&f->replicas->asking);
    return true;
}

void fleet_replicas_free(struct fleet *f)
{
    free(f->replicas);
    f->replicas = NULL;
}

bool fleet_replicas_missing(const struct fleet *f)
{
    return f->replicas->missing;
}

/* Those who are added meanwhile are for the next WAIT. */
static void call_all(struct fleet_replica_list *from, bool ok)
{
    struct fleet_replica_list list = STAILQ_HEAD_INITIALIZER(list);
    STAILQ_CONCAT(&list, from);
    while (!STAILQ_EMPTY(&list)) {
        struct fleet_replica_wait *w = STAILQ_FIRST(&list);
        STAILQ_REMOVE_HEAD(&list, next);
        w->fn(w, ok);
    }
}

/* Those who asked for it come first at the next one. */
static void put_back(struct fleet_replicas *rs)
{
    STAILQ_CONCAT(&rs->asking, &rs->gathered);
    STAILQ_CONCAT(&rs->gathered, &rs->asking);
}

static void note_missing(struct fleet *f, bool missing)
{
    struct fleet_replicas *rs = f->replicas;
    if (missing)
        LOG_LIMITED(LOG_LEVEL_ERROR, "replica_missing", KV_STR("durability", "replica"),
                    KV_STR("effect", "nothing of QoS 1 and 2 is acknowledged"));
    else if (rs->missing)
        LOG_INFO("replica_back", KV_STR("node", f->hex));
    rs->missing = missing;
    metric_set(f->metrics.replica_missing, missing);
}

static void on_count(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    struct fleet_replicas *rs = f->replicas;
    bool answered = r != NULL && r->type == REDIS_REPLY_INTEGER;
    if (!rs->under_way)
        return; /* reset meanwhile */
    rs->under_way = false;
    rs->retry_ms = f->now_ms + RETRY_MS;
    if (answered && strcmp(rs->run_id, f->run_id) != 0) {
        put_back(rs);
        redis_link_reconnect(f->replica_link, "another run of Redis than that of the commands");
        return;
    }
    if (r != NULL)
        note_missing(f, !answered || r->integer < 1);
    rs->probe = rs->missing;
    if (answered && r->integer >= 1)
        call_all(&rs->asking, true);
    else
        put_back(rs);
}

void fleet_replicas_wait(struct fleet *f, struct fleet_replica_wait *w, fleet_replica_fn *fn)
{
    w->fn = fn;
    STAILQ_INSERT_TAIL(&f->replicas->gathered, w, next);
}

void fleet_replicas_greeted(struct fleet *f, const char *run_id)
{
    struct fleet_replicas *rs = f->replicas;
    evutil_snprintf(rs->run_id, sizeof(rs->run_id), "%s", run_id);
    rs->probe = true;
}

/* PING: WAIT is about what was done before the last command of its own connection. */
static void ask(struct fleet *f)
{
    struct redis_queue *q = redis_link_queue(f->replica_link);
    redis_queue_begin(q, 1);
    redis_queue_str(q, "PING");
    redis_queue_end(q, REDIS_VOLATILE, NULL, NULL);
    redis_queue_begin(q, 3);
    redis_queue_str(q, "WAIT");
    redis_queue_str(q, "1");
    redis_queue_u64(q, WAIT_MS);
    redis_queue_end(q, REDIS_VOLATILE, on_count, f);
}

void fleet_replicas_flush(struct fleet *f)
{
    struct fleet_replicas *rs = f->replicas;
    if (f->replica_link == NULL || rs->under_way || !redis_link_is_up(f->replica_link))
        return;
    if (!rs->probe && STAILQ_EMPTY(&rs->gathered))
        return;
    if (rs->missing && f->now_ms < rs->retry_ms)
        return; /* the store's tick comes back here */
    rs->probe = false;
    rs->under_way = true;
    STAILQ_CONCAT(&rs->asking, &rs->gathered);
    ask(f);
}

void fleet_replicas_reset(struct fleet *f)
{
    struct fleet_replicas *rs = f->replicas;
    rs->under_way = false;
    put_back(rs);
    call_all(&rs->gathered, false);
}
