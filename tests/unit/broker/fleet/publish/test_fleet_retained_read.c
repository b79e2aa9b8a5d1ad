/* fleet_retained_read: a filter's values are read in rounds, within bounds, and told behind what is older. */
#include "broker/fleet/exchange/inbox_barrier.h"
#include "broker/fleet/publish/fleet_retained_read.h"
#include "tests/unit/broker/fleet/lone_node.h"

static struct store_retained_read *paused; /* by `chunk` */

static void on_value(void *arg, const struct message *m)
{
    lone_tell(arg, "%.*s", (int)m->payload.len, (const char *)m->payload.data);
}

static void on_chunk(void *arg, struct store_retained_read *read)
{
    lone_tell(arg, "chunk");
    paused = read;
}

static void on_read(void *arg, enum store_status status)
{
    lone_tell(arg, status == STORE_OK ? "ok" : status == STORE_FULL ? "full" : "unavailable");
}

static struct store_retained_read *start(struct lone_node *n, const char *filter)
{
    return fleet_retained_start(&n->f, lone_slice(filter), on_value, on_chunk, on_read, n);
}

/* This node has read everything that was sent to it before. */
static void pass_barrier(struct lone_node *n, uint64_t token)
{
    inbox_barriers_flush(&n->f);
    redis_says(n, "'1-0");
    redis_says(n, ":1");
    inbox_barrier_met(&n->f, token, true);
    inbox_barrier_met(&n->f, token, false);
}

static void say_value(struct lone_node *n, const char *payload)
{
    struct fleet_bytes frame = lone_frame("t", payload, 1);
    redis_says(n, "[ %b ]", frame.data, frame.len);
    fleet_bytes_fini(&frame);
}

static void a_name_is_asked_for_as_it_is(void **state)
{
    struct lone_node *n = *state;
    start(n, "a/b");
    redis_gets(n, "values fl:{t}: 65536 a/b");
    say_value(n, "v");
    assert_told(n, ""); /* older messages may be on their way */
    pass_barrier(n, 1);
    assert_told(n, "v; ok");
    redis_gets_nothing(n);
    start(n, "a/b"); /* the other way round */
    inbox_barriers_flush(&n->f);
    inbox_barrier_met(&n->f, 2, true);
    inbox_barrier_met(&n->f, 2, false);
    assert_told(n, "");
    redis_says(n, "[ nil ]"); /* there is none */
    assert_told(n, "ok");
}

static void behind_a_prefix_names_are_looked_for(void **state)
{
    struct lone_node *n = *state;
    start(n, "a/+/c");
    redis_gets(n, "ZRANGEBYLEX fl:{t}:i [a/ (a/\\ff LIMIT 0 16");
    redis_says(n, "[ 'a/b 'a/b/c 'a/d/c 'a/d/c/e ]");
    redis_gets(n, "values fl:{t}: 65536 a/b/c a/d/c");
    redis_says(n, "[ nil nil ]");
    pass_barrier(n, 1);
    assert_told(n, "ok");
    start(n, "a/+/c");
    redis_says(n, "[ 'a/b ]"); /* none matches, and there are no more */
    assert_told(n, "ok");
    redis_gets_nothing(n);
}

/* `a` itself belongs to `a/#`. */
static void a_hash_sign_matches_its_parent(void **state)
{
    struct lone_node *n = *state;
    start(n, "a/#");
    redis_gets(n, "values fl:{t}: 65536 a");
    redis_says(n, "[ nil ]");
    redis_gets(n, "ZRANGEBYLEX fl:{t}:i [a/ (a/\\ff LIMIT 0 16");
    redis_says(n, "[ ]");
    pass_barrier(n, 1);
    assert_told(n, "ok");
}

static void without_a_prefix_all_buckets_are_walked(void **state)
{
    static const char *const filters[] = {"#", "+/a"};
    struct lone_node *n = *state;
    for (size_t i = 0; i < 2; i++) {
        start(n, filters[i]);
        assert_int_equal(lone_count(n), FLEET_TOPIC_BUCKETS);
        redis_gets(n, "ZRANGEBYLEX fl:{t}:i - (\\ff LIMIT 0 16");
        for (int k = 0; k < FLEET_TOPIC_BUCKETS; k++) {
            assert_told(n, "");
            redis_says(n, "[ ]");
        }
        assert_told(n, "ok");
    }
}

