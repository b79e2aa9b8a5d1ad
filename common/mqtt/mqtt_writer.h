/*
 * mqtt_writer - the one bounds-checked writer of the codec.
 *
 * Internal to common/mqtt*.c. With `buf` NULL it only counts, so that one description of a packet
 * yields both its size and its bytes. `failed` sticks once something didn't fit or can't be
 * expressed (a string over 65,535 bytes, a variable byte integer over 268,435,455).
 */
#ifndef FLOTILLA_COMMON_MQTT_MQTT_WRITER_H
#define FLOTILLA_COMMON_MQTT_MQTT_WRITER_H

#include "common/mqtt/mqtt.h"

#include <string.h>

struct mqtt_writer {
    uint8_t *buf;
    size_t size, used;
    bool failed;
};

static inline void mqtt_writer_bytes(struct mqtt_writer *w, const void *data, size_t n)
{
    if (w->failed || n == 0)
        return;
    if (w->buf != NULL) {
        if (n > w->size - w->used) {
            w->failed = true;
            return;
        }
        memcpy(w->buf + w->used, data, n);
    }
    w->used += n;
}

static inline void mqtt_writer_u8(struct mqtt_writer *w, uint8_t v)
{
    mqtt_writer_bytes(w, &v, 1);
}

static inline void mqtt_writer_u16(struct mqtt_writer *w, uint16_t v)
{
    const uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    mqtt_writer_bytes(w, b, sizeof(b));
}

static inline void mqtt_writer_slice(struct mqtt_writer *w, struct mqtt_slice s)
{
    mqtt_writer_bytes(w, s.data, s.len);
}

static inline void mqtt_writer_block(struct mqtt_writer *w, struct mqtt_slice s)
{
    if (s.len > UINT16_MAX) {
        w->failed = true;
        return;
    }
    mqtt_writer_u16(w, (uint16_t)s.len);
    mqtt_writer_slice(w, s);
}

/* How many bytes a variable byte integer takes (value at most MQTT_MAX_REMAINING). */
static inline size_t mqtt_varint_size(uint32_t v)
{
    return v < 128 ? 1 : v < 16384 ? 2 : v < 2097152 ? 3 : 4;
}

/* Writes one to `out`, which has room for 4 bytes; its length. */
static inline size_t mqtt_varint_put(uint8_t *out, uint32_t v)
{
    size_t n = 0;
    while (v >= 0x80) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    return n;
}

static inline void mqtt_writer_varint(struct mqtt_writer *w, uint32_t v)
{
    uint8_t b[4];
    if (v > MQTT_MAX_REMAINING) {
        w->failed = true;
        return;
    }
    mqtt_writer_bytes(w, b, mqtt_varint_put(b, v));
}

#endif
