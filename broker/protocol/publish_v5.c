/* Between the decoder, which checked each property by itself, and handle_publish.c. */
#include "broker/protocol/publish_v5.h"

#include <stdlib.h>

#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/client/client_v5.h"
#include "broker/client/holders.h"
#include "broker/client/reason.h"
#include "broker/message/publish_properties.h"

struct mqtt_slice publish_v5_topic(const struct client *c, const struct mqtt_publish *p)
{
    struct mqtt_prop alias;
    if (p->topic.len > 0 || c->v5 == NULL ||
        !mqtt_props_find(&p->props, MQTT_P_TOPIC_ALIAS, &alias))
        return p->topic;
    return alias_in_topic(&c->v5->alias_in, (uint16_t)alias.num);
}

static bool take_alias(struct client *c, struct mqtt_publish *p, uint16_t alias)
{
    struct client_v5 *v = c->v5;
    if (alias > c->broker->config->mqtt.topic_alias_maximum) {
        reason_fail(c, MQTT_R_BAD_TOPIC_ALIAS, "topic alias above what CONNACK allows");
        return false;
    }
    if (p->topic.len > 0) {
        if (alias_in_set(&v->alias_in, alias, p->topic)) {
            holders_note(c);
            return true;
        }
        client_close_later(c, END_NO_MEMORY);
        return false;
    }
    p->topic = alias_in_topic(&v->alias_in, alias);
    if (p->topic.len > 0)
        return true;
    reason_fail(c, MQTT_R_PROTOCOL_ERROR, "topic alias that was never set");
    return false;
}

enum { PROPS_KEPT = 64 * 1024 }; /* a buffer that was needed larger isn't kept */

static bool reserve(struct broker *b, size_t size)
{
    if (size <= b->props_size && b->props_size <= PROPS_KEPT)
        return true;
    free(b->props_buffer);
    b->props_size = size < 1024 ? 1024 : size;
    b->props_buffer = malloc(b->props_size);
    if (b->props_buffer == NULL)
        b->props_size = 0;
    return b->props_buffer != NULL;
}

bool publish_v5_take(struct client *c, struct mqtt_publish *p, struct publish_v5 *out)
{
    struct publish_properties taken;
    *out = (struct publish_v5){0};
    if (p->props.raw.len == 0)
        return true;
    struct broker *b = c->broker;
    if (!reserve(b, p->props.raw.len) ||
        !publish_properties_take(p->props, b->props_buffer, b->props_size, &taken)) {
        client_close_later(c, END_NO_MEMORY);
        return false;
    }
    p->props = taken.props;
    out->is_text = taken.is_text;
    if (taken.has_expiry)
        out->expires_at_ms = client_expiry_now_ms(c) + (uint64_t)taken.expiry_s * 1000;
    return taken.alias == 0 || take_alias(c, p, taken.alias);
}
