/*
 * The store of a broker without a fleet: durable sessions, their queues, retained messages and
 * wills in this process' memory. Every call completes before it returns.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/base/broker_stats.h"
#include "broker/base/drop_log.h"
#include "broker/store/journal.h"
#include "broker/store/memory_groups.h"
#include "broker/store/memory_read.h"
#include "broker/store/memory_sessions.h"
#include "broker/store/retained_tree.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/timebox.h"
#include "common/log/log.h"

/* The session, if the journal is to know what it subscribes to. */
static const struct memory_session *told_of(struct store *store, const struct store_hold *hold)
{
    const struct memory_session *m = hold->store_data;
    return memory_of(store)->journal != NULL && m != NULL && m->durable ? m : NULL;
}

/* The core keeps a durable session's subscriptions in its topic tree. */
static void memory_subscribe(struct store *store, struct store_hold *hold,
                             const struct store_subscription *subs, size_t count,
                             store_done_fn *done, void *arg)
{
    const struct memory_session *m = told_of(store, hold);
    for (size_t i = 0; m != NULL && i < count; i++)
        journal_subscribed(memory_of(store)->journal, m->number, &subs[i]);
    done(arg, STORE_OK);
}

static void memory_unsubscribe(struct store *store, struct store_hold *hold,
                               const struct mqtt_slice *filters, size_t count, store_done_fn *done,
                               void *arg)
{
    const struct memory_session *m = told_of(store, hold);
    for (size_t i = 0; m != NULL && i < count; i++)
        journal_unsubscribed(memory_of(store)->journal, m->number, filters[i]);
    done(arg, STORE_OK);
}

/* ---- publishing ------------------------------------------------------------------------------ */

/* What of a queue has expired and wasn't sent, up to where so many haven't. */
static void expire_queue(struct store_memory *s, struct memory_session *m, uint64_t from,
                         size_t most)
{
    uint32_t dropped = memory_queue_expire(&m->queue, from, most, store_now_ms(&s->base));
    if (dropped == 0)
        return;
    s->config.stats->dropped[DROP_EXPIRED] += dropped;
    LOG_LIMITED(LOG_LEVEL_INFO, "message_dropped", KV_STR("reason", drop_names[DROP_EXPIRED]),
                KV_BYTES("client_id", m->id, m->id_len), KV_UINT("messages", dropped));
}

static void say_full(struct memory_session *session, const struct message *m)
{
    const struct memory_queue *q = &session->queue;
    if (session->full_said)
        return;
    session->full_said = true;
    LOG_LIMITED(LOG_LEVEL_WARN, "queue_full", KV_BYTES("client_id", session->id, session->id_len),
                KV_BYTES("topic", m->topic.data, m->topic.len), KV_UINT("messages", q->count),
                KV_UINT("bytes", q->bytes),
                KV_STR("effect", "its next messages are dropped until it has read some"));
}

static bool is_full(const struct store_memory *s, const struct memory_queue *q)
{
    return q->count >= s->config.queue_limit || q->bytes >= s->config.queue_limit_bytes;
}

static void queue_for(struct store_memory *s, const struct store_queue_target *t, struct message *m,
                      bool is_value)
{
    struct memory_session *session = memory_session_find(s, t->client_id);
    if (session == NULL || !session->durable)
        return;
    struct memory_queue *q = &session->queue;
    enum { LOOKED_AT = 64 };
    if (is_full(s, q))
        expire_queue(s, session, q->first, LOOKED_AT);
    if (is_full(s, q)) {
        s->config.stats->dropped[DROP_QUEUE_FULL]++;
        say_full(session, m);
        return;
    }
    if (session->full_said && q->count < s->config.queue_limit / 2 &&
        q->bytes < s->config.queue_limit_bytes / 2)
        session->full_said = false;
    struct memory_entry e = {.message = m,
                             .qos = t->qos,
                             .retain = m->retain && (is_value || t->retain_as_published),
                             .is_value = is_value};
    if (!memory_takes_queued(s, q->bytes))
        drop_note(s->config.stats, DROP_MEMORY, t->client_id, m->topic);
    else if (!memory_queue_push(q, e, t->ids))
        drop_note(s->config.stats, DROP_NO_MEMORY, t->client_id, m->topic);
    else if (session->hold != NULL)
        s->host.wake(s->host.arg, memory_session_id(session));
}

