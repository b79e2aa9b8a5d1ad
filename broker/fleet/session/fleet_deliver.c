/* Rule 8: reads a session's queue, and writes to Redis what the client acknowledged. Nothing is
 * written when a message is sent: the packet id follows from the sequence. Acknowledgements of a
 * turn go in one call a session (fleet_acks.c). */
#include "broker/fleet/session/fleet_deliver.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/hold/fleet_acks.h"
#include "broker/fleet/hold/fleet_assert.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "common/log/log.h"

enum { ACKS_AT_ONCE = 500 };
enum { FLAG_QOS = 0x03, FLAG_RETAIN = 0x04, FLAG_VALUE = 0x08, FLAG_IDS = 0x10 };

/* ---- acknowledgements ------------------------------------------------------------------------ */

static void send_acks(struct fleet_hold *h)
{
    if (h->ack_count == 0)
        return;
    fleet_hold_assert_once(h);
    fleet_acks_write(h);
}

void fleet_acks_flush(struct fleet *f)
{
    struct fleet_hold *h;
    while ((h = fleet_acks_take(f)) != NULL) {
        send_acks(h);
        fleet_hold_unref(h);
    }
}

void fleet_ack(struct fleet *f, struct store_hold *hold, char what, uint64_t sequence,
               store_done_fn *done, void *arg)
{
    struct fleet_hold *h = hold->store_data;
    if (h == NULL || !fleet_acks_add(h, what, sequence, done, arg))
        fleet_defer(f, done, arg, STORE_UNAVAILABLE);
    else if (h->ack_count >= ACKS_AT_ONCE)
        send_acks(h);
}

/* ---- fetching -------------------------------------------------------------------------------- */

struct fetch_op {
    struct fleet_hold *hold;
    store_fetch_fn *done;
    void *arg;
};

/* The identifiers that are there, for free_entries. False: they are none, or out of memory. */
static bool take_ids(struct fleet_reader *r, struct mqtt_ids *ids)
{
    uint64_t count = fleet_reader_varint(r);
    if (r->failed || count > (size_t)(r->end - r->at)) /* each is a byte or more */
        return false;
    uint32_t *items = malloc((count > 0 ? count : 1) * sizeof(*items));
    if (items == NULL)
        return false;
    for (uint64_t i = 0; i < count; i++)
        items[i] = (uint32_t)fleet_reader_varint(r);
    *ids = (struct mqtt_ids){.items = items, .count = (uint32_t)count};
    return !r->failed;
}

static void free_ids(struct store_entry *e)
{
    free((void *)e->ids.items);
    e->ids = (struct mqtt_ids){0};
}

/* flags · [how many identifiers, they] · frame */
static bool take_entry(struct store_entry *e, const redisReply *sequence, const redisReply *entry,
                       uint64_t sent_before)
{
    if (entry->len < 2)
        return false;
    uint8_t flags = (uint8_t)entry->str[0];
    struct fleet_reader r = fleet_reader_of(entry->str + 1, entry->len - 1);
    *e = (struct store_entry){.sequence = strtoull(sequence->str, NULL, 10),
                              .qos = flags & FLAG_QOS,
                              .retain = (flags & FLAG_RETAIN) != 0,
                              .is_value = (flags & FLAG_VALUE) != 0};
    e->duplicate = e->sequence <= sent_before;
    bool remember;
    if ((flags & FLAG_IDS) == 0 || take_ids(&r, &e->ids))
        e->message = fleet_frame_get(&r, &remember);
    if (e->message == NULL)
        free_ids(e);
    return e->message != NULL;
}

/* Those that have expired come without content: dropped as if they had been acknowledged. */
static bool drop_expired(struct fleet_hold *h, const redisReply *sequence, const redisReply *entry)
{
    if (entry->len > 0)
        return false;
    fleet_acks_add(h, 'a', strtoull(sequence->str, NULL, 10), NULL, NULL);
    return true;
}

