/* Each function of the journal's table writes one record, or a few. */
#include "broker/store/file/file_journal.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "broker/fleet/wire/fleet_options.h"
#include "broker/store/file/file_record.h"
#include "broker/store/share_queue.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/siphash.h"

enum { KEPT_BYTES = 1 << 20 }; /* of a batch's memory, for the next one */

/* A message with a row of its own. */
struct known {
    struct hash_link by_message;
    const struct message *message;
    uint64_t number;
    uint32_t refs; /* entries of queues */
};

static struct file_journal *of(struct journal *j)
{
    return (struct file_journal *)j;
}

static uint64_t now_ms(const struct file_journal *j)
{
    return clock_boottime_ms() + j->clock_ms;
}

/* A time of CLOCK_MONOTONIC by the store's clock; 0 stays 0. */
static uint64_t stored_ms(const struct file_journal *j, uint64_t monotonic_ms)
{
    return monotonic_ms != 0 ? now_ms(j) + monotonic_ms - clock_monotonic_ms() : 0;
}

/* ---- records --------------------------------------------------------------------------------- */

static void begin(struct file_journal *j, enum file_record kind)
{
    fleet_bytes_u8(&j->batch, (uint8_t)kind);
}

static void number(struct file_journal *j, uint64_t n)
{
    fleet_bytes_varint(&j->batch, n);
}

static void one(struct file_journal *j, enum file_record kind, uint64_t n)
{
    begin(j, kind);
    number(j, n);
}

static void two(struct file_journal *j, enum file_record kind, uint64_t a, uint64_t b)
{
    one(j, kind, a);
    number(j, b);
}

static void optional(struct file_journal *j, bool there, struct mqtt_slice s)
{
    fleet_bytes_u8(&j->batch, there);
    if (there)
        fleet_bytes_slice(&j->batch, s);
}

/* Good until the next one. */
static struct mqtt_slice frame_of(struct file_journal *j, const struct message *m)
{
    fleet_bytes_reset(&j->scratch, KEPT_BYTES);
    fleet_frame_put(&j->scratch, m, false);
    j->batch.failed |= j->scratch.failed;
    return fleet_bytes_all(&j->scratch);
}

/* ---- messages -------------------------------------------------------------------------------- */

static uint32_t hash_of(const struct message *m)
{
    uint64_t address = (uint64_t)(uintptr_t)m;
    return (uint32_t)hash_bytes(0, &address, sizeof(address));
}

static struct known *find(const struct file_journal *j, const struct message *m)
{
    uint32_t hash = hash_of(m);
    for (struct hash_link *l = hash_table_chain(&j->messages, hash); l != NULL; l = l->next) {
        struct known *k = HASH_OWNER(l, struct known, by_message);
        if (k->message == m)
            return k;
    }
    return NULL;
}

static struct known *add(struct file_journal *j, const struct message *m, uint64_t numbered)
{
    struct known *k = account_alloc(ACCOUNT_QUEUES, sizeof(*k));
    if (k == NULL) {
        j->batch.failed = true;
        return NULL;
    }
    *k = (struct known){.message = m, .number = numbered};
    hash_table_add(&j->messages, &k->by_message, hash_of(m));
    return k;
}

/* The row's number, for one more entry; 0: out of memory. */
static uint64_t refer(struct file_journal *j, const struct message *m)
{
    struct known *k = find(j, m);
    if (k == NULL) {
        k = add(j, m, ++j->message_numbered);
        if (k == NULL)
            return 0;
        struct mqtt_slice frame = frame_of(j, m);
        one(j, RECORD_MESSAGE, k->number);
        fleet_bytes_slice(&j->batch, frame);
    }
    k->refs++;
    return k->number;
}

static void forget(struct file_journal *j, struct known *k)
{
    hash_table_remove(&j->messages, &k->by_message);
    account_free(ACCOUNT_QUEUES, k);
}

static void unrefer(struct file_journal *j, const struct message *m)
{
    struct known *k = find(j, m);
    if (k == NULL || --k->refs > 0)
        return;
    one(j, RECORD_MESSAGE_GONE, k->number);
    forget(j, k);
}

