/* From CLAIMING to ONLINE. */
#include "broker/protocol/claim.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/client/client_log.h"
#include "broker/client/client_v5.h"
#include "broker/client/connect_attempt.h"
#include "broker/client/leave.h"
#include "broker/connection/client_life.h"
#include "broker/connection/receive.h"
#include "broker/delivery/deliver.h"
#include "broker/delivery/share.h"
#include "broker/protocol/connack.h"
#include "broker/routing/router.h"
#include "broker/routing/session.h"

static const char other_user[] = "the client id is another user's";

static bool add_subscriptions(struct client *c, const struct store_connect_result *r)
{
    for (size_t i = 0; i < r->subscription_count; i++) {
        const struct store_subscription *sub = &r->subscriptions[i];
        struct subscription_options options = {.qos = sub->qos,
                                               .no_local = sub->no_local,
                                               .retain_as_published = sub->retain_as_published,
                                               .subscription_id = sub->subscription_id};
        if (!router_subscribe(c->broker->router, c->session, sub->filter, options))
            return false;
    }
    return true;
}

/* Makes the tree hold exactly what the store says the durable session subscribes to. Usually it
 * does already: then nothing changes, and the match cache stays. */
static bool restore_subscriptions(struct client *c, const struct store_connect_result *r)
{
    struct router *router = c->broker->router;
    if (r->session_present && r->subscriptions_kept)
        return true;
    if (!r->session_present || r->subscription_count == 0) {
        router_unsubscribe_all(router, c->session);
        return true;
    }
    if (!r->subscriptions_told && !add_subscriptions(c, r))
        return false;
    if (c->session->subscriber.count == r->subscription_count)
        return true;
    router_unsubscribe_all(router, c->session); /* it had some that the store hasn't */
    return add_subscriptions(c, r);
}

/* Where a durable session's queue is read from. */
static bool take_sequence(struct client *c, const struct store_connect_result *r)
{
    return !c->hold.durable || r->next_sequence == 0 ||
           inflight_set_next(&c->inflight, r->next_sequence);
}

/* PUBREL again for what the client had received before (4.4), in order. */
static void resend_released(struct client *c, const struct store_connect_result *r)
{
    for (size_t i = 0; i < r->released_count; i++) {
        if (!inflight_add(&c->inflight, r->released[i], INFLIGHT_RELEASED)) {
            client_close_later(c, END_NO_MEMORY);
            return;
        }
        client_send_ack(c, MQTT_PUBREL, inflight_packet_id(r->released[i]));
    }
}

static void go_online(struct client *c, const struct store_connect_result *r)
{
    bool present = r->session_present && !c->connecting->clean && c->version != MQTT_V31;
    router_session_set_durable(c->broker->router, c->session, c->hold.durable);
    c->last_input_ms = c->broker->client_ms;
    c->claim = CLAIM_HELD;
    client_enter(c, CLIENT_ONLINE);
    router_session_joined(c->broker->router, c->session);
    bool clean = c->connecting->clean;
    bool sent = connack_accept(c, present);
    if (c->v5 != NULL)
        client_v5_end_exchange(c->v5);
    connect_attempt_free(c);
    if (!sent) {
        client_close_later(c, END_NO_MEMORY);
        return;
    }
    if (c->hold.durable) {
        resend_released(c, r);
        share_joined_all(c);
        deliver_wake(c);
    }
    client_log_online(c, clean, present);
}

static void on_given_back(void *arg, enum store_status status)
{
    (void)status;
    client_op_done(arg);
}

/* It went away while the store was asked: what was taken is given back, without a will, since the
 * client was never told that it is connected. */
static void give_back(struct client *c, enum store_status status)
{
    if (status == STORE_OK && c->claim == CLAIM_ASKED) {
        c->claim = CLAIM_OVER;
        c->ops++;
        store_disconnect(c->broker->store, &c->hold, false, client_session_expiry_s(c),
                         on_given_back, c);
    }
}

/* Once more when its answer has taken time; it was looked for right before the store was asked. */
static bool has_left_meanwhile(struct client *c)
{
    return c->connecting != NULL && c->connecting->waits && receive_has_left(c);
}

static void refuse(struct client *c, enum store_status status)
{
    if (status == STORE_NOT_OWNER)
        connack_refuse(c, MQTT_R_NOT_AUTHORIZED, REFUSED_OTHER_USER, other_user);
    else if (status == STORE_FULL)
        connack_refuse(c, MQTT_R_QUOTA_EXCEEDED, REFUSED_STORE,
                       "there are as many durable sessions as allowed");
    else
        connack_refuse(c, MQTT_R_SERVER_UNAVAILABLE, REFUSED_STORE, NULL);
}

