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
        cmocka_unit_test(bad_values_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
