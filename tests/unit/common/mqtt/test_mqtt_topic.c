/* UTF-8, topic names, topic filters and matching, through the codec's public header. */
#include "common/mqtt/mqtt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static struct mqtt_slice slice(const char *s)
{
    return (struct mqtt_slice){(const uint8_t *)s, (uint32_t)strlen(s)};
}

/* Checks a text at every offset of a longer ASCII one, so that the word-wise scan meets it in its
 * first, middle and last word. The copy has its exact size: a read too far is caught. */
static void expect_text(const char *bytes, size_t n, bool (*valid)(const uint8_t *, size_t),
                        bool expected)
{
    for (size_t before = 0; before < 20; before++) {
        for (size_t after = 0; after < 20; after++) {
            size_t len = before + n + after;
            uint8_t *text = malloc(len + 1);
            assert_non_null(text);
            memset(text, 'a', len);
            memcpy(text + before, bytes, n);
            uint8_t *exact = malloc(len > 0 ? len : 1);
            assert_non_null(exact);
            memcpy(exact, text, len);
            if (valid(exact, len) != expected)
                fail_msg("%zu bytes from 0x%02x at %zu of %zu: expected %d", n, (uint8_t)bytes[0],
                         before, len, expected);
            free(exact);
            free(text);
        }
    }
}

static void utf8_is_accepted_when_well_formed(void **state)
{
    (void)state;
    static const char *const good[] = {
        "x",
        "\x01",
        "\x1f",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbb\xbf",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "Z\xc3\xbcrich/\xe6\x9d\xb1\xe4\xba\xac/\xf0\x9f\x9a\x97",
        "a+b#",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        expect_text(good[i], strlen(good[i]), mqtt_utf8_valid, true);
    assert_true(mqtt_utf8_valid(NULL, 0));
}

static void utf8_is_refused_when_ill_formed(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        {"\x00", 1},
        {"\x80", 1},
        {"\xbf", 1},
        {"\xc0\x80", 2},
        {"\xc1\xbf", 2},
        {"\xe0\x80\x80", 3},
        {"\xe0\x9f\xbf", 3},
        {"\xed\xa0\x80", 3},
        {"\xed\xbf\xbf", 3},
        {"\xf0\x80\x80\x80", 4},
        {"\xf0\x8f\xbf\xbf", 4},
        {"\xf4\x90\x80\x80", 4},
        {"\xf5\x80\x80\x80", 4},
        {"\xff", 1},
        {"\xfe", 1},
        {"\xc3", 1},
        {"\xe2\x82", 2},
        {"\xf0\x9f\x9a", 3},
        {"\xe2\x28\xa1", 3},
        {"\xe2\x82\x28", 3},
        {"\xf0\x28\x8c\xbc", 4},
        {"\xf0\x90\x28\xbc", 4},
        {"\xf0\x90\x8c\x28", 4},
        {"\xc3\xa9\xa9", 3},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect_text(bad[i].bytes, bad[i].n, mqtt_utf8_valid, false);
}

/* Every pair of bytes against the definition written out plainly. */
/* 5.0: 3.3.2.3.2. In a string U+0000 isn't allowed [MQTT-1.5.4-2], in a payload it is. */
static void a_payload_of_utf8_may_have_u_0000(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        bool valid;
    } cases[] = {
        {"x", 1, true},
        {"\xc3\xbc", 2, true},
        {"\0", 1, true},
        {"\0\0", 2, true},
        {"\xc3\xbc\0\xe6\x9d\xb1", 6, true},
        {"\0\xff", 2, false},     /* behind one */
        {"\xff\0", 2, false},     /* before one */
        {"\xc3\0\xbc", 3, false}, /* within a character */
        {"\0\xed\xa0\x80", 4, false},
        {"\xc3", 1, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_text(cases[i].bytes, cases[i].n, mqtt_payload_utf8_valid, cases[i].valid);
    assert_true(mqtt_payload_utf8_valid(NULL, 0));
    assert_false(mqtt_utf8_valid((const uint8_t *)"\0", 1));
}

static void utf8_two_byte_sequences_are_judged_exactly(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            const uint8_t s[2] = {(uint8_t)a, (uint8_t)b};
            bool ascii = a > 0 && a < 0x80 && b > 0 && b < 0x80;
            bool pair = a >= 0xc2 && a <= 0xdf && b >= 0x80 && b <= 0xbf;
            assert_int_equal(mqtt_utf8_valid(s, 2), ascii || pair);
        }
    }
}

