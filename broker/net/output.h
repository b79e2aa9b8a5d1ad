/*
 * output - what waits to be written to one connection, gathered until the turn writes it.
 *
 * Data flow: encoders reserve room and write their packet there (output_put), or hand over a large
 *            payload by reference (output_put_message); the turn's flush calls output_write.
 * Shape:     a ring of chunks. Small packets share a chunk; a large payload is a chunk that points
 *            into its message. An empty output owns nothing.
 * Ownership: chunks come from the broker's pool and go back there; a chunk with a message holds a
 *            reference to it.
 * Bounds:    none here: callers look at `pending` of the output and the pool first (deliver.c).
 */
#ifndef FLOTILLA_BROKER_NET_OUTPUT_H
#define FLOTILLA_BROKER_NET_OUTPUT_H

#include "broker/message/message.h"

struct transport;
struct chunk;

struct chunk_pool {
    struct chunk_class {
        struct chunk *free;
        uint32_t count;
    } classes[3];
    uint64_t pending; /* bytes in all outputs */
};
/* Gives back what no output uses now. */
void chunk_pool_trim(struct chunk_pool *p);
void chunk_pool_fini(struct chunk_pool *p);

struct output {
    struct chunk *last; /* behind it comes the first one; NULL: it is empty */
    size_t pending;
};

/* Room for `len` bytes in one piece, to be written at once. NULL when out of memory. */
uint8_t *output_put(struct output *o, struct chunk_pool *pool, size_t len);
/* Bytes of a message (its payload), by reference. */
bool output_put_message(struct output *o, struct chunk_pool *pool, struct message *m,
                        struct mqtt_slice bytes);

enum output_result { OUTPUT_EMPTY, OUTPUT_BLOCKED, OUTPUT_FAILED };
/* Writes as much as the transport takes; *written gets the bytes. */
enum output_result output_write(struct output *o, struct chunk_pool *pool, struct transport *t,
                                size_t *written);
void output_clear(struct output *o, struct chunk_pool *pool);

#endif
