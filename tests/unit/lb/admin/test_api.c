/* The state as JSON: what is said of the whole, of listeners and of a server. */
#include "lb/admin/api.h"

#include "tests/unit/lb/admin/control_fixture.h"

#include <stdio.h>
#include <unistd.h>

#define NOW_MS 100000u

static cJSON *json;

/* Of port 0 a listener would get only one address. */
static unsigned free_port(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    close(fd);
    return ntohs(addr.sin_port);
}

static char listens_at[32];

static int setup(void **state)
{
    (void)state;
    json = NULL;
    snprintf(listens_at, sizeof(listens_at), "localhost:%u", free_port());
    control_start(listens_at);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cJSON_Delete(json);
    control_end();
    return 0;
}

static const cJSON *at(const cJSON *from, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(from, key);
    if (item == NULL)
        fail_msg("no '%s'", key);
    return item;
}

static void says(const cJSON *from, const char *key, const char *text)
{
    assert_string_equal(cJSON_GetStringValue(at(from, key)), text);
}

static double number(const cJSON *from, const char *key)
{
    return at(from, key)->valuedouble;
}

static struct member *member(void)
{
    return pool_find(control_find_pool(&control, "b"), "s");
}

static const cJSON *tell(void)
{
    cJSON_Delete(json);
    json = api_server(member(), NOW_MS);
    return json;
}

static void a_server_has_its_name_address_source_and_state(void **state)
{
    (void)state;
    const cJSON *s = tell();
    says(s, "backend", "b");
    says(s, "name", "s");
    says(s, "address", "127.0.0.1:9");
    says(s, "source", "list");
    says(s, "state", "up");
    assert_true(cJSON_IsFalse(at(s, "removed")));
    assert_true(number(s, "weight") == 5);
    member()->server->source = SERVER_FROM_DNS;
    says(tell(), "source", "dns");
    member()->server->source = SERVER_FROM_LIST;
}

static void a_state_is_as_old_as_its_last_change_in_tenths_of_a_second(void **state)
{
    static const struct {
        uint64_t changed_at_ms;
        double age_s;
    } cases[] = {
        {NOW_MS - 1240, 1.2},
        {NOW_MS - 1250, 1.3},
        {NOW_MS, 0},
        {NOW_MS + 5, 0}, /* in the future */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        member()->checker.changed_at_ms = cases[i].changed_at_ms;
        assert_true(number(tell(), "state_since_s") == cases[i].age_s);
    }
}

static void a_check_is_none_passed_or_failed(void **state)
{
    (void)state;
    struct checker *c = &member()->checker;
    c->checked_at_ms = 0;
    const cJSON *check = at(tell(), "check");
    says(check, "status", "none");
    assert_null(cJSON_GetObjectItemCaseSensitive(check, "age_s")); /* there was none */
    c->checked_at_ms = NOW_MS - 2000;
    c->last_passed = true;
    check = at(tell(), "check");
    says(check, "status", "passed");
    assert_true(number(check, "age_s") == 2);
    c->last_passed = false;
    says(at(tell(), "check"), "status", "failed");
}

static void the_type_of_a_check_is_the_configurations_or_none(void **state)
{
    static const char *const names[] = {"tcp", "mqtt", "http", "none"};
    static const enum lb_check_type types[] = {LB_CHECK_TCP, LB_CHECK_MQTT, LB_CHECK_HTTP,
                                               LB_CHECK_NONE};
    (void)state;
    struct checker *c = &member()->checker;
    const struct check_config *before = c->config;
    for (size_t i = 0; i < 4; i++) {
        const struct check_config config = {.type = types[i]};
        c->config = &config;
        says(at(tell(), "check"), "type", names[i]);
    }
    c->config = NULL; /* it drains */
    says(at(tell(), "check"), "type", "none");
    c->config = before;
}

static void the_whole_says_whether_and_why_it_isnt_ready(void **state)
{
    (void)state;
    json = api_servers(&control, NOW_MS);
    const cJSON *lb = at(json, "lb");
    assert_true(cJSON_IsTrue(at(lb, "ready")));
    says(lb, "not_ready_because", "");
    assert_true(number(lb, "workers") == 1);
    assert_true(number(lb, "config_generation") == 3);
    cJSON_Delete(json);
    control.draining = true;
    strcpy(control.last_reload_error, "lb.yaml:1:1: wrong");
    json = api_servers(&control, NOW_MS);
    lb = at(json, "lb");
    assert_true(cJSON_IsFalse(at(lb, "ready")));
    says(lb, "not_ready_because", "draining");
    says(lb, "config_error", "lb.yaml:1:1: wrong");
}

static void a_listener_of_two_addresses_stands_once(void **state)
{
    (void)state;
    json = api_servers(&control, NOW_MS);
    const cJSON *list = at(json, "listeners");
    assert_int_equal(control.snapshot->listener_count, 2);
    assert_int_equal(cJSON_GetArraySize(list), 1);
    const cJSON *l = cJSON_GetArrayItem(list, 0);
    says(l, "name", "l");
    says(l, "bind", listens_at);
    says(l, "backend", "b");
    assert_true(cJSON_IsFalse(at(l, "tls")));
    assert_true(number(l, "port") == workers_port(control.workers, "l"));
    control_end();
    control_start("127.0.0.1:0"); /* as does one of one address */
    cJSON_Delete(json);
    json = api_servers(&control, NOW_MS);
    assert_int_equal(cJSON_GetArraySize(at(json, "listeners")), 1);
}

static void each_server_of_each_pool_is_listed(void **state)
{
    (void)state;
    json = api_servers(&control, NOW_MS);
    assert_int_equal(cJSON_GetArraySize(at(json, "servers")), 2);
    says(cJSON_GetArrayItem(at(json, "servers"), 1), "name", "[::1]:9");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_server_has_its_name_address_source_and_state),
        TEST(a_state_is_as_old_as_its_last_change_in_tenths_of_a_second),
        TEST(a_check_is_none_passed_or_failed),
        TEST(the_type_of_a_check_is_the_configurations_or_none),
        TEST(the_whole_says_whether_and_why_it_isnt_ready),
        TEST(a_listener_of_two_addresses_stands_once),
        TEST(each_server_of_each_pool_is_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
