/* turn_clock: where the boxes of a turn's phases end, and which time counts as the turn's. The clocks are set back
 * rather than waited for. */
#include "broker/base/turn_clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/metrics/metrics.h"

enum { MS = 1000 * 1000 }; /* in ns */

static struct turn_clock begun(void)
{
    struct turn_clock c = {0};
    assert_true(turn_clock_init(&c, NULL));
    turn_clock_begin(&c);
    return c;
}

/* ---- boxes ------------------------------------------------------------------------------------ */

static void the_phases_of_a_turn_end_one_after_another_within_the_bound(void **state)
{
    (void)state;
    uint32_t before = 0;
    for (int phase = 0; phase < TURN_DRAIN; phase++) {
        uint32_t end = turn_clock_budget_us((enum turn_phase)phase);
        assert_true(end > before);
        before = end;
    }
    assert_true(before < 50000);
    assert_true(turn_clock_budget_us(TURN_DRAIN) > 0);
}

static void a_box_ends_at_its_point_of_the_turn(void **state)
{
    (void)state;
    struct turn_clock c = begun();
    struct timebox box;
    turn_clock_open(&c, &box, TURN_WORK);
    assert_int_equal(box.cpu_end_ns, c.cpu_ns + turn_clock_budget_us(TURN_WORK) * 1000u);
    assert_int_equal(box.look_ns, c.began_ns + turn_clock_budget_us(TURN_WORK) * 1000u);
}

static void cuts_are_counted_by_phase(void **state)
{
    (void)state;
    struct turn_clock c = begun();
    turn_clock_cut(&c, TURN_FLUSH);
    turn_clock_cut(&c, TURN_FLUSH);
    assert_int_equal(c.cut[TURN_FLUSH], 2);
    assert_int_equal(c.cut[TURN_WORK], 0);
}

/* ---- time ------------------------------------------------------------------------------------- */

/* A turn of so long by the wall clock, the thread's clock being read right before. Tried again if this process stood
 * still meanwhile. */
static struct turn_clock short_turn(uint64_t wall_ns)
{
    for (int i = 0; i < 100; i++) {
        struct turn_clock c = begun();
        uint64_t cpu_ns = c.cpu_ns;
        c.began_ns -= wall_ns;
        turn_clock_end(&c);
        if (c.cpu_ns == cpu_ns)
            return c;
    }
    fail_msg("the thread's clock is read each time");
    return (struct turn_clock){0};
}

static void a_short_turn_counts_with_its_wall_time(void **state)
{
    (void)state;
    struct turn_clock c = short_turn(MS);
    assert_true(c.longest_ns >= MS);
}

static void a_long_turn_is_in_the_log(void **state)
{
    (void)state;
    char line[1024];
    int fds[2];
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    log_set_fd(fds[1]);
    short_turn(45ull * MS);
    ssize_t before = read(fds[0], line, sizeof(line));
    short_turn(51ull * MS);
    log_set_fd(2);
    assert_int_equal(before, -1);
    ssize_t n = read(fds[0], line, sizeof(line) - 1);
    assert_true(n > 0);
    line[n] = '\0';
    assert_non_null(strstr(line, "turn_long"));
    close(fds[0]);
    close(fds[1]);
}

static void a_longer_one_counts_with_its_cpu_time(void **state)
{
    (void)state;
    struct turn_clock c = begun();
    uint64_t cpu_ns = c.cpu_ns;
    c.cpu_read_ns -= 2 * MS;
    c.began_ns -= 1000ull * MS; /* it was kept from running */
    turn_clock_end(&c);
    assert_true(c.cpu_ns > cpu_ns);
    assert_true(c.cpu_read_ns >= c.began_ns + 1000ull * MS);
    assert_true(c.longest_ns < 1000ull * MS);
    assert_int_equal(c.longest_ns, c.cpu_ns - cpu_ns);
}

static void the_longest_turn_is_kept(void **state)
{
    (void)state;
    struct turn_clock c = begun();
    c.longest_ns = 5000ull * MS;
    turn_clock_end(&c);
    assert_int_equal(c.longest_ns, 5000ull * MS);
}

static void turns_are_observed_where_there_are_metrics(void **state)
{
    (void)state;
    struct metrics *m = metrics_new();
    struct turn_clock c = {0};
    assert_true(turn_clock_init(&c, m));
    assert_non_null(c.cpu);
    assert_non_null(c.wall);
    turn_clock_begin(&c);
    turn_clock_end(&c);
    metrics_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_phases_of_a_turn_end_one_after_another_within_the_bound),
        cmocka_unit_test(a_box_ends_at_its_point_of_the_turn),
        cmocka_unit_test(cuts_are_counted_by_phase),
        cmocka_unit_test(a_short_turn_counts_with_its_wall_time),
        cmocka_unit_test(a_long_turn_is_in_the_log),
        cmocka_unit_test(a_longer_one_counts_with_its_cpu_time),
        cmocka_unit_test(the_longest_turn_is_kept),
        cmocka_unit_test(turns_are_observed_where_there_are_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
