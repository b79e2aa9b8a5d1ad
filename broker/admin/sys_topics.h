/*
 * sys_topics - the broker's own figures, and the fleet's, as $SYS topics under the names that dashboards know
 * from Mosquitto.
 *
 * Each interval the values that changed are published to this broker's subscribers, and put into
 * b->sys_values for new ones. What each topic says: sys_figures.h.
 */
#ifndef FLOTILLA_BROKER_ADMIN_SYS_TOPICS_H
#define FLOTILLA_BROKER_ADMIN_SYS_TOPICS_H

#include <stdint.h>

struct broker;
struct sys_topics;

/* NULL when out of memory. interval_ms 0: there are none. */
struct sys_topics *sys_topics_new(struct broker *b, uint64_t interval_ms);
/* From now on, with an interval at once. */
void sys_topics_set_interval(struct sys_topics *s, uint64_t interval_ms);
/* Not while the store is asked: after store_free, if it is another one than the memory store. */
void sys_topics_free(struct sys_topics *s);

#endif
