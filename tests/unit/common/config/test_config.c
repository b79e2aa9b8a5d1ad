/* The loader as its users see it: good files fill structs, bad ones name place, key and wish. */
#include "common/config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/net/address.h"

struct tls {
    char *certificate, *key;
    int min_version;
};
struct check {
    int type;
    uint64_t interval_ms, timeout_ms;
    uint32_t rise;
};
struct server {
    char *name, *address;
    uint32_t weight;
};
struct backend {
    char *name;
    struct check check;
    struct config_list servers;
};
struct listener {
    struct config_position at, backend_at;
    char *bind, *backend;
    struct tls *tls;
    struct config_strings trusted;
};
struct root {
    uint32_t workers;
    bool anonymous;
    uint64_t max_packet;
    struct config_list listeners, backends;
    struct config_strings proxies;
    char *note;
};

static const char *const versions[] = {"1.2", "1.3", NULL};
static const char *const types[] = {"tcp", "mqtt", "http", NULL};
static const char *const word_auto[] = {"auto", NULL};

static const struct config_field tls_fields[] = {
    {.key = "certificate",
     .kind = CONFIG_STRING,
     .at = offsetof(struct tls, certificate),
     .required = true},
    {.key = "key", .kind = CONFIG_STRING, .at = offsetof(struct tls, key), .required = true},
    {.key = "min_version",
     .kind = CONFIG_ENUM,
     .at = offsetof(struct tls, min_version),
     .names = versions,
     .fallback = "1.2"},
};
static const struct config_schema tls_schema = CONFIG_SCHEMA(struct tls, tls_fields);

static const char *check_times(const void *filled)
{
    const struct check *c = filled;
    return c->timeout_ms > c->interval_ms ? "expected timeout to be at most interval" : NULL;
}

static const struct config_field check_fields[] = {
    {.key = "type",
     .kind = CONFIG_ENUM,
     .at = offsetof(struct check, type),
     .names = types,
     .fallback = "tcp"},
    {.key = "interval",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct check, interval_ms),
     .min = 10,
     .max = 3600000,
     .fallback = "2s"},
    {.key = "timeout",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct check, timeout_ms),
     .min = 1,
     .fallback = "1s"},
    {.key = "rise",
     .kind = CONFIG_UINT,
     .at = offsetof(struct check, rise),
     .min = 1,
     .max = 100,
     .fallback = "2"},
};
static const struct config_schema check_schema = {
    .size = sizeof(struct check), .fields = check_fields, .count = 4, .check = check_times};

static const struct config_field server_fields[] = {
    {.key = "name", .kind = CONFIG_STRING, .at = offsetof(struct server, name)},
    {.key = "address",
     .kind = CONFIG_STRING,
     .at = offsetof(struct server, address),
     .required = true,
     .check = address_check},
    {.key = "weight",
     .kind = CONFIG_UINT,
     .at = offsetof(struct server, weight),
     .min = 1,
     .max = 256,
     .fallback = "1"},
};
static const struct config_schema server_schema = CONFIG_SCHEMA(struct server, server_fields);

static const struct config_field backend_fields[] = {
    {.kind = CONFIG_STRING, .at = offsetof(struct backend, name)},
    {.key = "health_check",
     .kind = CONFIG_STRUCT,
     .at = offsetof(struct backend, check),
     .sub = &check_schema},
    {.key = "servers",
     .kind = CONFIG_LIST,
     .at = offsetof(struct backend, servers),
     .sub = &server_schema},
};
static const struct config_schema backend_schema = CONFIG_SCHEMA(struct backend, backend_fields);

static const struct config_field listener_fields[] = {
    {.kind = CONFIG_POSITION, .at = offsetof(struct listener, at)},
    {.key = "backend", .kind = CONFIG_POSITION, .at = offsetof(struct listener, backend_at)},
    {.key = "bind",
     .kind = CONFIG_STRING,
     .at = offsetof(struct listener, bind),
     .required = true,
     .check = address_check},
    {.key = "backend", .kind = CONFIG_STRING, .at = offsetof(struct listener, backend)},
    {.key = "tls",
     .kind = CONFIG_OPTIONAL,
     .at = offsetof(struct listener, tls),
     .sub = &tls_schema},
    {.key = "trusted", .kind = CONFIG_STRINGS, .at = offsetof(struct listener, trusted)},
};
static const struct config_schema listener_schema = CONFIG_SCHEMA(struct listener, listener_fields);

