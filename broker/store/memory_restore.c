/* The state of before a restart, put back piece by piece. */
#include "broker/store/memory_restore.h"

#include "common/base/clock.h"

/* When a timer of then is due, by the clock of now: not before now. */
static uint64_t due_ms(const struct store_memory *s, uint64_t at_ms)
{
    uint64_t now = store_now_ms(&s->base);
    return clock_monotonic_ms() + (at_ms > now ? at_ms - now : 0);
}

static uint64_t in_s(const struct store_memory *s, uint32_t seconds)
{
    return store_now_ms(&s->base) + (uint64_t)seconds * 1000;
}

/* Not beyond its session's end (5.0: 3.1.3.2.2). */
static uint64_t will_due(const struct store_memory *s, const struct journal_session *was)
{
    uint32_t delay = was->durable ? was->will_delay_s : 0;
    if (!was->connected)
        return was->will_due_ms;
    return in_s(s, delay < was->expiry_s ? delay : was->expiry_s);
}

struct memory_session *memory_restore_session(struct store_memory *s,
                                              const struct journal_session *was)
{
    struct memory_session *m = memory_session_add(s, was->client_id, was->number);
    if (m == NULL || !memory_session_set_user(m, was->user))
        return NULL;
    memory_session_set_durable(s, m, was->durable);
    m->expiry_s = was->expiry_s;
    m->will_delay_s = was->will_delay_s;
    m->will_has_grace = was->will_has_grace;
    if (was->will != NULL) {
        m->will = message_ref((struct message *)was->will);
        wheel_set(&s->wheel, &m->will_due, due_ms(s, will_due(s, was)));
    }
    uint64_t expires_ms = was->expires_at_ms;
    if (was->connected && was->expiry_s != STORE_EXPIRES_NEVER)
        expires_ms = in_s(s, was->expiry_s);
    if (was->durable && expires_ms != 0)
        wheel_set(&s->wheel, &m->expiry_due, due_ms(s, expires_ms));
    return m;
}

struct memory_group *memory_restore_group(struct store_memory *s, struct mqtt_slice filter,
                                          uint64_t number)
{
    return memory_shares_restore(&s->shares, filter, number);
}

bool memory_restore_member(struct store_memory *s, struct mqtt_slice filter)
{
    struct memory_group *g = memory_shares_get(&s->shares, filter);
    if (g != NULL)
        g->has_away = true;
    return g != NULL;
}

bool memory_restore_shared(struct store_memory *s, struct memory_group *g, struct message *m,
                           uint64_t number, uint64_t since_ms)
{
    uint64_t now = store_now_ms(&s->base);
    uint64_t age = now > since_ms ? now - since_ms : 0;
    uint64_t clock = clock_monotonic_ms();
    struct share_entry as = {.number = number,
                             .since_ms = clock > age ? clock - age : 0,
                             .partition = memory_partition_of(s, m)};
    return share_queue_restore(&g->queue, m, &as);
}

bool memory_restore_queued(struct memory_session *m, struct message *message,
                           const struct journal_entry *e, struct memory_group *from)
{
    struct memory_entry entry = {
        .message = message,
        .qos = e->qos,
        .retain = e->retain,
        .is_value = e->is_value,
        .shared = from != NULL ? share_queue_take_number(&from->queue, e->group_number) : NULL};
    if (memory_queue_restore(&m->queue, e->sequence, entry, e->ids))
        return true;
    if (entry.shared != NULL)
        share_entry_put_back(entry.shared);
    return false;
}

bool memory_restore_sent(struct memory_session *m, uint64_t after)
{
    return memory_queue_restore_fetched(&m->queue, after);
}

bool memory_restore_released(struct memory_session *m, uint64_t sequence)
{
    return memory_session_note_released(m, sequence);
}

bool memory_restore_qos2(struct memory_session *m, uint16_t packet_id)
{
    return packet_ids_add(&m->open_qos2, packet_id);
}

void memory_restore_done(struct memory_session *m, bool was_connected)
{
    struct store_memory *s = m->store;
    if (m->queue.count > 0) {
        memory_session_return_shared(m, RETURN_UNSENT, NULL);
        wheel_set(&s->wheel, &m->redispatch_due,
                  clock_monotonic_ms() + s->config.redispatch_after_ms);
    }
    if (was_connected)
        memory_session_settle(s, m);
}
