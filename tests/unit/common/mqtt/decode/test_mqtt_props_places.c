/* In which packets, and from which side, each property of 5.0 may stand. */
#include "common/mqtt/decode/mqtt_decoder.h"
#include "common/mqtt/mqtt.h"
#include "tests/unit/common/mqtt_wire.h"

/* Table 2-4 once more, by place: a bit for each packet type, and bit 0 for the will. */
#define AT(type) (1u << (type))
#define MESSAGE (AT(MQTT_IN_WILL) | AT(MQTT_PUBLISH))
#define OPENING (AT(MQTT_CONNECT) | AT(MQTT_CONNACK))
#define ACKS                                                                                       \
    (AT(MQTT_PUBACK) | AT(MQTT_PUBREC) | AT(MQTT_PUBREL) | AT(MQTT_PUBCOMP) | AT(MQTT_SUBACK) |    \
     AT(MQTT_UNSUBACK))
#define EVERYWHERE                                                                                 \
    (MESSAGE | OPENING | ACKS | AT(MQTT_SUBSCRIBE) | AT(MQTT_UNSUBSCRIBE) | AT(MQTT_DISCONNECT) |  \
     AT(MQTT_AUTH))

static const struct place {
    const char *section;
    unsigned from_client, from_server; /* differ where only one side may send it */
} places[] = {
    {"( 01 01 )", MESSAGE, MESSAGE},
    {"( 02 00000001 )", MESSAGE, MESSAGE},
    {"( 03 <x> )", MESSAGE, MESSAGE},
    {"( 08 <x> )", MESSAGE, MESSAGE},
    {"( 09 <x> )", MESSAGE, MESSAGE},
    {"( 0b 01 )", AT(MQTT_SUBSCRIBE), AT(MQTT_SUBSCRIBE) | AT(MQTT_PUBLISH)},
    {"( 11 00000001 )", OPENING | AT(MQTT_DISCONNECT), OPENING},
    {"( 12 <x> )", AT(MQTT_CONNACK), AT(MQTT_CONNACK)},
    {"( 13 0001 )", AT(MQTT_CONNACK), AT(MQTT_CONNACK)},
    {"( 15 <x> )", OPENING | AT(MQTT_AUTH), OPENING | AT(MQTT_AUTH)},
    {"( 16 <x> )", OPENING | AT(MQTT_AUTH), OPENING | AT(MQTT_AUTH)},
    {"( 17 01 )", AT(MQTT_CONNECT), AT(MQTT_CONNECT)},
    {"( 18 00000001 )", AT(MQTT_IN_WILL), AT(MQTT_IN_WILL)},
    {"( 19 01 )", AT(MQTT_CONNECT), AT(MQTT_CONNECT)},
    {"( 1a <x> )", AT(MQTT_CONNACK), AT(MQTT_CONNACK)},
    {"( 1c <x> )", AT(MQTT_CONNACK) | AT(MQTT_DISCONNECT), AT(MQTT_CONNACK) | AT(MQTT_DISCONNECT)},
    {"( 1f <x> )", ACKS | AT(MQTT_CONNACK) | AT(MQTT_DISCONNECT) | AT(MQTT_AUTH),
     ACKS | AT(MQTT_CONNACK) | AT(MQTT_DISCONNECT) | AT(MQTT_AUTH)},
    {"( 21 0001 )", OPENING, OPENING},
    {"( 22 0001 )", OPENING, OPENING},
    {"( 23 0001 )", AT(MQTT_PUBLISH), AT(MQTT_PUBLISH)},
    {"( 24 01 )", AT(MQTT_CONNACK), AT(MQTT_CONNACK)},
    {"( 25 01 )", AT(MQTT_CONNACK), AT(MQTT_CONNACK)},
    {"( 26 <k><v> )", EVERYWHERE, EVERYWHERE},
    {"( 27 00000001 )", OPENING, OPENING},
    {"( 28 01 )", AT(MQTT_CONNACK), AT(MQTT_CONNACK)},
    {"( 29 01 )", AT(MQTT_CONNACK), AT(MQTT_CONNACK)},
    {"( 2a 01 )", AT(MQTT_CONNACK), AT(MQTT_CONNACK)},
};

static bool stands_in(const char *section, unsigned where, bool from_server)
{
    size_t len;
    uint8_t *bytes = wire_new(section, &len);
    struct mqtt_decode_error err = {0};
    struct mqtt_decoder d = {
        .in = {bytes, bytes + len}, .version = MQTT_V5, .from_server = from_server, .err = &err};
    struct mqtt_props props;
    bool ok = mqtt_decoder_props(&d, where, &props, NULL);
    free(bytes);
    return ok;
}

static void each_property_stands_where_the_standard_has_it_and_nowhere_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const struct place *p = &places[i];
        for (unsigned where = MQTT_IN_WILL; where <= MQTT_AUTH; where++) {
            if ((EVERYWHERE >> where & 1) == 0)
                continue; /* a packet without properties */
            if (stands_in(p->section, where, false) != (p->from_client >> where & 1) ||
                stands_in(p->section, where, true) != (p->from_server >> where & 1))
                fail_msg("%s in place %u", p->section, where);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_property_stands_where_the_standard_has_it_and_nowhere_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
