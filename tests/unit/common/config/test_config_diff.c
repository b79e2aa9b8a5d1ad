/* What differs between two configurations: paths, values, and what needs a restart. */
#include "common/config/config_diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/config/config.h"

static const char *const words[] = {"one", "two", NULL};

struct item {
    char *name;
    uint32_t weight;
    struct config_position at;
};
static const struct config_field item_fields[] = {
    {.key = "name",
     .kind = CONFIG_STRING,
     .at = offsetof(struct item, name),
     .required = true,
     .fixed = true},
    {.key = "weight", .kind = CONFIG_UINT, .at = offsetof(struct item, weight), .fallback = "1"},
    {.key = "name", .kind = CONFIG_POSITION, .at = offsetof(struct item, at)},
};
static const struct config_schema item_schema = CONFIG_SCHEMA(struct item, item_fields);

struct part {
    bool on;
    uint64_t time_ms, bytes;
};
static const struct config_field part_fields[] = {
    {.key = "on", .kind = CONFIG_BOOL, .at = offsetof(struct part, on), .fallback = "false"},
    {.key = "time",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct part, time_ms),
     .fallback = "1s"},
    {.key = "bytes", .kind = CONFIG_SIZE, .at = offsetof(struct part, bytes), .fallback = "1k"},
};
static const struct config_schema part_schema = CONFIG_SCHEMA(struct part, part_fields);

struct root {
    struct config_list items;
    struct part part, anchored;
    struct part *maybe;
    struct config_strings hosts;
    char *text, *secret;
    int word;
};
static const struct config_field root_fields[] = {
    {.key = "items", .kind = CONFIG_LIST, .at = offsetof(struct root, items), .sub = &item_schema},
    {.key = "part", .kind = CONFIG_STRUCT, .at = offsetof(struct root, part), .sub = &part_schema},
    {.key = "anchored",
     .kind = CONFIG_STRUCT,
     .at = offsetof(struct root, anchored),
     .sub = &part_schema,
     .fixed = true},
    {.key = "maybe",
     .kind = CONFIG_OPTIONAL,
     .at = offsetof(struct root, maybe),
     .sub = &part_schema},
    {.key = "hosts", .kind = CONFIG_STRINGS, .at = offsetof(struct root, hosts)},
    {.key = "text", .kind = CONFIG_STRING, .at = offsetof(struct root, text)},
    {.key = "secret", .kind = CONFIG_STRING, .at = offsetof(struct root, secret), .secret = true},
    {.key = "word",
     .kind = CONFIG_ENUM,
     .at = offsetof(struct root, word),
     .names = words,
     .fallback = "one"},
};
static const struct config_schema root_schema = CONFIG_SCHEMA(struct root, root_fields);

static char told[2048];

static void note(void *arg, const struct config_change *change)
{
    size_t used = strlen(told);
    (void)arg;
    snprintf(told + used, sizeof(told) - used, "%s: %s -> %s%s\n", change->path, change->was,
             change->is, change->fixed ? " (fixed)" : "");
}

static struct root parsed(const char *text)
{
    struct root out;
    struct config_error err;
    if (!config_parse("t.yaml", text, strlen(text), &root_schema, &out, &err))
        fail_msg("%s", err.text);
    return out;
}

static void differ(const char *was, const char *is, const char *expected)
{
    struct root a = parsed(was);
    struct root b = parsed(is);
    told[0] = '\0';
    config_diff(&root_schema, &a, &b, note, NULL);
    assert_string_equal(told, expected);
    config_free(&root_schema, &a);
    config_free(&root_schema, &b);
}

static void what_is_the_same_isnt_told(void **state)
{
    (void)state;
    differ("", "", "");
    differ("items: [{name: a}]\nhosts: [x, y]\ntext: t\nmaybe: {on: true}\n",
           "# moved\nmaybe: {on: true}\ntext: t\nhosts: [x, y]\nitems: [{name: a, weight: 1}]\n",
           "");
}

static void each_kind_is_told_as_in_the_file(void **state)
{
    (void)state;
    differ("", "part: {on: true, time: 2s, bytes: 2k}\n",
           "part.on: false -> true\npart.time: 1000ms -> 2000ms\npart.bytes: 1024 -> 2048\n");
    differ("", "word: two\ntext: x\n", "text: none -> x\nword: one -> two\n");
    differ("hosts: [a]\n", "hosts: [a, b]\n", "hosts: a -> a, b\n");
    differ("hosts: [a]\n", "hosts: [b]\n", "hosts: a -> b\n");
    differ("hosts: [a]\n", "", "hosts: a -> none\n");
}

static void secrets_are_not_told(void **state)
{
    (void)state;
    differ("secret: hunter2\n", "secret: hunter3\n", "secret: a secret -> a secret\n");
}

static void what_needs_a_restart_says_so(void **state)
{
    (void)state;
    differ("", "anchored: {on: true}\n", "anchored.on: false -> true (fixed)\n");
    differ("items: [{name: a}, {name: b}]\n", "items: [{name: a, weight: 2}, {name: c}]\n",
           "items[0].weight: 1 -> 2\nitems[1].name: b -> c (fixed)\n");
}

static void parts_that_come_and_go_are_told_alone(void **state)
{
    (void)state;
    differ("", "maybe: {on: true}\n", "maybe: none -> given\n");
    differ("maybe: {on: true}\n", "maybe: {on: false}\n", "maybe.on: true -> false\n");
    differ("items: [{name: a}]\n", "items: [{name: a}, {name: b}]\n",
           "items: 1 items -> 2 items\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_the_same_isnt_told),
        cmocka_unit_test(each_kind_is_told_as_in_the_file),
        cmocka_unit_test(secrets_are_not_told),
        cmocka_unit_test(what_needs_a_restart_says_so),
        cmocka_unit_test(parts_that_come_and_go_are_told_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