static void topic_names_have_no_wildcards(void **state)
{
    (void)state;
    expect_text("+", 1, mqtt_topic_name_valid, false);
    expect_text("#", 1, mqtt_topic_name_valid, false);
    expect_text("\xc3\xa9#", 3, mqtt_topic_name_valid, false);
    expect_text("\xc3\xa9+", 3, mqtt_topic_name_valid, false);
    expect_text("\0", 1, mqtt_topic_name_valid, false);
    expect_text("/", 1, mqtt_topic_name_valid, true);
    expect_text("$SYS/\xc3\xa9", 7, mqtt_topic_name_valid, true);
    for (unsigned c = 1; c < 0x80; c++) {
        const char s[1] = {(char)c};
        expect_text(s, 1, mqtt_topic_name_valid, c != '+' && c != '#');
    }
    assert_false(mqtt_topic_name_valid((const uint8_t *)"", 0));
}

static void topic_length_is_bounded(void **state)
{
    (void)state;
    uint8_t *long_text = malloc(65536);
    assert_non_null(long_text);
    memset(long_text, 'x', 65536);
    assert_true(mqtt_topic_name_valid(long_text, 65535));
    assert_false(mqtt_topic_name_valid(long_text, 65536));
    assert_true(mqtt_topic_filter_valid(long_text, 65535));
    assert_false(mqtt_topic_filter_valid(long_text, 65536));
    free(long_text);
}

static void filter_syntax_is_checked(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        bool valid;
    } cases[] = {
        {"", false},     {"#", true},      {"+", true},          {"/", true},
        {"a", true},     {"a/b", true},    {"a/#", true},        {"/#", true},
        {"+/+", true},   {"/+", true},     {"+/", true},         {"a/+/b", true},
        {"+/a/#", true}, {"$SYS/#", true}, {"//", true},         {"a//b", true},
        {"a#", false},   {"#a", false},    {"#/", false},        {"a/#/b", false},
        {"a+", false},   {"+a", false},    {"a/b+", false},      {"a/+b/c", false},
        {"++", false},   {"##", false},    {"+#", false},        {"#+", false},
        {"a/#b", false}, {"\xc3", false},  {"\xc3\xa9/+", true}, {"/a/#/", false},
        {" ", true},     {"a b", true},    {"+/#", true},        {"+/+#", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mqtt_slice f = slice(cases[i].filter);
        if (mqtt_topic_filter_valid(f.data, f.len) != cases[i].valid)
            fail_msg("filter '%s': expected %d", cases[i].filter, cases[i].valid);
    }
    assert_false(mqtt_topic_filter_valid((const uint8_t *)"a\0b", 3));
}

