/* The HTTP port: what each path answers, what a request may change, and how the port moves. */
#include "lb/admin/admin.h"

#include "common/config/config_schema.h"
#include "common/log/log.h"
#include "tests/unit/http_client.h"
#include "tests/unit/lb/admin/control_fixture.h"

#define PORT "127.0.0.7" /* addresses of loopback that only the HTTP port uses */
#define NEW_PORT "127.0.0.8"

static struct admin *admin;
static struct http_answer answer;
static const struct config_strings no_hosts;

static void bind_to(const char *address)
{
    char text[32];
    char err[256];
    snprintf(text, sizeof(text), "%s:0", address);
    if (!admin_bind(admin, text, err, sizeof(err)))
        fail_msg("%s", err);
}

static int setup(void **state)
{
    (void)state;
    control_start("127.0.0.1:0");
    admin = admin_new(&control);
    assert_non_null(admin);
    bind_to(PORT);
    admin_keep_new(admin, &no_hosts);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    admin_free(admin);
    admin_free(NULL);
    control_end();
    return 0;
}

static int get(const char *path)
{
    return http_ask(control.base, PORT, listening_port(PORT), EVHTTP_REQ_GET, path, NULL, NULL,
                    &answer);
}

static int post_as(const char *type, const char *path, const char *body)
{
    return http_ask(control.base, PORT, listening_port(PORT), EVHTTP_REQ_POST, path, type, body,
                    &answer);
}

static int post(const char *path, const char *body)
{
    return post_as("application/json", path, body);
}

static const struct server *server(void)
{
    return pool_find(control_find_pool(&control, "b"), "s")->server;
}

static void the_page_comes_with_its_own_policy(void **state)
{
    (void)state;
    assert_int_equal(get("/"), 200);
    assert_string_equal(answer.type, "text/html; charset=utf-8");
    assert_non_null(strstr(answer.body, "<!doctype html>"));
    assert_non_null(strstr(answer.policy, "script-src 'sha256-"));
}

static void it_is_alive_and_ready_or_says_why_not(void **state)
{
    (void)state;
    assert_int_equal(get("/healthz"), 200);
    assert_int_equal(get("/readyz"), 200);
    control.draining = true;
    assert_int_equal(get("/healthz"), 200);
    assert_int_equal(get("/readyz"), 503);
    assert_string_equal(answer.body, "{\"status\":\"not ready\",\"why\":\"draining\"}\n");
}

static void metrics_and_the_whole_state_can_be_read(void **state)
{
    (void)state;
    assert_int_equal(get("/metrics"), 200);
    assert_string_equal(answer.type, "text/plain; version=0.0.4; charset=utf-8");
    assert_non_null(strstr(answer.body, "# TYPE "));
    assert_int_equal(get("/api/servers"), 200);
    assert_string_equal(answer.type, "application/json");
    assert_non_null(strstr(answer.body, "\"servers\":["));
}

static void a_server_is_found_by_backend_and_name_percent_encoded_or_not(void **state)
{
    static const struct {
        const char *path;
        int status;
    } cases[] = {
        {"/api/servers/b/s", 200},         {"/api/servers/b/s/", 200},
        {"/api/servers/%62/%73", 200},     {"/api/servers/b/%5B::1%5D%3A9", 200},
        {"/api/servers/b/other", 404},     {"/api/servers/other/s", 404},
        {"/api/servers/b", 404},           {"/api/servers/", 404},
        {"/api/servers/b/s/state", 405}, /* only to be changed */
        {"/api/servers/b/s/state/x", 404},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (get(cases[i].path) != cases[i].status)
            fail_msg("%s: %d %s", cases[i].path, answer.status, answer.body);
}

static void a_state_is_one_of_three_words(void **state)
{
    (void)state;
    assert_int_equal(post("/api/servers/b/s/state", "{\"state\":\"drain\"}"), 200);
    assert_int_equal(atomic_load(&server()->admin), SERVER_DRAIN);
    assert_non_null(strstr(answer.body, "\"state\":\"draining\""));
    assert_int_equal(post("/api/servers/b/s/state", "{\"state\":\"maintenance\"}"), 200);
    assert_int_equal(atomic_load(&server()->admin), SERVER_MAINTENANCE);
    static const char *const wrong[] = {
        "{\"state\":\"Ready\"}", "{\"state\":1}", "{}", "[]", "{", ""};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(post("/api/servers/b/s/state", wrong[i]), 400);
        assert_int_equal(atomic_load(&server()->admin), SERVER_MAINTENANCE);
    }
    assert_int_equal(post("/api/servers/b/s/state", "{\"state\":\"ready\"}"), 200);
    assert_int_equal(atomic_load(&server()->admin), SERVER_READY);
}

