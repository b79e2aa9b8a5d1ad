/* broker_config: bad values are named. What comes of a good file is in test_broker_config_load.c. */
#include "broker/base/broker_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
        "listeners: [{ bind: '0.0.0.0:8883', tls: { certificate: c } }]",
        "listeners: [{ bind: '0.0.0.0:8883', tls: { certificate: c, key: k, min_version: 1.1 } }]",
        "listeners: [{ bind: '0.0.0.0:8883', tls: { certificate: c, key: k, alpn: mqtt } }]",
        "listeners: [{ bind: '0.0.0.0:8883', tls: { certificate: c, key: k, "
        "client_auth: required } }]",
        "listeners: [{ bind: '0.0.0.0:8883', handshake_timeout: 1ms }]",
        "redis: { url: 'rediss://h', tls: { certificate: c } }",
        "redis: { url: 'rediss://h', tls: { verify: false } }",
        "fleet: { lease: 1s, beat_interval: 1s }",
        "mqtt: { max_qos: 3 }",
        "mqtt: { topic_alias_maximum: 65536 }",
        "mqtt: { outgoing_topic_alias_maximum: 257 }",
        "mqtt: { drain: moved }",
        "mqtt: { server_reference: 'other:1883' }", /* nobody would be told */
        "mqtt: { drain: shutting_down, server_reference: 'other:1883' }",
        "shared: { strategy: fair }",
        "shared: { redispatch_after: 10ms }",
        "shared: { groups: [{ name: a }] }",
        "shared: { groups: [{ name: a/b, filter: t }] }",
        "shared: { groups: [{ name: 'a+', filter: t }] }",
        "shared: { groups: [{ name: '', filter: t }] }",
        "shared: { groups: [{ name: a, filter: 't/#/x' }] }",
        "shared: { groups: [{ name: a, filter: t, keep: 0s }] }",
        "shared: { groups: [{ name: a, filter: t }, { name: a, filter: t }] }",
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

/* Longer ones would be left out of CONNACK and DISCONNECT. */
static void texts_for_clients_have_256_bytes_at_most(void **state)
{
    static const char *const keys[] = {"response_information", "server_reference"};
    char text[400], value[258];
    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        for (size_t len = 256; len <= 257; len++) {
            struct broker_config c;
            struct config_error err;
            memset(value, 'x', len);
            value[len] = '\0';
            snprintf(text, sizeof(text), "mqtt: { drain: server_moved, %s: %s }", keys[i], value);
            bool valid = config_parse("t", text, strlen(text), &broker_config_schema, &c, &err);
            assert_int_equal(valid, len == 256);
            if (valid)
                broker_config_free(&c);
            else
                assert_non_null(strstr(err.text, keys[i]));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_values_are_errors),
        cmocka_unit_test(texts_for_clients_have_256_bytes_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
