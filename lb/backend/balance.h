/*
 * balance - the policies that pick a server. Pure functions on a table of candidates.
 *
 * Data flow: server_set.c fills the candidates under its lock, calls the backend's policy, and
 *            reserves the server that came out.
 * Ownership: nothing is kept but struct balance_state, which the server set embeds.
 * Errors:    BALANCE_NONE when no candidate has a weight.
 * Units:     weight is a thousandth of the configured one (slow start makes it fractional).
 */
#ifndef FLOTILLA_LB_BACKEND_BALANCE_H
#define FLOTILLA_LB_BACKEND_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/config/lb_config.h"

#define BALANCE_NONE SIZE_MAX

struct balance_candidate {
    uint32_t connections;
    uint32_t weight; /* 0: not to be picked */
    uint64_t key;    /* the server's stable identity (hash policy) */
    int64_t *credit; /* the server's standing in the weighted rotation (roundrobin) */
};

struct balance_state {
    size_t last;     /* index picked last: ties are broken by going on from it */
    uint64_t random; /* never 0 */
};

struct balance_policy {
    bool wants_hash;
    size_t (*pick)(const struct balance_candidate *c, size_t n, struct balance_state *state,
                   uint64_t hash);
};

const struct balance_policy *balance_policy(enum lb_balance kind);

/* The weight to put into a candidate: 1000 * weight, or less for `slow_start_ms` after the server
 * went up (a tenth at first, then in a straight line). */
uint32_t balance_effective_weight(unsigned weight, uint64_t up_since_ms, uint64_t now_ms,
                                  uint64_t slow_start_ms);

/* A stable 64-bit hash with all bits mixed. */
uint64_t balance_hash(const void *data, size_t len);

#endif
