/*
 * fleet_retained_expiry - retained values that have expired are removed from Redis: when a read meets one, and
 * in the background, so that none stays for ever.
 *
 * Cost:     each bucket is asked by one node once a second; a call removes a few, and the next one follows while
 *           there are more.
 * Ownership: none; a node has at most one call per bucket under way.
 */
#ifndef FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_RETAINED_EXPIRY_H
#define FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_RETAINED_EXPIRY_H

#include <stdbool.h>

struct fleet;

bool fleet_retained_expiry_init(struct fleet *f);
void fleet_retained_expiry_free(struct fleet *f);
/* A value of this bucket has expired. */
void fleet_retained_expire(struct fleet *f, unsigned bucket);
void fleet_retained_expiry_tick(struct fleet *f);

#endif
