/*
 * mqtt_reader - the one bounds-checked reader that the codec uses over bytes from the network.
 *
 * Internal to common/mqtt*.c. Every function returns false when there are too few bytes, and then
 * has moved nothing. Nobody else advances a pointer over packet bytes.
 */
#ifndef FLOTILLA_COMMON_MQTT_MQTT_READER_H
#define FLOTILLA_COMMON_MQTT_MQTT_READER_H

#include "common/mqtt/mqtt.h"

struct mqtt_reader {
    const uint8_t *at, *end;
};

static inline size_t mqtt_reader_left(const struct mqtt_reader *r)
{
    return (size_t)(r->end - r->at);
}

static inline bool mqtt_reader_u8(struct mqtt_reader *r, uint8_t *out)
{
    if (mqtt_reader_left(r) < 1)
        return false;
    *out = r->at[0];
    r->at += 1;
    return true;
}

static inline bool mqtt_reader_u16(struct mqtt_reader *r, uint16_t *out)
{
    if (mqtt_reader_left(r) < 2)
        return false;
    *out = (uint16_t)(r->at[0] << 8 | r->at[1]);
    r->at += 2;
    return true;
}

static inline bool mqtt_reader_u32(struct mqtt_reader *r, uint32_t *out)
{
    if (mqtt_reader_left(r) < 4)
        return false;
    *out = (uint32_t)r->at[0] << 24 | (uint32_t)r->at[1] << 16 | (uint32_t)r->at[2] << 8 | r->at[3];
    r->at += 4;
    return true;
}

static inline bool mqtt_reader_bytes(struct mqtt_reader *r, size_t n, struct mqtt_slice *out)
{
    if (mqtt_reader_left(r) < n)
        return false;
    out->data = r->at;
    out->len = (uint32_t)n;
    r->at += n;
    return true;
}

/* A string or binary value with its two byte length in front (1.5.3, 1.5.6). */
static inline bool mqtt_reader_block(struct mqtt_reader *r, struct mqtt_slice *out)
{
    struct mqtt_reader ahead = *r;
    uint16_t n;
    if (!mqtt_reader_u16(&ahead, &n) || !mqtt_reader_bytes(&ahead, n, out))
        return false;
    *r = ahead;
    return true;
}

static inline struct mqtt_slice mqtt_reader_rest(struct mqtt_reader *r)
{
    struct mqtt_slice rest = {r->at, (uint32_t)mqtt_reader_left(r)};
    r->at = r->end;
    return rest;
}

/* A variable byte integer (5.0: 1.5.5; 3.x: 2.2.3 remaining length). */
enum mqtt_varint_result { MQTT_VARINT_OK, MQTT_VARINT_SHORT, MQTT_VARINT_TOO_LONG };

/* *minimal tells whether the shortest encoding was used. */
static inline enum mqtt_varint_result mqtt_reader_varint(struct mqtt_reader *r, uint32_t *out,
                                                         bool *minimal)
{
    uint32_t value = 0;
    size_t left = mqtt_reader_left(r);
    for (unsigned i = 0; i < 4; i++) {
        if (i == left)
            return MQTT_VARINT_SHORT;
        uint8_t byte = r->at[i];
        value |= (uint32_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *out = value;
            *minimal = byte != 0 || i == 0;
            r->at += i + 1;
            return MQTT_VARINT_OK;
        }
    }
    return MQTT_VARINT_TOO_LONG;
}

#endif
