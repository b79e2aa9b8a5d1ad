/*
 * v5_bed - clients of a core_bed that speak MQTT 5.0: properties, reason codes.
 *
 *     struct core_client *c = v5_join(b, "c", true, V5_PROPS(V5_NUM(MQTT_P_RECEIVE_MAXIMUM, 2)));
 *     v5_publish(b, c, &(struct mqtt_publish){.topic = bed_text("t"), .props = V5_PROPS(...)});
 *     assert_int_equal(v5_end_reason(c), MQTT_R_BAD_TOPIC_ALIAS);
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_V5_BED_H
#define FLOTILLA_TESTS_UNIT_BROKER_V5_BED_H

#include "tests/unit/broker/core_bed.h"

/* Good until 16 others were made. */
static inline struct mqtt_props v5_props(const struct mqtt_prop *list, size_t count)
{
    static uint8_t buffers[16][BED_SENDS / 2];
    static size_t at;
    uint8_t *buf = buffers[at++ % 16];
    const size_t size = sizeof(buffers[0]);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        const struct mqtt_prop *p = &list[i];
        if (p->value.data != NULL)
            core_must(mqtt_props_put_pair(buf, size, &used, p->str, p->value));
        else if (p->str.data != NULL)
            core_must(mqtt_props_put_str(buf, size, &used, p->id, p->str));
        else
            core_must(mqtt_props_put_num(buf, size, &used, p->id, p->num));
    }
    return (struct mqtt_props){.raw = mqtt_slice_of(buf, used)};
}
#define V5_NUM(of, number) ((struct mqtt_prop){.id = (of), .num = (number)})
#define V5_STR(of, text) ((struct mqtt_prop){.id = (of), .str = bed_text(text)})
#define V5_PROPS(...)                                                                              \
    v5_props((const struct mqtt_prop[]){__VA_ARGS__},                                              \
             sizeof((const struct mqtt_prop[]){__VA_ARGS__}) / sizeof(struct mqtt_prop))
static const struct mqtt_props v5_none; /* no properties */

static inline struct core_client *v5_join(struct core_bed *b, const char *id, bool clean,
                                          struct mqtt_props props)
{
    return bed_join_as(b, &(struct mqtt_connect){.version = MQTT_V5,
                                                 .level = 5,
                                                 .clean_start = clean,
                                                 .client_id = bed_text(id),
                                                 .props = props});
}

static inline void v5_publish(struct core_bed *b, struct core_client *c,
                              const struct mqtt_publish *fields)
{
    bed_tell(b, c, &(struct mqtt_packet){.type = MQTT_PUBLISH, .u.publish = *fields});
}

/* PUBACK, PUBREC, PUBREL, PUBCOMP or DISCONNECT, with a reason. */
static inline void v5_say(struct core_bed *b, struct core_client *c, enum mqtt_type type,
                          uint16_t packet_id, uint8_t reason, struct mqtt_props props)
{
    const struct mqtt_ack ack = {.packet_id = packet_id, .reason = reason, .props = props};
    bed_tell(b, c, &(struct mqtt_packet){.type = type, .u.ack = ack});
}

/* The next packet is such an acknowledgement, and has this reason. */
static inline bool v5_acked(struct core_client *c, enum mqtt_type type, uint16_t packet_id,
                            uint8_t reason)
{
    struct mqtt_packet p;
    return bed_next(c, &p) && p.type == type && p.u.ack.packet_id == packet_id &&
           p.u.ack.reason == reason;
}

/* AUTH; without data if that is empty. */
static inline void v5_auth(struct core_bed *b, struct core_client *c, uint8_t reason,
                           const char *method, struct mqtt_slice data)
{
    const struct mqtt_prop name = V5_STR(MQTT_P_AUTH_METHOD, method);
    const struct mqtt_prop said = {.id = MQTT_P_AUTH_DATA, .str = data};
    v5_say(b, c, MQTT_AUTH, 0, reason, data.len > 0 ? V5_PROPS(name, said) : V5_PROPS(name));
}

/* What its DISCONNECT says; -1: it was sent none, or isn't closed. */
static inline int v5_end_reason(struct core_client *c)
{
    struct mqtt_packet p;
    return c->freed && bed_find(c, MQTT_DISCONNECT, &p) ? p.u.ack.reason : -1;
}

/* A number among properties; -1: it isn't there. */
static inline int64_t v5_num(struct mqtt_props props, enum mqtt_property id)
{
    struct mqtt_prop p;
    return mqtt_props_find(&props, id, &p) ? (int64_t)p.num : -1;
}

/* A text among properties; NULL: it isn't there. Good until the next call. */
static inline const char *v5_text(struct mqtt_props props, enum mqtt_property id)
{
    static char text[1024];
    struct mqtt_prop p;
    if (!mqtt_props_find(&props, id, &p))
        return NULL;
    core_must(p.str.len < sizeof(text));
    memcpy(text, p.str.data, p.str.len);
    text[p.str.len] = '\0';
    return text;
}

#endif
