/* The record of one connection: what others change in it, and which phase of the turn it is marked
 * for. It is made and ended by client_life.c. */
#include "broker/client/client.h"

#include <assert.h>

#include "broker/auth/sources/grant_terms.h"
#include "broker/base/account.h"
#include "broker/base/broker_config.h"
#include "broker/client/client_v5.h"
#include "broker/client/paused.h"
#include "broker/net/listener.h"
#include "broker/routing/session.h"
#include "common/base/clock.h"
#include "common/log/log.h"

enum {
    LOOK_AGAIN_MS = 1000,
    UPGRADE_TIMEOUT_MS = 5000,
    WALL_CLOCK_MS = 60000, /* it may jump: an end is looked at again after this long */
};

const char *client_id_text(const struct client *c)
{
    return c->session != NULL ? c->session->id : NULL;
}

static void count_online(struct broker_stats *stats, bool was, bool is)
{
    stats->online += is;
    stats->online -= was;
    if (stats->online > stats->online_max)
        stats->online_max = stats->online;
}

void client_enter(struct client *c, enum client_state state)
{
    bool was_connected = client_is_connected(c);
    assert(client_state_follows((enum client_state)c->state, state));
    c->state = (uint8_t)state;
    count_online(&c->broker->stats, was_connected, client_is_connected(c));
    LOG_DEBUG("client_state", KV_STR("client_id", client_id_text(c)),
              KV_STR("state", client_state_name(state)));
    client_arm_timer(c);
    switch (state) {
    case CLIENT_ONLINE:
        client_mark_ready(c); /* what came right after the CONNECT waits */
        break;
    case CLIENT_LEAVING:
        c->readable = true; /* there may be bytes that nobody has announced yet */
        client_mark_ready(c);
        break;
    case CLIENT_ANSWERING:
    case CLIENT_CLOSING:
        client_mark_work(c);
        break;
    case CLIENT_PROXY:
    case CLIENT_SECURING:
    case CLIENT_UPGRADING:
    case CLIENT_CONNECTING:
    case CLIENT_AUTHENTICATING:
    case CLIENT_CHALLENGED:
    case CLIENT_CLAIMING:
    case CLIENT_CLOSED:
        break;
    }
}

/* ---- the turn's lists ------------------------------------------------------------------------- */

static void push(struct client_list *list, struct client *c)
{
    if (list->tail == NULL)
        list->head = c;
    list->tail = c;
}

void client_mark_ready(struct client *c)
{
    struct client_list *list = &c->broker->ready;
    if (c->on_ready)
        return;
    c->on_ready = true;
    c->ready_next = NULL;
    if (list->tail != NULL)
        list->tail->ready_next = c;
    push(list, c);
}

void client_mark_work(struct client *c)
{
    struct client_list *list = &c->broker->work;
    if (c->on_work)
        return;
    c->on_work = true;
    c->work_next = NULL;
    if (list->tail != NULL)
        list->tail->work_next = c;
    push(list, c);
}

void client_mark_flush(struct client *c)
{
    struct broker *b = c->broker;
    flush_rule_note(&c->flush_rule, b->output_source, b->first_output_source);
    if (c->on_flush)
        return;
    bool later = flush_rule_waits(&c->flush_rule) ||
                 b->output_source == b->first_output_source; /* that is the store */
    struct client_list *list = later ? &b->flush : &b->flush_soon;
    c->on_flush = true;
    c->flush_next = NULL;
    if (list->tail != NULL)
        list->tail->flush_next = c;
    push(list, c);
}

void client_mark_dead(struct client *c)
{
    struct client_list *list = &c->broker->dead;
    c->next = NULL;
    if (list->tail != NULL)
        list->tail->next = c;
    push(list, c);
}

void client_close_later(struct client *c, enum client_end why)
{
    if (c->state == CLIENT_CLOSING || c->state == CLIENT_CLOSED)
        return;
    c->end = (uint8_t)why;
    client_enter(c, CLIENT_CLOSING);
}

/* Closed, and nothing of it is under way. */
static void mark_if_dead(struct client *c)
{
    if (c->state != CLIENT_CLOSED || c->ops > 0 || c->on_dead)
        return;
    c->on_dead = true;
    client_mark_dead(c);
}

