/*
 * shared_config - what an operator can set of shared subscriptions.
 *
 * Ownership: in struct broker_config, which releases strings and lists.
 */
#ifndef FLOTILLA_BROKER_BASE_SHARED_CONFIG_H
#define FLOTILLA_BROKER_BASE_SHARED_CONFIG_H

#include "common/config/config.h"

/* Which member of a group is asked first. */
enum share_strategy {
    SHARE_ROUND_ROBIN,
    SHARE_RANDOM,
    SHARE_LOCAL,
    SHARE_HASH_TOPIC,
    SHARE_HASH_CLIENT,
};

/* By topic or client: which of them a message is for says a hash. */
enum { SHARE_PARTITIONS = 64 };
static inline bool share_strategy_is_hashed(int strategy)
{
    return strategy == SHARE_HASH_TOPIC || strategy == SHARE_HASH_CLIENT;
}

/* A group of shared subscriptions that is there without members. */
struct shared_group_config {
    char *name, *filter;
    uint64_t keep_ms; /* how long its messages wait for a member */
};

struct shared_config {
    int strategy; /* enum share_strategy */
    uint64_t redispatch_after_ms;
    bool queue_alias;          /* "$queue/<filter>" */
    struct config_list groups; /* struct shared_group_config */
};

extern const struct config_schema shared_config_schema;

#endif
