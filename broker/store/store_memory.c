/*
 * The store of a broker without a fleet: durable sessions, their queues, retained messages and
 * wills in this process' memory. Every call completes before it returns.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"
#include "broker/base/broker_stats.h"
#include "broker/base/leftovers.h"
#include "broker/base/memory_budget.h"
#include "broker/message/packet_ids.h"
#include "broker/store/memory_queue.h"
#include "broker/store/memory_read.h"
#include "broker/store/memory_shares.h"
#include "broker/store/retained_tree.h"
#include "broker/store/store.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/hash_table.h"
#include "common/base/timebox.h"
#include "common/base/wheel.h"
#include "common/log/log.h"

enum { SHARE_TAKE_MAX = 64 };

/* What is kept of a client id: of a durable session always, else while a will or a connection is.
 */
struct memory_session {
    struct hash_link by_id;
    struct store_memory *store;
    struct store_hold *hold; /* NULL: offline */
    char *user;              /* whose it is; NULL: of who gave no user name */
    bool durable;
    bool full_said; /* that its queue is full; until it is half empty */
    struct memory_queue queue;
    struct packet_ids open_qos2;
    uint64_t *released; /* sequences, in order */
    uint32_t released_count, released_capacity;
    struct message *will;
    uint32_t will_delay_s;
    bool will_has_grace; /* it waits for its client to come back, to whatever session */
    struct wheel_timer will_due, expiry_due;
    struct wheel_timer redispatch_due; /* of what it has of groups */
    uint32_t id_len;
    char id[];
};

struct store_memory {
    struct store base; /* first member */
    struct store_memory_config config;
    struct store_host host;
    struct hash_table sessions; /* by id */
    uint32_t durable_count;
    struct retained_tree *retained;
    uint64_t sweep_ms; /* values that have expired are looked for, then */
    struct memory_shares shares;
    struct wheel wheel;          /* wills and expiries */
    struct leftovers leftovers;  /* queues of sessions that ended */
    struct timebox *box;         /* of this turn; NULL outside of it */
    struct store_entry *scratch; /* what a fetch answers */
    size_t scratch_size;
    struct store_share_entry taken[SHARE_TAKE_MAX]; /* what a take answers */
};

static struct store_memory *memory_of(struct store *s)
{
    return (struct store_memory *)s;
}

/* ---- sessions -------------------------------------------------------------------------------- */

static uint32_t hash_of(const struct store_memory *s, struct mqtt_slice id)
{
    return (uint32_t)hash_bytes(s->config.hash_key, id.data, id.len);
}

static struct mqtt_slice id_of(const struct memory_session *m)
{
    return mqtt_slice_of(m->id, m->id_len);
}

static struct memory_session *find_session(struct store_memory *s, struct mqtt_slice id)
{
    struct hash_link *l = hash_table_chain(&s->sessions, hash_of(s, id));
    for (; l != NULL; l = l->next) {
        struct memory_session *m = HASH_OWNER(l, struct memory_session, by_id);
        if (m->id_len == id.len && memcmp(m->id, id.data, id.len) == 0)
            return m;
    }
    return NULL;
}

static void on_will_due(struct wheel_timer *t);
static void on_expiry_due(struct wheel_timer *t);
static void on_redispatch_due(struct wheel_timer *t);

static struct memory_session *add_session(struct store_memory *s, const struct store_hold *hold)
{
    struct memory_session *m = account_zalloc(ACCOUNT_SESSIONS, sizeof(*m) + hold->client_id_len);
    if (m == NULL)
        return NULL;
    m->store = s;
    m->will_due.due = on_will_due;
    m->expiry_due.due = on_expiry_due;
    m->redispatch_due.due = on_redispatch_due;
    memory_queue_init(&m->queue);
    m->id_len = hold->client_id_len;
    memcpy(m->id, hold->client_id, hold->client_id_len);
    hash_table_add(&s->sessions, &m->by_id, hash_of(s, id_of(m)));
    return m;
}

static void set_durable(struct store_memory *s, struct memory_session *m, bool durable)
{
    s->durable_count += (uint32_t)durable - (uint32_t)m->durable;
    m->durable = durable;
}

static void drop_will(struct memory_session *m)
{
    wheel_cancel(&m->will_due);
    message_unref(m->will);
    m->will = NULL;
}

/* A group has something again. */
static void on_share_back(void *arg, struct memory_group *g)
{
    struct store_memory *s = arg;
    s->host.share_wake(s->host.arg, memory_group_filter(g), 1);
}

