/*
 * sys_values - the current values of $SYS, for clients that subscribe to them.
 *
 * They are this broker's alone, so they never go into the store.
 * Data flow: sys_topics.c sets them; retained_delivery.c gives them to new subscriptions.
 * Ownership: references its messages.
 */
#ifndef FLOTILLA_BROKER_DELIVERY_SYS_VALUES_H
#define FLOTILLA_BROKER_DELIVERY_SYS_VALUES_H

#include <stddef.h>

#include "common/mqtt/mqtt.h"

struct message;
struct sys_values;

/* So many, none of them set. NULL when out of memory. */
struct sys_values *sys_values_new(size_t count);
void sys_values_free(struct sys_values *v);

/* The value with this number is this message from now on. */
void sys_values_set(struct sys_values *v, size_t at, struct message *m);
/* NULL: it wasn't set yet. */
const struct message *sys_values_at(const struct sys_values *v, size_t at);
/* Calls for each value that the filter matches. */
void sys_values_each(const struct sys_values *v, struct mqtt_slice filter,
                     void (*each)(void *arg, const struct message *m), void *arg);

#endif
