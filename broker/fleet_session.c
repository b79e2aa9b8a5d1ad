/* A connection's hold on its client id: subscriptions, and what has to be done for all holds (sweeps,
 * rule 9). fleet_connect.c makes holds, fleet_deliver.c reads queues, fleet_disconnect.c ends them. */
#include "broker/account.h"
#include "broker/fleet.h"
#include "broker/fleet_piece.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"

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

static void begin_session_script(struct fleet *f, struct store_hold *hold, enum script id,
                                 size_t args)
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
    begin_session_script(f, hold, SCRIPT_SUBSCRIBE, 2 * count);
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
    begin_session_script(f, hold, SCRIPT_UNSUBSCRIBE, 1 + count);
    redis_queue_str(f->q, op->hold->unsaid++ > 0 ? "1" : "0");
    for (size_t i = 0; i < count; i++) {
        redis_queue_arg(f->q, filters[i].data, filters[i].len);
        fleet_bytes_slice(&op->changes, filters[i]);
    }
    redis_queue_end(f->q, REDIS_REPLAY, on_session, op);
}

/* ---- all holds ------------------------------------------------------------------------------- */

enum { WILL_GRACE_S = 30 };

static void on_ended(void *arg, enum store_status status)
{
    (void)arg, (void)status;
}

struct assertion {
    struct fleet_bytes subs; /* filter, options; each a slice */
    size_t count;
    struct fleet_bytes open; /* sequences sent and not finished */
    size_t open_count;
    uint64_t next; /* to be read */
};

static void note_open(void *arg, uint64_t sequence)
{
    struct assertion *a = arg;

    fleet_bytes_u64(&a->open, sequence);
    a->open_count++;
}

static void note_subscription(void *arg, const struct store_subscription *sub)
{
    struct assertion *a = arg;
    struct fleet_options o = fleet_options_write(sub);

    fleet_bytes_slice(&a->subs, sub->filter);
    fleet_bytes_slice(&a->subs, (struct mqtt_slice){.data = o.bytes, .len = (uint32_t)o.len});
    a->count++;
}

static void note_session(struct fleet *f, struct fleet_hold *h, struct assertion *a)
{
    const struct store_hold *hold = h->hold;

    fleet_acks_flush_hold(f, h); /* what is finished here must be so there */
    f->host.each_subscription(f->host.arg, hold->client_id, hold->client_id_len, note_subscription,
                              a);
    if (f->host.each_unfinished != NULL)
        a->next = f->host.each_unfinished(f->host.arg, hold->client_id, hold->client_id_len,
                                          note_open, a);
}

/* Returns what is behind them. */
static struct fleet_reader write_subscriptions(struct redis_queue *q, struct fleet_reader r,
                                               size_t count)
{
    for (size_t i = 0; i < 2 * count; i++) {
        struct mqtt_slice part = fleet_reader_slice(&r);

        redis_queue_arg(q, part.data, part.len);
    }
    return r;
}

static bool is_large(const struct assertion *a)
{
    return a->count > FLEET_PIECE_FIELDS || a->subs.len > FLEET_PIECE_BYTES;
}

static void write_session(struct redis_queue *q, const struct assertion *a)
{
    struct fleet_reader r = fleet_reader_of(a->open.data, a->open.len);

    redis_queue_u64(q, a->next);
    redis_queue_u64(q, a->open_count);
    redis_queue_str(q, is_large(a) ? "1" : "0");
    while (fleet_reader_more(&r))
        redis_queue_u64(q, fleet_reader_u64(&r));
    if (!is_large(a))
        write_subscriptions(q, fleet_reader_of(a->subs.data, a->subs.len), a->count);
}

/* How many of those from here on make a piece. */
static size_t count_piece(struct fleet_reader from)
{
    struct fleet_piece piece = {0};

    while (fleet_reader_more(&from)) {
        size_t filter_len = fleet_reader_slice(&from).len;

        if (!fleet_piece_take(&piece, filter_len + fleet_reader_slice(&from).len))
            break;
    }
    return piece.fields;
}

/* Behind the assertion: subscriptions of a session that has many. */
static void write_pieces(struct fleet *f, struct store_hold *hold, const struct assertion *a)
{
    struct fleet_reader r = fleet_reader_of(a->subs.data, a->subs.len);

    for (size_t done = 0; done < a->count;) {
        size_t count = count_piece(r);

        begin_session_script(f, hold, SCRIPT_ASSERT_PART, 2 + 2 * count);
        redis_queue_str(f->q, done == 0 ? "1" : "0");
        done += count;
        redis_queue_str(f->q, done == a->count ? "1" : "0");
        r = write_subscriptions(f->q, r, count);
        redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
    }
}

/* Another connection is right again. This one did nothing wrong, so its will waits. */
static void end_connection(struct fleet *f, struct store_hold *hold)
{
    hold->will_grace_s = WILL_GRACE_S;
    f->host.let_go(f->host.arg, hold->client_id, hold->client_id_len, hold->epoch, on_ended, NULL);
}

