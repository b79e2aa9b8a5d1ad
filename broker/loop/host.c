/*
 * The store's requests to the core: deliveries and wills from elsewhere, connections to be handed
 * over, durable sessions that other brokers serve.
 */
#include "broker/loop/host.h"

#include <stddef.h>

#include "broker/base/drop_log.h"
#include "broker/client/client.h"
#include "broker/client/leave.h"
#include "broker/connection/client_life.h"
#include "broker/delivery/deliver.h"
#include "broker/delivery/publish.h"
#include "broker/delivery/publish_bounds.h"
#include "broker/delivery/share.h"
#include "broker/loop/turn.h"
#include "broker/message/publish_properties.h"
#include "broker/routing/router.h"
#include "broker/routing/session.h"
#include "common/log/log.h"

enum { CLOSE_US = 8, FORGET_US = 1 }; /* about what a client's end costs, and a session's */

static struct session *find(const struct broker *b, struct mqtt_slice client_id)
{
    return session_table_find(b->sessions, client_id);
}

static bool on_deliver(void *arg, struct message *m)
{
    struct broker *b = arg;
    if (m->expires_at_ms != 0 && message_is_expired(m, store_now_ms(b->store))) {
        drop_note(&b->stats, DROP_EXPIRED, (struct mqtt_slice){0}, m->topic);
        return false; /* it was on its way for longer than it is good for */
    }
    return publish_local(b, m);
}

static bool on_takes_more(void *arg, uint32_t *worked_us)
{
    *worked_us = publish_worked_us(arg);
    return publish_takes_more(arg);
}

static void on_publish_will(void *arg, struct message *m, store_done_fn *done, void *done_arg)
{
    struct broker *b = arg;
    uint64_t now_ms = store_now_ms(b->store);
    struct message *due = publish_properties_of_will(m, now_ms);
    if (due == NULL) {
        done(done_arg, STORE_UNAVAILABLE);
        return;
    }
    due->expires_at_ms = publish_bounds_expiry(b->config, due->retain, due->expires_at_ms, now_ms);
    struct mqtt_publish fields = {.qos = due->qos,
                                  .retain = due->retain,
                                  .topic = due->topic,
                                  .payload = due->payload,
                                  .props.raw = due->props};
    struct publish p = {.fields = &fields, .message = due};
    struct publish_found found;
    if (publish_route(b, &p, &found) == PUBLISH_STORE)
        publish_store(b, &p, &found, done, done_arg);
    else
        done(done_arg, STORE_OK);
    message_unref(due);
}

static void on_wake(void *arg, struct mqtt_slice client_id)
{
    struct session *s = find(arg, client_id);
    if (s != NULL && s->client != NULL && client_is_connected(s->client))
        deliver_wake(s->client);
}

static bool on_share_wake(void *arg, struct mqtt_slice filter, uint32_t messages)
{
    return share_wake(arg, filter, messages);
}

static void on_share_look(void *arg, bool join)
{
    share_look(arg, join);
}

static void on_share_deliver(void *arg, struct mqtt_slice filter, struct message *m, bool tried)
{
    share_deliver(arg, filter, m, tried);
}

static void on_hand_over(void *arg, struct mqtt_slice client_id, uint64_t epoch,
                         store_done_fn *done, void *done_arg)
{
    struct session *s = find(arg, client_id);
    struct client *c = s != NULL ? s->client : NULL;
    if (c == NULL || c->claim != CLAIM_HELD || c->hold.epoch > epoch)
        done(done_arg, STORE_OK);
    else
        client_hand_over(c, done, done_arg);
}

static void on_fenced(void *arg, struct store_hold *hold)
{
    (void)arg;
    client_close_silently((struct client *)((char *)hold - offsetof(struct client, hold)),
                          END_TAKEN_OVER);
}

/* Not a connection's here, though one may be asking for the client id: that may not get it. */
static bool is_elsewhere(const struct session *s)
{
    return s->client == NULL || s->client->claim != CLAIM_HELD;
}

static void on_durable_subscribed(void *arg, struct mqtt_slice client_id,
                                  const struct store_subscription *sub)
{
    struct broker *b = arg;
    struct session *s = find(b, client_id);
    if (s == NULL)
        s = session_table_add(b->sessions, client_id, true);
    struct subscription_options options = {.qos = sub->qos,
                                           .no_local = sub->no_local,
                                           .retain_as_published = sub->retain_as_published,
                                           .subscription_id = sub->subscription_id};
    if (s == NULL || !router_subscribe(b->router, s, sub->filter, options))
        LOG_ERROR("no_memory", KV_BYTES("client_id", client_id.data, client_id.len));
    else if (is_elsewhere(s))
        router_session_set_durable(b->router, s, true);
}

/* A session of which nothing is known any more. */
static void forget_if_empty(struct broker *b, struct session *s)
{
    if (s->client == NULL && s->subscriber.count == 0)
        session_table_remove(b->sessions, s);
}

static void on_durable_unsubscribed(void *arg, struct mqtt_slice client_id,
                                    struct mqtt_slice filter)
{
    struct broker *b = arg;
    struct session *s = find(b, client_id);
    if (s == NULL)
        return;
    router_unsubscribe(b->router, s, filter);
    forget_if_empty(b, s);
}