static void return_shared(struct memory_session *m, enum memory_return what,
                          const struct memory_group *group)
{
    memory_shares_return(&m->queue, what, group, on_share_back, m->store);
}

static void on_redispatch_due(struct wheel_timer *t)
{
    return_shared((void *)((char *)t - offsetof(struct memory_session, redispatch_due)),
                  RETURN_QOS1, NULL);
}

static void forget_state(struct memory_session *m)
{
    return_shared(m, RETURN_SESSION, NULL);
    memory_queue_fini(&m->queue, &m->store->leftovers);
    memory_queue_init(&m->queue);
    packet_ids_fini(&m->open_qos2);
    account_free(ACCOUNT_SESSIONS, m->released);
    m->released = NULL;
    m->released_count = 0;
    m->released_capacity = 0;
}

static void free_session(struct store_memory *s, struct memory_session *m)
{
    hash_table_remove(&s->sessions, &m->by_id);
    wheel_cancel(&m->expiry_due);
    wheel_cancel(&m->redispatch_due);
    drop_will(m);
    forget_state(m);
    memory_queue_fini(&m->queue, &s->leftovers);
    if (m->hold != NULL)
        m->hold->store_data = NULL;
    account_free(ACCOUNT_SESSIONS, m->user);
    account_free(ACCOUNT_SESSIONS, m);
}

static char *copy_user(const char *user)
{
    size_t size = strlen(user) + 1;
    char *copy = account_alloc(ACCOUNT_SESSIONS, size);
    return copy != NULL ? memcpy(copy, user, size) : NULL;
}

static bool is_users(const struct memory_session *m, const char *user)
{
    if (m->user == NULL || user == NULL)
        return m->user == user;
    return strcmp(m->user, user) == 0;
}

/* Of a session or a connection; a will that waits is all that is left of one. */
static bool is_another_users(const struct memory_session *m, const struct store_hold *hold)
{
    return m != NULL && (m->durable || m->hold != NULL) && !hold->any_user &&
           !is_users(m, hold->user);
}

/* Nobody is connected, nothing is durable, no will waits. */
static void free_if_over(struct store_memory *s, struct memory_session *m)
{
    if (m->hold == NULL && !m->durable && m->will == NULL)
        free_session(s, m);
}

static void will_published(void *arg, enum store_status status)
{
    (void)arg;
    (void)status;
}

static void publish_will(struct store_memory *s, struct memory_session *m)
{
    struct message *will = m->will;
    wheel_cancel(&m->will_due);
    m->will = NULL;
    if (will == NULL)
        return;
    s->host.publish_will(s->host.arg, will, will_published, NULL);
    message_unref(will);
}

static void end_session(struct store_memory *s, struct memory_session *m)
{
    bool was_durable = m->durable;
    set_durable(s, m, false);
    forget_state(m);
    if (was_durable)
        s->host.durable_ended(s->host.arg, id_of(m));
    if (!m->will_has_grace)
        publish_will(s, m); /* a delayed will, at the latest now (5.0: 3.1.2.5) */
    free_if_over(s, m);
}

static void on_will_due(struct wheel_timer *t)
{
    struct memory_session *m = (void *)((char *)t - offsetof(struct memory_session, will_due));
    publish_will(m->store, m);
    free_if_over(m->store, m);
}

static void on_expiry_due(struct wheel_timer *t)
{
    struct memory_session *m = (void *)((char *)t - offsetof(struct memory_session, expiry_due));
    struct store_memory *s = m->store;
    if (timebox_is_over(s->box)) {
        wheel_set(&s->wheel, t, t->at_ms); /* in the next turn: thousands may be due at once */
        return;
    }
    end_session(s, m);
    timebox_spend(s->box, TIMEBOX_LOOK_US); /* it may have had many subscriptions */
}

static bool takes_lasting(const struct store_memory *s)
{
    return s->config.budget == NULL ||
           memory_budget_takes_lasting(s->config.budget, account_lasting());
}

static bool takes_queued(const struct store_memory *s, uint64_t queue_bytes)
{
    return s->config.budget == NULL ||
           memory_budget_takes_queued(s->config.budget, account_lasting(), queue_bytes);
}

