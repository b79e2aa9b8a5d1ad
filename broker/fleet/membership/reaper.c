/* Cleans up after a dead node: frees the clients that it still owned, publishes their wills,
 * announces in the log again what the node may not have announced, and removes its inbox. Goes
 * through the buckets some at a time, in chunks. The reaper is noted in Redis, so that another node
 * takes over if it dies (fleet_beat.c). Doing something twice is harmless. */
#include "broker/fleet/membership/reaper.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/fence/fleet_cut.h"
#include "broker/fleet/group/fleet_group_away.h"
#include "broker/fleet/log/fleet_reannounce.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_behalf.h"
#include "broker/fleet/session/fleet_will.h"
#include "common/base/clock.h"
#include "common/log/log.h"

enum { BUCKETS_AT_ONCE = 16, CLIENTS_AT_ONCE = 50, WILLS_MAX = 200 };

struct reaper {
    struct reaper *next;
    struct fleet *f;
    uint64_t victim;
    char hex[FLEET_HEX_SIZE];
    unsigned next_bucket;
    unsigned under_way;                   /* script calls and wills */
    unsigned wills;                       /* of them */
    unsigned unfinished[BUCKETS_AT_ONCE]; /* buckets with more clients, to be asked next */
    unsigned unfinished_count;
    size_t clients;
    bool groups_done; /* what its members of groups had is looked after */
    uint64_t done_ms; /* Redis has struck it off its list of dead nodes; 0: not yet */
    bool ended, failed;
};

struct reaper_step {
    struct reaper *reaper;
    unsigned bucket;
};

static void ask(struct reaper *rp, unsigned bucket);

static struct reaper *find(struct fleet *f, uint64_t victim)
{
    for (struct reaper *rp = f->reapers; rp != NULL; rp = rp->next)
        if (rp->victim == victim)
            return rp;
    return NULL;
}

static void remove_reaper(struct reaper *rp)
{
    struct reaper **at = &rp->f->reapers;
    while (*at != rp)
        at = &(*at)->next;
    *at = rp->next;
    free(rp);
}

static void clear_topics(struct reaper *rp)
{
    struct fleet *f = rp->f;
    for (unsigned bucket = 0; bucket < FLEET_TOPIC_BUCKETS; bucket++) {
        struct fleet_key key = fleet_key_topics(&f->keys, bucket);
        redis_queue_begin(f->q, 3);
        redis_queue_str(f->q, "HDEL");
        redis_queue_arg2(f->q, key.text, strlen(key.text), "hw", 2);
        redis_queue_str(f->q, rp->hex);
        redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
    }
}

/* A heartbeat that was sent before this may still name the node: it is kept until a later one is
 * answered. */
static void on_struck_off(void *arg, const redisReply *r)
{
    struct reaper *rp = arg;
    rp->under_way--;
    if (rp->ended) {
        free(rp);
        return;
    }
    if (r == NULL || r->type != REDIS_REPLY_INTEGER) {
        remove_reaper(rp); /* the next beat shows it again */
        return;
    }
    LOG_INFO("node_reaped", KV_STR("node", rp->hex), KV_UINT("clients", rp->clients));
    rp->done_ms = clock_boottime_ms();
}

static void finish(struct reaper *rp)
{
    struct fleet *f = rp->f;
    struct fleet_key inbox = fleet_key_inbox(&f->keys, rp->victim);
    clear_topics(rp);
    redis_queue_begin(f->q, 2);
    redis_queue_str(f->q, "UNLINK");
    redis_queue_str(f->q, inbox.text);
    redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
    redis_queue_begin(f->q, 3);
    redis_queue_str(f->q, "HDEL");
    redis_queue_str(f->q, f->keys.reap);
    redis_queue_str(f->q, rp->hex);
    rp->under_way++;
    redis_queue_end(f->q, REDIS_REPLAY, on_struck_off, rp);
}

/* Each bucket brings clients, and each of them may bring a will: no more are asked for while many
 * are on their way. */
static bool may_ask(const struct reaper *rp)
{
    bool left = rp->unfinished_count > 0 || rp->next_bucket < FLEET_CLIENT_BUCKETS;
    return left && !rp->failed && rp->wills < WILLS_MAX &&
           rp->under_way - rp->wills + rp->unfinished_count < BUCKETS_AT_ONCE + 1 &&
           rp->under_way - rp->wills < BUCKETS_AT_ONCE;
}

static void on_groups_reaped(void *arg, enum store_status status);

/* Its sessions are freed: so their slots say what became of its members' messages. */
static void reap_groups(struct reaper *rp)
{
    rp->under_way++;
    fleet_group_reap(rp->f, rp->victim, on_groups_reaped, rp);
}

/* Keeps some buckets and not too many wills under way. A failed one is begun again when the next
 * beat shows that the reaping isn't done. */
static void go_on(struct reaper *rp)
{
    /* No more calls if this node starts over or ends, or while holders still assert their clients
     * after a loss of data. */
    if (!fleet_is_joined(rp->f) || fleet_may_be_lost(rp->f))
        rp->failed = true;
    while (may_ask(rp)) {
        if (rp->unfinished_count > 0)
            ask(rp, rp->unfinished[--rp->unfinished_count]);
        else
            ask(rp, rp->next_bucket++);
    }
    if (rp->under_way > 0)
        return;
    if (rp->failed)
        remove_reaper(rp);
    else if (!rp->groups_done)
        reap_groups(rp);
    else
        finish(rp);
}

