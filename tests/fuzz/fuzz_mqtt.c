/*
 * Fuzzes the MQTT codec. The first byte chooses version, direction and size limit, the rest is a
 * buffer as a connection would hold it. What the decoder accepts must encode, and decode again to
 * the same packet; what it accepts must also not have been acceptable when cut short.
 */
#include "common/mqtt/decode/mqtt_peek.h"
#include "common/mqtt/mqtt.h"
#include "tests/unit/common/mqtt_equal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool condition)
{
    if (!condition)
        abort();
}

static void read_props(const struct mqtt_props *props)
{
    struct mqtt_prop p;
    uint32_t at = 0;
    while (mqtt_props_next(props, &at, &p))
        demand(mqtt_props_find(props, p.id, &p));
    demand(at == props->raw.len);
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

static void read_parts(const struct mqtt_packet *p)
{
    if (p->type == MQTT_CONNECT) {
        read_props(&p->u.connect.props);
        read_props(&p->u.connect.will_props);
    } else if (p->type == MQTT_PUBLISH) {
        read_props(&p->u.publish.props);
    } else if (p->type == MQTT_SUBSCRIBE || p->type == MQTT_UNSUBSCRIBE) {
        read_filters(p);
    }
}

static void encode_again(const struct mqtt_packet *p, const struct mqtt_decode_opts *opts,
                         enum mqtt_version version)
{
    size_t need = mqtt_encoded_size(p, version);
    demand(need != 0);
    uint8_t *buf = malloc(need);
    demand(buf != NULL && mqtt_encode(p, version, buf, need) == need);

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
    read_parts(&p);
    encode_again(&p, &opts, version);
    demand(mqtt_decode(buf, whole - 1, &opts, &p, &whole, &err) == DECODE_NEED_MORE);
    return 0;
}
