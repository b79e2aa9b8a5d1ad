/* flush_rule: who is fed by many waits for the turn's end, everybody else is written at once. */
#include "broker/client/flush_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* A turn whose sources are `first` and the next ones, of which `count` feed it. How often it was
 * written. */
static unsigned turn(struct flush_rule *g, uint32_t first, unsigned count)
{
    unsigned writes = 0;
    bool waiting = false;
    for (unsigned i = 0; i < count; i++) {
        flush_rule_note(g, first + i, first);
        flush_rule_note(g, first + i, first); /* several messages */
        waiting = waiting || flush_rule_waits(g);
        writes += waiting ? 0 : 1;
    }
    if (waiting)
        flush_rule_written(g);
    return writes + waiting;
}

static void one_source_a_turn_is_written_at_once(void **state)
{
    (void)state;
    struct flush_rule g = {0};
    for (uint32_t source = 100; source < 10000; source += 7) {
        flush_rule_note(&g, source, source - 3);
        assert_false(flush_rule_waits(&g));
    }
}

static void many_sources_cost_one_write_a_turn(void **state)
{
    (void)state;
    struct flush_rule g = {0};
    assert_int_equal(turn(&g, 100, 50), 2); /* that they are many shows at the second */
    for (uint32_t first = 200; first < 5000; first += 100)
        assert_int_equal(turn(&g, first, 50), 1);
}

static void a_few_turns_with_one_source_change_nothing_and_many_do(void **state)
{
    (void)state;
    struct flush_rule g = {0};
    uint32_t first = 100;
    turn(&g, first, 2);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < FLUSH_RULE_TURNS / 2; i++) {
            turn(&g, first += 10, 1);
            assert_true(flush_rule_waits(&g));
        }
        turn(&g, first += 10, 2);
        assert_true(flush_rule_waits(&g));
    }
    for (int i = 0; i < FLUSH_RULE_TURNS; i++)
        turn(&g, first += 10, 1);
    assert_false(flush_rule_waits(&g));
}

static void the_numbers_may_wrap_around(void **state)
{
    (void)state;
    struct flush_rule g = {.source = UINT32_MAX - 20};
    assert_int_equal(turn(&g, UINT32_MAX - 5, 1), 1);
    assert_false(flush_rule_waits(&g));
    assert_int_equal(turn(&g, UINT32_MAX - 1, 4), 2);
    assert_true(flush_rule_waits(&g));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_source_a_turn_is_written_at_once),
        cmocka_unit_test(many_sources_cost_one_write_a_turn),
        cmocka_unit_test(a_few_turns_with_one_source_change_nothing_and_many_do),
        cmocka_unit_test(the_numbers_may_wrap_around),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
