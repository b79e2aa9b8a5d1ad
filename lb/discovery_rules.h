/*
 * discovery_rules - what an answer of the resolver means for the servers a backend has. Pure.
 *
 * An answer with addresses replaces the set: what it leaves out goes at once. Anything else (no
 * address, no such name, an error, silence) keeps the last good answer until it is `hold` old; a
 * resolver that has trouble must never empty a working backend at once.
 * Units:     milliseconds of CLOCK_MONOTONIC.
 */
#ifndef FLOTILLA_LB_DISCOVERY_RULES_H
#define FLOTILLA_LB_DISCOVERY_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct discovered {
    struct sockaddr_storage addr;
    socklen_t addrlen;
    unsigned weight;
};

enum discovery_verdict {
    DISCOVERY_REPLACE, /* the answer is the new set */
    DISCOVERY_KEEP,    /* nothing changes */
    DISCOVERY_EXPIRE   /* the last good answer has been held long enough: the set is empty now */
};

struct discovery_memory {
    bool has_good; /* a good answer is in force */
    uint64_t good_at_ms;
};

enum discovery_verdict discovery_judge(struct discovery_memory *memory, bool answered, size_t count,
                                       uint64_t now_ms, uint64_t hold_ms);

/* Sorts by address and drops duplicates (of equal ones the first weight stays); the new count. */
size_t discovery_normalize(struct discovered *found, size_t count);
bool discovery_same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b);

#endif
