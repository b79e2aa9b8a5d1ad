/*
 * fleet_subscriptions - a durable session's subscriptions, read from Redis in pieces.
 *
 * A session may have thousands: read at once they would hold up everybody at Redis. A claim brings the
 * first piece (claim.lua) and the rest is read behind it (session.lua); meanwhile nobody else changes
 * them, as the claim fenced the former connection. What is read of another's session may be a little
 * of before and a little of after a change, which the log brings, too.
 * Ownership: it holds a copy; the list points into it.
 */
#ifndef FLOTILLA_BROKER_FLEET_FENCE_FLEET_SUBSCRIPTIONS_H
#define FLOTILLA_BROKER_FLEET_FENCE_FLEET_SUBSCRIPTIONS_H

#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/store/store.h"

struct fleet;
struct redisReply;

struct fleet_subscriptions {
    struct fleet_bytes text; /* filter, options; each a slice */
    size_t count;            /* a filter may be there twice */
};

void fleet_subscriptions_fini(struct fleet_subscriptions *p);
/* {..., filter, options, ...} from an element on. */
void fleet_subscriptions_take(struct fleet_subscriptions *p, const struct redisReply *r,
                              size_t from);
/* The caller frees it. NULL when there are none, or no memory, which `ok` tells. */
struct store_subscription *fleet_subscriptions_list(const struct fleet_subscriptions *p, bool *ok);

/* Of the node that reads them. */
bool fleet_subscription_reads_init(struct fleet *f);
void fleet_subscription_reads_free(struct fleet *f);
/* `epoch`: the session's, of the last piece. */
typedef void fleet_subscriptions_fn(void *arg, enum store_status status, uint64_t epoch);
/* Reads on from a cursor ("0": from the beginning) to the end. `subs` stays where it is until then. */
void fleet_subscriptions_read(struct fleet *f, struct mqtt_slice client, const char *cursor,
                              struct fleet_subscriptions *subs, fleet_subscriptions_fn *done,
                              void *arg);

#endif
