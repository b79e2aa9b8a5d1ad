/* Files that include others, as config_load reads them. */
#include "common/config/config_include.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/config/config.h"

struct item {
    char *name;
    uint32_t weight;
};
static const struct config_field item_fields[] = {
    {.key = "name", .kind = CONFIG_STRING, .at = offsetof(struct item, name), .required = true},
    {.key = "weight",
     .kind = CONFIG_UINT,
     .at = offsetof(struct item, weight),
     .max = 100,
     .fallback = "1"},
};
static const struct config_schema item_schema = CONFIG_SCHEMA(struct item, item_fields);

struct limits {
    uint32_t low, high;
};
static const struct config_field limits_fields[] = {
    {.key = "low", .kind = CONFIG_UINT, .at = offsetof(struct limits, low), .fallback = "1"},
    {.key = "high", .kind = CONFIG_UINT, .at = offsetof(struct limits, high), .fallback = "9"},
};
static const struct config_schema limits_schema = CONFIG_SCHEMA(struct limits, limits_fields);

struct root {
    struct config_list items;
    struct limits limits;
    char *password;
    struct config_position password_at;
};
static const struct config_field root_fields[] = {
    {.key = "items", .kind = CONFIG_LIST, .at = offsetof(struct root, items), .sub = &item_schema},
    {.key = "limits",
     .kind = CONFIG_STRUCT,
     .at = offsetof(struct root, limits),
     .sub = &limits_schema},
    {.key = "password",
     .kind = CONFIG_STRING,
     .at = offsetof(struct root, password),
     .secret = true},
    {.key = "password", .kind = CONFIG_POSITION, .at = offsetof(struct root, password_at)},
};
static const struct config_schema root_schema = CONFIG_SCHEMA(struct root, root_fields);

static char folder[] = "/tmp/flotilla-config-include-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    char path[128];
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/conf.d", folder);
    return mkdir(path, 0700);
}

