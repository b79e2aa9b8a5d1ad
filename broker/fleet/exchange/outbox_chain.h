/*
 * outbox_chain - which batches to a node's inbox are under way (fleet_chain.h): a chain for messages, one for requests.
 *
 * Here it is the receiver that refuses: it drops a batch that names one which it didn't have. It says nothing, so the
 * sender must know. It does: Redis' answers say which batches are in the inbox, and in which order.
 *
 * Ownership: a chain outlives its node while a batch is under way, because the node may be known again meanwhile.
 */
#ifndef FLOTILLA_BROKER_FLEET_EXCHANGE_OUTBOX_CHAIN_H
#define FLOTILLA_BROKER_FLEET_EXCHANGE_OUTBOX_CHAIN_H

#include <uthash.h>

#include "broker/fleet/wire/fleet_batch.h"
#include "broker/fleet/wire/fleet_chain.h"

struct fleet;

struct outbox_chain {
    UT_hash_handle hh;
    uint64_t node;
    struct fleet_chain streams[FLEET_BATCH_STREAMS];
    bool unsure[FLEET_BATCH_STREAMS]; /* of a broken one: what broke it may have been written */
    bool is_gone;                     /* the node isn't known */
};

/* Made when it is new; NULL: no memory. Lives until outbox_chain_leave. */
struct outbox_chain *outbox_chain_get(struct fleet *f, uint64_t node);
/* The node isn't known any more. */
void outbox_chain_leave(struct fleet *f, uint64_t node);
/* Whether a batch may be sent now. */
bool outbox_chain_is_open(const struct fleet *f, const struct outbox_chain *c,
                          enum fleet_batch_stream stream);
/* The number of a batch that is sent now. */
uint64_t outbox_chain_send(struct fleet *f, struct outbox_chain *c, enum fleet_batch_stream stream);

enum outbox_written {
    OUTBOX_WRITTEN, /* it is in the inbox */
    OUTBOX_NOT,     /* it isn't */
    OUTBOX_UNKNOWN, /* it may be */
};
/* What Redis answered to the oldest batch under way, and what follows: a written one that the receiver drops counts as
 * not written, or as unknown. May free the chain. */
enum outbox_written outbox_chain_answered(struct fleet *f, struct outbox_chain *c, uint64_t number,
                                          enum outbox_written written);
/* The number with which a batch comes again in another run of Redis, which may not have those before. */
uint64_t outbox_chain_again(const struct outbox_chain *c, uint64_t number);

#endif
