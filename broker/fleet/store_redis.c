/* The redis store: the table of operations, each handed to the fleet's module that does it. */
#include "broker/fleet/connect/fleet_connect.h"
#include "broker/fleet/exchange/fleet_channel.h"
#include "broker/fleet/fleet_leave.h"
#include "broker/fleet/fleet_start.h"
#include "broker/fleet/fleet_turn.h"
#include "broker/fleet/group/fleet_group.h"
#include "broker/fleet/group/fleet_group_away.h"
#include "broker/fleet/group/fleet_group_members.h"
#include "broker/fleet/group/fleet_group_take.h"
#include "broker/fleet/log/route.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_clock.h"
#include "broker/fleet/publish/fleet_enqueue.h"
#include "broker/fleet/publish/fleet_publish.h"
#include "broker/fleet/publish/fleet_qos2.h"
#include "broker/fleet/publish/fleet_retained_read.h"
#include "broker/fleet/session/fleet_deliver.h"
#include "broker/fleet/session/fleet_disconnect.h"
#include "broker/fleet/session/fleet_session.h"
#include "broker/fleet/storage/fleet_totals.h"

static struct fleet *fleet_of(struct store *s)
{
    return (struct fleet *)s;
}

static void op_connect(struct store *s, const struct store_connect_request *req,
                       store_connect_fn *done, void *arg)
{
    fleet_connect(fleet_of(s), req, done, arg);
}

static void op_disconnect(struct store *s, struct store_hold *hold, bool publish_will,
                          uint32_t session_expiry_s, store_done_fn *done, void *arg)
{
    fleet_disconnect(fleet_of(s), hold, publish_will, session_expiry_s, done, arg);
}

static void op_subscribe(struct store *s, struct store_hold *hold,
                         const struct store_subscription *subs, size_t count, store_done_fn *done,
                         void *arg)
{
    fleet_subscribe(fleet_of(s), hold, subs, count, done, arg);
}

static void op_unsubscribe(struct store *s, struct store_hold *hold,
                           const struct mqtt_slice *filters, size_t count, store_done_fn *done,
                           void *arg)
{
    fleet_unsubscribe(fleet_of(s), hold, filters, count, done, arg);
}

static void op_interest_ended(struct store *s, struct mqtt_slice filter)
{
    route_unwant(fleet_of(s), filter);
}

static void op_publish(struct store *s, const struct store_publish_request *req,
                       store_done_fn *done, void *arg)
{
    fleet_publish(fleet_of(s), req, done, arg);
}

static void op_enqueue(struct store *s, struct message *m, const struct store_queue_target *target,
                       store_done_fn *done, void *arg)
{
    fleet_enqueue(fleet_of(s), m, target, done, arg);
}

static void op_qos2_end(struct store *s, struct store_hold *hold, uint16_t packet_id,
                        store_done_fn *done, void *arg)
{
    fleet_qos2_end(fleet_of(s), hold, packet_id, done, arg);
}

static void op_fetch(struct store *s, struct store_hold *hold, uint64_t from, size_t max,
                     size_t max_bytes, store_fetch_fn *done, void *arg)
{
    fleet_fetch(fleet_of(s), hold, from, max, max_bytes, done, arg);
}

static void op_ack(struct store *s, struct store_hold *hold, uint64_t sequence)
{
    fleet_ack(fleet_of(s), hold, 'a', sequence, NULL, NULL);
}

static void op_release(struct store *s, struct store_hold *hold, uint64_t sequence,
                       store_done_fn *done, void *arg)
{
    fleet_ack(fleet_of(s), hold, 'r', sequence, done, arg);
}

static void op_complete(struct store *s, struct store_hold *hold, uint64_t sequence)
{
    fleet_ack(fleet_of(s), hold, 'c', sequence, NULL, NULL);
}

static void op_share_join(struct store *s, const struct store_member *m)
{
    fleet_group_join(fleet_of(s), m);
}

static void op_share_leave(struct store *s, struct store_hold *hold, struct mqtt_slice filter,
                           enum store_leave why)
{
    fleet_group_leave(fleet_of(s), hold, filter, why);
}

static void op_share_take(struct store *s, const struct store_member *m, size_t max,
                          store_take_fn *done, void *arg)
{
    fleet_group_take(fleet_of(s), m, max, done, arg);
}

