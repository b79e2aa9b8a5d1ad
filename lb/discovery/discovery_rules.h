/*
 * discovery_rules - what an answer of the resolver means for the servers a backend has. Pure.
 *
 * Each name is judged alone, and each address family of it: what still resolves stays, whatever
 * happens to the rest. What a lookup of one name and family brings, and what follows:
 *
 *   answer                                | the other family      | its servers
 *   --------------------------------------+-----------------------+-----------------------------
 *   addresses                             |                       | are these, at once
 *   the name is there, not this family    | has addresses         | none, at once
 *   the name is there, not this family    | has none              | held, then none
 *   no such name                          |                       | held, then none
 *   error, refusal, silence, rubbish,     |                       | held, then none
 *   truncated without a way by TCP        |                       |
 *   we couldn't ask (descriptors, memory, |                       | held; that time doesn't count
 *   source ports)                         |                       |
 *
 * "Held" is until the last good answer is `hold` old: a resolver that has trouble must never empty
 * a working backend at once.
 * Units:     milliseconds of CLOCK_MONOTONIC.
 */
#ifndef FLOTILLA_LB_DISCOVERY_DISCOVERY_RULES_H
#define FLOTILLA_LB_DISCOVERY_DISCOVERY_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct discovered {
    struct sockaddr_storage addr;
    socklen_t addrlen;
    unsigned weight;
};

enum dns_answer {
    DNS_ADDRESSES,
    DNS_NONE,       /* the name is there and has none of this kind */
    DNS_NO_NAME,    /* the name isn't there */
    DNS_FAILED,     /* the resolver didn't say */
    DNS_OWN_TROUBLE /* we couldn't ask */
};

/* `status` is c-ares', `count` what came with it. `own_trouble`: something of ours was missing on
 * the way, so that only addresses prove anything. */
enum dns_answer discovery_answer_of(int status, size_t count, bool own_trouble);

enum discovery_verdict {
    DISCOVERY_REPLACE, /* what the answer brought is the new set: maybe nothing */
    DISCOVERY_KEEP,    /* nothing changes */
    DISCOVERY_EXPIRE   /* the last good answer has been held long enough: the set is empty now */
};

struct discovery_memory {
    bool has_good; /* a good answer is in force */
    uint64_t good_at_ms;
    uint64_t judged_at_ms;
};

/* `sibling`: the answer for the other family of the same name. */
enum discovery_verdict discovery_judge(struct discovery_memory *memory, enum dns_answer answer,
                                       enum dns_answer sibling, uint64_t now_ms, uint64_t hold_ms);

/* Sorts by address and drops duplicates (of equal ones the first weight stays); the new count. */
size_t discovery_normalize(struct discovered *found, size_t count);
bool discovery_same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b);

#endif
