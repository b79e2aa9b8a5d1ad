/*
 * Dispatch of packets by type. Which packets may come from a client at all is the decoder's check;
 * that CONNECT is the first and only one is checked here (3.1.1: 3.1).
 */
#include "broker/protocol/handle.h"

#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/client/client_v5.h"
#include "broker/client/reason.h"
#include "broker/connection/client_life.h"
#include "common/log/log.h"

static void handle_pingreq(struct client *c, const struct mqtt_packet *p)
{
    static const struct mqtt_packet pong = {.type = MQTT_PINGRESP};
    (void)p;
    if (!client_send(c, &pong))
        client_close_later(c, END_NO_MEMORY);
}

/* False: it may not change the session's expiry so. */
static bool change_expiry(struct client *c, const struct mqtt_ack *p)
{
    struct mqtt_prop expiry;
    if (!mqtt_props_find(&p->props, MQTT_P_SESSION_EXPIRY, &expiry))
        return true;
    return client_v5_change_expiry(c->v5, expiry.num, c->broker->config->limits.session_expiry_ms);
}

static void handle_disconnect(struct client *c, const struct mqtt_packet *p)
{
    if (c->v5 != NULL && !change_expiry(c, &p->u.ack)) {
        reason_fail(c, MQTT_R_PROTOCOL_ERROR,
                    "session expiry at DISCONNECT of a session that ends with its connection");
        return;
    }
    if (c->v5 != NULL)
        c->v5->will_stays = p->u.ack.reason != MQTT_R_SUCCESS; /* 3.14.4 */
    client_close(c, END_DISCONNECT); /* by that reason there is no will otherwise */
}

typedef void handle_fn(struct client *c, const struct mqtt_packet *p);
static handle_fn *const handlers[] = {
    [MQTT_CONNECT] = handle_connect,     [MQTT_PUBLISH] = handle_publish,
    [MQTT_PUBACK] = handle_puback,       [MQTT_PUBREC] = handle_pubrec,
    [MQTT_PUBREL] = handle_pubrel,       [MQTT_PUBCOMP] = handle_pubcomp,
    [MQTT_SUBSCRIBE] = handle_subscribe, [MQTT_UNSUBSCRIBE] = handle_unsubscribe,
    [MQTT_PINGREQ] = handle_pingreq,     [MQTT_DISCONNECT] = handle_disconnect,
    [MQTT_AUTH] = handle_auth,
};
_Static_assert(sizeof(handlers) / sizeof(handlers[0]) == MQTT_AUTH + 1, "a handler a packet type");

static __attribute__((noinline, cold)) void out_of_order(struct client *c, enum mqtt_type type)
{
    LOG_LIMITED(LOG_LEVEL_INFO, "client_out_of_order", KV_STR("client_id", client_id_text(c)),
                KV_STR("packet", mqtt_type_name(type)));
    if (c->state == CLIENT_CONNECTING)
        client_close(c, END_MALFORMED);
    else
        reason_fail(c, MQTT_R_PROTOCOL_ERROR, "this packet isn't allowed now");
}

static inline bool may_come_now(const struct client *c, enum mqtt_type type)
{
    if (c->state > CLIENT_CHALLENGED) /* nearly always: asked first */
        return type != MQTT_CONNECT;
    if (c->state == CLIENT_CONNECTING)
        return type == MQTT_CONNECT;
    if (c->state == CLIENT_CHALLENGED) /* 5.0: 3.1.2-30 */
        return type == MQTT_AUTH || type == MQTT_DISCONNECT;
    return type != MQTT_CONNECT;
}

void handle_packet(struct client *c, const struct mqtt_packet *p)
{
    handle_fn *handler = handlers[p->type];
    if (handler == NULL || !may_come_now(c, p->type))
        out_of_order(c, p->type);
    else
        handler(c, p);
}

bool handle_topic_fits(const struct client *c, struct mqtt_slice topic)
{
    const struct limits_config *limits = &c->broker->config->limits;
    uint32_t levels = 1;
    if (topic.len > limits->max_topic_length)
        return false;
    if (topic.len < limits->max_topic_levels)
        return true; /* has fewer levels than bytes */
    for (uint32_t i = 0; i < topic.len; i++)
        levels += topic.data[i] == '/';
    return levels <= limits->max_topic_levels;
}
