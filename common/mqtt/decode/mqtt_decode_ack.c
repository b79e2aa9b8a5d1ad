/*
 * Decodes the packets that carry a verdict: PUBACK, PUBREC, PUBREL, PUBCOMP (3.4 to 3.7), the
 * UNSUBACK of v3, DISCONNECT (3.14), AUTH (3.15); and the pings (3.12, 3.13), which are empty.
 *
 * Called by mqtt_decode.c. In 5.0 reason and properties may be left out from the end.
 */
#include "common/mqtt/decode/mqtt_decoder.h"
#include "common/mqtt/mqtt.h"
#include "common/mqtt/mqtt_reader.h"

static bool at_end(struct mqtt_decoder *d)
{
    return mqtt_reader_left(&d->in) == 0;
}

static bool decode_end(struct mqtt_decoder *d)
{
    return at_end(d) || mqtt_decoder_malformed(d, "bytes after the packet's fields");
}

/* What follows the packet id in 5.0: nothing, a reason, or a reason and properties. */
static bool decode_reason(struct mqtt_decoder *d, enum mqtt_type type, struct mqtt_ack *a)
{
    if (at_end(d))
        return true;
    mqtt_reader_u8(&d->in, &a->reason);
    if (!mqtt_reason_allowed(type, d->from_server, a->reason))
        return mqtt_decoder_malformed(d, "reason code that this packet doesn't have");
    if (at_end(d))
        return true;
    return mqtt_decoder_props(d, type, &a->props, NULL);
}

bool mqtt_decode_ack(struct mqtt_decoder *d, struct mqtt_packet *out)
{
    out->u.ack = (struct mqtt_ack){0};
    if (!mqtt_decoder_packet_id(d, &out->u.ack.packet_id))
        return false;
    if (d->version == MQTT_V5 && !decode_reason(d, out->type, &out->u.ack))
        return false;
    return decode_end(d);
}

bool mqtt_decode_disconnect(struct mqtt_decoder *d, struct mqtt_packet *out)
{
    out->u.ack = (struct mqtt_ack){0};
    if (d->version == MQTT_V5 && !decode_reason(d, MQTT_DISCONNECT, &out->u.ack))
        return false;
    return decode_end(d);
}

/* Unlike DISCONNECT, AUTH leaves out both or neither of reason and properties (3.15.2.1). */
bool mqtt_decode_auth(struct mqtt_decoder *d, struct mqtt_packet *out)
{
    struct mqtt_ack *a = &out->u.ack;
    *a = (struct mqtt_ack){0};
    if (at_end(d)) {
        if (!mqtt_reason_allowed(MQTT_AUTH, d->from_server, MQTT_R_SUCCESS))
            return mqtt_decoder_malformed(d, "AUTH success is the server's to say");
        return true;
    }
    uint64_t seen = 0;
    mqtt_reader_u8(&d->in, &a->reason);
    if (!mqtt_reason_allowed(MQTT_AUTH, d->from_server, a->reason))
        return mqtt_decoder_malformed(d, "reason code that this packet doesn't have");
    if (!mqtt_decoder_props(d, MQTT_AUTH, &a->props, &seen))
        return false;
    if ((seen >> MQTT_P_AUTH_METHOD & 1) == 0)
        return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR,
                                 "AUTH without an authentication method"); /* 3.15.2.2.2 */
    return decode_end(d);
}

bool mqtt_decode_ping(struct mqtt_decoder *d, struct mqtt_packet *out)
{
    (void)out;
    return decode_end(d);
}
