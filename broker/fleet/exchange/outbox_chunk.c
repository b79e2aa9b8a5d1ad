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
    free(c->publishes);
    free(c);
}

struct outbox_chunk *outbox_open_chunk(struct fleet *f, struct outbox *o, uint64_t node)
{
    struct outbox_chunk *c = o->tail;
    if (c != NULL && c->items.len < CHUNK_BYTES && !c->items.failed)
        return c;
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->node = node;
    fleet_batch_begin(&c->items, f->id, 0); /* numbered when it is sent */
    if (o->tail != NULL)
        o->tail->next = c;
    else
        o->head = c;
    o->tail = c;
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

struct outbox_chunk *outbox_take(struct fleet *f, struct outbox *o)
{
    struct outbox_chunk *c = o->head;
    o->head = o->tail = NULL;
    outbox_count(f, o, 0);
    return c;
}

void outbox_drop(struct fleet *f, struct outbox *o)
{
    struct outbox_chunk *c = outbox_take(f, o);
    fleet_bytes_fini(&o->requests);
    while (c != NULL) {
        struct outbox_chunk *next = c->next;
        for (size_t i = 0; i < c->publish_count; i++)
            fleet_parts_issued(c->publishes[i]);
        outbox_chunk_free(c);
        c = next;
    }
}
