/* What the node does with the answers to its heartbeats: it fences itself while it can't be sure to
 * be alive, learns which nodes there are, and declares dead those that stand still. The heart sends
 * them, in a thread of its own; lease.c and watch.c decide; reaper.c clears up behind the dead. */
#include "broker/fleet/membership/fleet_beat.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/fence/fleet_cut.h"
#include "broker/fleet/lease/heart.h"
#include "broker/fleet/lease/heart_report.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/membership/reaper.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "common/base/clock.h"
#include "common/log/log.h"

struct fleet_beat {
    struct event *event;
    int fd;                  /* the heart left a report */
    unsigned connects;       /* of the heart's link, as counted */
    uint64_t log_started_ms; /* CLOCK_BOOTTIME; see fleet_beat_log_started */
};

/* ---- the fence ------------------------------------------------------------------------------- */

void fleet_fence(struct fleet *f)
{
    if (f->lease == FLEET_LEASE_SURE && heart_is_unsure(f->heart, f->boot_ms))
        fleet_lease_enter(f, FLEET_LEASE_UNSURE);
}

static void be_sure_again(struct fleet *f)
{
    if (fleet_is_unsure(f))
        fleet_lease_enter(f, FLEET_LEASE_SURE);
}

/* ---- the others ------------------------------------------------------------------------------ */

static void on_kill(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    for (struct route_node *n = f->nodes; n != NULL; n = n->hh.next)
        n->killing = false;
    if (r == NULL || r->type != REDIS_REPLY_INTEGER || r->integer != 1)
        return;
    metric_add(f->metrics.deaths, 1);
    /* The victim's reaping begins when the log says "dead" (fleet_log.c) or the next beat. */
}

static void kill_node(struct fleet *f, struct route_node *n, const struct heart_suspect *suspect)
{
    struct fleet_bytes entry = {0};
    LOG_WARN("node_suspected", KV_STR("node", n->hex), KV_STR("beat", suspect->beat),
             KV_UINT("stood_ms", suspect->stood_ms));
    n->killing = true;
    fleet_entry_dead(&entry, n->id);
    scripts_begin(&f->scripts, f->q, SCRIPT_KILL, f->keys.fleet, 4);
    redis_queue_str(f->q, n->hex);
    redis_queue_str(f->q, suspect->beat);
    redis_queue_str(f->q, f->hex);
    redis_queue_arg(f->q, entry.data, entry.len);
    redis_queue_end(f->q, REDIS_REPLAY, on_kill, f);
    fleet_bytes_fini(&entry);
}

static void see_suspects(struct fleet *f, const struct heart_report *r)
{
    for (size_t i = 0; i < r->suspect_count && f->state == FLEET_READY; i++) {
        struct route_node *n = fleet_node_get(f, r->suspects[i].node);
        if (n != NULL && !n->killing)
            kill_node(f, n, &r->suspects[i]);
    }
}

static void on_reap_claimed(void *arg, const redisReply *r)
{
    (void)arg, (void)r; /* the next beat shows whose it is */
}

struct reaper_change {
    struct fleet *f;
    uint64_t victim, reaper;
};

/* What the former reaper wrote can't come any more. */
static void on_reaper_cut(void *arg, enum store_status status)
{
    struct reaper_change *change = arg;
    struct fleet *f = change->f;
    char victim[FLEET_HEX_SIZE];
    fleet_hex(change->victim, victim);
    char reaper[FLEET_HEX_SIZE];
    fleet_hex(change->reaper, reaper);
    free(change);
    if (status != STORE_OK)
        return; /* the next beat shows it again */
    scripts_begin(&f->scripts, f->q, SCRIPT_REAP_CLAIM, f->keys.fleet, 3);
    redis_queue_str(f->q, victim);
    redis_queue_str(f->q, reaper);
    redis_queue_str(f->q, f->hex);
    redis_queue_end(f->q, REDIS_REPLAY, on_reap_claimed, f);
}

/* The reaper died before it was done. */
static void take_over_reaping(struct fleet *f, uint64_t victim, uint64_t reaper)
{
    struct reaper_change *change = malloc(sizeof(*change));
    if (change == NULL)
        return;
    *change = (struct reaper_change){.f = f, .victim = victim, .reaper = reaper};
    fleet_cut_node(f, reaper, on_reaper_cut, change);
}

