/* Between the members' connections and the queues of their groups. */
#include "broker/store/memory_groups.h"

#include "broker/base/drop_log.h"
#include "broker/store/memory_sessions.h"
#include "common/log/log.h"

void memory_share_join(struct store *store, const struct store_member *m)
{
    memory_shares_joined(&memory_of(store)->shares, m->filter, m->hold);
}

/* An ended connection's session is told of by memory_disconnect. */
void memory_share_leave(struct store *store, struct store_hold *hold, struct mqtt_slice filter,
                        enum store_leave why)
{
    struct memory_shares *shares = &memory_of(store)->shares;
    const struct memory_group *g = memory_shares_find(shares, filter);
    struct memory_session *m = hold->store_data;
    memory_shares_left(shares, filter, hold);
    if (why == STORE_LEAVE_ENDED && m != NULL && g != NULL)
        memory_session_return_shared(m, RETURN_UNSENT, g);
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
    if (qos == 2)
        share_entry_take_for_good(e);
    s->taken[(*count)++] = (struct store_share_entry){
        .taken = (struct store_taken *)e, .message = e->message, .qos = qos};
    return true;
}

/* It may not read it: another one gets it, if there is one that may. */
static bool is_refused(struct store_memory *s, const struct store_member *m, struct share_entry *e,
                       const struct memory_taker *taker)
{
    enum store_reader who =
        s->host.share_reader != NULL
            ? s->host.share_reader(s->host.arg, m->hold, m->filter, e->message->topic)
            : STORE_READER_IT;
    if (who == STORE_READER_IT)
        return false;
    if (who == STORE_READER_NOBODY || !memory_shares_deny(&s->shares, e, taker)) {
        drop_note(s->config.stats, DROP_DENIED, m->filter, e->message->topic);
        share_entry_finish(e);
    }
    return true;
}

void memory_share_take(struct store *store, const struct store_member *m, size_t max,
                       store_take_fn *done, void *arg)
{
    struct store_memory *s = memory_of(store);
    enum { REFUSED_MAX = 256 }; /* the others at the next call */
    struct memory_group *g = memory_shares_find(&s->shares, m->filter);
    struct memory_taker taker = {.member = m->hold, .client_id = store_hold_id(m->hold)};
    struct share_entry *e = NULL;
    size_t count = 0;
    size_t given = 0;
    size_t refused = 0;
    if (max > SHARE_TAKE_MAX)
        max = SHARE_TAKE_MAX;
    while (g != NULL && given < max && refused < REFUSED_MAX &&
           (e = memory_shares_take(&s->shares, g, &taker)) != NULL) {
        if (e->message->expires_at_ms != 0 && message_is_expired(e->message, store_now_ms(store))) {
            drop_note(s->config.stats, DROP_EXPIRED, m->filter, e->message->topic);
            share_entry_finish(e);
        } else if (is_refused(s, m, e, &taker))
            refused++;
        else if (give(s, m, e, &count))
            given++;
        else
            break;
    }
    enum store_more more = g != NULL ? memory_shares_more(&s->shares, g, &taker) : STORE_MORE_NONE;
    if (given > count) /* copies */
        s->host.wake(s->host.arg, store_hold_id(m->hold));
    done(arg, STORE_OK, s->taken, count, more);
}

void memory_share_finish(struct store *store, struct store_hold *hold, struct store_taken *taken)
{
    (void)store, (void)hold;
    share_entry_finish((struct share_entry *)taken);
}

void memory_share_put_back(struct store *store, struct store_hold *hold, struct store_taken *taken)
{
    struct store_memory *s = memory_of(store);
    struct share_queue *q = ((struct share_entry *)taken)->queue;
    (void)hold;
    if (share_entry_put_back((struct share_entry *)taken))
        s->host.share_wake(s->host.arg,
                           memory_group_filter(HASH_OWNER(q, struct memory_group, queue)), 1);
}

void memory_share_declare(struct store *store, struct mqtt_slice filter, uint64_t keep_ms)
{
    if (!memory_shares_declare(&memory_of(store)->shares, filter, keep_ms))
        LOG_ERROR("no_memory", KV_BYTES("filter", filter.data, filter.len));
}

void memory_share_ended(struct store *store, struct mqtt_slice filter)
{
    memory_shares_ended(&memory_of(store)->shares, filter);
}
