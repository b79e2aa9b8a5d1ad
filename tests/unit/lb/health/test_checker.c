/*
 * When one server is checked, and what follows from the outcome. What flows report of it:
 * test_checker_reports.c.
 */
#include "lb/health/checker.h"

#include "tests/unit/lb/health/checker_fixture.h"

static void the_first_check_starts_at_the_next_turn_and_lets_the_server_in(void **state)
{
    (void)state;
    uint64_t before_ms = clock_monotonic_ms();
    configure();
    assert_in_range(due_in_s(), 0, 1);
    assert_int_equal(server_state(server), SERVER_STATE_CHECKING);
    turn();
    uint64_t deadline_ms = before_ms + WAIT_MS;
    while (checker.passes == 0 && clock_monotonic_ms() < deadline_ms)
        turn();
    assert_int_equal(server_state(server), SERVER_STATE_UP);
    assert_int_equal(up_calls, 1);
    assert_true(checker.last_passed);
    assert_true(atomic_load(&server->up_since_ms) >= before_ms);
    assert_true(checker.changed_at_ms >= before_ms && checker.checked_at_ms >= before_ms);
    assert_due_about(HOUR_MS);
}

static void fall_failures_in_a_row_take_it_out_and_are_asked_for_fast(void **state)
{
    (void)state;
    come_up();
    stop_listening();
    check();
    assert_int_equal(server_state(server), SERVER_STATE_UP);
    assert_int_equal(checker.failures, 1);
    assert_false(checker.last_passed);
    assert_true(strlen(checker.last_error) > 0);
    assert_due_about(FAST_MS);
    check();
    assert_int_equal(server_state(server), SERVER_STATE_DOWN);
    assert_int_equal(up_calls, 1);
}

static void pausing_ends_the_check_under_way_and_resuming_begins_one_at_once(void **state)
{
    (void)state;
    configure();
    turn();
    assert_non_null(checker.probe);
    checker_pause(&checker);
    assert_null(checker.probe);
    assert_false(is_scheduled());
    checker_resume(&checker);
    assert_in_range(due_in_s(), 0, 1);
    checker_stop(&checker);
    assert_false(is_scheduled());
    assert_null(checker.config);
}

/* Whether a reload to these settings begins a check at once. */
static bool asks_again(const struct check_config *next, bool proxy_v2, uint32_t port)
{
    check();
    checker_configure(&checker, next, proxy_v2, port);
    bool again = due_in_s() <= 1;
    checker_configure(&checker, &config, false, 0);
    return again;
}

static void a_reload_checks_at_once_only_if_it_asks_differently(void **state)
{
    (void)state;
    config.path = (char *)"/readyz";
    come_up();
    const struct check_config same = config;
    struct check_config next[8] = {same, same, same, same, same, same, same, same};
    next[0].rise = next[0].fall = 9; /* these judge, and don't ask */
    next[0].fast_interval_ms = 1;
    next[1].type = LB_CHECK_NONE;
    next[2].port = 1;
    next[3].path = (char *)"/healthz";
    next[4].username = (char *)"u";
    next[5].password = (char *)"p";
    next[6].interval_ms++;
    next[7].timeout_ms++;
    assert_false(asks_again(&same, false, 0));
    assert_false(asks_again(&next[0], false, 0));
    for (size_t i = 1; i < 8; i++)
        assert_true(asks_again(&next[i], false, 0));
    assert_true(asks_again(&same, true, 0));
    assert_true(asks_again(&same, false, 1));
    assert_int_equal(server_state(server), SERVER_STATE_UP); /* health and streak stay */
}

static void the_servers_own_check_port_goes_before_the_configured_one(void **state)
{
    (void)state;
    struct sockaddr_in *addr = (struct sockaddr_in *)&server->addr;
    uint32_t open_port = ntohs(addr->sin_port);
    addr->sin_port = htons(1); /* nobody listens there */
    config.fall = 9;
    configure();
    check();
    assert_int_equal(checker.failures, 1);
    config.port = open_port;
    check();
    assert_int_equal(checker.passes, 1);
    checker_configure(&checker, &config, false, 1);
    check();
    assert_int_equal(checker.failures, 2);
}

static void what_we_lack_says_nothing_of_the_server(void **state)
{
    struct rlimit before;
    (void)state;
    come_up();
    stop_listening();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit few = {.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    check();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(checker.impossible, 1);
    assert_true(checker.lacks_something);
    assert_int_equal(checker.failures, 0);
    assert_true(checker.last_passed);
    assert_true(is_scheduled());
    check();
    assert_false(checker.lacks_something);
    assert_int_equal(checker.failures, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, checker_setup, checker_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_first_check_starts_at_the_next_turn_and_lets_the_server_in),
        TEST(fall_failures_in_a_row_take_it_out_and_are_asked_for_fast),
        TEST(pausing_ends_the_check_under_way_and_resuming_begins_one_at_once),
        TEST(a_reload_checks_at_once_only_if_it_asks_differently),
        TEST(the_servers_own_check_port_goes_before_the_configured_one),
        TEST(what_we_lack_says_nothing_of_the_server),
    };
    log_init("test_checker", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
