/*
 * The store's functions: each goes through the table of its kind.
 */
#include "broker/store/store.h"

void store_connect(struct store *s, const struct store_connect_request *req, store_connect_fn *done,
                   void *arg)
{
    s->ops->connect(s, req, done, arg);
}

void store_disconnect(struct store *s, struct store_hold *hold, bool publish_will,
                      uint32_t session_expiry_s, store_done_fn *done, void *arg)
{
    s->ops->disconnect(s, hold, publish_will, session_expiry_s, done, arg);
}

void store_subscribe(struct store *s, struct store_hold *hold,
                     const struct store_subscription *subs, size_t count, store_done_fn *done,
                     void *arg)
{
    s->ops->subscribe(s, hold, subs, count, done, arg);
}

void store_unsubscribe(struct store *s, struct store_hold *hold, const struct mqtt_slice *filters,
                       size_t count, store_done_fn *done, void *arg)
{
    s->ops->unsubscribe(s, hold, filters, count, done, arg);
}

void store_interest_ended(struct store *s, struct mqtt_slice filter)
{
    if (s->ops->interest_ended != NULL)
        s->ops->interest_ended(s, filter);
}

void store_publish(struct store *s, const struct store_publish_request *req, store_done_fn *done,
                   void *arg)
{
    s->ops->publish(s, req, done, arg);
}

void store_enqueue(struct store *s, struct message *m, const struct store_queue_target *target,
                   store_done_fn *done, void *arg)
{
    s->ops->enqueue(s, m, target, done, arg);
}

void store_qos2_end(struct store *s, struct store_hold *hold, uint16_t packet_id,
                    store_done_fn *done, void *arg)
{
    s->ops->qos2_end(s, hold, packet_id, done, arg);
}

void store_fetch(struct store *s, struct store_hold *hold, uint64_t from, size_t max,
                 size_t max_bytes, store_fetch_fn *done, void *arg)
{
    s->ops->fetch(s, hold, from, max, max_bytes, done, arg);
}

void store_ack(struct store *s, struct store_hold *hold, uint64_t sequence)
{
    s->ops->ack(s, hold, sequence);
}

void store_release(struct store *s, struct store_hold *hold, uint64_t sequence, store_done_fn *done,
                   void *arg)
{
    s->ops->release(s, hold, sequence, done, arg);
}

void store_complete(struct store *s, struct store_hold *hold, uint64_t sequence)
{
    s->ops->complete(s, hold, sequence);
}

void store_share_join(struct store *s, const struct store_member *m)
{
    s->ops->share_join(s, m);
}

void store_share_leave(struct store *s, struct store_hold *hold, struct mqtt_slice filter,
                       enum store_leave why)
{
    s->ops->share_leave(s, hold, filter, why);
}

void store_share_take(struct store *s, const struct store_member *m, size_t max,
                      store_take_fn *done, void *arg)
{
    s->ops->share_take(s, m, max, done, arg);
}

void store_share_finish(struct store *s, struct store_hold *hold, struct store_taken *taken)
{
    s->ops->share_finish(s, hold, taken);
}

void store_share_put_back(struct store *s, struct store_hold *hold, struct store_taken *taken)
{
    s->ops->share_put_back(s, hold, taken);
}

void store_share_declare(struct store *s, struct mqtt_slice filter, uint64_t keep_ms)
{
    s->ops->share_declare(s, filter, keep_ms);
}

void store_share_ended(struct store *s, struct mqtt_slice filter)
{
    s->ops->share_ended(s, filter);
}

void store_share_send(struct store *s, void *node, struct mqtt_slice filter, struct message *m,
                      bool tried)
{
    if (s->ops->share_send != NULL)
        s->ops->share_send(s, node, filter, m, tried);
}

void store_share_members(struct store *s, struct mqtt_slice filter, uint32_t members, uint8_t qos)
{
    if (s->ops->share_members != NULL)
        s->ops->share_members(s, filter, members, qos);
}

struct store_retained_read *store_retained_start(struct store *s, struct mqtt_slice filter,
                                                 store_retained_fn *each,
                                                 store_retained_chunk_fn *chunk,
                                                 store_done_fn *done, void *arg)
{
    return s->ops->retained_start(s, filter, each, chunk, done, arg);
}

void store_retained_continue(struct store_retained_read *read)
{
    read->store->ops->retained_continue(read);
}

void store_retained_cancel(struct store_retained_read *read)
{
    read->store->ops->retained_cancel(read);
}

void store_totals(struct store *s, const uint64_t mine[STORE_TOTAL_COUNT], store_totals_fn *done,
                  void *arg)
{
    s->ops->totals(s, mine, done, arg);
}

const char *store_node(const struct store *s)
{
    return s->ops->node != NULL ? s->ops->node(s) : NULL;
}

void store_input(struct store *s, struct timebox *box)
{
    s->ops->input(s, box);
}

void store_flush(struct store *s)
{
    s->ops->flush(s);
}

uint64_t store_now_ms(const struct store *s)
{
    return s->ops->now_ms(s);
}

enum store_health store_health(const struct store *s)
{
    return s->ops->health(s);
}

const char *store_trouble(const struct store *s)
{
    return s->ops->trouble != NULL ? s->ops->trouble(s) : NULL;
}

bool store_accepts(const struct store *s)
{
    return s->ops->accepts(s);
}

void store_shutdown(struct store *s, uint64_t deadline_ms, store_done_fn *done, void *arg)
{
    s->ops->shutdown(s, deadline_ms, done, arg);
}

void store_free(struct store *s)
{
    if (s != NULL)
        s->ops->free(s);
}
