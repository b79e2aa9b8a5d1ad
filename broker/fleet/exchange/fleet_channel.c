/* QoS 0 between nodes: one batch per turn and node, by PUBLISH to the node's channel. At most once:
 * what can't be sent now is dropped and counted. */
#include "broker/fleet/exchange/fleet_channel.h"

#include <event2/event.h>
#include <stdlib.h>

#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_batch.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "common/base/clock.h"

enum {
    BATCH_GAP_US = 250,
    BATCH_BYTES = 256 * 1024,
    KEEP_BYTES = 1 << 20,
    PENDING_MAX = 32 << 20,
    PING_MS = 3000,
    ANSWERED_EVERY_MS = 500
};

struct fleet_channel {
    uint64_t ping_next_ms;
    uint64_t answered_ms; /* when a PUBLISH was sent that is answered */
};

bool fleet_channel_init(struct fleet *f)
{
    f->channel_state = calloc(1, sizeof(*f->channel_state));
    return f->channel_state != NULL;
}

void fleet_channel_free(struct fleet *f)
{
    free(f->channel_state);
    f->channel_state = NULL;
}

static void on_subscribed(void *arg, const redisReply *r)
{
    (void)arg, (void)r;
}

bool fleet_channel_greeted(struct fleet *f)
{
    struct redis_queue *q = redis_link_queue(f->channel);
    struct fleet_key key = fleet_key_channel(&f->keys, f->id);
    redis_queue_begin(q, 2);
    redis_queue_str(q, "SUBSCRIBE");
    redis_queue_str(q, key.text);
    redis_queue_end(q, REDIS_VOLATILE, on_subscribed, f);
    return true;
}

/* The answers to PUBLISH aren't needed, except one now and then, by which a silent server is
 * noticed. */
static enum redis_command_flags begin_publish(struct fleet *f)
{
    if (f->now_ms - f->channel_state->answered_ms < ANSWERED_EVERY_MS)
        return redis_queue_begin_silent(f->q, 3);
    f->channel_state->answered_ms = f->now_ms;
    redis_queue_begin(f->q, 3);
    return REDIS_VOLATILE;
}

static void send_batch(struct fleet *f, struct route_node *n)
{
    if (fleet_is_unsure(f) && redis_link_is_up(f->commands) && n->bulk.len < BATCH_BYTES)
        return; /* a moment's doubt: kept until it is over, or there is too much */
    if (!fleet_can_act(f) || redis_queue_bytes(f->q) > PENDING_MAX || n->bulk.failed) {
        metric_add(f->metrics.bulk_dropped, n->bulk_count);
    } else {
        struct fleet_key key = fleet_key_channel(&f->keys, n->id);
        enum redis_command_flags flags = begin_publish(f);
        redis_queue_str(f->q, "PUBLISH");
        redis_queue_str(f->q, key.text);
        redis_queue_arg(f->q, n->bulk.data, n->bulk.len);
        redis_queue_end(f->q, flags, NULL, NULL);
        metric_observe(f->metrics.batch, n->bulk_count);
    }
    fleet_bytes_reset(&n->bulk, KEEP_BYTES);
    n->bulk_count = 0;
}

void fleet_channel_add(struct fleet *f, struct route_node *n, const struct fleet_bytes *frame)
{
    if (n->bulk_count == 0)
        fleet_batch_begin(&n->bulk, f->id, 0);
    fleet_bytes_u8(&n->bulk, ITEM_MESSAGE);
    fleet_bytes_put(&n->bulk, frame->data, frame->len);
    n->bulk_count++;
    if (n->bulk.len >= BATCH_BYTES)
        send_batch(f, n);
}

void fleet_channel_add_shared(struct fleet *f, struct route_node *n, struct mqtt_slice filter,
                              const struct message *m, bool tried)
{
    if (n->bulk_count == 0)
        fleet_batch_begin(&n->bulk, f->id, 0);
    fleet_bytes_u8(&n->bulk, ITEM_SHARED);
    fleet_bytes_slice(&n->bulk, filter);
    fleet_bytes_u8(&n->bulk, tried);
    fleet_frame_put(&n->bulk, m, false);
    n->bulk_count++;
    if (n->bulk.len >= BATCH_BYTES)
        send_batch(f, n);
}

/* Many turns with one or two messages each would cost three processes one wake-up per batch. So
 * after a batch the next one gathers for a moment; one that comes alone goes at once, and so do all
 * when a retained value is to follow them. */
void fleet_channel_flush(struct fleet *f, bool now_all)
{
    static const struct timeval soon = {.tv_usec = 1000};
    uint64_t now = 0;
    for (struct route_node *n = f->nodes; n != NULL; n = n->hh.next) {
        if (n->bulk_count == 0)
            continue;
        if (now == 0)
            now = clock_monotonic_us();
        if (now_all || now - n->bulk_sent_us >= BATCH_GAP_US) {
            send_batch(f, n);
            n->bulk_sent_us = now;
        } else if (!event_pending(f->wake, EV_TIMEOUT, NULL)) {
            event_add(f->wake, &soon); /* unless another turn comes first */
        }
    }
}

/* A connection that only listens notices a dead server only by a ping. */
void fleet_channel_tick(struct fleet *f)
{
    struct redis_queue *q = redis_link_queue(f->channel);
    if (f->now_ms < f->channel_state->ping_next_ms || !redis_link_is_up(f->channel))
        return;
    f->channel_state->ping_next_ms = f->now_ms + PING_MS;
    redis_queue_begin(q, 1);
    redis_queue_str(q, "PING");
    redis_queue_end(q, REDIS_VOLATILE, NULL, NULL);
}
