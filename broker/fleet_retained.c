/* Retained values in Redis: set by one script a bucket and turn, read by exact name or by walking
 * the sorted names.
 *
 * A bucket is chosen by the topic's first level. So a filter whose first level is literal has one
 * bucket, and `#` or `+/...` has a few, which are walked side by side. A round of a walk asks each
 * of these buckets for a chunk of names between the filter's literal prefix and its end (native
 * ZRANGEBYLEX: no script runs long), matches the names here, and asks for the values of those that
 * match only. Values are set behind the live messages of their turn, and are told only when this
 * node has read everything that was sent to it before they were read: so the core has seen every
 * live message that is older than they are. */
#include "broker/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"

enum { WALKS_MAX = FLEET_TOPIC_BUCKETS, NAMES_AT_ONCE = 100 };

/* ---- setting --------------------------------------------------------------------------------- */

/* Who sets a value. */
struct retain_for {
    struct fleet_publish *publish; /* waits for it; NULL: nobody does (QoS 0) */
    struct fleet_behalf behalf;
    bool remember; /* its id: it may come twice */
    uint8_t id[16];
};

struct retain_batch {
    struct fleet *f;
    struct fleet_bytes values; /* topic, frame (empty: clear); each a slice */
    size_t count, size;
    struct retain_for *values_for; /* of each value */
};

struct fleet_retaining {
    struct retain_batch *open[FLEET_TOPIC_BUCKETS];
    struct fleet_bytes frame;
    uint64_t sequence;
    bool any;
    struct retained_read *reads;
};

bool fleet_retaining_init(struct fleet *f)
{
    f->retaining = calloc(1, sizeof(*f->retaining));
    return f->retaining != NULL;
}

void fleet_retaining_free(struct fleet *f)
{
    if (f->retaining == NULL)
        return;
    fleet_bytes_fini(&f->retaining->frame);
    free(f->retaining);
    f->retaining = NULL;
}

static void batch_free(struct retain_batch *b)
{
    fleet_bytes_fini(&b->values);
    free(b->values_for);
    free(b);
}

static void fail_publishes(const struct retain_batch *b, enum store_status status)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->values_for[i].publish != NULL && status == STORE_FULL)
            fleet_publish_held(b->values_for[i].publish, 0, 0);
        else if (b->values_for[i].publish != NULL)
            fleet_publish_failed(b->values_for[i].publish, status);
}

static void issue_publishes(const struct retain_batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->values_for[i].publish != NULL)
            fleet_publish_issued(b->values_for[i].publish);
}

static void on_retained(void *arg, const redisReply *r)
{
    struct retain_batch *b = arg;
    enum store_status status = fleet_reply_status(r);

    if (status != STORE_OK)
        fail_publishes(b, status);
    batch_free(b);
}

/* EVALSHA sha 1 key · node, window · number, topic, frame, id a value. Number 0 is below every high water. */
static void void_values(void *each_arg, void *arg, struct redis_args args)
{
    const struct fleet *f = each_arg;
    const struct retain_batch *b = arg;
    size_t len;

    for (size_t i = 0; i < 6; i++)
        redis_args_next(&args, &len);
    for (size_t i = 0; i < b->count; i++) {
        char *number = redis_args_next(&args, &len);

        if (number != NULL && fleet_taken_has(f, b->values_for[i].behalf))
            memset(number, '0', len);
        for (size_t k = 0; k < 3; k++)
            redis_args_next(&args, &len);
    }
}

void fleet_retaining_void(struct fleet *f)
{
    redis_queue_each(f->q, on_retained, void_values, f);
}

static void write_batch(struct fleet *f, unsigned bucket, struct retain_batch *b)
{
    struct fleet_key key = fleet_key_topics(&f->keys, bucket);
    struct fleet_reader r = fleet_reader_of(b->values.data, b->values.len);

    scripts_begin(&f->scripts, f->q, SCRIPT_RETAIN, key.text, 2 + 4 * b->count);
    redis_queue_str(f->q, f->hex);
    redis_queue_u64(f->q, f->cfg.dedup_window_ms);
    for (size_t i = 0; i < b->count; i++) {
        struct mqtt_slice topic = fleet_reader_slice(&r);
        struct mqtt_slice frame = fleet_reader_slice(&r);

        redis_queue_u64(f->q, ++f->retaining->sequence);
        redis_queue_arg(f->q, topic.data, topic.len);
        redis_queue_arg(f->q, frame.data, frame.len);
        redis_queue_arg(f->q, b->values_for[i].id, b->values_for[i].remember ? 16 : 0);
    }
    redis_queue_end(f->q, REDIS_REPLAY, on_retained, b);
    fleet_bytes_fini(&b->values);
}

