/* Asks groups who is away (group_due.lua, group_reap.lua), and sessions what they have
 * (group_return.lua). */
#include "broker/fleet/group/fleet_group_away.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/group/fleet_group.h"
#include "broker/fleet/group/fleet_group_done.h"
#include "broker/fleet/group/fleet_group_members.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_bytes.h"

enum { BUCKETS_AT_ONCE = 16, LOOK_MS = 5000, DUE_MS = 500 };

/* ---- what a session has ---------------------------------------------------------------------- */

struct asked {
    struct fleet *f;
    uint32_t filter_len, client_len, epoch_len;
    char bytes[]; /* filter, client, epoch as a member with a NUL */
};

static struct asked *asked_new(struct fleet *f, struct mqtt_slice filter, struct mqtt_slice client,
                               struct mqtt_slice epoch)
{
    struct asked *a = calloc(1, sizeof(*a) + filter.len + client.len + epoch.len + 1);
    if (a == NULL)
        return NULL;
    a->f = f;
    a->filter_len = filter.len;
    a->client_len = client.len;
    a->epoch_len = epoch.len;
    memcpy(a->bytes, filter.data, filter.len);
    memcpy(a->bytes + filter.len, client.data, client.len);
    if (epoch.len > 0)
        memcpy(a->bytes + filter.len + client.len, epoch.data, epoch.len);
    return a;
}

static void session_is_gone(const struct asked *a)
{
    if (a->epoch_len > 0)
        fleet_group_strike_off(a->f, mqtt_slice_of(a->bytes, a->filter_len),
                               mqtt_slice_of(a->bytes + a->filter_len, a->client_len),
                               a->bytes + a->filter_len + a->client_len);
}

static void on_returned(void *arg, const redisReply *r)
{
    struct asked *a = arg;
    bool gone = false;
    if (r != NULL && r->type == REDIS_REPLY_ARRAY) {
        for (size_t i = 0; i + 1 < r->elements; i += 2) {
            char word = r->element[i]->str[0];
            struct mqtt_slice ref = mqtt_slice_of(r->element[i + 1]->str, r->element[i + 1]->len);
            if (word == 's')
                gone = true;
            else
                fleet_group_done_ref(a->f, word == 'f' ? GROUP_FINISHED : GROUP_BACK, ref);
        }
        fleet_group_dones_flush(a->f);
    }
    if (gone)
        session_is_gone(a);
    free(a);
}

static void begin_return(struct fleet *f, struct mqtt_slice client, const char *why, size_t args)
{
    unsigned bucket = fleet_client_bucket(&f->keys, client);
    struct fleet_key key = fleet_key_clients(&f->keys, bucket);
    scripts_begin(&f->scripts, f->q, SCRIPT_GROUP_RETURN, key.text, 2 + args);
    redis_queue_arg(f->q, client.data, client.len);
    redis_queue_str(f->q, why);
}

static void return_unsent(struct fleet *f, const struct store_hold *hold, uint64_t sent,
                          struct mqtt_slice filter)
{
    struct mqtt_slice client = store_hold_id(hold);
    struct asked *a = asked_new(f, filter, client, (struct mqtt_slice){0});
    if (a == NULL)
        return; /* it is looked after later */
    begin_return(f, client, "u", 3);
    redis_queue_u64(f->q, hold->epoch);
    redis_queue_u64(f->q, sent);
    redis_queue_arg(f->q, filter.data, filter.len);
    redis_queue_end(f->q, REDIS_REPLAY, on_returned, a);
}

void fleet_group_leave(struct fleet *f, const struct store_hold *hold, struct mqtt_slice filter,
                       enum store_leave why)
{
    const struct fleet_hold *h = hold->store_data;
    if (f->state == FLEET_OVER || f->state == FLEET_LEFT || hold->epoch == 0)
        return;
    if (hold->durable && h != NULL)
        return_unsent(f, hold, h->sent, filter);
    /* What it gave back, or has finished, comes before. */
    fleet_group_dones_flush(f);
    fleet_group_part_with(f, hold, filter, why);
}

