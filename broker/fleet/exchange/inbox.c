/* What other nodes sent to this one: batches from the inbox stream (QoS 1 and 2, wake-ups,
 * requests) and from the channel (QoS 0). Each item goes to the module that handles it; batches and
 * messages that came before are dropped. Handled entries are trimmed from the stream. */
#include "broker/fleet/exchange/inbox.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "broker/fleet/exchange/inbox_barrier.h"
#include "broker/fleet/exchange/seen_ids.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_stream.h"
#include "broker/fleet/wire/fleet_batch.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "common/base/timebox.h"
#include "common/log/log.h"

enum {
    ENTRIES_MIN = 8, /* read at once; more when they are small */
    ENTRIES_MAX = 256,
    READ_BYTES = 4 << 20,
    TRIM_ENTRIES = 64,
    TRIM_MS = 100,
    ITEM_US = 2, /* and what the core says */
};

/* A node that sent something: its last batch of each stream. Kept after its death: entries of it may come yet. */
struct inbox_source {
    UT_hash_handle hh;
    uint64_t id;
    uint64_t last[FLEET_BATCH_STREAMS]; /* number of the batch, 0: none came */
};

/* A batch whose items are being taken; it points into the entry, or into the channel's reply. */
struct inbox_batch {
    struct fleet_reader items;
    uint64_t sender;
    bool open, from_channel;
};

struct inbox {
    struct fleet_stream stream;
    redisReply *channel_reply; /* what is being worked through, owned; NULL: nothing */
    struct inbox_batch batch, channel_batch;
    size_t entries; /* to be read at once */
    char last[48];  /* id of the last entry read */
    unsigned untrimmed;
    uint64_t trimmed_ms, retry_ms;
    struct inbox_source *sources;
    struct seen_ids seen;
};

/* ---- repeats --------------------------------------------------------------------------------- */

bool inbox_knows(struct fleet *f, struct message_id id)
{
    uint8_t key[SEEN_ID_BYTES];
    fleet_id_write(key, id);
    return seen_ids_note(&f->inbox->seen, key, f->now_ms);
}

void inbox_forget(struct fleet *f, struct message_id id)
{
    uint8_t key[SEEN_ID_BYTES];
    fleet_id_write(key, id);
    seen_ids_forget(&f->inbox->seen, key);
}

/* Not what came before: a link replayed it. And not what names a batch that didn't come: Redis refused that one, and
 * both come again, in order. */
static bool is_next(struct fleet *f, uint64_t sender, uint64_t number)
{
    struct inbox_source *s = NULL;
    HASH_FIND(hh, f->inbox->sources, &sender, sizeof(sender), s);
    if (s == NULL) {
        s = calloc(1, sizeof(*s));
        if (s == NULL)
            return true;
        s->id = sender;
        HASH_ADD(hh, f->inbox->sources, id, sizeof(s->id), s);
    }
    uint64_t *last = &s->last[fleet_batch_stream(number)];
    bool is_repeat = number <= *last;
    metric_add(f->metrics.repeats, is_repeat ? 1 : 0);
    if (is_repeat || !fleet_batch_follows(number, *last))
        return false;
    *last = number;
    return true;
}

/* ---- items ----------------------------------------------------------------------------------- */

static void take_message(struct fleet *f, struct fleet_reader *r)
{
    bool remember = false;
    struct message *m = fleet_frame_get(r, &remember);
    if (m == NULL)
        return;
    if (remember && inbox_knows(f, m->id))
        metric_add(f->metrics.repeats, 1);
    else
        f->host.deliver(f->host.arg, m);
    message_unref(m);
}

static void take_wake(struct fleet *f, struct fleet_reader *r)
{
    struct mqtt_slice client = fleet_reader_slice(r);
    if (!r->failed)
        f->host.wake(f->host.arg, client);
}

static void take_shared(struct fleet *f, struct fleet_reader *r)
{
    struct mqtt_slice filter = fleet_reader_slice(r);
    bool tried = fleet_reader_u8(r) != 0;
    bool remember = false;
    struct message *m = fleet_frame_get(r, &remember);
    if (m == NULL)
        return;
    f->host.share_deliver(f->host.arg, filter, m, tried);
    message_unref(m);
}

static void take_share_wake(struct fleet *f, struct fleet_reader *r)
{
    struct mqtt_slice filter = fleet_reader_slice(r);
    uint64_t messages = fleet_reader_varint(r);
    if (!r->failed)
        f->share_woken(f, filter, messages < UINT32_MAX ? (uint32_t)messages : UINT32_MAX);
}

static void take_hand_over(struct fleet *f, uint64_t sender, struct fleet_reader *r)
{
    uint64_t request = fleet_reader_u64(r);
    uint64_t epoch = fleet_reader_u64(r);
    struct mqtt_slice client = fleet_reader_slice(r);
    if (!r->failed)
        f->connect_ops->asked(f, sender, request, client, epoch);
}

