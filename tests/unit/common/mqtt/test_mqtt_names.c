/* Names of types and reasons, and who may say which reason in which packet of 5.0. */
#include "common/mqtt/mqtt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void every_type_and_reason_has_a_name(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 20; type++) {
        bool known = type >= MQTT_CONNECT && type <= MQTT_AUTH;
        assert_int_equal(strcmp(mqtt_type_name((enum mqtt_type)type), "unknown") != 0, known);
    }
    assert_string_equal(mqtt_type_name(MQTT_PUBLISH), "PUBLISH");
    unsigned named = 0;
    for (unsigned reason = 0; reason < 256; reason++)
        named += strcmp(mqtt_reason_name((uint8_t)reason), "unknown") != 0;
    assert_int_equal(named, 43);
    assert_string_equal(mqtt_reason_name(MQTT_R_NOT_AUTHORIZED), "not_authorized");
}

static void the_first_and_the_last_of_them_have_their_own_name(void **state)
{
    (void)state;
    assert_string_equal(mqtt_type_name(MQTT_CONNECT), "CONNECT");
    assert_string_equal(mqtt_type_name(MQTT_AUTH), "AUTH");
    assert_string_equal(mqtt_reason_name(MQTT_R_SUCCESS), "success");
    assert_string_equal(mqtt_reason_name(MQTT_R_WILDCARDS_NOT_SUPPORTED),
                        "wildcard_subscriptions_not_supported");
    assert_string_equal(mqtt_reason_name(0xa3), "unknown");
    assert_string_equal(mqtt_reason_name(0x03), "unknown"); /* a gap between two reasons */
    assert_string_equal(mqtt_reason_name(0xff), "unknown");
}

/* The codes of the table in each packet's chapter of 5.0, told apart by sender where it does. */
static const struct allowed {
    enum mqtt_type type;
    bool from_server;
    const char *codes; /* ended by ff, which is no code */
} allowed[] = {
    {MQTT_CONNACK, true,
     "\x00\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8c\x90\x95\x97\x99\x9a\x9b\x9c\x9d\x9f"
     "\xff"},
    {MQTT_PUBACK, true, "\x00\x10\x80\x83\x87\x90\x91\x97\x99\xff"},
    {MQTT_PUBACK, false, "\x00\x10\x80\x83\x87\x90\x91\x97\x99\xff"},
    {MQTT_PUBREC, true, "\x00\x10\x80\x83\x87\x90\x91\x97\x99\xff"},
    {MQTT_PUBREC, false, "\x00\x10\x80\x83\x87\x90\x91\x97\x99\xff"},
    {MQTT_PUBREL, true, "\x00\x92\xff"},
    {MQTT_PUBREL, false, "\x00\x92\xff"},
    {MQTT_PUBCOMP, true, "\x00\x92\xff"},
    {MQTT_PUBCOMP, false, "\x00\x92\xff"},
    {MQTT_SUBACK, true, "\x00\x01\x02\x80\x83\x87\x8f\x91\x97\x9e\xa1\xa2\xff"},
    {MQTT_UNSUBACK, true, "\x00\x11\x80\x83\x87\x8f\x91\xff"},
    {MQTT_DISCONNECT, false, "\x00\x04\x80\x81\x82\x83\x90\x93\x94\x95\x96\x97\x98\x99\xff"},
    {MQTT_DISCONNECT, true,
     "\x00\x80\x81\x82\x83\x87\x89\x8b\x8d\x8e\x8f\x90\x93\x94\x95\x96\x97\x98\x99\x9a\x9b\x9c\x9d"
     "\x9e\x9f\xa0\xa1\xa2\xff"},
    {MQTT_AUTH, true, "\x00\x18\xff"},
    {MQTT_AUTH, false, "\x18\x19\xff"},
    {MQTT_PUBLISH, true, "\xff"}, /* these carry no reason */
    {MQTT_PINGREQ, false, "\xff"},
};

static bool is_listed(const char *codes, uint8_t code)
{
    for (; (uint8_t)*codes != 0xff; codes++)
        if ((uint8_t)*codes == code)
            return true;
    return false;
}

static void each_packet_may_carry_the_reasons_of_its_table_and_no_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        const struct allowed *a = &allowed[i];
        for (unsigned code = 0; code < 256; code++) {
            bool is_allowed = mqtt_reason_allowed(a->type, a->from_server, (uint8_t)code);
            if (is_allowed != is_listed(a->codes, (uint8_t)code))
                fail_msg("%s from a %s, reason 0x%02x: %d", mqtt_type_name(a->type),
                         a->from_server ? "server" : "client", code, is_allowed);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_and_reason_has_a_name),
        cmocka_unit_test(the_first_and_the_last_of_them_have_their_own_name),
        cmocka_unit_test(each_packet_may_carry_the_reasons_of_its_table_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
