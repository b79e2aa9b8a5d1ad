/* Two calls: one in the group's slot, which gives messages out, and for a durable member one in its
 * session's, which copies them. */
#include "broker/fleet/group/fleet_group_take.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/group/fleet_group.h"
#include "broker/fleet/group/fleet_group_away.h"
#include "broker/fleet/group/fleet_group_done.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_clock.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "common/log/log.h"

enum { TAKE_MAX = 64, FLAG_RETAIN = 0x04, FLAG_IDS = 0x10, NOTE_MAX = 64 };

struct store_taken {
    uint32_t filter_len, number_len, note_len;
    char bytes[];
};

/* One call's. */
struct take_op {
    struct fleet *f;
    struct subscription_options options;
    bool durable;
    uint64_t epoch;
    store_take_fn *done;
    void *arg;
    enum store_more more;
    const struct store_hold *reader; /* while an answer is read; NULL: the connection has gone */
    struct store_share_entry entries[TAKE_MAX];
    size_t count;
    struct fleet_bytes copies; /* reference, entry, expiry; each a slice */
    size_t copy_count;
    uint32_t filter_len, client_len;
    char bytes[]; /* filter, client */
};

static struct mqtt_slice filter_of(const struct take_op *op)
{
    return mqtt_slice_of(op->bytes, op->filter_len);
}

static struct mqtt_slice client_of(const struct take_op *op)
{
    return mqtt_slice_of(op->bytes + op->filter_len, op->client_len);
}

static void op_free(struct take_op *op)
{
    fleet_bytes_fini(&op->copies);
    free(op);
}

/* Entries that were answered are the core's now. */
static void answer(struct take_op *op, enum store_status status)
{
    op->done(op->arg, status, op->entries, op->count, op->more);
    for (size_t i = 0; i < op->count; i++)
        message_unref(op->entries[i].message);
    op_free(op);
}

/* ---- what is noted at a message that is taken ------------------------------------------------- */

/* Before the QoS at which the member gets it, and behind it: group_take.lua. */
static void note_before(const struct take_op *op, char *out, size_t size)
{
    if (op->durable)
        snprintf(out, size, "d");
    else
        snprintf(out, size, "c%llu %s ", (unsigned long long)op->epoch, op->f->hex);
}

static void note_behind(const struct take_op *op, char *out, size_t size)
{
    if (op->durable)
        snprintf(out, size, " %llu %s ", (unsigned long long)op->epoch, op->f->hex);
    else
        snprintf(out, size, " ");
}

static void put_note(struct fleet_bytes *b, const struct take_op *op, uint8_t qos)
{
    char text[NOTE_MAX];
    note_before(op, text, sizeof(text));
    fleet_bytes_put(b, text, strlen(text));
    fleet_bytes_u8(b, (uint8_t)('0' + qos));
    note_behind(op, text, sizeof(text));
    fleet_bytes_put(b, text, strlen(text));
    struct mqtt_slice client = client_of(op);
    fleet_bytes_put(b, client.data, client.len);
}

/* Group, number and note, with a NUL between them. */
static void put_reference(struct fleet_bytes *b, const struct take_op *op, const redisReply *number,
                          uint8_t qos)
{
    struct mqtt_slice filter = filter_of(op);
    fleet_bytes_put(b, filter.data, filter.len);
    fleet_bytes_u8(b, 0);
    fleet_bytes_put(b, number->str, number->len);
    fleet_bytes_u8(b, 0);
    put_note(b, op, qos);
}

/* ---- taken ----------------------------------------------------------------------------------- */

static struct store_taken *taken_new(struct take_op *op, const redisReply *number, uint8_t qos)
{
    struct fleet_bytes ref = {0};
    put_reference(&ref, op, number, qos);
    struct store_taken *t = !ref.failed ? malloc(sizeof(*t) + ref.len) : NULL;
    if (t != NULL) {
        t->filter_len = op->filter_len;
        t->number_len = (uint32_t)number->len;
        t->note_len = (uint32_t)(ref.len - op->filter_len - number->len - 2);
        memcpy(t->bytes, ref.data, ref.len);
    }
    fleet_bytes_fini(&ref);
    return t;
}

