/* A list of chunks, of which the last one is being filled. */
#include "broker/fleet/exchange/outbox_chunk.h"

#include <stdlib.h>

#include "broker/fleet/exchange/fleet_parts.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_batch.h"

enum { CHUNK_BYTES = 256 * 1024 };

void outbox_chunk_free(struct outbox_chunk *c)
{
    fleet_bytes_fini(&c->items);
    fleet_bytes_fini(&c->wakes);
    free(c->publishes);
    free(c);
}

void outbox_init(struct outbox *o)
{
    TAILQ_INIT(&o->chunks);
}

struct outbox_chunk *outbox_open_chunk(struct fleet *f, struct outbox *o, uint64_t node)
{
    struct outbox_chunk *c = TAILQ_LAST(&o->chunks, outbox_chunks);
    if (c != NULL && c->items.len < CHUNK_BYTES && !c->items.failed)
        return c;
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->node = node;
    fleet_batch_begin(&c->items, f->id, 0); /* numbered when it is sent */
    TAILQ_INSERT_TAIL(&o->chunks, c, next);
    return c;
}

bool outbox_chunk_note(struct outbox_chunk *c, struct fleet_parts *p)
{
    if (c->publish_count == c->publish_size) {
        size_t size = c->publish_size == 0 ? 16 : c->publish_size * 2;
        struct fleet_parts **list = realloc(c->publishes, size * sizeof(*list));
        if (list == NULL)
            return false;
        c->publishes = list;
        c->publish_size = size;
    }
    c->publishes[c->publish_count++] = p;
    return true;
}

void outbox_count(struct fleet *f, struct outbox *o, size_t bytes)
{
    f->outbox_bytes = f->outbox_bytes - o->bytes + bytes;
    o->bytes = bytes;
}

void outbox_take(struct fleet *f, struct outbox *o, struct outbox_chunks *out)
{
    TAILQ_CONCAT(out, &o->chunks, next);
    outbox_count(f, o, 0);
}

void outbox_drop(struct fleet *f, struct outbox *o)
{
    struct outbox_chunks chunks = TAILQ_HEAD_INITIALIZER(chunks);
    outbox_take(f, o, &chunks);
    fleet_bytes_fini(&o->requests);
    while (!TAILQ_EMPTY(&chunks)) {
        struct outbox_chunk *c = TAILQ_FIRST(&chunks);
        TAILQ_REMOVE(&chunks, c, next);
        for (size_t i = 0; i < c->publish_count; i++)
            fleet_parts_issued(c->publishes[i]);
        outbox_chunk_free(c);
    }
}
