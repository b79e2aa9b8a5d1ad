/*
 * See the header.
 */
#include "broker/leftovers.h"

#include <stdlib.h>

#include "broker/message.h"
#include "common/timebox.h"

enum {
    AT_ONCE = 256,  /* so few don't wait */
    AT_LEAST = 256, /* in a turn that is late already */
    RELEASE_US = 1, /* a message of a few kilobytes */
};

struct leftover {
    STAILQ_ENTRY(leftover) link;
    struct leftover_ring ring;
    uint64_t each; /* bytes of an item, on average */
};

void leftovers_init(struct leftovers *l)
{
    STAILQ_INIT(&l->list);
    l->bytes = 0;
}

static void release_one(struct leftover_ring *r)
{
    const uint8_t *item = (const uint8_t *)r->items + (r->from++ & r->mask) * r->stride;
    message_unref(*(struct message *const *)(const void *)item);
}

static void release_all(struct leftover_ring r)
{
    while (r.from < r.to)
        release_one(&r);
    account_free(r.kind, r.block);
}

void leftovers_add(struct leftovers *l, const struct leftover_ring *ring)
{
    uint64_t count = ring->to - ring->from;
    struct leftover *o = count > AT_ONCE ? malloc(sizeof(*o)) : NULL;
    if (o == NULL) {
        release_all(*ring);
        return;
    }
    *o = (struct leftover){.ring = *ring, .each = ring->bytes / count};
    l->bytes += o->each * count;
    STAILQ_INSERT_TAIL(&l->list, o, link);
}

static void end_first(struct leftovers *l)
{
    struct leftover *o = STAILQ_FIRST(&l->list);
    STAILQ_REMOVE_HEAD(&l->list, link);
    account_free(o->ring.kind, o->ring.block);
    free(o);
}

void leftovers_release(struct leftovers *l, struct timebox *box)
{
    unsigned released = 0;
    while (leftovers_wait(l) && (released < AT_LEAST || !timebox_is_over(box))) {
        struct leftover *o = STAILQ_FIRST(&l->list);
        release_one(&o->ring);
        l->bytes -= o->each;
        if (o->ring.from == o->ring.to)
            end_first(l);
        released++;
        timebox_spend(box, RELEASE_US);
    }
}

void leftovers_fini(struct leftovers *l)
{
    while (leftovers_wait(l)) {
        struct leftover *o = STAILQ_FIRST(&l->list);
        while (o->ring.from < o->ring.to)
            release_one(&o->ring);
        end_first(l);
    }
    l->bytes = 0;
}
