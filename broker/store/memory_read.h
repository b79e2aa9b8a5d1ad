/*
 * memory_read - a read of retained messages in the memory store: the values that a filter matches,
 * chunk by chunk, with the rules of store_retained_start.
 *
 * Ownership: freed when it is done or cancelled. The tree must live longer.
 */
#ifndef FLOTILLA_BROKER_STORE_MEMORY_READ_H
#define FLOTILLA_BROKER_STORE_MEMORY_READ_H

#include "broker/store/store.h"

struct retained_tree;

struct memory_read_request {
    /* Whether a value's time is over: then it is dropped, and not given. NULL: no value's is. */
    bool (*is_over)(struct store *store, struct message *m);
    struct mqtt_slice filter;
    store_retained_fn *each;
    store_retained_chunk_fn *chunk;
    store_done_fn *done;
    void *arg;
};

/* NULL when out of memory; else good until `done` was called, which may be before it returns. */
struct store_retained_read *memory_read_start(struct store *store, struct retained_tree *tree,
                                              const struct memory_read_request *r);
void memory_read_continue(struct store_retained_read *read);
void memory_read_cancel(struct store_retained_read *read);

#endif
