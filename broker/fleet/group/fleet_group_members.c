/* Who joins and leaves. */
#include "broker/fleet/group/fleet_group_members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/group/fleet_group.h"
#include "broker/fleet/group/fleet_group_done.h"
#include "broker/fleet/node/fleet.h"

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

/* What a member leaves behind goes to others. */
struct left {
    struct fleet *f;
    uint32_t filter_len;
    char filter[];
};

static struct left *left_new(struct fleet *f, struct mqtt_slice filter)
{
    struct left *l = malloc(sizeof(*l) + filter.len);
    if (l == NULL)
        return NULL;
    l->f = f;
    l->filter_len = filter.len;
    memcpy(l->filter, filter.data, filter.len);
    return l;
}

static void on_left(void *arg, const redisReply *r)
{
    struct left *l = arg;
    if (r != NULL && r->type == REDIS_REPLY_ARRAY)
        fleet_group_wake_all(l->f, r, 0, mqtt_slice_of(l->filter, l->filter_len));
    free(l);
}

struct leaving {
    struct mqtt_slice filter, client;
    const char *epoch, *node;
    const char *stays; /* as group_leave.lua has it */
    bool durable;
};

static void write_leave(struct fleet *f, const struct leaving *l)
{
    struct left *left = left_new(f, l->filter); /* NULL: nodes look after a while */
    fleet_group_script(f, SCRIPT_GROUP_LEAVE, l->filter, 7);
    redis_queue_arg(f->q, l->client.data, l->client.len);
    redis_queue_str(f->q, l->epoch);
    redis_queue_str(f->q, l->node);
    redis_queue_str(f->q, l->stays);
    redis_queue_str(f->q, l->durable ? "1" : "0");
    redis_queue_u64(f->q, fleet_group_keep_ms(f, l->filter));
    redis_queue_u64(f->q, f->cfg.redispatch_after_ms);
    redis_queue_end(f->q, REDIS_REPLAY, left != NULL ? on_left : NULL, left);
}

void fleet_group_strike_off(struct fleet *f, struct mqtt_slice filter, struct mqtt_slice client,
                            const char *epoch)
{
    struct leaving l = {
        .filter = filter, .client = client, .epoch = epoch, .node = "-", .stays = "0"};
    write_leave(f, &l);
}

void fleet_group_part_with(struct fleet *f, const struct store_hold *hold, struct mqtt_slice filter,
                           enum store_leave why)
{
    char epoch[24];
    snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)hold->epoch);
    struct leaving l = {.filter = filter,
                        .client = store_hold_id(hold),
                        .epoch = epoch,
                        .node = f->hex,
                        .stays = why == STORE_LEAVE_ENDED ? "0"
                                 : hold->durable          ? "1"
                                                          : "c",
                        .durable = hold->durable};
    write_leave(f, &l);
}
