/* What a slow reader of the log gets: whole lines in order, and where some are missing, how many. */
#include "common/log/log_ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static size_t gap_line(char *buf, size_t size, uint64_t dropped)
{
    return (size_t)snprintf(buf, size, "gap %u\n", (unsigned)dropped);
}

static bool put(struct log_ring *r, const char *line)
{
    return log_ring_put(r, line, strlen(line));
}

static void assert_takes(struct log_ring *r, size_t size, const char *expected)
{
    char buf[256];
    size_t len = log_ring_take(r, buf, size);
    buf[len] = '\0';
    assert_string_equal(buf, expected);
}

static void lines_come_out_whole_and_in_order(void **state)
{
    struct log_ring r;
    (void)state;
    assert_true(log_ring_init(&r, 64, gap_line));
    assert_takes(&r, 64, "");
    assert_true(put(&r, "one\n"));
    assert_true(put(&r, "two\n"));
    assert_true(put(&r, "three\n"));
    assert_takes(&r, 10, "one\ntwo\n");
    assert_takes(&r, 3, "thr"); /* longer than what is asked for */
    assert_takes(&r, 64, "ee\n");
    assert_takes(&r, 64, "");
    log_ring_fini(&r);
}

static void lines_go_around_the_end(void **state)
{
    struct log_ring r;
    (void)state;
    assert_true(log_ring_init(&r, 16, gap_line));
    for (int i = 0; i < 100; i++) {
        char line[16];
        snprintf(line, sizeof(line), "line %d\n", i);
        assert_true(put(&r, line));
        assert_takes(&r, 16, line);
    }
    log_ring_fini(&r);
}

static void what_does_not_fit_is_counted_where_it_is_missing(void **state)
{
    struct log_ring r;
    (void)state;
    assert_true(log_ring_init(&r, 16, gap_line));
    assert_true(put(&r, "aaaaaa\n"));
    assert_true(put(&r, "bbbbbb\n"));
    assert_false(put(&r, "cccccc\n"));
    assert_false(put(&r, "d\n")); /* would fit, but not at its place */
    assert_takes(&r, 7, "aaaaaa\n");
    assert_true(put(&r, "e\n")); /* drained to a half: after the gap */
    assert_takes(&r, 64, "bbbbbb\ngap 2\ne\n");
    assert_int_equal(r.dropped_total, 2);
    assert_int_equal(r.gap, 0);
    log_ring_fini(&r);
}

static void a_ring_that_stays_full_goes_on_dropping(void **state)
{
    struct log_ring r;
    (void)state;
    assert_true(log_ring_init(&r, 32, gap_line));
    for (int i = 0; i < 4; i++)
        assert_true(put(&r, "1234567\n"));
    for (int i = 0; i < 1000; i++)
        assert_false(put(&r, "1234567\n"));
    assert_takes(&r, 8, "1234567\n");
    assert_false(put(&r, "x\n")); /* three quarters full still */
    assert_takes(&r, 8, "1234567\n");
    assert_takes(&r, 64, "1234567\n1234567\ngap 1001\n");
    assert_int_equal(r.dropped_total, 1001);
    log_ring_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_whole_and_in_order),
        cmocka_unit_test(lines_go_around_the_end),
        cmocka_unit_test(what_does_not_fit_is_counted_where_it_is_missing),
        cmocka_unit_test(a_ring_that_stays_full_goes_on_dropping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
