/*
 * Fuzzes the MQTT codec. The first byte chooses version, direction and size limit, the rest is a
 * buffer as a connection would hold it. What the decoder accepts must encode, and decode again to
 * the same packet; what it accepts must also not have been acceptable when cut short. Properties that are
 * put together again from what was read of them are the same bytes.
 */
#include "common/mqtt/decode/mqtt_peek.h"
#include "common/mqtt/mqtt.h"
#include "tests/unit/common/mqtt_equal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool condition)
{
    if (!condition)
        abort();
}

static bool is_text(enum mqtt_property id)
{
    static const uint64_t texts = 1ull << MQTT_P_CONTENT_TYPE | 1ull << MQTT_P_RESPONSE_TOPIC |
                                  1ull << MQTT_P_CORRELATION_DATA |
                                  1ull << MQTT_P_ASSIGNED_CLIENT_ID | 1ull << MQTT_P_AUTH_METHOD |
                                  1ull << MQTT_P_AUTH_DATA | 1ull << MQTT_P_RESPONSE_INFO |
                                  1ull << MQTT_P_SERVER_REFERENCE | 1ull << MQTT_P_REASON_STRING;
    return (texts >> id & 1) != 0;
}

static bool put_again(uint8_t *buf, size_t size, size_t *used, const struct mqtt_prop *p)
{
    if (p->id == MQTT_P_USER_PROPERTY)
        return mqtt_props_put_pair(buf, size, used, p->str, p->value);
    if (is_text(p->id))
        return mqtt_props_put_str(buf, size, used, p->id, p->str);
    return mqtt_props_put_num(buf, size, used, p->id, p->num);
}

static void read_props(const struct mqtt_props *props)
{
    struct mqtt_prop p;
    struct mqtt_prop found;
    uint32_t at = 0;
    size_t used = 0;
    uint8_t *again = malloc(props->raw.len + 1);
    demand(again != NULL);
    while (mqtt_props_next(props, &at, &p)) {
        demand(mqtt_props_find(props, p.id, &found) && found.id == p.id);
        demand(put_again(again, props->raw.len, &used, &p));
    }
    demand(at == props->raw.len && used == at);
    demand(used == 0 || memcmp(again, props->raw.data, used) == 0);
    free(again);
}

static void read_filters(const struct mqtt_packet *p)
{
    const struct mqtt_subscribe *s = &p->u.subscribe;
    struct mqtt_filter f;
    static const struct mqtt_slice name = {(const uint8_t *)"a/b", 3};
    uint32_t at = 0;
    uint32_t count = 0;
    while (mqtt_filters_next(s, p->type == MQTT_SUBSCRIBE, &at, &f)) {
        demand(mqtt_topic_filter_valid(f.filter.data, f.filter.len));
        mqtt_filter_matches(f.filter, name);
        count++;
    }
    demand(count == s->count && at == s->list.len);
}

static void read_parts(const struct mqtt_packet *p, enum mqtt_version version)
{
    if (p->type == MQTT_CONNECT) {
        read_props(&p->u.connect.props);
        read_props(&p->u.connect.will_props);
    } else if (p->type == MQTT_PUBLISH) {
        read_props(&p->u.publish.props);
    } else if (p->type == MQTT_SUBSCRIBE || p->type == MQTT_UNSUBSCRIBE) {
        read_props(&p->u.subscribe.props);
        read_filters(p);
    } else if (p->type == MQTT_CONNACK) {
        read_props(&p->u.connack.props);
    } else if (p->type == MQTT_SUBACK || (p->type == MQTT_UNSUBACK && version == MQTT_V5)) {
        read_props(&p->u.suback.props);
    } else if (p->type != MQTT_PINGREQ && p->type != MQTT_PINGRESP && version == MQTT_V5) {
        read_props(&p->u.ack.props);
    }
}

static void encode_again(const struct mqtt_packet *p, const struct mqtt_decode_opts *opts,
                         enum mqtt_version version)
{
    size_t need = mqtt_encoded_size(p, version);
    demand(need != 0);
    uint8_t *buf = malloc(need);
    demand(buf != NULL && mqtt_encode(p, version, buf, need - 1) == 0);
    demand(mqtt_encode(p, version, buf, need) == need);

    struct mqtt_decode_opts again_opts = {.version = opts->version,
                                          .from_server = opts->from_server};
    struct mqtt_packet again;
    size_t size = 0;
    demand(mqtt_decode(buf, need, &again_opts, &again, &size, NULL) == DECODE_OK);
    demand(size == need && packets_equal(p, &again, version));
    free(buf);
}

/* What the first bytes tell of the client id: once found it stays the same. */
static void peek(const uint8_t *buf, size_t len)
{
    struct mqtt_slice id;
    struct mqtt_slice whole_id = {0};
    enum mqtt_peek whole = mqtt_peek_client_id(buf, len, 64, &whole_id);
    enum mqtt_peek part = mqtt_peek_client_id(buf, len / 2, 64, &id);
    if (part == MQTT_PEEK_MORE)
        return;
    demand(part == whole);
    demand(part == MQTT_PEEK_NONE || (id.data == whole_id.data && id.len == whole_id.len));
}

/* Of a packet that the decoder accepts it is the decoder's. */
static void demand_same_id(const uint8_t *buf, size_t len, const struct mqtt_connect *c)
{
    struct mqtt_slice id;
    enum mqtt_peek result = mqtt_peek_client_id(buf, len, UINT16_MAX, &id);
    demand(result == (c->client_id.len == 0 ? MQTT_PEEK_NONE : MQTT_PEEK_FOUND));
    demand(result == MQTT_PEEK_NONE ||
           (id.data == c->client_id.data && id.len == c->client_id.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum mqtt_version versions[4] = {MQTT_UNKNOWN, MQTT_V31, MQTT_V311, MQTT_V5};
    if (size < 1)
        return 0;
    const struct mqtt_decode_opts opts = {
        .version = versions[data[0] & 3],
        .from_server = (data[0] & 4) != 0,
        .max_packet = (data[0] & 8) != 0 ? 64 : 0,
    };
    struct mqtt_packet p;
    struct mqtt_decode_error err = {0};
    size_t whole = 0;
    const uint8_t *buf = data + 1;
    size_t len = size - 1;
    peek(buf, len);
    switch (mqtt_decode(buf, len, &opts, &p, &whole, &err)) {
    case DECODE_NEED_MORE:
        demand(whole > len);
        return 0;
    case DECODE_MALFORMED:
        demand(err.text != NULL && err.reason >= MQTT_R_UNSPECIFIED);
        return 0;
    case DECODE_OK:
        break;
    }
    demand(whole >= 2 && whole <= len);
    enum mqtt_version version = p.type == MQTT_CONNECT ? p.u.connect.version : opts.version;
    if (version == MQTT_UNKNOWN)
        return 0;
    if (p.type == MQTT_CONNECT)
        demand_same_id(buf, whole, &p.u.connect);
    read_parts(&p, version);
    encode_again(&p, &opts, version);
    demand(mqtt_decode(buf, whole - 1, &opts, &p, &whole, &err) == DECODE_NEED_MORE);
    return 0;
}