static const struct config_field root_fields[] = {
    {.key = "workers",
     .kind = CONFIG_UINT,
     .at = offsetof(struct root, workers),
     .min = 1,
     .max = 256,
     .names = word_auto,
     .fallback = "auto"},
    {.key = "anonymous",
     .kind = CONFIG_BOOL,
     .at = offsetof(struct root, anonymous),
     .fallback = "true"},
    {.key = "max_packet",
     .kind = CONFIG_SIZE,
     .at = offsetof(struct root, max_packet),
     .min = 1024,
     .max = 1u << 28,
     .fallback = "1M"},
    {.key = "listeners",
     .kind = CONFIG_LIST,
     .at = offsetof(struct root, listeners),
     .sub = &listener_schema,
     .fallback = "[{bind: \"127.0.0.1:1883\"}]"},
    {.key = "backends",
     .kind = CONFIG_MAP,
     .at = offsetof(struct root, backends),
     .sub = &backend_schema},
    {.key = "proxies",
     .kind = CONFIG_STRINGS,
     .at = offsetof(struct root, proxies),
     .fallback = "[127.0.0.0/8, \"::1/128\"]"},
    {.key = "note", .kind = CONFIG_STRING, .at = offsetof(struct root, note)},
};
static const struct config_schema root_schema = CONFIG_SCHEMA(struct root, root_fields);

static bool parse(const char *text, struct root *out, struct config_error *err)
{
    return config_parse("t.yaml", text, strlen(text), &root_schema, out, err);
}

static void parse_good(const char *text, struct root *out)
{
    struct config_error err;
    if (!parse(text, out, &err))
        fail_msg("%s", err.text);
}

static const struct listener *listener_at(const struct root *r, size_t i)
{
    return (const struct listener *)r->listeners.items + i;
}

static const struct backend *backend_at(const struct root *r, size_t i)
{
    return (const struct backend *)r->backends.items + i;
}

static void empty_file_is_all_defaults(void **state)
{
    static const char *const texts[] = {"", "\n\n", "# only a comment\n", "---\n", "{}", "~\n"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct root r;
        parse_good(texts[i], &r);
        assert_int_equal(r.workers, 0);
        assert_true(r.anonymous);
        assert_int_equal(r.max_packet, 1 << 20);
        assert_int_equal(r.listeners.count, 1);
        assert_string_equal(listener_at(&r, 0)->bind, "127.0.0.1:1883");
        assert_null(listener_at(&r, 0)->tls);
        assert_int_equal(r.backends.count, 0);
        assert_int_equal(r.proxies.count, 2);
        assert_string_equal(r.proxies.items[1], "::1/128");
        assert_null(r.note);
        config_free(&root_schema, &r);
        assert_null(r.listeners.items);
    }
}

static void whole_file_fills_the_structs(void **state)
{
    struct root r;
    (void)state;
    parse_good("workers: 4\n"
               "anonymous: off\n"
               "max_packet: 64k\n"
               "note: \"two words\"\n"
               "proxies: [10.0.0.0/8]\n"
               "listeners:\n"
               "  - bind: 0.0.0.0:1883\n"
               "    backend: brokers\n"
               "    tls: { certificate: a.pem, key: a.key, min_version: \"1.3\" }\n"
               "    trusted:\n"
               "      - 10.1.0.0/16\n"
               "      - 10.2.0.0/16\n"
               "  - { bind: \"[::]:1884\" }\n"
               "backends:\n"
               "  brokers:\n"
               "    health_check: { type: mqtt, interval: 500ms, timeout: 250ms, rise: 3 }\n"
               "    servers:\n"
               "      - { name: b1, address: \"127.0.0.1:1\", weight: 5 }\n"
               "      - { address: \"broker:2\" }\n"
               "  other: {}\n",
               &r);
    assert_int_equal(r.workers, 4);
    assert_false(r.anonymous);
    assert_int_equal(r.max_packet, 65536);
    assert_string_equal(r.note, "two words");
    assert_int_equal(r.proxies.count, 1);
    assert_int_equal(r.listeners.count, 2);
    const struct listener *l = listener_at(&r, 0);
    assert_string_equal(l->tls->key, "a.key");
    assert_int_equal(l->tls->min_version, 1);
    assert_int_equal(l->trusted.count, 2);
    assert_string_equal(l->trusted.items[1], "10.2.0.0/16");
    assert_int_equal(l->at.line, 7);
    assert_int_equal(l->at.column, 5);
    assert_int_equal(l->backend_at.line, 8);
    assert_int_equal(l->backend_at.column, 14);
    assert_int_equal(listener_at(&r, 1)->backend_at.line, 13); /* absent: the mapping */
    assert_int_equal(r.backends.count, 2);
    const struct backend *b = backend_at(&r, 0);
    assert_string_equal(b->name, "brokers");
    assert_int_equal(b->check.type, 1);
    assert_int_equal(b->check.interval_ms, 500);
    assert_int_equal(b->servers.count, 2);
    assert_null(((const struct server *)b->servers.items)[1].name);
    assert_int_equal(((const struct server *)b->servers.items)[0].weight, 5);
    assert_int_equal(((const struct server *)b->servers.items)[1].weight, 1);
    assert_string_equal(backend_at(&r, 1)->name, "other");
    assert_int_equal(backend_at(&r, 1)->check.interval_ms, 2000);
    config_free(&root_schema, &r);
}

