/* fleet_assert: whether Redis has the session as it was asserted decides what becomes of its connection. */
#include "broker/fleet/hold/fleet_assert.h"
#include "tests/unit/broker/fleet/lone_node.h"

#define ASSERT "assert fl:{s}: c 5 " LONE_HEX " "

static void one_that_is_there_goes_on_in_the_new_run(void **state)
{
    struct lone_node *n = *state;
    struct fleet_hold *h = lone_connected(n, "c", true)->store_data;
    strcpy(n->f.run_tag, "run00002");
    fleet_hold_assert(h);
    redis_says(n, ":1");
    assert_string_equal(h->run, "run00002");
    assert_told(n, ""); /* nothing was to be fetched */
    h->fetch_later = true;
    fleet_hold_assert(h);
    redis_says(n, ":1");
    assert_told(n, "wake c");
    assert_false(h->fetch_later);
}

static void one_that_somebody_newer_has_is_fenced(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    fleet_hold_assert(hold->store_data);
    redis_says(n, ":0");
    assert_told(n, "fenced c");
    assert_null(hold->store_data);
}

/* Only another connection can: its queue is older, or Redis didn't take it. Its will waits for that. */
static void one_that_cant_go_on_is_closed(void **state)
{
    static const char *const says[] = {":2", "!OOM", NULL};
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    struct fleet_hold *h = hold->store_data;
    memcpy(h->run, "run00000", sizeof(h->run));
    for (size_t i = 0; i < 3; i++) {
        hold->will_grace_s = 0;
        fleet_hold_assert(h);
        lone_answer(n, says[i] != NULL ? reply(says[i]) : NULL);
        assert_told(n, "hand over c 5");
        assert_int_equal(hold->will_grace_s, 30);
        assert_string_equal(h->run, "run00000");
    }
}

static void one_that_ended_meanwhile_is_nobodys(void **state)
{
    static const char *const says[] = {":0", ":1", ":2", "!ERR"};
    struct lone_node *n = *state;
    for (size_t i = 0; i < 4; i++) {
        struct fleet_hold *h = lone_connected(n, "c", true)->store_data;
        h->fetch_later = true;
        fleet_hold_assert(h);
        fleet_hold_drop(h);
        redis_says(n, says[i]);
        assert_told(n, "");
    }
}

/* Not answered when Redis was another one. */
static void an_assertion_under_way_is_made_for_the_next_run(void **state)
{
    struct lone_node *n = *state;
    struct fleet_hold *h = lone_connected(n, "c", false)->store_data;
    fleet_hold_assert(h);
    redis_gets(n, ASSERT "0 '' 0 0 - 0 run00001 run00001 0 0 0 0");
    strcpy(n->f.run_tag, "run00002");
    fleet_holds_run_changed(&n->f);
    redis_gets(n, ASSERT "0 '' 0 0 - 0 run00002 run00001 0 0 0 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(one_that_is_there_goes_on_in_the_new_run),
        LONE_TEST(one_that_somebody_newer_has_is_fenced),
        LONE_TEST(one_that_cant_go_on_is_closed),
        LONE_TEST(one_that_ended_meanwhile_is_nobodys),
        LONE_TEST(an_assertion_under_way_is_made_for_the_next_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