/* From the last one read on, whether it matched or not; more at once as they turn out small. */
static void names_are_read_on_while_there_may_be_more(void **state)
{
    struct lone_node *n = *state;
    start(n, "a/+");
    redis_says(n, "[ 'a/1 'a/2/x 'a/2/x 'a/2/x 'a/2/x 'a/2/x 'a/2/x 'a/2/x "
                  "'a/2/x 'a/2/x 'a/2/x 'a/2/x 'a/2/x 'a/2/x 'a/2/x 'a/9/z ]");
    redis_gets(n, "values fl:{t}: 65536 a/1");
    say_value(n, "one");
    pass_barrier(n, 1);
    assert_told(n, "one; chunk");
    redis_gets_nothing(n); /* until the core wants more */
    fleet_retained_continue(paused);
    redis_gets(n, "ZRANGEBYLEX fl:{t}:i (a/9/z (a/\\ff LIMIT 0 100");
    fleet_retained_continue(paused); /* it goes on already */
    assert_int_equal(lone_count(n), 1);
    redis_says(n, "[ ]");
    assert_told(n, "ok");
}

static void few_long_names_are_read_at_once(void **state)
{
    static char names[2 + 16 * 8194 + 2] = "[";
    struct lone_node *n = *state;
    for (int i = 0; i < 16; i++) {
        strcat(names, " '");
        memset(names + strlen(names), 'a', 2000);
    }
    strcat(names, " ]");
    start(n, "+/b");
    redis_says(n, names);
    for (int i = 1; i < FLEET_TOPIC_BUCKETS; i++)
        redis_says(n, "[ ]");
    assert_told(n, "chunk");
    fleet_retained_continue(paused);
    assert_string_equal(strrchr(lone_command(n, 0), ' '), " 33"); /* 64 kB */
    redis_says(n, "[ ]");
    assert_told(n, "ok");
}

/* ---- large values ---------------------------------------------------------------------------- */

/* As many as there is room for come; those left are asked for, and a large one by itself. */
static void what_has_no_room_is_asked_for_again(void **state)
{
    struct lone_node *n = *state;
    start(n, "a/+");
    redis_says(n, "[ 'a/1 'a/2 'a/3 ]");
    redis_gets(n, "values fl:{t}: 65536 a/1 a/2 a/3");
    say_value(n, "one");
    pass_barrier(n, 1);
    assert_told(n, "one; chunk");
    fleet_retained_continue(paused);
    redis_gets(n, "values fl:{t}: 65536 a/2 a/3");
    redis_says(n, "[ ]"); /* not even one */
    pass_barrier(n, 2);
    assert_told(n, "chunk");
    fleet_retained_continue(paused);
    redis_gets(n, "values fl:{t}: 0 a/2");
    say_value(n, "large");
    pass_barrier(n, 3);
    assert_told(n, "large; chunk");
    fleet_retained_continue(paused);
    redis_gets(n, "values fl:{t}: 65536 a/3");
    say_value(n, "three");
    pass_barrier(n, 4);
    assert_told(n, "three; ok");
}

/* Of all readings of this node. The others go on in a later turn. */
static void one_large_value_is_on_its_way_at_a_time(void **state)
{
    struct lone_node *n = *state;
    start(n, "a");
    redis_says(n, "[ ]");
    pass_barrier(n, 1);
    struct store_retained_read *first = paused;
    start(n, "b");
    redis_says(n, "[ ]");
    pass_barrier(n, 2);
    assert_told(n, "chunk; chunk");
    fleet_retained_continue(first);
    redis_gets(n, "values fl:{t}: 0 a");
    fleet_retained_continue(paused);
    fleet_retained_tick(&n->f);
    assert_int_equal(lone_count(n), 1); /* b waits */
    say_value(n, "A");
    pass_barrier(n, 3);
    assert_told(n, "A; ok");
    redis_gets_nothing(n);
    fleet_retained_tick(&n->f);
    redis_gets(n, "values fl:{t}: 0 b");
    say_value(n, "B");
    pass_barrier(n, 4);
    assert_told(n, "B; ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(a_name_is_asked_for_as_it_is),
        LONE_TEST(behind_a_prefix_names_are_looked_for),
        LONE_TEST(a_hash_sign_matches_its_parent),
        LONE_TEST(without_a_prefix_all_buckets_are_walked),
        LONE_TEST(names_are_read_on_while_there_may_be_more),
        LONE_TEST(few_long_names_are_read_at_once),
        LONE_TEST(what_has_no_room_is_asked_for_again),
        LONE_TEST(one_large_value_is_on_its_way_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
