/* What flows report of a server, and when it is checked because of that. */
#include "lb/health/checker.h"

#include "tests/unit/lb/health/checker_fixture.h"

static void a_refused_flow_takes_it_out_at_once_and_rise_passes_bring_it_back(void **state)
{
    (void)state;
    come_up();
    server_report(server, CONNECT_REFUSED);
    checker_collect_reports(&checker);
    assert_int_equal(server_state(server), SERVER_STATE_DOWN);
    checker_collect_reports(&checker); /* the report is taken once */
    check();
    assert_int_equal(server_state(server), SERVER_STATE_DOWN);
    check();
    assert_int_equal(server_state(server), SERVER_STATE_UP);
    assert_int_equal(up_calls, 2);
}

static void a_doubt_brings_the_next_check_forward_to_the_fast_interval(void **state)
{
    (void)state;
    come_up();
    checker_collect_reports(&checker); /* none */
    assert_due_about(HOUR_MS);
    server_report(server, CONNECT_TIMEOUT);
    checker_collect_reports(&checker);
    assert_int_equal(server_state(server), SERVER_STATE_UP);
    assert_due_about(FAST_MS);
    checker.checked_at_ms -= FAST_MS; /* the last check is as old as that */
    server_report(server, CONNECT_FAILED);
    checker_collect_reports(&checker);
    assert_in_range(due_in_s(), 0, 1);
}

static void a_doubt_puts_no_check_off(void **state)
{
    (void)state;
    config.interval_ms = 10000; /* sooner than the fast interval asks for */
    come_up();
    server_report(server, CONNECT_TIMEOUT);
    checker_collect_reports(&checker);
    assert_due_about(10000);
}

static void a_doubt_during_a_check_begins_no_other(void **state)
{
    (void)state;
    configure();
    turn();
    assert_non_null(checker.probe);
    server_report(server, CONNECT_TIMEOUT);
    checker_collect_reports(&checker);
    assert_false(is_scheduled());
}

static void in_maintenance_nothing_is_checked(void **state)
{
    (void)state;
    atomic_store(&server->admin, SERVER_MAINTENANCE);
    configure();
    assert_false(is_scheduled());
    server_report(server, CONNECT_TIMEOUT);
    checker_collect_reports(&checker);
    assert_false(is_scheduled());
}

static void without_checks_it_is_up_and_a_refused_flow_sets_it_aside_for_an_interval(void **state)
{
    (void)state;
    config.type = LB_CHECK_NONE;
    stop_listening();
    configure();
    turn();
    assert_int_equal(server_state(server), SERVER_STATE_UP);
    assert_false(is_scheduled());
    server_report(server, CONNECT_TIMEOUT);
    checker_collect_reports(&checker);
    assert_false(is_scheduled());
    server_report(server, CONNECT_REFUSED);
    checker_collect_reports(&checker);
    assert_int_equal(server_state(server), SERVER_STATE_DOWN);
    assert_due_about(HOUR_MS);
    check(); /* the interval is over */
    assert_int_equal(server_state(server), SERVER_STATE_UP);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, checker_setup, checker_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_refused_flow_takes_it_out_at_once_and_rise_passes_bring_it_back),
        TEST(a_doubt_brings_the_next_check_forward_to_the_fast_interval),
        TEST(a_doubt_puts_no_check_off),
        TEST(a_doubt_during_a_check_begins_no_other),
        TEST(in_maintenance_nothing_is_checked),
        TEST(without_checks_it_is_up_and_a_refused_flow_sets_it_aside_for_an_interval),
    };
    log_init("test_checker_reports", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
