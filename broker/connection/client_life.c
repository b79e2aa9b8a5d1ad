/*
 * The life of one connection: made for what listener.c accepted, driven by the turn, ended by
 * client_close.
 */
#include "broker/connection/client_life.h"

#include <stdlib.h>
#include <string.h>

#include "broker/auth/auth.h"
#include "broker/auth/certificate/peer_certificate.h"
#include "broker/auth/sources/grant_terms.h"
#include "broker/base/account.h"
#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/client/client_log.h"
#include "broker/client/client_v5.h"
#include "broker/client/connect_attempt.h"
#include "broker/client/holders.h"
#include "broker/client/leave.h"
#include "broker/client/publish_rate.h"
#include "broker/client/request.h"
#include "broker/client/rest.h"
#include "broker/connection/crowd.h"
#include "broker/connection/disconnect.h"
#include "broker/delivery/deliver.h"
#include "broker/delivery/fanout.h"
#include "broker/delivery/retained_delivery.h"
#include "broker/delivery/share.h"
#include "broker/net/listener.h"
#include "broker/routing/router.h"
#include "broker/routing/session.h"
#include "common/log/log.h"

static void on_ready(void *arg, unsigned ready)
{
    struct client *c = arg;
    if (ready & TRANSPORT_EOF)
        c->eof = true;
    if (ready & TRANSPORT_MORE)
        c->more = true;
    if (ready & TRANSPORT_READABLE) {
        c->readable = true;
        client_mark_ready(c);
    }
    if ((ready & TRANSPORT_WRITABLE) && c->blocked) {
        c->blocked = false;
        client_mark_flush(c);
    }
}

static void list_add(struct client *c)
{
    struct broker *b = c->broker;
    c->next = b->clients;
    if (b->clients != NULL)
        b->clients->prev = c;
    b->clients = c;
    b->client_count++;
}

static void list_remove(struct client *c)
{
    struct broker *b = c->broker;
    if (b->recheck_at == c)
        b->recheck_at = c->next;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        b->clients = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    c->prev = NULL;
    c->next = NULL;
    b->client_count--;
}

static void on_timer(struct wheel_timer *timer)
{
    struct client *c = (struct client *)(void *)((char *)timer - offsetof(struct client, timer));
    if (c->state == CLIENT_AUTHENTICATING) {
        connect_attempt_late(c);
        return;
    }
    if (c->state == CLIENT_LEAVING) {
        client_end_leaving(c);
        return;
    }
    if (c->state == CLIENT_SECURING) {
        client_close_later(c, END_TLS_TIMEOUT);
        return;
    }
    if (c->state != CLIENT_ONLINE) {
        client_close_later(c, END_CONNECT_TIMEOUT);
        return;
    }
    if (client_is_expired(c))
        client_close_later(c, END_EXPIRED);
    else if (client_is_silent(c))
        client_close_later(c,
                           END_KEEP_ALIVE); /* in the phase for it: thousands may be due at once */
    else
        client_arm_timer(c);
}

enum client_state client_first_state(const struct listener *l)
{
    bool secured = l != NULL && listener_config(l)->tls != NULL;
    return secured ? CLIENT_SECURING : client_secured_state(l);
}

enum client_state client_secured_state(const struct listener *l)
{
    bool websocket = l != NULL && listener_config(l)->protocol == LISTENER_WEBSOCKET;
    return websocket ? CLIENT_UPGRADING : CLIENT_CONNECTING;
}

struct client *client_new(struct broker *b, struct listener *l, struct transport *t, bool trusted,
                          bool wants_proxy)
{
    struct client *c = account_zalloc(ACCOUNT_CLIENTS, sizeof(*c));
    if (c == NULL) {
        t->ops->free(t);
        return NULL;
    }
    c->broker = b;
    c->transport = t;
    c->trusted = trusted;
    c->last_input_ms = b->client_ms;
    c->state = (uint8_t)(wants_proxy ? CLIENT_PROXY : client_first_state(l));
    if (!transport_start(t, on_ready, c)) {
        t->ops->free(t);
        account_free(ACCOUNT_CLIENTS, c);
        return NULL;
    }
    c->timer.due = on_timer;
    c->listener = l;
    list_add(c);
    client_arm_timer(c);
    return c;
}

void client_free(struct client *c)
{
    client_v5_free(c->v5);
    packet_ids_fini(&c->open_qos2);
    inflight_fini(&c->inflight);
    session_unref(c->session);
    account_free(ACCOUNT_CLIENTS, c->who.username);
    grant_terms_free(c->who.terms);
    peer_certificate_free(c->certificate);
    account_free(ACCOUNT_CLIENTS, c->will_topic);
    account_free(ACCOUNT_CLIENTS, c->leaving);
    account_free(ACCOUNT_CLIENTS, c);
}

/* ---- ending ---------------------------------------------------------------------------------- */

static void on_disconnected(void *arg, enum store_status status)
{
    struct client *c = arg;
    leave_tell(c, status);
    client_op_done(c);
}

/* The rules may have changed since the CONNECT. */
static bool will_is_due(const struct client *c, enum client_end why)
{
    if (why == END_DISCONNECT && (c->v5 == NULL || !c->v5->will_stays))
        return false;
    if (why == END_TAKEN_OVER && !c->broker->config->mqtt.will_on_takeover)
        return false;
    if (c->will_topic == NULL)
        return true;
    struct mqtt_slice topic = {.data = (const uint8_t *)c->will_topic,
                               .len = (uint32_t)strlen(c->will_topic)};
    if (auth_may_write(c->broker->auth, &c->who, topic))
        return true;
    LOG_LIMITED(LOG_LEVEL_INFO, "will_denied", KV_STR("client_id", client_id_text(c)),
                KV_STR("topic", c->will_topic));
    c->broker->stats.dropped[DROP_DENIED]++;
    return false;
}