static void send_batch(struct fleet *f, unsigned bucket)
{
    struct retain_batch *b = f->retaining->open[bucket];

    f->retaining->open[bucket] = NULL;
    if (b->values.failed)
        fail_publishes(b, STORE_UNAVAILABLE);
    issue_publishes(b);
    if (b->values.failed)
        batch_free(b);
    else
        write_batch(f, bucket, b);
}

static bool note_value(struct retain_batch *b, const struct retain_for *value)
{
    if (b->count == b->size) {
        size_t size = b->size == 0 ? 16 : b->size * 2;
        struct retain_for *list = realloc(b->values_for, size * sizeof(*list));

        if (list == NULL)
            return false;
        b->values_for = list;
        b->size = size;
    }
    b->values_for[b->count++] = *value;
    if (value->publish != NULL)
        fleet_publish_gathered(value->publish);
    return true;
}

void fleet_retain(struct fleet *f, struct fleet_publish *p, struct fleet_behalf behalf,
                  const struct message *m, bool remember)
{
    struct retain_for value = {.publish = p, .behalf = behalf, .remember = remember};
    struct fleet_retaining *ret = f->retaining;
    unsigned bucket = fleet_topic_bucket(m->topic);
    struct retain_batch *b = ret->open[bucket];

    if (p == NULL && (!f->joined || !fleet_accepts(f))) {
        metric_add(f->metrics.bulk_dropped, 1);
        return;
    }
    if (b == NULL) {
        b = ret->open[bucket] = calloc(1, sizeof(*b));
        if (b != NULL)
            b->f = f;
    }
    fleet_id_write(value.id, m->id);
    if (b == NULL || !note_value(b, &value)) {
        if (p != NULL)
            fleet_publish_failed(p, STORE_UNAVAILABLE);
        return;
    }
    fleet_bytes_reset(&ret->frame, 1 << 20);
    if (m->payload.len > 0)
        fleet_frame_put(&ret->frame, m, false);
    fleet_bytes_slice(&b->values, m->topic);
    fleet_bytes_slice(&b->values, fleet_bytes_all(&ret->frame));
    b->values.failed |= ret->frame.failed;
    ret->any = true;
}

bool fleet_retaining_is_due(const struct fleet *f)
{
    return f->retaining->any;
}