static bool has_room_for(const struct store_memory *s, const struct memory_session *m,
                         const struct store_hold *hold)
{
    bool is_new = hold->durable && (m == NULL || !m->durable);
    if (!is_new)
        return true;
    return takes_lasting(s) &&
           (s->config.session_limit == 0 || s->durable_count < s->config.session_limit);
}

/* The session becomes this connection's. */
static void attach(struct store_memory *s, struct memory_session *m,
                   const struct store_connect_request *req)
{
    if (m->hold != NULL)
        m->hold->store_data = NULL;
    wheel_cancel(&m->expiry_due);
    wheel_cancel(&m->redispatch_due);
    bool ends =
        req->clean_start && !m->will_has_grace; /* the old session; its will is due with it */
    if (ends || !(req->hold->any_user || is_users(m, req->hold->user)))
        publish_will(s, m);
    if (req->clean_start)
        forget_state(m);
    drop_will(m); /* a client that comes back to its session cancels it */
    set_durable(s, m, req->hold->durable);
    m->hold = req->hold;
    m->will_has_grace = false;
    m->will = req->will.message != NULL ? message_ref(req->will.message) : NULL;
    m->will_delay_s = req->will.delay_s;
    req->hold->store_data = m;
    req->hold->epoch++;
}

static void memory_connect(struct store *store, const struct store_connect_request *req,
                           store_connect_fn *done, void *arg)
{
    struct store_memory *s = memory_of(store);
    const struct store_hold *hold = req->hold;
    struct store_connect_result result = {.subscriptions_kept = true};
    struct memory_session *m = find_session(s, store_hold_id(hold));
    if (is_another_users(m, hold)) {
        done(arg, STORE_NOT_OWNER, NULL);
        return;
    }
    if (!has_room_for(s, m, hold)) {
        LOG_LIMITED(
            LOG_LEVEL_WARN, "durable_sessions_full", KV_STR("client_id", hold->client_id),
            KV_UINT("sessions", s->durable_count), KV_UINT("limit", s->config.session_limit),
            KV_STR("key", takes_lasting(s) ? "limits.max_durable_sessions" : "limits.max_memory"),
            KV_STR("effect", "no new durable sessions; those that are there come back"));
        done(arg, STORE_FULL, NULL);
        return;
    }
    bool needed = hold->durable || req->will.message != NULL;
    if (m == NULL && !needed) {
        done(arg, STORE_OK, &result);
        return;
    }
    if (m == NULL)
        m = add_session(s, hold);
    char *user = m != NULL && hold->user != NULL ? copy_user(hold->user) : NULL;
    if (m == NULL || (user == NULL && hold->user != NULL)) {
        if (m != NULL)
            free_if_over(s, m);
        done(arg, STORE_UNAVAILABLE, NULL);
        return;
    }
    result.session_present = m->durable && !req->clean_start;
    attach(s, m, req);
    account_free(ACCOUNT_SESSIONS, m->user);
    m->user = user;
    result.released = m->released;
    result.released_count = m->released_count;
    result.next_sequence = m->queue.first;
    done(arg, STORE_OK, &result);
}

/* How long the will waits: not beyond its session's end (5.0: 3.1.3.2.2), but for a client's grace. */
static uint32_t will_delay_s(const struct memory_session *m, const struct store_hold *hold,
                             uint32_t session_expiry_s)
{
    uint32_t delay = m->will_delay_s;
    if (!m->durable)
        delay = 0;
    else if (delay > session_expiry_s) /* STORE_EXPIRES_NEVER is the largest */
        delay = session_expiry_s;
    return delay > hold->will_grace_s ? delay : hold->will_grace_s;
}

static void memory_disconnect(struct store *store, struct store_hold *hold, bool will,
                              uint32_t session_expiry_s, store_done_fn *done, void *arg)
{
    struct store_memory *s = memory_of(store);
    struct memory_session *m = hold->store_data;
    if (m != NULL) {
        uint64_t now = clock_monotonic_ms();
        uint32_t delay = will_delay_s(m, hold, session_expiry_s);
        hold->store_data = NULL;
        m->hold = NULL;
        m->will_has_grace = hold->will_grace_s > 0;
        if (!will)
            drop_will(m);
        else if (delay == 0)
            publish_will(s, m);
        else if (m->will != NULL)
            wheel_set(&s->wheel, &m->will_due, now + (uint64_t)delay * 1000);
        if (m->durable && session_expiry_s != 0) {
            return_shared(m, RETURN_UNSENT, NULL);
            wheel_set(&s->wheel, &m->redispatch_due, now + s->config.redispatch_after_ms);
        }
        if (m->durable && session_expiry_s == 0)
            end_session(s, m);
        else if (m->durable && session_expiry_s != STORE_EXPIRES_NEVER)
            wheel_set(&s->wheel, &m->expiry_due, now + (uint64_t)session_expiry_s * 1000);
        else
            free_if_over(s, m);
    }
    done(arg, STORE_OK);
}

