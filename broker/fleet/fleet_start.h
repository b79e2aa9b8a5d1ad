/*
 * fleet_start - puts a node together and takes it apart.
 *
 * Ownership: each module owns its part of the node, a pointer in struct fleet, allocated here once; so `_init`
 *            is called for each at the start and `_free` at the end, also of a node that is half made.
 * Errors:    NULL with a sentence in err.
 */
#ifndef FLOTILLA_BROKER_FLEET_FLEET_START_H
#define FLOTILLA_BROKER_FLEET_FLEET_START_H

#include "broker/store/store.h"

struct event_base;
struct fleet;
struct metrics;
struct store_redis_config;

struct fleet *fleet_new(struct event_base *base, const struct store_redis_config *cfg,
                        const struct store_host *host, struct metrics *metrics, char *err,
                        size_t errlen);
void fleet_free(struct fleet *f);

#endif
