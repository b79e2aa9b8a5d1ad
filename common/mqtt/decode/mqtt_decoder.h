/*
 * mqtt_decoder - what the parts of the decoder share: the packet being decoded and its verdict.
 *
 * Internal to common/mqtt/decode. mqtt_decode.c has checked the fixed header when it hands a packet to
 * one of the functions below; `in` covers exactly the packet's remaining length. Each returns false
 * after mqtt_decoder_fail, and sets every field of its part of `out` otherwise.
 */
#ifndef FLOTILLA_COMMON_MQTT_DECODE_MQTT_DECODER_H
#define FLOTILLA_COMMON_MQTT_DECODE_MQTT_DECODER_H

#include "common/mqtt/mqtt.h"
#include "common/mqtt/mqtt_reader.h"

struct mqtt_decoder {
    struct mqtt_reader in;
    enum mqtt_version version;
    bool from_server;
    bool length_minimal; /* the remaining length had its shortest form (5.0 demands it) */
    struct mqtt_decode_error *err;
};

/* Notes why the packet is refused; always false, to be returned. */
static inline bool mqtt_decoder_fail(struct mqtt_decoder *d, enum mqtt_reason reason,
                                     const char *text)
{
    d->err->reason = reason;
    d->err->text = text;
    return false;
}

static inline bool mqtt_decoder_malformed(struct mqtt_decoder *d, const char *text)
{
    return mqtt_decoder_fail(d, MQTT_R_MALFORMED_PACKET, text);
}

/* A packet id, which is never 0 (2.3.1 of 3.1.1, 2.2.1 of 5.0). */
static inline bool mqtt_decoder_packet_id(struct mqtt_decoder *d, uint16_t *out)
{
    if (!mqtt_reader_u16(&d->in, out))
        return mqtt_decoder_malformed(d, "packet id is missing");
    if (*out == 0)
        return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR, "packet id is 0");
    return true;
}

/* Where a property section stands: a packet type, or the will inside a CONNECT. */
#define MQTT_IN_WILL 0u

/* Reads the section with its length. For v3 there is none: *out becomes empty. *seen (may be NULL)
 * gets a bit for each property id that is present. */
bool mqtt_decoder_props(struct mqtt_decoder *d, unsigned where, struct mqtt_props *out,
                        uint64_t *seen);

bool mqtt_decode_connect(struct mqtt_decoder *d, struct mqtt_packet *out);
bool mqtt_decode_connack(struct mqtt_decoder *d, struct mqtt_packet *out);
bool mqtt_decode_ack(struct mqtt_decoder *d, struct mqtt_packet *out);
bool mqtt_decode_subscribe(struct mqtt_decoder *d, struct mqtt_packet *out);
bool mqtt_decode_suback(struct mqtt_decoder *d, struct mqtt_packet *out);
bool mqtt_decode_unsuback(struct mqtt_decoder *d, struct mqtt_packet *out);
bool mqtt_decode_ping(struct mqtt_decoder *d, struct mqtt_packet *out);
bool mqtt_decode_disconnect(struct mqtt_decoder *d, struct mqtt_packet *out);
bool mqtt_decode_auth(struct mqtt_decoder *d, struct mqtt_packet *out);

#endif
