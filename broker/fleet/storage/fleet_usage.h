/*
 * fleet_usage - what the whole fleet has in Redis, and what may be added to it.
 *
 * Durable sessions: each bucket counts its own, in the scripts that make and end them. The node
 *            that looks after a bucket (fleet_due_tick) reads the count and reports it to
 *            usage.lua, which answers the fleet's sum. So a CONNECT touches no further key, and a
 *            count that was lost with Redis' data is right again within seconds. Between two
 *            answers the nodes share the room that is left, so that the limit is passed by at most
 *            one session per node.
 * Memory:    the more of `limits.max_stored_bytes` is in use, the less one session's queue may hold:
 *            an eighth of what is left. So one queue that takes all it can leaves room for others,
 *            and so do a hundred. When nothing is left, no new retained topic is kept and no new durable
 *            session made, so that those that are there can go on with the last quarter. There
 *            is a limit without any configuration: it is three quarters of Redis' maxmemory, or
 *            half of the memory of Redis' machine.
 * Deciding:  fleet_usage_note and the questions do no I/O, and take the time.
 * Ownership: the node's, one for all; holds no memory of its own.
 */
#ifndef FLOTILLA_BROKER_FLEET_STORAGE_FLEET_USAGE_H
#define FLOTILLA_BROKER_FLEET_STORAGE_FLEET_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/fleet/wire/fleet_keys.h"

struct fleet;

struct fleet_usage_limits {
    uint64_t sessions;                    /* durable ones of the fleet; 0: no limit */
    uint64_t stored_bytes;                /* 0: what Redis and its machine have room for */
    uint64_t queue_messages, queue_bytes; /* of one session at most; 0: no limit */
};

/* Redis' memory, in bytes. */
struct fleet_usage_memory {
    uint64_t used;
    uint64_t max;     /* its maxmemory; 0: not set */
    uint64_t machine; /* all that its machine has; 0: it doesn't say */
};

struct fleet_usage {
    struct fleet_usage_limits limits;
    bool known; /* the fleet's sums, as of the last answer */
    uint64_t sessions;
    struct fleet_usage_memory memory;
    /* Durable sessions that this node made lately, which the sum may not have yet, in this period and
     * the one before; and those that are being made. */
    uint64_t made[2], promised, period_ms;
    /* Buckets' counts that haven't been told. */
    uint32_t counts[FLEET_CLIENT_BUCKETS];
    bool untold[FLEET_CLIENT_BUCKETS];
    unsigned next_told; /* where the next telling begins */
    uint64_t ask_next_ms;
    bool asking;
};

/* With the limits of the configuration. False when out of memory. */
bool fleet_usage_init(struct fleet *f);
void fleet_usage_free(struct fleet *f);

/* What the answer says. */
void fleet_usage_note(struct fleet_usage *u, uint64_t sessions,
                      const struct fleet_usage_memory *memory);
/* May this node, one of `nodes`, make one more durable session? */
bool fleet_usage_has_room(struct fleet_usage *u, unsigned nodes, uint64_t now_ms);
/* A claim that may make one was sent; and what came of it. */
void fleet_usage_promise(struct fleet_usage *u);
void fleet_usage_settle(struct fleet_usage *u, bool made);
/* What one session's queue may hold now; 0: no limit. */
uint64_t fleet_usage_queue_bytes(const struct fleet_usage *u);
uint64_t fleet_usage_queue_messages(const struct fleet_usage *u);
/* False: what lasts isn't added to. */
bool fleet_usage_may_grow(const struct fleet_usage *u);

/* This bucket has so many. */
void fleet_usage_count(struct fleet *f, unsigned bucket, uint32_t sessions);
/* Tells and asks: at once. */
void fleet_usage_ask(struct fleet *f);
void fleet_usage_tick(struct fleet *f);

#endif