static void on_claimed(void *arg, enum store_status status, const struct store_connect_result *r)
{
    struct client *c = arg;
    if (c->state == CLIENT_CLAIMING && status == STORE_OK &&
        !(restore_subscriptions(c, r) && take_sequence(c, r)))
        client_close(c, END_NO_MEMORY);
    if (c->state != CLIENT_CLAIMING || has_left_meanwhile(c))
        give_back(c, status);
    else if (status == STORE_OK)
        go_online(c, r);
    else if (status == STORE_FENCED)
        client_close(c, END_TAKEN_OVER);
    else
        refuse(c, status);
    client_op_done(c);
}

static bool is_same_user(const struct client *a, const struct client *b)
{
    if (a->who.username == NULL || b->who.username == NULL)
        return a->who.username == b->who.username;
    return strcmp(a->who.username, b->who.username) == 0;
}

/* Another user's connection isn't taken over. If that one is online, this one is refused; if it
 * still waits for the store, it isn't decided yet to which user the client id belongs. */
static bool bars(struct client *old, struct client *c)
{
    if (is_same_user(c, old) || c->broker->config->auth.shared_client_ids)
        return false;
    if (old->claim == CLAIM_HELD)
        connack_refuse(c, MQTT_R_NOT_AUTHORIZED, REFUSED_OTHER_USER, other_user);
    else
        connect_attempt_await(c->connecting, old->connecting);
    return true;
}

/* A connection of the same client id is here already. Whether this one may take its place; if not,
 * it is refused or waits, and nothing has changed. */
static bool may_replace(struct client *c, struct client *old)
{
    enum { CLOCKS_MS = 20 }; /* of the kernel's count */
    if (bars(old, c))
        return false;
    if (old->claim != CLAIM_HELD)
        return true; /* it has nothing yet */
    if (c->connecting->arrived_ms + CLOCKS_MS < old->hold.arrived_ms) {
        client_close(c, END_TAKEN_OVER);
        return false;
    }
    return true;
}

/* An older connection of the client id on this broker goes first, and what it sent before counts.
 * True: it isn't gone yet, or stays and this one is refused. */
static bool awaits_older(struct client *c)
{
    const struct session *s = session_table_find(c->broker->sessions, c->connecting->client_id);
    struct client *old = s != NULL ? s->client : NULL;
    if (old == NULL)
        return false;
    if (!may_replace(c, old))
        return true;
    if (old->state == CLIENT_ONLINE || old->state == CLIENT_LEAVING)
        client_leave(old, END_TAKEN_OVER);
    if (old->state == CLIENT_LEAVING) {
        leave_to(old, c);
        return true;
    }
    client_close(old, END_TAKEN_OVER);
    return false;
}

/* A 5.0 client that asks for no expiry may still come back to a session that is there, and ends it then. */
static bool is_durable(const struct client *c)
{
    return !c->connecting->clean || (c->v5 != NULL && c->v5->session_expiry_s > 0);
}

/* The session entry for the client id. */
static struct session *take_session(struct client *c)
{
    struct broker *b = c->broker;
    struct mqtt_slice id = c->connecting->client_id;
    struct session *s = session_table_find(b->sessions, id);
    if (s == NULL)
        s = session_table_add(b->sessions, id, is_durable(c));
    return s;
}

void claim_client_id(struct client *c)
{
    struct connect_attempt *a = c->connecting;
    if (c->claim != CLAIM_NONE || receive_has_left(c) || awaits_older(c))
        return;
    c->claim = CLAIM_ASKED;
    struct session *s = take_session(c);
    if (s == NULL) {
        client_close(c, END_NO_MEMORY);
        return;
    }
    c->session = session_ref(s);
    s->client = c;
    c->who.client_id = session_id(s);
    c->hold = (struct store_hold){.who = c->who,
                                  .durable = is_durable(c),
                                  .any_user = c->broker->config->auth.shared_client_ids,
                                  .arrived_ms = a->arrived_ms};
    struct store_connect_request request = {
        .hold = &c->hold,
        .clean_start = a->clean,
        .session_expiry_s = client_session_expiry_s(c),
        .will = {.message = a->will, .delay_s = a->will_delay_s}};
    c->ops++;
    store_connect(c->broker->store, &request, on_claimed, c);
    if (c->connecting != NULL)
        c->connecting->waits = true;
}
