/* A barrier is a token that this node sends to its own inbox and channel: when it comes out of both, everything
 * before it was read. */
#include "broker/fleet/exchange/inbox_barrier.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_batch.h"
#include "broker/fleet/wire/fleet_bytes.h"

enum { BARRIER_MS = 1000 };

struct inbox_waiter {
    LIST_ENTRY(inbox_waiter) link;
    inbox_barrier_fn *fn;
    void *arg;
    uint64_t token, until_ms;
};

LIST_HEAD(inbox_waiters, inbox_waiter);

struct inbox_barriers {
    struct inbox_waiters gathered, waiting;
    uint64_t token, stream_token, channel_token; /* barriers sent, and met */
    uint64_t unmarked;                           /* up to this one some may not be in the stream */
};

bool inbox_barriers_init(struct fleet *f)
{
    f->barriers = calloc(1, sizeof(*f->barriers));
    return f->barriers != NULL;
}

void inbox_barriers_free(struct fleet *f)
{
    free(f->barriers);
    f->barriers = NULL;
}

void inbox_barrier(struct fleet *f, inbox_barrier_fn *fn, void *arg)
{
    struct inbox_waiter *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        fn(arg, true);
        return;
    }
    w->fn = fn;
    w->arg = arg;
    LIST_INSERT_HEAD(&f->barriers->gathered, w, link);
}

/* A marker in the stream comes, however far behind this node is; one on the channel may be lost. */
static bool is_met(const struct fleet *f, const struct inbox_waiter *w)
{
    const struct inbox_barriers *b = f->barriers;
    bool late = f->now_ms >= w->until_ms;
    return (w->token <= b->stream_token || (late && w->token <= b->unmarked)) &&
           (w->token <= b->channel_token || late);
}

static void call(struct inbox_waiter *w, bool ok)
{
    LIST_REMOVE(w, link);
    w->fn(w->arg, ok);
    free(w);
}

static void release_waiters(struct fleet *f)
{
    struct inbox_waiters due = LIST_HEAD_INITIALIZER(due);
    struct inbox_waiter *next;
    for (struct inbox_waiter *w = LIST_FIRST(&f->barriers->waiting); w != NULL; w = next) {
        next = LIST_NEXT(w, link);
        if (!is_met(f, w))
            continue;
        LIST_REMOVE(w, link);
        LIST_INSERT_HEAD(&due, w, link);
    }
    while (!LIST_EMPTY(&due))
        call(LIST_FIRST(&due), true);
}

static void on_barrier_sent(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    if (r == NULL || r->type == REDIS_REPLY_ERROR) /* given up, say */
        f->barriers->unmarked = f->barriers->token;
    /* No inbox: Redis lost it, and with it whatever was in it. */
    if (r != NULL && r->type == REDIS_REPLY_NIL) {
        f->barriers->stream_token = f->barriers->token;
        release_waiters(f);
        fleet_reload(f, "the inbox is gone");
    }
}

void inbox_barriers_flush(struct fleet *f)
{
    struct inbox_barriers *b = f->barriers;
    struct fleet_key channel = fleet_key_channel(&f->keys, f->id);
    struct fleet_bytes batch = {0};
    if (LIST_EMPTY(&b->gathered))
        return;
    b->token++;
    while (!LIST_EMPTY(&b->gathered)) {
        struct inbox_waiter *w = LIST_FIRST(&b->gathered);
        w->token = b->token;
        w->until_ms = f->now_ms + BARRIER_MS;
        LIST_REMOVE(w, link);
        LIST_INSERT_HEAD(&b->waiting, w, link);
    }
    fleet_batch_begin(&batch, f->id, b->token);
    fleet_bytes_u8(&batch, ITEM_BARRIER);
    fleet_bytes_u64(&batch, b->token);
    outbox_write_small(f, f->id, &batch, on_barrier_sent, f);
    redis_queue_begin(f->q, 3);
    redis_queue_str(f->q, "PUBLISH");
    redis_queue_str(f->q, channel.text);
    redis_queue_arg(f->q, batch.data, batch.len);
    redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
    fleet_bytes_fini(&batch);
}

void inbox_barrier_met(struct fleet *f, uint64_t token, bool from_channel)
{
    uint64_t *met = from_channel ? &f->barriers->channel_token : &f->barriers->stream_token;
    if (token > *met)
        *met = token;
    release_waiters(f);
}

void inbox_barriers_tick(struct fleet *f)
{
    if (!LIST_EMPTY(&f->barriers->waiting))
        release_waiters(f);
}

void inbox_barriers_reset(struct fleet *f)
{
    struct inbox_barriers *b = f->barriers;
    b->token++;
    b->stream_token = b->channel_token = b->token;
    while (!LIST_EMPTY(&b->gathered) || !LIST_EMPTY(&b->waiting))
        call(LIST_FIRST(LIST_EMPTY(&b->gathered) ? &b->waiting : &b->gathered), false);
}