static void aliases_are_followed(void **state)
{
    struct root r;
    (void)state;
    parse_good("backends:\n"
               "  a:\n"
               "    health_check: &hc { type: http, rise: 7 }\n"
               "  b:\n"
               "    health_check: *hc\n",
               &r);
    assert_int_equal(backend_at(&r, 1)->check.type, 2);
    assert_int_equal(backend_at(&r, 1)->check.rise, 7);
    config_free(&root_schema, &r);
}

static void empty_sections_mean_defaults(void **state)
{
    struct root r;
    (void)state;
    parse_good("listeners:\nbackends:\n  a:\n    health_check:\n    servers:\nproxies: []\n", &r);
    assert_int_equal(r.listeners.count, 0);
    assert_int_equal(r.proxies.count, 0);
    assert_int_equal(backend_at(&r, 0)->check.rise, 2);
    config_free(&root_schema, &r);
}

static void mistakes_name_place_key_and_wish(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        /* scalars */
        {"workers: x", "t.yaml:1:10: workers: expected a number from 1 to 256 or auto, got 'x'"},
        {"workers: 0", "t.yaml:1:10: workers: expected a number from 1 to 256 or auto, got '0'"},
        {"workers: 257",
         "t.yaml:1:10: workers: expected a number from 1 to 256 or auto, got '257'"},
        {"workers: -1", "t.yaml:1:10: workers: expected a number from 1 to 256 or auto, got '-1'"},
        {"workers: 99999999999999999999999",
         "t.yaml:1:10: workers: expected a number from 1 to 256 or auto, got "
         "'99999999999999999999999'"},
        {"workers:", "t.yaml:1:9: workers: expected a number from 1 to 256 or auto, got nothing"},
        {"workers: [1]",
         "t.yaml:1:10: workers: expected a number from 1 to 256 or auto, got a list"},
        {"workers: {a: 1}",
         "t.yaml:1:10: workers: expected a number from 1 to 256 or auto, got a mapping"},
        {"anonymous: maybe", "t.yaml:1:12: anonymous: expected true or false, got 'maybe'"},
        {"max_packet: 1x", "t.yaml:1:13: max_packet: expected a size from 1k to 256M, got '1x'"},
        {"max_packet: 1", "t.yaml:1:13: max_packet: expected a size from 1k to 256M, got '1'"},
        {"max_packet: 99999999999G",
         "t.yaml:1:13: max_packet: expected a size from 1k to 256M, got '99999999999G'"},
        {"note: [a]", "t.yaml:1:7: note: expected text, got a list"},
        {"note: ~", "t.yaml:1:7: note: expected text, got nothing"},
        {"note: \"a\\0b\"", "t.yaml:1:7: note: expected text without a NUL character"},
        {"backends:\n  b:\n    health_check:\n      rise: x\n",
         "t.yaml:4:13: backends.b.health_check.rise: expected a number from 1 to 100, got 'x'"},
        {"backends:\n  b:\n    health_check: { type: ping }\n",
         "t.yaml:3:27: backends.b.health_check.type: expected one of tcp, mqtt, http, got 'ping'"},
        {"backends:\n  b:\n    health_check: { interval: 2 }\n",
         "t.yaml:3:31: backends.b.health_check.interval: expected a duration from 10ms to 1h, got "
         "'2'"},
        {"backends:\n  b:\n    health_check: { interval: 2h }\n",
         "t.yaml:3:31: backends.b.health_check.interval: expected a duration from 10ms to 1h, got "
         "'2h'"},
        {"backends:\n  b:\n    health_check: { timeout: 0 }\n",
         "t.yaml:3:30: backends.b.health_check.timeout: expected a duration of at least 1ms, got "
         "'0'"},
        {"listeners: [ { bind: 1883 } ]",
         "t.yaml:1:22: listeners[0].bind: expected an address like host:port, [v6]:port or *:port, "
         "got '1883'"},
        /* structure */
        {"[1, 2]", "t.yaml:1:1: expected a mapping, got a list"},
        {"hello", "t.yaml:1:1: expected a mapping, got 'hello'"},
        {"backends: [a]",
         "t.yaml:1:11: backends: expected a mapping of names to mappings, got a list"},
        {"backends:\n  a: 5", "t.yaml:2:6: backends.a: expected a mapping, got '5'"},
        {"listeners: {a: b}", "t.yaml:1:12: listeners: expected a list of mappings, got a mapping"},
        {"listeners: [a]", "t.yaml:1:13: listeners[0]: expected a mapping, got 'a'"},
        {"proxies: 10.0.0.0/8", "t.yaml:1:10: proxies: expected a list of text, got '10.0.0.0/8'"},
        {"proxies: [a, [b]]", "t.yaml:1:14: proxies[1]: expected text, got a list"},
        {"listeners:\n  - bind: 'a:1'\n    tls:\n",
         "t.yaml:3:9: listeners[0].tls: expected a mapping, got nothing"},
        {"? [a]\n: b", "t.yaml:1:3: expected a key"},
        {"backends:\n  \"\": {}\n", "t.yaml:2:3: backends: expected a name"},
        /* keys */
        {"wrokers: 1", "t.yaml:1:1: wrokers: unknown key, did you mean 'workers'?"},
        {"backends:\n  b:\n    health_check:\n      riss: 2\n",
         "t.yaml:4:7: backends.b.health_check.riss: unknown key, did you mean 'rise'?"},
        {"backends:\n  b:\n    zzz: 1\n",
         "t.yaml:3:5: backends.b.zzz: unknown key, expected one of health_check, servers"},
        {"<<: {a: b}\n",
         "t.yaml:1:1: <<: unknown key, expected one of workers, anonymous, max_packet, listeners, "
         "backends, proxies, note"},
        {"\"a\\nb\": 1",
         "t.yaml:1:1: a?b: unknown key, expected one of workers, anonymous, max_packet, listeners, "
         "backends, proxies, note"},
        {"workers: 1\nworkers: 2", "t.yaml:2:1: workers: duplicate key, expected it once"},
        {"backends:\n  a: {}\n  a: {}\n",
         "t.yaml:3:3: backends.a: duplicate key, first set in line 2"},
        {"listeners:\n  - backend: b\n",
         "t.yaml:2:5: listeners[0].bind: missing, expected an address like host:port, [v6]:port "
         "or *:port"},
        {"listeners:\n  - bind: a:1\n    tls: { certificate: c }\n",
         "t.yaml:3:10: listeners[0].tls.key: missing, expected text"},
        /* across fields */
        {"backends:\n  b:\n    health_check: { interval: 1s, timeout: 2s }\n",
         "t.yaml:3:19: backends.b.health_check: expected timeout to be at most interval"},
        /* YAML itself */
        {"a: b\n---\nc: d\n", NULL},
        {"workers: 1\n---\nworkers: 2\n",
         "t.yaml:2:1: expected one YAML document, got a second one"},
        {"workers: [1\nnote: x\n",
         "t.yaml:2:5: expected valid YAML: did not find expected ',' or ']' while parsing a flow "
         "sequence"},
        {"workers: 1\n\tnote: x\n",
         "t.yaml:2:1: expected valid YAML: found a tab character that violates "
         "indentation while scanning a plain scalar"},
        {"note: *nowhere\n", "t.yaml:1:7: expected valid YAML: found undefined alias"},
        {"workers: 1\nnote: \xff\n",
         "t.yaml:2:7: expected valid YAML: invalid leading UTF-8 octet"},
        {"note: a\x01\n", "t.yaml:1:8: expected valid YAML: control characters are not allowed"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct root r, zero = {0};
        struct config_error err;
        assert_false(parse(cases[i].text, &r, &err));
        if (cases[i].error != NULL)
            assert_string_equal(err.text, cases[i].error);
        assert_memory_equal(&r, &zero, sizeof(r));
    }
}