static void give_up(struct fleet *f, enum group_done what, struct store_taken *t)
{
    const char *number = t->bytes + t->filter_len + 1;
    fleet_group_done(f, what, mqtt_slice_of(t->bytes, t->filter_len),
                     mqtt_slice_of(number, t->number_len),
                     mqtt_slice_of(number + t->number_len + 1, t->note_len));
    free(t);
}

void fleet_group_finish(struct fleet *f, struct store_taken *taken)
{
    give_up(f, GROUP_FINISHED, taken);
}

void fleet_group_put_back(struct fleet *f, struct store_taken *taken)
{
    give_up(f, GROUP_BACK, taken);
}

/* ---- copies ---------------------------------------------------------------------------------- */

/* The session isn't this connection's any more. It was, perhaps, when the call was done first and its
 * answer was lost. */
static void ask_for_copies(struct take_op *op)
{
    struct fleet_reader copies = fleet_reader_of(op->copies.data, op->copies.len);
    struct fleet_bytes refs = {0};
    for (size_t i = 0; i < op->copy_count; i++) {
        fleet_bytes_slice(&refs, fleet_reader_slice(&copies));
        fleet_reader_slice(&copies);
        fleet_reader_slice(&copies);
    }
    if (!refs.failed)
        fleet_group_ask_session(op->f, filter_of(op), client_of(op), fleet_bytes_all(&refs),
                                op->copy_count);
    fleet_bytes_fini(&refs);
}

/* What was copied before, and is gone, was acknowledged. */
static void finish_acknowledged(struct take_op *op, const redisReply *r)
{
    struct fleet_reader copies = fleet_reader_of(op->copies.data, op->copies.len);
    for (size_t i = 0; i < op->copy_count && i < r->elements; i++) {
        struct mqtt_slice ref = fleet_reader_slice(&copies);
        fleet_reader_slice(&copies);
        fleet_reader_slice(&copies);
        if (r->element[i]->integer == 2)
            fleet_group_done_ref(op->f, GROUP_FINISHED, ref);
    }
}

static void on_copied(void *arg, const redisReply *r)
{
    struct take_op *op = arg;
    struct fleet *f = op->f;
    enum store_status status = fleet_reply_status(r);
    if (status == STORE_OK && r->type == REDIS_REPLY_ARRAY && r->elements > 0) {
        finish_acknowledged(op, r);
        f->host.wake(f->host.arg, client_of(op));
    } else if (r != NULL) {
        ask_for_copies(op);
    }
    answer(op, status);
}

/* As an entry of a session's queue (fleet_queue.c): flags, identifiers, frame. */
static void put_entry(struct fleet_bytes *b, const struct take_op *op, const struct message *m,
                      uint8_t qos, struct mqtt_slice frame)
{
    struct fleet_bytes head = {0};
    uint8_t flags = qos;
    flags |= m->retain && op->options.retain_as_published ? FLAG_RETAIN : 0;
    flags |= op->options.subscription_id != 0 ? FLAG_IDS : 0;
    fleet_bytes_u8(&head, flags);
    if (op->options.subscription_id != 0) {
        fleet_bytes_varint(&head, 1);
        fleet_bytes_varint(&head, op->options.subscription_id);
    }
    fleet_bytes_varint(b, head.len + frame.len);
    fleet_bytes_put(b, head.data, head.len);
    fleet_bytes_put(b, frame.data, frame.len);
    b->failed |= head.failed;
    fleet_bytes_fini(&head);
}

static void put_expiry(struct fleet_bytes *b, const struct message *m)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)m->expires_at_ms);
    fleet_bytes_slice(b, mqtt_slice_of(text, strlen(text)));
}