static void note_expired(const struct fleet_hold *h, uint64_t count)
{
    const char *id = h->hold != NULL ? h->hold->client_id : "";
    metric_add(h->fleet->metrics.expired, count);
    LOG_LIMITED(LOG_LEVEL_INFO, "message_dropped", KV_STR("reason", "expired"),
                KV_STR("where", "queue"), KV_STR("client_id", id), KV_UINT("messages", count));
}

static void tell_entries(struct fetch_op *op, const redisReply *r)
{
    size_t most = (r->elements - 3) / 2;
    struct store_entry *entries = most > 0 ? malloc(most * sizeof(*entries)) : NULL;
    uint64_t expired = 0;
    size_t count = 0;
    if (most > 0 && entries == NULL) {
        op->done(op->arg, STORE_UNAVAILABLE, NULL, 0, false);
        return;
    }
    for (size_t i = 3; i + 1 < r->elements; i += 2) {
        if (drop_expired(op->hold, r->element[i], r->element[i + 1])) {
            expired++;
            continue;
        }
        if (!take_entry(&entries[count], r->element[i], r->element[i + 1],
                        (uint64_t)r->element[2]->integer)) {
            LOG_LIMITED(LOG_LEVEL_ERROR, "queue_entry_malformed",
                        KV_STR("sequence", r->element[i]->str));
            continue;
        }
        if (entries[count].sequence > op->hold->sent)
            op->hold->sent = entries[count].sequence;
        count++;
    }
    if (expired > 0)
        note_expired(op->hold, expired);
    op->done(op->arg, STORE_OK, entries, count, r->element[1]->integer > 0);
    for (size_t i = 0; i < count; i++) {
        message_unref(entries[i].message);
        free_ids(&entries[i]);
    }
    free(entries);
}

/* Another run of Redis answers, and the connection wasn't asserted there yet. The assertion must
 * show first whether its entries have the sequences of what the client was sent. */
static bool is_too_early(const struct fleet_hold *h)
{
    return strcmp(h->run, h->fleet->run_tag) != 0;
}

static void on_fetch(void *arg, const redisReply *r)
{
    struct fetch_op *op = arg;
    enum store_status status = fleet_reply_status(r);
    if (status == STORE_OK && r->element[0]->integer == 0) {
        status = STORE_FENCED;
        fleet_hold_fenced(op->hold);
    }
    if (status == STORE_OK && is_too_early(op->hold)) {
        op->hold->fetch_later = true;
        op->done(op->arg, STORE_OK, NULL, 0, false);
    } else if (status == STORE_OK)
        tell_entries(op, r);
    else
        op->done(op->arg, status, NULL, 0, false);
    fleet_hold_unref(op->hold);
    free(op);
}

static void on_unavailable(void *arg, enum store_status status)
{
    struct fetch_op *op = arg;
    op->done(op->arg, status, NULL, 0, false);
    free(op);
}

void fleet_fetch(struct fleet *f, struct store_hold *hold, uint64_t from, size_t max,
                 size_t max_bytes, store_fetch_fn *done, void *arg)
{
    struct fleet_hold *h = hold->store_data;
    struct fetch_op *op = malloc(sizeof(*op));
    if (op == NULL) {
        done(arg, STORE_UNAVAILABLE, NULL, 0, false);
        return;
    }
    *op = (struct fetch_op){.hold = h, .done = done, .arg = arg};
    if (h == NULL) {
        fleet_defer(f, on_unavailable, op, STORE_UNAVAILABLE);
        return;
    }
    h->refs++;
    struct fleet_key key = fleet_key_clients(&f->keys, h->bucket);
    char from_text[32];
    snprintf(from_text, sizeof(from_text), "%llu-0", (unsigned long long)from);
    fleet_hold_assert_once(h);
    fleet_acks_write(h); /* what was acknowledged isn't read again */
    scripts_begin(&f->scripts, f->q, SCRIPT_FETCH, key.text, 5);
    redis_queue_arg(f->q, hold->client_id, hold->client_id_len);
    redis_queue_u64(f->q, hold->epoch);
    redis_queue_str(f->q, from_text);
    redis_queue_u64(f->q, max);
    redis_queue_u64(f->q, max_bytes);
    redis_queue_end(f->q, REDIS_REPLAY, on_fetch, op);
}
