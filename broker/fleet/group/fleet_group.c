/* Members, wake-ups, and the configuration's groups. */
#include "broker/fleet/group/fleet_group.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/group/fleet_group_away.h"
#include "broker/fleet/group/fleet_group_done.h"
#include "broker/fleet/group/fleet_group_queue.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"
#include "common/log/log.h"

enum { LOOK_MS = 5000, DUE_MS = 500 };

struct group_declared {
    SLIST_ENTRY(group_declared) link;
    uint64_t keep_ms;
    uint32_t len;
    char filter[];
};

static void finish_ref(struct fleet *f, struct mqtt_slice reference)
{
    fleet_group_done_ref(f, GROUP_FINISHED, reference);
}

bool fleet_groups_init(struct fleet *f)
{
    f->groups = calloc(1, sizeof(*f->groups));
    if (f->groups == NULL)
        return false;
    SLIST_INIT(&f->groups->declared);
    STAILQ_INIT(&f->groups->batches);
    STAILQ_INIT(&f->groups->dones);
    f->share_woken = fleet_group_woken;
    f->share_finished = finish_ref;
    return true;
}

void fleet_groups_free(struct fleet *f)
{
    struct group_declared *d;
    if (f->groups == NULL)
        return;
    while ((d = SLIST_FIRST(&f->groups->declared)) != NULL) {
        SLIST_REMOVE_HEAD(&f->groups->declared, link);
        free(d);
    }
    fleet_group_dones_reset(f);
    free(f->groups);
    f->groups = NULL;
}

/* ---- the configuration's --------------------------------------------------------------------- */

static struct mqtt_slice filter_of(const struct group_declared *d)
{
    return mqtt_slice_of(d->filter, d->len);
}

void fleet_group_declare(struct fleet *f, struct mqtt_slice filter, uint64_t keep_ms)
{
    struct group_declared *d = malloc(sizeof(*d) + filter.len);
    if (d == NULL) {
        LOG_ERROR("no_memory", KV_BYTES("filter", filter.data, filter.len));
        return;
    }
    d->keep_ms = keep_ms;
    d->len = filter.len;
    memcpy(d->filter, filter.data, filter.len);
    SLIST_INSERT_HEAD(&f->groups->declared, d, link);
}

uint64_t fleet_group_keep_ms(const struct fleet *f, struct mqtt_slice filter)
{
    const struct group_declared *d;
    SLIST_FOREACH (d, &f->groups->declared, link)
        if (d->len == filter.len && memcmp(d->filter, filter.data, filter.len) == 0)
            return d->keep_ms;
    return 0;
}

size_t fleet_group_declared_args(const struct fleet *f)
{
    const struct group_declared *d;
    size_t count = 0;
    SLIST_FOREACH (d, &f->groups->declared, link)
        count += 2;
    return count;
}

void fleet_group_write_declared(struct fleet *f)
{
    const struct group_declared *d;
    SLIST_FOREACH (d, &f->groups->declared, link) {
        struct mqtt_slice filter = filter_of(d);
        redis_queue_arg(f->q, filter.data, filter.len);
        redis_queue_u64(f->q, d->keep_ms);
    }
}

/* ---- members --------------------------------------------------------------------------------- */

void fleet_group_script(struct fleet *f, enum script id, struct mqtt_slice filter, size_t args)
{
    unsigned bucket = fleet_group_bucket(&f->keys, filter);
    struct fleet_key key = fleet_key_groups(&f->keys, bucket);
    f->groups->looked_after[bucket] = true;
    scripts_begin(&f->scripts, f->q, id, key.text, 1 + args);
    redis_queue_arg(f->q, filter.data, filter.len);
}

/* The members' calls are in the order of the link, and before what the log says of them. */
void fleet_group_join(struct fleet *f, const struct store_member *m)
{
    if (m->hold->store_data == NULL)
        return;
    fleet_group_script(f, SCRIPT_GROUP_JOIN, m->filter, 5);
    redis_queue_arg(f->q, m->hold->client_id, m->hold->client_id_len);
    redis_queue_u64(f->q, m->hold->epoch);
    redis_queue_str(f->q, f->hex);
    redis_queue_str(f->q, m->hold->durable ? "1" : "0");
    redis_queue_u64(f->q, fleet_group_keep_ms(f, m->filter));
    redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
}

struct leaving {
    struct mqtt_slice filter, client;
    const char *epoch, *node;
    bool stays, durable;
};

static void write_leave(struct fleet *f, const struct leaving *l)
{
    fleet_group_script(f, SCRIPT_GROUP_LEAVE, l->filter, 7);
    redis_queue_arg(f->q, l->client.data, l->client.len);
    redis_queue_str(f->q, l->epoch);
    redis_queue_str(f->q, l->node);
    redis_queue_str(f->q, l->stays ? "1" : "0");
    redis_queue_str(f->q, l->durable ? "1" : "0");
    redis_queue_u64(f->q, fleet_group_keep_ms(f, l->filter));
    redis_queue_u64(f->q, f->cfg.redispatch_after_ms);
    redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
}

void fleet_group_leave(struct fleet *f, struct store_hold *hold, struct mqtt_slice filter,
                       enum store_leave why)
{
    const struct fleet_hold *h = hold->store_data;
    char epoch[24];
    if (f->state == FLEET_OVER || f->state == FLEET_LEFT || hold->epoch == 0)
        return;
    if (hold->durable && h != NULL)
        fleet_group_return_unsent(f, hold, h->sent, filter);
    /* What it gave back, or has finished, comes before. */
    fleet_group_dones_flush(f);
    snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)hold->epoch);
    struct leaving l = {.filter = filter,
                        .client = store_hold_id(hold),
                        .epoch = epoch,
                        .node = f->hex,
                        .stays = hold->durable && why == STORE_LEAVE_AWAY,
                        .durable = hold->durable};
    write_leave(f, &l);
}

void fleet_group_strike_off(struct fleet *f, struct mqtt_slice filter, struct mqtt_slice client,
                            const char *epoch)
{
    struct leaving l = {.filter = filter, .client = client, .epoch = epoch, .node = "-"};
    write_leave(f, &l);
}

/* ---- wake-ups -------------------------------------------------------------------------------- */

void fleet_group_wake(struct fleet *f, const char *node, size_t len, struct mqtt_slice filter,
                      uint32_t messages)
{
    uint64_t id;
    if (!fleet_hex_parse(node, len, &id))
        return;
    if (id == f->id) {
        fleet_group_woken(f, filter, messages);
        return;
    }
    struct route_node *n = fleet_node_find(f, id);
    if (n != NULL)
        outbox_add_share_wake(f, n, filter, messages);
    else /* it is gone */
        fleet_group_pass(f, filter);
}

void fleet_group_woken(struct fleet *f, struct mqtt_slice filter, uint32_t messages)
{
    if (!f->host.share_wake(f->host.arg, filter, messages))
        fleet_group_pass(f, filter);
}

void fleet_groups_tick(struct fleet *f)
{
    struct fleet_groups *g = f->groups;
    bool join = g->runs != f->runs;
    if (f->state != FLEET_READY || !fleet_can_act(f))
        return;
    if (f->now_ms >= g->due_ms) {
        g->due_ms = f->now_ms + DUE_MS;
        fleet_group_look_after(f);
    }
    if (f->now_ms < g->look_ms && !join)
        return;
    g->look_ms = f->now_ms + LOOK_MS;
    g->runs = f->runs;
    if (f->host.share_look != NULL)
        f->host.share_look(f->host.arg, join);
}
