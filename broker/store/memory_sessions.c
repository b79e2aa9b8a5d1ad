/* Client ids by a hash table; wills and expiries by a timer wheel. */
#include "broker/store/memory_sessions.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"
#include "broker/base/broker_stats.h"
#include "broker/base/memory_budget.h"
#include "broker/store/journal.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/timebox.h"
#include "common/log/log.h"

static uint32_t hash_of(const struct store_memory *s, struct mqtt_slice id)
{
    return (uint32_t)hash_bytes(s->config.hash_key, id.data, id.len);
}

struct memory_session *memory_session_find(struct store_memory *s, struct mqtt_slice id)
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

/* An empty queue, whose changes the journal is told. */
static void begin_queue(struct memory_session *m)
{
    memory_queue_init(&m->queue);
    m->queue.journal = m->store->journal;
    m->queue.owner = m->number;
}

struct memory_session *memory_session_add(struct store_memory *s, struct mqtt_slice id,
                                          uint64_t number)
{
    struct memory_session *m = account_zalloc(ACCOUNT_SESSIONS, sizeof(*m) + id.len);
    if (m == NULL)
        return NULL;
    m->store = s;
    m->number = number;
    m->will_due.due = on_will_due;
    m->expiry_due.due = on_expiry_due;
    m->redispatch_due.due = on_redispatch_due;
    begin_queue(m);
    m->id_len = id.len;
    memcpy(m->id, id.data, id.len);
    hash_table_add(&s->sessions, &m->by_id, hash_of(s, memory_session_id(m)));
    return m;
}

void memory_session_set_durable(struct store_memory *s, struct memory_session *m, bool durable)
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

void memory_session_return_shared(struct memory_session *m, enum memory_return what,
                                  const struct memory_group *group)
{
    memory_shares_return(&m->queue, what, group, on_share_back, m->store);
}

static void on_redispatch_due(struct wheel_timer *t)
{
    memory_session_return_shared(
        (void *)((char *)t - offsetof(struct memory_session, redispatch_due)), RETURN_QOS1, NULL);
}

static void forget_state(struct memory_session *m)
{
    memory_session_return_shared(m, RETURN_SESSION, NULL);
    journal_session_emptied(m->store->journal, m->number);
    memory_queue_fini(&m->queue, &m->store->leftovers);
    begin_queue(m);
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
    journal_session_gone(s->journal, m->number);
    account_free(ACCOUNT_SESSIONS, m->user);
    account_free(ACCOUNT_SESSIONS, m);
}

static char *copy_user(const char *user)
{
    size_t size = strlen(user) + 1;
    char *copy = account_alloc(ACCOUNT_SESSIONS, size);
    return copy != NULL ? memcpy(copy, user, size) : NULL;
}

bool memory_session_set_user(struct memory_session *m, const char *user)
{
    char *copy = user != NULL ? copy_user(user) : NULL;
    if (copy == NULL && user != NULL)
        return false;
    account_free(ACCOUNT_SESSIONS, m->user);
    m->user = copy;
    return true;
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

static void tell_journal(const struct store_memory *s, const struct memory_session *m)
{
    struct journal_session told = {
        .number = m->number,
        .client_id = memory_session_id(m),
        .user = m->user,
        .durable = m->durable,
        .connected = m->hold != NULL,
        .expiry_s = m->expiry_s,
        .expires_at_ms = wheel_is_set(&m->expiry_due) ? m->expiry_due.at_ms : 0,
        .will = m->will,
        .will_delay_s = m->will_delay_s,
        .will_has_grace = m->will_has_grace,
        .will_due_ms = wheel_is_set(&m->will_due) ? m->will_due.at_ms : 0};
    journal_session(s->journal, &told);
}

void memory_session_settle(struct store_memory *s, struct memory_session *m)
{
    if (m->hold == NULL && !m->durable && m->will == NULL)
        free_session(s, m);
    else if (s->journal != NULL)
        tell_journal(s, m);
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
    memory_session_set_durable(s, m, false);
    forget_state(m);
    if (was_durable)
        s->host.durable_ended(s->host.arg, memory_session_id(m));
    if (!m->will_has_grace)
        publish_will(s, m); /* a delayed will, at the latest now (5.0: 3.1.2.5) */
    memory_session_settle(s, m);
}

static void on_will_due(struct wheel_timer *t)
{
    struct memory_session *m = (void *)((char *)t - offsetof(struct memory_session, will_due));
    struct store_memory *s = m->store;
    if (timebox_is_over(s->box)) {
        wheel_set(&s->wheel, t,
                  t->at_ms); /* in the next turn: after a restart thousands may be due */
        return;
    }
    publish_will(s, m);
    memory_session_settle(s, m);
    timebox_spend(s->box, TIMEBOX_LOOK_US);
}

static void on_expiry_due(struct wheel_timer *t)
{
    struct memory_session *m = (void *)((char *)t - offsetof(struct memory_session, expiry_due));
    struct store_memory *s = m->store;
    if (timebox_is_over(s->box)) {
        wheel_set(&s->wheel, t, t->at_ms); /* in the next turn: thousands may be due at once */
        return;
    }
    s->expired++;
    end_session(s, m);
    timebox_spend(s->box, TIMEBOX_LOOK_US); /* it may have had many subscriptions */
}

bool memory_takes_lasting(const struct store_memory *s)
{
    return s->config.budget == NULL ||
           memory_budget_takes_lasting(s->config.budget, account_lasting());
}

bool memory_takes_queued(const struct store_memory *s, uint64_t queue_bytes)
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
    return memory_takes_lasting(s) &&
           (s->config.session_limit == 0 || s->durable_count < s->config.session_limit);
}

