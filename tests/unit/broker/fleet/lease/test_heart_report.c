/* heart_report: of two reports only one waits for the loop, and nothing that matters is lost. */
#include "broker/fleet/lease/heart_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NODE = 7 };

static struct heart_report report(enum heart_word word, uint64_t ver)
{
    return (struct heart_report){.word = word, .node = NODE, .ver = ver};
}

static void list(struct heart_report *r, uint64_t first, uint64_t at_ms)
{
    r->nodes = calloc(2, sizeof(*r->nodes));
    assert_non_null(r->nodes);
    r->nodes[0] = first;
    r->node_count = 1;
    r->listed = true;
    r->listed_ms = at_ms;
}

static void the_newer_report_counts(void **state)
{
    struct heart_report waiting = report(HEART_ALIVE, 10);
    struct heart_report newer = report(HEART_UNKNOWN, 3);
    (void)state;
    heart_report_merge(&waiting, &newer);
    assert_int_equal(waiting.word, HEART_UNKNOWN);
    assert_int_equal(waiting.ver, 3);
    assert_int_equal(newer.word, HEART_NOTHING);
    heart_report_fini(&waiting);
}

static void a_list_of_nodes_waits_with_the_next_report(void **state)
{
    struct heart_report waiting = report(HEART_ALIVE, 10);
    struct heart_report newer = report(HEART_ALIVE, 11);
    (void)state;
    list(&waiting, 42, 1000);
    heart_report_merge(&waiting, &newer);
    assert_true(waiting.listed);
    assert_int_equal(waiting.nodes[0], 42);
    assert_int_equal(waiting.listed_ms, 1000);
    newer = report(HEART_ALIVE, 12);
    list(&newer, 43, 2000);
    heart_report_merge(&waiting, &newer);
    assert_int_equal(waiting.nodes[0], 43);
    assert_int_equal(waiting.listed_ms, 2000);
    heart_report_fini(&waiting);
}

static void the_dead_stay_dead(void **state)
{
    struct heart_report waiting = report(HEART_DEAD, 0);
    struct heart_report newer = report(HEART_ALIVE, 11);
    (void)state;
    heart_report_merge(&waiting, &newer);
    assert_int_equal(waiting.word, HEART_DEAD);
    heart_report_fini(&waiting);
}

static void what_was_said_of_another_node_is_gone(void **state)
{
    struct heart_report waiting = report(HEART_DEAD, 0);
    struct heart_report newer = report(HEART_ALIVE, 11);
    (void)state;
    list(&waiting, 42, 1000);
    newer.node = NODE + 1;
    heart_report_merge(&waiting, &newer);
    assert_int_equal(waiting.word, HEART_ALIVE);
    assert_false(waiting.listed);
    heart_report_fini(&waiting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newer_report_counts),
        cmocka_unit_test(a_list_of_nodes_waits_with_the_next_report),
        cmocka_unit_test(the_dead_stay_dead),
        cmocka_unit_test(what_was_said_of_another_node_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
