/* In the words of the client's version of MQTT. */
#include "broker/protocol/connack.h"

#include <string.h>

#include "broker/auth/auth_method.h"
#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/client/client_v5.h"
#include "broker/client/connect_attempt.h"
#include "broker/client/reason.h"
#include "broker/connection/client_life.h"
#include "common/log/log.h"

enum { PROPS_MAX = 1024 };

/* Properties under construction. One that doesn't fit is left out: none is necessary. */
struct props {
    uint8_t bytes[PROPS_MAX];
    size_t used;
};

static void put_num(struct props *p, enum mqtt_property id, uint32_t num)
{
    mqtt_props_put_num(p->bytes, sizeof(p->bytes), &p->used, id, num);
}

static void put_str(struct props *p, enum mqtt_property id, const char *text)
{
    if (text != NULL && text[0] != '\0')
        mqtt_props_put_str(p->bytes, sizeof(p->bytes), &p->used, id,
                           mqtt_slice_of(text, strlen(text)));
}

/* The v3 return code for a reason of 5.0 (3.1.1: 3.2.2.3). */
static uint8_t v3_code(enum mqtt_reason reason)
{
    switch (reason) {
    case MQTT_R_SUCCESS:
        return MQTT_CONNACK_ACCEPTED;
    case MQTT_R_UNSUPPORTED_VERSION:
        return MQTT_CONNACK_BAD_VERSION;
    case MQTT_R_BAD_CLIENT_ID:
        return MQTT_CONNACK_BAD_CLIENT_ID;
    case MQTT_R_BAD_LOGIN:
        return MQTT_CONNACK_BAD_LOGIN;
    case MQTT_R_NOT_AUTHORIZED:
        return MQTT_CONNACK_NOT_AUTHORIZED;
    default:
        return MQTT_CONNACK_UNAVAILABLE;
    }
}

uint16_t connack_receive_maximum(const struct broker_config *config)
{
    const struct limits_config *l = &config->limits;
    uint32_t most =
        l->max_unacknowledged < l->max_open_qos2 ? l->max_unacknowledged : l->max_open_qos2;
    return (uint16_t)(most < UINT16_MAX ? most : UINT16_MAX);
}

/* What differs from the specification's defaults (3.2.2.3). */
static void put_terms(const struct client *c, struct props *p)
{
    const struct broker_config *config = c->broker->config;
    const struct mqtt_config *m = &config->mqtt;
    if (c->v5->expiry_differs)
        put_num(p, MQTT_P_SESSION_EXPIRY, c->v5->session_expiry_s);
    put_num(p, MQTT_P_RECEIVE_MAXIMUM, connack_receive_maximum(config));
    if (m->max_qos < 2)
        put_num(p, MQTT_P_MAXIMUM_QOS, m->max_qos);
    if (m->retain == RETAIN_OFF)
        put_num(p, MQTT_P_RETAIN_AVAILABLE, 0);
    if (config->limits.max_packet_size <= UINT32_MAX)
        put_num(p, MQTT_P_MAXIMUM_PACKET_SIZE, (uint32_t)config->limits.max_packet_size);
    if (c->connecting->made_id)
        mqtt_props_put_str(p->bytes, sizeof(p->bytes), &p->used, MQTT_P_ASSIGNED_CLIENT_ID,
                           c->connecting->client_id);
    if (m->topic_alias_maximum > 0)
        put_num(p, MQTT_P_TOPIC_ALIAS_MAXIMUM, m->topic_alias_maximum);
    if (c->v5->keep_alive_cut)
        put_num(p, MQTT_P_SERVER_KEEP_ALIVE, c->keep_alive_s);
    if (c->v5->auth != NULL)
        put_str(p, MQTT_P_AUTH_METHOD, c->v5->auth->method->name);
    if (c->v5->auth != NULL && c->v5->auth->data.len > 0)
        mqtt_props_put_str(p->bytes, sizeof(p->bytes), &p->used, MQTT_P_AUTH_DATA,
                           c->v5->auth->data);
    if (c->v5->response_info)
        put_str(p, MQTT_P_RESPONSE_INFO, m->response_information);
}

bool connack_accept(struct client *c, bool session_present)
{
    struct props props = {.used = 0};
    struct mqtt_packet p = {.type = MQTT_CONNACK,
                            .u.connack = {.session_present = session_present}};
    if (c->v5 == NULL)
        return client_send(c, &p);
    put_terms(c, &props);
    p.u.connack.props.raw = mqtt_slice_of(props.bytes, props.used);
    bool fits = mqtt_encoded_size(&p, MQTT_V5) <= c->v5->max_packet;
    c->v5->accepted = client_send(c, &p) && fits;
    return c->v5->accepted;
}

static void say_no(struct client *c, enum mqtt_reason reason, const char *text)
{
    const struct mqtt_config *m = &c->broker->config->mqtt;
    struct props props = {.used = 0};
    struct mqtt_packet p = {.type = MQTT_CONNACK};
    p.u.connack.code = c->version == MQTT_V5 ? (uint8_t)reason : v3_code(reason);
    if (reason == MQTT_R_USE_ANOTHER_SERVER || reason == MQTT_R_SERVER_MOVED)
        put_str(&props, MQTT_P_SERVER_REFERENCE, m->server_reference);
    if (c->version == MQTT_V5)
        p.u.connack.props.raw = mqtt_slice_of(props.bytes, props.used);
    reason_send(c, &p, &p.u.connack.props, text);
}

void connack_refuse(struct client *c, enum mqtt_reason reason, enum refusal why, const char *text)
{
    static _Thread_local struct log_limit limits[REFUSAL_COUNT];
    char peer[PEER_TEXT_MAX];
    c->broker->stats.refused[why]++;
    LOG_LIMITED_BY(&limits[why], LOG_LEVEL_INFO, "client_refused",
                   KV_STR("client_id", client_id_text(c)),
                   KV_STR("peer", peer_text(&c->transport->peer, peer)),
                   KV_STR("reason", refusal_names[why]), KV_STR("err", text));
    if (c->version == MQTT_UNKNOWN)
        c->version = MQTT_V311; /* an unknown level is answered as 3.1.1 would (3.1.2.2) */
    say_no(c, reason, text);
    client_close(c, END_REFUSED);
}