static void add_copy(struct take_op *op, const redisReply *number, const struct message *m,
                     uint8_t qos, struct mqtt_slice frame)
{
    struct fleet_bytes ref = {0};
    put_reference(&ref, op, number, qos);
    fleet_bytes_slice(&op->copies, fleet_bytes_all(&ref));
    put_entry(&op->copies, op, m, qos, frame);
    put_expiry(&op->copies, m);
    op->copies.failed |= ref.failed;
    op->copy_count++;
    fleet_bytes_fini(&ref);
}

static void write_copies(struct take_op *op)
{
    struct fleet *f = op->f;
    struct mqtt_slice client = client_of(op);
    unsigned bucket = fleet_client_bucket(&f->keys, client);
    struct fleet_key key = fleet_key_clients(&f->keys, bucket);
    struct fleet_reader r = fleet_reader_of(op->copies.data, op->copies.len);
    scripts_begin(&f->scripts, f->q, SCRIPT_GROUP_COPY, key.text, 5 + 3 * op->copy_count);
    redis_queue_arg(f->q, client.data, client.len);
    redis_queue_u64(f->q, op->epoch);
    redis_queue_str(f->q, f->hex);
    redis_queue_str(f->q, f->run_tag);
    redis_queue_u64(f->q, f->cfg.dedup_window_ms);
    for (size_t i = 0; i < 3 * op->copy_count; i++) {
        struct mqtt_slice part = fleet_reader_slice(&r);
        redis_queue_arg(f->q, part.data, part.len);
    }
    redis_queue_end(f->q, REDIS_REPLAY, on_copied, op);
}

/* ---- the answer ------------------------------------------------------------------------------ */

static bool is_over(const struct fleet *f, const struct message *m)
{
    if (m->expires_at_ms == 0 || !message_is_expired(m, fleet_clock_now_ms(f->clock)))
        return false;
    metric_add(f->metrics.expired, 1);
    return true;
}

/* Another one gets it, if there is one that may. */
static bool may_read(const struct take_op *op, const struct message *m)
{
    const struct store_host *host = &op->f->host;
    return op->reader == NULL || host->share_reader == NULL ||
           host->share_reader(host->arg, op->reader, filter_of(op), m->topic) == STORE_READER_IT;
}

static void deny(struct take_op *op, const redisReply *number, uint8_t qos)
{
    struct store_taken *t = taken_new(op, number, qos);
    if (t != NULL)
        give_up(op->f, GROUP_DENIED, t);
}

static void finish_now(struct take_op *op, const redisReply *number, uint8_t qos)
{
    struct store_taken *t = taken_new(op, number, qos);
    if (t != NULL)
        fleet_group_finish(op->f, t);
}

/* To be sent from here. */
static void add_entry(struct take_op *op, const redisReply *number, struct message *m, uint8_t qos)
{
    struct store_taken *t = taken_new(op, number, qos);
    if (t == NULL)
        return; /* its member's end gives it to another one */
    if (qos == 0)
        fleet_group_finish(op->f, t);
    op->entries[op->count++] = (struct store_share_entry){
        .taken = qos > 0 ? t : NULL, .message = message_ref(m), .qos = qos};
}

/* number; its time, a blank, its frame */
static void take_entry(struct take_op *op, const redisReply *number, const redisReply *entry)
{
    const char *blank = memchr(entry->str, ' ', entry->len);
    bool remember;
    if (blank == NULL)
        return;
    struct mqtt_slice frame =
        mqtt_slice_of(blank + 1, entry->len - (size_t)(blank + 1 - entry->str));
    struct fleet_reader r = fleet_reader_of(frame.data, frame.len);
    struct message *m = fleet_frame_get(&r, &remember);
    if (m == NULL) {
        LOG_LIMITED(LOG_LEVEL_ERROR, "share_entry_malformed", KV_STR("number", number->str));
        return;
    }
    uint8_t qos = m->qos < op->options.qos ? m->qos : op->options.qos;
    if (is_over(op->f, m))
        finish_now(op, number, qos);
    else if (!may_read(op, m))
        deny(op, number, qos);
    else if (op->durable && qos > 0)
        add_copy(op, number, m, qos, frame);
    else
        add_entry(op, number, m, qos);
    message_unref(m);
}

