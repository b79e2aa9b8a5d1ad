/* broker_config: the example file is valid, defaults are sane, bad values are named. */
#include "broker/base/broker_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/mqtt/mqtt.h"

static void the_example_is_valid(void **state)
{
    (void)state;
    struct broker_config c;
    struct config_error err;
    if (!broker_config_load(TEST_SOURCE_DIR "/conf/broker.yaml", &c, &err))
        fail_msg("%s", err.text);
    assert_int_equal(c.listeners.count, 1);
    broker_config_free(&c);
}

static void defaults_need_no_file(void **state)
{
    (void)state;
    struct broker_config c;
    struct config_error err;
    assert_true(broker_config_default(&c, &err));
    assert_false(c.auth.anonymous);
    assert_null(c.redis.url);
    assert_int_equal(c.drain_timeout_ms, 8000);
    assert_true(broker_config_add_listener(&c, "127.0.0.1:1883"));
    assert_int_equal(c.listeners.count, 1);
    struct store_redis_config r = broker_config_store_redis(&c);
    assert_int_equal(r.lease_ms, 5000);
    assert_int_equal(r.dedup_window_ms, 3600000);
    broker_config_free(&c);
}

static void packets_have_limits_by_type(void **state)
{
    (void)state;
    struct broker_config c;
    struct config_error err;
    uint32_t limits[16];
    assert_true(broker_config_default(&c, &err));
    broker_config_packet_limits(&c.limits, limits);
    assert_int_equal(limits[MQTT_CONNECT], 64 * 1024);
    assert_int_equal(limits[MQTT_SUBSCRIBE], 128 * 1024);
    assert_int_equal(limits[MQTT_UNSUBSCRIBE], 128 * 1024);
    assert_int_equal(limits[MQTT_PUBACK], 10 * 1024);
    assert_int_equal(limits[MQTT_PINGREQ], 10 * 1024);
    assert_int_equal(limits[MQTT_PUBLISH], 16 * 1024 * 1024);
    assert_int_equal(limits[0], 10 * 1024); /* the least */
    c.limits.max_packet_size = 1000;        /* is one for all */
    broker_config_packet_limits(&c.limits, limits);
    assert_int_equal(limits[MQTT_CONNECT], 1000);
    broker_config_free(&c);
}

static void websocket_listeners_have_a_path_and_origins(void **state)
{
    (void)state;
    static const char text[] =
        "listeners:\n"
        "  - { bind: '0.0.0.0:8083', protocol: websocket }\n"
        "  - { bind: '0.0.0.0:8084', protocol: websocket, path: '',\n"
        "      origins: ['https://example.org', 'http://[::1]:80', 'null', '*'] }\n";
    struct broker_config c;
    struct config_error err;
    assert_true(config_parse("t", text, strlen(text), &broker_config_schema, &c, &err));
    const struct listener_config *l = c.listeners.items;
    assert_int_equal(l[0].protocol, LISTENER_WEBSOCKET);
    assert_string_equal(l[0].path, "/mqtt");
    assert_int_equal(l[0].origins.count, 0);
    assert_string_equal(l[1].path, "");
    assert_int_equal(l[1].origins.count, 4);
    broker_config_free(&c);
}

static void bad_values_are_errors(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "listeners: [{ bind: 1883 }]",
        "listeners: [{ bind: '0.0.0.0:1883', trusted_proxies: [10.0.0.0/40] }]",
        "listeners: [{ bind: '0.0.0.0:1883', proxy_protocol: require }]",
        "listeners: [{ bind: '0.0.0.0:1883', protocol: amqp }]",
        "listeners: [{ bind: '0.0.0.0:1883', protocol: websocket, path: mqtt }]",
        "listeners: [{ bind: '0.0.0.0:1883', protocol: websocket, path: '/a b' }]",
        "listeners: [{ bind: '0.0.0.0:1883', protocol: websocket, path: '/a?b' }]",
        "listeners: [{ bind: '0.0.0.0:1883', protocol: websocket, origins: [example.org] }]",
        "listeners: [{ bind: '0.0.0.0:1883', protocol: websocket, origins: ['http://'] }]",
        "listeners: [{ bind: '0.0.0.0:1883', protocol: websocket, origins: ['://a'] }]",
        "listeners: [{ bind: '0.0.0.0:1883', protocol: websocket, origins: ['http://a/'] }]",
        "listeners: [{ bind: '0.0.0.0:1883', origins: ['http://a'] }]",
        "fleet: { lease: 1s, beat_interval: 1s }",
        "limits: { max_inflight: 0 }",
        "limits: { max_inflite: 1 }",
        "drain_timeout: 8",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct broker_config c;
        struct config_error err;
        if (config_parse("t", bad[i], strlen(bad[i]), &broker_config_schema, &c, &err))
            fail_msg("accepted: %s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_is_valid),
        cmocka_unit_test(defaults_need_no_file),
        cmocka_unit_test(packets_have_limits_by_type),
        cmocka_unit_test(websocket_listeners_have_a_path_and_origins),
        cmocka_unit_test(bad_values_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