/* The core keeps a durable session's subscriptions in its topic tree. */
static void memory_subscribe(struct store *store, struct store_hold *hold,
                             const struct store_subscription *subs, size_t count,
                             store_done_fn *done, void *arg)
{
    (void)store;
    (void)hold;
    (void)subs;
    (void)count;
    done(arg, STORE_OK);
}

static void memory_unsubscribe(struct store *store, struct store_hold *hold,
                               const struct mqtt_slice *filters, size_t count, store_done_fn *done,
                               void *arg)
{
    (void)store;
    (void)hold;
    (void)filters;
    (void)count;
    done(arg, STORE_OK);
}

/* ---- publishing ------------------------------------------------------------------------------ */

static void say_expired(const char *where, struct mqtt_slice name, uint64_t messages)
{
    LOG_LIMITED(LOG_LEVEL_INFO, "message_expired", KV_STR("where", where),
                KV_BYTES("name", name.data, name.len), KV_UINT("messages", messages));
}

/* What of a queue has expired and wasn't sent, up to where so many haven't. */
static void expire_queue(struct store_memory *s, struct memory_session *m, uint64_t from,
                         size_t most)
{
    uint32_t dropped = memory_queue_expire(&m->queue, from, most, store_now_ms(&s->base));
    if (dropped == 0)
        return;
    s->config.stats->dropped[DROP_EXPIRED] += dropped;
    say_expired("queue", id_of(m), dropped);
}

static void keep_retained(struct store_memory *s, struct message *m)
{
    bool is_new = retained_tree_get(s->retained, m->topic) == NULL;
    if (m->payload.len == 0) {
        retained_tree_remove(s->retained, m->topic);
    } else if (is_new && retained_tree_count(s->retained) >= s->config.retained_limit) {
        s->config.stats->dropped[DROP_RETAINED_FULL]++;
    } else if (is_new ? !takes_lasting(s) : !takes_queued(s, 0)) {
        retained_tree_remove(s->retained, m->topic); /* no value rather than an old one */
        s->config.stats->dropped[DROP_MEMORY]++;
    } else if (!retained_tree_put(s->retained, m)) {
        s->config.stats->dropped[DROP_NO_MEMORY]++;
    }
    s->config.stats->retained = retained_tree_count(s->retained);
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
    struct memory_session *session = find_session(s, t->client_id);
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
    if (!takes_queued(s, q->bytes))
        s->config.stats->dropped[DROP_MEMORY]++;
    else if (!memory_queue_push(q, e, t->ids))
        s->config.stats->dropped[DROP_NO_MEMORY]++;
    else if (session->hold != NULL)
        s->host.wake(s->host.arg, id_of(session));
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

static uint8_t partition_of(const struct store_memory *s, const struct message *m)
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
    if (q != NULL && !takes_queued(s, q->bytes))
        s->config.stats->dropped[DROP_MEMORY]++;
    else if (q == NULL || !share_queue_push(q, m, partition_of(s, m), clock_monotonic_ms()))
        s->config.stats->dropped[DROP_NO_MEMORY]++;
    else
        s->host.share_wake(s->host.arg, filter, 1);
}

/* True when this packet id of a durable publisher was published before. */
static bool is_repeat(const struct store_publish_request *req)
{
    struct memory_session *m = req->hold != NULL ? req->hold->store_data : NULL;
    if (req->qos2_packet_id == 0 || m == NULL)
        return false;
    if (packet_ids_has(&m->open_qos2, req->qos2_packet_id))
        return true;
    packet_ids_add(&m->open_qos2, req->qos2_packet_id);
    return false;
}