void fleet_group_ask_session(struct fleet *f, struct mqtt_slice filter, struct mqtt_slice client,
                             struct mqtt_slice refs, size_t count)
{
    struct fleet_reader r = fleet_reader_of(refs.data, refs.len);
    struct asked *a = asked_new(f, filter, client, (struct mqtt_slice){0});
    if (a == NULL)
        return; /* they are looked after later */
    begin_return(f, client, "a", count);
    for (size_t i = 0; i < count; i++) {
        struct mqtt_slice ref = fleet_reader_slice(&r);
        redis_queue_arg(f->q, ref.data, ref.len);
    }
    redis_queue_end(f->q, REDIS_REPLAY, on_returned, a);
}

/* kind, group, client, epoch, {number, note, ...} */
static void ask_session(struct fleet *f, redisReply **e)
{
    struct mqtt_slice filter = mqtt_slice_of(e[1]->str, e[1]->len);
    struct mqtt_slice client = mqtt_slice_of(e[2]->str, e[2]->len);
    const redisReply *has = e[4];
    struct asked *a = asked_new(f, filter, client, mqtt_slice_of(e[3]->str, e[3]->len));
    if (a == NULL)
        return;
    begin_return(f, client, e[0]->str, has->elements / 2);
    for (size_t i = 0; i + 1 < has->elements; i += 2) {
        struct fleet_bytes ref = {0};
        fleet_bytes_put(&ref, filter.data, filter.len);
        fleet_bytes_u8(&ref, 0);
        fleet_bytes_put(&ref, has->element[i]->str, has->element[i]->len);
        fleet_bytes_u8(&ref, 0);
        fleet_bytes_put(&ref, has->element[i + 1]->str, has->element[i + 1]->len);
        redis_queue_arg(f->q, ref.data, ref.failed ? 0 : ref.len);
        fleet_bytes_fini(&ref);
    }
    redis_queue_end(f->q, REDIS_REPLAY, on_returned, a);
}

/* ---- who is away ----------------------------------------------------------------------------- */

struct due_asked {
    struct fleet *f;
    unsigned bucket;
};

/* Data of a broker before there were indexes: the answer names a group that is to be put into them, a piece of it
 * before each further call. */
static void index_some(struct fleet *f, const redisReply *group)
{
    if (group->type != REDIS_REPLY_STRING || group->len == 0)
        return;
    fleet_group_script(f, SCRIPT_GROUP_INDEX, mqtt_slice_of(group->str, group->len), 0);
    redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
}

static void look_after_bucket(struct fleet *f, unsigned bucket);

/* How many are noted, whether more is due, a group without index, and a piece of what is due. */
static void on_due(void *arg, const redisReply *r)
{
    struct due_asked *d = arg;
    struct fleet *f = d->f;
    if (r != NULL && r->type == REDIS_REPLY_ARRAY && r->elements >= 3) {
        if (r->element[0]->integer == 0)
            f->groups->looked_after[d->bucket] = false;
        for (size_t i = 3; i + 4 < r->elements; i += 5)
            ask_session(f, &r->element[i]);
        index_some(f, r->element[2]);
        if (r->element[1]->integer > 0)
            look_after_bucket(f, d->bucket);
    }
    free(d);
}

static void look_after_bucket(struct fleet *f, unsigned bucket)
{
    struct due_asked *d = malloc(sizeof(*d));
    if (d == NULL)
        return; /* the next time */
    *d = (struct due_asked){.f = f, .bucket = bucket};
    struct fleet_key key = fleet_key_groups(&f->keys, bucket);
    scripts_begin(&f->scripts, f->q, SCRIPT_GROUP_DUE, key.text, 1);
    redis_queue_u64(f->q, f->cfg.redispatch_after_ms);
    redis_queue_end(f->q, REDIS_REPLAY, on_due, d);
}

