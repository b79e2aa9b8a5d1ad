/* Reads retained values, by exact name or by walking the sorted names of their buckets.
 *
 * A filter whose first level is literal has one bucket, and `#` or `+/...` has a few, which are walked
 * side by side. A round asks each of these walks for one thing: for the next names between the filter's
 * literal prefix and its end (native ZRANGEBYLEX: no script runs long), which are matched here; or for
 * the values of names that match, as many as are small. One that is large comes alone, and there is one
 * such value on its way to this node at a time: so whatever is retained, what Redis has to put together
 * at once has a bound in bytes. The core is asked after each round whether it wants more.
 *
 * Values go to the core only when this node has read everything that was sent to it before they
 * were read: so the core has every live message that is older. */
#include "broker/fleet/publish/fleet_retained_read.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "broker/fleet/exchange/inbox_barrier.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_clock.h"
#include "broker/fleet/publish/fleet_retained_expiry.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "broker/fleet/wire/fleet_piece.h"

/* Names are 64 kB at most: the first ones are few, then as many as fit by the size of those before. */
enum { NAMES_FIRST = 16, NAMES_MAX = 100 };

struct fleet_retained_reads {
    LIST_HEAD(, retained_read) list;
    bool large_under_way; /* one of them waits for a large value */
};

bool fleet_retained_reads_init(struct fleet *f)
{
    f->retained_reads = calloc(1, sizeof(*f->retained_reads));
    return f->retained_reads != NULL;
}

void fleet_retained_reads_free(struct fleet *f)
{
    free(f->retained_reads);
    f->retained_reads = NULL;
}

struct walk {
    struct retained_read *read;
    unsigned bucket;
    bool at_end; /* of the names */
    size_t names_at_once;
    struct fleet_bytes last;     /* the last name read; empty: begin at the prefix */
    struct fleet_bytes matching; /* names whose values are to be read; each a slice */
    size_t match_count;
    size_t match_at; /* the first of them, in `matching` */
    bool is_large;   /* its value */
};

enum { WALKS_MAX = FLEET_TOPIC_BUCKETS + 1 }; /* the last one for a name that stands alone */

struct retained_read {
    struct store_retained_read base; /* first */
    struct fleet *f;
    LIST_ENTRY(retained_read) link;
    store_retained_fn *each;
    store_retained_chunk_fn *chunk;
    store_done_fn *done;
    void *arg;
    struct walk walks[WALKS_MAX];
    size_t walk_count;
    unsigned under_way; /* commands not answered yet */
    enum store_status status;
    bool cancelled;
    bool waits;          /* for its turn to read a large value */
    uint32_t prefix_len; /* of the filter: what all names begin with */
    uint32_t filter_len;
    uint8_t filter[];
};

/* Values that were read and wait to be told. */
struct retained_values {
    struct walk *walk;
    unsigned waits;
    bool is_large;
    size_t count;
    struct message *messages[NAMES_MAX];
};

static struct mqtt_slice filter_of(const struct retained_read *rd)
{
    return (struct mqtt_slice){.data = rd->filter, .len = rd->filter_len};
}

static void read_free(struct retained_read *rd)
{
    for (size_t i = 0; i < rd->walk_count; i++) {
        fleet_bytes_fini(&rd->walks[i].last);
        fleet_bytes_fini(&rd->walks[i].matching);
    }
    LIST_REMOVE(rd, link);
    free(rd);
}