/* Its connection, if that is still the one that took. */
static const struct store_hold *reader_of(const struct take_op *op)
{
    const struct store_host *host = &op->f->host;
    const struct store_hold *hold = host->hold_of(host->arg, client_of(op));
    return hold != NULL && hold->epoch == op->epoch ? hold : NULL;
}

static void on_taken(void *arg, const redisReply *r)
{
    struct take_op *op = arg;
    enum store_status status = fleet_reply_status(r);
    if (status == STORE_OK && r->type == REDIS_REPLY_ARRAY && r->elements >= 2) {
        static const enum store_more words[] = {STORE_MORE_NONE, STORE_MORE, STORE_MORE_OTHERS};
        op->more = words[r->element[1]->integer % 3];
        op->reader = r->elements > 2 ? reader_of(op) : NULL;
        for (size_t i = 2; i + 1 < r->elements && i / 2 <= TAKE_MAX; i += 2)
            take_entry(op, r->element[i], r->element[i + 1]);
    }
    if (op->copy_count > 0 && !op->copies.failed)
        write_copies(op);
    else
        answer(op, status);
}

static void on_unavailable(void *arg, enum store_status status)
{
    answer(arg, status);
}

static struct take_op *op_new(struct fleet *f, const struct store_member *m)
{
    struct mqtt_slice client = store_hold_id(m->hold);
    struct take_op *op = malloc(sizeof(*op) + m->filter.len + client.len);
    if (op == NULL)
        return NULL;
    memset(op, 0, sizeof(*op));
    op->f = f;
    op->options = m->options;
    op->durable = m->hold->durable;
    op->epoch = m->hold->epoch;
    op->filter_len = m->filter.len;
    op->client_len = client.len;
    memcpy(op->bytes, m->filter.data, m->filter.len);
    memcpy(op->bytes + m->filter.len, client.data, client.len);
    return op;
}

void fleet_group_take(struct fleet *f, const struct store_member *m, size_t max,
                      store_take_fn *done, void *arg)
{
    struct take_op *op = op_new(f, m);
    char note[NOTE_MAX];
    if (op == NULL) {
        done(arg, STORE_UNAVAILABLE, NULL, 0, STORE_MORE_NONE);
        return;
    }
    op->done = done;
    op->arg = arg;
    if (m->hold->store_data == NULL || f->state == FLEET_LEFT) {
        fleet_defer(f, on_unavailable, op, STORE_UNAVAILABLE);
        return;
    }
    struct mqtt_slice client = client_of(op);
    fleet_group_dones_flush(f); /* what is put back waits again */
    fleet_group_script(f, SCRIPT_GROUP_TAKE, filter_of(op), 9);
    redis_queue_arg(f->q, client.data, client.len);
    redis_queue_u64(f->q, op->epoch);
    redis_queue_str(f->q, f->hex);
    redis_queue_u64(f->q, f->calls++);
    redis_queue_u64(f->q, max < TAKE_MAX ? max : TAKE_MAX);
    redis_queue_u64(f->q, op->options.qos);
    note_before(op, note, sizeof(note));
    redis_queue_str(f->q, note);
    note_behind(op, note, sizeof(note));
    redis_queue_arg2(f->q, note, strlen(note), client.data, client.len);
    redis_queue_str(f->q, share_strategy_is_hashed(f->cfg.share_strategy) ? "1" : "0");
    redis_queue_end(f->q, REDIS_REPLAY, on_taken, op);
}