bool file_journal_know(struct file_journal *j, const struct message *m, uint64_t numbered)
{
    if (numbered > j->message_numbered)
        j->message_numbered = numbered;
    return add(j, m, numbered) != NULL;
}

void file_journal_refer(struct file_journal *j, const struct message *m)
{
    struct known *k = find(j, m);
    if (k != NULL)
        k->refs++;
}

void file_journal_forget_unused(struct file_journal *j, const struct message *m)
{
    struct known *k = find(j, m);
    if (k == NULL || k->refs > 0)
        return;
    one(j, RECORD_MESSAGE_GONE, k->number);
    forget(j, k);
}

/* ---- sessions -------------------------------------------------------------------------------- */

static void on_session(struct journal *base, const struct journal_session *s)
{
    struct file_journal *j = of(base);
    uint64_t flags = (s->durable ? SESSION_DURABLE : 0) | (s->connected ? SESSION_CONNECTED : 0) |
                     (s->will_has_grace ? SESSION_GRACE : 0);
    struct mqtt_slice will = s->will != NULL ? frame_of(j, s->will) : (struct mqtt_slice){0};
    one(j, RECORD_SESSION, s->number);
    fleet_bytes_slice(&j->batch, s->client_id);
    optional(j, s->user != NULL, mqtt_slice_of(s->user, s->user != NULL ? strlen(s->user) : 0));
    number(j, flags);
    number(j, s->expiry_s);
    number(j, stored_ms(j, s->expires_at_ms));
    optional(j, s->will != NULL, will);
    number(j, s->will_delay_s);
    number(j, stored_ms(j, s->will_due_ms));
}

static void on_session_gone(struct journal *base, uint64_t session)
{
    one(of(base), RECORD_SESSION_GONE, session);
}

static void on_session_emptied(struct journal *base, uint64_t session)
{
    static const enum file_record kinds[] = {RECORD_SUBSCRIPTIONS_GONE, RECORD_QUEUE_GONE,
                                             RECORD_FETCHED_GONE, RECORD_RELEASED_GONE,
                                             RECORD_QOS2_GONE};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        one(of(base), kinds[i], session);
}

static void on_subscribed(struct journal *base, uint64_t session,
                          const struct store_subscription *sub)
{
    struct file_journal *j = of(base);
    struct fleet_options options = fleet_options_write(sub);
    one(j, RECORD_SUBSCRIBED, session);
    fleet_bytes_slice(&j->batch, sub->filter);
    fleet_bytes_slice(&j->batch, mqtt_slice_of(options.bytes, options.len));
}

static void on_unsubscribed(struct journal *base, uint64_t session, struct mqtt_slice filter)
{
    struct file_journal *j = of(base);
    one(j, RECORD_UNSUBSCRIBED, session);
    fleet_bytes_slice(&j->batch, filter);
}

/* ---- queues ---------------------------------------------------------------------------------- */

/* Subscription identifiers, a varint each. */
static void put_ids(struct file_journal *j, struct mqtt_ids ids)
{
    fleet_bytes_reset(&j->scratch, KEPT_BYTES);
    for (uint32_t i = 0; i < ids.count; i++)
        fleet_bytes_varint(&j->scratch, ids.items[i]);
    j->batch.failed |= j->scratch.failed;
    fleet_bytes_slice(&j->batch, fleet_bytes_all(&j->scratch));
}

static void on_queued(struct journal *base, const struct journal_entry *e)
{
    struct file_journal *j = of(base);
    uint64_t message = refer(j, e->message);
    uint64_t flags =
        (e->qos & QUEUED_QOS) | (e->retain ? QUEUED_RETAIN : 0) | (e->is_value ? QUEUED_VALUE : 0);
    two(j, RECORD_QUEUED, e->session, e->sequence);
    number(j, message);
    number(j, flags);
    put_ids(j, e->ids);
    number(j, e->group);
    number(j, e->group_number);
}

static void on_unqueued(struct journal *base, uint64_t session, uint64_t sequence,
                        const struct message *m)
{
    if (session != 0)
        two(of(base), RECORD_UNQUEUED, session, sequence);
    unrefer(of(base), m);
}

static void on_sent(struct journal *base, uint64_t session, uint64_t after)
{
    two(of(base), RECORD_FETCHED, session, after);
}

