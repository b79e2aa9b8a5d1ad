/* A file's text, its one document, and the limits of both. */
#include "common/config/config_yaml.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/temp_file.h"

#define MOST_BYTES (1u << 20)

struct text {
    char *at;
    size_t len, size;
};

static void text_add(struct text *t, const char *piece, size_t times)
{
    size_t len = strlen(piece);
    if (t->len + len * times + 1 > t->size) {
        t->size = (t->len + len * times + 1) * 2;
        t->at = realloc(t->at, t->size);
        assert_non_null(t->at);
    }
    for (size_t i = 0; i < times; i++, t->len += len)
        memcpy(t->at + t->len, piece, len + 1);
}

/* NULL when it was parsed, or what was wrong. `t` is released. */
static const char *verdict(struct text *t)
{
    static struct config_error err;
    yaml_document_t doc;
    bool ok = config_yaml_parse("t.yaml", t->at, t->len, &doc, &err);
    if (ok)
        yaml_document_delete(&doc);
    free(t->at);
    *t = (struct text){0};
    return ok ? NULL : err.text;
}

static void an_empty_text_is_a_document_without_root(void **state)
{
    (void)state;
    struct config_error err;
    yaml_document_t doc;
    assert_true(config_yaml_parse("t.yaml", "", 0, &doc, &err));
    assert_null(yaml_document_get_root_node(&doc));
    yaml_document_delete(&doc);
}

static void thirty_two_levels_are_the_deepest(void **state)
{
    (void)state;
    struct text t = {0};
    text_add(&t, "[", 32);
    text_add(&t, "]", 32);
    assert_null(verdict(&t));
    text_add(&t, "[", 33);
    text_add(&t, "]", 33);
    assert_string_equal(verdict(&t), "t.yaml:1:33: expected at most 32 levels of nesting");
    text_add(&t, "{a: ", 33);
    assert_string_equal(verdict(&t), "t.yaml:1:129: expected at most 32 levels of nesting");
    text_add(&t, "- [[], {}]\n", 100); /* beside each other they are no depth */
    assert_null(verdict(&t));
}

static void anchors_of_all_kinds_are_counted_up_to_a_thousand(void **state)
{
    static const char *const pieces[] = {"- &a x\n", "- &a []\n", "- &a {}\n"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct text t = {0};
        for (size_t n = 0; n < 1000; n++) {
            char piece[32];
            (void)snprintf(piece, sizeof(piece), "- &a%zu %s", n, pieces[i] + 5);
            text_add(&t, piece, 1);
        }
        struct text more = {0};
        text_add(&more, t.at, 1);
        text_add(&more, "- x\n", 1);
        assert_null(verdict(&more));
        text_add(&more, t.at, 1);
        text_add(&more, pieces[i], 1);
        assert_string_equal(verdict(&more), "t.yaml:1001:3: expected at most 1000 anchors");
        free(t.at);
    }
}

static void a_text_of_one_mebibyte_is_the_longest(void **state)
{
    (void)state;
    struct text t = {0};
    text_add(&t, "#", MOST_BYTES);
    assert_null(verdict(&t));
    text_add(&t, "#", MOST_BYTES + 1);
    assert_string_equal(verdict(&t), "t.yaml: expected a file of at most 1 MiB");
}

static void a_second_document_and_what_is_not_yaml_are_refused_with_their_place(void **state)
{
    static const char *const cases[][2] = {
        {"--- 1\n--- 2\n", "t.yaml:2:1: expected one YAML document, got a second one"},
        {"a: [1\nb: 2\n", "t.yaml:2:2: expected valid YAML: did not find expected ',' or ']' while "
                          "parsing a flow sequence"},
        {"a: b\nc: *nowhere\n", "t.yaml:2:4: expected valid YAML: found undefined alias"},
        {"ab\nc\xff\n", "t.yaml:2:2: expected valid YAML: invalid leading UTF-8 octet"},
        {"\xff", "t.yaml:1:1: expected valid YAML: invalid leading UTF-8 octet"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text t = {0};
        text_add(&t, cases[i][0], 1);
        assert_string_equal(verdict(&t), cases[i][1]);
    }
}

static void a_node_knows_its_place_and_its_noun(void **state)
{
    static const struct {
        const char *text, *noun;
        bool is_null;
    } cases[] = {
        {"\n  [a]", "a list", false},
        {"\n  {a: b}", "a mapping", false},
        {"\n  ~", "nothing", true},
        {"\n  null", "nothing", true},
        {"\n  !!str", "nothing", true},
        {"\n  'null'", "'null'", false},
        {"\n  ''", "''", false},
        {"\n  word", "'word'", false},
        {"\n  nullify", "'nullify'", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config_error err;
        yaml_document_t doc;
        char buf[64];
        assert_true(config_yaml_parse("t.yaml", cases[i].text, strlen(cases[i].text), &doc, &err));
        const yaml_node_t *root = yaml_document_get_root_node(&doc);
        assert_string_equal(config_yaml_describe(root, buf, sizeof(buf)), cases[i].noun);
        assert_int_equal(config_yaml_is_null(root), cases[i].is_null);
        assert_int_equal(config_yaml_position(root).line, 2);
        assert_int_equal(config_yaml_position(root).column, 3);
        yaml_document_delete(&doc);
    }
    assert_int_equal(config_yaml_position(NULL).line, 0);
    assert_int_equal(config_yaml_position(NULL).column, 0);
}

static void a_file_is_read_up_to_one_byte_more_than_allowed(void **state)
{
    static const size_t sizes[][2] = {{0, 0},
                                      {10, 10},
                                      {MOST_BYTES, MOST_BYTES},
                                      {MOST_BYTES + 1, MOST_BYTES + 1},
                                      {MOST_BYTES + 5000, MOST_BYTES + 1}};
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct text t = {0};
        size_t len = 99;
        text_add(&t, "#", sizes[i][0]);
        temp_file_write(t.at != NULL ? t.at : "", t.len);
        char *text = config_yaml_read(temp_file, &len);
        assert_non_null(text);
        assert_int_equal(len, sizes[i][1]);
        assert_memory_equal(text, t.at != NULL ? t.at : "", len);
        free(text);
        free(t.at);
    }
}

static void a_file_that_cannot_be_read_is_told_by_errno(void **state)
{
    (void)state;
    size_t len = 99;
    assert_null(config_yaml_read("/nonexistent/x.yaml", &len));
    assert_int_equal(errno, ENOENT);
    assert_int_equal(len, 0);
    assert_null(config_yaml_read("/tmp", &len));
    assert_int_equal(errno, EISDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_text_is_a_document_without_root),
        cmocka_unit_test(thirty_two_levels_are_the_deepest),
        cmocka_unit_test(anchors_of_all_kinds_are_counted_up_to_a_thousand),
        cmocka_unit_test(a_text_of_one_mebibyte_is_the_longest),
        cmocka_unit_test(a_second_document_and_what_is_not_yaml_are_refused_with_their_place),
        cmocka_unit_test(a_node_knows_its_place_and_its_noun),
        cmocka_unit_test_setup_teardown(a_file_is_read_up_to_one_byte_more_than_allowed,
                                        temp_file_make, temp_file_remove),
        cmocka_unit_test(a_file_that_cannot_be_read_is_told_by_errno),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
