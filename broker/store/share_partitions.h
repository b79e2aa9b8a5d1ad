/*
 * share_partitions - which member of a group of shared subscriptions gets which partition, where a hash
 * says in which one a message is (strategies hash_topic, hash_client).
 *
 * Rule:      each of n members has 64 / n, rounded up. One with less takes what nobody has, or what
 *            one with more has, but never a partition of which something is open: taken, and not
 *            finished. So a partition's messages are one member's until they are through.
 * Ownership: embedded; members are known by an address.
 * Source:    group_take.lua does the same in a fleet.
 */
#ifndef FLOTILLA_BROKER_STORE_SHARE_PARTITIONS_H
#define FLOTILLA_BROKER_STORE_SHARE_PARTITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/base/shared_config.h"

struct share_partitions {
    const void **members;
    uint32_t count, capacity;
    const void *owner[SHARE_PARTITIONS]; /* NULL: nobody */
    uint32_t open[SHARE_PARTITIONS];
};

void share_partitions_fini(struct share_partitions *p);
/* Joining twice is joining once. False: out of memory. */
bool share_partitions_join(struct share_partitions *p, const void *member);
void share_partitions_leave(struct share_partitions *p, const void *member);
/* The member takes what it may have now. */
void share_partitions_claim(struct share_partitions *p, const void *member);
static inline bool share_partitions_has(const struct share_partitions *p, const void *member,
                                        uint8_t partition)
{
    return p->owner[partition] == member;
}

#endif
