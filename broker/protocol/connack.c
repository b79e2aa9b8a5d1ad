/* In the words of the client's version of MQTT. */
#include "broker/protocol/connack.h"

#include "broker/client/client.h"
#include "broker/connection/client_life.h"
#include "common/log/log.h"

/* The 5.0 reason for each v3 return code, for v5 clients. */
static uint8_t connack_code(const struct client *c, enum mqtt_connack3 code)
{
    static const uint8_t v5[] = {
        [MQTT_CONNACK_ACCEPTED] = MQTT_R_SUCCESS,
        [MQTT_CONNACK_BAD_VERSION] = MQTT_R_UNSUPPORTED_VERSION,
        [MQTT_CONNACK_BAD_CLIENT_ID] = MQTT_R_BAD_CLIENT_ID,
        [MQTT_CONNACK_UNAVAILABLE] = MQTT_R_SERVER_UNAVAILABLE,
        [MQTT_CONNACK_BAD_LOGIN] = MQTT_R_BAD_LOGIN,
        [MQTT_CONNACK_NOT_AUTHORIZED] = MQTT_R_NOT_AUTHORIZED,
    };
    return c->version == MQTT_V5 ? v5[code] : (uint8_t)code;
}

bool connack_send(struct client *c, enum mqtt_connack3 code, bool session_present)
{
    struct mqtt_packet p = {
        .type = MQTT_CONNACK,
        .u.connack = {.session_present = session_present, .code = connack_code(c, code)}};
    return client_send(c, &p);
}

void connack_refuse(struct client *c, enum mqtt_connack3 code, enum refusal why)
{
    static _Thread_local struct log_limit limits[REFUSAL_COUNT];
    char peer[PEER_TEXT_MAX];
    c->broker->stats.refused[why]++;
    LOG_LIMITED_BY(
        &limits[why], LOG_LEVEL_INFO, "client_refused", KV_STR("client_id", client_id_text(c)),
        KV_STR("peer", peer_text(&c->transport->peer, peer)), KV_STR("reason", refusal_names[why]));
    if (c->version == MQTT_UNKNOWN)
        c->version = MQTT_V311; /* an unknown level is answered as 3.1.1 would (3.1.2.2) */
    connack_send(c, code, false);
    client_close(c, END_REFUSED);
}