static const char *path_of(const char *name)
{
    static char path[160];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static const char *const names[] = {"main.yaml",      "a.yaml",          "b.yaml",
                                    "c.yaml",         "password",        "conf.d/10.yaml",
                                    "conf.d/20.yaml", "conf.d/deep.yaml"};

static int empty_folder(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(path_of(names[i]));
    return 0;
}

static int remove_folder(void **state)
{
    empty_folder(state);
    rmdir(path_of("conf.d"));
    return rmdir(folder);
}

static struct root load_good(void)
{
    struct root out;
    struct config_error err;
    if (!config_load(path_of("main.yaml"), &root_schema, &out, &err))
        fail_msg("%s", err.text);
    return out;
}

/* The error is this file's, and says so. */
static void load_bad(const char *file, const char *says)
{
    struct root out;
    struct config_error err;
    assert_false(config_load(path_of("main.yaml"), &root_schema, &out, &err));
    const char *path = path_of(file);
    if (strncmp(err.text, path, strlen(path)) != 0 || strstr(err.text, says) == NULL)
        fail_msg("'%s' isn't of '%s' or doesn't say '%s'", err.text, path, says);
}

static const struct item *item_of(const struct root *r, size_t i)
{
    assert_true(i < r->items.count);
    return (const struct item *)r->items.items + i;
}

static void sections_are_put_together(void **state)
{
    (void)state;
    put("main.yaml", "include: [a.yaml, b.yaml]\nitems: [{name: one}]\nlimits: {low: 2}\n");
    put("a.yaml", "items: [{name: two, weight: 5}]\n");
    put("b.yaml", "limits: {high: 8}\nitems:\n- name: three\n");
    struct root r = load_good();
    assert_int_equal(r.items.count, 3);
    assert_string_equal(item_of(&r, 0)->name, "one");
    assert_string_equal(item_of(&r, 1)->name, "two");
    assert_int_equal(item_of(&r, 1)->weight, 5);
    assert_string_equal(item_of(&r, 2)->name, "three");
    assert_int_equal(r.limits.low, 2);
    assert_int_equal(r.limits.high, 8);
    config_free(&root_schema, &r);
}

static void a_pattern_takes_files_by_name(void **state)
{
    (void)state;
    put("main.yaml", "include: conf.d/*.yaml\n");
    put("conf.d/20.yaml", "items: [{name: second}]\n");
    put("conf.d/10.yaml", "items: [{name: first}]\n");
    struct root r = load_good();
    assert_int_equal(r.items.count, 2);
    assert_string_equal(item_of(&r, 0)->name, "first");
    assert_string_equal(item_of(&r, 1)->name, "second");
    config_free(&root_schema, &r);
}

static void a_pattern_may_match_nothing(void **state)
{
    (void)state;
    put("main.yaml", "include: conf.d/*.yaml\nlimits: {low: 3}\n");
    struct root r = load_good();
    assert_int_equal(r.items.count, 0);
    assert_int_equal(r.limits.low, 3);
    config_free(&root_schema, &r);
}

static void included_files_include_from_their_folder(void **state)
{
    (void)state;
    put("main.yaml", "include: conf.d/10.yaml\n");
    put("conf.d/10.yaml", "include: deep.yaml\npassword: '@literal'\n");
    put("conf.d/deep.yaml", "items: &i [{name: x}]\n");
    struct root r = load_good();
    assert_string_equal(item_of(&r, 0)->name, "x");
    assert_string_equal(r.password, "@literal");
    assert_int_equal(r.password_at.line, 2);
    config_free(&root_schema, &r);
}

static void aliases_of_included_files_are_followed(void **state)
{
    (void)state;
    put("main.yaml", "include: a.yaml\n");
    put("a.yaml", "items:\n- &one {name: x, weight: 4}\n- *one\n");
    struct root r = load_good();
    assert_int_equal(r.items.count, 2);
    assert_int_equal(item_of(&r, 1)->weight, 4);
    config_free(&root_schema, &r);
}

static void secrets_are_read_beside_the_file_that_names_them(void **state)
{
    (void)state;
    put("main.yaml", "include: conf.d/10.yaml\n");
    put("conf.d/10.yaml", "password: \"@../password\"\n");
    put("password", "hunter2\n");
    struct root r = load_good();
    assert_string_equal(r.password, "hunter2");
    config_free(&root_schema, &r);
}

static void mistakes_name_the_included_file(void **state)
{
    (void)state;
    put("main.yaml", "include: [a.yaml]\nlimits: {low: 1}\n");
    put("a.yaml", "\nlimits: {high: x}\n");
    load_bad("a.yaml", ":2:16: limits.high: expected a number");
    put("a.yaml", "limit: 1\n");
    load_bad("a.yaml", "did you mean 'limits'?");
    put("a.yaml", "a: [\n");
    load_bad("a.yaml", "expected valid YAML");
    put("a.yaml", "- a\n");
    load_bad("a.yaml", "expected a mapping");
    put("a.yaml", "limits:\n  low: 4\n");
    load_bad("a.yaml", "low: expected it in one file only, it is also in");
    put("a.yaml", "limits: 4\n");
    load_bad("a.yaml", "limits: expected it in one file only");
}

static void a_wrong_include_is_told_where_it_stands(void **state)
{
    (void)state;
    put("main.yaml", "limits: {low: 1}\ninclude: none.yaml\n");
    load_bad("none.yaml", "No such file");
    put("main.yaml", "include: {a: b}\n");
    load_bad("main.yaml", "1:10: include: expected the name of a file");
    put("main.yaml", "include: [[a.yaml]]\n");
    load_bad("main.yaml", "include: expected the name of a file");
    put("main.yaml", "include: ${FLOTILLA_TEST_NONE}\n");
    load_bad("main.yaml", "FLOTILLA_TEST_NONE");
}

static void a_file_that_includes_itself_is_refused(void **state)
{
    (void)state;
    put("main.yaml", "include: a.yaml\n");
    put("a.yaml", "include: main.yaml\n");
    load_bad("", "does a file include itself?");
}

static void few_lines_dont_become_many(void **state)
{
    (void)state;
    char text[4096];
    size_t used = (size_t)snprintf(text, sizeof(text), "limits:\n  a0: &a0 {}\n");
    for (int i = 1; i < 28; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used,
                                 "  a%d: &a%d {x: *a%d, y: *a%d}\n", i, i, i - 1, i - 1);
    put("a.yaml", text);
    snprintf(text + used, sizeof(text) - used, "include: a.yaml\n");
    put("main.yaml", text);
    load_bad("a.yaml", "100,000 values");
}

static void only_files_are_included(void **state)
{
    (void)state;
    put("main.yaml", "include: conf.d\n");
    load_bad("conf.d", "expected a file");
}

static void structures_without_an_end_are_refused(void **state)
{
    (void)state;
    put("main.yaml", "include: a.yaml\nlimits: &l {limits: *l}\n");
    put("a.yaml", "limits: &l {limits: *l}\n");
    load_bad("a.yaml", "levels of nesting");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(sections_are_put_together, empty_folder),
        cmocka_unit_test_teardown(a_pattern_takes_files_by_name, empty_folder),
        cmocka_unit_test_teardown(a_pattern_may_match_nothing, empty_folder),
        cmocka_unit_test_teardown(included_files_include_from_their_folder, empty_folder),
        cmocka_unit_test_teardown(aliases_of_included_files_are_followed, empty_folder),
        cmocka_unit_test_teardown(secrets_are_read_beside_the_file_that_names_them, empty_folder),
        cmocka_unit_test_teardown(mistakes_name_the_included_file, empty_folder),
        cmocka_unit_test_teardown(a_wrong_include_is_told_where_it_stands, empty_folder),
        cmocka_unit_test_teardown(a_file_that_includes_itself_is_refused, empty_folder),
        cmocka_unit_test_teardown(structures_without_an_end_are_refused, empty_folder),
        cmocka_unit_test_teardown(few_lines_dont_become_many, empty_folder),
        cmocka_unit_test_teardown(only_files_are_included, empty_folder),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
