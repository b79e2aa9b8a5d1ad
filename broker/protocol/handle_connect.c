/*
 * CONNECT: checks in the order of the specification; then claim.c goes on.
 */
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/auth/auth.h"
#include "broker/auth/certificate/peer_certificate.h"
#include "broker/auth/sources/grant_terms.h"
#include "broker/base/account.h"
#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/client/client_v5.h"
#include "broker/client/connect_attempt.h"
#include "broker/client/holders.h"
#include "broker/connection/client_life.h"
#include "broker/connection/crowd.h"
#include "broker/delivery/publish.h"
#include "broker/net/listener.h"
#include "broker/protocol/connack.h"
#include "broker/protocol/handle.h"
#include "common/base/clock.h"
#include "common/log/log.h"

static bool has_prefix(struct mqtt_slice id, const struct config_strings *allowed)
{
    for (size_t i = 0; i < allowed->count; i++) {
        size_t len = strlen(allowed->items[i]);
        if (len <= id.len && memcmp(id.data, allowed->items[i], len) == 0)
            return true;
    }
    return allowed->count == 0;
}

static bool check_client_id(struct client *c, const struct mqtt_connect *p)
{
    const struct limits_config *limits = &c->broker->config->limits;
    const struct mqtt_config *m = &c->broker->config->mqtt;
    if (p->client_id.len == 0) /* 3.1.3.1 */
        return m->allow_empty_client_id &&
               (p->version == MQTT_V5 || (p->version == MQTT_V311 && p->clean_start));
    return p->client_id.len <= limits->max_client_id_length &&
           memchr(p->client_id.data, 0, p->client_id.len) == NULL &&
           has_prefix(p->client_id, &m->client_id_prefixes);
}

/* An id that no other client can have by accident. */
static void make_client_id(char out[33])
{
    uint8_t random[12];
    if (RAND_bytes(random, sizeof(random)) != 1)
        memset(random, 0, sizeof(random));
    memcpy(out, "flotilla", 8);
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(out + 8 + 2 * i, 3, "%02x", random[i]);
}

static struct message *make_will(struct client *c, const struct mqtt_connect *p,
                                 struct mqtt_slice client_id)
{
    struct mqtt_publish will = {.retain =
                                    p->will_retain && c->broker->config->mqtt.retain == RETAIN_ON,
                                .qos = p->will_qos,
                                .topic = p->will_topic,
                                .payload = p->will_payload,
                                .props = p->will_props};
    return message_new(&will, publish_next_id(c->broker), client_id);
}

static char *copy_text(struct mqtt_slice s)
{
    char *text = account_alloc(ACCOUNT_CLIENTS, (size_t)s.len + 1);
    if (text == NULL)
        return NULL;
    memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    return text;
}

/* Asked once it is known who the client is, and again when it is published. */
static bool take_will(struct client *c)
{
    struct connect_attempt *a = c->connecting;
    if (a->will == NULL)
        return true;
    struct mqtt_slice topic = a->will->topic;
    if (handle_topic_fits(c, topic) && auth_may_write(c->broker->auth, &c->who, topic)) {
        c->will_topic = copy_text(topic);
        return c->will_topic != NULL;
    }
    LOG_LIMITED(LOG_LEVEL_INFO, "will_denied",
                KV_BYTES("client_id", a->client_id.data, a->client_id.len),
                KV_BYTES("topic", topic.data, topic.len));
    c->broker->stats.dropped[DROP_DENIED]++;
    message_unref(a->will);
    a->will = NULL;
    return true;
}

/* Not when it was read: while this process stood still, its client may have come back elsewhere. */
static uint64_t arrival_ms(const struct client *c)
{
    const struct transport *t = c->transport;
    return clock_boottime_ms() - (t->ops->silent_ms != NULL ? t->ops->silent_ms(c->transport) : 0);
}

/* They may be long, and stay as long as the connection, so they count as its memory. The will's
 * topic is kept beside the will. */
static void note_kept(struct client *c, const struct mqtt_connect *p)
{
    c->connect_bytes = p->has_username ? p->username.len : 0;
    if (p->has_will)
        c->connect_bytes += 2 * p->will_topic.len + p->will_payload.len + p->will_props.raw.len;
    if (c->connect_bytes >= SHED_FLOOR_STRANGER)
        holders_note(c);
}

