/* A JSON body as an answer, over a real socket. */
#include "common/http/http_json.h"

#include "common/http/http_admin.h"
#include "tests/unit/http_client.h"

static struct event_base *base;
static struct http_admin *admin;
static struct http_answer answer;
static cJSON *json; /* what the handler answers with */

static void on_json(struct evhttp_request *req, const char *tail, void *arg)
{
    (void)tail;
    (void)arg;
    http_json_reply(req, 409, json); /* takes it: the sanitizer would tell */
}

static int setup(void **state)
{
    char err[200];
    (void)state;
    base = event_base_new();
    admin = http_admin_new(base, "127.0.0.1:0", err, sizeof(err));
    assert_non_null(admin);
    assert_true(http_admin_route(admin, HTTP_GET, "/json", on_json, NULL));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_admin_free(admin);
    event_base_free(base);
    return 0;
}

static int ask(void)
{
    return http_ask(base, "127.0.0.1", http_admin_port(admin), EVHTTP_REQ_GET, "/json", NULL, NULL,
                    &answer);
}

static void the_answer_is_one_line_of_json_with_the_status_asked_for(void **state)
{
    (void)state;
    json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "n", 1);
    cJSON_AddStringToObject(json, "text", "two\nlines");
    assert_int_equal(ask(), 409);
    assert_string_equal(answer.type, "application/json");
    assert_string_equal(answer.body, "{\"n\":1,\"text\":\"two\\nlines\"}\n");
}

static void what_could_not_be_made_is_a_500(void **state)
{
    (void)state;
    json = NULL;
    assert_int_equal(ask(), 500);
    assert_string_equal(answer.body, "out of memory\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_answer_is_one_line_of_json_with_the_status_asked_for,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_could_not_be_made_is_a_500, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
