/* What a 5.0 client is told beside what every client is told. */
#include "broker/client/reason.h"

#include <string.h>

#include "broker/client/client.h"
#include "broker/client/client_v5.h"
#include "common/log/log.h"

enum { PROPS_MAX = 1024 + REASON_TEXT_MAX + 3 };

static bool wants_text(const struct client *c, enum mqtt_type type)
{
    return type == MQTT_CONNACK || type == MQTT_DISCONNECT || c->v5->problem_info;
}

/* Appended in `buf`; the same as before when there is no room. */
static struct mqtt_props with_text(struct mqtt_props props, const char *text, uint8_t *buf)
{
    size_t used = props.raw.len;
    if (used > PROPS_MAX)
        return props;
    if (used > 0)
        memcpy(buf, props.raw.data, used);
    if (!mqtt_props_put_str(buf, PROPS_MAX, &used, MQTT_P_REASON_STRING,
                            mqtt_slice_of(text, strlen(text))))
        return props;
    return (struct mqtt_props){.raw = mqtt_slice_of(buf, used)};
}

bool reason_send(struct client *c, struct mqtt_packet *p, struct mqtt_props *props,
                 const char *text)
{
    const struct mqtt_props plain = *props;
    if (c->v5 == NULL || text == NULL || !wants_text(c, p->type))
        return client_send(c, p);
    uint8_t buf[PROPS_MAX];
    *props = with_text(plain, text, buf);
    if (mqtt_encoded_size(p, MQTT_V5) > c->v5->max_packet)
        *props = plain;
    bool sent = client_send(c, p);
    *props = plain;
    return sent;
}

/* What a reason means in an answer to a PUBLISH; NULL: it says all itself. */
static const char *text_of(uint8_t reason)
{
    switch (reason) {
    case MQTT_R_NOT_AUTHORIZED:
        return "this client may not publish to this topic";
    case MQTT_R_BAD_TOPIC_NAME:
        return "the topic is longer or has more levels than this broker allows";
    case MQTT_R_BAD_PAYLOAD_FORMAT:
        return "the payload is said to be UTF-8 and isn't";
    default:
        return NULL;
    }
}

void reason_answer(struct client *c, enum mqtt_type type, uint16_t packet_id, uint8_t reason)
{
    if (c->v5 == NULL || reason == MQTT_R_SUCCESS) {
        client_send_ack(c, type, packet_id);
        return;
    }
    struct mqtt_packet p = {.type = type, .u.ack = {.packet_id = packet_id, .reason = reason}};
    if (!reason_send(c, &p, &p.u.ack.props, text_of(reason)))
        client_close_later(c, END_NO_MEMORY);
}

void reason_fail(struct client *c, enum mqtt_reason reason, const char *text)
{
    LOG_LIMITED(LOG_LEVEL_INFO, "client_protocol_error", KV_STR("client_id", client_id_text(c)),
                KV_STR("reason", mqtt_reason_name((uint8_t)reason)), KV_STR("err", text));
    if (c->v5 == NULL) {
        client_close_later(c, END_MALFORMED);
        return;
    }
    c->v5->end_reason = (uint8_t)reason;
    c->v5->end_text = text;
    client_close_later(c, END_PROTOCOL);
}
