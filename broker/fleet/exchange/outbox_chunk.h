/*
 * outbox_chunk - what waits to be sent to one node, in chunks that are an entry of its inbox each.
 *
 * Data flow: fleet_outbox.c fills the last chunk and sends all of them. It knows of no node: fleet_nodes.h has
 *            one outbox for each.
 * Ownership: the outbox owns its chunks, until they are taken. A chunk refers to the publishes that it carries.
 */
#ifndef FLOTILLA_BROKER_FLEET_EXCHANGE_OUTBOX_CHUNK_H
#define FLOTILLA_BROKER_FLEET_EXCHANGE_OUTBOX_CHUNK_H

#include <sys/queue.h>

#include "broker/fleet/wire/fleet_bytes.h"

struct fleet;
struct fleet_parts;
struct outbox_chain;

struct outbox_chunk {
    TAILQ_ENTRY(outbox_chunk) next;
    uint64_t node;
    struct fleet_bytes items; /* with the header in front */
    struct fleet_bytes wakes; /* the clients of the wake-ups among them */
    struct fleet_parts **publishes;
    size_t publish_count, publish_size;
    size_t messages;
};

TAILQ_HEAD(outbox_chunks, outbox_chunk);

struct outbox {
    struct outbox_chain *chain;  /* NULL: nothing was sent yet */
    struct outbox_chunks chunks; /* not sent yet; the last one is being filled */
    struct fleet_bytes requests; /* and answers: a batch that goes behind them */
    uint64_t paused_since_ms;    /* 0: not paused */
    uint64_t length_asked_ms;
    uint64_t length; /* of the inbox, as last seen */
    size_t bytes;
};

/* Of zeroed memory. */
void outbox_init(struct outbox *o);
/* The chunk that takes more; NULL when out of memory. `node`: whose outbox it is. */
struct outbox_chunk *outbox_open_chunk(struct fleet *f, struct outbox *o, uint64_t node);
/* It carries a part of this publish. False when out of memory. */
bool outbox_chunk_note(struct outbox_chunk *c, struct fleet_parts *p);
/* So much waits in it now. The sum over all nodes is asked for with each publish. */
void outbox_count(struct fleet *f, struct outbox *o, size_t bytes);
/* Moves all chunks to the end of `out`, in order: the caller's from now on. */
void outbox_take(struct fleet *f, struct outbox *o, struct outbox_chunks *out);
/* Drops what waits: the node is gone, or is behind, or this one starts over. */
void outbox_drop(struct fleet *f, struct outbox *o);
void outbox_chunk_free(struct outbox_chunk *c);

#endif
