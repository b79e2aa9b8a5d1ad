/* A connection's hold on its client id: subscriptions, and sweeps. fleet_connect.c makes holds,
 * fleet_deliver.c reads queues, fleet_disconnect.c ends them. */
#include "broker/base/account.h"
#include "broker/fleet/node/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"

/* ---- holds ----------------------------------------------------------------------------------- */

struct fleet_hold *fleet_hold_new(struct fleet *f, struct store_hold *hold)
{
    struct fleet_hold *h = calloc(1, sizeof(*h));

    if (h == NULL)
        return NULL;
    h->fleet = f;
    h->hold = hold;
    h->refs = 1;
    h->bucket = fleet_client_bucket(&f->keys, hold->client_id, hold->client_id_len);
    h->behalf = fleet_behalf_of(f, hold->client_id, hold->client_id_len, 0);
    h->asserted = f->saying.round;
    h->next = f->holds;
    if (h->next != NULL)
        h->next->prev = h;
    f->holds = h;
    return h;
}

void fleet_hold_unref(struct fleet_hold *h)
{
    if (h == NULL || --h->refs > 0)
        return;
    fleet_bytes_fini(&h->acks);
    account_uncount(ACCOUNT_CLIENTS, h->will.data);
    fleet_bytes_fini(&h->will);
    free(h);
}

void fleet_hold_drop(struct fleet_hold *h)
{
    struct fleet *f = h->fleet;

    fleet_acks_flush_hold(f, h);
    if (f->sweep_at == h)
        f->sweep_at = h->next;
    if (f->saying.at == h)
        f->saying.at = h->next;
    if (h->prev != NULL)
        h->prev->next = h->next;
    else
        f->holds = h->next;
    if (h->next != NULL)
        h->next->prev = h->prev;
    h->next = h->prev = NULL;
    h->hold->store_data = NULL;
    h->hold = NULL;
    h->ended_ms = f->now_ms;
    fleet_hold_unref(h);
}

void fleet_holds_detach(struct fleet *f)
{
    while (f->holds != NULL)
        fleet_hold_drop(f->holds);
}

void fleet_hold_fenced(struct fleet_hold *h)
{
    struct fleet *f = h->fleet;
    struct store_hold *hold = h->hold;

    if (hold == NULL || hold->epoch == 0)
        return;
    if (hold->durable)
        fleet_resync(f, hold->client_id, hold->client_id_len);
    fleet_hold_drop(h); /* the core says nothing more about it */
    f->host.fenced(f->host.arg, hold);
}

void fleet_hold_write_user(struct redis_queue *q, const struct store_hold *hold)
{
    if (hold->any_user)
        redis_queue_str(q, "");
    else if (hold->user == NULL)
        redis_queue_str(q, "-");
    else
        redis_queue_arg2(q, "=", 1, hold->user, strlen(hold->user));
}

/* ---- subscriptions --------------------------------------------------------------------------- */

enum { OPTION_QOS = 0x03, OPTION_NO_LOCAL = 0x04, OPTION_AS_PUBLISHED = 0x08, OPTION_ID = 0x10 };

struct fleet_options fleet_options_write(const struct store_subscription *sub)
{
    struct fleet_options o = {.len = 1};

    o.bytes[0] = sub->qos & OPTION_QOS;
    o.bytes[0] |= sub->no_local ? OPTION_NO_LOCAL : 0;
    o.bytes[0] |= sub->retain_as_published ? OPTION_AS_PUBLISHED : 0;
    if (sub->subscription_id != 0) {
        o.bytes[0] |= OPTION_ID;
        for (int i = 0; i < 4; i++)
            o.bytes[o.len++] = (uint8_t)(sub->subscription_id >> (24 - 8 * i));
    }
    return o;
}

void fleet_options_read(const void *data, size_t len, struct store_subscription *sub)
{
    const uint8_t *at = data;

    if (len == 0)
        return;
    sub->qos = at[0] & OPTION_QOS;
    sub->no_local = (at[0] & OPTION_NO_LOCAL) != 0;
    sub->retain_as_published = (at[0] & OPTION_AS_PUBLISHED) != 0;
    if ((at[0] & OPTION_ID) != 0 && len >= 5)
        sub->subscription_id =
            (uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 8 | at[4];
}

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

void fleet_session_script(struct fleet *f, struct store_hold *hold, enum script id, size_t args)
{
    struct fleet_hold *h = hold->store_data;
    struct fleet_key key = fleet_key_clients(&f->keys, h->bucket);

    scripts_begin(&f->scripts, f->q, id, key.text, 2 + args);
    redis_queue_arg(f->q, hold->client_id, hold->client_id_len);
    redis_queue_u64(f->q, hold->epoch);
}

void fleet_subscribe(struct fleet *f, struct store_hold *hold,
                     const struct store_subscription *subs, size_t count, store_done_fn *done,
                     void *arg)
{
    struct session_op *op;
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
    op = session_op_new(hold, true, done, arg);
    if (op == NULL) {
        fleet_defer(f, done, arg, STORE_UNAVAILABLE);
        return;
    }
    op->entry = entry;
    fleet_say_hold(op->hold);
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
    struct session_op *op;

    if (!hold->durable || hold->store_data == NULL) {
        fleet_defer(f, done, arg, hold->store_data != NULL ? STORE_OK : STORE_UNAVAILABLE);
        return;
    }
    op = session_op_new(hold, false, done, arg);
    if (op == NULL) {
        fleet_defer(f, done, arg, STORE_UNAVAILABLE);
        return;
    }
    fleet_say_hold(op->hold);
    fleet_session_script(f, hold, SCRIPT_UNSUBSCRIBE, 1 + count);
    redis_queue_str(f->q, op->hold->unsaid++ > 0 ? "1" : "0");
    for (size_t i = 0; i < count; i++) {
        redis_queue_arg(f->q, filters[i].data, filters[i].len);
        fleet_bytes_slice(&op->changes, filters[i]);
    }
    redis_queue_end(f->q, REDIS_REPLAY, on_session, op);
}

/* ---- sweeps ---------------------------------------------------------------------------------- */

enum { SWEEP_MS = 30000, SWEEP_AT_ONCE = 200 };

void fleet_sweep_soon(struct fleet *f)
{
    f->sweep_at = f->holds;
}

void fleet_sweep_tick(struct fleet *f)
{
    if (f->now_ms >= f->sweep_next_ms) {
        f->sweep_next_ms = f->now_ms + SWEEP_MS;
        fleet_sweep_soon(f);
    }
    for (int i = 0; i < SWEEP_AT_ONCE && f->sweep_at != NULL; i++) {
        struct fleet_hold *h = f->sweep_at;

        f->sweep_at = h->next;
        if (h->hold->durable && h->hold->epoch != 0)
            f->host.wake(f->host.arg, h->hold->client_id, h->hold->client_id_len);
    }
}
