/*
 * Walks the tree of retained messages for one SUBSCRIBE. store_memory.c starts it;
 * retained_delivery.c takes the values and asks for the next chunk.
 */
#include "broker/store/memory_read.h"

#include <stdlib.h>

#include "broker/store/retained_tree.h"

/* A chunk ends also when many nodes were looked at that don't match. */
enum { CHUNK_MESSAGES = 256, CHUNK_BYTES = 256 * 1024, CHUNK_STEPS = 4000 };

struct memory_read {
    struct store_retained_read base; /* first member */
    struct retained_cursor cursor;
    struct memory_read_request request;
    bool running, cancelled;
};

static void free_read(struct memory_read *r)
{
    retained_cursor_fini(&r->cursor);
    free(r);
}

/* Gives one chunk. True when there was nothing more. */
static bool give_chunk(struct memory_read *r)
{
    size_t bytes = 0;
    uint32_t steps = CHUNK_STEPS;
    for (int i = 0; i < CHUNK_MESSAGES && bytes < CHUNK_BYTES && !r->cancelled; i++) {
        struct message *m = retained_cursor_next(&r->cursor, &steps);
        if (m == NULL)
            break;
        bytes += message_content_size(m);
        message_ref(m); /* `each` may change the tree */
        if (r->request.is_over == NULL || !r->request.is_over(r->base.store, m))
            r->request.each(r->request.arg, m);
        message_unref(m);
    }
    return retained_cursor_is_at_end(&r->cursor);
}

static void run_chunk(struct memory_read *r)
{
    const struct memory_read_request request = r->request;
    r->running = true;
    bool over = give_chunk(r);
    r->running = false;
    if (r->cancelled) {
        free_read(r);
    } else if (over) {
        free_read(r);
        request.done(request.arg, STORE_OK);
    } else {
        request.chunk(request.arg, &r->base);
    }
}

struct store_retained_read *memory_read_start(struct store *store, struct retained_tree *tree,
                                              const struct memory_read_request *request)
{
    struct memory_read *r = calloc(1, sizeof(*r));
    if (r == NULL || !retained_cursor_init(&r->cursor, tree, request->filter)) {
        free(r);
        return NULL;
    }
    struct store_retained_read *read = &r->base;
    read->store = store;
    r->request = *request;
    run_chunk(r);
    return read;
}

void memory_read_continue(struct store_retained_read *read)
{
    run_chunk((struct memory_read *)read);
}

void memory_read_cancel(struct store_retained_read *read)
{
    struct memory_read *r = (struct memory_read *)read;
    r->cancelled = true;
    if (!r->running)
        free_read(r);
}