static void batch_begin(struct fleet *f, struct inbox_batch *b, const void *data, size_t len,
                        bool from_channel)
{
    b->items = fleet_reader_of(data, len);
    b->sender = fleet_reader_u64(&b->items);
    uint64_t number = fleet_reader_u64(&b->items);
    b->from_channel = from_channel;
    b->open = from_channel || b->items.failed || is_next(f, b->sender, number);
}

static void take_item(struct fleet *f, struct inbox_batch *b)
{
    struct fleet_reader *r = &b->items;
    switch (fleet_reader_u8(r)) {
    case ITEM_MESSAGE:
        take_message(f, r);
        break;
    case ITEM_WAKE:
        take_wake(f, r);
        break;
    case ITEM_SHARED:
        take_shared(f, r);
        break;
    case ITEM_SHARE_WAKE:
        take_share_wake(f, r);
        break;
    case ITEM_HAND_OVER:
        take_hand_over(f, b->sender, r);
        break;
    case ITEM_GONE:
        f->connect_ops->answered(f, b->sender, fleet_reader_u64(r));
        break;
    case ITEM_VOID:
        fleet_frame_skip(r);
        break;
    case ITEM_GAP:
        metric_add(f->metrics.gaps, 1);
        f->host.gap(f->host.arg);
        break;
    case ITEM_BARRIER:
        inbox_barrier_met(f, fleet_reader_u64(r), b->from_channel);
        break;
    default:
        r->failed = true;
    }
}

/* Items until the box is over, one at least. True: that was all, or the node starts over. What an item
 * cost is known when the next one is asked for. */
static bool batch_go_on(struct fleet *f, struct inbox_batch *b)
{
    bool any = false;
    uint32_t before = 0;
    uint32_t now;
    while (b->open && fleet_reader_more(&b->items) && f->state != FLEET_DEAD) {
        bool takes_more = f->host.takes_more(f->host.arg, &now);
        if ((any && timebox_spend(f->box, ITEM_US + now - before)) || !takes_more)
            return false;
        any = true;
        before = now;
        take_item(f, b);
    }
    if (any) {
        f->host.takes_more(f->host.arg, &now);
        timebox_spend(f->box, ITEM_US + now - before);
    }
    if (b->open && b->items.failed)
        LOG_LIMITED(LOG_LEVEL_ERROR, "batch_malformed", KV_UINT("sender", b->sender));
    b->open = false;
    return true;
}

/* ---- the channel ----------------------------------------------------------------------------- */

static void channel_go_on(struct fleet *f)
{
    struct inbox *in = f->inbox;
    if (in->channel_reply == NULL)
        return;
    if (!batch_go_on(f, &in->channel_batch)) {
        fleet_wake(f);
        return;
    }
    freeReplyObject(in->channel_reply);
    in->channel_reply = NULL;
    redis_link_pause(f->channel, false);
}

