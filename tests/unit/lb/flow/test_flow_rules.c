/* What a flow does next, as tables. */
#include "lb/flow/flow_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void failed_server_is_replaced_while_the_client_need_not_notice(void **state)
{
    (void)state;
    static const struct {
        struct flow_tries tries;
        enum flow_next next;
    } cases[] = {
        /* refused, nothing was sent: any number of servers up to the limit */
        {{.servers = 1, .retries = 3}, FLOW_NEXT_RETRY},
        {{.servers = 3, .retries = 3}, FLOW_NEXT_RETRY},
        {{.servers = 4, .retries = 3}, FLOW_NEXT_CLOSE},
        {{.servers = 1, .retries = 0}, FLOW_NEXT_CLOSE},
        /* bytes were sent: they are sent again once */
        {{.servers = 1, .retries = 3, .sent = true}, FLOW_NEXT_RETRY},
        {{.servers = 2, .retries = 3, .sent = true, .replays = 1}, FLOW_NEXT_CLOSE},
        /* after a replay a refused server may still be passed over */
        {{.servers = 2, .retries = 3, .replays = 1}, FLOW_NEXT_RETRY},
        /* a client that said all it had to say still wants an answer; one that said nothing doesn't
         */
        {{.servers = 1, .retries = 3, .sent = true, .client_ended = true}, FLOW_NEXT_RETRY},
        {{.servers = 1, .retries = 3, .client_ended = true}, FLOW_NEXT_CLOSE},
        {{.servers = 1, .retries = 3, .sent = true, .client_ended = true, .both_ended = true},
         FLOW_NEXT_CLOSE},
        {{.servers = 1, .retries = 3, .sent = true, .client_reset = true}, FLOW_NEXT_CLOSE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(flow_after_failure(&cases[i].tries), cases[i].next);
}

static void silent_server_is_left_only_once_and_only_when_asked_something(void **state)
{
    (void)state;
    assert_true(
        flow_may_leave_silent(&(struct flow_tries){.servers = 1, .retries = 3, .sent = true}));
    assert_false(flow_may_leave_silent(&(struct flow_tries){.servers = 1, .retries = 3}));
    assert_false(flow_may_leave_silent(
        &(struct flow_tries){.servers = 2, .retries = 3, .sent = true, .replays = 1}));
    assert_false(
        flow_may_leave_silent(&(struct flow_tries){.servers = 1, .retries = 0, .sent = true}));
}

static void flow_is_over_when_both_ends_were_passed_on_or_nobody_can_be_written(void **state)
{
    (void)state;
    static const struct {
        struct flow_ends ends;
        enum flow_phase phase;
    } cases[] = {
        {{0}, FLOW_PHASE_OPEN},
        {{.client_ended = true}, FLOW_PHASE_HALF_CLOSED},
        {{.server_ended = true, .down_finished = true}, FLOW_PHASE_HALF_CLOSED},
        {{.client_broken = true}, FLOW_PHASE_HALF_CLOSED},
        {{.client_ended = true, .client_broken = true, .up_finished = true},
         FLOW_PHASE_HALF_CLOSED},
        {{.client_ended = true, .server_ended = true, .up_finished = true}, FLOW_PHASE_HALF_CLOSED},
        {{.client_ended = true, .server_ended = true, .up_finished = true, .down_finished = true},
         FLOW_PHASE_OVER},
        {{.client_broken = true, .server_broken = true}, FLOW_PHASE_OVER},
        /* an end that is still behind bytes which the other side doesn't take */
        {{.server_hangup = true}, FLOW_PHASE_HALF_CLOSED},
        {{.client_hangup = true}, FLOW_PHASE_HALF_CLOSED},
        /* a reset: first what came before it */
        {{.server_ended = true, .server_broken = true, .server_aborted = true},
         FLOW_PHASE_HALF_CLOSED},
        {{.server_ended = true,
          .server_broken = true,
          .server_aborted = true,
          .down_finished = true},
         FLOW_PHASE_RESET_CLIENT},
        {{.client_ended = true, .client_broken = true, .client_aborted = true, .up_finished = true},
         FLOW_PHASE_RESET_SERVER},
        {{.client_ended = true,
          .client_broken = true,
          .client_aborted = true,
          .up_finished = true,
          .server_ended = true,
          .down_finished = true},
         FLOW_PHASE_RESET_SERVER},
        {{.client_broken = true,
          .client_aborted = true,
          .server_broken = true,
          .up_finished = true},
         FLOW_PHASE_OVER},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(flow_phase_of(&cases[i].ends), cases[i].phase);
}

static void progress_puts_the_half_closed_end_off_unless_a_side_broke(void **state)
{
    (void)state;
    struct flow_ends ended = {.client_ended = true};
    struct flow_ends broken = {.client_ended = true, .client_broken = true};
    assert_int_equal(flow_half_close_deadline(&ended, 1000, 5000, 30000), 35000);
    assert_int_equal(flow_half_close_deadline(&ended, 1000, 5000, 0), 0);
    assert_int_equal(flow_half_close_deadline(&broken, 1000, 5000, 30000), 1000 + FLOW_LINGER_MS);
    assert_int_equal(flow_half_close_deadline(&broken, 1000, 5000, 0), 1000 + FLOW_LINGER_MS);
}

static void what_waits_for_a_peer_has_a_limit(void **state)
{
    (void)state;
    assert_int_equal(flow_stall_limit(true, 300000, 30000), 300000);
    assert_int_equal(flow_stall_limit(true, 0, 30000), 0);
    assert_int_equal(flow_stall_limit(false, 300000, 30000), 30000);
    assert_int_equal(flow_stall_limit(false, 10000, 30000), 10000);
    assert_int_equal(flow_stall_limit(false, 0, 30000), 30000);
    assert_int_equal(flow_stall_limit(false, 300000, 0), 300000);
    assert_int_equal(flow_stall_limit(false, 0, 0), 0);
}

static void looking_whether_a_reset_may_follow_becomes_rarer(void **state)
{
    (void)state;
    uint64_t now_ms = 1000;
    unsigned looks = 0;
    for (; now_ms < 31000; looks++)
        now_ms = flow_reset_poll(1000, now_ms);
    assert_in_range(looks, 5, 40);
    assert_int_equal(flow_reset_poll(1000, 1000), 1000 + FLOW_RESET_POLL_MS);
}

static void queued_flow_asks_again_and_gives_up_in_time(void **state)
{
    (void)state;
    assert_int_equal(flow_queue_deadline(1000, 9000), 1000 + FLOW_QUEUE_POLL_MS);
    assert_int_equal(flow_queue_deadline(1000, 1100), 1100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_server_is_replaced_while_the_client_need_not_notice),
        cmocka_unit_test(silent_server_is_left_only_once_and_only_when_asked_something),
        cmocka_unit_test(flow_is_over_when_both_ends_were_passed_on_or_nobody_can_be_written),
        cmocka_unit_test(progress_puts_the_half_closed_end_off_unless_a_side_broke),
        cmocka_unit_test(what_waits_for_a_peer_has_a_limit),
        cmocka_unit_test(looking_whether_a_reset_may_follow_becomes_rarer),
        cmocka_unit_test(queued_flow_asks_again_and_gives_up_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
