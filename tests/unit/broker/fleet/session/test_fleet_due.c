/* fleet_due: each bucket is looked at by one node now and then, and what is due there is done. */
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/session/fleet_due.h"
#include "broker/fleet/storage/fleet_usage.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { DUE_MS = 100, BUCKETS_A_TICK = 64 };
#define ASKED "due fl:{s}: " LONE_HEX " 20"

/* How many buckets are asked about now. */
static size_t tick(struct lone_node *n)
{
    size_t before = lone_count(n);
    fleet_due_tick(&n->f);
    return lone_count(n) - before;
}

static void buckets_are_asked_some_at_a_time(void **state)
{
    struct lone_node *n = *state;
    assert_int_equal(tick(n), BUCKETS_A_TICK);
    redis_gets(n, ASKED);
    n->f.now_ms += DUE_MS - 1;
    assert_int_equal(tick(n), 0);
    n->f.now_ms++;
    assert_int_equal(tick(n), BUCKETS_A_TICK);
}

/* All of them once, before the first one comes again. */
static void every_bucket_has_its_turn(void **state)
{
    struct lone_node *n = *state;
    bool asked[FLEET_CLIENT_BUCKETS] = {false};
    for (int i = 0; i < FLEET_CLIENT_BUCKETS / BUCKETS_A_TICK; i++) {
        tick(n);
        n->f.now_ms += DUE_MS;
    }
    for (size_t i = 0; i < FLEET_CLIENT_BUCKETS; i++) {
        struct redis_args args = lone_args(n, i);
        size_t len = 0;
        const char *key = NULL;
        unsigned long bucket;
        for (int k = 0; k < 4; k++)
            key = redis_args_next(&args, &len);
        bucket = strtoul(key + strlen("fl:{s"), NULL, 10);
        assert_false(asked[bucket]);
        asked[bucket] = true;
    }
}

static void nodes_share_the_buckets(void **state)
{
    struct lone_node *n = *state;
    fleet_node_get(&n->f, OTHER_ID);
    assert_int_equal(tick(n), BUCKETS_A_TICK / 2);
    fleet_node_get(&n->f, OTHER_ID + 1);
    fleet_node_get(&n->f, 1);
    n->f.now_ms += DUE_MS;
    assert_int_equal(tick(n), BUCKETS_A_TICK / 4);
}

/* Holders may know better than Redis, and tell it soon. */
static void nobody_looks_who_isnt_sure_of_what_is_there(void **state)
{
    struct lone_node *n = *state;
    n->f.state = FLEET_LEAVING;
    assert_int_equal(tick(n), 0);
    n->f.state = FLEET_READY;
    n->f.lease = FLEET_LEASE_UNSURE;
    assert_int_equal(tick(n), 0);
    n->f.lease = FLEET_LEASE_SURE;
    n->f.lost_until_ms = n->f.now_ms + 1;
    assert_int_equal(tick(n), 0);
    n->f.lost_until_ms = 0;
    n->f.reload_why = "test";
    assert_int_equal(tick(n), 0);
    n->f.reload_why = NULL;
    assert_int_equal(tick(n), BUCKETS_A_TICK);
}

static void what_another_run_has_isnt_due(void **state)
{
    struct lone_node *n = *state;
    tick(n);
    fleet_due_run_changed(&n->f);
    redis_gets(n, "due fl:{s}: " LONE_HEX " 00"); /* none */
}

/* ---- in time --------------------------------------------------------------------------------- */

static void tick_past(struct lone_node *n)
{
    size_t count = tick(n);
    for (size_t i = 0; i < count; i++)
        redis_says(n, "[ :0 :-1 ]");
}

static void what_is_due_soon_is_looked_at_then(void **state)
{
    struct lone_node *n = *state;
    tick_past(n); /* the round's next part comes in 100 ms */
    fleet_due_expect(&n->f, 900, 70);
    fleet_due_expect(&n->f, 901, 50);
    fleet_due_expect(&n->f, 901, 60);
    n->f.now_ms += 49;
    assert_int_equal(tick(n), 0);
    n->f.now_ms++;
    assert_int_equal(tick(n), 1);
    redis_gets(n, ASKED);
    redis_says(n, "[ :0 :12 ]"); /* it was asked a little early */
    n->f.now_ms += 11;
    assert_int_equal(tick(n), 0);
    n->f.now_ms++;
    assert_int_equal(tick(n), 1);
    redis_says(n, "[ :0 :-1 ]");
    n->f.now_ms += 8;
    assert_int_equal(tick(n), 1); /* the other one */
    redis_says(n, "[ :0 :-1 ]");
    n->f.now_ms += 29;
    assert_int_equal(tick(n), 0);
}

/* Its turn comes before that. */
static void what_is_due_later_waits_for_its_turn(void **state)
{
    struct lone_node *n = *state;
    tick_past(n);
    fleet_due_expect(&n->f, 900, 1601);
    n->f.now_ms += 99;
    assert_int_equal(tick(n), 0);
    n->f.now_ms += 1600;
    assert_int_equal(tick(n), BUCKETS_A_TICK);
}

