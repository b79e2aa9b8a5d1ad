/* broker_config_load: files and defaults, addresses that clash, and what modules get of the configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/base/broker_config.h"
#include "common/mqtt/mqtt.h"
#include "tests/unit/temp_file.h"

static struct broker_config c;
static struct config_error err;

static bool load(const char *text)
{
    temp_file_write(text, strlen(text));
    return broker_config_load(temp_file, &c, &err);
}

static int set_up(void **state)
{
    temp_file_make(state);
    return broker_config_default(&c, &err) ? 0 : -1;
}

static int tear_down(void **state)
{
    broker_config_free(&c);
    return temp_file_remove(state);
}

/* ---- files ------------------------------------------------------------------------------------ */

static void the_example_is_valid(void **state)
{
    (void)state;
    broker_config_free(&c);
    if (!broker_config_load(TEST_SOURCE_DIR "/conf/broker.yaml", &c, &err))
        fail_msg("%s", err.text);
    assert_int_equal(c.listeners.count, 1);
}

static void a_loaded_configuration_knows_its_file(void **state)
{
    (void)state;
    assert_null(c.file);
    broker_config_free(&c);
    assert_true(load("listeners: [{ bind: '127.0.0.1:1883' }]\n"));
    assert_ptr_equal(c.file, temp_file);
}

static void defaults_need_no_file(void **state)
{
    (void)state;
    assert_false(c.auth.anonymous);
    assert_null(c.redis.url);
    assert_int_equal(c.drain_timeout_ms, 8000);
}

/* ---- listeners -------------------------------------------------------------------------------- */

static void a_listener_of_the_command_line_is_plain_and_comes_last(void **state)
{
    (void)state;
    broker_config_free(&c);
    assert_true(load("limits: { max_connections: 7 }\n"
                     "listeners: [{ bind: '127.0.0.1:1883', max_connections: 5 }]\n"));
    assert_true(broker_config_add_listener(&c, "127.0.0.1:1884"));
    assert_int_equal(c.listeners.count, 2);
    const struct listener_config *items = c.listeners.items;
    assert_int_equal(items[0].max_connections, 5);
    assert_string_equal(items[1].bind, "127.0.0.1:1884");
    assert_int_equal(items[1].max_connections, 7);
    assert_int_equal(items[1].proxy_protocol, PROXY_MODE_OFF);
}

static void two_may_not_want_the_same_address(void **state)
{
    (void)state;
    assert_true(broker_config_check_binds(&c, &err)); /* there are none */
    assert_true(broker_config_add_listener(&c, "127.0.0.1:1883"));
    assert_true(broker_config_add_listener(&c, "127.0.0.1:1884"));
    assert_true(broker_config_check_binds(&c, &err));
    assert_true(broker_config_add_listener(&c, "0.0.0.0:1883"));
    assert_false(broker_config_check_binds(&c, &err));
    assert_non_null(strstr(err.text, "command line"));
    assert_non_null(strstr(err.text, "listeners[2].bind"));
    assert_non_null(strstr(err.text, "listeners[0].bind"));
}

static void nor_one_and_the_http_port(void **state)
{
    (void)state;
    broker_config_free(&c);
    assert_true(load("listeners: [{ bind: '127.0.0.1:1883' }]\nadmin: { bind: '127.0.0.1:9' }\n"));
    assert_true(broker_config_check_binds(&c, &err));
    assert_true(broker_config_add_listener(&c, "127.0.0.1:9"));
    assert_false(broker_config_check_binds(&c, &err));
    assert_non_null(strstr(err.text, temp_file));
    assert_non_null(strstr(err.text, "admin.bind"));
}

/* ---- what modules get ------------------------------------------------------------------------- */

static void packets_have_limits_by_type(void **state)
{
    uint32_t limits[16];
    (void)state;
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
    for (int type = 0; type < 16; type++)
        assert_int_equal(limits[type], 1000);
}

static void the_least_limit_may_be_any_types(void **state)
{
    uint32_t limits[16];
    (void)state;
    c.limits.max_connect_size = 500;
    broker_config_packet_limits(&c.limits, limits);
    assert_int_equal(limits[0], 500);
    assert_int_equal(limits[MQTT_CONNECT], 500);
    assert_int_equal(limits[MQTT_PUBACK], 10 * 1024);
}

