/* The reference table: a row for each key that a user can write, with its wishes in words. */
#include "common/config/config_describe.h"

#include <event2/buffer.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/config/config_schema.h"

static const char *const types[] = {"tcp", "mqtt", NULL};
static const char *const word_auto[] = {"auto", NULL};

static const struct config_field server_fields[] = {
    {.kind = CONFIG_POSITION},
    {.key = "address", .kind = CONFIG_POSITION},
    {.key = "address", .kind = CONFIG_STRING, .required = true, .fallback = "unused"},
    {.key = "weight", .kind = CONFIG_UINT, .min = 1, .max = 256, .fallback = "1", .unit = "parts"},
};
static const struct config_schema server = {.fields = server_fields, .count = 4};

static const struct config_field check_fields[] = {
    {.key = "type",
     .kind = CONFIG_ENUM,
     .names = types,
     .fallback = "tcp",
     .help = "What is asked of a server."},
    {.key = "every", .kind = CONFIG_DURATION, .min = 10, .max = 3600000, .fallback = "2s"},
};
static const struct config_schema check = {.fields = check_fields, .count = 2};

static const struct config_field backend_fields[] = {
    {.kind = CONFIG_STRING}, /* the name, which has no key */
    {.key = "check", .kind = CONFIG_STRUCT, .sub = &check},
    {.key = "servers", .kind = CONFIG_LIST, .sub = &server},
};
static const struct config_schema backend = {.fields = backend_fields, .count = 3};

static const struct config_field root_fields[] = {
    {.key = "workers",
     .kind = CONFIG_UINT,
     .min = 1,
     .max = 256,
     .names = word_auto,
     .fallback = "auto",
     .help = "Threads; a|b."},
    {.key = "patient", .kind = CONFIG_BOOL, .fallback = "true"},
    {.key = "most", .kind = CONFIG_SIZE, .names = word_auto},
    {.key = "proxies", .kind = CONFIG_STRINGS},
    {.key = "extra", .kind = CONFIG_OPTIONAL, .sub = &check},
    {.key = "backends", .kind = CONFIG_MAP, .sub = &backend},
};
static const struct config_schema root = {.fields = root_fields, .count = 6};

static void every_key_that_can_be_written_has_one_row(void **state)
{
    (void)state;
    struct evbuffer *out = evbuffer_new();
    config_describe(&root, out);
    evbuffer_add(out, "", 1);
    assert_string_equal(
        (const char *)evbuffer_pullup(out, -1),
        "| Key | Type | Unit | Default | Range | Effect |\n"
        "|---|---|---|---|---|---|\n"
        "| `workers` | number |  | `auto` | 1 to 256 or auto | Threads; a\\|b. |\n"
        "| `patient` | true or false |  | `true` |  |  |\n"
        "| `most` | size | bytes (k, M, G) | none | auto |  |\n"
        "| `proxies` | list of text |  | none |  |  |\n"
        "| `extra` | mapping |  | none |  |  |\n"
        "| `extra.type` | word |  | `tcp` | tcp, mqtt | What is asked of a server. |\n"
        "| `extra.every` | duration | time (ms, s, m, h, d) | `2s` | 10ms to 1h |  |\n"
        "| `backends` | mapping by name |  | none |  |  |\n"
        "| `backends.<name>.check` | mapping |  |  |  |  |\n"
        "| `backends.<name>.check.type` | word |  | `tcp` | tcp, mqtt | What is asked of a server. "
        "|\n"
        "| `backends.<name>.check.every` | duration | time (ms, s, m, h, d) | `2s` | 10ms to 1h |  "
        "|\n"
        "| `backends.<name>.servers` | list of mappings |  | none |  |  |\n"
        "| `backends.<name>.servers[].address` | text |  | required |  |  |\n"
        "| `backends.<name>.servers[].weight` | number | parts | `1` | 1 to 256 |  |\n");
    evbuffer_free(out);
}

/* A schema that has itself as a part would have rows without end; a path of 256 letters ends them. */
static const struct config_schema endless;
static const struct config_field endless_fields[] = {
    {.key = "part_with_a_long_name", .kind = CONFIG_STRUCT, .sub = &endless},
};
static const struct config_schema endless = {.fields = endless_fields, .count = 1};

static void a_path_that_is_too_long_ends_the_descent(void **state)
{
    (void)state;
    struct evbuffer *out = evbuffer_new();
    config_describe(&endless, out);
    size_t rows = 0;
    char *line;
    while ((line = evbuffer_readln(out, NULL, EVBUFFER_EOL_LF)) != NULL) {
        rows++;
        free(line);
    }
    assert_int_equal(rows,
                     2 + 12); /* eleven paths of 22 letters more each, and the one that is cut */
    evbuffer_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_that_can_be_written_has_one_row),
        cmocka_unit_test(a_path_that_is_too_long_ends_the_descent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
