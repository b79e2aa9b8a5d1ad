/*
 * memory_groups - the operations of shared subscriptions in the memory store: what members take from a group's queue,
 * finish and put back (rule 12 of the fleet protocol, for one broker).
 *
 * Data flow: functions of store.h's table; memory_shares.h keeps the groups.
 */
#ifndef FLOTILLA_BROKER_STORE_MEMORY_GROUPS_H
#define FLOTILLA_BROKER_STORE_MEMORY_GROUPS_H

#include "broker/store/store.h"

void memory_share_join(struct store *store, const struct store_member *m);
void memory_share_leave(struct store *store, struct store_hold *hold, struct mqtt_slice filter,
                        enum store_leave why);
void memory_share_take(struct store *store, const struct store_member *m, size_t max,
                       store_take_fn *done, void *arg);
void memory_share_finish(struct store *store, struct store_hold *hold, struct store_taken *taken);
void memory_share_put_back(struct store *store, struct store_hold *hold, struct store_taken *taken);
void memory_share_declare(struct store *store, struct mqtt_slice filter, uint64_t keep_ms);
void memory_share_ended(struct store *store, struct mqtt_slice filter);

#endif
