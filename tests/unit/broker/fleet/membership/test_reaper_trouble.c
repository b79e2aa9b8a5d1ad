/* reaper: what can't be done is begun again, and nothing is done by data that may be old. */
#include "broker/fleet/membership/reaper.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { AT_ONCE = 16 };
#define REAP "reap fl:{s}: " OTHER_HEX " " LONE_HEX " 50"

/* It is cut off, and the first buckets are asked. */
static void begin(struct lone_node *n)
{
    reaper_start(&n->f, OTHER_ID);
    redis_gets(n, "cut fl:{n:" OTHER_HEX "}: '' 1");
    redis_says(n, "[ ]");
}

/* Answers buckets that have nobody, until something else is asked. */
static size_t answer_buckets(struct lone_node *n)
{
    size_t count = 0;
    for (; lone_count(n) > 0 && strcmp(lone_command(n, 0), REAP) == 0; count++)
        redis_says(n, "[ :0 ]");
    return count;
}

static void what_isnt_answered_is_begun_again(void **state)
{
    static const char *const says[] = {"!ERR", NULL};
    struct lone_node *n = *state;
    for (size_t i = 0; i < 2; i++) {
        begin(n);
        lone_answer(n, says[i] != NULL ? reply(says[i]) : NULL);
        assert_int_equal(answer_buckets(n), AT_ONCE - 1); /* no more are asked */
        redis_gets_nothing(n);
        assert_null(n->f.reapers);
    }
}

/* Holders assert their clients first. */
static void nobody_is_reaped_by_data_that_may_be_old(void **state)
{
    struct lone_node *n = *state;
    begin(n);
    n->f.lost_until_ms = n->f.now_ms + 1;
    assert_int_equal(answer_buckets(n), AT_ONCE);
    redis_gets_nothing(n);
    assert_null(n->f.reapers);
    n->f.lost_until_ms = 0;
    begin(n);
    n->f.lease = FLEET_LEASE_NONE; /* this node starts over */
    assert_int_equal(answer_buckets(n), AT_ONCE);
    assert_null(n->f.reapers);
}

static void another_run_of_redis_frees_nobody(void **state)
{
    struct lone_node *n = *state;
    begin(n);
    reapers_run_changed(&n->f);
    redis_gets(n, "reap fl:{s}: 0000000000000000 " LONE_HEX " 50");
    for (int i = 0; i < AT_ONCE; i++)
        redis_says(n, "[ :0 ]");
    redis_gets_nothing(n);
    assert_null(n->f.reapers);
}

/* Whatever is answered afterwards. */
static void a_node_that_ends_reaps_no_more(void **state)
{
    struct lone_node *n = *state;
    struct fleet_bytes frame = lone_frame("w", "gone", 1);
    reaper_start(&n->f, OTHER_ID);
    reapers_free(&n->f);
    redis_says(n, "[ ]");
    redis_gets_nothing(n);
    begin(n);
    redis_says(n, "[ :0 'c '5 %b [ ] [ ] ]", frame.data, frame.len);
    reapers_free(&n->f);
    reapers_run_changed(&n->f);
    for (int i = 0; i < AT_ONCE; i++)
        redis_says(n, "[ :1 ]");
    redis_gets_nothing(n);
    lone_will_done(n, STORE_UNAVAILABLE);
    redis_gets_nothing(n);
    fleet_bytes_fini(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(what_isnt_answered_is_begun_again),
        LONE_TEST(nobody_is_reaped_by_data_that_may_be_old),
        LONE_TEST(another_run_of_redis_frees_nobody),
        LONE_TEST(a_node_that_ends_reaps_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
