/* watch: since when another node stands still, by two clocks of which neither is trusted alone. */
#include "broker/fleet/lease/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Where the clocks stand when a test begins. */
enum { OURS = 50000 };
static const uint64_t REDIS = 1700000000000;

/* Beats at these times after the beginning, in ms; the clocks go alike. */
static void beat(struct watch *w, uint64_t at)
{
    watch_begin(w, OURS + at, REDIS + at);
}

static uint64_t see(struct watch *w, uint64_t id, uint64_t beat_ms)
{
    uint64_t since_ms = 0;
    assert_true(watch_see(w, id, beat_ms, &since_ms));
    return since_ms;
}

static void a_node_stands_since_our_oldest_beat_after_its_last(void **state)
{
    struct watch w = {0};
    (void)state;
    for (uint64_t at = 0; at <= 3000; at += 1000) {
        beat(&w, at);
        watch_end(&w);
    }
    beat(&w, 4000);
    assert_int_equal(see(&w, 1, REDIS + 2000), OURS + 2000);
    assert_int_equal(see(&w, 2, REDIS + 2001), OURS + 3000);
    assert_int_equal(see(&w, 3, REDIS + 3500), OURS + 4000);
    watch_fini(&w);
}

static void it_stands_since_then_as_long_as_its_beat_is_the_same(void **state)
{
    struct watch w = {0};
    (void)state;
    beat(&w, 0);
    assert_int_equal(see(&w, 1, REDIS - 1500), OURS);
    watch_end(&w);
    for (uint64_t at = 1000; at <= 20000; at += 1000) { /* longer than beats are remembered */
        beat(&w, at);
        assert_int_equal(see(&w, 1, REDIS - 1500), OURS);
        watch_end(&w);
    }
    beat(&w, 21000);
    assert_int_equal(see(&w, 1, REDIS + 20500), OURS + 21000);
    watch_fini(&w);
}

static void one_that_beat_meanwhile_is_forgotten(void **state)
{
    struct watch w = {0};
    (void)state;
    beat(&w, 0);
    see(&w, 1, REDIS - 1500);
    see(&w, 2, REDIS - 1500);
    watch_end(&w);
    beat(&w, 1000);
    see(&w, 2, REDIS - 1500);
    watch_end(&w);
    assert_int_equal(w.count, 1);
    watch_fini(&w);
}

static void what_was_before_a_clock_was_set_counts_for_nothing(void **state)
{
    struct watch w = {0};
    (void)state;
    beat(&w, 0);
    see(&w, 1, REDIS - 1500);
    watch_end(&w);
    watch_begin(&w, OURS + 1000, REDIS + 1000 + 3600000); /* ahead */
    assert_int_equal(see(&w, 1, REDIS - 1500), OURS + 1000);
    assert_int_equal(see(&w, 2, REDIS + 500), OURS + 1000);
    watch_end(&w);
    watch_begin(&w, OURS + 2000, REDIS + 2000); /* and back */
    assert_int_equal(see(&w, 1, REDIS - 1500), OURS + 2000);
    assert_int_equal(see(&w, 2, REDIS + 3600500), OURS + 2000); /* from what is the future now */
    watch_fini(&w);
}

static void beats_that_were_missed_begin_anew(void **state)
{
    struct watch w = {0};
    (void)state;
    beat(&w, 0);
    see(&w, 1, REDIS - 1500);
    watch_end(&w);
    watch_forget(&w);
    beat(&w, 9000);
    assert_int_equal(see(&w, 1, REDIS - 1500), OURS + 9000);
    watch_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_stands_since_our_oldest_beat_after_its_last),
        cmocka_unit_test(it_stands_since_then_as_long_as_its_beat_is_the_same),
        cmocka_unit_test(one_that_beat_meanwhile_is_forgotten),
        cmocka_unit_test(what_was_before_a_clock_was_set_counts_for_nothing),
        cmocka_unit_test(beats_that_were_missed_begin_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
