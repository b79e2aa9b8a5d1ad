/*
 * Used by lb/flow/flow_setup.c for `balance: hash`. Each step either has its bytes, or says what their
 * lack means: more is to come, unless the packet is whole already.
 */
#include "common/mqtt/decode/mqtt_peek.h"

#include <string.h>

#include "common/mqtt/mqtt_reader.h"

enum { LEVEL_MASK = 0x7f }; /* without the bridge bit */

static enum mqtt_peek peek_protocol_name(struct mqtt_reader *in)
{
    struct mqtt_reader ahead = *in;
    struct mqtt_slice name;
    uint16_t len;
    if (!mqtt_reader_u16(&ahead, &len))
        return MQTT_PEEK_MORE;
    if (len != 4 && len != 6)
        return MQTT_PEEK_NONE; /* not to be waited for */
    if (!mqtt_reader_block(in, &name))
        return MQTT_PEEK_MORE;
    return memcmp(name.data, len == 4 ? "MQTT" : "MQIsdp", len) == 0 ? MQTT_PEEK_FOUND
                                                                     : MQTT_PEEK_NONE;
}

static enum mqtt_peek skip_properties(struct mqtt_reader *in)
{
    struct mqtt_slice properties;
    uint32_t len;
    bool minimal;
    switch (mqtt_reader_varint(in, &len, &minimal)) {
    case MQTT_VARINT_OK:
        break;
    case MQTT_VARINT_SHORT:
        return MQTT_PEEK_MORE;
    case MQTT_VARINT_TOO_LONG:
        return MQTT_PEEK_NONE;
    }
    return mqtt_reader_bytes(in, len, &properties) ? MQTT_PEEK_FOUND : MQTT_PEEK_MORE;
}

static enum mqtt_peek peek_id(struct mqtt_reader *in, size_t most, struct mqtt_slice *id)
{
    uint16_t len;
    if (!mqtt_reader_u16(in, &len))
        return MQTT_PEEK_MORE;
    if (len == 0)
        return MQTT_PEEK_NONE;
    return mqtt_reader_bytes(in, len < most ? len : most, id) ? MQTT_PEEK_FOUND : MQTT_PEEK_MORE;
}

static enum mqtt_peek peek_body(struct mqtt_reader *in, size_t most, struct mqtt_slice *id)
{
    uint8_t level;
    uint8_t flags;
    uint16_t keep_alive;
    enum mqtt_peek result = peek_protocol_name(in);
    if (result != MQTT_PEEK_FOUND)
        return result;
    if (!mqtt_reader_u8(in, &level) || !mqtt_reader_u8(in, &flags) ||
        !mqtt_reader_u16(in, &keep_alive))
        return MQTT_PEEK_MORE;
    if ((level & LEVEL_MASK) == MQTT_V5)
        result = skip_properties(in);
    return result == MQTT_PEEK_FOUND ? peek_id(in, most, id) : result;
}

enum mqtt_peek mqtt_peek_client_id(const uint8_t *buf, size_t len, size_t most,
                                   struct mqtt_slice *id)
{
    struct mqtt_reader in = {.at = buf, .end = buf + len};
    uint8_t first;
    uint32_t remaining;
    bool minimal;
    if (!mqtt_reader_u8(&in, &first))
        return MQTT_PEEK_MORE;
    if (first != MQTT_CONNECT << 4)
        return MQTT_PEEK_NONE;
    switch (mqtt_reader_varint(&in, &remaining, &minimal)) {
    case MQTT_VARINT_OK:
        break;
    case MQTT_VARINT_SHORT:
        return MQTT_PEEK_MORE;
    case MQTT_VARINT_TOO_LONG:
        return MQTT_PEEK_NONE;
    }
    bool whole = mqtt_reader_left(&in) >= remaining;
    if (whole)
        in.end = in.at + remaining;
    enum mqtt_peek result = peek_body(&in, most, id);
    return result == MQTT_PEEK_MORE && whole ? MQTT_PEEK_NONE : result;
}
