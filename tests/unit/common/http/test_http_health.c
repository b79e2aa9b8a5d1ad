/* What probes and people get from /healthz and /readyz, over a real socket. */
#include "common/http/http_health.h"

#include "common/http/http_admin.h"
#include "tests/unit/http_client.h"

static struct event_base *base;
static struct http_admin *admin;
static const char *why_not; /* of the program that is asked */
static struct http_answer answer;

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

static void ask(const char *path)
{
    http_ask(base, "127.0.0.1", http_admin_port(admin), EVHTTP_REQ_GET, path, NULL, NULL, &answer);
    assert_string_equal(answer.type, "application/json");
}

static void a_process_that_answers_is_alive(void **state)
{
    (void)state;
    why_not = "draining";
    ask("/healthz");
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "{\"status\":\"alive\"}\n");
}

static void readiness_is_told_by_status_and_word(void **state)
{
    (void)state;
    why_not = NULL;
    ask("/readyz");
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "{\"status\":\"ready\"}\n");
}

static void the_reason_is_told(void **state)
{
    (void)state;
    why_not = "no server of backend \"b\" is up";
    ask("/readyz");
    assert_int_equal(answer.status, 503);
    assert_string_equal(
        answer.body,
        "{\"status\":\"not ready\",\"why\":\"no server of backend \\\"b\\\" is up\"}\n");
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