static void begin_run(struct fleet_hold *h)
{
    struct fleet *f = h->fleet;

    memcpy(h->run, f->run_tag, sizeof(h->run));
    if (h->fetch_later && h->hold != NULL)
        f->host.wake(f->host.arg, h->hold->client_id, h->hold->client_id_len);
    h->fetch_later = false;
}

/* Redis came back with an older queue, and more was queued since, under numbers that the connection
 * had before: only another connection reads them. Or Redis didn't take the assertion, so that the session
 * isn't there, and nothing would be read for it. */
static void cant_go_on(struct fleet_hold *h, const redisReply *r)
{
    if (r != NULL && r->type == REDIS_REPLY_INTEGER)
        LOG_LIMITED(LOG_LEVEL_WARN, "queue_is_older", KV_STR("client_id", h->hold->client_id));
    else
        LOG_LIMITED(LOG_LEVEL_WARN, "session_not_asserted", KV_STR("client_id", h->hold->client_id),
                    KV_STR("err", r != NULL ? r->str : "given up"));
    end_connection(h->fleet, h->hold);
}

static void on_asserted(void *arg, const redisReply *r)
{
    struct fleet_hold *h = arg;

    if (r != NULL && r->type == REDIS_REPLY_INTEGER && r->integer == 0)
        fleet_hold_fenced(h);
    else if (r != NULL && r->type == REDIS_REPLY_INTEGER && r->integer == 1)
        begin_run(h);
    else if (h->hold != NULL)
        cant_go_on(h, r);
    fleet_hold_unref(h);
}

/* EVALSHA sha 1 key · the tenth of the script's arguments: this run. */
static void retag(void *each_arg, void *arg, struct redis_args args)
{
    const struct fleet *f = each_arg;
    size_t len = 0;
    char *tag = NULL;

    (void)arg;
    for (size_t i = 0; i < 4 + 10; i++)
        tag = redis_args_next(&args, &len);
    if (tag != NULL && len == strlen(f->run_tag))
        memcpy(tag, f->run_tag, len);
}

void fleet_holds_run_changed(struct fleet *f)
{
    redis_queue_each(f->q, on_asserted, retag, f);
}

void fleet_hold_assert(struct fleet_hold *h)
{
    struct fleet *f = h->fleet;
    struct store_hold *hold = h->hold;
    struct assertion a = {0};

    if (hold->durable)
        note_session(f, h, &a);
    if (a.subs.failed || a.open.failed) {
        fleet_bytes_fini(&a.subs);
        fleet_bytes_fini(&a.open);
        fleet_is_dead(f); /* what Redis knows of this node would be wrong: begin anew */
        return;
    }
    begin_session_script(f, hold, SCRIPT_ASSERT,
                         13 + a.open_count + (is_large(&a) ? 0 : 2 * a.count));
    redis_queue_str(f->q, f->hex);
    redis_queue_str(f->q, hold->durable ? "1" : "0");
    redis_queue_arg(f->q, h->will.data, h->will.len);
    redis_queue_u64(f->q, h->will_delay_s);
    if (h->expiry_s == UINT32_MAX)
        redis_queue_str(f->q, "-1");
    else
        redis_queue_u64(f->q, h->expiry_s);
    fleet_hold_write_user(f->q, hold);
    redis_queue_u64(f->q, h->arrived.earliest);
    redis_queue_str(f->q, f->run_tag);
    redis_queue_str(f->q, h->run);
    redis_queue_u64(f->q, h->sent);
    write_session(f->q, &a);
    h->refs++;
    redis_queue_end(f->q, REDIS_REPLAY, on_asserted, h);
    if (is_large(&a))
        write_pieces(f, hold, &a);
    fleet_bytes_fini(&a.subs);
    fleet_bytes_fini(&a.open);
}

void fleet_holds_assert(struct fleet *f)
{
    for (struct fleet_hold *h = f->holds; h != NULL; h = h->next)
        if (h->hold->store_data != NULL) /* else it is still connecting */
            fleet_hold_assert(h);
}

static void retell_subscription(void *arg, const struct store_subscription *sub)
{
    const struct fleet_hold *h = arg;
    struct fleet_options o = fleet_options_write(sub);

    struct fleet_session_ref session = {
        .client = {.data = (const uint8_t *)h->hold->client_id, .len = h->hold->client_id_len},
        .epoch = h->hold->epoch};

    fleet_append_subscribed(h->fleet, session, sub->filter,
                            (struct mqtt_slice){.data = o.bytes, .len = (uint32_t)o.len});
}

void fleet_holds_retell(struct fleet *f)
{
    for (struct fleet_hold *h = f->holds; h != NULL; h = h->next)
        if (h->hold->store_data != NULL && h->hold->durable)
            f->host.each_subscription(f->host.arg, h->hold->client_id, h->hold->client_id_len,
                                      retell_subscription, h);
}

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
