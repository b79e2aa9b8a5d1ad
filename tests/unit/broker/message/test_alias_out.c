/* alias_out: the topics that a client gets most are named by an alias (5.0: 3.3.2.3.4). */
#include "broker/message/alias_out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/base/account.h"

enum { FULL = 2, SCORE_MAX = 32 };

/* Sends a message of the topic; how it was named. */
static struct alias_choice send(struct alias_out *a, uint64_t topic)
{
    struct alias_choice how = alias_out_choose(a, topic);
    alias_out_sent(a, topic, how);
    return how;
}

static bool is(struct alias_choice how, uint16_t alias, bool known)
{
    return how.alias == alias && how.known == known;
}

/* All aliases are taken, each by a topic of this many messages. */
static struct alias_out *full(int messages)
{
    struct alias_out *a = alias_out_new(FULL);
    assert_non_null(a);
    for (uint64_t topic = 1; topic <= FULL; topic++)
        for (int i = 0; i < messages; i++)
            send(a, topic);
    return a;
}

static void a_topic_gets_a_free_alias_at_once(void **state)
{
    (void)state;
    struct alias_out *a = alias_out_new(FULL);
    assert_true(is(send(a, 10), 1, false));
    assert_true(is(send(a, 20), 2, false));
    alias_out_free(a);
}

static void from_its_second_message_on_the_name_is_left_out(void **state)
{
    (void)state;
    struct alias_out *a = alias_out_new(FULL);
    send(a, 10);
    assert_true(is(send(a, 10), 1, true));
    assert_true(is(send(a, 10), 1, true));
    alias_out_free(a);
}

/* A message that was dropped after the choice teaches the client nothing. */
static void an_alias_is_known_only_once_it_was_sent(void **state)
{
    (void)state;
    struct alias_out *a = alias_out_new(FULL);
    assert_true(is(alias_out_choose(a, 10), 1, false));
    assert_true(is(alias_out_choose(a, 10), 1, false));
    assert_true(is(send(a, 20), 1, false)); /* it is free still */
    assert_true(is(send(a, 10), 2, false));
    alias_out_free(a);
}

static void never_more_than_the_client_allows(void **state)
{
    (void)state;
    struct alias_out *a = alias_out_new(1);
    send(a, 1);
    for (uint64_t topic = 2; topic < 200; topic++)
        for (int i = 0; i < 3; i++)
            assert_true(send(a, topic).alias <= 1);
    alias_out_free(a);
}

static void topics_that_come_once_take_nothing_from_the_others(void **state)
{
    (void)state;
    struct alias_out *a = full(1);
    for (uint64_t topic = 100; topic < 1100; topic++)
        assert_true(is(send(a, topic), 0, false));
    assert_true(is(send(a, 1), 1, true));
    assert_true(is(send(a, 2), 2, true));
    alias_out_free(a);
}

/* First sight, second sight (which wears the first alias down), and then one after the other. */
static void one_that_comes_again_wears_an_alias_down_and_gets_it(void **state)
{
    (void)state;
    struct alias_out *a = full(1);
    assert_true(is(send(a, 9), 0, false)); /* seen for the first time */
    assert_true(is(send(a, 9), 0, false)); /* takes from alias 1 */
    assert_true(is(send(a, 9), 0, false)); /* takes from alias 2 */
    assert_true(is(send(a, 9), 1, false)); /* nothing is left of alias 1 */
    assert_true(is(send(a, 9), 1, true));
    assert_true(is(send(a, 2), 2, true));
    assert_int_not_equal(send(a, 1).alias, 1); /* which isn't topic 1's any more */
    alias_out_free(a);
}

static void a_topic_seen_long_ago_is_seen_for_the_first_time(void **state)
{
    (void)state;
    struct alias_out *a = full(1);
    send(a, 9);
    send(a, 9);
    send(a, 9); /* all are worn */
    for (uint64_t topic = 100; topic < 120; topic++)
        assert_true(is(send(a, topic), 0, false));
    assert_true(is(send(a, 9), 0, false));
    assert_true(is(send(a, 9), 1, false));
    alias_out_free(a);
}

static void topics_that_come_more_often_keep_theirs(void **state)
{
    (void)state;
    struct alias_out *a = full(SCORE_MAX);
    for (int i = 0; i < 1000; i++) {
        assert_true(is(send(a, 1), 1, true));
        assert_true(is(send(a, 2), 2, true));
        if (i % 2 == 0)
            assert_true(is(send(a, 9), 0, false));
    }
    alias_out_free(a);
}

/* However many messages a topic had: it doesn't keep its alias for that for ever. */
static void a_topic_that_came_very_often_loses_it_when_it_comes_no_more(void **state)
{
    (void)state;
    struct alias_out *a = full(100000);
    int sent = 0;
    while (sent < 1000 && send(a, 9).alias == 0)
        sent++;
    assert_int_equal(sent, 1 + FULL * SCORE_MAX);
    assert_true(alias_out_choose(a, 9).known);
    alias_out_free(a);
}

static void its_memory_is_counted_as_the_clients(void **state)
{
    (void)state;
    uint64_t before = account.by_kind[ACCOUNT_CLIENTS];
    struct alias_out *a = alias_out_new(256);
    assert_true(account.by_kind[ACCOUNT_CLIENTS] > before);
    alias_out_free(a);
    alias_out_free(NULL);
    assert_int_equal(account.by_kind[ACCOUNT_CLIENTS], before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_gets_a_free_alias_at_once),
        cmocka_unit_test(from_its_second_message_on_the_name_is_left_out),
        cmocka_unit_test(an_alias_is_known_only_once_it_was_sent),
        cmocka_unit_test(never_more_than_the_client_allows),
        cmocka_unit_test(topics_that_come_once_take_nothing_from_the_others),
        cmocka_unit_test(one_that_comes_again_wears_an_alias_down_and_gets_it),
        cmocka_unit_test(a_topic_seen_long_ago_is_seen_for_the_first_time),
        cmocka_unit_test(topics_that_come_more_often_keep_theirs),
        cmocka_unit_test(a_topic_that_came_very_often_loses_it_when_it_comes_no_more),
        cmocka_unit_test(its_memory_is_counted_as_the_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
