/* Loading lb.yaml: the checks across keys, and what is filled in. */
#include "lb/config/lb_config.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

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

static void unnamed_things_are_named_by_their_address(void **state)
{
    (void)state;
    struct lb_config config;
    struct config_error err;
    assert_true(load("listeners: [ { bind: \"*:1883\", backend: b } ]\n"
                     "backends: { b: { servers: [ { address: \"[::1]:1884\" } ] } }\n",
                     &config, &err));
    const struct listener_config *l = config.listeners.items;
    const struct backend_config *b = config.backends.items;
    assert_string_equal(l->name, "*:1883");
    assert_string_equal(((struct server_config *)b->servers.items)->name, "[::1]:1884");
    lb_config_free(&config);
}

struct mistake {
    const char *text;
    int line;
    const char *says; /* the message contains both */
    const char *key;
};

static const struct mistake mistakes[] = {
    {HEAD "    servers:\n      - { name: a, address: 127.0.0.1:1 }\n"
          "      - { name: a, address: 127.0.0.1:2 }\n",
     7, "servers[1].name", "'a'"},
    {HEAD "    servers:\n      - { name: a, address: 127.0.0.1:1 }\n"
          "      - name: b\n        address: 127.0.0.1:1\n",
     8, "servers[1].address", "127.0.0.1:1"},
    {HEAD "    balance: random\n", 5, "backends.b", "servers, discover"},
    {HEAD "    servers: [ { address: 127.0.0.1:1 } ]\n    health_check: { type: http }\n", 6,
     "backends.b.health_check", "port"},
    {"listeners:\n  - bind: 127.0.0.1:1\n    backend: nobody\nbackends:\n  b:\n"
     "    servers: [ { address: 127.0.0.1:1 } ]\n",
     3, "listeners[0].backend", "nobody"},
    {"listeners:\n  - { bind: 127.0.0.1:7, backend: b }\n"
     "  - { name: two, bind: 127.0.0.1:7, backend: b }\n"
     "backends: { b: { servers: [ { address: 127.0.0.1:1 } ] } }\n",
     3, "listeners[1].bind", "127.0.0.1:7"},
    {"listeners:\n  - { bind: 127.0.0.1:7, backend: b }\n"
     "backends: { b: { servers: [ { address: 127.0.0.1:1 } ] } }\n"
     "admin: { bind: \"*:7\" }\n",
     4, "admin.bind", "taken by listeners[0].bind"},
    {"listeners:\n  - { bind: \"*:9901\", backend: b }\n"
     "backends: { b: { servers: [ { address: 127.0.0.1:1 } ] } }\n",
     2, "listeners[0].bind", "taken by admin.bind (127.0.0.1:9901)"},
    {"listeners: []\nbackends: { b: { servers: [ { address: 127.0.0.1:1 } ] } }\n", 1, "listeners",
     "at least one"},
    {"listeners:\n  - { name: a, bind: 127.0.0.1:7, backend: b }\n"
     "  - { name: a, bind: 127.0.0.1:8, backend: b }\n"
     "backends: { b: { servers: [ { address: 127.0.0.1:1 } ] } }\n",
     3, "listeners[1].name", "'a'"},
    {"listeners:\n  - { bind: 127.0.0.1:7, backend: b }\n"
     "  - { name: 127.0.0.1:7, bind: 127.0.0.1:8, backend: b }\n" /* the name of the unnamed */
     "backends: { b: { servers: [ { address: 127.0.0.1:1 } ] } }\n",
     3, "listeners[1].name", "'127.0.0.1:7'"},
    {HEAD "    servers:\n      - { address: 127.0.0.1:1, check_port: 9 }\n"
          "      - { address: 127.0.0.1:2 }\n    health_check: { type: http }\n",
     8, "backends.b.health_check", "check_port"},
    {HEAD "    servers: [ { address: 127.0.0.1:1, check_port: 9 } ]\n"
          "    discover: { dns: \"broker:1883\" }\n    health_check: { type: http }\n",
     7, "backends.b.health_check", "check_port"},
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

static void http_checks_need_a_port_that_is_not_the_devices(void **state)
{
    static const char *const good[] = {
        HEAD "    servers: [ { address: 127.0.0.1:1 } ]\n"
             "    health_check: { type: http, port: 9 }\n",
        HEAD "    servers: [ { address: 127.0.0.1:1, check_port: 9 } ]\n"
             "    health_check: { type: http }\n",
        HEAD "    servers: [ { address: 127.0.0.1:1 } ]\n    health_check: { type: mqtt }\n",
        HEAD "    discover: { dns: \"broker:1883\" }\n    health_check: { type: http, port: 9 }\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct lb_config config;
        struct config_error err;
        if (!load(good[i], &config, &err))
            fail_msg("%s", err.text);
        lb_config_free(&config);
    }
}

static void names_and_addresses_may_be_taken_again_by_another_backend(void **state)
{
    (void)state;
    struct lb_config config;
    struct config_error err;
    assert_true(load("listeners:\n"
                     "  - { name: a, bind: 127.0.0.1:7, backend: a }\n"
                     "  - { name: b, bind: 127.0.0.1:8, backend: b }\n"
                     "backends:\n"
                     "  a: { servers: [ { name: s, address: 127.0.0.1:1 } ] }\n"
                     "  b: { servers: [ { name: s, address: 127.0.0.1:1 } ] }\n",
                     &config, &err));
    assert_int_equal(config.backends.count, 2);
    lb_config_free(&config);
}

/* The certificate's path after loading, of a file in /tmp. */
static void certificate_is(const char *written, const char *expected)
{
    char text[512];
    struct lb_config config;
    struct config_error err;
    snprintf(text, sizeof(text),
             "listeners: [ { bind: 127.0.0.1:7, backend: b, tls: { certificate: \"%s\", key: k, "
             "client_ca: ca } } ]\n"
             "backends: { b: { servers: [ { address: 127.0.0.1:1 } ] } }\n",
             written);
    if (!load(text, &config, &err))
        fail_msg("%s", err.text);
    const struct listener_config *l = config.listeners.items;
    assert_string_equal(l->tls->certificate, expected);
    assert_string_equal(l->tls->key, "/tmp/k");
    assert_string_equal(l->tls->client_ca, "/tmp/ca");
    lb_config_free(&config);
}

static void make_file(const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

static void a_path_is_beside_the_file_unless_it_is_only_in_the_working_directory(void **state)
{
    (void)state;
    char folder[] = "/tmp/flotilla-test-folder-XXXXXX";
    char before[4096];
    char name[32];
    char beside[64];
    snprintf(name, sizeof(name), "flotilla-%d.pem", (int)getpid());
    snprintf(beside, sizeof(beside), "/tmp/%s", name);
    assert_non_null(getcwd(before, sizeof(before)));
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    certificate_is("/etc/cert.pem", "/etc/cert.pem");
    certificate_is(name, beside); /* it is nowhere */
    make_file(name);
    certificate_is(name, name);
    make_file(beside);
    certificate_is(name, beside);
    unlink(beside);
    unlink(name);
    assert_int_equal(chdir(before), 0);
    rmdir(folder);
}

static void workers_are_as_many_as_said_or_as_there_are_cores(void **state)
{
    (void)state;
    struct lb_config config = {.workers = (char *)"7"};
    cpu_set_t before;
    cpu_set_t one;
    assert_int_equal(lb_config_workers(&config), 7);
    config.workers = (char *)"auto";
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(lb_config_workers(&config), CPU_COUNT(&before));
    size_t cpu = 0;
    while (!CPU_ISSET(cpu, &before))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(lb_config_workers(&config), 1);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static void what_is_refused_is_freed_and_zeroed(void **state)
{
    (void)state;
    static const struct lb_config zero;
    struct lb_config config;
    struct config_error err;
    assert_false(load(mistakes[0].text, &config, &err));
    assert_memory_equal(&config, &zero, sizeof(zero));
    assert_false(lb_config_load("/nonexistent/lb.yaml", &config, &err));
    assert_non_null(strstr(err.text, "No such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unnamed_things_are_named_by_their_address),
        cmocka_unit_test(each_mistake_is_told_with_line_and_key),
        cmocka_unit_test(http_checks_need_a_port_that_is_not_the_devices),
        cmocka_unit_test(names_and_addresses_may_be_taken_again_by_another_backend),
        cmocka_unit_test(a_path_is_beside_the_file_unless_it_is_only_in_the_working_directory),
        cmocka_unit_test(workers_are_as_many_as_said_or_as_there_are_cores),
        cmocka_unit_test(what_is_refused_is_freed_and_zeroed),
    };
    return cmocka_run_group_tests(tests, temp_file_make, temp_file_remove);
}
