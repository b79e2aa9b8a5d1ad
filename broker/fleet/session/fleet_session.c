/* Subscriptions: written into the session by its script, and said in the log when that has answered. */
#include "broker/fleet/session/fleet_session.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/hold/fleet_assert.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/log/route.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_behalf.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_options.h"

/* A subscribe or unsubscribe of a durable session whose script is under way. Its changes for the
 * log are kept until then: what the log says is in the session. */
struct session_op {
    struct fleet_hold *hold;
    bool subscribe;
    uint64_t epoch;
    uint64_t entry; /* of the log, which announces the routes */
    store_done_fn *done;
    void *arg;
    struct fleet_bytes changes; /* filter, options; each a slice */
    char client_id[];
};

static void append_changes(struct fleet *f, struct session_op *op)
{
    struct fleet_reader r = fleet_reader_of(op->changes.data, op->changes.len);
    struct fleet_session_ref session = {
        .client = {.data = (const uint8_t *)op->client_id, .len = (uint32_t)strlen(op->client_id)},
        .epoch = op->epoch};
    while (fleet_reader_more(&r)) {
        struct mqtt_slice filter = fleet_reader_slice(&r);
        if (op->subscribe)
            op->entry = fleet_append_subscribed(f, session, filter, fleet_reader_slice(&r));
        else
            op->entry = fleet_append_unsubscribed(f, session, filter);
    }
}

static void session_op_done(void *arg, enum store_status status)
{
    struct session_op *op = arg;
    if (!op->subscribe)
        op->hold->unsaid--;
    op->done(op->arg, status);
    fleet_hold_unref(op->hold);
    free(op);
}

static void on_session(void *arg, const redisReply *r)
{
    struct session_op *op = arg;
    struct fleet_hold *h = op->hold;
    struct fleet *f = h->fleet;
    enum store_status status = fleet_reply_status(r);
    if (status == STORE_OK && r->integer == 0) {
        status = STORE_FENCED;
        fleet_hold_fenced(h);
    }
    if (status == STORE_OK) {
        append_changes(f, op);
        fleet_bytes_fini(&op->changes);
        fleet_append_wait_for_others(f, op->entry, session_op_done, op);
    } else {
        fleet_bytes_fini(&op->changes);
        session_op_done(op, status);
    }
}

static struct session_op *session_op_new(struct store_hold *hold, bool subscribe,
                                         store_done_fn *done, void *arg)
{
    struct session_op *op = calloc(1, sizeof(*op) + hold->client_id_len + 1);
    if (op == NULL)
        return NULL;
    op->hold = hold->store_data;
    op->hold->refs++;
    op->subscribe = subscribe;
    op->epoch = hold->epoch;
    op->done = done;
    op->arg = arg;
    memcpy(op->client_id, hold->client_id, hold->client_id_len);
    return op;
}

void fleet_subscribe(struct fleet *f, struct store_hold *hold,
                     const struct store_subscription *subs, size_t count, store_done_fn *done,
                     void *arg)
{
    uint64_t entry = 0;
    if (hold->store_data == NULL) {
        fleet_defer(f, done, arg, STORE_UNAVAILABLE);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t number = route_want(f, subs[i].filter);
        if (number > entry)
            entry = number;
    }
    if (!hold->durable) {
        fleet_append_wait_for_others(f, entry, done, arg);
        return;
    }
    struct session_op *op = session_op_new(hold, true, done, arg);
    if (op == NULL) {
        fleet_defer(f, done, arg, STORE_UNAVAILABLE);
        return;
    }
    op->entry = entry;
    fleet_hold_assert_once(op->hold);
    fleet_session_script(f, hold, SCRIPT_SUBSCRIBE, 2 * count);
    for (size_t i = 0; i < count; i++) {
        struct fleet_options o = fleet_options_write(&subs[i]);
        redis_queue_arg(f->q, subs[i].filter.data, subs[i].filter.len);
        redis_queue_arg(f->q, o.bytes, o.len);
        fleet_bytes_slice(&op->changes, subs[i].filter);
        fleet_bytes_slice(&op->changes,
                          (struct mqtt_slice){.data = o.bytes, .len = (uint32_t)o.len});
    }
    redis_queue_end(f->q, REDIS_REPLAY, on_session, op);
}

void fleet_unsubscribe(struct fleet *f, struct store_hold *hold, const struct mqtt_slice *filters,
                       size_t count, store_done_fn *done, void *arg)
{
    if (!hold->durable || hold->store_data == NULL) {
        fleet_defer(f, done, arg, hold->store_data != NULL ? STORE_OK : STORE_UNAVAILABLE);
        return;
    }
    struct session_op *op = session_op_new(hold, false, done, arg);
    if (op == NULL) {
        fleet_defer(f, done, arg, STORE_UNAVAILABLE);
        return;
    }
    fleet_hold_assert_once(op->hold);
    fleet_session_script(f, hold, SCRIPT_UNSUBSCRIBE, 1 + count);
    redis_queue_str(f->q, op->hold->unsaid++ > 0 ? "1" : "0");
    for (size_t i = 0; i < count; i++) {
        redis_queue_arg(f->q, filters[i].data, filters[i].len);
        fleet_bytes_slice(&op->changes, filters[i]);
    }
    redis_queue_end(f->q, REDIS_REPLAY, on_session, op);
}