static void on_groups_reaped(void *arg, enum store_status status)
{
    struct reaper *rp = arg;
    rp->under_way--;
    if (rp->ended) {
        free(rp);
        return;
    }
    rp->groups_done = true;
    rp->failed |= status != STORE_OK;
    go_on(rp);
}

static void on_will(void *arg, enum store_status status)
{
    struct reaper *rp = arg;
    (void)status; /* a failed one is tried again from `due` */
    rp->under_way--;
    rp->wills--;
    if (!rp->ended)
        go_on(rp);
    else if (rp->under_way == 0)
        free(rp);
}

/* client, epoch, will, subscriptions, filters being removed */
static void take_client(struct reaper *rp, struct redisReply **e)
{
    struct fleet_session_ref session = {
        .client = {.data = (const uint8_t *)e[0]->str, .len = (uint32_t)e[0]->len},
        .epoch = strtoull(e[1]->str, NULL, 10)};
    rp->clients++;
    /* What the dead node did to the session may not have reached the log. */
    fleet_reannounce_removals(rp->f, session, e[4]);
    fleet_reannounce_subscriptions(rp->f, session, e[3]);
    if (e[2]->len == 0)
        return;
    rp->under_way++;
    rp->wills++;
    fleet_will_publish(rp->f, e[0]->str, e[0]->len, session.epoch, e[2]->str, e[2]->len, on_will,
                       rp);
}

static void on_reaped(void *arg, const redisReply *r)
{
    struct reaper_step *step = arg;
    struct reaper *rp = step->reaper;
    unsigned bucket = step->bucket;
    free(step);
    if (rp->ended) {
        if (--rp->under_way == 0)
            free(rp);
        return;
    }
    if (r == NULL || r->type != REDIS_REPLY_ARRAY) {
        rp->failed = true;
    } else {
        for (size_t i = 1; i + 4 < r->elements; i += 5)
            take_client(rp, &r->element[i]);
        if (r->element[0]->integer > 0)
            rp->unfinished[rp->unfinished_count++] = bucket;
    }
    rp->under_way--;
    go_on(rp);
}

static void ask(struct reaper *rp, unsigned bucket)
{
    struct fleet *f = rp->f;
    struct fleet_key key = fleet_key_clients(&f->keys, bucket);
    struct reaper_step *step = malloc(sizeof(*step));
    if (step == NULL) {
        rp->failed = true;
        return;
    }
    *step = (struct reaper_step){.reaper = rp, .bucket = bucket};
    rp->under_way++;
    scripts_begin(&f->scripts, f->q, SCRIPT_REAP, key.text, 3);
    redis_queue_str(f->q, rp->hex);
    redis_queue_str(f->q, f->hex);
    redis_queue_u64(f->q, CLIENTS_AT_ONCE);
    redis_queue_end(f->q, REDIS_REPLAY, on_reaped, step);
}

/* Only now nothing that it wrote can come any more. */
static void on_cut(void *arg, enum store_status status)
{
    struct reaper *rp = arg;
    rp->under_way--;
    if (rp->ended) {
        free(rp);
        return;
    }
    rp->failed |= status != STORE_OK;
    go_on(rp);
}

/* EVALSHA sha 1 key · victim, ...: one that has no clients. */
static void void_call(void *each_arg, void *arg, struct redis_args args)
{
    struct reaper_step *step = arg;
    size_t len = 0;
    char *victim = NULL;
    (void)each_arg;
    for (size_t i = 0; i < 4 + 1; i++)
        victim = redis_args_next(&args, &len);
    if (victim != NULL)
        memset(victim, '0', len);
    if (!step->reaper->ended)
        step->reaper->failed = true;
}

void reapers_run_changed(struct fleet *f)
{
    redis_queue_each(f->q, on_reaped, void_call, NULL);
}

void reaper_start(struct fleet *f, uint64_t victim)
{
    if (find(f, victim) != NULL || victim == f->id)
        return;
    struct reaper *rp = calloc(1, sizeof(*rp));
    if (rp == NULL)
        return; /* the next beat asks again */
    rp->f = f;
    rp->victim = victim;
    fleet_hex(victim, rp->hex);
    rp->next = f->reapers;
    f->reapers = rp;
    LOG_INFO("node_reaping", KV_STR("node", rp->hex));
    rp->under_way++;
    fleet_cut_dead(f, victim, on_cut, rp);
}

void reapers_see_beat(struct fleet *f, uint64_t sent_ms)
{
    struct reaper *next;
    for (struct reaper *rp = f->reapers; rp != NULL; rp = next) {
        next = rp->next;
        if (rp->done_ms != 0 && sent_ms > rp->done_ms)
            remove_reaper(rp);
    }
}

void reapers_free(struct fleet *f)
{
    while (f->reapers != NULL) {
        struct reaper *rp = f->reapers;
        f->reapers = rp->next;
        rp->ended = true;
        if (rp->under_way == 0)
            free(rp);
    }
}