static void say_group_full(struct memory_group *g)
{
    if (!g->full_said)
        LOG_LIMITED(LOG_LEVEL_WARN, "share_queue_full",
                    KV_BYTES("filter", g->filter, g->filter_len),
                    KV_UINT("messages", g->queue.count), KV_UINT("bytes", g->queue.bytes),
                    KV_STR("effect", "its next messages are dropped until members have read some"));
    g->full_said = true;
}

uint8_t memory_partition_of(const struct store_memory *s, const struct message *m)
{
    struct mqtt_slice by = s->config.share_strategy == SHARE_HASH_TOPIC ? m->topic : m->publisher;
    if (!s->shares.hashed)
        return 0;
    return (uint8_t)(hash_bytes(s->config.hash_key, by.data, by.len) % SHARE_PARTITIONS);
}

static void queue_for_group(struct store_memory *s, struct mqtt_slice filter, struct message *m)
{
    struct memory_group *g = memory_shares_get(&s->shares, filter);
    struct share_queue *q = g != NULL ? &g->queue : NULL;
    if (q != NULL &&
        (q->count >= s->config.queue_limit || q->bytes >= s->config.queue_limit_bytes)) {
        s->config.stats->dropped[DROP_QUEUE_FULL]++;
        say_group_full(g);
        return;
    }
    if (q != NULL && q->count < s->config.queue_limit / 2)
        g->full_said = false;
    if (q != NULL && !memory_takes_queued(s, q->bytes))
        drop_note(s->config.stats, DROP_MEMORY, filter, m->topic);
    else if (q == NULL || !share_queue_push(q, m, memory_partition_of(s, m), clock_monotonic_ms()))
        drop_note(s->config.stats, DROP_NO_MEMORY, filter, m->topic);
    else
        s->host.share_wake(s->host.arg, filter, 1);
}

/* True when this packet id of a durable publisher was published before. */
static bool is_repeat(const struct store_memory *s, const struct store_publish_request *req)
{
    struct memory_session *m = req->hold != NULL ? req->hold->store_data : NULL;
    if (req->qos2_packet_id == 0 || m == NULL)
        return false;
    if (packet_ids_has(&m->open_qos2, req->qos2_packet_id))
        return true;
    if (packet_ids_add(&m->open_qos2, req->qos2_packet_id))
        journal_qos2_opened(s->journal, m->number, req->qos2_packet_id);
    return false;
}

static void memory_publish(struct store *store, const struct store_publish_request *req,
                           store_done_fn *done, void *arg)
{
    struct store_memory *s = memory_of(store);
    struct message *m = req->message;
    bool reached = true; /* by a repeat: when it came first */
    s->to_deliver = NULL;
    if (!is_repeat(s, req)) {
        reached = req->targets.queue_count > 0 || req->targets.group_count > 0;
        if (m->retain)
            memory_values_keep(&s->values, m);
        for (size_t i = 0; i < req->targets.queue_count; i++)
            queue_for(s, &req->targets.queues[i], m, false);
        for (size_t i = 0; i < req->targets.group_count; i++)
            queue_for_group(s, req->targets.groups[i], m);
        if (req->qos2_packet_id != 0 && s->journal != NULL)
            s->to_deliver = m;
        else if (req->qos2_packet_id != 0)
            reached |= s->host.deliver(s->host.arg, m);
    }
    if (req->reached != NULL)
        *req->reached |= reached;
    if (done != NULL)
        done(arg, STORE_OK);
}

static void memory_enqueue(struct store *store, struct message *m,
                           const struct store_queue_target *target, store_done_fn *done, void *arg)
{
    queue_for(memory_of(store), target, m, true);
    done(arg, STORE_OK);
}

static void memory_qos2_end(struct store *store, struct store_hold *hold, uint16_t packet_id,
                            store_done_fn *done, void *arg)
{
    struct memory_session *m = hold->store_data;
    if (m != NULL && packet_ids_remove(&m->open_qos2, packet_id))
        journal_qos2_closed(memory_of(store)->journal, m->number, packet_id);
    done(arg, STORE_OK);
}