static bool keep_attempt(struct client *c, const struct mqtt_connect *p)
{
    char made[33];
    struct mqtt_slice id = p->client_id;
    if (id.len == 0) {
        make_client_id(made);
        id = (struct mqtt_slice){.data = (const uint8_t *)made, .len = (uint32_t)sizeof(made) - 1};
    }
    struct connect_attempt *a = connect_attempt_new(c, id);
    if (a == NULL)
        return false;
    a->clean = p->clean_start;
    a->made_id = p->client_id.len == 0;
    a->arrived_ms = arrival_ms(c);
    note_kept(c, p);
    if (p->has_username && (a->username = copy_text(p->username)) == NULL)
        return false;
    if (!p->has_will)
        return true;
    struct mqtt_prop delay;
    if (mqtt_props_find(&p->will_props, MQTT_P_WILL_DELAY, &delay))
        a->will_delay_s = delay.num;
    a->will = make_will(c, p, a->client_id);
    return a->will != NULL;
}

/* Whether connections are taken at all now. Asked before a password is hashed, and after it. */
static bool is_serving(struct client *c)
{
    static const enum mqtt_reason drain[] = {[DRAIN_SHUTTING_DOWN] = MQTT_R_SERVER_UNAVAILABLE,
                                             [DRAIN_USE_ANOTHER] = MQTT_R_USE_ANOTHER_SERVER,
                                             [DRAIN_MOVED] = MQTT_R_SERVER_MOVED};
    if (c->broker->state != BROKER_SERVING)
        connack_refuse(c, drain[c->broker->config->mqtt.drain_says], REFUSED_DRAINING, NULL);
    else if (store_health(c->broker->store) != STORE_READY)
        connack_refuse(c, MQTT_R_SERVER_UNAVAILABLE, REFUSED_STORE, NULL);
    return c->state != CLIENT_CLOSED;
}

/* Whether this user may use this client id at all (auth.client_id). */
static bool may_use_id(const struct client *c, const struct connect_attempt *a)
{
    int rule = c->broker->config->auth.client_id;
    if (rule == CLIENT_ID_ANY || a->made_id)
        return true;
    size_t len = a->username != NULL ? strlen(a->username) : 0;
    if (len == 0 || len > a->client_id.len || memcmp(a->text, a->username, len) != 0)
        return false;
    if (len == a->client_id.len)
        return true;
    return rule == CLIENT_ID_BEGINS_WITH_USERNAME && memchr("-_./:", a->text[len], 5) != NULL;
}

static const struct listener_config *listener_of(const struct client *c)
{
    return c->listener != NULL ? listener_config(c->listener) : NULL;
}

/* Who admitted it may say under which name. */
static void take_name(struct connect_attempt *a)
{
    struct grant *g = &a->login.source.grant;
    if (g->username == NULL)
        return;
    account_free(ACCOUNT_CLIENTS, a->username);
    a->username = g->username;
    g->username = NULL;
}

/* It is the client's from now on. */
static void take_grant(struct client *c, struct connect_attempt *a)
{
    struct grant *g = &a->login.source.grant;
    c->who =
        (struct identity){.username = a->username, .client_id = a->client_id, .terms = g->terms};
    c->user_stamp = g->stamp;
    c->user_source = (unsigned)g->source & 0xfu;
    c->connect_bytes += (uint32_t)grant_terms_bytes(g->terms);
    a->username = NULL;
    g->terms = NULL;
    peer_certificate_free(c->certificate);
    c->certificate = NULL;
}

/* It is who it says. */
void handle_connect_let_in(struct client *c)
{
    struct connect_attempt *a = c->connecting;
    const struct grant *g = &a->login.source.grant;
    take_name(a);
    if (!auth_still_admits(c->broker->auth, listener_of(c), g->source, a->username, g->stamp)) {
        connack_refuse(c, MQTT_R_NOT_AUTHORIZED, REFUSED_NOT_AUTHORIZED,
                       NULL); /* a reload came between */
        return;
    }
    if (!may_use_id(c, a)) {
        connack_refuse(c, MQTT_R_NOT_AUTHORIZED, REFUSED_OTHER_USER,
                       "this user may not use this client id");
        return;
    }
    if (!is_serving(c))
        return;
    take_grant(c, a);
    if (!crowd_admit_user(c)) {
        connack_refuse(c, MQTT_R_QUOTA_EXCEEDED, REFUSED_USER, "too many connections of this user");
        return;
    }
    if (take_will(c))
        client_enter(c, CLIENT_CLAIMING);
    else
        client_close(c, END_NO_MEMORY);
}

static void go_on(struct client *c, enum login_verdict verdict)
{
    switch (verdict) {
    case LOGIN_PENDING:
        break;
    case LOGIN_OK:
        handle_connect_let_in(c);
        break;
    case LOGIN_BAD:
        connack_refuse(c, MQTT_R_BAD_LOGIN, REFUSED_LOGIN, NULL);
        break;
    case LOGIN_NOT_AUTHORIZED:
        connack_refuse(c, MQTT_R_NOT_AUTHORIZED, REFUSED_NOT_AUTHORIZED, NULL);
        break;
    case LOGIN_BUSY:
        connack_refuse(c, MQTT_R_SERVER_BUSY, REFUSED_LOGIN_BUSY, NULL);
        break;
    }
}

