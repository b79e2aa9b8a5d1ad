/*
 * The properties of 5.0 (2.2.2): their types, where each may stand, which values it may have.
 *
 * mqtt_decode*.c has a section validated here once; handlers then read it with mqtt_props_next or
 * mqtt_props_find, which trust it except for its bounds.
 */
#include "common/mqtt/decode/mqtt_decoder.h"
#include "common/mqtt/mqtt.h"
#include "common/mqtt/mqtt_reader.h"
#include "common/mqtt/mqtt_writer.h"

enum kind { UNKNOWN = 0, BYTE, U16, U32, VARINT, STRING, TOPIC, BINARY, PAIR };

#define IN(type) (uint16_t)(1u << (type))
#define IN_MESSAGE (IN(MQTT_PUBLISH) | IN(MQTT_IN_WILL))
#define IN_OPENING (IN(MQTT_CONNECT) | IN(MQTT_CONNACK))
#define IN_ACKS                                                                                    \
    (IN(MQTT_PUBACK) | IN(MQTT_PUBREC) | IN(MQTT_PUBREL) | IN(MQTT_PUBCOMP) | IN(MQTT_SUBACK) |    \
     IN(MQTT_UNSUBACK))

/* Table 2-4. min and max bound the numbers. */
static const struct rule {
    uint8_t kind;
    uint16_t where;
    uint32_t min, max;
} rules[] = {
    [MQTT_P_PAYLOAD_FORMAT] = {BYTE, IN_MESSAGE, 0, 1},
    [MQTT_P_MESSAGE_EXPIRY] = {U32, IN_MESSAGE, 0, UINT32_MAX},
    [MQTT_P_CONTENT_TYPE] = {STRING, IN_MESSAGE, 0, 0},
    [MQTT_P_RESPONSE_TOPIC] = {TOPIC, IN_MESSAGE, 0, 0},
    [MQTT_P_CORRELATION_DATA] = {BINARY, IN_MESSAGE, 0, 0},
    [MQTT_P_SUBSCRIPTION_ID] = {VARINT, IN(MQTT_PUBLISH) | IN(MQTT_SUBSCRIBE), 1,
                                MQTT_MAX_REMAINING},
    [MQTT_P_SESSION_EXPIRY] = {U32, IN_OPENING | IN(MQTT_DISCONNECT), 0, UINT32_MAX},
    [MQTT_P_ASSIGNED_CLIENT_ID] = {STRING, IN(MQTT_CONNACK), 0, 0},
    [MQTT_P_SERVER_KEEP_ALIVE] = {U16, IN(MQTT_CONNACK), 0, UINT16_MAX},
    [MQTT_P_AUTH_METHOD] = {STRING, IN_OPENING | IN(MQTT_AUTH), 0, 0},
    [MQTT_P_AUTH_DATA] = {BINARY, IN_OPENING | IN(MQTT_AUTH), 0, 0},
    [MQTT_P_REQUEST_PROBLEM_INFO] = {BYTE, IN(MQTT_CONNECT), 0, 1},
    [MQTT_P_WILL_DELAY] = {U32, IN(MQTT_IN_WILL), 0, UINT32_MAX},
    [MQTT_P_REQUEST_RESPONSE_INFO] = {BYTE, IN(MQTT_CONNECT), 0, 1},
    [MQTT_P_RESPONSE_INFO] = {STRING, IN(MQTT_CONNACK), 0, 0},
    [MQTT_P_SERVER_REFERENCE] = {STRING, IN(MQTT_CONNACK) | IN(MQTT_DISCONNECT), 0, 0},
    [MQTT_P_REASON_STRING] = {STRING,
                              IN_ACKS | IN(MQTT_CONNACK) | IN(MQTT_DISCONNECT) | IN(MQTT_AUTH), 0,
                              0},
    [MQTT_P_RECEIVE_MAXIMUM] = {U16, IN_OPENING, 1, UINT16_MAX},
    [MQTT_P_TOPIC_ALIAS_MAXIMUM] = {U16, IN_OPENING, 0, UINT16_MAX},
    [MQTT_P_TOPIC_ALIAS] = {U16, IN(MQTT_PUBLISH), 1, UINT16_MAX},
    [MQTT_P_MAXIMUM_QOS] = {BYTE, IN(MQTT_CONNACK), 0, 1},
    [MQTT_P_RETAIN_AVAILABLE] = {BYTE, IN(MQTT_CONNACK), 0, 1},
    [MQTT_P_USER_PROPERTY] = {PAIR, UINT16_MAX, 0, 0},
    [MQTT_P_MAXIMUM_PACKET_SIZE] = {U32, IN_OPENING, 1, UINT32_MAX},
    [MQTT_P_WILDCARD_AVAILABLE] = {BYTE, IN(MQTT_CONNACK), 0, 1},
    [MQTT_P_SUBSCRIPTION_ID_AVAILABLE] = {BYTE, IN(MQTT_CONNACK), 0, 1},
    [MQTT_P_SHARED_AVAILABLE] = {BYTE, IN(MQTT_CONNACK), 0, 1},
};
#define RULES (sizeof(rules) / sizeof(rules[0]))
_Static_assert(RULES <= 64, "the ids seen fit one word");

