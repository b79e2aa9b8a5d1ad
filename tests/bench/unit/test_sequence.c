/* Loss, repeats and order with known answers. */
#include "tests/bench/load/sequence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct row {
    const char *what;
    uint64_t numbers[12];
    size_t count;
    struct tally expected;
    uint64_t missing;
};

static const struct row rows[] = {
    {"in order", {0, 1, 2, 3}, 4, {4, 0, 0}, 0},
    {"one lost", {0, 1, 3, 4}, 4, {4, 0, 0}, 1},
    {"the first ones lost", {5, 6}, 2, {2, 0, 0}, 5},
    {"two swapped", {0, 2, 1, 3}, 4, {4, 0, 1}, 0},
    {"one repeated at once", {0, 1, 1, 2}, 4, {3, 1, 0}, 0},
    {"one repeated later", {0, 1, 2, 3, 1}, 5, {4, 1, 0}, 0},
    {"the late one repeated", {0, 2, 1, 1, 3}, 5, {4, 1, 1}, 0},
    {"a repeat while another is missing", {0, 2, 0, 3}, 4, {3, 1, 0}, 1},
    {"all repeated", {0, 1, 2, 0, 1, 2}, 6, {3, 3, 0}, 0},
    {"backwards", {3, 2, 1, 0}, 4, {4, 0, 3}, 0},
    {"a late one from before what is remembered", {0, 200, 1}, 3, {3, 0, 1}, 198},
};

static void each_row_is_counted_exactly(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        struct sequence s = {0};
        struct tally t = {0};
        for (size_t k = 0; k < r->count; k++)
            tally_take(&t, &s, r->numbers[k]);
        if (t.delivered != r->expected.delivered || t.duplicates != r->expected.duplicates ||
            t.reordered != r->expected.reordered || s.missing != r->missing)
            fail_msg("%s: %d delivered, %d twice, %d late, %d missing", r->what, (int)t.delivered,
                     (int)t.duplicates, (int)t.reordered, (int)s.missing);
    }
}

static void a_repeat_of_long_ago_is_no_late_message(void **state)
{
    (void)state;
    struct sequence s = {0};
    struct tally t = {0};
    for (uint64_t n = 0; n < 1000; n++)
        assert_true(tally_take(&t, &s, n));
    assert_false(tally_take(&t, &s, 3));
    assert_int_equal(t.duplicates, 1);
    assert_int_equal(t.delivered, 1000);
}

/* Each window of 50 numbers comes in a shuffled order, with some left out and some twice. */
static void a_disordered_stream_is_counted_exactly(void **state)
{
    (void)state;
    struct sequence s = {0};
    struct tally t = {0};
    uint64_t delivered = 0;
    uint64_t repeated = 0;
    for (uint64_t window = 0; window < 2000; window++) {
        for (uint64_t i = 0; i < 50; i++) {
            uint64_t n = window * 50 + i * 37 % 50;
            if (n % 11 == 0)
                continue;
            assert_true(tally_take(&t, &s, n));
            delivered++;
            if (n % 7 == 0) {
                assert_false(tally_take(&t, &s, n));
                repeated++;
            }
        }
    }
    assert_int_equal(t.delivered, delivered);
    assert_int_equal(t.duplicates, repeated);
    assert_int_equal(s.missing, s.next - delivered);
}

/* Two receivers of a group share the numbers of one publisher. */
static void each_number_comes_to_one_of_a_group(void **state)
{
    (void)state;
    struct sequence all = {0};
    struct share_sequence one = {0};
    struct share_sequence other = {0};
    struct tally t = {0};
    assert_true(tally_take_shared(&t, &all, &one, 0));
    assert_true(
        tally_take_shared(&t, &all, &other, 3)); /* before 1 and 2, which are on another way */
    assert_true(tally_take_shared(&t, &all, &one, 1));
    assert_true(tally_take_shared(&t, &all, &one, 2));
    assert_int_equal(t.delivered, 4);
    assert_int_equal(t.duplicates, 0);
    assert_int_equal(t.reordered, 0);
    assert_int_equal(all.missing, 0);
}

static void one_that_came_to_both_is_a_repeat(void **state)
{
    (void)state;
    struct sequence all = {0};
    struct share_sequence one = {0};
    struct share_sequence other = {0};
    struct tally t = {0};
    assert_true(tally_take_shared(&t, &all, &one, 0));
    assert_false(tally_take_shared(&t, &all, &other, 0));
    assert_true(tally_take_shared(&t, &all, &other, 1));
    assert_false(tally_take_shared(&t, &all, &one, 1));
    assert_int_equal(t.delivered, 2);
    assert_int_equal(t.duplicates, 2);
    assert_int_equal(t.reordered, 0);
}

static void out_of_order_at_one_of_them_is_counted(void **state)
{
    (void)state;
    struct sequence all = {0};
    struct share_sequence one = {0};
    struct share_sequence other = {0};
    struct tally t = {0};
    assert_true(tally_take_shared(&t, &all, &one, 5));
    assert_true(tally_take_shared(&t, &all, &other, 1));
    assert_true(tally_take_shared(&t, &all, &one, 4));
    assert_true(tally_take_shared(&t, &all, &one, 6));
    assert_int_equal(t.delivered, 4);
    assert_int_equal(t.reordered, 1);
    assert_int_equal(all.missing, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_counted_exactly),
        cmocka_unit_test(a_repeat_of_long_ago_is_no_late_message),
        cmocka_unit_test(a_disordered_stream_is_counted_exactly),
        cmocka_unit_test(each_number_comes_to_one_of_a_group),
        cmocka_unit_test(one_that_came_to_both_is_a_repeat),
        cmocka_unit_test(out_of_order_at_one_of_them_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
