/* http_client asks a server that stands in the same loop. */
#include "common/http/http_client.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ANSWER_MAX = 1000 };

struct bed {
    struct event_base *base;
    struct evhttp *server;
    struct http_client *client;
    char url[64];
    char got[256], header[128]; /* of the last request */
    int requests;
    struct evhttp_request *held;
    /* the answer */
    int answers;
    long status;
    char body[2048], err[256];
};

static void serve(struct evhttp_request *r, void *arg)
{
    struct bed *b = arg;
    struct evbuffer *out = evbuffer_new();
    const char *path = evhttp_request_get_uri(r);
    const char *header = evhttp_find_header(evhttp_request_get_input_headers(r), "Authorization");
    size_t len = evbuffer_get_length(evhttp_request_get_input_buffer(r));
    b->requests++;
    snprintf(b->header, sizeof(b->header), "%s", header != NULL ? header : "");
    snprintf(b->got, sizeof(b->got), "%.*s", (int)len,
             (const char *)evbuffer_pullup(evhttp_request_get_input_buffer(r), -1));
    if (strcmp(path, "/slow") == 0) {
        b->held = r;
    } else if (strcmp(path, "/redirect") == 0) {
        evhttp_add_header(evhttp_request_get_output_headers(r), "Location", b->url);
        evhttp_send_reply(r, 302, "Found", out);
    } else {
        for (int i = 0; i < (strcmp(path, "/long") == 0 ? 300 : 1); i++)
            evbuffer_add(out, "good", 4);
        evhttp_send_reply(r, 200, "OK", out);
    }
    evbuffer_free(out);
}

static int set_up(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));
    *state = b;
    b->base = event_base_new();
    b->server = evhttp_new(b->base);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(b->server, "127.0.0.1", 0);
    assert_non_null(bound);
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&at, &len);
    snprintf(b->url, sizeof(b->url), "http://127.0.0.1:%d/", ntohs(at.sin_port));
    evhttp_set_gencb(b->server, serve, b);
    const struct http_client_config config = {.max_requests = 2,
                                              .max_answer = ANSWER_MAX,
                                              .timeout_ms = 300,
                                              .authorization = "Bearer x"};
    b->client = http_client_new(b->base, &config);
    return b->client != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bed *b = *state;
    http_client_free(b->client);
    evhttp_free(b->server);
    event_base_free(b->base);
    free(b);
    return 0;
}

static void on_answer(void *arg, const struct http_answer *answer)
{
    struct bed *b = arg;
    b->answers++;
    b->status = answer->status;
    snprintf(b->body, sizeof(b->body), "%.*s", (int)answer->len, answer->body);
    snprintf(b->err, sizeof(b->err), "%s", answer->err != NULL ? answer->err : "");
}

static struct http_request *post(struct bed *b, const char *path)
{
    char url[128];
    snprintf(url, sizeof(url), "%s%s", b->url, path);
    return http_client_post(b->client, url, "{\"a\":1}", 7, on_answer, b);
}

static void await(struct bed *b, int answers)
{
    while (b->answers < answers)
        event_base_loop(b->base, EVLOOP_ONCE);
}

static void a_question_is_answered(void **state)
{
    struct bed *b = *state;
    assert_non_null(post(b, ""));
    assert_int_equal(b->answers, 0); /* never at once */
    await(b, 1);
    assert_int_equal(b->status, 200);
    assert_string_equal(b->body, "good");
    assert_string_equal(b->got, "{\"a\":1}");
    assert_string_equal(b->header, "Bearer x");
    assert_int_equal(http_client_under_way(b->client), 0);
}

static void redirects_are_not_followed(void **state)
{
    struct bed *b = *state;
    assert_non_null(post(b, "redirect"));
    await(b, 1);
    assert_int_equal(b->status, 302);
    assert_int_equal(b->requests, 1);
}

static void a_long_answer_is_an_error(void **state)
{
    struct bed *b = *state;
    assert_non_null(post(b, "long"));
    await(b, 1);
    assert_int_equal(b->status, 0);
    assert_string_equal(b->err, "the answer is too long");
}

static void a_slow_answer_is_an_error(void **state)
{
    struct bed *b = *state;
    assert_non_null(post(b, "slow"));
    await(b, 1);
    assert_int_equal(b->status, 0);
    assert_true(b->err[0] != '\0');
}

static void nobody_there_is_an_error(void **state)
{
    struct bed *b = *state;
    assert_non_null(http_client_post(b->client, "http://127.0.0.1:1/", "{}", 2, on_answer, b));
    await(b, 1);
    assert_int_equal(b->status, 0);
    assert_true(b->err[0] != '\0');
}

static void so_many_are_under_way(void **state)
{
    struct bed *b = *state;
    assert_non_null(post(b, ""));
    assert_non_null(post(b, ""));
    assert_null(post(b, ""));
    await(b, 2);
    assert_non_null(post(b, ""));
    await(b, 3);
}

static void a_cancelled_one_is_not_answered(void **state)
{
    struct bed *b = *state;
    struct http_request *r = post(b, "slow");
    while (b->held == NULL)
        event_base_loop(b->base, EVLOOP_ONCE);
    http_request_cancel(r);
    assert_non_null(post(b, ""));
    await(b, 1);
    assert_string_equal(b->body, "good");
    assert_int_equal(b->answers, 1);
}

static void an_end_takes_what_is_under_way(void **state)
{
    struct bed *b = *state;
    assert_non_null(post(b, "slow"));
    while (b->held == NULL)
        event_base_loop(b->base, EVLOOP_ONCE);
}

static void secrets_go_to_https_or_to_this_machine(void **state)
{
    (void)state;
    static const char *const good[] = {
        "https://auth.example.org", "https://auth.example.org:8443/mqtt?x=y",
        "http://127.0.0.1:8080/", "http://localhost/x", "http://[::1]:80/"};
    static const char *const bad[] = {"",
                                      "http://auth.example.org/",
                                      "ftp://127.0.0.1/",
                                      "file:///etc/passwd",
                                      "http://localhost.example.org/",
                                      "http://10.0.0.1/",
                                      "https://",
                                      "http://127.0.0.1.example.org/",
                                      "https://user:password@auth.example.org/",
                                      "http://127.0.0.1@example.org/",
                                      "auth.example.org"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (http_client_check_url(good[i]) != NULL)
            fail_msg("'%s' is refused", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (http_client_check_url(bad[i]) == NULL)
            fail_msg("'%s' is accepted", bad[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_question_is_answered),
        TEST(redirects_are_not_followed),
        TEST(a_long_answer_is_an_error),
        TEST(a_slow_answer_is_an_error),
        TEST(nobody_there_is_an_error),
        TEST(so_many_are_under_way),
        TEST(a_cancelled_one_is_not_answered),
        TEST(an_end_takes_what_is_under_way),
        cmocka_unit_test(secrets_go_to_https_or_to_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
