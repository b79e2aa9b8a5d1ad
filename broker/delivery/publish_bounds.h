/*
 * publish_bounds - what the configuration makes of a message that is allowed: its retain flag and how long it lives.
 *
 * Pure. Without such keys (publish_bounds_none) nobody needs to ask.
 */
#ifndef FLOTILLA_BROKER_DELIVERY_PUBLISH_BOUNDS_H
#define FLOTILLA_BROKER_DELIVERY_PUBLISH_BOUNDS_H

#include <stdbool.h>
#include <stdint.h>

struct broker_config;

/* All of the protocol is offered, and messages are taken as they come. */
bool publish_bounds_none(const struct broker_config *config);
/* When a message expires, by the store's clock (0: never), that would at `expires_at_ms`. */
uint64_t publish_bounds_expiry(const struct broker_config *config, bool retain,
                               uint64_t expires_at_ms, uint64_t now_ms);
/* Whether a message that has the retain flag keeps it. */
bool publish_bounds_retain(const struct broker_config *config);

#endif
