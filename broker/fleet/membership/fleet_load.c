/* Entering the fleet, and reloading after Redis lost data or the log had a hole (rules 3, 9).
 *
 *     idle ──► joining ──► loading ──► catching up ──► done
 *      ▲          │           │             │           │
 *      └──────────┴───────────┴─────────────┴───────────┘ it failed, or a reload
 *
 * The log's version is noted with the join; then everything is read (fleet_reading.c); then the log
 * is applied from the noted version on. Repeats are harmless, so what is read may be newer than that
 * version. The node is ready once it is past what was last when reading ended. */
#include "broker/fleet/membership/fleet_load.h"

#include <assert.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/connect/fleet_connect.h"
#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/exchange/inbox.h"
#include "broker/fleet/lease/heart.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/log/fleet_log.h"
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/log/route.h"
#include "broker/fleet/membership/fleet_beat.h"
#include "broker/fleet/membership/fleet_reading.h"
#include "broker/fleet/membership/fleet_reassert.h"
#include "broker/fleet/membership/fleet_register.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/storage/fleet_usage.h"
#include "common/base/clock.h"
#include "common/log/log.h"

enum load_state {
    LOAD_IDLE, /* until retry_ms, and until the link is up */
    LOAD_JOINING,
    LOAD_LOADING,     /* until everything is read */
    LOAD_CATCHING_UP, /* until the log is past what was last when reading ended */
    LOAD_DONE,
};
#define LOAD_STATES (LOAD_DONE + 1)

enum { RETRY_MS = 200, FORMAT_RETRY_MS = 1000 };

struct fleet_load {
    enum load_state state;        /* load_enter alone sets it */
    bool again;                   /* a reload, not the first load: in all its states */
    struct fleet_reading reading; /* LOAD_LOADING */
    uint64_t from;                /* the log is applied from this version on */
    uint64_t joined_at_boot_ms;   /* when the join was sent */
    uint64_t retry_ms;
    bool knows_secret; /* which the fleet has, or that it has none */
    char standing[41]; /* beats of an older format's brokers, when they were last seen ... */
    uint64_t standing_since_ms; /* ... to have changed */
};

bool fleet_load_init(struct fleet *f)
{
    f->load = calloc(1, sizeof(*f->load));
    return f->load != NULL;
}

void fleet_load_free(struct fleet *f)
{
    free(f->load);
    f->load = NULL;
}

void fleet_load_reset(struct fleet *f)
{
    f->loads++;
    *f->load = (struct fleet_load){0};
    f->reload_why = NULL;
}

#define TO(state) (1u << LOAD_##state)

static const struct {
    const char *name;
    unsigned next; /* states that may follow */
} states[LOAD_STATES] = {
    [LOAD_IDLE] = {"idle", TO(JOINING)},
    [LOAD_JOINING] = {"joining", TO(LOADING) | TO(IDLE)},
    [LOAD_LOADING] = {"loading", TO(CATCHING_UP) | TO(IDLE)},
    [LOAD_CATCHING_UP] = {"catching_up", TO(DONE) | TO(IDLE)},
    [LOAD_DONE] = {"done", TO(IDLE)},
};

/* The one function that changes the state. (A node that starts over begins with another load:
 * fleet_load_reset.) */
static void load_enter(struct fleet *f, enum load_state state)
{
    struct fleet_load *l = f->load;
    assert((states[l->state].next & (1u << state)) != 0);
    LOG_DEBUG("load_state", KV_STR("node", f->hex), KV_STR("from", states[l->state].name),
              KV_STR("to", states[state].name));
    l->state = state;
    if (state != LOAD_LOADING)
        fleet_reading_stop(&l->reading);
}

static void restart(struct fleet *f, const char *why)
{
    if (f->load->state != LOAD_IDLE) {
        LOG_WARN("load_starts_again", KV_STR("node", f->hex), KV_STR("err", why));
        load_enter(f, LOAD_IDLE);
    }
    f->load->retry_ms = f->now_ms + RETRY_MS;
}

/* ---- ready ----------------------------------------------------------------------------------- */

struct load_ready {
    struct fleet_version_wait wait; /* first */
    struct fleet *f;
    unsigned generation;
};