static void on_durable_ended(void *arg, struct mqtt_slice client_id)
{
    struct broker *b = arg;
    struct session *s = find(b, client_id);
    if (s == NULL || !s->durable)
        return;
    router_unsubscribe_all(b->router, s);
    forget_if_empty(b, s);
}

static void on_each_subscription(void *arg, struct mqtt_slice client_id,
                                 store_subscription_fn *each, void *each_arg)
{
    struct broker *b = arg;
    struct session *s = find(b, client_id);
    if (s != NULL)
        router_each_subscription(b->router, s, each, each_arg);
}

static struct store_hold *on_hold_of(void *arg, struct mqtt_slice client_id)
{
    struct session *s = find(arg, client_id);
    return s != NULL && s->client != NULL ? &s->client->hold : NULL;
}

static uint64_t on_each_unfinished(void *arg, struct mqtt_slice client_id, store_sequence_fn *each,
                                   void *each_arg)
{
    struct session *s = find(arg, client_id);
    const struct client *c = s != NULL ? s->client : NULL;
    if (c == NULL || c->claim != CLAIM_HELD)
        return 0;
    for (uint64_t at = c->inflight.base; at < c->inflight.end; at++)
        if (inflight_state(&c->inflight, at) != INFLIGHT_DONE)
            each(each_arg, at);
    return c->next_sequence;
}

static void on_gap(void *arg)
{
    struct broker *b = arg;
    uint32_t told = 0;
    for (struct client *c = b->clients; c != NULL; c = c->next) {
        if (!client_is_connected(c) || c->hold.durable ||
            c->session->subscriber.acknowledged_count == 0)
            continue;
        client_close_later(c, END_GAP); /* closed in the phase for it */
        told++;
    }
    LOG_WARN("messages_lost", KV_UINT("clients_closed", told));
}

/* Those that come meanwhile are closed as well: the node that they came to is no more. */
static bool close_clients(struct broker *b, struct timebox *box)
{
    while (b->clients != NULL) {
        client_close_silently(b->clients, END_START_OVER);
        if (timebox_spend(box, CLOSE_US))
            return b->clients == NULL;
    }
    return true;
}

static bool forget_sessions(struct broker *b, struct timebox *box)
{
    struct session *s;
    while ((s = session_table_any(b->sessions, &b->forget_at)) != NULL) {
        if (!router_unsubscribe_some(b->router, s, box))
            return false;
        session_table_remove(b->sessions, s);
        if (timebox_spend(box, FORGET_US))
            return session_table_count(b->sessions) == 0;
    }
    return true;
}

static bool on_start_over(void *arg, struct timebox *box)
{
    struct broker *b = arg;
    if (!b->starting_over)
        LOG_WARN("start_over", KV_UINT("clients", b->client_count));
    b->starting_over = !close_clients(b, box) || !forget_sessions(b, box);
    return !b->starting_over;
}

static void on_clients_shift_clocks(void *arg, uint64_t by_ms)
{
    turn_lost(arg, by_ms);
}

static void on_route_added(void *arg, void *node, struct mqtt_slice filter)
{
    struct broker *b = arg;
    router_route_add(b->router, node, filter);
}

static void on_route_removed(void *arg, void *node, struct mqtt_slice filter)
{
    struct broker *b = arg;
    router_route_remove(b->router, node, filter);
}

static void on_node_removed(void *arg, void *node)
{
    struct broker *b = arg;
    router_node_removed(b->router, node);
}

static void on_route_members(void *arg, void *node, struct mqtt_slice filter, uint32_t members,
                             uint8_t qos)
{
    struct broker *b = arg;
    router_route_members(b->router, node, filter, members, qos);
}

static void on_match(void *arg, const struct message *m, struct store_targets *out)
{
    struct broker *b = arg;
    router_targets(b->router, m, out);
}

static bool on_has_interest(void *arg, struct mqtt_slice filter)
{
    struct broker *b = arg;
    return router_has_interest(b->router, filter);
}

struct store_host host_of(struct broker *b)
{
    return (struct store_host){
        .arg = b,
        .deliver = on_deliver,
        .takes_more = on_takes_more,
        .publish_will = on_publish_will,
        .wake = on_wake,
        .share_wake = on_share_wake,
        .share_look = on_share_look,
        .share_deliver = on_share_deliver,
        .hand_over = on_hand_over,
        .fenced = on_fenced,
        .durable_subscribed = on_durable_subscribed,
        .durable_unsubscribed = on_durable_unsubscribed,
        .durable_ended = on_durable_ended,
        .hold_of = on_hold_of,
        .each_unfinished = on_each_unfinished,
        .each_subscription = on_each_subscription,
        .gap = on_gap,
        .start_over = on_start_over,
        .clients_shift_clocks = on_clients_shift_clocks,
        .route_added = on_route_added,
        .route_members = on_route_members,
        .route_removed = on_route_removed,
        .node_removed = on_node_removed,
        .match = on_match,
        .has_interest = on_has_interest,
    };
}
