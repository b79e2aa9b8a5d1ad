/*
 * journal - what the memory store's modules tell of each change of what must outlive the process.
 *
 * Data flow: memory_sessions, memory_queue, memory_shares, share_queue, memory_values and store_memory call journal_*
 *            functions right when they change something. Who keeps it implements struct journal_ops: the store in a
 *            file (store/file/file_journal.h). Without one (NULL) nothing is told.
 * Numbers:   sessions and groups have one each, from journal_number: never given twice, and stored with them.
 * Times:     as the memory store has them: messages expire by store_now_ms, timers are CLOCK_MONOTONIC.
 * Ownership: arguments are borrowed for the call. What is told refers to what was told before it, so the order counts.
 */
#ifndef FLOTILLA_BROKER_STORE_JOURNAL_H
#define FLOTILLA_BROKER_STORE_JOURNAL_H

#include "broker/message/message.h"
#include "broker/routing/targets.h"

struct journal;
struct share_entry;

/* A session or connection as it is now. */
struct journal_session {
    uint64_t number;
    struct mqtt_slice client_id;
    const char *user; /* NULL: of who gave no user name */
    bool durable, connected;
    uint32_t expiry_s;      /* while it is connected: how long it lasts after that */
    uint64_t expires_at_ms; /* while it is away; CLOCK_MONOTONIC, 0: never */
    const struct message *will;
    uint32_t will_delay_s;
    bool will_has_grace;
    uint64_t will_due_ms; /* while it is away; CLOCK_MONOTONIC */
};

/* A message in a session's queue. */
struct journal_entry {
    uint64_t session, sequence;
    const struct message *message;
    uint8_t qos;
    bool retain, is_value;
    struct mqtt_ids ids;
    uint64_t group, group_number; /* the entry of a group that it is a copy of; 0: of none */
};

struct journal_ops {
    void (*session)(struct journal *, const struct journal_session *);
    void (*session_gone)(struct journal *, uint64_t session);
    void (*session_emptied)(struct journal *, uint64_t session);
    void (*subscribed)(struct journal *, uint64_t session, const struct store_subscription *);
    void (*unsubscribed)(struct journal *, uint64_t session, struct mqtt_slice filter);
    void (*queued)(struct journal *, const struct journal_entry *);
    void (*unqueued)(struct journal *, uint64_t session, uint64_t sequence, const struct message *);
    void (*sent)(struct journal *, uint64_t session, uint64_t after);
    void (*released)(struct journal *, uint64_t session, uint64_t sequence);
    void (*completed)(struct journal *, uint64_t session, uint64_t sequence);
    void (*qos2_opened)(struct journal *, uint64_t session, uint16_t packet_id);
    void (*qos2_closed)(struct journal *, uint64_t session, uint16_t packet_id);
    void (*retained)(struct journal *, const struct message *);
    void (*retained_gone)(struct journal *, struct mqtt_slice topic);
    void (*group)(struct journal *, uint64_t group, struct mqtt_slice filter);
    void (*group_gone)(struct journal *, uint64_t group);
    void (*shared)(struct journal *, uint64_t group, const struct share_entry *);
    void (*shared_taken)(struct journal *, uint64_t group, uint64_t number, bool for_good);
    void (*shared_gone)(struct journal *, uint64_t group, uint64_t number, const struct message *);
};

/* First member of who implements it. */
struct journal {
    const struct journal_ops *ops;
    bool off; /* nothing is told: what was stored is being loaded, or the store ends */
    uint64_t numbered;
};

static inline bool journal_is_on(const struct journal *j)
{
    return j != NULL && !j->off;
}

/* For a session or a group. */
static inline uint64_t journal_number(struct journal *j)
{
    return j != NULL ? ++j->numbered : 0;
}

/* The session's row is this from now on. */
static inline void journal_session(struct journal *j, const struct journal_session *s)
{
    if (journal_is_on(j))
        j->ops->session(j, s);
}

/* After journal_session_emptied. */
static inline void journal_session_gone(struct journal *j, uint64_t session)
{
    if (journal_is_on(j))
        j->ops->session_gone(j, session);
}

/* Its subscriptions, its queue and its packet ids are forgotten. The messages of the queue follow one by one, by
 * journal_unqueued with session 0. */
static inline void journal_session_emptied(struct journal *j, uint64_t session)
{
    if (journal_is_on(j))
        j->ops->session_emptied(j, session);
}

static inline void journal_subscribed(struct journal *j, uint64_t session,
                                      const struct store_subscription *sub)
{
    if (journal_is_on(j))
        j->ops->subscribed(j, session, sub);
}

static inline void journal_unsubscribed(struct journal *j, uint64_t session,
                                        struct mqtt_slice filter)
{
    if (journal_is_on(j))
        j->ops->unsubscribed(j, session, filter);
}

static inline void journal_queued(struct journal *j, const struct journal_entry *e)
{
    if (journal_is_on(j))
        j->ops->queued(j, e);
}

/* Session 0: the queue is gone already. */
static inline void journal_unqueued(struct journal *j, uint64_t session, uint64_t sequence,
                                    const struct message *m)
{
    if (journal_is_on(j))
        j->ops->unqueued(j, session, sequence, m);
}

/* What is before this sequence may have been sent. */
static inline void journal_sent(struct journal *j, uint64_t session, uint64_t after)
{
    if (journal_is_on(j))
        j->ops->sent(j, session, after);
}

static inline void journal_released(struct journal *j, uint64_t session, uint64_t sequence)
{
    if (journal_is_on(j))
        j->ops->released(j, session, sequence);
}

static inline void journal_completed(struct journal *j, uint64_t session, uint64_t sequence)
{
    if (journal_is_on(j))
        j->ops->completed(j, session, sequence);
}

static inline void journal_qos2_opened(struct journal *j, uint64_t session, uint16_t packet_id)
{
    if (journal_is_on(j))
        j->ops->qos2_opened(j, session, packet_id);
}

static inline void journal_qos2_closed(struct journal *j, uint64_t session, uint16_t packet_id)
{
    if (journal_is_on(j))
        j->ops->qos2_closed(j, session, packet_id);
}

/* It is its topic's value. */
static inline void journal_retained(struct journal *j, const struct message *m)
{
    if (journal_is_on(j))
        j->ops->retained(j, m);
}

static inline void journal_retained_gone(struct journal *j, struct mqtt_slice topic)
{
    if (journal_is_on(j))
        j->ops->retained_gone(j, topic);
}

static inline void journal_group(struct journal *j, uint64_t group, struct mqtt_slice filter)
{
    if (journal_is_on(j))
        j->ops->group(j, group, filter);
}

static inline void journal_group_gone(struct journal *j, uint64_t group)
{
    if (journal_is_on(j))
        j->ops->group_gone(j, group);
}

/* A message in a group's queue. */
static inline void journal_shared(struct journal *j, uint64_t group, const struct share_entry *e)
{
    if (journal_is_on(j))
        j->ops->shared(j, group, e);
}

/* `for_good`: a member without a session is about to be sent it at QoS 2, so no other one ever gets it (4.8.2-5). False:
 * it wasn't sent after all. */
static inline void journal_shared_taken(struct journal *j, uint64_t group, uint64_t number,
                                        bool for_good)
{
    if (journal_is_on(j))
        j->ops->shared_taken(j, group, number, for_good);
}

static inline void journal_shared_gone(struct journal *j, uint64_t group, uint64_t number,
                                       const struct message *m)
{
    if (journal_is_on(j))
        j->ops->shared_gone(j, group, number, m);
}

#endif
