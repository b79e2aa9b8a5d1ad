/* heart: a thread of its own beats for a node, and leaves for the loop what Redis said. */
#include "broker/fleet/lease/heart.h"
#include "tests/unit/broker/fleet/lease/heart_rig.h"

static void an_answered_beat_renews_the_lease_and_is_reported(void **state)
{
    struct rig *rig = *state;
    struct heart_report r;
    begin(rig);
    assert_int_equal(heart_alive_ms(rig->heart), rig->begun_ms);
    heart_turned(rig->heart, 5);
    assert_string_equal(read_beat(rig), BEAT);
    assert_int_equal(heart_connects(rig->heart), 1);
    assert_false(heart_take(rig->heart, &r)); /* nothing is there yet */
    say(rig, ALIVE "$1\r\ng\r\n*0\r\n*0\r\n*2\r\n$16\r\n000000000000000a\r\n$16\r\n"
                   "000000000000000b\r\n");
    r = take(rig);
    assert_int_equal(r.word, HEART_ALIVE);
    assert_int_equal(r.node, NODE);
    assert_int_equal(r.ver, 7);
    assert_int_equal(r.applied, 5);
    assert_string_equal(r.run_id, "r1");
    assert_true(r.listed);
    assert_int_equal(r.node_count, 2);
    assert_int_equal(heart_alive_ms(rig->heart), r.sent_ms);
    assert_true(r.sent_ms >= rig->begun_ms);
    assert_false(heart_is_unsure(rig->heart, r.sent_ms + LONG_MS / 10 * 8));
    assert_true(heart_is_unsure(rig->heart, r.sent_ms + LONG_MS / 10 * 8 + 1));
    heart_report_fini(&r);
    assert_false(heart_take(rig->heart, &r)); /* once */
}

/* It has the list, and says of which generation; on a new connection it asks for it once more. */
static void the_list_of_nodes_is_asked_for_once(void **state)
{
    struct rig *rig = *state;
    begin(rig);
    read_beat(rig);
    say(rig, ALIVE "$1\r\ng\r\n*0\r\n*0\r\n*0\r\n");
    struct heart_report r = take(rig);
    heart_report_fini(&r);
    assert_string_equal(read_beat(rig), BEAT "g");
    say(rig, ALIVE "$1\r\ng\r\n*0\r\n*0\r\n$0\r\n\r\n");
    r = take(rig);
    assert_false(r.listed);
    heart_report_fini(&r);
    read_beat(rig);
    close(rig->fd);
    rig->fd = -1;
    accept_heart(rig);
    assert_string_equal(read_beat(rig), BEAT);
    assert_int_equal(heart_connects(rig->heart), 2);
}

static void the_dead_are_told_and_renew_nothing(void **state)
{
    struct rig *rig = *state;
    begin(rig);
    read_beat(rig);
    say(rig, "*1\r\n$4\r\ndead\r\n");
    struct heart_report r = take(rig);
    assert_int_equal(r.word, HEART_DEAD);
    assert_int_equal(heart_alive_ms(rig->heart), rig->begun_ms);
    heart_report_fini(&r);
}

/* Redis lost it; or the answer isn't one that this version knows. */
static void what_isnt_alive_is_unknown(void **state)
{
    static const char *const says[] = {
        "*2\r\n$7\r\nunknown\r\n$1\r\n9\r\n",
        ALIVE "$1\r\ng\r\n$0\r\n\r\n*0\r\n*0\r\n", /* no array of those that stand */
        ALIVE "$1\r\ng\r\n*0\r\n$0\r\n\r\n*0\r\n", /* none of the dead */
    };
    struct rig *rig = *state;
    begin(rig);
    for (size_t i = 0; i < 3; i++) {
        struct heart_report r;
        read_beat(rig);
        say(rig, says[i]);
        r = take(rig);
        assert_int_equal(r.word, HEART_UNKNOWN);
        assert_int_equal(r.ver, i == 0 ? 9 : 7);
        assert_int_equal(heart_alive_ms(rig->heart), r.sent_ms);
        heart_report_fini(&r);
    }
}