static void the_fleet_gets_its_keys_and_the_limits_that_it_keeps(void **state)
{
    (void)state;
    broker_config_free(&c);
    assert_true(load("listeners: [{ bind: '127.0.0.1:1883' }]\n"
                     "redis: { url: 'redis://127.0.0.1:6379' }\n"
                     "fleet: { name: north, consistency: strict, durability: disk }\n"
                     "limits: { max_queued_messages: 77, max_durable_sessions: 88 }\n"));
    struct store_redis_config r = broker_config_store_redis(&c);
    assert_string_equal(r.url, "redis://127.0.0.1:6379");
    assert_string_equal(r.name, "north");
    assert_int_equal(r.consistency, CONSISTENCY_STRICT);
    assert_int_equal(r.durability, DURABILITY_DISK);
    assert_int_equal(r.queue_limit, 77);
    assert_int_equal(r.session_limit, 88);
    assert_int_equal(r.lease_ms, 5000);
    assert_int_equal(r.dedup_window_ms, 3600000);
}

/* ---- mqtt ------------------------------------------------------------------------------------- */

static void by_default_clients_may_use_all_of_the_protocol(void **state)
{
    (void)state;
    assert_int_equal(c.mqtt.max_qos, 2);
    assert_true(c.mqtt.retain);
    assert_true(c.mqtt.will_on_takeover); /* [MQTT-3.1.2-8] */
    assert_int_equal(c.mqtt.topic_alias_maximum, 32);
    assert_int_equal(c.mqtt.outgoing_topic_alias_maximum, 32);
    assert_null(c.mqtt.response_information);
    assert_int_equal(c.mqtt.drain_says, DRAIN_SHUTTING_DOWN);
    assert_null(c.mqtt.server_reference);
}

static void what_clients_may_use_and_are_told_can_be_set(void **state)
{
    (void)state;
    broker_config_free(&c);
    assert_true(load("listeners: [{ bind: '127.0.0.1:1883' }]\n"
                     "mqtt:\n"
                     "  max_qos: 0\n"
                     "  retain: false\n"
                     "  will_on_takeover: false\n"
                     "  topic_alias_maximum: 65535\n"
                     "  outgoing_topic_alias_maximum: 256\n"
                     "  response_information: answers/\n"
                     "  drain: use_another_server\n"
                     "  server_reference: 'other:1883'\n"));
    assert_int_equal(c.mqtt.max_qos, 0);
    assert_false(c.mqtt.retain);
    assert_false(c.mqtt.will_on_takeover);
    assert_int_equal(c.mqtt.topic_alias_maximum, 65535);
    assert_int_equal(c.mqtt.outgoing_topic_alias_maximum, 256);
    assert_string_equal(c.mqtt.response_information, "answers/");
    assert_int_equal(c.mqtt.drain_says, DRAIN_USE_ANOTHER);
    assert_string_equal(c.mqtt.server_reference, "other:1883");
    broker_config_free(&c);
    assert_true(load("listeners: [{ bind: '127.0.0.1:1883' }]\nmqtt: { drain: server_moved }\n"));
    assert_int_equal(c.mqtt.drain_says, DRAIN_MOVED); /* where to may be left open */
    broker_config_free(&c);
    assert_true(load("listeners: [{ bind: '127.0.0.1:1883' }]\nmqtt: { server_reference: '' }\n"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_example_is_valid),
        TEST(a_loaded_configuration_knows_its_file),
        TEST(defaults_need_no_file),
        TEST(a_listener_of_the_command_line_is_plain_and_comes_last),
        TEST(two_may_not_want_the_same_address),
        TEST(nor_one_and_the_http_port),
        TEST(packets_have_limits_by_type),
        TEST(the_least_limit_may_be_any_types),
        TEST(the_fleet_gets_its_keys_and_the_limits_that_it_keeps),
        TEST(by_default_clients_may_use_all_of_the_protocol),
        TEST(what_clients_may_use_and_are_told_can_be_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