void client_op_done(struct client *c)
{
    c->ops--;
    mark_if_dead(c);
}

/* ---- timers ---------------------------------------------------------------------------------- */

static uint64_t silence_allowed_ms(const struct client *c)
{
    uint64_t allowed = (uint64_t)c->keep_alive_s * 1500; /* 3.1.2.10: 1.5 × keep alive */
    uint64_t bound = c->broker->config->limits.max_keep_alive_ms;
    if (bound > 0 && (allowed == 0 || allowed > bound))
        return bound;
    return allowed;
}

/* When something is to be done about a silent client; UINT64_MAX: never. */
static uint64_t silence_due_ms(const struct client *c)
{
    uint64_t allowed = silence_allowed_ms(c);
    if (c->look_again && (allowed == 0 || allowed > LOOK_AGAIN_MS))
        return c->last_input_ms + LOOK_AGAIN_MS;
    return allowed > 0 ? c->last_input_ms + allowed : UINT64_MAX;
}

bool client_is_expired(const struct client *c)
{
    uint64_t until_s = grant_terms_until_s(c->who.terms);
    return until_s != 0 && clock_realtime_ms() >= until_s * 1000;
}

/* When to look at the wall clock; UINT64_MAX: never. Monotonic. */
static uint64_t expiry_due_ms(const struct client *c)
{
    uint64_t until_s = grant_terms_until_s(c->who.terms);
    if (until_s == 0)
        return UINT64_MAX;
    uint64_t now_ms = clock_realtime_ms();
    uint64_t left_ms = until_s * 1000 > now_ms ? until_s * 1000 - now_ms : 0;
    return c->broker->now_ms + (left_ms < WALL_CLOCK_MS ? left_ms : WALL_CLOCK_MS);
}

/* When client_ms will be so far, if clients are served until then: else the timer looks again. */
static uint64_t client_ms_at(const struct client *c, uint64_t client_ms)
{
    return client_ms + (c->broker->now_ms - c->broker->client_ms);
}

static uint64_t handshake_timeout_ms(const struct client *c)
{
    return listener_config(c->listener)->handshake_timeout_ms;
}

static uint64_t online_due_ms(const struct client *c)
{
    uint64_t silence = silence_due_ms(c);
    uint64_t due = silence != UINT64_MAX ? client_ms_at(c, silence) : UINT64_MAX;
    uint64_t expiry = c->who.terms != NULL ? expiry_due_ms(c) : UINT64_MAX;
    return due < expiry ? due : expiry;
}

static uint64_t upgrade_timeout_ms(const struct client *c)
{
    uint64_t connect = c->broker->config->limits.connect_timeout_ms;
    return connect < UPGRADE_TIMEOUT_MS ? connect : UPGRADE_TIMEOUT_MS;
}

void client_arm_timer(struct client *c)
{
    struct wheel *w = &c->broker->wheel;
    switch ((enum client_state)c->state) {
    case CLIENT_SECURING:
        wheel_set(w, &c->timer, client_ms_at(c, c->last_input_ms + handshake_timeout_ms(c)));
        return;
    case CLIENT_UPGRADING:
        wheel_set(w, &c->timer, client_ms_at(c, c->last_input_ms + upgrade_timeout_ms(c)));
        return;
    case CLIENT_PROXY:
    case CLIENT_CONNECTING:
        wheel_set(w, &c->timer,
                  client_ms_at(c, c->last_input_ms + c->broker->config->limits.connect_timeout_ms));
        return;
    case CLIENT_AUTHENTICATING:
    case CLIENT_CHALLENGED:
        wheel_set(w, &c->timer, c->broker->now_ms + c->broker->config->auth.login_timeout_ms);
        return;
    case CLIENT_LEAVING:
        wheel_set(w, &c->timer, c->leaving->until_ms);
        return;
    case CLIENT_ONLINE:
        if (online_due_ms(c) != UINT64_MAX) {
            wheel_set(w, &c->timer, online_due_ms(c));
            return;
        }
        break;
    case CLIENT_CLAIMING: /* the store ends every call */
    case CLIENT_ANSWERING:
    case CLIENT_CLOSING:
    case CLIENT_CLOSED:
        break;
    }
    wheel_cancel(&c->timer);
}