/* No property has the id 0, so its empty rule stands for all unknown ones. */
static const struct rule *rule_of(unsigned id)
{
    return &rules[id < RULES ? id : 0];
}

static enum kind kind_of(unsigned id)
{
    return (enum kind)rule_of(id)->kind;
}

static bool read_value(struct mqtt_reader *r, enum kind kind, struct mqtt_prop *out)
{
    uint8_t byte;
    uint16_t word;
    bool minimal;
    switch (kind) {
    case BYTE:
        if (!mqtt_reader_u8(r, &byte))
            return false;
        out->num = byte;
        return true;
    case U16:
        if (!mqtt_reader_u16(r, &word))
            return false;
        out->num = word;
        return true;
    case U32:
        return mqtt_reader_u32(r, &out->num);
    case VARINT:
        return mqtt_reader_varint(r, &out->num, &minimal) == MQTT_VARINT_OK && minimal;
    case STRING:
    case TOPIC:
    case BINARY:
        return mqtt_reader_block(r, &out->str);
    case PAIR:
        return mqtt_reader_block(r, &out->str) && mqtt_reader_block(r, &out->value);
    case UNKNOWN:
        break;
    }
    return false;
}

/* The id is a variable byte integer, of which all known ones take one byte. */
static bool read_prop(struct mqtt_reader *r, struct mqtt_prop *out)
{
    uint8_t id;
    *out = (struct mqtt_prop){0};
    if (!mqtt_reader_u8(r, &id))
        return false;
    out->id = (enum mqtt_property)id;
    return read_value(r, kind_of(id), out);
}

static bool check_number(struct mqtt_decoder *d, const struct mqtt_prop *p)
{
    const struct rule *rule = rule_of(p->id);
    if (p->num >= rule->min && p->num <= rule->max)
        return true;
    if (p->id == MQTT_P_TOPIC_ALIAS)
        return mqtt_decoder_fail(d, MQTT_R_BAD_TOPIC_ALIAS, "topic alias 0"); /* 3.3.2-8 */
    return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR, "property value out of range");
}

static bool check_text(struct mqtt_decoder *d, struct mqtt_slice s)
{
    return mqtt_utf8_valid(s.data, s.len) ||
           mqtt_decoder_malformed(d, "property isn't UTF-8"); /* 1.5.4-1 */
}

static bool check_value(struct mqtt_decoder *d, const struct mqtt_prop *p)
{
    switch (kind_of(p->id)) {
    case STRING:
        return check_text(d, p->str);
    case TOPIC: /* 3.3.2-14 */
        return check_text(d, p->str) &&
               (mqtt_topic_name_valid(p->str.data, p->str.len) ||
                mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR, "response topic isn't a topic name"));
    case PAIR:
        return check_text(d, p->str) && check_text(d, p->value);
    case BINARY:
        return true;
    case BYTE:
    case U16:
    case U32:
    case VARINT:
    case UNKNOWN:
        break;
    }
    return check_number(d, p);
}

/* Whether the sender may repeat it in this packet: user properties always, and a server names each
 * matching subscription in a PUBLISH (3.3.4-3). */
static bool may_repeat(const struct mqtt_decoder *d, unsigned where, enum mqtt_property id)
{
    return id == MQTT_P_USER_PROPERTY ||
           (id == MQTT_P_SUBSCRIPTION_ID && where == MQTT_PUBLISH && d->from_server);
}

static bool check_place(struct mqtt_decoder *d, unsigned where, enum mqtt_property id,
                        uint64_t seen)
{
    if ((rule_of(id)->where >> where & 1) == 0)
        return mqtt_decoder_malformed(d, "property that this packet doesn't have"); /* 2.2.2.2 */
    if ((seen >> id & 1) != 0 && !may_repeat(d, where, id))
        return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR, "property given twice");
    if (id == MQTT_P_SUBSCRIPTION_ID && where == MQTT_PUBLISH && !d->from_server)
        return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR,
                                 "subscription id from a client"); /* 3.3.4-6 */
    if (id == MQTT_P_SESSION_EXPIRY && where == MQTT_DISCONNECT && d->from_server)
        return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR,
                                 "session expiry from a server"); /* 3.14.2-2 */
    return true;
}