static void error_carries_line_and_column_as_numbers(void **state)
{
    struct config_error err;
    struct root r;
    (void)state;
    assert_false(parse("\nnote: a\nworkers: x\n", &r, &err));
    assert_int_equal(err.line, 3);
    assert_int_equal(err.column, 10);
}

/* A text of n times `piece`. */
static char *repeat(const char *piece, size_t n)
{
    size_t len = strlen(piece);
    char *text = malloc(n * len + 1);
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        memcpy(text + i * len, piece, len);
    text[n * len] = '\0';
    return text;
}

static void hostile_files_are_refused(void **state)
{
    struct config_error err;
    struct root r;
    (void)state;
    char *text = repeat("[", 200000);
    assert_false(parse(text, &r, &err));
    assert_string_equal(err.text, "t.yaml:1:33: expected at most 32 levels of nesting");
    free(text);

    text = repeat("# long\n", 200000); /* 1.4 MB */
    assert_false(parse(text, &r, &err));
    assert_string_equal(err.text, "t.yaml: expected a file of at most 1 MiB");
    free(text);

    /* a list of strings, aliased from many listeners: 4 * 10^6 values out of 25 kB */
    char *items = repeat("x,", 2000);
    char *uses = repeat("  - { bind: \"a:1\", trusted: *s }\n", 2000);
    size_t size = strlen(items) + strlen(uses) + 100;
    text = malloc(size);
    assert_non_null(text);
    snprintf(text, size, "proxies: &s [%s]\nlisteners:\n%s", items, uses);
    assert_false(parse(text, &r, &err));
    assert_non_null(strstr(err.text, "expected at most 100000 values in the file"));
    free(text);
    free(items);
    free(uses);

    assert_false(parse("listeners: &a [ *a ]\n", &r, &err)); /* a loop */
}