/* Will and expiry of a session whose connection ends. */
static void tell_store(struct client *c, enum client_end why)
{
    c->ops++;
    store_disconnect(c->broker->store, &c->hold, will_is_due(c, why), client_session_expiry_s(c),
                     on_disconnected, c);
}

static void leave_session(struct client *c, bool was_online)
{
    struct session *s = c->session;
    if (s == NULL || s->client != c)
        return; /* a newer connection has it */
    s->client = NULL;
    router_session_left(c->broker->router, s);
    /* An entry without subscriptions, of a connection that was refused, contains nothing. Nor is it of use where the
     * store is shared, whose log says nothing of the end of such a session. */
    bool is_known = was_online && !store_is_shared(c->broker->store);
    if (s->durable && (is_known || s->subscriber.count > 0))
        return;
    struct session_table *sessions = c->broker->sessions;
    session_table_remove(sessions, s);
    struct session *elsewhere = session_table_find_aside(sessions, session_id(s));
    if (elsewhere != NULL)
        elsewhere->aside = false;
}

/* Whether the peer is still there to read our last bytes. */
static bool peer_listens(enum client_end why)
{
    return why != END_EOF && why != END_IO_ERROR && why != END_DISCONNECT;
}

static void drop_connection(struct client *c, enum client_end why)
{
    struct broker *b = c->broker;
    size_t written;
    crowd_leave(c);
    publish_rate_forget(c);
    /* The answers to what came before a DISCONNECT are written, too. */
    if ((peer_listens(why) || why == END_DISCONNECT) && !c->blocked)
        output_write(&c->output, &b->chunks, c->transport, &written);
    if (peer_listens(why))
        c->transport->ops->finish(c->transport, why == END_SHUTDOWN);
    output_clear(&c->output, &b->chunks);
    c->transport->ops->free(c->transport);
    c->transport = NULL;
    if (c->listener != NULL)
        listener_client_gone(c->listener);
    list_remove(c);
}

static void drop_buffers(struct client *c)
{
    rest_drop(c);
    leave_forget_heir(c);
    connect_attempt_free(c);
    retained_delivery_end(c);
    deliver_drop_queue(c);
    requests_drop(c);
}

static void end(struct client *c, enum client_end why, bool tell)
{
    if (c->state == CLIENT_CLOSED)
        return;
    bool held = c->claim == CLAIM_HELD;
    c->ops++; /* it stays until this is through */
    if (held && peer_listens(why)) {
        fanout_settle(c->broker->fanouts, c->session);
        disconnect_tell(c, why);
    }
    if (c->pause & PAUSE_STORE)
        client_resume(c, PAUSE_STORE);
    client_log_end(c, why);
    c->broker->stats.ended[why]++;
    client_enter(c, CLIENT_CLOSED);
    drop_connection(c, why);
    drop_buffers(c);
    holders_forget(c);
    leave_session(c, held);
    share_end(c, !c->broker->starting_over);
    leave_end(c);
    if (held || !tell)
        c->claim = CLAIM_OVER;
    if (held && tell)
        tell_store(c, why);
    else
        leave_tell(c, STORE_OK); /* nothing to wait for */
    client_op_done(c);
}

void client_close(struct client *c, enum client_end why)
{
    end(c, why, true);
}

void client_close_silently(struct client *c, enum client_end why)
{
    end(c, why, false);
}

void client_end_leaving(struct client *c)
{
    if (c->leaving->heir !=
        NULL) { /* it doesn't wait for the answers: the client gets them again */
        client_close(c, END_TAKEN_OVER);
        return;
    }
    leave_end(c);
    client_enter(c, CLIENT_ANSWERING);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* A client that isn't read until it takes its output counts as alive as long as it takes some. */
static void note_taken(struct client *c, size_t written)
{
    if (written > 0)
        c->last_input_ms = c->broker->client_ms;
    if (c->output.pending < OUTPUT_LOW)
        client_resume(c, PAUSE_OUTPUT);
}

/* The peer has reset the connection. What it said before, which may be DISCONNECT, is in the socket
 * still and counts: it goes on as long as that takes, and nothing is written any more. */
static void output_failed(struct client *c)
{
    c->blocked = true;
    output_clear(&c->output, &c->broker->chunks);
    if (c->state >= CLIENT_ONLINE)
        client_leave(c, END_IO_ERROR);
    else
        client_close(c, END_IO_ERROR);
}

void client_flush(struct client *c)
{
    if (c->state == CLIENT_CLOSED || c->blocked)
        return;
    size_t written;
    enum output_result result =
        output_write(&c->output, &c->broker->chunks, c->transport, &written);
    c->broker->stats.sent_bytes += written;
    if (result == OUTPUT_FAILED) {
        output_failed(c);
        return;
    }
    c->blocked = result == OUTPUT_BLOCKED;
    if (c->blocked)
        holders_note(c);
    if (c->pause & PAUSE_OUTPUT)
        note_taken(c, written);
    if (c->wants_output && c->output.pending < OUTPUT_LOW) {
        c->wants_output = false;
        client_mark_work(c);
    }
}
