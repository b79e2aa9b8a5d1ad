/*
 * fanout - hands a message to this broker's connected receivers: to few at once, to many in pieces,
 * so that no turn takes longer the more they are.
 *
 * Data flow: publish.c says which message and who matches it; deliver.c puts it into each one's
 *            output; turn.c continues it, one piece per turn, and a smaller piece while earlier
 *            output isn't written yet.
 * Order:     one message at a time is handed out in pieces. A session that is still to get it gets
 *            it before anything else happens to it (fanout_settle): another message, a retained
 *            value, a change of its subscriptions, the end of its connection in good order. So no
 *            later message overtakes it, and receivers can't notice that it wasn't handed out at
 *            once. Another message for many waits whole until then, and so do later ones of its
 *            publisher.
 * Publisher: isn't read until its message is through. What other clients publish for many meanwhile
 *            stays in their input (fanout_hold), in the order in which they came.
 * Bounds:    the receivers of one message. What waits whole is QoS 1 or 2 of clients, within their
 *            max_unacknowledged; of the fleet what comes before fanout_takes_more is asked, a few
 *            messages; of $SYS SYS_WAITING_MAX values, later ones are published the next time.
 * Ownership: the broker's. Waiting messages are referenced; held clients are kept by their `ops`.
 * Errors:    without memory a message is handed out at once, and a client that would have to be held
 *            is closed.
 */
#ifndef FLOTILLA_BROKER_DELIVERY_FANOUT_H
#define FLOTILLA_BROKER_DELIVERY_FANOUT_H

#include <sys/queue.h>

#include "broker/message/encode.h"
#include "broker/routing/session.h"

struct client;
struct fanout;
struct match_entry;
struct router;
struct timebox;

enum { FANOUT_PIECE = 2000 }; /* receivers that a turn serves: about 2 ms, and 10 ms to write */

/* Of a message that the store brings. */
struct fanout_order {
    /* It waits behind what waits of this client, who stays until `done`. NULL: the fleet. */
    struct client *publisher;
    void (*done)(void *arg); /* it is through; may be NULL */
    void *arg;
};

struct fanouts {
    STAILQ_HEAD(, fanout) list; /* the first one is under way */
    struct encoder *encoder;    /* for that one: it lasts, while others are delivered */
    struct router *router;
    uint32_t others_waiting; /* of the list, those that wait whole and aren't a client's */
    struct client **held;    /* who isn't read, in order; the first one is the publisher */
    uint32_t held_count, held_capacity;
    uint64_t handed_out; /* receivers of messages that the store brought: publish.c */
};

/* NULL when out of memory. */
struct fanouts *fanouts_new(struct router *router);
void fanouts_free(struct fanouts *f);
/* The broker ends: nothing is handed out any more. Completes all messages and releases the
 * clients. */
void fanouts_drop(struct fanouts *f);

static inline bool fanouts_busy(const struct fanouts *f)
{
    return !STAILQ_EMPTY(&f->list);
}
/* What is under way goes on by so many receivers, or until the box is over. */
void fanouts_go_on(struct fanouts *f, uint32_t receivers, struct timebox *box);

/* A message for the sessions of an entry, now; the rest of many as above. `publisher` (may be NULL)
 * isn't read until then. */
void fanout_publish(struct fanouts *f, const struct match_entry *e, struct delivery *d,
                    struct client *publisher);
/* The same for a message that the store brings. False: it isn't through yet, `done` will be
 * called. */
bool fanout_in_order(struct fanouts *f, const struct match_entry *e, struct delivery *d,
                     const struct fanout_order *order);
/* A value of $SYS. */
void fanout_sys(struct fanouts *f, const struct match_entry *e, struct delivery *d);

/* Whether a message for these would have to wait whole. */
bool fanout_must_wait(const struct fanouts *f, const struct match_entry *e);
/* The client isn't read until the message that is under way is through. */
void fanout_hold(struct fanouts *f, struct client *c);
/* False: the fleet's messages should stay where they are for now. */
static inline bool fanout_takes_more(const struct fanouts *f)
{
    return f->others_waiting == 0;
}

/* The session gets now what it is still to get; one without a connection doesn't any more. */
void fanout_settle_now(struct fanouts *f, struct session *s);
static inline void fanout_settle(struct fanouts *f, struct session *s)
{
    if (fanouts_busy(f))
        fanout_settle_now(f, s);
}

#endif