static void memory_publish(struct store *store, const struct store_publish_request *req,
                           store_done_fn *done, void *arg)
{
    struct store_memory *s = memory_of(store);
    struct message *m = req->message;
    bool reached = true; /* by a repeat: when it came first */
    if (!is_repeat(req)) {
        reached = req->targets.queue_count > 0 || req->targets.group_count > 0;
        if (m->retain)
            keep_retained(s, m);
        for (size_t i = 0; i < req->targets.queue_count; i++)
            queue_for(s, &req->targets.queues[i], m, false);
        for (size_t i = 0; i < req->targets.group_count; i++)
            queue_for_group(s, req->targets.groups[i], m);
        if (req->qos2_packet_id != 0)
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
    (void)store;
    if (m != NULL)
        packet_ids_remove(&m->open_qos2, packet_id);
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

static void memory_fetch(struct store *store, struct store_hold *hold, uint64_t from, size_t max,
                         size_t max_bytes, store_fetch_fn *done, void *arg)
{
    struct store_memory *s = memory_of(store);
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
    count = memory_queue_read(&m->queue, from, s->scratch, max, max_bytes, &more);
    done(arg, STORE_OK, s->scratch, count, more);
}

static void memory_ack(struct store *store, struct store_hold *hold, uint64_t sequence)
{
    struct memory_session *m = hold->store_data;
    (void)store;
    if (m != NULL)
        memory_queue_remove(&m->queue, sequence);
}

static bool note_released(struct memory_session *m, uint64_t sequence)
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
    return true;
}

static void memory_release(struct store *store, struct store_hold *hold, uint64_t sequence,
                           store_done_fn *done, void *arg)
{
    struct memory_session *m = hold->store_data;
    (void)store;
    if (m != NULL && !note_released(m, sequence)) {
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
        m->released_count--;
        memmove(&m->released[i], &m->released[i + 1],
                (m->released_count - i) * sizeof(*m->released));
        return;
    }
}

/* ---- shared subscriptions --------------------------------------------------------------------- */

static void share_join(struct store *store, const struct store_member *m)
{
    memory_shares_joined(&memory_of(store)->shares, m->filter, m->hold);
}

/* An ended connection's session is told of by memory_disconnect. */
static void share_leave(struct store *store, struct store_hold *hold, struct mqtt_slice filter,
                        enum store_leave why)
{
    struct memory_shares *shares = &memory_of(store)->shares;
    const struct memory_group *g = memory_shares_find(shares, filter);
    struct memory_session *m = hold->store_data;
    memory_shares_left(shares, filter, hold);
    if (why == STORE_LEAVE_ENDED && m != NULL && g != NULL)
        return_shared(m, RETURN_UNSENT, g);
}

/* Into the queue of a durable session. False: out of memory. */
static bool copy_shared(const struct store_member *m, struct share_entry *e, uint8_t qos)
{
    struct memory_session *session = m->hold->store_data;
    struct memory_entry copy = {.message = e->message,
                                .qos = qos,
                                .retain = e->message->retain && m->options.retain_as_published,
                                .shared = e};
    return memory_queue_push(&session->queue, copy, store_member_ids(m));
}

/* The member gets it, in one way or the other. False: it waits again. */
static bool give(struct store_memory *s, const struct store_member *m, struct share_entry *e,
                 size_t *count)
{
    const struct message *message = e->message;
    uint8_t qos = message->qos < m->options.qos ? message->qos : m->options.qos;
    bool durable = m->hold->durable && m->hold->store_data != NULL;
    if (qos > 0 && durable) {
        bool copied = copy_shared(m, e, qos);
        if (!copied)
            share_entry_put_back(e);
        return copied;
    }
    s->taken[(*count)++] = (struct store_share_entry){
        .taken = (struct store_taken *)e, .message = e->message, .qos = qos};
    return true;
}

static void share_take(struct store *store, const struct store_member *m, size_t max,
                       store_take_fn *done, void *arg)
{
    struct store_memory *s = memory_of(store);
    struct memory_group *g = memory_shares_find(&s->shares, m->filter);
    struct share_entry *e = NULL;
    size_t count = 0;
    size_t given = 0;
    if (max > SHARE_TAKE_MAX)
        max = SHARE_TAKE_MAX;
    while (g != NULL && given < max && (e = memory_shares_take(&s->shares, g, m->hold)) != NULL) {
        if (e->message->expires_at_ms != 0 && message_is_expired(e->message, store_now_ms(store))) {
            s->config.stats->dropped[DROP_EXPIRED]++;
            share_entry_finish(e);
        } else if (give(s, m, e, &count))
            given++;
        else
            break;
    }
    bool more = g != NULL && memory_shares_has_more(&s->shares, g, m->hold);
    if (given > count) /* copies */
        s->host.wake(s->host.arg, store_hold_id(m->hold));
    done(arg, STORE_OK, s->taken, count, more);
}

static void share_finish(struct store *store, struct store_hold *hold, struct store_taken *taken)
{
    (void)store, (void)hold;
    share_entry_finish((struct share_entry *)taken);
}

static void share_put_back(struct store *store, struct store_hold *hold, struct store_taken *taken)
{
    struct store_memory *s = memory_of(store);
    struct share_queue *q = ((struct share_entry *)taken)->queue;
    (void)hold;
    if (share_entry_put_back((struct share_entry *)taken))
        on_share_back(s, (void *)((char *)q - offsetof(struct memory_group, queue)));
}

static void share_declare(struct store *store, struct mqtt_slice filter, uint64_t keep_ms)
{
    if (!memory_shares_declare(&memory_of(store)->shares, filter, keep_ms))
        LOG_ERROR("no_memory", KV_BYTES("filter", filter.data, filter.len));
}

static void share_ended(struct store *store, struct mqtt_slice filter)
{
    memory_shares_ended(&memory_of(store)->shares, filter);
}

/* ---- retained -------------------------------------------------------------------------------- */

static void note_expired(struct store_memory *s, struct mqtt_slice topic, size_t values)
{
    s->config.stats->dropped[DROP_EXPIRED] += values;
    s->config.stats->retained = retained_tree_count(s->retained);
    say_expired("retained", topic, values);
}

static bool drop_if_over(struct store *store, struct message *m)
{
    struct store_memory *s = memory_of(store);
    if (m->expires_at_ms == 0 || !message_is_expired(m, store_now_ms(store)))
        return false;
    retained_tree_remove(s->retained, m->topic);
    note_expired(s, m->topic, 1);
    return true;
}

/* Those that nobody reads, a part of the tree at a time: a million values are gone through in two minutes. */
static void sweep_retained(struct store_memory *s)
{
    enum { PERIOD_MS = 100, NODES = 1000 };
    uint64_t now = clock_monotonic_ms();
    if (now < s->sweep_ms)
        return;
    s->sweep_ms = now + PERIOD_MS;
    size_t removed = retained_tree_sweep(s->retained, NODES, store_now_ms(&s->base));
    if (removed > 0)
        note_expired(s, (struct mqtt_slice){0}, removed);
}

static struct store_retained_read *start_read(struct store *store, struct mqtt_slice filter,
                                              store_retained_fn *each,
                                              store_retained_chunk_fn *chunk, store_done_fn *done,
                                              void *arg)
{
    struct memory_read_request r = {.is_over = drop_if_over,
                                    .filter = filter,
                                    .each = each,
                                    .chunk = chunk,
                                    .done = done,
                                    .arg = arg};
    return memory_read_start(store, memory_of(store)->retained, &r);
}

/* ---- the turn, and the end ------------------------------------------------------------------- */

static void memory_input(struct store *store, struct timebox *box)
{
    struct store_memory *s = memory_of(store);
    s->box = box;
    wheel_advance(&s->wheel, clock_monotonic_ms());
    leftovers_release(&s->leftovers, box);
    sweep_retained(s);
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
    (void)store;
    return clock_boottime_ms();
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
    struct hash_link *link;
    memory_shares_fini(&s->shares); /* nobody is told */
    for (uint32_t at = 0; (link = hash_table_any(&s->sessions, &at)) != NULL;)
        free_session(s, HASH_OWNER(link, struct memory_session, by_id));
    hash_table_fini(&s->sessions);
    leftovers_fini(&s->leftovers);
    retained_tree_free(s->retained);
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
    .share_join = share_join,
    .share_leave = share_leave,
    .share_take = share_take,
    .share_finish = share_finish,
    .share_put_back = share_put_back,
    .share_declare = share_declare,
    .share_ended = share_ended,
    .retained_start = start_read,
    .retained_continue = memory_read_continue,
    .retained_cancel = memory_read_cancel,
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
    s->retained = retained_tree_new(cfg->hash_key);
    if (s->retained == NULL || !hash_table_init(&s->sessions) ||
        !memory_shares_init(&s->shares, cfg->hash_key)) {
        hash_table_fini(&s->sessions);
        retained_tree_free(s->retained);
        free(s);
        return NULL;
    }
    s->shares.hashed = share_strategy_is_hashed(cfg->share_strategy);
    wheel_init(&s->wheel, clock_monotonic_ms());
    leftovers_init(&s->leftovers);
    return &s->base;
}
