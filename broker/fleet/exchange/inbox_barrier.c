/* A barrier is a token that this node sends to its own inbox and channel: when it comes out of both, everything
 * before it was read. */
#include "broker/fleet/exchange/inbox_barrier.h"

#include <stdlib.h>

#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_batch.h"
#include "broker/fleet/wire/fleet_bytes.h"

enum { BARRIER_MS = 1000 };

struct inbox_waiter {
    struct inbox_waiter *next;
    inbox_barrier_fn *fn;
    void *arg;
    uint64_t token, until_ms;
};

struct inbox_barriers {
    struct inbox_waiter *gathered, *waiting;
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
    w->next = f->barriers->gathered;
    f->barriers->gathered = w;
}

/* A marker in the stream comes, however far behind this node is; one on the channel may be lost. */
static bool is_met(const struct fleet *f, const struct inbox_waiter *w)
{
    const struct inbox_barriers *b = f->barriers;
    bool late = f->now_ms >= w->until_ms;
    return (w->token <= b->stream_token || (late && w->token <= b->unmarked)) &&
           (w->token <= b->channel_token || late);
}

static void release_waiters(struct fleet *f)
{
    struct inbox_barriers *b = f->barriers;
    struct inbox_waiter **at = &b->waiting;
    struct inbox_waiter *due = NULL;
    while (*at != NULL) {
        struct inbox_waiter *w = *at;
        if (is_met(f, w)) {
            *at = w->next;
            w->next = due;
            due = w;
        } else {
            at = &w->next;
        }
    }
    while (due != NULL) {
        struct inbox_waiter *w = due;
        due = w->next;
        w->fn(w->arg, true);
        free(w);
    }
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
    if (b->gathered == NULL)
        return;
    b->token++;
    while (b->gathered != NULL) {
        struct inbox_waiter *w = b->gathered;
        b->gathered = w->next;
        w->token = b->token;
        w->until_ms = f->now_ms + BARRIER_MS;
        w->next = b->waiting;
        b->waiting = w;
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
    if (f->barriers->waiting != NULL)
        release_waiters(f);
}

void inbox_barriers_reset(struct fleet *f)
{
    struct inbox_barriers *b = f->barriers;
    b->token++;
    b->stream_token = b->channel_token = b->token;
    while (b->gathered != NULL || b->waiting != NULL) {
        struct inbox_waiter **list = b->gathered != NULL ? &b->gathered : &b->waiting;
        struct inbox_waiter *w = *list;
        *list = w->next;
        w->fn(w->arg, false);
        free(w);
    }
}
