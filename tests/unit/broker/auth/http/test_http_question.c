/* What a service is asked, and what its answers mean. */
#include "broker/auth/http/http_question.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "broker/auth/jwt/jwt_judge.h"
#include "common/http/http_client.h"
#include "common/net/peer.h"

static struct mqtt_slice slice(const char *text)
{
    return mqtt_slice_of(text, strlen(text));
}

static void is_asked(const struct http_login *l, const char *expected)
{
    size_t len = 0;
    char *text = http_question_make(l, &len);
    assert_non_null(text);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(text, expected, len);
    OPENSSL_clear_free(text, len);
}

static void a_question_has_what_the_client_gave(void **state)
{
    (void)state;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(5)};
    inet_pton(AF_INET, "192.0.2.7", &from.sin_addr);
    struct peer peer = peer_from_sockaddr((const struct sockaddr *)&from);
    struct http_login l = {.has_username = true,
                           .has_password = true,
                           .username = slice("alice"),
                           .password = slice("p\"\\\n\x1f\xc3\xa4"),
                           .client_id = slice("car"),
                           .peer = &peer};
    is_asked(&l, "{\"username\":\"alice\",\"password\":\"p\\\"\\\\\\u000a\\u001f\xc3\xa4\","
                 "\"clientid\":\"car\","
                 "\"peerhost\":\"192.0.2.7\"}");
    is_asked(&(struct http_login){.client_id = slice("c")},
             "{\"username\":null,\"password\":null,\"clientid\":\"c\",\"peerhost\":null}");
    is_asked(
        &(struct http_login){.has_username = true, .has_password = true, .client_id = slice("")},
        "{\"username\":\"\",\"password\":\"\",\"clientid\":\"\",\"peerhost\":null}");
}

static void an_ipv6_address_has_no_brackets(void **state)
{
    (void)state;
    struct sockaddr_in6 from = {.sin6_family = AF_INET6, .sin6_port = htons(5)};
    inet_pton(AF_INET6, "2001:db8::1", &from.sin6_addr);
    struct peer peer = peer_from_sockaddr((const struct sockaddr *)&from);
    is_asked(
        &(struct http_login){.client_id = slice("c"), .peer = &peer},
        "{\"username\":null,\"password\":null,\"clientid\":\"c\",\"peerhost\":\"2001:db8::1\"}");
}

static void what_isnt_text_isnt_asked(void **state)
{
    (void)state;
    size_t len;
    struct http_login l = {.has_username = true,
                           .has_password = true,
                           .username = slice("a"),
                           .password = slice("\xff\xfe"),
                           .client_id = slice("c")};
    assert_null(http_question_make(&l, &len));
}

static enum http_meaning meaning(long status, const char *body, struct http_finding *found)
{
    const struct http_answer answer = {.status = status, .body = body, .len = strlen(body)};
    const char *why = NULL;
    enum http_meaning m = http_question_answered(&answer, found, &why);
    assert_true(m != HTTP_FAILED || why != NULL);
    return m;
}

static void means(long status, const char *body, enum http_meaning expected)
{
    struct http_finding found;
    enum http_meaning m = meaning(status, body, &found);
    if (m != expected)
        fail_msg("%ld '%s' means %d, not %d", status, body, m, expected);
    http_finding_fini(&found);
}

static void words_and_statuses_have_meanings(void **state)
{
    (void)state;
    means(200, "{\"result\":\"allow\"}", HTTP_ALLOWS);
    means(200, "{\"result\":\"deny\"}", HTTP_DENIES);
    means(200, "{\"result\":\"ignore\"}", HTTP_IGNORES);
    means(204, "", HTTP_ALLOWS);
    means(401, "whatever", HTTP_DENIES);
    means(403, "", HTTP_DENIES);
    means(404, "", HTTP_IGNORES);
}

static void all_else_is_a_failure(void **state)
{
    (void)state;
    static const char *const bodies[] = {"",
                                         "allow",
                                         "\"allow\"",
                                         "[]",
                                         "{}",
                                         "{\"result\":true}",
                                         "{\"result\":\"Allow\"}",
                                         "{\"result\":\"allow\"",
                                         "{\"Result\":\"allow\"}",
                                         "{\"result\":\"allow\",\"acl\":[]}",
                                         "{\"result\":\"allow\",\"acl\":{\"x\":[]}}",
                                         "{\"result\":\"allow\",\"acl\":{\"pub\":[\"a/#/b\"]}}",
                                         "{\"result\":\"allow\",\"acl\":{\"pub\":\"a\"}}",
                                         "{\"result\":\"allow\",\"expire_at\":\"tomorrow\"}",
                                         "{\"result\":\"allow\",\"expire_at\":-5}",
                                         "{\"result\":\"allow\",\"expire_at\":1e300}"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        means(200, bodies[i], HTTP_FAILED);
    static const long statuses[] = {0, 100, 201, 301, 302, 307, 400, 429, 500, 503};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        means(statuses[i], "{\"result\":\"allow\"}", HTTP_FAILED);
}

static bool count(void *arg, struct mqtt_slice filter, unsigned uses)
{
    (void)filter, (void)uses;
    (*(int *)arg)++;
    return true;
}

static void an_answer_may_narrow_and_end(void **state)
{
    (void)state;
    struct http_finding found;
    int filters = 0;
    assert_int_equal(meaning(200,
                             "{\"result\":\"allow\",\"expire_at\":1900000000,"
                             "\"acl\":{\"pub\":[\"a/b\",\"c/#\"],\"sub\":[\"d\"]}}",
                             &found),
                     HTTP_ALLOWS);
    assert_int_equal(found.until_s, 1900000000);
    assert_true(jwt_acl_each(found.acl, count, &filters));
    assert_int_equal(filters, 3);
    http_finding_fini(&found);
    assert_int_equal(meaning(200, "{\"result\":\"allow\",\"acl\":null,\"expire_at\":null}", &found),
                     HTTP_ALLOWS);
    assert_null(found.acl);
    assert_int_equal(found.until_s, 0);
    http_finding_fini(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_has_what_the_client_gave),
        cmocka_unit_test(an_ipv6_address_has_no_brackets),
        cmocka_unit_test(what_isnt_text_isnt_asked),
        cmocka_unit_test(words_and_statuses_have_meanings),
        cmocka_unit_test(all_else_is_a_failure),
        cmocka_unit_test(an_answer_may_narrow_and_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
