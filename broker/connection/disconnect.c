/* A table from why a connection ends here to what the specification calls it. */
#include "broker/connection/disconnect.h"

#include <string.h>

#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/client/client_v5.h"
#include "broker/client/reason.h"

enum { PROPS_MAX = 1024 };

struct words {
    uint8_t reason;   /* 0: nothing is said */
    const char *text; /* NULL: the reason says it all */
};

static const struct words words_of[CLIENT_END_COUNT] = {
    [END_MALFORMED] = {MQTT_R_MALFORMED_PACKET, NULL},
    [END_KEEP_ALIVE] = {MQTT_R_KEEP_ALIVE_TIMEOUT, NULL},
    [END_TAKEN_OVER] = {MQTT_R_SESSION_TAKEN_OVER, NULL},
    [END_QUEUE_FULL] = {MQTT_R_QUOTA_EXCEEDED,
                        "more messages wait for this client than its session may have"},
    [END_STORE_FAILED] = {MQTT_R_SERVER_BUSY, "what was sent could not be stored"},
    [END_GAP] = {MQTT_R_UNSPECIFIED, "messages for this connection may have been lost"},
    [END_START_OVER] = {MQTT_R_SERVER_BUSY, "this broker was taken for dead and starts over"},
    [END_SHUTDOWN] = {MQTT_R_SERVER_SHUTTING_DOWN, NULL},
    [END_NO_MEMORY] = {MQTT_R_SERVER_BUSY, "out of memory"},
    [END_MEMORY] = {MQTT_R_QUOTA_EXCEEDED, "this connection holds too much of the broker's memory"},
    [END_SLOW_PACKET] = {MQTT_R_UNSPECIFIED, "a packet that was begun does not go on"},
    [END_NOT_AUTHORIZED] = {MQTT_R_NOT_AUTHORIZED, NULL},
    [END_EXPIRED] = {MQTT_R_NOT_AUTHORIZED, "the token has expired"},
    [END_OPERATOR] = {MQTT_R_ADMINISTRATIVE_ACTION, NULL},
    [END_OPEN_QOS2] = {MQTT_R_RECEIVE_MAXIMUM_EXCEEDED, NULL},
};

static struct words words_for(const struct client *c, enum client_end why)
{
    static const uint8_t drain[] = {[DRAIN_SHUTTING_DOWN] = MQTT_R_SERVER_SHUTTING_DOWN,
                                    [DRAIN_USE_ANOTHER] = MQTT_R_USE_ANOTHER_SERVER,
                                    [DRAIN_MOVED] = MQTT_R_SERVER_MOVED};
    if (why == END_PROTOCOL)
        return (struct words){c->v5->end_reason, c->v5->end_text};
    if (why == END_SHUTDOWN)
        return (struct words){drain[c->broker->config->mqtt.drain_says], NULL};
    return words_of[why];
}

static struct mqtt_slice text_slice(const char *text)
{
    return mqtt_slice_of(text, text != NULL ? strlen(text) : 0);
}

/* What the client is told where else to go. */
static size_t put_reference(const struct client *c, uint8_t reason, uint8_t *buf)
{
    size_t used = 0;
    struct mqtt_slice reference = text_slice(c->broker->config->mqtt.server_reference);
    if ((reason == MQTT_R_USE_ANOTHER_SERVER || reason == MQTT_R_SERVER_MOVED) && reference.len > 0)
        mqtt_props_put_str(buf, PROPS_MAX, &used, MQTT_P_SERVER_REFERENCE, reference);
    return used;
}

void disconnect_tell(struct client *c, enum client_end why)
{
    if (c->v5 == NULL || !c->v5->accepted) /* 3.14.0-1 */
        return;
    struct words w = words_for(c, why);
    if (w.reason == 0)
        return;
    uint8_t props[PROPS_MAX];
    size_t used = put_reference(c, w.reason, props);
    struct mqtt_packet p = {.type = MQTT_DISCONNECT,
                            .u.ack = {.reason = w.reason, .props.raw = {props, (uint32_t)used}}};
    reason_send(c, &p, &p.u.ack.props, w.text);
}
