/* fleet_stream against a real redis-server: what is read, in which portions, and what is forgotten. */
#include "broker/fleet/node/fleet_stream.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/redis/redis_link.h"
#include "tests/unit/redis_server.h"

struct fixture {
    struct redis_server server;
    redisContext *redis;
    struct event_base *base;
    struct redis_url url;
    struct redis_link *link;
    struct fleet_stream stream;
    unsigned came[FLEET_STREAM_LOST + 1]; /* how often each result came */
};

static void on_came(void *arg, enum fleet_stream_result result)
{
    struct fixture *f = arg;
    f->came[result]++;
}

static bool on_greeted(void *arg, struct redis_link *l, const struct redis_server_info *info)
{
    (void)arg, (void)l, (void)info;
    return true;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    if (!redis_server_start(&f->server) || redis_url_parse(f->server.url, &f->url) != NULL)
        return -1;
    struct redis_link_config cfg = {
        .name = "test",
        .url = &f->url,
        .connect_timeout_ms = 1000,
        .command_timeout_ms = 1000 + FLEET_STREAM_BLOCK_MS,
        .backoff_min_ms = 10,
        .backoff_max_ms = 50,
        .greeted = on_greeted,
    };
    f->redis = redis_server_connect(&f->server);
    f->base = event_base_new();
    f->link = redis_link_new(f->base, &cfg);
    fleet_stream_init(&f->stream, on_came, f);
    return f->link != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    redis_link_free(f->link);
    fleet_stream_fini(&f->stream);
    event_base_free(f->base);
    redisFree(f->redis);
    redis_server_stop(&f->server);
    free(f);
    return 0;
}

static void turn(struct fixture *f)
{
    struct timeval tv = {.tv_usec = 20000};
    event_base_loopexit(f->base, &tv);
    event_base_loop(f->base, EVLOOP_ONCE);
    redis_link_input(f->link, clock_monotonic_ms(), NULL);
    redis_link_flush(f->link, clock_monotonic_ms());
}

#define TURN_UNTIL(f, condition)                                                                   \
    do {                                                                                           \
        uint64_t end_ = clock_monotonic_ms() + 5000;                                               \
        while (!(condition) && clock_monotonic_ms() < end_)                                        \
            turn(f);                                                                               \
        assert_true(condition);                                                                    \
    } while (0)

static void say(struct fixture *f, const char *command)
{
    redisReply *r = redisCommand(f->redis, command);
    assert_non_null(r);
    assert_int_not_equal(r->type, REDIS_REPLY_ERROR);
    freeReplyObject(r);
}

static void read_behind(struct fixture *f, const char *id, size_t count)
{
    fleet_stream_read(&f->stream, f->link, "s", id, count);
}

static void is_value(const struct fleet_stream_entry *e, const char *name, const char *expected)
{
    struct mqtt_slice value = fleet_stream_value(e, name);
    assert_non_null(value.data);
    assert_int_equal(value.len, strlen(expected));
    assert_memory_equal(value.data, expected, value.len);
}

static void entries_are_taken_one_by_one_in_their_order(void **state)
{
    struct fixture *f = *state;
    struct fleet_stream_entry e;
    say(f, "XADD s 1-0 n a d one");
    say(f, "XADD s 2-0 n b d two");
    say(f, "XADD s 3-0 h 0123456789");
    read_behind(f, "0-0", 10);
    assert_true(f->stream.is_reading);
    assert_false(fleet_stream_has_entries(&f->stream));
    TURN_UNTIL(f, f->came[FLEET_STREAM_ENTRIES] == 1);
    assert_int_equal(fleet_stream_count(&f->stream), 3);
    assert_int_equal(fleet_stream_bytes(&f->stream), 2 * (1 + 3) + 10);

    assert_true(fleet_stream_next(&f->stream, &e));
    assert_string_equal(e.id, "1-0");
    is_value(&e, "n", "a");
    is_value(&e, "d", "one");
    turn(f); /* in another turn */
    assert_true(fleet_stream_next(&f->stream, &e));
    assert_string_equal(e.id, "2-0");
    is_value(&e, "d", "two");
    assert_false(fleet_stream_is_at_end(&f->stream));
    assert_true(fleet_stream_next(&f->stream, &e));
    assert_null(fleet_stream_value(&e, "d").data);
    is_value(&e, "h", "0123456789");

    assert_true(fleet_stream_is_at_end(&f->stream));
    assert_true(fleet_stream_has_entries(&f->stream));
    assert_true(f->stream.is_reading);
    assert_false(fleet_stream_next(&f->stream, &e));
    assert_false(fleet_stream_has_entries(&f->stream));
    assert_false(f->stream.is_reading);
}

