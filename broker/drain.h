/*
 * drain - the end of a broker (SIGTERM, SIGINT): readiness goes red, listeners stop accepting,
 * clients are closed one after another over drain_timeout, so that they don't all reconnect at
 * once; then the store ends, then the loop.
 *
 * Wills:     a drained client did nothing wrong and reconnects at once, so its will isn't published
 *            now: it waits (store_hold.will_grace_s) and a new connection cancels it. In memory
 *            there is nobody left to publish it.
 * Durable:   sessions and queues stay in the store.
 */
#ifndef FLOTILLA_BROKER_DRAIN_H
#define FLOTILLA_BROKER_DRAIN_H

struct broker;
struct drain;

/* Catches SIGTERM and SIGINT. NULL when out of memory. */
struct drain *drain_new(struct broker *b);
void drain_free(struct drain *d);

#endif
