/* reaper: a dead node is cut off, its clients are freed bucket by bucket, their wills come in bounded numbers, and
 * it is struck off when all is done. */
#include "broker/fleet/group/fleet_group.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/membership/reaper.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { AT_ONCE = 16, WILLS_MAX = 200, CLIENTS_A_CALL = 50 };
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

/* The end: what its members of groups had, high waters of retained values, the inbox, and the node itself. */
static void answer_end(struct lone_node *n, const char *struck_off)
{
    for (int i = 0; i < FLEET_GROUP_BUCKETS; i++) {
        redis_gets(n, "group_reap fl:{g}: " OTHER_HEX " 0");
        redis_says(n, "[ :0 :0 ' ]");
    }
    for (int i = 0; i < FLEET_TOPIC_BUCKETS; i++) {
        redis_gets(n, "HDEL fl:{t}:hw " OTHER_HEX);
        redis_says(n, ":1");
    }
    redis_gets(n, "UNLINK fl:{n:" OTHER_HEX "}:in");
    redis_says(n, ":1");
    redis_gets(n, "HDEL fl:{r}:reap " OTHER_HEX);
    if (struck_off != NULL)
        redis_says(n, struck_off);
    else
        redis_says_nothing(n);
    redis_gets_nothing(n);
}

static void it_goes_through_all_buckets_some_at_a_time(void **state)
{
    struct lone_node *n = *state;
    begin(n);
    assert_int_equal(lone_count(n), AT_ONCE);
    redis_gets(n, REAP);
    assert_int_equal(answer_buckets(n), FLEET_CLIENT_BUCKETS);
    answer_end(n, ":1");
}

static void a_bucket_with_more_clients_is_asked_again(void **state)
{
    struct lone_node *n = *state;
    begin(n);
    for (int i = 0; i < 3; i++) {
        redis_says(n, "[ :1 ]");
        assert_int_equal(lone_count(n), AT_ONCE);
    }
    assert_int_equal(answer_buckets(n), FLEET_CLIENT_BUCKETS);
    answer_end(n, ":1");
}

/* Nothing may come any more that it wrote. */
static void a_node_that_isnt_cut_off_isnt_reaped(void **state)
{
    struct lone_node *n = *state;
    reaper_start(&n->f, OTHER_ID);
    redis_says(n, "!ERR");
    redis_gets_nothing(n);
    assert_null(n->f.reapers);
    begin(n); /* the next beat names it again */
    assert_int_equal(lone_count(n), AT_ONCE);
}

static void a_death_is_dealt_with_once(void **state)
{
    struct lone_node *n = *state;
    reaper_start(&n->f, LONE_ID); /* not itself */
    redis_gets_nothing(n);
    begin(n);
    reaper_start(&n->f, OTHER_ID);
    assert_int_equal(answer_buckets(n), FLEET_CLIENT_BUCKETS);
    answer_end(n, ":1");
    reaper_start(&n->f, OTHER_ID); /* by a beat that was under way */
    redis_gets_nothing(n);
}

static void it_is_known_until_no_beat_can_name_it(void **state)
{
    struct lone_node *n = *state;
    begin(n);
    reapers_see_beat(&n->f, UINT64_MAX); /* it isn't done yet */
    assert_non_null(n->f.reapers);
    answer_buckets(n);
    answer_end(n, ":1");
    uint64_t done_ms = clock_boottime_ms();
    reapers_see_beat(&n->f, 1);
    assert_non_null(n->f.reapers);
    reapers_see_beat(&n->f, done_ms + 1);
    assert_null(n->f.reapers);
}

static void one_that_isnt_struck_off_is_begun_again(void **state)
{
    static const char *const says[] = {"!ERR", NULL};
    struct lone_node *n = *state;
    for (size_t i = 0; i < 2; i++) {
        begin(n);
        answer_buckets(n);
        answer_end(n, says[i]);
        assert_null(n->f.reapers);
    }
}

/* ---- what a bucket has ----------------------------------------------------------------------- */

/* What the dead node did to the session may not have reached the log. */
static void a_clients_changes_are_said_again(void **state)
{
    struct lone_node *n = *state;
    begin(n);
    redis_says(n, "[ :0 'c '5 ' [ 'f '\1 ] [ 'gone ] ]");
    assert_told(n, "unsubscribed c gone; subscribed c f 1");
    assert_int_equal(answer_buckets(n), FLEET_CLIENT_BUCKETS - 1);
    answer_end(n, ":1"); /* no will is waited for */
    fleet_append_flush(&n->f);
    redis_gets_first(n, "append fl:{r}: " LONE_HEX " 1 U\\01c\\05\\04goneS\\01c\\05\\01f\\01\\01 ");
}

static void a_will_is_waited_for(void **state)
{
    struct lone_node *n = *state;
    struct fleet_bytes frame = lone_frame("w", "gone", 1);
    begin(n);
    redis_says(n, "[ :0 'c '5 %b [ ] [ ] ]", frame.data, frame.len);
    assert_told(n, "will gone");
    assert_int_equal(answer_buckets(n), FLEET_CLIENT_BUCKETS - 1);
    redis_gets_nothing(n);
    lone_will_done(n, STORE_FULL); /* it is due, and some node tries it again */
    answer_end(n, ":1");
    fleet_bytes_fini(&frame);
}

/* Many wills at once: each call brings some, and no bucket is asked before some of them are out. */
static void no_more_are_asked_for_while_many_wills_are_under_way(void **state)
{
    struct lone_node *n = *state;
    struct fleet_bytes frame = lone_frame("w", "x", 1);
    char text[8 + 32 * CLIENTS_A_CALL];
    begin(n);
    for (int call = 0; call < WILLS_MAX / CLIENTS_A_CALL; call++) {
        redisReply *r;
        strcpy(text, "[ :0");
        for (int i = 0; i < CLIENTS_A_CALL; i++)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), " 'c%d '%d 'W [ ] [ ]", i,
                     call + 1);
        strcat(text, " ]");
        r = (redisReply *)reply(text);
        for (size_t i = 3; i < r->elements; i += 5) {
            r->element[i]->str = (char *)frame.data;
            r->element[i]->len = frame.len;
        }
        assert_int_equal(lone_count(n), AT_ONCE);
        lone_answer(n, r);
    }
    assert_int_equal(lone_count(n), AT_ONCE - 1);
    assert_int_equal(answer_buckets(n), AT_ONCE - 1);
    redis_gets_nothing(n);
    lone_will_done(n, STORE_UNAVAILABLE);
    assert_int_equal(lone_count(n), AT_ONCE); /* one is out, so all of them go on */
    fleet_bytes_fini(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(it_goes_through_all_buckets_some_at_a_time),
        LONE_TEST(a_bucket_with_more_clients_is_asked_again),
        LONE_TEST(a_node_that_isnt_cut_off_isnt_reaped),
        LONE_TEST(a_death_is_dealt_with_once),
        LONE_TEST(it_is_known_until_no_beat_can_name_it),
        LONE_TEST(one_that_isnt_struck_off_is_begun_again),
        LONE_TEST(a_clients_changes_are_said_again),
        LONE_TEST(a_will_is_waited_for),
        LONE_TEST(no_more_are_asked_for_while_many_wills_are_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