/* It says nothing, and is said again. */
static void an_error_is_no_answer(void **state)
{
    struct rig *rig = *state;
    struct heart_report r;
    begin(rig);
    read_beat(rig);
    say(rig, "-ERR\r\n");
    read_beat(rig);
    say(rig, ":1\r\n");
    read_beat(rig);
    say(rig, "*0\r\n");
    read_beat(rig);
    assert_false(heart_take(rig->heart, &r));
    assert_int_equal(heart_alive_ms(rig->heart), rig->begun_ms);
}

/* By then this node must have been unsure: others may have taken it for dead. */
static void an_answer_that_came_too_late_counts_for_nothing(void **state)
{
    enum { LEASE_MS = 50 };
    struct rig *rig = *state;
    struct heart_report r;

    rig->cfg.lease_ms = LEASE_MS;
    begin(rig);
    read_beat(rig);
    for (uint64_t until_ms = clock_boottime_ms() + LEASE_MS; clock_boottime_ms() < until_ms;)
        is_ready(rig->fd, 5);
    say(rig, ALIVE "$1\r\ng\r\n*0\r\n*0\r\n*0\r\n");
    assert_string_equal(read_beat(rig), BEAT); /* it takes nothing from that answer */
    assert_false(heart_take(rig->heart, &r));
    assert_int_equal(heart_alive_ms(rig->heart), rig->begun_ms);
}

/* What is said of the former one isn't reported. */
static void a_node_of_another_id_begins_anew(void **state)
{
    struct rig *rig = *state;
    struct heart_report r;
    begin(rig);
    read_beat(rig);
    say(rig, ALIVE "$1\r\ng\r\n*0\r\n*0\r\n*0\r\n");
    assert_true(is_ready(rig->cfg.wake_fd, DEADLINE_MS)); /* and nobody took it */
    heart_begin(rig->heart, NODE + 1, rig->begun_ms);
    assert_false(heart_take(rig->heart, &r));
    assert_int_equal(heart_alive_ms(rig->heart), rig->begun_ms);
    accept_heart(rig); /* an answer may have been on its way */
    assert_string_equal(read_beat(rig), "beat fl:{r}: 000000000000000b 60 ");
}

static void one_that_ends_beats_no_more(void **state)
{
    struct rig *rig = *state;
    begin(rig);
    read_beat(rig);
    heart_end(rig->heart);
    assert_int_equal(heart_alive_ms(rig->heart), 0);
    assert_true(heart_is_unsure(rig->heart, clock_boottime_ms()));
    accept_heart(rig); /* it comes back, and says nothing */
    assert_false(is_ready(rig->fd, 3 * INTERVAL_MS));
}

/* It doesn't turn for `hang_ms`: others are to take its clients. Then it turns again. */
static void a_loop_that_hangs_has_no_heartbeat(void **state)
{
    struct rig *rig = *state;
    rig->cfg.hang_ms = 4 * INTERVAL_MS;
    begin(rig);
    for (int i = 0; is_ready(rig->fd, 4 * INTERVAL_MS) || rig->len > 0; i++) {
        assert_true(i < 100);
        read_beat(rig);
        say(rig, "*2\r\n$7\r\nunknown\r\n$1\r\n9\r\n");
    }
    heart_turned(rig->heart, 0);
    assert_string_equal(read_beat(rig), BEAT);
}

int main(void)
{
#define IN_RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        IN_RIG(an_answered_beat_renews_the_lease_and_is_reported),
        IN_RIG(the_list_of_nodes_is_asked_for_once),
        IN_RIG(the_dead_are_told_and_renew_nothing),
        IN_RIG(what_isnt_alive_is_unknown),
        IN_RIG(an_error_is_no_answer),
        IN_RIG(an_answer_that_came_too_late_counts_for_nothing),
        IN_RIG(a_node_of_another_id_begins_anew),
        IN_RIG(one_that_ends_beats_no_more),
        IN_RIG(a_loop_that_hangs_has_no_heartbeat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