static void a_weight_is_a_whole_number_from_0_to_256(void **state)
{
    static const char *const wrong[] = {"-1", "257", "1.5", "\"7\"", "true", "null"};
    (void)state;
    for (unsigned weight = 0; weight <= 256; weight += 256) {
        char body[32];
        snprintf(body, sizeof(body), "{\"weight\":%u}", weight);
        assert_int_equal(post("/api/servers/b/s/weight", body), 200);
        assert_int_equal(atomic_load(&server()->weight), weight);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char body[32];
        snprintf(body, sizeof(body), "{\"weight\":%s}", wrong[i]);
        assert_int_equal(post("/api/servers/b/s/weight", body), 400);
        assert_int_equal(atomic_load(&server()->weight), 256);
    }
}

/* Without it a form of a foreign page would do. */
static void a_change_must_be_sent_as_json(void **state)
{
    (void)state;
    static const char path[] = "/api/servers/b/s/weight";
    assert_int_equal(post_as(NULL, path, "{\"weight\":7}"), 415);
    assert_int_equal(post_as("text/plain", path, "{\"weight\":7}"), 415);
    assert_int_equal(atomic_load(&server()->weight), 5);
    assert_int_equal(post_as("Application/JSON; charset=utf-8", path, "{\"weight\":7}"), 200);
    assert_int_equal(atomic_load(&server()->weight), 7);
}

static void nothing_else_can_be_changed(void **state)
{
    (void)state;
    assert_int_equal(post("/api/servers/b/s", "{\"weight\":7}"), 404);
    assert_int_equal(post("/api/servers/b/s/name", "{\"name\":\"x\"}"), 404);
    assert_int_equal(post("/api/servers/b/other/weight", "{\"weight\":7}"), 404);
    assert_int_equal(post("/api/servers", "{}"), 405);
}

static void the_same_address_is_left_alone(void **state)
{
    (void)state;
    int port = listening_port(PORT);
    bind_to(PORT);
    admin_keep_new(admin, &no_hosts);
    assert_int_equal(listening_port(PORT), port);
}

static void a_new_address_is_open_beside_the_old_one_until_it_is_decided(void **state)
{
    (void)state;
    bind_to(NEW_PORT);
    assert_true(listening_port(PORT) > 0 && listening_port(NEW_PORT) > 0);
    admin_unbind_new(admin);
    assert_int_equal(listening_port(NEW_PORT), 0);
    assert_int_equal(get("/healthz"), 200);
    bind_to(NEW_PORT);
    admin_keep_new(admin, &no_hosts);
    assert_int_equal(listening_port(PORT), 0);
    assert_true(listening_port(NEW_PORT) > 0);
    bind_to(NEW_PORT); /* that is the one in force now */
    assert_int_equal(listening_port(PORT), 0);
}

static void an_address_that_cannot_be_bound_leaves_the_old_one(void **state)
{
    (void)state;
    char taken[32];
    char err[256] = "";
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", workers_port(control.workers, "l"));
    assert_false(admin_bind(admin, taken, err, sizeof(err)));
    assert_non_null(strstr(err, "Address already in use"));
    admin_keep_new(admin, &no_hosts);
    assert_int_equal(get("/healthz"), 200);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_page_comes_with_its_own_policy),
        TEST(it_is_alive_and_ready_or_says_why_not),
        TEST(metrics_and_the_whole_state_can_be_read),
        TEST(a_server_is_found_by_backend_and_name_percent_encoded_or_not),
        TEST(a_state_is_one_of_three_words),
        TEST(a_weight_is_a_whole_number_from_0_to_256),
        TEST(a_change_must_be_sent_as_json),
        TEST(nothing_else_can_be_changed),
        TEST(the_same_address_is_left_alone),
        TEST(a_new_address_is_open_beside_the_old_one_until_it_is_decided),
        TEST(an_address_that_cannot_be_bound_leaves_the_old_one),
    };
    log_init("test_admin", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