static void what_stands_behind_the_id_is_read_as_much_as_was_asked_for(void **state)
{
    struct fixture *f = *state;
    struct fleet_stream_entry e;
    say(f, "XADD s 1-0 d one");
    say(f, "XADD s 1-1 d two");
    say(f, "XADD s 1-2 d three");
    say(f, "XADD s 1-3 d four");
    read_behind(f, "1-0", 2);
    TURN_UNTIL(f, f->came[FLEET_STREAM_ENTRIES] == 1);
    assert_int_equal(fleet_stream_count(&f->stream), 2);
    assert_true(fleet_stream_next(&f->stream, &e));
    assert_string_equal(e.id, "1-1");
    assert_true(fleet_stream_next(&f->stream, &e));
    assert_string_equal(e.id, "1-2");
    assert_false(fleet_stream_next(&f->stream, &e));
}

static void an_empty_value_is_there(void **state)
{
    struct fixture *f = *state;
    struct fleet_stream_entry e;
    redisReply *r = redisCommand(f->redis, "XADD s 1-0 d %b", "", (size_t)0);
    freeReplyObject(r);
    read_behind(f, "0-0", 1);
    TURN_UNTIL(f, f->came[FLEET_STREAM_ENTRIES] == 1);
    assert_true(fleet_stream_next(&f->stream, &e));
    is_value(&e, "d", "");
}

static void a_malformed_entry_has_no_values(void **state)
{
    (void)state;
    const struct fleet_stream_entry e = {.id = ""};
    assert_null(fleet_stream_value(&e, "d").data);
}

static void one_reading_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct fleet_stream_entry e;
    say(f, "XADD s 1-0 d one");
    read_behind(f, "0-0", 1);
    read_behind(f, "0-0", 1);
    TURN_UNTIL(f, f->came[FLEET_STREAM_ENTRIES] == 1);
    read_behind(f, "0-0", 1); /* its entries aren't taken yet */
    for (int i = 0; i < 5; i++)
        turn(f);
    assert_int_equal(f->came[FLEET_STREAM_ENTRIES], 1);
    assert_true(fleet_stream_next(&f->stream, &e));
    assert_false(fleet_stream_next(&f->stream, &e));
    read_behind(f, "0-0", 1);
    TURN_UNTIL(f, f->came[FLEET_STREAM_ENTRIES] == 2);
}

static void it_waits_for_an_entry(void **state)
{
    struct fixture *f = *state;
    read_behind(f, "0-0", 1);
    for (int i = 0; i < 10; i++)
        turn(f);
    assert_true(f->stream.is_reading);
    say(f, "XADD s 1-0 d one");
    TURN_UNTIL(f, f->came[FLEET_STREAM_ENTRIES] == 1);
}

static void nothing_within_the_time_is_said(void **state)
{
    struct fixture *f = *state;
    read_behind(f, "0-0", 1);
    TURN_UNTIL(f, f->came[FLEET_STREAM_NOTHING] == 1);
    assert_false(f->stream.is_reading);
    assert_false(fleet_stream_has_entries(&f->stream));
}