static void on_caught_up(struct fleet_version_wait *w, bool ok)
{
    struct load_ready *ready = (struct load_ready *)w;
    struct fleet *f = ready->f;
    struct fleet_load *l = f->load;
    bool current =
        ready->generation == f->loads && l->state == LOAD_CATCHING_UP && f->reload_why == NULL;
    free(ready);
    if (!current)
        return;
    if (!ok) {
        restart(f, "the fleet's version can't be read");
        return;
    }
    load_enter(f, LOAD_DONE);
    if (f->state == FLEET_STARTING)
        fleet_enter(f, FLEET_READY);
    LOG_INFO("node_ready", KV_STR("node", f->hex), KV_UINT("ver", fleet_log_applied(f)),
             KV_BOOL("again", l->again));
    fleet_sweep_soon(f);
}

static void finish(struct fleet *f)
{
    struct fleet_load *l = f->load;
    struct load_ready *ready = calloc(1, sizeof(*ready));
    if (ready == NULL) {
        restart(f, "out of memory");
        return;
    }
    struct route_node *next;
    struct route_node *n;
    HASH_ITER (hh, f->nodes, n, next)
        if (n->generation != f->loads)
            fleet_node_remove(f, n);
    load_enter(f, LOAD_CATCHING_UP);
    ready->f = f;
    ready->generation = f->loads;
    fleet_log_start(f, l->from);
    fleet_beat_log_started(f);
    fleet_version_check(f, &ready->wait, on_caught_up);
}

/* `err`: not everything could be read. */
static void on_read(struct fleet *f, const char *err)
{
    if (err != NULL)
        restart(f, err);
    else
        finish(f);
}

static void begin_loading(struct fleet *f)
{
    struct fleet_load *l = f->load;
    load_enter(f, LOAD_LOADING);
    fleet_reading_begin(&l->reading, f, l->again, on_read);
}

/* ---- entering -------------------------------------------------------------------------------- */

/* The data is of another format. Brokers of an older one may still be at work on it: they are gone
 * when their beats have stood still for a lease, and the next join says so. */
static void refuse_format(struct fleet *f, const char *found, const char *beats)
{
    struct fleet_load *l = f->load;
    struct fleet_key inbox = fleet_key_inbox(&f->keys, f->id);
    if (l->standing_since_ms == 0 || strcmp(l->standing, beats) != 0) {
        evutil_snprintf(l->standing, sizeof(l->standing), "%s", beats);
        l->standing_since_ms = f->now_ms;
    }
    char speaks[12];
    evutil_snprintf(speaks, sizeof(speaks), "%d", FLEET_FORMAT);
    LOG_LIMITED(LOG_LEVEL_ERROR, "fleet_format_differs", KV_STR("found", found),
                KV_STR("speaks", speaks),
                KV_STR("needed", strcmp(found, "1") == 0
                                     ? "all brokers of the former version stopped"
                                     : "brokers of the version that wrote it, another database, or "
                                       "another fleet.name"));
    f->trouble =
        "the data in Redis has a format that this version doesn't speak, or that brokers of "
        "another version use: see the log";
    redis_queue_begin(f->q, 2);
    redis_queue_str(f->q, "UNLINK");
    redis_queue_str(f->q, inbox.text);
    redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
    load_enter(f, LOAD_IDLE);
    l->retry_ms = f->now_ms + FORMAT_RETRY_MS;
}

/* By which buckets are computed. False: the fleet has another one than this node's holds go by. */
static bool take_secret(struct fleet *f, const redisReply *r)
{
    struct fleet_load *l = f->load;
    struct fleet_keys before = f->keys;
    if (!fleet_keys_set_secret(&f->keys, r->str, r->len))
        return false;
    if (l->knows_secret)
        return before.keyed == f->keys.keyed &&
               memcmp(before.secret, f->keys.secret, sizeof(before.secret)) == 0;
    l->knows_secret = true;
    if (!f->keys.keyed)
        LOG_INFO("buckets_unkeyed",
                 KV_STR("why", "this fleet's data is from before there were keys"),
                 KV_STR("effect", "clients can choose ids that meet in one bucket"));
    return true;
}

/* What Redis has of this node may be less than what it was told. */
static void reassert(struct fleet *f, size_t routes)
{
    const struct fleet_load *l = f->load;
    bool lost = routes != route_count(f) || fleet_append_is_lost(f, l->from);
    if (l->again)
        fleet_versions_rejoined(f, l->from);
    fleet_reassert(f, l->again, lost);
    if (l->again)
        fleet_connects_begin_again(f);
}

