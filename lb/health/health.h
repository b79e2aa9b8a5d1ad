/*
 * health - decides whether a server may receive new flows, and when to check it next.
 *
 * Data flow: checker.c reports outcomes of checks and passive reports here, and acts on the
 *            verdict.
 * Ownership: embedded; holds no memory of its own.
 * Errors:    none. rise and fall are at least 1, which the config loader guarantees.
 * Units:     rise and fall count consecutive checks; *_ms are milliseconds.
 *
 *     CHECKING --first pass--> UP --fall failures in a row, or one refused connect--> DOWN
 *        |  (a new server)     ^                                                        |
 *        +--fall failures--> DOWN (still new: one pass suffices)    rise passes in a row-+
 *
 * A server that is new, or that just went down, is checked at the fast interval for a while: it is
 * probably starting. So is one whose streak is under way.
 */
#ifndef FLOTILLA_LB_HEALTH_HEALTH_H
#define FLOTILLA_LB_HEALTH_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "lb/backend/server.h"

#define HEALTH_FAST_CHECKS 40u /* after which a server that stays down is checked at leisure */

struct health_rule {
    unsigned rise, fall;
    uint64_t interval_ms, fast_interval_ms;
};

struct health {
    enum server_health state;
    unsigned streak;    /* checks in a row that disagree with `state` */
    unsigned fast_left; /* fast checks left for a server that isn't up */
    bool was_up;        /* ever; until then one pass suffices */
};

enum health_change { HEALTH_UNCHANGED, HEALTH_WENT_UP, HEALTH_WENT_DOWN };

void health_init(struct health *h);
/* Records one check. */
enum health_change health_record(struct health *h, const struct health_rule *rule, bool passed);
/* A flow's connect was refused. */
enum health_change health_refused(struct health *h);
/* How long until the next check, with a tenth of jitter taken from `random`. */
uint64_t health_delay_ms(const struct health *h, const struct health_rule *rule, uint32_t random);

#endif
