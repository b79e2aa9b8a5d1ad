/* fleet_subscriptions: a session's subscriptions are read piece by piece, of two sessions at a time. */
#include "broker/fleet/fence/fleet_subscriptions.h"
#include "tests/unit/broker/fleet/lone_node.h"

static void on_read(void *arg, enum store_status status, uint64_t epoch)
{
    const struct lone_call *c = arg;
    lone_done(arg, status);
    lone_tell(c->n, "epoch %llu", (unsigned long long)epoch);
}

static void begin(struct lone_call *c, struct fleet_subscriptions *subs, const char *cursor)
{
    fleet_subscriptions_read(&c->n->f, lone_slice(c->name), cursor, subs, on_read, c);
}

static void assert_list(const struct fleet_subscriptions *subs, const char *expected)
{
    bool ok;
    struct store_subscription *list = fleet_subscriptions_list(subs, &ok);
    char text[128] = "";
    assert_true(ok);
    for (size_t i = 0; i < subs->count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.*s %u ",
                 (int)list[i].filter.len, (const char *)list[i].filter.data, list[i].qos);
    assert_string_equal(text, expected);
    free(list);
}

static void pairs_are_taken_from_an_element_on(void **state)
{
    struct fleet_subscriptions subs = {0};
    (void)state;
    fleet_subscriptions_take(&subs, reply("[ '5 'a '\1 'b '\2 ]"), 1);
    fleet_subscriptions_take(&subs, reply("[ 'c '\1 'cut ]"), 0); /* an option is missing */
    fleet_subscriptions_take(&subs, reply("[ ]"), 1);
    assert_list(&subs, "a 1 b 2 c 1 ");
    fleet_subscriptions_fini(&subs);
    assert_int_equal(subs.count, 0);
}

static void none_is_no_failure(void **state)
{
    struct fleet_subscriptions subs = {0};
    bool ok;
    (void)state;
    assert_null(fleet_subscriptions_list(&subs, &ok));
    assert_true(ok);
    fleet_subscriptions_take(&subs, reply("[ 'a '\1 ]"), 0);
    subs.text.failed = true; /* no memory */
    assert_null(fleet_subscriptions_list(&subs, &ok));
    assert_false(ok);
    fleet_subscriptions_fini(&subs);
}

static void it_is_read_to_the_end(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "c");
    struct fleet_subscriptions subs = {0};
    begin(c, &subs, "0");
    redis_gets(n, "session fl:{s}: c 0");
    redis_says(n, "[ '77 '5 'a '\1 ]");
    assert_told(n, "");
    redis_gets(n, "session fl:{s}: c 77");
    redis_says(n, "[ '0 '6 'b '\2 ]");
    assert_told(n, "c ok; epoch 6"); /* of the last piece */
    assert_list(&subs, "a 1 b 2 ");
    redis_gets_nothing(n);
    fleet_subscriptions_fini(&subs);
}

static void it_begins_behind_what_a_claim_brought(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "c");
    struct fleet_subscriptions subs = {0};
    begin(c, &subs, "123");
    redis_gets(n, "session fl:{s}: c 123");
    redis_says(n, "[ '0 '5 ]");
    assert_told(n, "c ok; epoch 5");
    fleet_subscriptions_fini(&subs);
}

/* The others wait, and come in their order, however it ended before them. */
static void two_are_read_at_a_time(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c[] = {lone_call(n, "a"), lone_call(n, "b"), lone_call(n, "c"),
                             lone_call(n, "d"), lone_call(n, "e")};
    struct fleet_subscriptions subs[5] = {0};
    for (size_t i = 0; i < 4; i++)
        begin(c[i], &subs[i], "0");
    assert_int_equal(lone_count(n), 2);
    redis_gets(n, "session fl:{s}: a 0");
    redis_says(n, "!ERR");
    assert_told(n, "a unavailable; epoch 0");
    assert_int_equal(lone_count(n), 2);
    redis_says(n, "[ '9 '1 ]"); /* b isn't at its end */
    assert_int_equal(lone_count(n), 2);
    redis_gets(n, "session fl:{s}: c 0");
    redis_says(n, "[ '0 '3 ]");
    assert_told(n, "c ok; epoch 3");
    begin(c[4], &subs[4], "0");
    redis_gets(n, "session fl:{s}: b 9");
    redis_says(n, "[ '0 '2 ]");
    redis_gets(n, "session fl:{s}: d 0");
    redis_says(n, "[ '0 '4 ]");
    redis_gets(n, "session fl:{s}: e 0");
    redis_says(n, "[ '0 '5 ]");
    assert_told(n, "b ok; epoch 2; d ok; epoch 4; e ok; epoch 5");
    redis_gets_nothing(n);
}

/* The link was reset: for nobody else there will be one either. */
static void without_an_answer_those_that_wait_get_none(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c[] = {lone_call(n, "a"), lone_call(n, "b"), lone_call(n, "c"),
                             lone_call(n, "d")};
    struct fleet_subscriptions subs[4] = {0};
    for (size_t i = 0; i < 3; i++)
        begin(c[i], &subs[i], "0");
    redis_says_nothing(n);
    assert_told(n, "a unavailable; epoch 0; c unavailable; epoch 0");
    redis_says_nothing(n);
    assert_told(n, "b unavailable; epoch 0");
    begin(c[3], &subs[3], "0"); /* and it goes on afterwards */
    redis_gets(n, "session fl:{s}: d 0");
    redis_says(n, "[ '0 '1 ]");
    assert_told(n, "d ok; epoch 1");
}

static void what_is_no_piece_is_unavailable(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "c");
    struct fleet_subscriptions subs = {0};
    begin(c, &subs, "0");
    redis_says(n, "[ '0 ]");
    assert_told(n, "c unavailable; epoch 0");
    begin(c, &subs, "0");
    redis_says(n, ":1");
    assert_told(n, "c unavailable; epoch 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(pairs_are_taken_from_an_element_on),
        LONE_TEST(none_is_no_failure),
        LONE_TEST(it_is_read_to_the_end),
        LONE_TEST(it_begins_behind_what_a_claim_brought),
        LONE_TEST(two_are_read_at_a_time),
        LONE_TEST(without_an_answer_those_that_wait_get_none),
        LONE_TEST(what_is_no_piece_is_unavailable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
