/* fleet_retained_read: a reading that fails is told so, and one that is cancelled tells nothing. */
#include "broker/fleet/exchange/inbox_barrier.h"
#include "broker/fleet/publish/fleet_retained_read.h"
#include "tests/unit/broker/fleet/lone_node.h"

static struct store_retained_read *reading;

static void on_value(void *arg, const struct message *m)
{
    lone_tell(arg, "%.*s", (int)m->payload.len, (const char *)m->payload.data);
}

/* Is of no interest any more once it has come. */
static void on_only_value(void *arg, const struct message *m)
{
    on_value(arg, m);
    fleet_retained_cancel(reading);
}

static void on_chunk(void *arg, struct store_retained_read *read)
{
    lone_tell(arg, "chunk");
    assert_ptr_equal(read, reading);
}

static void on_read(void *arg, enum store_status status)
{
    lone_tell(arg, status == STORE_OK ? "ok" : "unavailable");
}

static void start(struct lone_node *n, const char *filter, store_retained_fn *each)
{
    reading = fleet_retained_start(&n->f, lone_slice(filter), each, on_chunk, on_read, n);
}

static void pass_barrier(struct lone_node *n, uint64_t token)
{
    inbox_barriers_flush(&n->f);
    redis_says(n, "'1-0");
    redis_says(n, ":1");
    inbox_barrier_met(&n->f, token, true);
    inbox_barrier_met(&n->f, token, false);
}

static void say_values(struct lone_node *n)
{
    struct fleet_bytes a = lone_frame("t", "one", 1);
    struct fleet_bytes b = lone_frame("t", "two", 1);
    redis_says(n, "[ %b '? %b ]", a.data, a.len, b.data, b.len);
    fleet_bytes_fini(&a);
    fleet_bytes_fini(&b);
}

static void a_value_that_cant_be_read_is_passed_over(void **state)
{
    struct lone_node *n = *state;
    start(n, "a/+", on_value);
    redis_says(n, "[ 'a/1 'a/2 'a/3 ]");
    say_values(n);
    pass_barrier(n, 1);
    assert_told(n, "one; two; ok");
}

static void names_that_arent_answered_fail_it(void **state)
{
    static const char *const says[] = {"!ERR", ":1", NULL};
    struct lone_node *n = *state;
    for (size_t i = 0; i < 3; i++) {
        start(n, "a/+", on_value);
        lone_answer(n, says[i] != NULL ? reply(says[i]) : NULL);
        assert_told(n, "unavailable");
        redis_gets_nothing(n);
    }
}

static void values_that_arent_answered_fail_it(void **state)
{
    struct lone_node *n = *state;
    for (uint64_t i = 1; i <= 2; i++) {
        start(n, "a", on_value);
        lone_answer(n, i == 1 ? reply("!ERR") : NULL);
        pass_barrier(n, i);
        assert_told(n, "unavailable");
    }
}

/* What is older may not have been read. */
static void without_its_barrier_it_fails(void **state)
{
    struct lone_node *n = *state;
    start(n, "a/+", on_value);
    redis_says(n, "[ 'a/1 'a/2 'a/3 ]");
    say_values(n);
    inbox_barriers_reset(&n->f);
    assert_told(n, "unavailable");
}

/* One of the walks fails: what the others bring isn't told any more. */
static void half_a_reading_is_none(void **state)
{
    struct lone_node *n = *state;
    start(n, "a/#", on_value);
    say_values(n);
    redis_says(n, "!ERR");
    assert_told(n, "");
    pass_barrier(n, 1);
    assert_told(n, "unavailable");
}

static void one_that_is_cancelled_tells_nothing_more(void **state)
{
    struct lone_node *n = *state;
    start(n, "a/+", on_value); /* before its names come */
    fleet_retained_cancel(reading);
    redis_says(n, "[ 'a/1 ]");
    redis_gets_nothing(n);
    start(n, "a", on_value); /* before its values come */
    fleet_retained_cancel(reading);
    say_values(n);
    pass_barrier(n, 1);
    start(n, "a/+", on_only_value); /* at the first of them */
    redis_says(n, "[ 'a/1 'a/2 'a/3 ]");
    say_values(n);
    pass_barrier(n, 2);
    assert_told(n, "one");
}

static void one_that_waits_to_be_continued_is_cancelled_at_once(void **state)
{
    struct lone_node *n = *state;
    start(n, "a", on_value);
    redis_says(n, "[ ]");
    pass_barrier(n, 1);
    assert_told(n, "chunk");
    fleet_retained_cancel(reading);
    fleet_retained_reset(&n->f);
    assert_told(n, "");
}

static void a_reset_ends_those_that_wait(void **state)
{
    struct lone_node *n = *state;
    for (int i = 0; i < 2; i++) {
        start(n, "a", on_value);
        redis_says(n, "[ ]");
        pass_barrier(n, (uint64_t)i + 1);
    }
    assert_told(n, "chunk; chunk");
    fleet_retained_reset(&n->f);
    assert_told(n, "unavailable; unavailable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(a_value_that_cant_be_read_is_passed_over),
        LONE_TEST(names_that_arent_answered_fail_it),
        LONE_TEST(values_that_arent_answered_fail_it),
        LONE_TEST(without_its_barrier_it_fails),
        LONE_TEST(half_a_reading_is_none),
        LONE_TEST(one_that_is_cancelled_tells_nothing_more),
        LONE_TEST(one_that_waits_to_be_continued_is_cancelled_at_once),
        LONE_TEST(a_reset_ends_those_that_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
