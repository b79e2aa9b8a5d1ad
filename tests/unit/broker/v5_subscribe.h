/*
 * v5_subscribe - what 5.0 has for subscriptions, for clients of a core_bed (v5_bed.h): options, identifiers, codes.
 *
 *     V5_SUBSCRIBE(b, c, 7, {.filter = bed_text("a/+"), .qos = 1, .no_local = true});
 *     assert_string_equal(v5_codes(c, MQTT_SUBACK), "01");
 *     assert_string_equal(v5_got(c), "a/b 1 r [7]");
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_V5_SUBSCRIBE_H
#define FLOTILLA_TESTS_UNIT_BROKER_V5_SUBSCRIBE_H

#include "tests/unit/broker/v5_bed.h"

/* Packet id 7; `id` 0: no identifier. */
static inline void v5_subscribe(struct core_bed *b, struct core_client *c, uint32_t id,
                                const struct mqtt_filter *filters, size_t count)
{
    uint8_t list[BED_SENDS / 2];
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        core_must(mqtt_filters_put(list, sizeof(list), &used, true, &filters[i]));
    struct mqtt_subscribe s = {
        .packet_id = 7, .count = (uint32_t)count, .list = mqtt_slice_of(list, used)};
    if (id != 0)
        s.props = V5_PROPS(V5_NUM(MQTT_P_SUBSCRIPTION_ID, id));
    bed_tell(b, c, &(struct mqtt_packet){.type = MQTT_SUBSCRIBE, .u.subscribe = s});
}
#define V5_SUBSCRIBE(b, c, id, ...)                                                                \
    v5_subscribe(b, c, id, (const struct mqtt_filter[]){__VA_ARGS__},                              \
                 sizeof((const struct mqtt_filter[]){__VA_ARGS__}) / sizeof(struct mqtt_filter))

/* Of the next SUBACK or UNSUBACK: "00 87". */
static inline const char *v5_codes(struct core_client *c, enum mqtt_type type)
{
    static char text[256];
    struct mqtt_packet p;
    core_must(bed_find(c, type, &p) && p.u.suback.codes.len * 3 < sizeof(text));
    text[0] = '\0';
    for (uint32_t i = 0; i < p.u.suback.codes.len; i++)
        snprintf(text + strlen(text), 8, "%s%02x", i > 0 ? " " : "", p.u.suback.codes.data[i]);
    return text;
}

static inline int v5_by_number(const void *a, const void *b)
{
    const uint32_t *x = a;
    const uint32_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* The identifiers of a message, in order: " [3 5]"; nothing if there are none. */
static inline void v5_ids(struct mqtt_props props, char *out, size_t size)
{
    uint32_t ids[64];
    size_t count = 0;
    struct mqtt_prop p;
    for (uint32_t at = 0; mqtt_props_next(&props, &at, &p);) {
        if (p.id != MQTT_P_SUBSCRIPTION_ID)
            continue;
        core_must(count < 64);
        ids[count++] = p.num;
    }
    qsort(ids, count, sizeof(*ids), v5_by_number);
    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        snprintf(out + strlen(out), size - strlen(out), "%s%u", i > 0 ? " " : " [", ids[i]);
    if (count > 0)
        snprintf(out + strlen(out), size - strlen(out), "]");
}

/* All messages that it was sent: "topic qos", " r" with the retain flag, its identifiers; "; " between them. */
static inline const char *v5_got(struct core_client *c)
{
    static char text[4096];
    struct mqtt_packet p;
    text[0] = '\0';
    while (bed_find(c, MQTT_PUBLISH, &p)) {
        const struct mqtt_publish *m = &p.u.publish;
        char ids[1024];
        v5_ids(m->props, ids, sizeof(ids));
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%.*s %u%s%s",
                 text[0] != '\0' ? "; " : "", (int)m->topic.len, (const char *)m->topic.data,
                 m->qos, m->retain ? " r" : "", ids);
    }
    return text;
}

#endif