/* A dead node is being reaped: by this one, or by one that died meanwhile. */
static void see_reaping(struct fleet *f, const struct heart_reaping *reaping)
{
    if (reaping->reaper == f->id) {
        reaper_start(f, reaping->victim);
        return;
    }
    if (!reaping->reaper_lives)
        take_over_reaping(f, reaping->victim, reaping->reaper);
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* Who is there, when that has changed. One that is known here (from its clients, say) and wasn't to
 * Redis when the beat was sent is dead. */
static void see_nodes(struct fleet *f, struct heart_report *r)
{
    if (!r->listed)
        return;
    struct route_node *n;
    for (size_t i = 0; i < r->node_count; i++) {
        n = r->nodes[i] != f->id ? fleet_node_get(f, r->nodes[i]) : NULL;
        if (n != NULL)
            n->generation = f->loads; /* a load that goes on has read the list before it came */
    }
    if (f->state != FLEET_READY || !fleet_log_is_valid(f))
        return; /* loading reads the list, too, and finds out */
    qsort(r->nodes, r->node_count, sizeof(*r->nodes), compare_ids);
    struct route_node *next;
    HASH_ITER (hh, f->nodes, n, next)
        if (n->known_since < r->listed_ms &&
            bsearch(&n->id, r->nodes, r->node_count, sizeof(*r->nodes), compare_ids) == NULL)
            fleet_node_remove(f, n);
}

/* ---- what beats are answered ----------------------------------------------------------------- */

static void take_alive(struct fleet *f, struct heart_report *r)
{
    memcpy(f->known_run, r->run_id, sizeof(f->known_run));
    be_sure_again(f);
    see_nodes(f, r);
    see_suspects(f, r);
    reapers_see_beat(f, r->sent_ms);
    for (size_t i = 0; i < r->reaping_count; i++)
        if (f->state == FLEET_READY && !fleet_may_be_lost(f))
            see_reaping(f, &r->reaping[i]);
    if (fleet_log_is_valid(f) && r->sent_ms > f->beat->log_started_ms && r->ver < r->applied)
        fleet_reload(f, "Redis has an older version of the log");
}

/* Redis knows this node neither alive nor dead. Another run than the one that knew it lost data: what
 * this node holds is asserted again, session by session, and the higher epoch wins. The same run,
 * after our lease ran out: this node was declared dead so long ago that Redis has forgotten it, and
 * only a new id is safe. */
static void take_unknown(struct fleet *f, const struct heart_report *r)
{
    if (r->sent_ms <= f->joined_ms)
        return; /* it has joined since, perhaps */
    if (fleet_is_unsure(f) && strcmp(r->run_id, f->known_run) == 0) {
        fleet_declared_dead(f);
        return;
    }
    be_sure_again(f);
    fleet_reload(f, "Redis doesn't know this node");
}

static void take_report(struct fleet *f, struct heart_report *r)
{
    if (r->node != f->id || !fleet_is_joined(f) || f->state == FLEET_LEFT)
        return;
    switch (r->word) {
    case HEART_NOTHING:
        return;
    case HEART_DEAD:
        LOG_WARN("node_was_declared_dead", KV_STR("node", f->hex));
        fleet_declared_dead(f);
        return;
    case HEART_UNKNOWN:
        if (!heart_is_unsure(f->heart, f->boot_ms))
            take_unknown(f, r);
        return;
    case HEART_ALIVE:
        if (!heart_is_unsure(f->heart, f->boot_ms))
            take_alive(f, r);
        return;
    }
}

static void tell_heart(struct fleet *f)
{
    heart_turned(f->heart, fleet_log_is_valid(f) ? fleet_log_applied(f) : 0);
}

void fleet_beat_log_started(struct fleet *f)
{
    tell_heart(f);
    f->beat->log_started_ms = clock_boottime_ms();
}

void fleet_beat_input(struct fleet *f)
{
    unsigned connects = heart_connects(f->heart);
    tell_heart(f);
    metric_add(f->metrics.reconnects, connects - f->beat->connects);
    f->beat->connects = connects;
    struct heart_report r;
    if (heart_take(f->heart, &r))
        take_report(f, &r);
    heart_report_fini(&r);
}

/* ---- begin and end --------------------------------------------------------------------------- */

static void on_report(evutil_socket_t fd, short what, void *arg)
{
    (void)what, (void)arg;
    uint64_t count;
    if (read(fd, &count, sizeof(count)) < 0)
        return; /* it woke the loop, which is what it is for */
}

static struct redis_link_config link_config(const struct fleet *f)
{
    uint64_t pause_ms = f->cfg.lease_ms / 20; /* one may not cost the lease */
    struct redis_link_config cfg = {
        .url = &f->url,
        .tls = f->tls,
        .connect_timeout_ms = f->cfg.connect_timeout_ms,
        .command_timeout_ms = f->cfg.command_timeout_ms,
        .backoff_min_ms = f->cfg.reconnect_min_ms,
        .backoff_max_ms = f->cfg.reconnect_max_ms,
    };
    if (cfg.backoff_max_ms > pause_ms)
        cfg.backoff_max_ms = pause_ms;
    if (cfg.backoff_min_ms > cfg.backoff_max_ms)
        cfg.backoff_min_ms = cfg.backoff_max_ms;
    return cfg;
}

bool fleet_beat_init(struct fleet *f)
{
    f->beat = calloc(1, sizeof(*f->beat));
    if (f->beat == NULL)
        return false;
    f->beat->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (f->beat->fd < 0)
        return false;
    f->beat->event = event_new(f->base, f->beat->fd, EV_READ | EV_PERSIST, on_report, f);
    if (f->beat->event == NULL || event_add(f->beat->event, NULL) != 0)
        return false;
    f->heart = heart_new(&(struct heart_config){
        .link = link_config(f),
        .scripts = &f->scripts,
        .prefix = f->keys.fleet,
        .lease_ms = f->cfg.lease_ms,
        .interval_ms = f->cfg.beat_interval_ms,
        .hang_ms = f->cfg.hang_ms,
        .wake_fd = f->beat->fd,
    });
    return f->heart != NULL;
}

void fleet_beat_free(struct fleet *f)
{
    heart_free(f->heart);
    f->heart = NULL;
    if (f->beat == NULL)
        return;
    if (f->beat->event != NULL)
        event_free(f->beat->event);
    if (f->beat->fd >= 0)
        close(f->beat->fd);
    free(f->beat);
    f->beat = NULL;
}