/* The session becomes this connection's. */
static void attach(struct store_memory *s, struct memory_session *m,
                   const struct store_connect_request *req)
{
    if (m->hold != NULL) { /* store/file: it was never told that it is connected */
        m->hold->store_data = NULL;
        drop_will(m);
    }
    wheel_cancel(&m->expiry_due);
    wheel_cancel(&m->redispatch_due);
    bool ends =
        req->clean_start && !m->will_has_grace; /* the old session; its will is due with it */
    if (ends || !(req->hold->any_user || is_users(m, req->hold->user)))
        publish_will(s, m);
    if (req->clean_start)
        forget_state(m);
    drop_will(m); /* a client that comes back to its session cancels it */
    memory_session_set_durable(s, m, req->hold->durable);
    m->hold = req->hold;
    m->expiry_s = req->session_expiry_s;
    m->will_has_grace = false;
    m->will = req->will.message != NULL ? message_ref(req->will.message) : NULL;
    m->will_delay_s = req->will.delay_s;
    req->hold->store_data = m;
    req->hold->epoch++;
}

void memory_connect(struct store *store, const struct store_connect_request *req,
                    store_connect_fn *done, void *arg)
{
    struct store_memory *s = memory_of(store);
    const struct store_hold *hold = req->hold;
    struct store_connect_result result = {.subscriptions_kept = true};
    struct memory_session *m = memory_session_find(s, store_hold_id(hold));
    if (is_another_users(m, hold)) {
        done(arg, STORE_NOT_OWNER, NULL);
        return;
    }
    if (!has_room_for(s, m, hold)) {
        LOG_LIMITED(LOG_LEVEL_WARN, "durable_sessions_full", KV_STR("client_id", hold->client_id),
                    KV_UINT("sessions", s->durable_count),
                    KV_UINT("limit", s->config.session_limit),
                    KV_STR("key", memory_takes_lasting(s) ? "limits.max_durable_sessions"
                                                          : "limits.max_memory"),
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
        m = memory_session_add(s, store_hold_id(hold), journal_number(s->journal));
    char *user = m != NULL && hold->user != NULL ? copy_user(hold->user) : NULL;
    if (m == NULL || (user == NULL && hold->user != NULL)) {
        if (m != NULL)
            memory_session_settle(s, m);
        done(arg, STORE_UNAVAILABLE, NULL);
        return;
    }
    result.session_present = m->durable && !req->clean_start;
    attach(s, m, req);
    account_free(ACCOUNT_SESSIONS, m->user);
    m->user = user;
    memory_session_settle(s, m);
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

void memory_disconnect(struct store *store, struct store_hold *hold, bool will,
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
            memory_session_return_shared(m, RETURN_UNSENT, NULL);
            wheel_set(&s->wheel, &m->redispatch_due, now + s->config.redispatch_after_ms);
        }
        if (m->durable && session_expiry_s != 0 && session_expiry_s != STORE_EXPIRES_NEVER)
            wheel_set(&s->wheel, &m->expiry_due, now + (uint64_t)session_expiry_s * 1000);
        if (m->durable && session_expiry_s == 0)
            end_session(s, m);
        else
            memory_session_settle(s, m);
    }
    done(arg, STORE_OK);
}

void memory_sessions_free(struct store_memory *s)
{
    struct hash_link *link;
    for (uint32_t at = 0; (link = hash_table_any(&s->sessions, &at)) != NULL;)
        free_session(s, HASH_OWNER(link, struct memory_session, by_id));
    hash_table_fini(&s->sessions);
}