static void on_join(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    struct fleet_load *l = f->load;
    if (l->state != LOAD_JOINING || f->state == FLEET_LEFT)
        return;
    f->reload_why = NULL; /* a reload that was asked for meanwhile is this one */
    if (r == NULL || r->type != REDIS_REPLY_ARRAY) {
        restart(f, r != NULL && r->type == REDIS_REPLY_ERROR ? r->str : "no answer");
        return;
    }
    if (strcmp(r->element[0]->str, "dead") == 0) {
        load_enter(f, LOAD_IDLE);
        fleet_declared_dead(f);
        return;
    }
    if (strcmp(r->element[0]->str, "format") == 0) {
        refuse_format(f, r->element[1]->str, r->element[2]->str);
        return;
    }
    f->trouble = NULL;
    if (!take_secret(f, r->element[3])) {
        LOG_WARN("fleet_secret_differs", KV_STR("node", f->hex));
        load_enter(f, LOAD_IDLE);
        fleet_declared_dead(f); /* other nodes use other buckets: start over */
        return;
    }
    if (r->element[4]->len > 0)
        LOG_INFO("fleet_format_carried_on", KV_STR("from", r->element[4]->str),
                 KV_UINT("to", FLEET_FORMAT));
    if (!fleet_is_joined(f)) {
        heart_begin(f->heart, f->id, l->joined_at_boot_ms);
        fleet_lease_enter(f, FLEET_LEASE_SURE);
    }
    f->joined_ms = clock_boottime_ms();
    memcpy(f->known_run, f->run_id, sizeof(f->known_run));
    fleet_register_keep(f);
    fleet_usage_ask(f);
    l->from = strtoull(r->element[1]->str, NULL, 10);
    reassert(f, (size_t)r->element[2]->integer);
    begin_loading(f);
}

/* Without an inbox nobody could send here: Redis is full, say. */
static void on_inbox(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    if (r != NULL && r->type == REDIS_REPLY_STRING)
        inbox_has_entry(f, r->str);
    if (f->load->state == LOAD_JOINING && fleet_reply_status(r) != STORE_OK)
        restart(f, r != NULL ? r->str : "no answer");
}

static void join(struct fleet *f)
{
    struct fleet_key inbox = fleet_key_inbox(&f->keys, f->id);
    struct fleet_load *l = f->load;
    char secret_hex[FLEET_SECRET_HEX + 1] = "";
    bool stood = l->standing_since_ms != 0 && f->now_ms - l->standing_since_ms > f->cfg.lease_ms;
    load_enter(f, LOAD_JOINING);
    f->loads++;
    l->joined_at_boot_ms = f->boot_ms;
    uint8_t secret[SIPHASH_KEY_SIZE];
    evutil_secure_rng_get_bytes(secret, sizeof(secret));
    if (!l->knows_secret)
        fleet_secret_write(secret, secret_hex);
    else if (f->keys.keyed) /* Redis may have lost it */
        fleet_secret_write(f->keys.secret, secret_hex);
    /* The inbox first: from the join on, others may send to it. */
    redis_queue_begin(f->q, 5);
    redis_queue_str(f->q, "XADD");
    redis_queue_str(f->q, inbox.text);
    redis_queue_str(f->q, "*");
    redis_queue_str(f->q, "h");
    redis_queue_str(f->q, "");
    redis_queue_end(f->q, REDIS_REPLAY, on_inbox, f);
    scripts_begin(&f->scripts, f->q, SCRIPT_JOIN, f->keys.fleet, 4);
    redis_queue_str(f->q, f->hex);
    redis_queue_u64(f->q, FLEET_FORMAT);
    redis_queue_str(f->q, secret_hex);
    redis_queue_str(f->q, stood ? l->standing : "");
    redis_queue_end(f->q, REDIS_REPLAY, on_join, f);
}

static void reload(struct fleet *f)
{
    struct fleet_load *l = f->load;
    const char *why = f->reload_why;
    f->reload_why = NULL;
    if (l->state == LOAD_IDLE || l->state == LOAD_JOINING)
        return; /* about to */
    if (f->state == FLEET_LEFT || f->state == FLEET_DEAD)
        return;
    f->lost_until_ms = f->now_ms + f->cfg.lease_ms;
    LOG_WARN("fleet_reloads", KV_STR("node", f->hex), KV_STR("err", why));
    metric_add(f->metrics.reloads, 1);
    fleet_log_stop(f);
    l->again = true;
    load_enter(f, LOAD_IDLE);
    l->retry_ms = 0;
}

void fleet_load_tick(struct fleet *f)
{
    struct fleet_load *l = f->load;
    if (f->reload_why != NULL)
        reload(f);
    if (l->state != LOAD_IDLE || f->state == FLEET_LEFT || f->now_ms < l->retry_ms ||
        !redis_link_is_up(f->commands))
        return;
    join(f);
}