/* ---- delivering ------------------------------------------------------------------------------ */

static bool reserve_scratch(struct store_memory *s, size_t count)
{
    if (s->scratch_size >= count)
        return true;
    struct store_entry *grown = realloc(s->scratch, count * sizeof(*grown));
    if (grown == NULL)
        return false;
    s->scratch = grown;
    s->scratch_size = count;
    return true;
}

void memory_fetch_until(struct store_memory *s, struct store_hold *hold, uint64_t from,
                        uint64_t until, size_t max, size_t max_bytes, store_fetch_fn *done,
                        void *arg)
{
    struct memory_session *m = hold->store_data;
    bool more = false;
    size_t count = 0;
    if (m == NULL) {
        done(arg, STORE_FENCED, NULL, 0, false);
        return;
    }
    if (!reserve_scratch(s, max)) {
        done(arg, STORE_UNAVAILABLE, NULL, 0, false);
        return;
    }
    expire_queue(s, m, from, max);
    if (until != UINT64_MAX)
        max = memory_queue_count(&m->queue, from, until, max);
    count = memory_queue_read(&m->queue, from, s->scratch, max, max_bytes, &more);
    done(arg, STORE_OK, s->scratch, count, more);
}

static void memory_fetch(struct store *store, struct store_hold *hold, uint64_t from, size_t max,
                         size_t max_bytes, store_fetch_fn *done, void *arg)
{
    memory_fetch_until(memory_of(store), hold, from, UINT64_MAX, max, max_bytes, done, arg);
}

static void memory_ack(struct store *store, struct store_hold *hold, uint64_t sequence)
{
    struct memory_session *m = hold->store_data;
    (void)store;
    if (m != NULL)
        memory_queue_remove(&m->queue, sequence);
}

bool memory_session_note_released(struct memory_session *m, uint64_t sequence)
{
    if (m->released_count == m->released_capacity) {
        uint32_t more = m->released_capacity == 0 ? 8 : m->released_capacity * 2;
        uint64_t *grown = account_realloc(ACCOUNT_SESSIONS, m->released, more * sizeof(*grown));
        if (grown == NULL)
            return false;
        m->released = grown;
        m->released_capacity = more;
    }
    m->released[m->released_count++] = sequence;
    journal_released(m->store->journal, m->number, sequence);
    return true;
}

static void memory_release(struct store *store, struct store_hold *hold, uint64_t sequence,
                           store_done_fn *done, void *arg)
{
    struct memory_session *m = hold->store_data;
    (void)store;
    if (m != NULL && !memory_session_note_released(m, sequence)) {
        done(arg, STORE_UNAVAILABLE);
        return;
    }
    if (m != NULL)
        memory_queue_remove(&m->queue, sequence);
    done(arg, m != NULL ? STORE_OK : STORE_FENCED);
}

static void memory_complete(struct store *store, struct store_hold *hold, uint64_t sequence)
{
    struct memory_session *m = hold->store_data;
    (void)store;
    for (uint32_t i = 0; m != NULL && i < m->released_count; i++) {
        if (m->released[i] != sequence)
            continue;
        journal_completed(m->store->journal, m->number, sequence);
        m->released_count--;
        memmove(&m->released[i], &m->released[i + 1],
                (m->released_count - i) * sizeof(*m->released));
        return;
    }
}

/* ---- retained -------------------------------------------------------------------------------- */

static bool is_over(struct store *store, struct message *m)
{
    return m->expires_at_ms != 0 &&
           memory_values_drop_expired(&memory_of(store)->values, m, store_now_ms(store));
}

static struct store_retained_read *start_read(struct store *store, struct mqtt_slice filter,
                                              store_retained_fn *each,
                                              store_retained_chunk_fn *chunk, store_done_fn *done,
                                              void *arg)
{
    struct memory_read_request r = {.is_over = is_over,
                                    .filter = filter,
                                    .each = each,
                                    .chunk = chunk,
                                    .done = done,
                                    .arg = arg};
    return memory_read_start(store, memory_of(store)->values.tree, &r);
}

