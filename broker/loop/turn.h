/*
 * turn - the loop (fleet protocol, rule 3). One turn is: libevent's callbacks, which only mark;
 * what the store has to say; the clients' input, a budget each; what that marked (deliveries from
 * queues, closes); one flush, which writes what waits and lets the store send once. A connection
 * that one client alone feeds is written behind that client, others in the flush: flush_rule.h.
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
/* All of a turn but the wait for events: for who marks clients by other means than libevent. */
void turn_pass(struct broker *b);
/* Time in which clients weren't served, and don't answer for their silence. */
void turn_lost(struct broker *b, uint64_t ms);

#endif
