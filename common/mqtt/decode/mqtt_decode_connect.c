/*
 * Decodes what opens a connection: CONNECT (3.1) and CONNACK (3.2).
 *
 * Called by mqtt_decode.c. Whether a client id, a login or a keep alive is acceptable is the
 * broker's decision; here only what the wire format and its consistency rules say.
 */
#include "common/mqtt/decode/mqtt_decoder.h"

#include <string.h>

#include "common/mqtt/mqtt.h"
#include "common/mqtt/mqtt_reader.h"

enum {
    LEVEL_BRIDGE = 0x80,
    FLAG_RESERVED = 0x01,
    FLAG_CLEAN_START = 0x02,
    FLAG_WILL = 0x04,
    FLAG_WILL_RETAIN = 0x20,
    FLAG_PASSWORD = 0x40,
    FLAG_USERNAME = 0x80,
};

static bool slice_is(struct mqtt_slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

/* Of 3.1 and 3.1.1, which have no subscription options: a bridge asks by bit 7 of the level for no
 * local and retain as published. 5.0 has the options themselves. */
static enum mqtt_version version_of(uint8_t level, bool v31)
{
    uint8_t plain = level & (uint8_t)~LEVEL_BRIDGE;
    if (v31)
        return plain == MQTT_V31 ? MQTT_V31 : MQTT_UNKNOWN;
    return plain == MQTT_V311 || level == MQTT_V5 ? (enum mqtt_version)plain : MQTT_UNKNOWN;
}

/* Protocol name and level. A level we don't know is for the broker to answer with "unsupported
 * protocol version" (3.1.2-2), so it isn't an error here. */
static bool decode_protocol(struct mqtt_decoder *d, struct mqtt_connect *c)
{
    struct mqtt_slice name;
    if (!mqtt_reader_block(&d->in, &name))
        return mqtt_decoder_malformed(d, "protocol name runs past the packet");
    bool v31 = slice_is(name, "MQIsdp");
    if (!v31 && !slice_is(name, "MQTT"))
        return mqtt_decoder_fail(d, MQTT_R_UNSUPPORTED_VERSION, "protocol name"); /* 3.1.2-1 */
    if (!mqtt_reader_u8(&d->in, &c->level))
        return mqtt_decoder_malformed(d, "protocol level is missing");
    c->version = version_of(c->level, v31);
    c->bridge = c->version != MQTT_UNKNOWN && (c->level & LEVEL_BRIDGE) != 0;
    return true;
}

static bool decode_connect_flags(struct mqtt_decoder *d, struct mqtt_connect *c)
{
    uint8_t flags;
    if (!mqtt_reader_u8(&d->in, &flags))
        return mqtt_decoder_malformed(d, "connect flags are missing");
    c->clean_start = (flags & FLAG_CLEAN_START) != 0;
    c->has_will = (flags & FLAG_WILL) != 0;
    c->will_qos = (flags >> 3) & 0x03;
    c->will_retain = (flags & FLAG_WILL_RETAIN) != 0;
    c->has_username = (flags & FLAG_USERNAME) != 0;
    c->has_password = (flags & FLAG_PASSWORD) != 0;

    if ((flags & FLAG_RESERVED) != 0)
        return mqtt_decoder_malformed(d, "reserved connect flag"); /* 3.1.2-3 */
    if (!c->has_will && c->version == MQTT_V31) {
        c->will_qos = 0; /* 3.1 disregards these two without a will */
        c->will_retain = false;
    }
    if (!c->has_will && (c->will_qos != 0 || c->will_retain))
        return mqtt_decoder_malformed(d, "will flags without a will"); /* 3.1.2-13, 3.1.2-15 */
    if (c->will_qos == 3)
        return mqtt_decoder_malformed(d, "will QoS 3"); /* 3.1.2-14 */
    if (c->has_password && !c->has_username && c->version != MQTT_V5)
        return mqtt_decoder_malformed(d, "password without user name"); /* 3.1.2-22 of 3.1.1 */
    return true;
}

static bool decode_string(struct mqtt_decoder *d, struct mqtt_slice *out, const char *missing,
                          const char *not_utf8)
{
    if (!mqtt_reader_block(&d->in, out))
        return mqtt_decoder_malformed(d, missing);
    if (!mqtt_utf8_valid(out->data, out->len))
        return mqtt_decoder_malformed(d, not_utf8); /* 1.5.3-1 of 3.1.1, 1.5.4-1 of 5.0 */
    return true;
}

static bool decode_will(struct mqtt_decoder *d, struct mqtt_connect *c)
{
    if (!mqtt_decoder_props(d, MQTT_IN_WILL, &c->will_props, NULL))
        return false;
    if (!decode_string(d, &c->will_topic, "will topic runs past the packet",
                       "will topic isn't UTF-8"))
        return false;
    if (!mqtt_topic_name_valid(c->will_topic.data, c->will_topic.len))
        return mqtt_decoder_fail(d, MQTT_R_BAD_TOPIC_NAME, "will topic is empty or has wildcards");
    if (!mqtt_reader_block(&d->in, &c->will_payload))
        return mqtt_decoder_malformed(d, "will payload runs past the packet");
    return true;
}

static bool decode_login(struct mqtt_decoder *d, struct mqtt_connect *c)
{
    /* 3.1: the remaining length takes precedence over the flags, so a flag without its field is
     * valid and means that there is none. */
    if (c->version == MQTT_V31 && mqtt_reader_left(&d->in) == 0)
        c->has_username = c->has_password = false;
    if (c->has_username &&
        !decode_string(d, &c->username, "user name runs past the packet", "user name isn't UTF-8"))
        return false;
    if (c->version == MQTT_V31 && mqtt_reader_left(&d->in) == 0)
        c->has_password = false;
    if (c->has_password && !mqtt_reader_block(&d->in, &c->password))
        return mqtt_decoder_malformed(d, "password runs past the packet");
    return true;
}

bool mqtt_decode_connect(struct mqtt_decoder *d, struct mqtt_packet *out)
{
    struct mqtt_connect *c = &out->u.connect;
    memset(c, 0, sizeof(*c));
    if (!decode_protocol(d, c))
        return false;
    if (c->version == MQTT_UNKNOWN)
        return true;
    d->version = c->version;
    if (d->version == MQTT_V5 && !d->length_minimal)
        return mqtt_decoder_malformed(d, "remaining length isn't in its shortest form");
    if (!decode_connect_flags(d, c))
        return false;
    if (!mqtt_reader_u16(&d->in, &c->keep_alive_s))
        return mqtt_decoder_malformed(d, "keep alive is missing");

    uint64_t seen = 0;
    if (!mqtt_decoder_props(d, MQTT_CONNECT, &c->props, &seen))
        return false;
    if ((seen >> MQTT_P_AUTH_DATA & 1) != 0 && (seen >> MQTT_P_AUTH_METHOD & 1) == 0)
        return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR,
                                 "authentication data without a method"); /* 3.1.2.11.10 */
    if (!decode_string(d, &c->client_id, "client id runs past the packet", "client id isn't UTF-8"))
        return false;
    if (c->has_will && !decode_will(d, c))
        return false;
    if (!decode_login(d, c))
        return false;
    if (mqtt_reader_left(&d->in) != 0)
        return mqtt_decoder_malformed(d, "bytes after the CONNECT payload");
    return true;
}

bool mqtt_decode_connack(struct mqtt_decoder *d, struct mqtt_packet *out)
{
    struct mqtt_connack *c = &out->u.connack;
    uint8_t flags;
    if (!mqtt_reader_u8(&d->in, &flags) || !mqtt_reader_u8(&d->in, &c->code))
        return mqtt_decoder_malformed(d, "CONNACK is too short");
    if (flags > 1)
        return mqtt_decoder_malformed(d, "reserved CONNACK flags"); /* 3.2.2-1 */
    if (flags == 1 && c->code != 0)
        return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR,
                                 "session present in a refusal"); /* 3.2.2-4, 3.2.2-6 of 5.0 */
    if (d->version == MQTT_V5 ? !mqtt_reason_allowed(MQTT_CONNACK, true, c->code)
                              : c->code > MQTT_CONNACK_NOT_AUTHORIZED)
        return mqtt_decoder_malformed(d, "reserved CONNACK code");
    c->session_present = flags == 1;
    if (!mqtt_decoder_props(d, MQTT_CONNACK, &c->props, NULL))
        return false;
    if (mqtt_reader_left(&d->in) != 0)
        return mqtt_decoder_malformed(d, "bytes after the CONNACK");
    return true;
}