void fleet_retaining_flush(struct fleet *f)
{
    if (!f->retaining->any)
        return;
    f->retaining->any = false;
    for (unsigned bucket = 0; bucket < FLEET_TOPIC_BUCKETS; bucket++)
        if (f->retaining->open[bucket] != NULL)
            send_batch(f, bucket);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The walk through one bucket's names. */
struct walk {
    struct retained_read *read;
    unsigned bucket;
    bool at_end;
    struct fleet_bytes last; /* the last name read; empty: begin at the prefix */
};

struct retained_read {
    struct store_retained_read base; /* first */
    struct fleet *f;
    struct retained_read *next, *prev;
    store_retained_fn *each;
    store_retained_chunk_fn *chunk;
    store_done_fn *done;
    void *arg;
    struct walk walks[WALKS_MAX];
    size_t walk_count;
    unsigned under_way; /* commands not answered yet */
    enum store_status status;
    bool cancelled, exact_asked;
    uint32_t prefix_len; /* of the filter: what all names begin with */
    uint32_t exact_len; /* a name that the prefix leaves out (`a` for `a/#`), or the whole filter */
    uint32_t filter_len;
    uint8_t filter[];
};

/* Values that were read and wait to be told. */
struct retained_values {
    struct retained_read *read;
    unsigned waits;
    size_t count;
    struct message *messages[NAMES_AT_ONCE];
};

static struct mqtt_slice filter_of(const struct retained_read *rd)
{
    return (struct mqtt_slice){.data = rd->filter, .len = rd->filter_len};
}

static void read_free(struct retained_read *rd)
{
    for (size_t i = 0; i < rd->walk_count; i++)
        fleet_bytes_fini(&rd->walks[i].last);
    if (rd->prev != NULL)
        rd->prev->next = rd->next;
    else
        rd->f->retaining->reads = rd->next;
    if (rd->next != NULL)
        rd->next->prev = rd->prev;
    free(rd);
}

static bool all_at_end(const struct retained_read *rd)
{
    for (size_t i = 0; i < rd->walk_count; i++)
        if (!rd->walks[i].at_end)
            return false;
    return true;
}

/* A round is over when nothing is under way any more. */
static void round_done(struct retained_read *rd)
{
    if (--rd->under_way > 0)
        return;
    if (rd->cancelled) {
        read_free(rd);
    } else if (rd->status != STORE_OK || all_at_end(rd)) {
        rd->done(rd->arg, rd->status);
        read_free(rd);
    } else {
        rd->chunk(rd->arg, &rd->base);
    }
}

static void take_value(struct retained_values *v, const redisReply *value)
{
    struct fleet_reader r;
    struct message *m;
    bool remember;

    if (value->type != REDIS_REPLY_STRING)
        return; /* cleared meanwhile */
    r = fleet_reader_of(value->str, value->len);
    m = fleet_frame_get(&r, &remember);
    if (m != NULL)
        v->messages[v->count++] = m;
}

/* The second of the answers, or the barrier: both must be there. */
static void values_part_done(struct retained_values *v)
{
    struct retained_read *rd = v->read;

    if (--v->waits > 0)
        return;
    for (size_t i = 0; i < v->count; i++) {
        if (!rd->cancelled && rd->status == STORE_OK)
            rd->each(rd->arg, v->messages[i]);
        message_unref(v->messages[i]);
    }
    free(v);
    round_done(rd);
}

static void on_values(void *arg, const redisReply *r)
{
    struct retained_values *v = arg;
    enum store_status status = fleet_reply_status(r);

    if (status != STORE_OK)
        v->read->status = status;
    for (size_t i = 0; status == STORE_OK && i < r->elements && i < NAMES_AT_ONCE; i++)
        take_value(v, r->element[i]);
    values_part_done(v);
}

static void on_barrier(void *arg, bool ok)
{
    struct retained_values *v = arg;

    if (!ok)
        v->read->status = STORE_UNAVAILABLE;
    values_part_done(v);
}

/* Behind the command for the values that was just written. The barrier is sent with this turn's
 * flush, so behind it. */
static struct retained_values *values_new(struct retained_read *rd)
{
    struct retained_values *v = calloc(1, sizeof(*v));

    if (v == NULL)
        return NULL;
    v->read = rd;
    v->waits = 2;
    rd->under_way++;
    return v;
}

/* Asks for the values of the names in `reply` that match. */
static void ask_values(struct walk *w, const redisReply *reply)
{
    struct retained_read *rd = w->read;
    struct fleet *f = rd->f;
    struct fleet_key key = fleet_key_topics(&f->keys, w->bucket);
    bool matches[NAMES_AT_ONCE] = {false};
    struct retained_values *v;
    size_t count = 0;

    for (size_t i = 0; i < reply->elements && i < NAMES_AT_ONCE; i++) {
        struct mqtt_slice name = {.data = (const uint8_t *)reply->element[i]->str,
                                  .len = (uint32_t)reply->element[i]->len};

        matches[i] = mqtt_filter_matches(filter_of(rd), name);
        count += matches[i] ? 1 : 0;
    }
    if (count == 0)
        return;
    v = values_new(rd);
    if (v == NULL) {
        rd->status = STORE_UNAVAILABLE;
        return;
    }
    redis_queue_begin(f->q, 2 + count);
    redis_queue_str(f->q, "HMGET");
    redis_queue_arg2(f->q, key.text, strlen(key.text), "v", 1);
    for (size_t i = 0; i < reply->elements && i < NAMES_AT_ONCE; i++)
        if (matches[i])
            redis_queue_arg(f->q, reply->element[i]->str, reply->element[i]->len);
    redis_queue_end(f->q, REDIS_REPLAY, on_values, v);
    inbox_barrier(f, on_barrier, v);
}

static void on_names(void *arg, const redisReply *r)
{
    struct walk *w = arg;
    struct retained_read *rd = w->read;
    enum store_status status = fleet_reply_status(r);

    if (status != STORE_OK || r->type != REDIS_REPLY_ARRAY) {
        rd->status = status != STORE_OK ? status : STORE_UNAVAILABLE;
    } else if (!rd->cancelled) {
        w->at_end = r->elements < NAMES_AT_ONCE;
        if (r->elements > 0) {
            const redisReply *last = r->element[r->elements - 1];

            fleet_bytes_reset(&w->last, SIZE_MAX);
            fleet_bytes_put(&w->last, last->str, last->len);
            if (w->last.failed)
                rd->status = STORE_UNAVAILABLE;
        }
        ask_values(w, r);
    }
    round_done(rd);
}

/* Names from the last one read (or the prefix) on, that begin with the prefix. A topic is UTF-8, so
 * no name that begins with the prefix is above prefix + 0xff. */
static void ask_names(struct walk *w)
{
    struct retained_read *rd = w->read;
    struct redis_queue *q = rd->f->q;
    struct fleet_key key = fleet_key_topics(&rd->f->keys, w->bucket);
    char *to;

    rd->under_way++;
    redis_queue_begin(q, 7);
    redis_queue_str(q, "ZRANGEBYLEX");
    redis_queue_arg2(q, key.text, strlen(key.text), "i", 1);
    if (w->last.len > 0)
        redis_queue_arg2(q, "(", 1, w->last.data, w->last.len);
    else if (rd->prefix_len > 0)
        redis_queue_arg2(q, "[", 1, rd->filter, rd->prefix_len);
    else
        redis_queue_str(q, "-");
    to = redis_queue_room(q, rd->prefix_len + 2u);
    if (to != NULL) {
        to[0] = '(';
        memcpy(to + 1, rd->filter, rd->prefix_len);
        to[rd->prefix_len + 1] = (char)0xff;
    }
    redis_queue_str(q, "LIMIT");
    redis_queue_str(q, "0");
    redis_queue_u64(q, NAMES_AT_ONCE);
    redis_queue_end(q, REDIS_REPLAY, on_names, w);
}

static void ask_exact(struct retained_read *rd)
{
    struct mqtt_slice name = {.data = rd->filter, .len = rd->exact_len};
    struct fleet_key key = fleet_key_topics(&rd->f->keys, fleet_topic_bucket(name));
    struct redis_queue *q = rd->f->q;
    struct retained_values *v = values_new(rd);

    if (v == NULL) {
        rd->status = STORE_UNAVAILABLE;
        return;
    }
    redis_queue_begin(q, 3);
    redis_queue_str(q, "HMGET");
    redis_queue_arg2(q, key.text, strlen(key.text), "v", 1);
    redis_queue_arg(q, name.data, name.len);
    redis_queue_end(q, REDIS_REPLAY, on_values, v);
    inbox_barrier(rd->f, on_barrier, v);
}

static void next_round(struct retained_read *rd)
{
    if (!rd->exact_asked && rd->exact_len > 0)
        ask_exact(rd);
    rd->exact_asked = true;
    for (size_t i = 0; i < rd->walk_count; i++)
        if (!rd->walks[i].at_end)
            ask_names(&rd->walks[i]);
}

/* What of the filter is literal, and which buckets may have names that match. */
static void plan(struct retained_read *rd)
{
    struct mqtt_slice filter = filter_of(rd);
    uint32_t wild = 0;

    while (wild < filter.len && filter.data[wild] != '+' && filter.data[wild] != '#')
        wild++;
    if (wild == filter.len) {
        rd->exact_len = filter.len;
        return;
    }
    rd->prefix_len = wild;
    if (filter.data[wild] == '#' && wild > 0)
        rd->exact_len = wild - 1;
    rd->walk_count = wild > 0 ? 1 : FLEET_TOPIC_BUCKETS;
    for (size_t i = 0; i < rd->walk_count; i++) {
        rd->walks[i].read = rd;
        rd->walks[i].bucket = wild > 0 ? fleet_topic_bucket(filter) : (unsigned)i;
    }
}

struct store_retained_read *fleet_retained_start(struct fleet *f, struct mqtt_slice filter,
                                                 store_retained_fn *each,
                                                 store_retained_chunk_fn *chunk,
                                                 store_done_fn *done, void *arg)
{
    struct retained_read *rd = calloc(1, sizeof(*rd) + filter.len);

    if (rd == NULL) {
        fleet_defer(f, done, arg, STORE_UNAVAILABLE);
        return NULL;
    }
    rd->base.store = &f->store;
    rd->f = f;
    rd->each = each;
    rd->chunk = chunk;
    rd->done = done;
    rd->arg = arg;
    rd->filter_len = filter.len;
    memcpy(rd->filter, filter.data, filter.len);
    rd->next = f->retaining->reads;
    if (rd->next != NULL)
        rd->next->prev = rd;
    f->retaining->reads = rd;
    plan(rd);
    next_round(rd);
    return &rd->base;
}

void fleet_retained_continue(struct store_retained_read *read)
{
    struct retained_read *rd = (struct retained_read *)read;

    if (rd->under_way == 0 && !rd->cancelled)
        next_round(rd);
}

void fleet_retained_cancel(struct store_retained_read *read)
{
    struct retained_read *rd = (struct retained_read *)read;

    rd->cancelled = true;
    if (rd->under_way == 0)
        read_free(rd);
}

/* Those that wait to be continued end here; what is under way was told by the link already. */
void fleet_retaining_reset(struct fleet *f)
{
    struct fleet_retaining *ret = f->retaining;

    if (ret == NULL)
        return;
    for (unsigned bucket = 0; bucket < FLEET_TOPIC_BUCKETS; bucket++) {
        struct retain_batch *b = ret->open[bucket];

        ret->open[bucket] = NULL;
        if (b != NULL) {
            fail_publishes(b, STORE_UNAVAILABLE);
            issue_publishes(b);
            batch_free(b);
        }
    }
    ret->any = false;
    while (ret->reads != NULL) {
        struct retained_read *rd = ret->reads;

        rd->done(rd->arg, STORE_UNAVAILABLE);
        read_free(rd);
    }
    ret->sequence = 0; /* of the next id's values */
}
