/* What probes and people get from /healthz and /readyz, over a real socket. */
#include "common/http/http_health.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct event_base *base;
static struct http_admin *admin;
static const char *why_not; /* of the program that is asked */
static int status;
static char body[256], type[64];

static void on_readyz(struct evhttp_request *req, const char *tail, void *arg)
{
    (void)tail;
    (void)arg;
    http_health_ready(req, why_not);
}

static int setup(void **state)
{
    char err[200];
    (void)state;
    base = event_base_new();
    admin = http_admin_new(base, "127.0.0.1:0", err, sizeof(err));
    assert_non_null(admin);
    assert_true(http_admin_route(admin, HTTP_GET, "/healthz", http_health_alive, NULL));
    assert_true(http_admin_route(admin, HTTP_GET, "/readyz", on_readyz, NULL));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_admin_free(admin);
    event_base_free(base);
    return 0;
}

static void on_answer(struct evhttp_request *req, void *arg)
{
    (void)arg;
    assert_non_null(req);
    const char *found = evhttp_find_header(evhttp_request_get_input_headers(req), "Content-Type");
    status = evhttp_request_get_response_code(req);
    snprintf(type, sizeof(type), "%s", found);
    int len = evbuffer_remove(evhttp_request_get_input_buffer(req), body, sizeof(body) - 1);
    body[len < 0 ? 0 : len] = '\0';
    event_base_loopbreak(base);
}

static void ask(const char *path)
{
    struct evhttp_connection *connection =
        evhttp_connection_base_new(base, NULL, "127.0.0.1", (uint16_t)http_admin_port(admin));
    struct evhttp_request *req = evhttp_request_new(on_answer, NULL);
    evhttp_connection_set_timeout(connection, 5);
    evhttp_add_header(evhttp_request_get_output_headers(req), "Host", "localhost");
    assert_int_equal(evhttp_make_request(connection, req, EVHTTP_REQ_GET, path), 0);
    event_base_dispatch(base);
    evhttp_connection_free(connection);
    assert_string_equal(type, "application/json");
}

static void a_process_that_answers_is_alive(void **state)
{
    (void)state;
    why_not = "draining";
    ask("/healthz");
    assert_int_equal(status, 200);
    assert_string_equal(body, "{\"status\":\"alive\"}\n");
}

static void readiness_is_told_by_status_and_word(void **state)
{
    (void)state;
    why_not = NULL;
    ask("/readyz");
    assert_int_equal(status, 200);
    assert_string_equal(body, "{\"status\":\"ready\"}\n");
}

static void the_reason_is_told(void **state)
{
    (void)state;
    why_not = "no server of backend \"b\" is up";
    ask("/readyz");
    assert_int_equal(status, 503);
    assert_string_equal(
        body, "{\"status\":\"not ready\",\"why\":\"no server of backend \\\"b\\\" is up\"}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_process_that_answers_is_alive, setup, teardown),
        cmocka_unit_test_setup_teardown(readiness_is_told_by_status_and_word, setup, teardown),
        cmocka_unit_test_setup_teardown(the_reason_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