static void filters_match_as_specified(void **state)
{
    (void)state;
    static const struct {
        const char *filter, *name;
        bool matches;
    } cases[] = {
        {"a", "a", true},
        {"a", "b", false},
        {"a", "A", false},
        {"a", "aa", false},
        {"aa", "a", false},
        {"a", "/a", false},
        {"/a", "a", false},
        {"a", "a/", false},
        {"a/", "a", false},
        {"a/", "a/", true},
        {"a/b", "a/b", true},
        {"a/b", "a/bc", false},
        {"a/b", "a/b/c", false},
        {"a/b/c", "a/b", false},
        {"#", "a", true},
        {"#", "a/b/c", true},
        {"#", "/", true},
        {"#", "$SYS/a", false},
        {"+", "$SYS", false},
        {"+/a", "$SYS/a", false},
        {"$SYS/#", "$SYS/a/b", true},
        {"$SYS/#", "$SYS", true},
        {"$SYS/+", "$SYS/a", true},
        {"a/+", "a/$b", true},
        {"a/#", "a/$b", true},
        {"+", "a", true},
        {"+", "a/", false},
        {"+", "/a", false},
        {"+", "/", false},
        {"+/+", "/a", true},
        {"/+", "/a", true},
        {"/+", "/", true},
        {"+/", "a/", true},
        {"+/", "a", false},
        {"+/+", "/", true},
        {"+/+", "a", false},
        {"+/+/+", "//", true},
        {"a/+", "a", false},
        {"a/+", "a/", true},
        {"a/+", "a/b", true},
        {"a/+", "a/b/c", false},
        {"a/+/c", "a/b/c", true},
        {"a/+/c", "a//c", true},
        {"a/+/c", "a/c", false},
        {"a/#", "a", true},
        {"a/#", "a/", true},
        {"a/#", "a/b/c/d", true},
        {"a/#", "ab", false},
        {"a/#", "b/a", false},
        {"a/+/#", "a", false},
        {"a/+/#", "a/b", true},
        {"a/+/#", "a/b/c", true},
        {"+/#", "a", true},
        {"+/#", "/", true},
        {"+/#", "$SYS/a", false},
        {"/#", "/a", true},
        {"/#", "/", true},
        {"/#", "a", false},
        {"a//b", "a//b", true},
        {"a//b", "a/b", false},
        {"sport/tennis/player1/#", "sport/tennis/player1", true},
        {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
        {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
        {"sport/tennis/player1/#", "sport/tennis/player10", false},
        {"sport/+", "sport", false},
        {"sport/+", "sport/", true},
        {"+/tennis/#", "sport/tennis", true},
        {"a[b]/+", "ab/c", false},
        {"a[b]/+", "a[b]/c", true},
        {"a*", "ab", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (mqtt_filter_matches(slice(cases[i].filter), slice(cases[i].name)) != cases[i].matches)
            fail_msg("'%s' against '%s': expected %d", cases[i].filter, cases[i].name,
                     cases[i].matches);
}

static void shared_filters_are_split(void **state)
{
    (void)state;
    static const struct {
        const char *filter, *group, *inner; /* group NULL: not valid as shared */
    } cases[] = {
        {"$share/g/a", "g", "a"},         {"$share/g/#", "g", "#"},    {"$share/g//a", "g", "/a"},
        {"$share/g/a/+/b", "g", "a/+/b"}, {"$share/g", NULL, NULL},    {"$share/g/", NULL, NULL},
        {"$share//a", NULL, NULL},        {"$share/+/a", NULL, NULL},  {"$share/#/a", NULL, NULL},
        {"$share/", NULL, NULL},          {"$shared/g/a", NULL, NULL}, {"share/g/a", NULL, NULL},
        {"$share/g/a#", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mqtt_slice group;
        struct mqtt_slice inner;
        bool ok = mqtt_filter_split_shared(slice(cases[i].filter), &group, &inner);
        assert_int_equal(ok, cases[i].group != NULL);
        if (!ok)
            continue;
        assert_int_equal(group.len, strlen(cases[i].group));
        assert_memory_equal(group.data, cases[i].group, group.len);
        assert_int_equal(inner.len, strlen(cases[i].inner));
        assert_memory_equal(inner.data, cases[i].inner, inner.len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_accepted_when_well_formed),
        cmocka_unit_test(utf8_is_refused_when_ill_formed),
        cmocka_unit_test(a_payload_of_utf8_may_have_u_0000),
        cmocka_unit_test(utf8_two_byte_sequences_are_judged_exactly),
        cmocka_unit_test(topic_names_have_no_wildcards),
        cmocka_unit_test(topic_length_is_bounded),
        cmocka_unit_test(filter_syntax_is_checked),
        cmocka_unit_test(filters_match_as_specified),
        cmocka_unit_test(shared_filters_are_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
