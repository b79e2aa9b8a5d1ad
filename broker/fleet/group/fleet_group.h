/*
 * fleet_group - groups of shared subscriptions over the whole fleet (rule 12): what this
 * folder's modules share.
 *
 * Data flow: fleet_group_members.c says who is a member; fleet_group_queue.c appends what is published,
 *            fleet_group_take.c takes for members with room, fleet_group_done.c says what became of it,
 *            fleet_group_away.c looks after members whose node died or who are away.
 * Redis:     one of FLEET_GROUP_BUCKETS slots for each group; its scripts begin with "group_".
 * Fence:     each message notes who took it; what is said of it later counts only while that is so.
 * Ownership: one per node.
 */
#ifndef FLOTILLA_BROKER_FLEET_GROUP_FLEET_GROUP_H
#define FLOTILLA_BROKER_FLEET_GROUP_FLEET_GROUP_H

#include <sys/queue.h>

#include "broker/fleet/wire/fleet_keys.h"
#include "broker/fleet/wire/scripts.h"
#include "broker/store/store.h"

struct fleet;
struct fleet_bytes;
struct group_batch;
struct group_declared;
struct group_dones;

struct fleet_groups {
    SLIST_HEAD(, group_declared) declared;
    /* fleet_group_queue.c */
    struct group_batch *open[FLEET_GROUP_BUCKETS];
    STAILQ_HEAD(group_batches, group_batch) batches;
    STAILQ_HEAD(group_done_list, group_dones) dones; /* fleet_group_done.c */
    /* Where somebody may be away: fleet_group_away.c */
    bool looked_after[FLEET_GROUP_BUCKETS];
    uint64_t due_ms, look_ms;
    unsigned runs; /* of Redis, in which the members here are listed */
};

bool fleet_groups_init(struct fleet *f);
void fleet_groups_free(struct fleet *f);

/* The configuration's: how long messages stay without a member. */
void fleet_group_declare(struct fleet *f, struct mqtt_slice filter, uint64_t keep_ms);
uint64_t fleet_group_keep_ms(const struct fleet *f, struct mqtt_slice filter);
/* Writes all of it as arguments; how many they are. */
size_t fleet_group_declared_args(const struct fleet *f);
void fleet_group_write_declared(struct fleet *f);

/* Begins a script of the group's bucket; `args` beside the group. */
void fleet_group_script(struct fleet *f, enum script id, struct mqtt_slice filter, size_t args);

#endif
