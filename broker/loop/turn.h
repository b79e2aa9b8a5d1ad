/*
 * turn - the loop (fleet protocol, rule 3). One turn is: libevent's callbacks, which only mark; the
 * store's input; the clients' input, a budget each; what that marked (deliveries from queues,
 * closes); one flush, which writes what waits and lets the store send once. A connection that gets
 * messages from one client only is written behind that client, others in the flush: flush_rule.h.
 *
 * libevent alone would run one callback after another, each reading and writing at once: a busy
 * client would starve the others, and each message would cost its own write.
 */
#ifndef FLOTILLA_BROKER_LOOP_TURN_H
#define FLOTILLA_BROKER_LOOP_TURN_H

#include <stdbool.h>
#include <stdint.h>

struct broker;

bool turn_init(struct broker *b);
void turn_fini(struct broker *b);
/* Runs turns until the broker is stopped. */
void turn_run(struct broker *b);
/* A turn without its wait for events: for callers (tests) that mark clients without libevent. */
void turn_pass(struct broker *b);
/* Time in which clients weren't served: their silence in it doesn't count against their keep
 * alive. */
void turn_lost(struct broker *b, uint64_t ms);

#endif