static void what_is_due_soon_waits_for_a_node_that_may_act(void **state)
{
    struct lone_node *n = *state;
    tick_past(n);
    fleet_due_expect(&n->f, 900, 10);
    n->f.now_ms += 20;
    n->f.lease = FLEET_LEASE_UNSURE;
    assert_int_equal(tick(n), 0);
    n->f.lease = FLEET_LEASE_SURE;
    assert_int_equal(tick(n), 1);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* The first bucket says this; the others have nothing, or don't answer. */
static void look(struct lone_node *n, const redisReply *r)
{
    size_t count = tick(n);
    lone_answer(n, r);
    for (size_t i = 1; i < count; i++)
        lone_answer(n, i % 2 == 0 ? reply("[ :0 :-1 ]") : NULL);
    n->f.now_ms += DUE_MS;
}

static void a_buckets_sessions_are_counted(void **state)
{
    struct lone_node *n = *state;
    look(n, reply("[ :7 :-1 ]"));
    assert_int_equal(n->f.usage->counts[1], 7);
    assert_true(n->f.usage->untold[1]);
    assert_false(n->f.usage->untold[2]); /* it didn't answer */
}

static void a_due_will_is_published(void **state)
{
    struct lone_node *n = *state;
    struct fleet_bytes frame = lone_frame("w", "gone", 1);
    look(n,
         reply("[ :0 :-1 'w 'c '5 %b 'w 'd '6 %b ]", frame.data, frame.len, frame.data, frame.len));
    assert_told(n, "will gone; will gone");
    fleet_bytes_fini(&frame);
}

/* The log may not have it. A session of that id that there is since is said again, too. */
static void a_sessions_end_is_said_again(void **state)
{
    struct lone_node *n = *state;
    look(n, reply("[ :0 :-1 'e 'c '5 [ ' ] 'e 'd '5 [ '6 'f '\1 ] ]"));
    assert_told(n, "ended c; ended d; subscribed d f 1");
    fleet_append_flush(&n->f);
    redis_gets_first(n,
                     "append fl:{r}: " LONE_HEX " 1 E\\01c\\05E\\01d\\05S\\01d\\06\\01f\\01\\01 ");
}

/* ---- a will whose publisher is silent -------------------------------------------------------- */

static void look_at_taken_will(struct lone_node *n)
{
    look(n, reply("[ :0 :-1 'b 'c '5 '" OTHER_HEX " ]"));
    redis_gets(n, "room fl:{r}:");
}

/* It is cut off from the will first, or it would publish it once more when it goes on. */
static void it_is_taken_from_its_taker(void **state)
{
    struct lone_node *n = *state;
    struct fleet_bytes frame = lone_frame("w", "gone", 1);
    look_at_taken_will(n);
    redis_says(n, ":1");
    redis_gets(n, "cut fl:{n:" OTHER_HEX "}: \\01c\\05 0");
    redis_says(n, "[ ]");
    redis_gets(n, "seize fl:{s}: c 5 " LONE_HEX " " OTHER_HEX);
    assert_told(n, "");
    redis_says(n, "[ 'will %b ]", frame.data, frame.len);
    assert_told(n, "will gone");
    fleet_bytes_fini(&frame);
}

/* It stays due. */
static void a_taker_that_waits_for_room_keeps_it(void **state)
{
    struct lone_node *n = *state;
    look_at_taken_will(n);
    redis_says(n, "!OOM");
    assert_null(n->f.cuttings);
}

static void one_that_cant_be_cut_keeps_it(void **state)
{
    struct lone_node *n = *state;
    look_at_taken_will(n);
    redis_says(n, ":1");
    redis_says(n, "!ERR");
    redis_gets_nothing(n);
}

static void what_isnt_there_any_more_isnt_published(void **state)
{
    static const char *const says[] = {"[ 'gone ' ]", "[ 'will ]", "!ERR", NULL};
    struct lone_node *n = *state;
    for (size_t i = 0; i < 4; i++) {
        look_at_taken_will(n);
        redis_says(n, ":1");
        redis_says(n, "[ ]");
        redis_gets_first(n, "seize ");
        lone_answer(n, says[i] != NULL ? reply(says[i]) : NULL);
        assert_told(n, "");
        redis_gets_nothing(n);
    }
}

static void a_taker_that_is_no_node_is_left_alone(void **state)
{
    struct lone_node *n = *state;
    look(n, reply("[ :0 :-1 'b 'c '5 'nobody ]"));
    redis_gets_nothing(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(buckets_are_asked_some_at_a_time),
        LONE_TEST(every_bucket_has_its_turn),
        LONE_TEST(nodes_share_the_buckets),
        LONE_TEST(nobody_looks_who_isnt_sure_of_what_is_there),
        LONE_TEST(what_another_run_has_isnt_due),
        LONE_TEST(what_is_due_soon_is_looked_at_then),
        LONE_TEST(what_is_due_later_waits_for_its_turn),
        LONE_TEST(what_is_due_soon_waits_for_a_node_that_may_act),
        LONE_TEST(a_buckets_sessions_are_counted),
        LONE_TEST(a_due_will_is_published),
        LONE_TEST(a_sessions_end_is_said_again),
        LONE_TEST(it_is_taken_from_its_taker),
        LONE_TEST(a_taker_that_waits_for_room_keeps_it),
        LONE_TEST(one_that_cant_be_cut_keeps_it),
        LONE_TEST(what_isnt_there_any_more_isnt_published),
        LONE_TEST(a_taker_that_is_no_node_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
