/* Tells this node's figures and asks for the sums; totals.lua adds up. */
#include "broker/fleet/storage/fleet_totals.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/node/fleet.h"

enum totals_state { TOTALS_IDLE, TOTALS_WAITING, TOTALS_ASKING };

struct fleet_totals {
    enum totals_state state;
    uint64_t mine[STORE_TOTAL_COUNT];   /* since the start of the process */
    uint64_t told[STORE_TOTAL_COUNT];   /* the last ones that were sent */
    uint64_t before[STORE_TOTAL_COUNT]; /* of them, told under former ids */
    uint64_t expired;
    bool failed; /* the answer that is being put together isn't whole */
    struct store_totals answer;
    store_totals_fn *done;
    void *arg;
};

bool fleet_totals_init(struct fleet *f)
{
    f->totals = calloc(1, sizeof(*f->totals));
    return f->totals != NULL;
}

void fleet_totals_free(struct fleet *f)
{
    free(f->totals);
    f->totals = NULL;
}

void fleet_totals(struct fleet *f, const uint64_t mine[STORE_TOTAL_COUNT], store_totals_fn *done,
                  void *arg)
{
    struct fleet_totals *t = f->totals;
    assert(t->state == TOTALS_IDLE);
    t->state = TOTALS_WAITING;
    memcpy(t->mine, mine, sizeof(t->mine));
    t->done = done;
    t->arg = arg;
    fleet_wake(f);
}

void fleet_totals_expired(struct fleet *f, uint64_t sessions)
{
    f->totals->expired += sessions;
}

void fleet_totals_new_id(struct fleet *f)
{
    memcpy(f->totals->before, f->totals->told, sizeof(f->totals->before));
}

static void complete(struct fleet_totals *t, enum store_status status)
{
    t->state = TOTALS_IDLE;
    t->answer.expired = t->expired;
    t->done(t->arg, status, status == STORE_OK ? &t->answer : NULL);
}

void fleet_totals_reset(struct fleet *f)
{
    if (f->totals->state != TOTALS_IDLE)
        complete(f->totals, STORE_UNAVAILABLE);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void on_retained(void *arg, const redisReply *r)
{
    struct fleet_totals *t = ((struct fleet *)arg)->totals;
    if (r != NULL && r->type == REDIS_REPLY_INTEGER)
        t->answer.retained += (uint64_t)r->integer;
    else
        t->failed = true;
}

/* False: it isn't what the script answers to a node that the fleet knows. */
static bool take_sums(struct store_totals *totals, const redisReply *r)
{
    if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements < 1 + STORE_TOTAL_COUNT)
        return false;
    totals->nodes = (uint64_t)r->element[0]->integer;
    for (size_t i = 0; i < STORE_TOTAL_COUNT; i++)
        totals->of_all[i] = (uint64_t)r->element[1 + i]->integer;
    return true;
}

static void on_sums(void *arg, const redisReply *r)
{
    struct fleet_totals *t = ((struct fleet *)arg)->totals;
    bool whole = take_sums(&t->answer, r) && !t->failed;
    complete(t, whole ? STORE_OK : STORE_UNAVAILABLE);
}

static void ask_retained(struct fleet *f)
{
    for (unsigned bucket = 0; bucket < FLEET_TOPIC_BUCKETS; bucket++) {
        struct fleet_key key = fleet_key_topics(&f->keys, bucket);
        redis_queue_begin(f->q, 2);
        redis_queue_str(f->q, "HLEN");
        redis_queue_arg2(f->q, key.text, strlen(key.text), "v", 1);
        redis_queue_end(f->q, REDIS_VOLATILE, on_retained, f);
    }
}

static void tell(struct fleet *f)
{
    struct fleet_totals *t = f->totals;
    memcpy(t->told, t->mine, sizeof(t->told));
    scripts_begin(&f->scripts, f->q, SCRIPT_TOTALS, f->keys.fleet, 2 + STORE_TOTAL_COUNT);
    redis_queue_str(f->q, f->hex);
    redis_queue_u64(f->q, STORE_TOTAL_NOW);
    for (size_t i = 0; i < STORE_TOTAL_COUNT; i++)
        redis_queue_u64(f->q, i < STORE_TOTAL_NOW ? t->mine[i] : t->mine[i] - t->before[i]);
    redis_queue_end(f->q, REDIS_VOLATILE, on_sums, f);
}

void fleet_totals_tick(struct fleet *f)
{
    struct fleet_totals *t = f->totals;
    if (t->state != TOTALS_WAITING || f->state != FLEET_READY || !fleet_can_act(f))
        return;
    t->state = TOTALS_ASKING;
    t->failed = false;
    t->answer = (struct store_totals){0};
    ask_retained(f);
    tell(f);
}
