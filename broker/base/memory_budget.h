/*
 * memory_budget - one budget for all memory that clients cause (account.h), and what is given up
 * when it is used up. Decides only: shed.c looks and acts.
 *
 * Order of shedding, from what no client misses to what some do:
 *   from four fifths on (tight):
 *     1. matches that are remembered are forgotten
 *     2. QoS 0 isn't delivered to connections that don't take what waits for them; outputs stay
 *   small what outlives connections at three quarters of the budget (crowded):
 *     3. long queues of durable sessions take nothing more, at seven eighths none does; no new
 *        durable sessions, subscriptions, retained topics
 *   the whole budget (full), until a tenth is free again:
 *     4. connections with a part of a CONNECT are closed, the largest first
 *     5. clients are closed, by what they hold; a begun packet counts twice, since nobody waits for
 *        it but its sender. Who holds less than SHED_FLOOR is never closed.
 *     6. publishers aren't read
 */
#ifndef FLOTILLA_BROKER_BASE_MEMORY_BUDGET_H
#define FLOTILLA_BROKER_BASE_MEMORY_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SHED_FLOOR = 16 * 1024,
    SHED_FLOOR_STRANGER = 1024,
};

enum memory_level { MEMORY_CALM, MEMORY_TIGHT, MEMORY_FULL };
extern const char *const memory_level_names[];

struct memory_budget {
    uint64_t limit; /* 0: none */
    uint64_t tight, target;
    uint64_t crowded, packed; /* of what outlives connections */
    enum memory_level level;
};

void memory_budget_init(struct memory_budget *b, uint64_t limit);
/* So much is used now. Full ends only below the target, so that shedding isn't begun anew all the
 * time. True: the level changed. */
bool memory_budget_note(struct memory_budget *b, uint64_t used);

static inline bool memory_budget_is_tight(const struct memory_budget *b, uint64_t used)
{
    return used >= b->tight;
}

/* Whether a durable queue of so many bytes takes one more message. */
bool memory_budget_takes_queued(const struct memory_budget *b, uint64_t lasting, uint64_t queue);
/* Whether something new that lasts is let in: a session, a subscription, a retained topic. */
bool memory_budget_takes_lasting(const struct memory_budget *b, uint64_t lasting);

/* What one connection holds. */
struct memory_holding {
    bool stranger;
    size_t begun, rest; /* begun packets; user name, will, output, queue and retained reads */
};
/* How early it is closed: the higher the earlier; 0: never. */
uint64_t memory_holding_rank(const struct memory_holding *h);

#endif
