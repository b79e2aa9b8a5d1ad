/*
 * mqtt_decoded - for the codec's tests: one packet, written as in mqtt_wire.h, and what the decoder
 * says of it.
 */
#ifndef FLOTILLA_TESTS_UNIT_COMMON_MQTT_DECODED_H
#define FLOTILLA_TESTS_UNIT_COMMON_MQTT_DECODED_H

#include "common/mqtt/mqtt.h"
#include "tests/unit/common/mqtt_wire.h"

/* `bytes` is the caller's to free; the packet's slices point into it. */
struct decoded {
    uint8_t *bytes;
    size_t len, size;
    struct mqtt_packet packet;
    struct mqtt_decode_error err;
    enum decode_result result;
};

static inline struct decoded decode(const char *text, struct mqtt_decode_opts opts)
{
    struct decoded d = {.result = DECODE_OK};
    d.bytes = wire_new(text, &d.len);
    d.result = mqtt_decode(d.bytes, d.len, &opts, &d.packet, &d.size, &d.err);
    return d;
}

#define FROM_CLIENT(v) ((struct mqtt_decode_opts){.version = (v)})
#define FROM_SERVER(v) ((struct mqtt_decode_opts){.version = (v), .from_server = true})

static inline void expect_slice(struct mqtt_slice s, const char *text)
{
    assert_int_equal(s.len, strlen(text));
    if (s.len > 0)
        assert_memory_equal(s.data, text, s.len);
}

static inline struct mqtt_slice slice(const char *s)
{
    return (struct mqtt_slice){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static inline void expect_bytes(const uint8_t *bytes, size_t len, const char *text)
{
    struct wire w = {.len = 0};
    wire_parse(&w, text);
    assert_int_equal(len, w.len);
    assert_memory_equal(bytes, w.bytes, len);
}

#endif
