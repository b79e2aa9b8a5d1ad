/*
 * fleet_parts - which parts of one message aren't written yet, and how the written ones ended.
 *
 * A publish has one part for each queue, inbox and retained value that it goes into. The modules
 * that write parts report when they have gathered, sent and finished one; they know nothing else of
 * the publish.
 *
 * Data flow: fleet_publish.c and fleet_enqueue.c make one for each message; fleet_queue.c, fleet_retained.c and fleet_outbox.c take
 *            parts of it. When all that was gathered was sent, `all_sent` is called.
 * Ownership: embedded in the publish, which lives until everything is sent and answered.
 */
#ifndef FLOTILLA_BROKER_FLEET_EXCHANGE_FLEET_PARTS_H
#define FLOTILLA_BROKER_FLEET_EXCHANGE_FLEET_PARTS_H

#include "broker/base/id_set.h"
#include "broker/store/store.h"

struct fleet;

struct fleet_parts {
    struct fleet *f;
    struct message *message;
    void (*all_sent)(struct fleet_parts *p); /* may free it */
    struct id_set nodes, clients;            /* who has it: ids of nodes, hashes of client ids */
    unsigned unsent;                         /* parts gathered and not sent */
    enum store_status status;                /* of what failed first */
    bool taken;      /* it isn't this node's to publish any more (fleet_taken.h) */
    bool never_held; /* what Redis has no room for fails (store_enqueue), instead of being held */
    bool retained;   /* the retained value has its part */
    bool missed;     /* match again a little later; fleet_parts_miss and _begin alone set it */
    bool unknown;    /* Redis doesn't know a session that it was for */
};

/* A round begins, or there won't be one: what the last one found is over. */
void fleet_parts_begin(struct fleet_parts *p);
/* It must be matched again. */
void fleet_parts_miss(struct fleet_parts *p);
/* One more waits to be sent; was sent; came out so. */
void fleet_parts_gathered(struct fleet_parts *p);
void fleet_parts_issued(struct fleet_parts *p);
void fleet_parts_failed(struct fleet_parts *p, enum store_status status);
/* Redis had no room for this part: the message is held, and tried again when there is some. `client`,
 * `node`: whom the part was for, 0: nobody (a retained value). */
void fleet_parts_held(struct fleet_parts *p, uint64_t client, uint64_t node);
/* It wasn't written, because a call before it wasn't done (fleet_chain.h): it is tried again behind that one. For whom,
 * as above. */
void fleet_parts_refused(struct fleet_parts *p, uint64_t client, uint64_t node);
/* The node has no inbox: match again a little later. */
void fleet_parts_missed(struct fleet_parts *p, uint64_t node);
/* Redis doesn't know the session (hash of its client id). After a loss of data: the same. */
void fleet_parts_unknown(struct fleet_parts *p, uint64_t client);

#endif
