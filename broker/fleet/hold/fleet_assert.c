/* Rule 9, of one session: what this node knows of it is written into Redis, whatever is there, unless somebody
 * newer has it. Another run of Redis may have an older one, or none. */
#include "broker/fleet/hold/fleet_assert.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/hold/fleet_acks.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_options.h"
#include "broker/fleet/wire/fleet_piece.h"
#include "common/log/log.h"

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
    fleet_acks_write(h); /* what is finished here must be so there */
    f->host.each_subscription(f->host.arg, store_hold_id(hold), note_subscription, a);
    if (f->host.each_unfinished != NULL)
        a->next = f->host.each_unfinished(f->host.arg, store_hold_id(hold), note_open, a);
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
        fleet_session_script(f, hold, SCRIPT_ASSERT_PART, 2 + 2 * count);
        redis_queue_str(f->q, done == 0 ? "1" : "0");
        done += count;
        redis_queue_str(f->q, done == a->count ? "1" : "0");
        r = write_subscriptions(f->q, r, count);
        redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
    }
}

/* Only a new connection is right again. The client did nothing wrong, so its will waits. */
static void end_connection(struct fleet *f, struct store_hold *hold)
{
    hold->will_grace_s = WILL_GRACE_S;
    f->host.hand_over(f->host.arg, store_hold_id(hold), hold->epoch, on_ended, NULL);
}

static void begin_run(struct fleet_hold *h)
{
    struct fleet *f = h->fleet;
    memcpy(h->run, f->run_tag, sizeof(h->run));
    if (h->fetch_later && h->hold != NULL)
        f->host.wake(f->host.arg, store_hold_id(h->hold));
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

static void retag(void *each_arg, void *arg, struct redis_args args)
{
    const struct fleet *f = each_arg;
    (void)arg;
    scripts_end_arg(args, 10, f->run_tag);
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
    h->asserted = f->holds->round;
    if (hold->durable)
        note_session(f, h, &a);
    if (a.subs.failed || a.open.failed) {
        fleet_bytes_fini(&a.subs);
        fleet_bytes_fini(&a.open);
        fleet_declared_dead(f); /* what Redis knows of this node would be wrong: it starts over */
        return;
    }
    fleet_session_script(f, hold, SCRIPT_ASSERT,
                         13 + a.open_count + (is_large(&a) ? 0 : 2 * a.count));
    redis_queue_str(f->q, f->hex);
    redis_queue_str(f->q, hold->durable ? "1" : "0");
    redis_queue_arg(f->q, h->will.data, h->will.len);
    redis_queue_u64(f->q, h->will_delay_s);
    fleet_hold_write_expiry(f->q, h->expiry_s);
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

void fleet_hold_assert_once(struct fleet_hold *h)
{
    /* Without store_data it is still connecting: its claim is made again. */
    if (h->asserted != h->fleet->holds->round && h->hold != NULL && h->hold->store_data != NULL)
        fleet_hold_assert(h);
}