static bool check_section(struct mqtt_decoder *d, struct mqtt_slice raw, unsigned where,
                          uint64_t *seen)
{
    struct mqtt_reader r = {raw.data, raw.data + raw.len};
    struct mqtt_prop p;
    while (mqtt_reader_left(&r) > 0) {
        if (kind_of(r.at[0]) == UNKNOWN)
            return mqtt_decoder_malformed(d, "unknown property");
        if (!read_prop(&r, &p))
            return mqtt_decoder_malformed(d, "property runs past its section");
        if (!check_place(d, where, p.id, *seen) || !check_value(d, &p))
            return false;
        *seen |= UINT64_C(1) << p.id;
    }
    return true;
}

bool mqtt_decoder_props(struct mqtt_decoder *d, unsigned where, struct mqtt_props *out,
                        uint64_t *seen)
{
    uint64_t unwanted = 0;
    uint32_t len;
    bool minimal;
    out->raw = (struct mqtt_slice){NULL, 0};
    if (d->version != MQTT_V5)
        return true;
    if (mqtt_reader_varint(&d->in, &len, &minimal) != MQTT_VARINT_OK || !minimal)
        return mqtt_decoder_malformed(d, "property length"); /* 1.5.5-1 */
    if (!mqtt_reader_bytes(&d->in, len, &out->raw))
        return mqtt_decoder_malformed(d, "properties run past the packet");
    return len == 0 || check_section(d, out->raw, where, seen != NULL ? seen : &unwanted);
}

bool mqtt_props_next(const struct mqtt_props *p, uint32_t *at, struct mqtt_prop *out)
{
    if (*at >= p->raw.len)
        return false;
    struct mqtt_reader r = {p->raw.data + *at, p->raw.data + p->raw.len};
    if (!read_prop(&r, out))
        return false;
    *at = (uint32_t)(r.at - p->raw.data);
    return true;
}

bool mqtt_props_find(const struct mqtt_props *p, enum mqtt_property id, struct mqtt_prop *out)
{
    uint32_t at = 0;
    while (mqtt_props_next(p, &at, out))
        if (out->id == id)
            return true;
    return false;
}

static bool put_done(const struct mqtt_writer *w, size_t *used)
{
    if (w->failed)
        return false;
    *used = w->used;
    return true;
}

/* The bytes of a number of this kind; 0: it can't be one. */
static inline size_t number_size(enum kind kind, uint32_t num)
{
    switch (kind) {
    case BYTE:
        return num <= UINT8_MAX ? 1 : 0;
    case U16:
        return num <= UINT16_MAX ? 2 : 0;
    case U32:
        return 4;
    case VARINT:
        return num <= MQTT_MAX_REMAINING ? mqtt_varint_size(num) : 0;
    case STRING:
    case TOPIC:
    case BINARY:
    case PAIR:
    case UNKNOWN:
        break;
    }
    return 0;
}

/* Without a writer: it is done for each receiver of a message. */
bool mqtt_props_put_num(uint8_t *buf, size_t size, size_t *used, enum mqtt_property id,
                        uint32_t num)
{
    enum kind kind = kind_of(id);
    size_t n = number_size(kind, num);
    if (n == 0 || size - *used <= n)
        return false;
    uint8_t *at = buf + *used;
    *at++ = (uint8_t)id;
    *used += 1 + n;
    if (kind == VARINT) {
        mqtt_varint_put(at, num);
        return true;
    }
    for (size_t i = n; i-- > 0; num >>= 8)
        at[i] = (uint8_t)num;
    return true;
}

bool mqtt_props_put_str(uint8_t *buf, size_t size, size_t *used, enum mqtt_property id,
                        struct mqtt_slice str)
{
    struct mqtt_writer w = {.buf = buf, .size = size, .used = *used};
    enum kind kind = kind_of(id);
    if (kind != STRING && kind != TOPIC && kind != BINARY)
        return false;
    mqtt_writer_u8(&w, (uint8_t)id);
    mqtt_writer_block(&w, str);
    return put_done(&w, used);
}

bool mqtt_props_put_pair(uint8_t *buf, size_t size, size_t *used, struct mqtt_slice name,
                         struct mqtt_slice value)
{
    struct mqtt_writer w = {.buf = buf, .size = size, .used = *used};
    mqtt_writer_u8(&w, MQTT_P_USER_PROPERTY);
    mqtt_writer_block(&w, name);
    mqtt_writer_block(&w, value);
    return put_done(&w, used);
}
