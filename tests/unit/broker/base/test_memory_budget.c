/* Who gives way when memory is used up, and when. */
#include "broker/base/memory_budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "broker/base/account.h"

static void full_lasts_until_a_tenth_is_free_again(void **state)
{
    static const struct {
        uint64_t used;
        enum memory_level level;
    } steps[] = {
        {0, MEMORY_CALM},    {799, MEMORY_CALM},  {800, MEMORY_TIGHT}, {999, MEMORY_TIGHT},
        {1000, MEMORY_FULL}, {999, MEMORY_FULL},  {900, MEMORY_FULL},  {899, MEMORY_TIGHT},
        {999, MEMORY_TIGHT}, {5000, MEMORY_FULL}, {10, MEMORY_CALM},
    };
    struct memory_budget b;
    enum memory_level before = MEMORY_CALM;
    (void)state;
    memory_budget_init(&b, 1000);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        bool changed = memory_budget_note(&b, steps[i].used);
        assert_int_equal(b.level, steps[i].level);
        assert_int_equal(changed, steps[i].level != before);
        before = steps[i].level;
    }
}

static void what_lasts_leaves_a_quarter_to_what_does_not(void **state)
{
    struct memory_budget b;
    (void)state;
    memory_budget_init(&b, 64000);
    assert_true(memory_budget_takes_lasting(&b, 47999));
    assert_false(memory_budget_takes_lasting(&b, 48000));
    assert_true(memory_budget_takes_queued(&b, 47999, 60000)); /* any queue */
    assert_false(memory_budget_takes_queued(&b, 48000, 1000)); /* not a long one */
    assert_true(memory_budget_takes_queued(&b, 48000, 999));
    assert_false(memory_budget_takes_queued(&b, 56000, 0)); /* none at all */
}

static void strangers_go_first_then_who_holds_most(void **state)
{
    /* in the order in which they are to be closed */
    static const struct memory_holding order[] = {
        {.stranger = true, .begun = 60000},
        {.stranger = true, .begun = 1000},
        {.begun = 16 << 20},
        {.rest = 20 << 20},
        {.begun = 1 << 20, .rest = 15 << 20},
        {.rest = 16 << 20},
        {.begun = 20000},
        {.rest = 20000},
    };
    static const struct memory_holding never[] = {
        {.rest = 16383},    {.begun = 8000}, {.stranger = true, .begun = 500},
        {.stranger = true}, {.begun = 0},
    };
    (void)state;
    for (size_t i = 0; i + 1 < sizeof(order) / sizeof(order[0]); i++)
        assert_true(memory_holding_rank(&order[i]) > memory_holding_rank(&order[i + 1]));
    assert_true(memory_holding_rank(&order[7]) > 0);
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        assert_int_equal(memory_holding_rank(&never[i]), 0);
}

static void without_a_budget_nothing_is_refused(void **state)
{
    struct memory_budget b;
    (void)state;
    memory_budget_init(&b, 0);
    assert_false(memory_budget_note(&b, UINT64_MAX / 2));
    assert_false(memory_budget_is_tight(&b, UINT64_MAX / 2));
    assert_true(memory_budget_takes_lasting(&b, UINT64_MAX / 2));
    assert_true(memory_budget_takes_queued(&b, UINT64_MAX / 2, UINT64_MAX / 2));
}

static void blocks_are_counted_by_kind_as_malloc_counts_them(void **state)
{
    uint64_t total = account.total;
    uint64_t output = account.by_kind[ACCOUNT_OUTPUT];
    uint64_t lasting = account_lasting();
    (void)state;
    char *p = account_alloc(ACCOUNT_OUTPUT, 1000);
    assert_in_range(account.by_kind[ACCOUNT_OUTPUT] - output, 1000, 1100);
    p = account_realloc(ACCOUNT_OUTPUT, p, 100000);
    assert_in_range(account.total - total, 100000, 110000);
    assert_int_equal(account_lasting(), lasting);
    account_uncount(ACCOUNT_OUTPUT, p);
    account_count(ACCOUNT_KEPT, p);
    assert_int_equal(account.by_kind[ACCOUNT_OUTPUT], output);
    assert_in_range(account_lasting() - lasting, 100000, 110000);
    account_free(ACCOUNT_KEPT, p);
    account_free(ACCOUNT_KEPT, NULL);
    account_set(ACCOUNT_STORE, 500);
    account_set(ACCOUNT_STORE, 300);
    assert_int_equal(account.total, total + 300);
    account_set(ACCOUNT_STORE, 0);
    assert_int_equal(account.total, total);
    assert_int_equal(account_lasting(), lasting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_lasts_until_a_tenth_is_free_again),
        cmocka_unit_test(what_lasts_leaves_a_quarter_to_what_does_not),
        cmocka_unit_test(strangers_go_first_then_who_holds_most),
        cmocka_unit_test(without_a_budget_nothing_is_refused),
        cmocka_unit_test(blocks_are_counted_by_kind_as_malloc_counts_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