void handle_connect_login_done(struct client *c)
{
    if (c->v5 != NULL && c->v5->auth != NULL)
        handle_auth_judged(c, c->connecting->verdict);
    else
        go_on(c, c->connecting->verdict);
}

/* A proxy's own address says nothing about who is behind it. */
const struct peer *handle_connect_source(const struct client *c)
{
    return c->trusted && !c->proxied ? NULL : &c->transport->peer;
}

static void begin_login(struct client *c, const struct mqtt_connect *p)
{
    struct connect_attempt *a = c->connecting;
    struct source_request r = {.has_username = p->has_username,
                               .username = p->username,
                               .password = p->has_password ? p->password : (struct mqtt_slice){0},
                               .client_id = a->client_id,
                               .peer = handle_connect_source(c),
                               .certificate = c->certificate};
    a->login.done = connect_attempt_judged;
    a->login.arg = c;
    enum login_verdict verdict = auth_login(c->broker->auth, listener_of(c), &r, &a->login);
    if (verdict != LOGIN_PENDING) {
        go_on(c, verdict);
        return;
    }
    c->readable = true; /* a reset that came together with the CONNECT looked like data */
    client_enter(c, CLIENT_AUTHENTICATING);
}

/* What this broker doesn't offer, or the will itself says wrongly (5.0: 3.2.2.3, 3.1.3.2.3). */
static bool check_will(struct client *c, const struct mqtt_connect *p)
{
    const struct mqtt_config *m = &c->broker->config->mqtt;
    struct mqtt_prop format;
    if (!p->has_will)
        return true;
    if (p->will_qos > m->max_qos)
        connack_refuse(c, MQTT_R_QOS_NOT_SUPPORTED, REFUSED_WILL, "QoS of the will");
    else if (p->will_retain && m->retain == RETAIN_OFF)
        connack_refuse(c, MQTT_R_RETAIN_NOT_SUPPORTED, REFUSED_WILL, "retain flag of the will");
    else if (mqtt_props_find(&p->will_props, MQTT_P_PAYLOAD_FORMAT, &format) && format.num == 1 &&
             !mqtt_payload_utf8_valid(p->will_payload.data, p->will_payload.len))
        connack_refuse(c, MQTT_R_BAD_PAYLOAD_FORMAT, REFUSED_WILL, "the will isn't UTF-8");
    else
        return true;
    return false;
}

/* Silence of 1.5 times as long closes it, so it is told what keeps within limits.max_keep_alive. */
static void take_keep_alive(struct client *c, uint16_t keep_alive_s)
{
    uint64_t bound_ms = c->broker->config->limits.max_keep_alive_ms;
    c->keep_alive_s = keep_alive_s;
    if (c->v5 == NULL || bound_ms == 0)
        return;
    uint64_t bound_s = bound_ms < 1500 ? 1 : bound_ms / 1500;
    if (keep_alive_s != 0 && keep_alive_s <= bound_s)
        return;
    c->keep_alive_s = (uint16_t)bound_s;
    c->v5->keep_alive_cut = true;
}

/* What 5.0 has beside the others. False: refused, or out of memory and closed. */
static bool take_terms(struct client *c, const struct mqtt_connect *p)
{
    if (p->version != MQTT_V5)
        return true;
    const struct broker_config *config = c->broker->config;
    c->v5 = client_v5_new(p, config->limits.session_expiry_ms,
                          (uint16_t)config->mqtt.outgoing_topic_alias_maximum);
    if (c->v5 == NULL) {
        client_close(c, END_NO_MEMORY);
        return false;
    }
    return handle_auth_take_method(c, p);
}

void handle_connect(struct client *c, const struct mqtt_packet *packet)
{
    const struct mqtt_connect *p = &packet->u.connect;
    c->broker->stats.connects++;
    c->version = (uint8_t)p->version;
    c->bridge = p->bridge;
    if (p->version == MQTT_UNKNOWN) {
        connack_refuse(c, MQTT_R_UNSUPPORTED_VERSION, REFUSED_VERSION, NULL);
        return;
    }
    if (!take_terms(c, p))
        return;
    if (!check_client_id(c, p)) {
        connack_refuse(c, MQTT_R_BAD_CLIENT_ID, REFUSED_CLIENT_ID, NULL);
        return;
    }
    if (!check_will(c, p) || !is_serving(c))
        return;
    if (!keep_attempt(c, p)) {
        client_close(c, END_NO_MEMORY);
        return;
    }
    take_keep_alive(c, p->keep_alive_s);
    if (c->v5 != NULL && c->v5->auth != NULL)
        handle_auth_begin(c, p);
    else
        begin_login(c, p);
}
