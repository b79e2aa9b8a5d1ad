/* Latency percentiles with known answers, and the bound of their error. */
#include "tests/bench/load/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct histogram *fresh(void)
{
    struct histogram *h = calloc(1, sizeof(*h));
    assert_non_null(h);
    return h;
}

/* At least `exact`, and at most 1/64 above it. */
static void assert_close(uint64_t got, uint64_t exact)
{
    assert_true(got >= exact);
    assert_true(got <= exact + exact / 64);
}

static void nothing_recorded_is_zero(void **state)
{
    (void)state;
    struct histogram *h = fresh();
    assert_int_equal(histogram_quantile(h, 0.5), 0);
    free(h);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    struct histogram *h = fresh();
    for (uint64_t v = 1; v <= 100; v++)
        histogram_record(h, v);
    assert_int_equal(histogram_quantile(h, 0.01), 1);
    assert_int_equal(histogram_quantile(h, 0.5), 50);
    assert_int_equal(histogram_quantile(h, 0.99), 99);
    assert_int_equal(histogram_quantile(h, 1), 100);
    free(h);
}

static void percentiles_of_a_million_values_are_within_one_64th(void **state)
{
    (void)state;
    static const double fractions[] = {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    struct histogram *h = fresh();
    for (uint64_t v = 1; v <= 1000000; v++)
        histogram_record(h, v * 997); /* 1 µs to 1 s */
    for (size_t i = 0; i < sizeof(fractions) / sizeof(fractions[0]); i++)
        assert_close(histogram_quantile(h, fractions[i]), (uint64_t)(fractions[i] * 1e6) * 997);
    free(h);
}

static void each_magnitude_is_within_one_64th(void **state)
{
    (void)state;
    for (uint64_t v = 1; v < UINT64_MAX / 3; v = v * 3 / 2 + 1) {
        struct histogram *h = fresh();
        histogram_record(h, v);
        histogram_record(h, UINT64_MAX); /* so that the maximum doesn't cap it */
        assert_close(histogram_quantile(h, 0.5), v);
        free(h);
    }
}

static void one_slow_message_in_a_thousand_is_the_p999_and_not_the_p99(void **state)
{
    (void)state;
    struct histogram *h = fresh();
    for (int i = 0; i < 998; i++)
        histogram_record(h, 10);
    histogram_record(h, 5000000);
    histogram_record(h, 9000000);
    assert_int_equal(histogram_quantile(h, 0.99), 10);
    assert_close(histogram_quantile(h, 0.999), 5000000);
    assert_int_equal(histogram_quantile(h, 1), 9000000);
    assert_int_equal(h->max, 9000000);
    free(h);
}

static void adding_gives_what_one_would_have_given(void **state)
{
    (void)state;
    struct histogram *one = fresh();
    struct histogram *other = fresh();
    struct histogram *both = fresh();
    for (uint64_t v = 1; v <= 10000; v++) {
        histogram_record(v % 3 == 0 ? one : other, v * 100);
        histogram_record(both, v * 100);
    }
    histogram_add(one, other);
    assert_memory_equal(one, both, sizeof(*both));
    free(one);
    free(other);
    free(both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_recorded_is_zero),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(percentiles_of_a_million_values_are_within_one_64th),
        cmocka_unit_test(each_magnitude_is_within_one_64th),
        cmocka_unit_test(one_slow_message_in_a_thousand_is_the_p999_and_not_the_p99),
        cmocka_unit_test(adding_gives_what_one_would_have_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