static void long_keys_and_values_are_cut_in_messages(void **state)
{
    char *key = repeat("k", 2000);
    struct config_error err;
    struct root r;
    char text[4200];
    (void)state;
    snprintf(text, sizeof(text), "%s: 1\n", key);
    assert_false(parse(text, &r, &err));
    snprintf(text, sizeof(text), "workers: %s\n", key);
    assert_false(parse(text, &r, &err));
    assert_true(strlen(err.text) < 200);
    free(key);
}

static void files_are_read_from_disk(void **state)
{
    char path[] = "/tmp/test_config_XXXXXX";
    char expected[128];
    struct config_error err;
    struct root r;
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "workers: 3\n", 11), 11);
    assert_true(config_load(path, &root_schema, &r, &err));
    assert_int_equal(r.workers, 3);
    config_free(&root_schema, &r);

    assert_int_equal(write(fd, "note: [\n", 8), 8);
    assert_false(config_load(path, &root_schema, &r, &err));
    snprintf(expected, sizeof(expected), "%s:3:1: ", path);
    assert_memory_equal(err.text, expected, strlen(expected));
    close(fd);
    unlink(path);

    assert_false(config_load("/nonexistent/x.yaml", &root_schema, &r, &err));
    assert_string_equal(err.text, "/nonexistent/x.yaml: expected a readable file: "
                                  "No such file or directory");
    assert_false(config_load("/tmp", &root_schema, &r, &err));
    assert_string_equal(err.text, "/tmp: expected a readable file: Is a directory");
}

static void defaults_come_without_a_file(void **state)
{
    struct config_error err;
    struct listener l;
    struct root r;
    (void)state;
    assert_true(config_defaults(&root_schema, &r, &err));
    assert_int_equal(r.max_packet, 1 << 20);
    config_free(&root_schema, &r);
    assert_false(config_defaults(&listener_schema, &l, &err));
    assert_string_equal(
        err.text,
        "defaults: bind: missing, expected an address like host:port, [v6]:port or *:port");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_file_is_all_defaults),
        cmocka_unit_test(whole_file_fills_the_structs),
        cmocka_unit_test(aliases_are_followed),
        cmocka_unit_test(empty_sections_mean_defaults),
        cmocka_unit_test(mistakes_name_place_key_and_wish),
        cmocka_unit_test(error_carries_line_and_column_as_numbers),
        cmocka_unit_test(hostile_files_are_refused),
        cmocka_unit_test(long_keys_and_values_are_cut_in_messages),
        cmocka_unit_test(files_are_read_from_disk),
        cmocka_unit_test(defaults_come_without_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