/* ---- totals ---------------------------------------------------------------------------------- */

/* This broker is all there is. */
static void memory_totals(struct store *store, const uint64_t mine[STORE_TOTAL_COUNT],
                          store_totals_fn *done, void *arg)
{
    const struct store_memory *s = memory_of(store);
    struct store_totals totals = {
        .nodes = 1, .retained = retained_tree_count(s->values.tree), .expired = s->expired};
    memcpy(totals.of_all, mine, sizeof(totals.of_all));
    done(arg, STORE_OK, &totals);
}

/* ---- the turn, and the end ------------------------------------------------------------------- */

static void memory_input(struct store *store, struct timebox *box)
{
    struct store_memory *s = memory_of(store);
    s->box = box;
    wheel_advance(&s->wheel, clock_monotonic_ms());
    leftovers_release(&s->leftovers, box);
    memory_values_sweep(&s->values, clock_monotonic_ms(), store_now_ms(store));
    s->config.stats->dropped[DROP_SHARE_NOBODY] +=
        memory_shares_tick(&s->shares, clock_monotonic_ms());
    s->box = NULL;
}

static void memory_flush(struct store *store)
{
    (void)store;
}

static uint64_t memory_now_ms(const struct store *store)
{
    return clock_boottime_ms() + ((const struct store_memory *)store)->clock_ms;
}

static enum store_health memory_health(const struct store *store)
{
    (void)store;
    return STORE_READY;
}

static bool memory_accepts(const struct store *store)
{
    (void)store;
    return true;
}

static void memory_shutdown(struct store *store, uint64_t deadline_ms, store_done_fn *done,
                            void *arg)
{
    (void)store;
    (void)deadline_ms;
    done(arg, STORE_OK);
}

static void memory_free(struct store *store)
{
    struct store_memory *s = memory_of(store);
    memory_shares_fini(&s->shares); /* nobody is told */
    memory_sessions_free(s);
    leftovers_fini(&s->leftovers);
    memory_values_fini(&s->values);
    free(s->scratch);
    free(s);
}

static const struct store_ops memory_ops = {
    .name = "memory",
    .untargeted_is_done = true,
    .connect = memory_connect,
    .disconnect = memory_disconnect,
    .subscribe = memory_subscribe,
    .unsubscribe = memory_unsubscribe,
    .publish = memory_publish,
    .enqueue = memory_enqueue,
    .qos2_end = memory_qos2_end,
    .fetch = memory_fetch,
    .ack = memory_ack,
    .release = memory_release,
    .complete = memory_complete,
    .share_join = memory_share_join,
    .share_leave = memory_share_leave,
    .share_take = memory_share_take,
    .share_finish = memory_share_finish,
    .share_put_back = memory_share_put_back,
    .share_declare = memory_share_declare,
    .share_ended = memory_share_ended,
    .retained_start = start_read,
    .retained_continue = memory_read_continue,
    .retained_cancel = memory_read_cancel,
    .totals = memory_totals,
    .input = memory_input,
    .flush = memory_flush,
    .now_ms = memory_now_ms,
    .health = memory_health,
    .accepts = memory_accepts,
    .shutdown = memory_shutdown,
    .free = memory_free,
};

struct store *store_memory_new(const struct store_memory_config *cfg, const struct store_host *host)
{
    struct store_memory *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->base.ops = &memory_ops;
    s->config = *cfg;
    s->host = *host;
    if (!memory_values_init(&s->values, &s->config) || !hash_table_init(&s->sessions) ||
        !memory_shares_init(&s->shares, cfg->hash_key)) {
        hash_table_fini(&s->sessions);
        memory_values_fini(&s->values);
        free(s);
        return NULL;
    }
    s->journal = s->values.journal = s->shares.journal = cfg->journal;
    s->clock_ms = cfg->clock_ms;
    s->shares.hashed = share_strategy_is_hashed(cfg->share_strategy);
    wheel_init(&s->wheel, clock_monotonic_ms());
    leftovers_init(&s->leftovers);
    return &s->base;
}
