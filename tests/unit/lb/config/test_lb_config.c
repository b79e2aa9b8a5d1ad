/*
 * The tables of lb.yaml: what each key takes. The checks across keys: test_lb_config_load.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/net/address.h"
#include "lb/config/lb_config.h"
#include "tests/unit/temp_file.h"

static bool load(const char *text, struct lb_config *config, struct config_error *err)
{
    temp_file_write(text, strlen(text));
    memset(err, 0, sizeof(*err));
    return lb_config_load(temp_file, config, err);
}

#define HEAD                                                                                       \
    "listeners:\n"                                                                                 \
    "  - { name: in, bind: 127.0.0.1:0, backend: b }\n"                                            \
    "backends:\n"                                                                                  \
    "  b:\n"

static void the_example_file_loads_and_has_three_servers(void **state)
{
    (void)state;
    struct lb_config config;
    struct config_error err;
    assert_true(lb_config_load(TEST_SOURCE_DIR "/conf/lb.yaml", &config, &err));
    const struct backend_config *b = config.backends.items;
    const struct server_config *s = b->servers.items;
    assert_string_equal(b->name, "brokers");
    assert_int_equal(b->servers.count, 3);
    assert_string_equal(s[2].name, "broker3");
    assert_string_equal(s[2].address, "127.0.0.1:18833");
    assert_int_equal(b->proxy_protocol, LB_PROXY_V2);
    assert_int_equal(b->health_check.type, LB_CHECK_MQTT);
    lb_config_free(&config);
}

static void the_designs_example_loads(void **state)
{
    (void)state;
    struct lb_config config;
    struct config_error err;
    assert_true(
        load("workers: auto\n"
             "listeners:\n"
             "  - name: mqtts\n"
             "    bind: 0.0.0.0:1883\n"
             "    backend: brokers\n"
             "    tls: { certificate: tls/server.pem, key: tls/server.key, "
             "min_version: \"1.2\" }\n"
             "backends:\n"
             "  brokers:\n"
             "    balance: leastconn\n"
             "    proxy_protocol: v2\n"
             "    health_check: { type: mqtt, interval: 2s, timeout: 1s, rise: 2, fall: 3 }\n"
             "    servers:\n"
             "      - { name: broker1, address: 127.0.0.1:18831, weight: 1 }\n"
             "    discover: { dns: \"broker:1883\", refresh: 1s }\n"
             "admin: { bind: 127.0.0.1:9901 }\n"
             "log: { level: info, format: text }\n",
             &config, &err));
    const struct listener_config *l = config.listeners.items;
    const struct backend_config *b = config.backends.items;
    assert_string_equal(l->tls->certificate, "/tmp/tls/server.pem");
    assert_int_equal(b->discover->hold_ms, 30000);
    assert_int_equal(b->health_check.fast_interval_ms, 250);
    assert_int_equal(b->slow_start_ms, 0);
    assert_true(lb_config_workers(&config) >= 1);
    lb_config_free(&config);
}

static void paths_of_a_backends_tls_count_from_the_files_folder(void **state)
{
    (void)state;
    struct lb_config config;
    struct config_error err;
    assert_true(load(HEAD "    servers: [ { address: 127.0.0.1:1 } ]\n"
                          "    tls: { ca: tls/ca.pem, certificate: c.pem, key: k.pem }\n",
                     &config, &err));
    const struct backend_config *b = config.backends.items;
    assert_string_equal(b->tls->client.ca, "/tmp/tls/ca.pem");
    assert_string_equal(b->tls->client.certificate, "/tmp/c.pem");
    assert_string_equal(b->tls->client.key, "/tmp/k.pem");
    assert_null(b->tls->client.server_name);
    assert_true(b->tls->verify);
    assert_null(b->tls_client);
    lb_config_free(&config);
}

struct mistake {
    const char *text;
    int line;
    const char *says; /* the message contains both */
    const char *key;
};

static const struct mistake mistakes[] = {
    {HEAD "    servers: [ { address: 127.0.0.1:1 } ]\n    health_check: { rise: x }\n", 6, "rise",
     "health_check"},
    {HEAD "    servers:\n      - { address: 127.0.0.1:1, wieght: 2 }\n", 6, "wieght", "servers"},
    {HEAD "    servers: [ { address: broker1:1883 } ]\n", 5, "address", "discover.dns"},
    {HEAD "    balance: fastest\n", 5, "balance", "leastconn"},
    {HEAD "    discover: { dns: broker }\n", 5, "discover", "port"},
    {HEAD "    servers: [ { address: 127.0.0.1:1 } ]\n    health_check: { password: x }\n", 6,
     "health_check", "username"},
    {"listeners: [ { bind: broker:7, backend: b } ]\nbackends: {}\n", 1, "bind", "IP address"},
    {"listeners: [ { bind: 127.0.0.1:7, backend: b, tls: { certificate: a, key: b, client_auth: "
     "required } } ]\n",
     1, "tls", "client_ca"},
    {HEAD "    servers: [ { address: 127.0.0.1:1 } ]\n    tls: { certificate: a }\n", 6, "tls",
     "certificate and key need each other"},
    {HEAD "    servers: [ { address: 127.0.0.1:1 } ]\n    tls: { client_auth: none }\n", 6,
     "client_auth", "tls"},
    {"workers: many\n", 1, "workers", "auto"},
};

static void each_mistake_is_told_with_line_and_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        struct lb_config config;
        struct config_error err;
        assert_false(load(mistakes[i].text, &config, &err));
        if (err.line != mistakes[i].line || strstr(err.text, mistakes[i].says) == NULL ||
            strstr(err.text, mistakes[i].key) == NULL)
            fail_msg("mistake %zu: line %d: %s", i, err.line, err.text);
        assert_non_null(strstr(err.text, temp_file));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_file_loads_and_has_three_servers),
        cmocka_unit_test(the_designs_example_loads),
        cmocka_unit_test(paths_of_a_backends_tls_count_from_the_files_folder),
        cmocka_unit_test(each_mistake_is_told_with_line_and_key),
    };
    return cmocka_run_group_tests(tests, temp_file_make, temp_file_remove);
}
