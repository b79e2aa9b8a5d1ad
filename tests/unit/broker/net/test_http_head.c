/* http_head: heads of requests, whole and in pieces, and what isn't one. */
#include "broker/net/http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { LIMIT = 256 };

static enum http_head_result parse(const char *text, size_t len, struct http_head *out)
{
    size_t used = 0;
    enum http_head_result r = http_head_parse((const uint8_t *)text, len, LIMIT, out, &used);
    if (r == HTTP_HEAD_OK)
        assert_int_equal(used, len);
    return r;
}

static void a_head_is_taken_apart(void **state)
{
    (void)state;
    static const char text[] =
        "GET /a/b?x=/y HTTP/1.1\r\nHost:h\r\nList: \t a,b \t\r\nEmpty:\r\n\r\n";
    struct http_head head;
    struct http_text name;
    struct http_text value;
    assert_int_equal(parse(text, sizeof(text) - 1, &head), HTTP_HEAD_OK);
    assert_true(http_text_is(head.method, "GET"));
    assert_true(http_text_is(head.path, "/a/b"));
    assert_true(http_head_next(&head.fields, &name, &value));
    assert_true(http_text_is(name, "Host") && http_text_is(value, "h"));
    assert_true(http_text_is_nocase(name, "hOST") && !http_text_is(name, "host"));
    assert_true(http_head_next(&head.fields, &name, &value));
    assert_true(http_text_is(name, "List") && http_text_is(value, "a,b"));
    assert_true(http_head_next(&head.fields, &name, &value));
    assert_true(http_text_is(name, "Empty") && value.len == 0);
    assert_false(http_head_next(&head.fields, &name, &value));
}

static void a_part_asks_for_more_until_the_limit(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    char much[LIMIT + 1];
    struct http_head head;
    for (size_t n = 0; n < sizeof(text) - 1; n++)
        assert_int_equal(parse(text, n, &head), HTTP_HEAD_NEED_MORE);
    assert_int_equal(parse(text, sizeof(text) - 1, &head), HTTP_HEAD_OK);
    memset(much, 'a', sizeof(much));
    assert_int_equal(parse(much, LIMIT - 1, &head), HTTP_HEAD_NEED_MORE);
    assert_int_equal(parse(much, LIMIT, &head), HTTP_HEAD_TOO_LARGE);
    memcpy(much, text, 16);
    much[17] = ':';
    memcpy(much + LIMIT - 4, "\r\n\r\n", 4); /* just fits */
    assert_int_equal(parse(much, LIMIT, &head), HTTP_HEAD_OK);
    memcpy(much + LIMIT - 4, "a\r\n\r\n", 5);
    assert_int_equal(parse(much, LIMIT + 1, &head), HTTP_HEAD_TOO_LARGE);
}

static void what_follows_a_head_is_not_its_own(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\n\r\nGET ";
    struct http_head head;
    struct http_text name;
    struct http_text value;
    size_t used = 0;
    assert_int_equal(http_head_parse((const uint8_t *)text, sizeof(text) - 1, LIMIT, &head, &used),
                     HTTP_HEAD_OK);
    assert_int_equal(used, 18);
    assert_false(http_head_next(&head.fields, &name, &value));
}

static void targets(void **state)
{
    (void)state;
    static const struct {
        const char *target, *path; /* NULL: malformed */
    } cases[] = {
        {"/", "/"},
        {"/mqtt?", "/mqtt"},
        {"http://h:1/mqtt?a", "/mqtt"},
        {"WSS://h/mqtt", "/mqtt"},
        {"http://h", "/"},
        {"http://h?a/b", "/"},
        {"*", NULL},
        {"mqtt", NULL},
        {"ftp://h/mqtt", NULL},
        {"?/", NULL},
        {"", NULL},
        {"/\x7f", NULL},
        {"/\x80", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[128] = "GET ";
        struct http_head head;
        strcat(strcat(text, cases[i].target), " HTTP/1.1\r\n\r\n");
        enum http_head_result r = parse(text, strlen(text), &head);
        assert_int_equal(r, cases[i].path != NULL ? HTTP_HEAD_OK : HTTP_HEAD_MALFORMED);
        if (cases[i].path != NULL)
            assert_true(http_text_is(head.path, cases[i].path));
    }
}

static void what_is_not_a_head_is_malformed(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET / http/1.1\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET /\r\n\r\n",
        "G(T / HTTP/1.1\r\n\r\n",
        " / HTTP/1.1\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nA\r\n\r\n",
        "GET / HTTP/1.1\r\n:a\r\n\r\n",
        "GET / HTTP/1.1\r\nA : b\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\nA: \x01\r\n\r\n",
        "GET / HTTP/1.1\r\nA: \x7f\r\n\r\n",
        "GET / HTTP/1.1\nA: b\r\n\r\n",
    };
    struct http_head head;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (parse(cases[i], strlen(cases[i]), &head) != HTTP_HEAD_MALFORMED)
            fail_msg("accepted: %s", cases[i]);
    assert_int_equal(parse("\x10", 1, &head), HTTP_HEAD_MALFORMED); /* CONNECT, at once */
    assert_int_equal(parse("\x16\x03", 2, &head), HTTP_HEAD_MALFORMED);
    assert_int_equal(parse("\0", 1, &head), HTTP_HEAD_MALFORMED);
    assert_int_equal(parse("GET / HTTP/1.1\r\nA: \xc3\xa4\r\n\r\n", 25, &head), HTTP_HEAD_OK);
    assert_int_equal(parse("GET / HTTP/1.2\r\n\r\n", 18, &head), HTTP_HEAD_OK);
}

static void lists_have_items(void **state)
{
    (void)state;
    static const char text[] = ",a, ,b c\t,,d";
    struct http_text list = {text, sizeof(text) - 1};
    struct http_text item;
    assert_true(http_list_next(&list, &item) && http_text_is(item, "a"));
    assert_true(http_list_next(&list, &item) && http_text_is(item, "b c"));
    assert_true(http_list_next(&list, &item) && http_text_is(item, "d"));
    assert_false(http_list_next(&list, &item));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_is_taken_apart),
        cmocka_unit_test(a_part_asks_for_more_until_the_limit),
        cmocka_unit_test(what_follows_a_head_is_not_its_own),
        cmocka_unit_test(targets),
        cmocka_unit_test(what_is_not_a_head_is_malformed),
        cmocka_unit_test(lists_have_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