static void look_after(struct fleet *f)
{
    if (fleet_may_be_lost(f))
        return; /* what Redis has of sessions may be too little */
    for (unsigned bucket = 0; bucket < FLEET_GROUP_BUCKETS; bucket++)
        if (f->groups->looked_after[bucket])
            look_after_bucket(f, bucket);
}

/* Nodes with room look now and then. After another Redis took over members are listed again. */
void fleet_groups_tick(struct fleet *f)
{
    struct fleet_groups *g = f->groups;
    bool join = g->runs != f->runs;
    if (f->state != FLEET_READY || !fleet_can_act(f))
        return;
    if (f->now_ms >= g->due_ms) {
        g->due_ms = f->now_ms + DUE_MS;
        look_after(f);
    }
    if (f->now_ms < g->look_ms && !join)
        return;
    g->look_ms = f->now_ms + LOOK_MS;
    g->runs = f->runs;
    if (f->host.share_look != NULL)
        f->host.share_look(f->host.arg, join);
}

/* ---- a dead node's --------------------------------------------------------------------------- */

struct group_reaping {
    struct fleet *f;
    char victim[FLEET_HEX_SIZE];
    unsigned next, under_way;
    bool failed;
    store_done_fn *done;
    void *arg;
};

struct reap_step {
    struct group_reaping *reaping;
    unsigned bucket;
};

static void reap_go_on(struct group_reaping *g);
static void reap_bucket(struct group_reaping *g, unsigned bucket);

static void on_reaped(void *arg, const redisReply *r)
{
    struct reap_step *step = arg;
    struct group_reaping *g = step->reaping;
    struct fleet *f = g->f;
    unsigned bucket = step->bucket;
    free(step);
    g->under_way--;
    if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements < 3) {
        g->failed = true;
    } else {
        metric_add(f->metrics.share_ended, (uint64_t)r->element[1]->integer);
        f->groups->looked_after[bucket] = true;
        index_some(f, r->element[2]);
        for (size_t i = 3; i + 1 < r->elements; i += 2)
            fleet_group_wake(f, r->element[i]->str, r->element[i]->len,
                             mqtt_slice_of(r->element[i + 1]->str, r->element[i + 1]->len), 1);
        if (r->element[0]->integer > 0)
            reap_bucket(g, bucket);
    }
    reap_go_on(g);
}

static void reap_bucket(struct group_reaping *g, unsigned bucket)
{
    struct fleet *f = g->f;
    struct reap_step *step = malloc(sizeof(*step));
    if (step == NULL) {
        g->failed = true;
        return;
    }
    *step = (struct reap_step){.reaping = g, .bucket = bucket};
    g->under_way++;
    struct fleet_key key = fleet_key_groups(&f->keys, bucket);
    scripts_begin(&f->scripts, f->q, SCRIPT_GROUP_REAP, key.text, 2 + fleet_group_declared_args(f));
    redis_queue_str(f->q, g->victim);
    redis_queue_u64(f->q, f->cfg.redispatch_after_ms);
    fleet_group_write_declared(f);
    redis_queue_end(f->q, REDIS_REPLAY, on_reaped, step);
}

static void reap_go_on(struct group_reaping *g)
{
    while (!g->failed && g->next < FLEET_GROUP_BUCKETS && g->under_way < BUCKETS_AT_ONCE)
        reap_bucket(g, g->next++);
    if (g->under_way > 0)
        return;
    g->done(g->arg, g->failed ? STORE_UNAVAILABLE : STORE_OK);
    free(g);
}

void fleet_group_reap(struct fleet *f, uint64_t victim, store_done_fn *done, void *arg)
{
    struct group_reaping *g = calloc(1, sizeof(*g));
    if (g == NULL) {
        fleet_defer(f, done, arg, STORE_UNAVAILABLE);
        return;
    }
    g->f = f;
    fleet_hex(victim, g->victim);
    g->done = done;
    g->arg = arg;
    reap_go_on(g);
}
