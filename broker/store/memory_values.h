/*
 * memory_values - the retained values of the memory store, within its bounds, and without those that have expired.
 *
 * Data flow: store_memory.c gives what is published with the retain flag; memory_read.c reads the tree.
 * Bounds:    topics (retained_limit) and memory (budget); what isn't kept is counted and named in the log.
 * Ownership: embedded; owns the tree. The configuration must live longer.
 */
#ifndef FLOTILLA_BROKER_STORE_MEMORY_VALUES_H
#define FLOTILLA_BROKER_STORE_MEMORY_VALUES_H

#include "broker/store/store.h"

struct journal;
struct retained_tree;

struct memory_values {
    struct retained_tree *tree;
    const struct store_memory_config *config;
    uint64_t sweep_ms;       /* when expired ones are looked for next; CLOCK_MONOTONIC */
    struct journal *journal; /* told of each change, NULL: none */
};

/* False when out of memory. */
bool memory_values_init(struct memory_values *v, const struct store_memory_config *config);
void memory_values_fini(struct memory_values *v);

/* Its topic's value from now on; with an empty payload, or without room, the topic has none. */
void memory_values_keep(struct memory_values *v, struct message *m);
/* A value of before a restart, whatever the bounds are now. False: out of memory. */
bool memory_values_restore(struct memory_values *v, struct message *m);
/* Whether a value that was read has expired: then it is removed. `now_ms`: store_now_ms. */
bool memory_values_drop_expired(struct memory_values *v, struct message *m, uint64_t now_ms);
/* Those that nobody reads: looks at a part of the tree, ten times a second at most, so that a million values are gone
 * through in two minutes. */
void memory_values_sweep(struct memory_values *v, uint64_t monotonic_ms, uint64_t now_ms);

#endif