/* A reset that the kernel reports together with data looks like data to libevent. After a read that
 * got less than it asked for, no further edge would tell: a quiet client is read once more. */
static void look_again(struct client *c)
{
    c->look_again = false;
    c->readable = true;
    client_mark_ready(c);
}

bool client_is_silent(struct client *c)
{
    struct broker *b = c->broker;
    if (c->pause & ~(unsigned)PAUSE_OUTPUT)
        c->last_input_ms = b->client_ms; /* we don't read it: its silence isn't its own */
    if (c->look_again && c->last_input_ms + LOOK_AGAIN_MS <= b->client_ms)
        look_again(c);
    return silence_due_ms(c) <= b->client_ms;
}

uint32_t client_session_expiry_s(const struct client *c)
{
    uint64_t expiry_ms = c->broker->config->limits.session_expiry_ms;
    if (c->v5 != NULL)
        return c->v5->session_expiry_s;
    if (!c->hold.durable)
        return 0;
    if (expiry_ms == 0 || expiry_ms / 1000 >= STORE_EXPIRES_NEVER)
        return STORE_EXPIRES_NEVER;
    return (uint32_t)((expiry_ms + 999) / 1000);
}

/* ---- reading or not -------------------------------------------------------------------------- */

void client_pause(struct client *c, enum client_pause why)
{
    bool waits = why == PAUSE_STORE && !(c->pause & PAUSE_STORE);
    if (waits && !paused_add(c->broker->paused, c, &c->paused_at)) {
        client_close_later(c, END_NO_MEMORY); /* nor is it read then */
        return;
    }
    c->pause |= (uint8_t)why;
}

void client_resume(struct client *c, enum client_pause why)
{
    if (!(c->pause & why))
        return;
    if (why == PAUSE_STORE)
        paused_remove(c->broker->paused, c->paused_at);
    c->pause &= (uint8_t)~why;
    if (c->pause == 0) {
        c->last_input_ms = c->broker->client_ms;
        client_mark_ready(c);
    }
}

/* Deliveries have bounds of their own (deliver.c). Answers would grow without end for a client that
 * asks and never reads: it isn't read either then. */
static void note_answer(struct client *c)
{
    struct broker *b = c->broker;
    const struct limits_config *limits = &b->config->limits;
    size_t pending = c->output.pending;
    b->stats.sent_packets++;
    client_mark_flush(c);
    if (pending > OUTPUT_HIGH &&
        (pending > limits->max_output + OUTPUT_HIGH || b->chunks.pending > b->output_limit ||
         memory_budget_is_tight(&b->memory, account.total)))
        client_pause(c, PAUSE_OUTPUT);
}

/* It asked for what it doesn't take. */
static __attribute__((noinline, cold)) void fail_too_large(struct client *c)
{
    c->v5->end_reason = MQTT_R_PACKET_TOO_LARGE;
    c->v5->end_text = "the answer is larger than the client takes";
    client_close_later(c, END_PROTOCOL);
}

bool client_send(struct client *c, const struct mqtt_packet *p)
{
    size_t size = mqtt_encoded_size(p, (enum mqtt_version)c->version);
    if (c->v5 != NULL && size > c->v5->max_packet) { /* 3.1.2-24 */
        if (p->type != MQTT_DISCONNECT)
            fail_too_large(c);
        return true;
    }
    uint8_t *at = size > 0 ? output_put(&c->output, &c->broker->chunks, size) : NULL;
    if (at == NULL)
        return false;
    mqtt_encode(p, (enum mqtt_version)c->version, at, size);
    note_answer(c);
    return true;
}

void client_send_ack(struct client *c, enum mqtt_type type, uint16_t packet_id)
{
    uint8_t *at = output_put(&c->output, &c->broker->chunks, 4);
    if (at == NULL) {
        client_close_later(c, END_NO_MEMORY);
        return;
    }
    mqtt_encode_ack4(type, packet_id, at);
    note_answer(c);
}