static void op_share_finish(struct store *s, struct store_hold *hold, struct store_taken *taken)
{
    (void)hold;
    fleet_group_finish(fleet_of(s), taken);
}

static void op_share_put_back(struct store *s, struct store_hold *hold, struct store_taken *taken)
{
    (void)hold;
    fleet_group_put_back(fleet_of(s), taken);
}

static void op_share_declare(struct store *s, struct mqtt_slice filter, uint64_t keep_ms)
{
    fleet_group_declare(fleet_of(s), filter, keep_ms);
}

/* The group's slot knows its members itself. */
static void op_share_ended(struct store *s, struct mqtt_slice filter)
{
    (void)s, (void)filter;
}

static void op_share_send(struct store *s, void *node, struct mqtt_slice filter, struct message *m,
                          bool tried)
{
    fleet_channel_add_shared(fleet_of(s), node, filter, m, tried);
}

static void op_share_members(struct store *s, struct mqtt_slice filter, uint32_t members,
                             uint8_t qos)
{
    route_members(fleet_of(s), filter, members, qos);
}

static struct store_retained_read *op_retained_start(struct store *s, struct mqtt_slice filter,
                                                     store_retained_fn *each,
                                                     store_retained_chunk_fn *chunk,
                                                     store_done_fn *done, void *arg)
{
    return fleet_retained_start(fleet_of(s), filter, each, chunk, done, arg);
}

static void op_totals(struct store *s, const uint64_t mine[STORE_TOTAL_COUNT],
                      store_totals_fn *done, void *arg)
{
    fleet_totals(fleet_of(s), mine, done, arg);
}

static const char *op_node(const struct store *s)
{
    return ((const struct fleet *)s)->hex;
}

static void op_input(struct store *s, struct timebox *box)
{
    fleet_input(fleet_of(s), box);
}

static void op_flush(struct store *s)
{
    fleet_flush(fleet_of(s));
}

static enum store_health op_health(const struct store *s)
{
    return fleet_health((const struct fleet *)s);
}

static const char *op_trouble(const struct store *s)
{
    return fleet_trouble((const struct fleet *)s);
}

static bool op_accepts(const struct store *s)
{
    return fleet_accepts((const struct fleet *)s);
}

static void op_shutdown(struct store *s, uint64_t deadline_ms, store_done_fn *done, void *arg)
{
    fleet_shutdown(fleet_of(s), deadline_ms, done, arg);
}

static void op_free(struct store *s)
{
    fleet_free(fleet_of(s));
}

static uint64_t op_now_ms(const struct store *s)
{
    return fleet_clock_now_ms(((const struct fleet *)s)->clock);
}

static const struct store_ops redis_ops = {
    .name = "redis",
    .untargeted_is_done = false,
    .connect = op_connect,
    .disconnect = op_disconnect,
    .subscribe = op_subscribe,
    .unsubscribe = op_unsubscribe,
    .interest_ended = op_interest_ended,
    .publish = op_publish,
    .enqueue = op_enqueue,
    .qos2_end = op_qos2_end,
    .fetch = op_fetch,
    .ack = op_ack,
    .release = op_release,
    .complete = op_complete,
    .share_join = op_share_join,
    .share_leave = op_share_leave,
    .share_take = op_share_take,
    .share_finish = op_share_finish,
    .share_put_back = op_share_put_back,
    .share_declare = op_share_declare,
    .share_ended = op_share_ended,
    .share_send = op_share_send,
    .share_members = op_share_members,
    .retained_start = op_retained_start,
    .retained_continue = fleet_retained_continue,
    .retained_cancel = fleet_retained_cancel,
    .totals = op_totals,
    .node = op_node,
    .input = op_input,
    .flush = op_flush,
    .now_ms = op_now_ms,
    .health = op_health,
    .trouble = op_trouble,
    .accepts = op_accepts,
    .shutdown = op_shutdown,
    .free = op_free,
};

struct store *store_redis_new(struct event_base *base, const struct store_redis_config *cfg,
                              const struct store_host *host, struct metrics *metrics, char *err,
                              size_t errlen)
{
    struct fleet *f = fleet_new(base, cfg, host, metrics, err, errlen);
    if (f == NULL)
        return NULL;
    f->store.ops = &redis_ops;
    f->store.checks_qos0 = cfg->consistency == CONSISTENCY_STRICT;
    return &f->store;
}
