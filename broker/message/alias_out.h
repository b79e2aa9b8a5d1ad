/*
 * alias_out - the topic aliases that we use towards one 5.0 client: the topics that it gets most have one
 * (3.3.2.3.4).
 *
 * Choice:    a topic gets a free alias at once. When all are taken it has to come a second time within a
 *            few messages, and then wears down the aliases one after the other: each message of a topic
 *            adds to its alias, each such topic without one takes from the next alias, and one that has
 *            nothing left is given away. So the topics that come most keep theirs, and topics that come
 *            once cost nothing.
 * Topics:    are told apart by a keyed hash of 64 bits, which clients can't aim at.
 * Ownership: allocated with a client's first message, if it allows aliases.
 */
#ifndef FLOTILLA_BROKER_MESSAGE_ALIAS_OUT_H
#define FLOTILLA_BROKER_MESSAGE_ALIAS_OUT_H

#include <stdbool.h>
#include <stdint.h>

struct alias_out;

/* NULL when out of memory. `max`: at least 1. */
struct alias_out *alias_out_new(uint16_t max);
void alias_out_free(struct alias_out *a);

/* How to name a topic in the next message. */
struct alias_choice {
    uint16_t alias; /* 0: by its name alone */
    bool known;     /* the client knows it: the name is left out */
};
struct alias_choice alias_out_choose(const struct alias_out *a, uint64_t topic);
/* The message was sent so. */
void alias_out_sent(struct alias_out *a, uint64_t topic, struct alias_choice how);

#endif