static void on_released(struct journal *base, uint64_t session, uint64_t sequence)
{
    struct file_journal *j = of(base);
    two(j, RECORD_RELEASED, session, sequence);
    number(j, ++j->place);
}

static void on_completed(struct journal *base, uint64_t session, uint64_t sequence)
{
    two(of(base), RECORD_COMPLETED, session, sequence);
}

static void on_qos2_opened(struct journal *base, uint64_t session, uint16_t packet_id)
{
    two(of(base), RECORD_QOS2_OPENED, session, packet_id);
}

static void on_qos2_closed(struct journal *base, uint64_t session, uint16_t packet_id)
{
    two(of(base), RECORD_QOS2_CLOSED, session, packet_id);
}

/* ---- retained values ------------------------------------------------------------------------- */

static void on_retained(struct journal *base, const struct message *m)
{
    struct file_journal *j = of(base);
    struct mqtt_slice frame = frame_of(j, m);
    one(j, RECORD_RETAINED, siphash(j->retained_key, m->topic.data, m->topic.len));
    fleet_bytes_slice(&j->batch, frame);
}

static void on_retained_gone(struct journal *base, struct mqtt_slice topic)
{
    struct file_journal *j = of(base);
    one(j, RECORD_RETAINED_GONE, siphash(j->retained_key, topic.data, topic.len));
}

/* ---- groups of shared subscriptions ---------------------------------------------------------- */

static void on_group(struct journal *base, uint64_t group, struct mqtt_slice filter)
{
    struct file_journal *j = of(base);
    one(j, RECORD_GROUP, group);
    fleet_bytes_slice(&j->batch, filter);
}

static void on_group_gone(struct journal *base, uint64_t group)
{
    one(of(base), RECORD_GROUP_GONE, group);
}

static void on_shared(struct journal *base, uint64_t group, const struct share_entry *e)
{
    struct file_journal *j = of(base);
    uint64_t message = refer(j, e->message);
    two(j, RECORD_SHARED, group, e->number);
    number(j, message);
    number(j, stored_ms(j, e->since_ms));
}

static void on_shared_taken(struct journal *base, uint64_t group, uint64_t numbered, bool for_good)
{
    struct file_journal *j = of(base);
    two(j, RECORD_SHARED_TAKEN, group, numbered);
    number(j, for_good);
}

static void on_shared_gone(struct journal *base, uint64_t group, uint64_t numbered,
                           const struct message *m)
{
    two(of(base), RECORD_SHARED_GONE, group, numbered);
    unrefer(of(base), m);
}

static const struct journal_ops ops = {
    .session = on_session,
    .session_gone = on_session_gone,
    .session_emptied = on_session_emptied,
    .subscribed = on_subscribed,
    .unsubscribed = on_unsubscribed,
    .queued = on_queued,
    .unqueued = on_unqueued,
    .sent = on_sent,
    .released = on_released,
    .completed = on_completed,
    .qos2_opened = on_qos2_opened,
    .qos2_closed = on_qos2_closed,
    .retained = on_retained,
    .retained_gone = on_retained_gone,
    .group = on_group,
    .group_gone = on_group_gone,
    .shared = on_shared,
    .shared_taken = on_shared_taken,
    .shared_gone = on_shared_gone,
};

/* ---- its life -------------------------------------------------------------------------------- */

bool file_journal_init(struct file_journal *j)
{
    *j = (struct file_journal){.base = {.ops = &ops, .off = true}};
    return hash_table_init(&j->messages);
}

void file_journal_fini(struct file_journal *j)
{
    struct hash_link *link;
    for (uint32_t at = 0;
         j->messages.buckets != NULL && (link = hash_table_any(&j->messages, &at)) != NULL;)
        forget(j, HASH_OWNER(link, struct known, by_message));
    if (j->messages.buckets != NULL)
        hash_table_fini(&j->messages);
    fleet_bytes_fini(&j->batch);
    fleet_bytes_fini(&j->scratch);
}

void file_journal_take(struct file_journal *j, struct fleet_bytes *out)
{
    struct fleet_bytes spare = *out;
    one(j, RECORD_CLOCK, now_ms(j));
    *out = j->batch;
    j->batch = spare;
    fleet_bytes_reset(&j->batch, KEPT_BYTES);
}
