/*
 * See the header.
 */
#include "broker/base/leftovers.h"

#include <stdlib.h>

#include "common/base/timebox.h"

enum {
    AT_ONCE = 256,  /* so few don't wait */
    AT_LEAST = 256, /* in a turn that is late already */
    RELEASE_US = 1, /* a message of a few kilobytes */
};

struct leftover {
    STAILQ_ENTRY(leftover) link;
    leftover_fn *release;
    void *queue;
    uint64_t bytes, each; /* that are left, and of one item on average */
};

void leftovers_init(struct leftovers *l)
{
    STAILQ_INIT(&l->list);
    l->bytes = 0;
}

void leftovers_add(struct leftovers *l, leftover_fn *release, void *queue, uint64_t items,
                   uint64_t bytes)
{
    struct leftover *o = items > AT_ONCE ? malloc(sizeof(*o)) : NULL;
    if (o == NULL) {
        while (release(queue))
            ;
        return;
    }
    *o = (struct leftover){
        .release = release, .queue = queue, .bytes = bytes, .each = bytes / items};
    l->bytes += bytes;
    STAILQ_INSERT_TAIL(&l->list, o, link);
}

/* One item of the oldest queue. */
static void release_one(struct leftovers *l)
{
    struct leftover *o = STAILQ_FIRST(&l->list);
    bool more = o->release(o->queue);
    uint64_t bytes = more && o->each < o->bytes ? o->each : o->bytes;
    o->bytes -= bytes;
    l->bytes -= bytes;
    if (more)
        return;
    STAILQ_REMOVE_HEAD(&l->list, link);
    free(o);
}

void leftovers_release(struct leftovers *l, struct timebox *box)
{
    for (unsigned i = 0; leftovers_wait(l) && (i < AT_LEAST || !timebox_is_over(box)); i++) {
        release_one(l);
        timebox_spend(box, RELEASE_US);
    }
}

void leftovers_fini(struct leftovers *l)
{
    while (leftovers_wait(l))
        release_one(l);
}
