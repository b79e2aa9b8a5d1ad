/* Sends beats, reads what they say about the fleet, kills who is suspected, and draws the fence
 * while this node can't be sure to be alive. lease.c decides; reaper.c clears up behind the dead.
 */
#include "broker/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

static void hold_links(struct fleet *f, bool held)
{
    redis_link_hold(f->commands, held);
    redis_link_hold(f->inbox_link, held);
    redis_link_hold(f->log_link, held);
    redis_link_hold(f->channel, held);
    if (f->replica_link != NULL)
        redis_link_hold(f->replica_link, held);
}

void fleet_fence(struct fleet *f)
{
    if (!f->joined || f->unsure || !lease_is_unsure(&f->lease, f->boot_ms))
        return;
    f->unsure = true;
    f->unsure_since_ms = f->now_ms;
    hold_links(f, true);
    metric_set(f->metrics.ready, 0);
    LOG_WARN("node_unsure", KV_STR("node", f->hex),
             KV_UINT("since_last_beat_ms", f->boot_ms - f->lease.alive_ms));
}

static void be_sure_again(struct fleet *f)
{
    uint64_t gap_ms = f->now_ms - f->unsure_since_ms;

    if (!f->unsure)
        return;
    f->unsure = false;
    hold_links(f, false);
    metric_set(f->metrics.ready, f->state == FLEET_READY);
    LOG_INFO("node_sure_again", KV_STR("node", f->hex), KV_UINT("took_ms", gap_ms));
    f->host.clients_shift_clocks(f->host.arg, gap_ms);
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

static void kill_node(struct fleet *f, struct route_node *n)
{
    struct fleet_bytes entry = {0};

    LOG_WARN("node_suspected", KV_STR("node", n->hex), KV_STR("counter", n->counter),
             KV_UINT("stood_ms", f->boot_ms - n->stands_since));
    n->killing = true;
    fleet_entry_dead(&entry, n->id);
    scripts_begin(&f->scripts, f->q, SCRIPT_KILL, f->keys.fleet, 4);
    redis_queue_str(f->q, n->hex);
    redis_queue_str(f->q, n->counter);
    redis_queue_str(f->q, f->hex);
    redis_queue_arg(f->q, entry.data, entry.len);
    redis_queue_end(f->q, REDIS_REPLAY, on_kill, f);
    fleet_bytes_fini(&entry);
}

static void see_counter(struct fleet *f, const redisReply *id_text, const redisReply *counter)
{
    struct route_node *n;
    uint64_t id;

    if (!fleet_hex_parse(id_text->str, id_text->len, &id) || id == f->id)
        return;
    n = fleet_node_get(f, id);
    if (n == NULL)
        return;
    n->listed_at = f->boot_ms;
    if (strcmp(n->counter, counter->str) != 0) {
        snprintf(n->counter, sizeof(n->counter), "%s", counter->str);
        n->stands_since = f->boot_ms;
    } else if (!n->killing && f->state == FLEET_READY &&
               lease_suspects(&f->lease, n->stands_since, f->boot_ms)) {
        kill_node(f, n);
    }
}

static void on_reap_claimed(void *arg, const redisReply *r)
{
    (void)arg, (void)r; /* the next beat shows whose it is */
}

static bool is_listed(const redisReply *nodes, const redisReply *id)
{
    for (size_t i = 0; i + 1 < nodes->elements; i += 2)
        if (strcmp(nodes->element[i]->str, id->str) == 0)
            return true;
    return false;
}

/* A dead node is being reaped: by this one, or by one that died meanwhile. */
static void see_reaping(struct fleet *f, const redisReply *nodes, const redisReply *victim,
                        const redisReply *reaper)
{
    uint64_t id;

    if (f->state != FLEET_READY || !fleet_hex_parse(victim->str, victim->len, &id))
        return;
    if (strcmp(reaper->str, f->hex) == 0) {
        reaper_start(f, id);
    } else if (!is_listed(nodes, reaper)) {
        scripts_begin(&f->scripts, f->q, SCRIPT_REAP_CLAIM, f->keys.fleet, 3);
        redis_queue_arg(f->q, victim->str, victim->len);
        redis_queue_arg(f->q, reaper->str, reaper->len);
        redis_queue_str(f->q, f->hex);
        redis_queue_end(f->q, REDIS_REPLAY, on_reap_claimed, f);
    }
}

/* ---- our own beats --------------------------------------------------------------------------- */

/* Known here (from its clients, say) and not to Redis, when the beat was answered: dead. */
static void drop_unlisted(struct fleet *f)
{
    struct route_node *n;
    struct route_node *next;

    HASH_ITER (hh, f->nodes, n, next)
        if (n->listed_at != f->boot_ms && n->known_since < f->lease.sent_ms)
            fleet_node_remove(f, n);
}

static void take_alive(struct fleet *f, const redisReply *r)
{
    const redisReply *nodes = r->element[2];
    const redisReply *reap = r->element[3];

    be_sure_again(f);
    for (size_t i = 0; i + 1 < nodes->elements; i += 2)
        see_counter(f, nodes->element[i], nodes->element[i + 1]);
    if (f->state == FLEET_READY && fleet_log_is_valid(f))
        drop_unlisted(f);
    for (size_t i = 0; i + 1 < reap->elements; i += 2)
        see_reaping(f, nodes, reap->element[i], reap->element[i + 1]);
}

/* Redis knows this node neither alive nor dead. Another run of Redis lost data: what this node
 * holds is asserted again, session by session, and the higher epoch wins. The same run, after our
 * lease ran out: we were buried so long ago that it was forgotten, and only a new id is safe. */
static void take_unknown(struct fleet *f)
{
    if (f->unsure && strcmp(f->beats_run_id, f->run_id) == 0) {
        fleet_is_dead(f);
        return;
    }
    be_sure_again(f);
    fleet_reload(f, "Redis doesn't know this node");
}

static void on_beat(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    const char *word;

    if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements == 0) {
        lease_beat_lost(&f->lease);
        f->lease.next_ms = f->boot_ms + f->cfg.beat_interval_ms / 4;
        return;
    }
    word = r->element[0]->str;
    if (strcmp(word, "dead") == 0) {
        LOG_WARN("node_was_declared_dead", KV_STR("node", f->hex));
        fleet_is_dead(f);
        return;
    }
    f->boot_ms = clock_boottime_ms();
    if (strcmp(word, "unknown") == 0) {
        lease_beat_answered(&f->lease, f->boot_ms);
        take_unknown(f);
        return;
    }
    lease_beat_answered(&f->lease, f->boot_ms);
    if (f->unsure && lease_is_unsure(&f->lease, f->boot_ms)) {
        f->lease.next_ms = f->boot_ms; /* an old answer, read late: who knows what came after it */
        return;
    }
    take_alive(f, r);
    if (fleet_log_is_valid(f) && strtoull(r->element[1]->str, NULL, 10) < f->beat_applied)
        fleet_reload(f, "Redis has an older version of the log");
}

void fleet_beat_tick(struct fleet *f)
{
    struct redis_queue *q = redis_link_queue(f->beats);

    if (!f->joined || f->state == FLEET_LEFT || !lease_beat_is_due(&f->lease, f->boot_ms) ||
        !redis_link_is_up(f->beats))
        return;
    scripts_begin(&f->scripts, q, SCRIPT_BEAT, f->keys.fleet, 1);
    redis_queue_str(q, f->hex);
    redis_queue_end(q, REDIS_VOLATILE, on_beat, f);
    f->beat_applied = fleet_log_is_valid(f) ? fleet_log_applied(f) : 0;
    lease_beat_sent(&f->lease, f->boot_ms);
}
