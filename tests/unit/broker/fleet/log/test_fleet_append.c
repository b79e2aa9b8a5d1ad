/* fleet_append: changes become entries of the log, one at a time, and each is tried until it is there. */
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/wire/fleet_piece.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { RETRY_MS = 300 };

static uint64_t add(struct lone_node *n, const char *filter)
{
    return fleet_append_route(&n->f, LOG_ROUTE_ADDED, lone_slice(filter));
}

static void assert_writes(struct lone_node *n, const char *call)
{
    char text[512];
    fleet_append_flush(&n->f);
    snprintf(text, sizeof(text), "append fl:{r}: " LONE_HEX " %s", call);
    redis_gets(n, text);
}

/* What is there is written, and Redis says so. */
static void answer(struct lone_node *n, const char *text)
{
    fleet_append_flush(&n->f);
    redis_gets_first(n, "append ");
    redis_says(n, text);
}

static void an_entry_has_all_changes_and_those_of_routes_once_more(void **state)
{
    struct lone_node *n = *state;
    struct fleet_session_ref c = lone_session("c", 5);
    uint64_t number = add(n, "a");
    assert_int_equal(fleet_append_subscribed(&n->f, c, lone_slice("s"), lone_slice("o")), number);
    assert_int_equal(fleet_append_unsubscribed(&n->f, c, lone_slice("u")), number);
    assert_int_equal(fleet_append_ended(&n->f, c), number);
    fleet_append_route(&n->f, LOG_ROUTE_REMOVED, lone_slice("b"));
    assert_int_equal(n->f.append->routes_added, 1);
    assert_writes(n,
                  "1 +\\01aS\\01c\\05\\01s\\01oU\\01c\\05\\01uE\\01c\\05-\\01b 200 3000 + a - b");
    fleet_append_flush(&n->f);
    assert_int_equal(lone_count(n), 1); /* one in flight */
    redis_says(n, "[ 'ok '7 :300 ]");
    assert_int_equal(n->f.append->routes_added, 0);
    assert_int_equal(*n->f.metrics.log_bytes, 300);
    fleet_append_flush(&n->f);
    redis_gets_nothing(n);
}

static void what_comes_meanwhile_is_the_next_entry(void **state)
{
    struct lone_node *n = *state;
    uint64_t first = add(n, "a");
    fleet_append_flush(&n->f);
    assert_int_equal(add(n, "b"), first + 1);
    assert_int_equal(add(n, "c"), first + 1);
    redis_says(n, "[ 'ok '7 ]");
    assert_writes(n, "2 +\\01b+\\01c 200 3000 + b + c");
}

static void an_entry_is_no_larger_than_a_piece(void **state)
{
    struct lone_node *n = *state;
    char filter[8];
    uint64_t number = 0;
    for (int i = 0; i < FLEET_PIECE_FIELDS; i++) {
        snprintf(filter, sizeof(filter), "f%d", i);
        number = add(n, filter);
    }
    assert_int_equal(number, 1);
    assert_int_equal(add(n, "one more"), 2);
    answer(n, "[ 'ok '7 ]");
    assert_int_equal(n->f.append->routes_added, 1);
    answer(n, "[ 'ok '8 ]");
    fleet_append_flush(&n->f);
    redis_gets_nothing(n);
}

/* Refused, or not answered: some time later, as it was. */
static void an_entry_is_tried_until_it_is_in_the_log(void **state)
{
    static const char *const says[] = {"!OOM", NULL, "[ 'unknown ]"};
    struct lone_node *n = *state;
    add(n, "a");
    for (size_t i = 0; i < 3; i++) {
        fleet_append_flush(&n->f);
        lone_answer(n, says[i] != NULL ? reply(says[i]) : NULL);
        assert_int_equal(n->f.reload_why != NULL, i == 2); /* Redis doesn't know this node */
        assert_int_equal(add(n, "b"), 2); /* it may be in the log: nothing is added */
        n->f.now_ms += RETRY_MS - 1;
        fleet_append_flush(&n->f);
        redis_gets_nothing(n);
        n->f.now_ms++;
    }
    assert_writes(n, "4 +\\01a 200 3000 + a");
    assert_int_equal(n->f.state, FLEET_READY);
}

static void a_node_that_is_dead_starts_over(void **state)
{
    struct lone_node *n = *state;
    add(n, "a");
    answer(n, "[ 'dead ]");
    assert_int_equal(n->f.state, FLEET_DEAD);
}

static void without_memory_it_starts_over(void **state)
{
    struct lone_node *n = *state;
    add(n, "a");
    TAILQ_FIRST(&n->f.append->entries)->items.failed = true;
    fleet_append_flush(&n->f);
    redis_gets_nothing(n);
    assert_int_equal(n->f.state, FLEET_DEAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(an_entry_has_all_changes_and_those_of_routes_once_more),
        LONE_TEST(what_comes_meanwhile_is_the_next_entry),
        LONE_TEST(an_entry_is_no_larger_than_a_piece),
        LONE_TEST(an_entry_is_tried_until_it_is_in_the_log),
        LONE_TEST(a_node_that_is_dead_starts_over),
        LONE_TEST(without_memory_it_starts_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
