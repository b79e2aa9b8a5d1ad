/*
 * fleet_group_take - a member takes messages from its group's queue (rule 12).
 *
 * A member without a durable session gets them from here. For a durable one they are copied into its
 * session's queue, from which they are sent like all others; the group's stay taken until they are
 * acknowledged.
 */
#ifndef FLOTILLA_BROKER_FLEET_GROUP_FLEET_GROUP_TAKE_H
#define FLOTILLA_BROKER_FLEET_GROUP_FLEET_GROUP_TAKE_H

#include "broker/store/store.h"

struct fleet;

void fleet_group_take(struct fleet *f, const struct store_member *m, size_t max,
                      store_take_fn *done, void *arg);
/* These free it. */
void fleet_group_finish(struct fleet *f, struct store_taken *taken);
void fleet_group_put_back(struct fleet *f, struct store_taken *taken);

#endif