void inbox_take_channel(struct fleet *f, const char *payload, size_t len)
{
    struct inbox *in = f->inbox;
    batch_begin(f, &in->channel_batch, payload, len, true);
    if (batch_go_on(f, &in->channel_batch))
        return;
    in->channel_reply = redis_link_keep_reply(f->channel);
    redis_link_pause(f->channel, true);
    fleet_wake(f);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void begin_entry(struct fleet *f, const struct fleet_stream_entry *entry)
{
    struct inbox *in = f->inbox;
    struct mqtt_slice batch = fleet_stream_value(entry, "d");
    if (entry->fields == NULL)
        return;
    snprintf(in->last, sizeof(in->last), "%s", entry->id);
    in->untrimmed++;
    if (batch.data != NULL)
        batch_begin(f, &in->batch, batch.data, batch.len, false);
}

static void drop_replies(struct fleet *f)
{
    struct inbox *in = f->inbox;
    fleet_stream_restart(&in->stream);
    freeReplyObject(in->channel_reply);
    in->channel_reply = NULL;
    in->batch.open = in->channel_batch.open = false;
    if (f->channel != NULL)
        redis_link_pause(f->channel, false);
}

/* Works through what was read until the box is over. */
static void entries_go_on(struct fleet *f)
{
    struct inbox *in = f->inbox;
    if (!fleet_stream_has_entries(&in->stream))
        return;
    struct fleet_stream_entry entry;
    while (batch_go_on(f, &in->batch) && f->state != FLEET_DEAD) {
        if (!fleet_stream_next(&in->stream, &entry)) {
            inbox_tick(f);
            return;
        }
        begin_entry(f, &entry);
        if (timebox_is_over(f->box))
            break;
    }
    if (f->state != FLEET_DEAD)
        fleet_wake(f);
}

void inbox_go_on(struct fleet *f)
{
    entries_go_on(f);
    if (f->state != FLEET_DEAD)
        channel_go_on(f);
}

/* The next reading is as big as fits in READ_BYTES, going by this one. It grows step by step, and
 * shrinks when little comes: what comes next may be large. */
static void adapt(struct inbox *in)
{
    size_t count = fleet_stream_count(&in->stream);
    size_t bytes = fleet_stream_bytes(&in->stream);
    if (bytes > READ_BYTES)
        in->entries = count * READ_BYTES / bytes;
    else if (count == in->entries)
        in->entries *= 2;
    else
        in->entries /= 2;
    if (in->entries < ENTRIES_MIN)
        in->entries = ENTRIES_MIN;
    if (in->entries > ENTRIES_MAX)
        in->entries = ENTRIES_MAX;
}

static void on_length(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    if (r != NULL && r->type == REDIS_REPLY_INTEGER && r->integer == 0)
        fleet_reload(f, "the inbox is gone");
}

/* Nothing came for a while. An inbox always has its last entry, or nobody can send to it. */
static void look_for_inbox(struct fleet *f)
{
    struct fleet_key key = fleet_key_inbox(&f->keys, f->id);
    redis_queue_begin(f->q, 2);
    redis_queue_str(f->q, "XLEN");
    redis_queue_str(f->q, key.text);
    redis_queue_end(f->q, REDIS_VOLATILE, on_length, f);
}

static void on_read(void *arg, enum fleet_stream_result result)
{
    struct fleet *f = arg;
    switch (result) {
    case FLEET_STREAM_ENTRIES:
        adapt(f->inbox);
        entries_go_on(f);
        return;
    case FLEET_STREAM_LOST:
        return;
    case FLEET_STREAM_FAILED:
        f->inbox->retry_ms = f->now_ms + FLEET_STREAM_RETRY_MS;
        break;
    case FLEET_STREAM_NOTHING:
        look_for_inbox(f);
        break;
    }
    if (f->state != FLEET_DEAD)
        inbox_tick(f);
}

void inbox_start(struct fleet *f)
{
    struct inbox *in = f->inbox;
    drop_replies(f);
    snprintf(in->last, sizeof(in->last), "0-0");
    in->entries = ENTRIES_MIN;
    in->untrimmed = 0;
}

/* Redis lost the stream, and its clock is behind what it was (another server took over, say): new
 * entries would be below the last one read, and never be read. */
void inbox_has_entry(struct fleet *f, const char *id)
{
    if (!fleet_stream_id_is_below(id, f->inbox->last))
        return;
    LOG_WARN("inbox_made_anew", KV_STR("node", f->hex), KV_STR("last", f->inbox->last),
             KV_STR("now", id));
    inbox_start(f);
    redis_link_reset(f->inbox_link, "the inbox is read anew"); /* it waits behind the former last */
}

void inbox_tick(struct fleet *f)
{
    struct inbox *in = f->inbox;
    if (in->stream.is_reading || !fleet_is_joined(f) || f->now_ms < in->retry_ms)
        return;
    struct fleet_key key = fleet_key_inbox(&f->keys, f->id);
    fleet_stream_read(&in->stream, f->inbox_link, key.text, in->last, in->entries);
}

/* Trims what was dealt with, now and then. Trimming by MINID keeps that one entry itself. */
void inbox_flush(struct fleet *f)
{
    struct inbox *in = f->inbox;
    struct fleet_key key = fleet_key_inbox(&f->keys, f->id);
    if (in->untrimmed == 0 ||
        (in->untrimmed < TRIM_ENTRIES && f->now_ms - in->trimmed_ms < TRIM_MS))
        return;
    in->untrimmed = 0;
    in->trimmed_ms = f->now_ms;
    redis_queue_begin(f->q, 4);
    redis_queue_str(f->q, "XTRIM");
    redis_queue_str(f->q, key.text);
    redis_queue_str(f->q, "MINID");
    redis_queue_str(f->q, in->last);
    redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
}

/* ---- begin and end --------------------------------------------------------------------------- */

bool inbox_init(struct fleet *f)
{
    f->inbox = calloc(1, sizeof(*f->inbox));
    if (f->inbox == NULL)
        return false;
    fleet_stream_init(&f->inbox->stream, on_read, f);
    return seen_ids_init(&f->inbox->seen, f->hash_key, f->cfg.dedup_window_ms);
}

void inbox_free(struct fleet *f)
{
    struct inbox *in = f->inbox;
    if (in == NULL)
        return;
    struct inbox_source *next;
    struct inbox_source *s;
    HASH_ITER (hh, in->sources, s, next) {
        HASH_DEL(in->sources, s);
        free(s);
    }
    seen_ids_fini(&in->seen);
    fleet_stream_fini(&in->stream);
    freeReplyObject(in->channel_reply);
    free(in);
    f->inbox = NULL;
}