static void an_error_is_said(void **state)
{
    struct fixture *f = *state;
    say(f, "SET s text");
    read_behind(f, "0-0", 1);
    TURN_UNTIL(f, f->came[FLEET_STREAM_FAILED] == 1);
    assert_false(f->stream.is_reading);
    assert_false(fleet_stream_has_entries(&f->stream));
}

static void a_reset_link_is_said(void **state)
{
    struct fixture *f = *state;
    read_behind(f, "0-0", 1);
    redis_link_reset(f->link, "test");
    assert_int_equal(f->came[FLEET_STREAM_LOST], 1);
    assert_false(f->stream.is_reading);
}

static void a_restart_forgets_the_answer_that_is_to_come(void **state)
{
    struct fixture *f = *state;
    struct fleet_stream_entry e;
    say(f, "XADD s 1-0 d one");
    say(f, "XADD s 2-0 d two");
    read_behind(f, "0-0", 1);
    fleet_stream_restart(&f->stream);
    assert_false(f->stream.is_reading);
    read_behind(f, "1-0", 1);
    TURN_UNTIL(f, f->came[FLEET_STREAM_ENTRIES] == 1);
    assert_true(fleet_stream_next(&f->stream, &e));
    assert_string_equal(e.id, "2-0");
    assert_false(fleet_stream_next(&f->stream, &e));
    for (int i = 0; i < 5; i++)
        turn(f);
    assert_int_equal(f->came[FLEET_STREAM_ENTRIES], 1);
}

static void a_restart_forgets_the_entries_that_were_not_taken(void **state)
{
    struct fixture *f = *state;
    struct fleet_stream_entry e;
    say(f, "XADD s 1-0 d one");
    say(f, "XADD s 2-0 d two");
    read_behind(f, "0-0", 2);
    TURN_UNTIL(f, f->came[FLEET_STREAM_ENTRIES] == 1);
    assert_true(fleet_stream_next(&f->stream, &e));
    fleet_stream_restart(&f->stream);
    assert_false(fleet_stream_has_entries(&f->stream));
    assert_true(fleet_stream_is_at_end(&f->stream));
    assert_false(fleet_stream_next(&f->stream, &e));
    read_behind(f, "0-0", 1);
    TURN_UNTIL(f, f->came[FLEET_STREAM_ENTRIES] == 2);
    assert_true(fleet_stream_next(&f->stream, &e));
    assert_string_equal(e.id, "1-0");
}

static void ids_are_compared_as_numbers(void **state)
{
    (void)state;
    static const char *const rising[] = {
        "0-0",
        "1-0",
        "9-9",
        "9-10",
        "10-0",
        "1700000000000-0",
        "1700000000000-1",
        "1700000000001-0",
        "18446744073709551615-18446744073709551614",
        "18446744073709551615-18446744073709551615",
    };
    size_t count = sizeof(rising) / sizeof(rising[0]);
    for (size_t a = 0; a < count; a++)
        for (size_t b = 0; b < count; b++)
            assert_int_equal(fleet_stream_id_is_below(rising[a], rising[b]), a < b);
}

int main(void)
{
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_SERVER(entries_are_taken_one_by_one_in_their_order),
        WITH_SERVER(what_stands_behind_the_id_is_read_as_much_as_was_asked_for),
        WITH_SERVER(an_empty_value_is_there),
        cmocka_unit_test(a_malformed_entry_has_no_values),
        WITH_SERVER(one_reading_at_a_time),
        WITH_SERVER(it_waits_for_an_entry),
        WITH_SERVER(nothing_within_the_time_is_said),
        WITH_SERVER(an_error_is_said),
        WITH_SERVER(a_reset_link_is_said),
        WITH_SERVER(a_restart_forgets_the_answer_that_is_to_come),
        WITH_SERVER(a_restart_forgets_the_entries_that_were_not_taken),
        cmocka_unit_test(ids_are_compared_as_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