static bool all_at_end(const struct retained_read *rd)
{
    for (size_t i = 0; i < rd->walk_count; i++)
        if (!rd->walks[i].at_end || rd->walks[i].match_count > 0)
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

/* ---- values ---------------------------------------------------------------------------------- */

static void take_value(struct retained_values *v, const redisReply *value, uint64_t now_ms)
{
    if (value->type != REDIS_REPLY_STRING)
        return; /* cleared meanwhile */
    struct fleet_reader r = fleet_reader_of(value->str, value->len);
    bool remember;
    struct message *m = fleet_frame_get(&r, &remember);
    if (m == NULL)
        return;
    if (message_is_expired(m, now_ms)) {
        fleet_retained_expire(v->walk->read->f, v->walk->bucket);
        message_unref(m);
        return;
    }
    v->messages[v->count++] = m;
}

/* The second of the answers, or the barrier: both must be there. */
static void values_part_done(struct retained_values *v)
{
    struct retained_read *rd = v->walk->read;
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

/* The first `count` of the matching names are done with. */
static void drop_matching(struct walk *w, size_t count)
{
    struct fleet_reader r =
        fleet_reader_of(w->matching.data + w->match_at, w->matching.len - w->match_at);
    for (size_t i = 0; i < count && w->match_count > 0; i++, w->match_count--)
        fleet_reader_slice(&r);
    w->match_at = (size_t)(r.at - w->matching.data);
    if (w->match_count > 0)
        return;
    w->match_at = 0;
    fleet_bytes_reset(&w->matching, 0);
}

static void on_values(void *arg, const redisReply *r)
{
    struct retained_values *v = arg;
    struct walk *w = v->walk;
    uint64_t now_ms = fleet_clock_now_ms(w->read->f->clock);
    enum store_status status = fleet_reply_status(r);
    if (status != STORE_OK)
        w->read->status = status;
    for (size_t i = 0; status == STORE_OK && i < r->elements && i < NAMES_MAX; i++)
        take_value(v, r->element[i], now_ms);
    w->is_large = status == STORE_OK && r->elements == 0;
    if (status == STORE_OK)
        drop_matching(w, r->elements);
    if (v->is_large)
        w->read->f->retained_reads->large_under_way = false;
    values_part_done(v);
}

static void on_barrier(void *arg, bool ok)
{
    struct retained_values *v = arg;
    if (!ok)
        v->walk->read->status = STORE_UNAVAILABLE;
    values_part_done(v);
}

/* The barrier is sent with this turn's flush, so behind the command. */
static void ask_values(struct walk *w)
{
    struct retained_read *rd = w->read;
    struct fleet *f = rd->f;
    struct fleet_key key = fleet_key_topics(&f->keys, w->bucket);
    struct fleet_reader r =
        fleet_reader_of(w->matching.data + w->match_at, w->matching.len - w->match_at);
    size_t count = w->is_large ? 1 : w->match_count;
    struct retained_values *v = calloc(1, sizeof(*v));
    rd->under_way++;
    if (v == NULL) {
        rd->status = STORE_UNAVAILABLE;
        round_done(rd);
        return;
    }
    *v = (struct retained_values){.walk = w, .waits = 2, .is_large = w->is_large};
    f->retained_reads->large_under_way |= w->is_large;
    scripts_begin(&f->scripts, f->q, SCRIPT_VALUES, key.text, 1 + count);
    redis_queue_u64(f->q, w->is_large ? 0 : FLEET_PIECE_BYTES);
    for (size_t i = 0; i < count; i++) {
        struct mqtt_slice name = fleet_reader_slice(&r);
        redis_queue_arg(f->q, name.data, name.len);
    }
    redis_queue_end(f->q, REDIS_REPLAY, on_values, v);
    inbox_barrier(f, on_barrier, v);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void note_matching(struct walk *w, struct mqtt_slice name)
{
    fleet_bytes_slice(&w->matching, name);
    w->match_count++;
}

static void take_names(struct walk *w, const redisReply *r)
{
    struct retained_read *rd = w->read;
    const redisReply *last = NULL;
    size_t bytes = 0;
    w->at_end = r->elements < w->names_at_once;
    for (size_t i = 0; i < r->elements; i++) {
        struct mqtt_slice name = {.data = (const uint8_t *)r->element[i]->str,
                                  .len = (uint32_t)r->element[i]->len};
        last = r->element[i];
        bytes += name.len;
        if (mqtt_filter_matches(filter_of(rd), name))
            note_matching(w, name);
    }
    if (last == NULL)
        return;
    fleet_bytes_reset(&w->last, SIZE_MAX);
    fleet_bytes_put(&w->last, last->str, last->len);
    w->names_at_once = FLEET_PIECE_BYTES / (bytes / r->elements + 1) + 1;
    if (w->names_at_once > NAMES_MAX)
        w->names_at_once = NAMES_MAX;
    if (w->last.failed || w->matching.failed)
        rd->status = STORE_UNAVAILABLE;
}

static void on_names(void *arg, const redisReply *r)
{
    struct walk *w = arg;
    struct retained_read *rd = w->read;
    enum store_status status = fleet_reply_status(r);
    if (status != STORE_OK || r->type != REDIS_REPLY_ARRAY)
        rd->status = status != STORE_OK ? status : STORE_UNAVAILABLE;
    else if (!rd->cancelled)
        take_names(w, r);
    /* The values belong to the same round: the core waits for something to be told. */
    if (rd->status == STORE_OK && !rd->cancelled && w->match_count > 0)
        ask_values(w);
    round_done(rd);
}

/* Names from the last one read (or the prefix) on, that begin with the prefix. A topic is UTF-8, so
 * no name that begins with the prefix is above prefix + 0xff. */
static void ask_names(struct walk *w)
{
    struct retained_read *rd = w->read;
    struct redis_queue *q = rd->f->q;
    struct fleet_key key = fleet_key_topics(&rd->f->keys, w->bucket);
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
    char *to = redis_queue_room(q, rd->prefix_len + 2u);
    if (to != NULL) {
        to[0] = '(';
        memcpy(to + 1, rd->filter, rd->prefix_len);
        to[rd->prefix_len + 1] = (char)0xff;
    }
    redis_queue_str(q, "LIMIT");
    redis_queue_str(q, "0");
    redis_queue_u64(q, w->names_at_once);
    redis_queue_end(q, REDIS_REPLAY, on_names, w);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static void step(struct walk *w)
{
    if (w->match_count == 0 && !w->at_end)
        ask_names(w);
    else if (w->match_count > 0 && !(w->is_large && w->read->f->retained_reads->large_under_way))
        ask_values(w);
}

static void next_round(struct retained_read *rd)
{
    rd->waits = false;
    rd->under_way++; /* the round isn't over before it has begun */
    for (size_t i = 0; i < rd->walk_count; i++)
        step(&rd->walks[i]);
    rd->under_way--;
    rd->waits = rd->under_way == 0;
}

void fleet_retained_tick(struct fleet *f)
{
    struct retained_read *rd;
    LIST_FOREACH (rd, &f->retained_reads->list, link) {
        if (f->retained_reads->large_under_way)
            return;
        if (rd->waits)
            next_round(rd);
    }
}

static void add_walk(struct retained_read *rd, unsigned bucket)
{
    rd->walks[rd->walk_count++] =
        (struct walk){.read = rd, .bucket = bucket, .names_at_once = NAMES_FIRST};
}

/* A name that the prefix leaves out (`a` for `a/#`), or the whole filter. */
static void add_exact(struct retained_read *rd, uint32_t len)
{
    struct mqtt_slice name = {.data = rd->filter, .len = len};
    struct walk *w = &rd->walks[rd->walk_count];
    add_walk(rd, fleet_topic_bucket(name));
    w->at_end = true;
    note_matching(w, name);
    if (w->matching.failed)
        rd->status = STORE_UNAVAILABLE;
}

/* What of the filter is literal, and which buckets may have names that match. */
static void plan(struct retained_read *rd)
{
    struct mqtt_slice filter = filter_of(rd);
    uint32_t wild = 0;
    while (wild < filter.len && filter.data[wild] != '+' && filter.data[wild] != '#')
        wild++;
    if (wild == filter.len) {
        add_exact(rd, filter.len);
        return;
    }
    rd->prefix_len = wild;
    if (filter.data[wild] == '#' && wild > 0)
        add_exact(rd, wild - 1);
    for (unsigned bucket = 0; wild == 0 && bucket < FLEET_TOPIC_BUCKETS; bucket++)
        add_walk(rd, bucket);
    if (wild > 0)
        add_walk(rd, fleet_topic_bucket(filter));
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
    LIST_INSERT_HEAD(&f->retained_reads->list, rd, link);
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
void fleet_retained_reset(struct fleet *f)
{
    while (!LIST_EMPTY(&f->retained_reads->list)) {
        struct retained_read *rd = LIST_FIRST(&f->retained_reads->list);
        rd->done(rd->arg, STORE_UNAVAILABLE);
        read_free(rd);
    }
    f->retained_reads->large_under_way = false;
}
