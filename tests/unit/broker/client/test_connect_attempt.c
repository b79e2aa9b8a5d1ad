/* connect_attempt: what a CONNECT asked for is kept until it is decided, and its rivals wait for that. */
#include "broker/client/connect_attempt.h"

#include "broker/base/account.h"
#include "tests/unit/broker/core_bed.h"

static struct client *begin(struct core_bed *b)
{
    struct client *c = bed_connect(b)->client;
    assert_non_null(connect_attempt_new(c, bed_text("id")));
    return c;
}

static void the_client_id_is_copied(void **state)
{
    struct core_bed *b = *state;
    char id[] = "abc";
    struct client *c = bed_connect(b)->client;
    struct connect_attempt *a = connect_attempt_new(c, bed_text(id));
    memset(id, 'x', 3);
    assert_ptr_equal(c->connecting, a);
    assert_ptr_equal(a->client, c);
    assert_true(bed_is_text(a->client_id, "abc"));
}

static void there_may_be_none(void **state)
{
    struct client *c = bed_connect(*state)->client;
    connect_attempt_free(c);
    assert_null(c->connecting);
}

static void rivals_look_again_when_it_is_decided(void **state)
{
    struct core_bed *b = *state;
    struct client *first = begin(b), *second = begin(b), *third = begin(b);
    connect_attempt_await(second->connecting, first->connecting);
    connect_attempt_await(third->connecting, first->connecting);
    connect_attempt_await(third->connecting, second->connecting); /* it waits already */
    assert_true(second->connecting->is_rival);
    assert_false(second->on_work);
    connect_attempt_free(first);
    assert_false(second->connecting->is_rival);
    assert_false(third->connecting->is_rival);
    assert_true(second->on_work);
    assert_true(third->on_work);
}

static void a_rival_that_goes_itself_is_forgotten(void **state)
{
    struct core_bed *b = *state;
    struct client *first = begin(b), *second = begin(b), *third = begin(b);
    connect_attempt_await(second->connecting, first->connecting);
    connect_attempt_await(third->connecting, first->connecting);
    connect_attempt_free(second);
    connect_attempt_free(first);
    assert_false(second->on_work);
    assert_true(third->on_work);
}

static void a_verdict_marks_the_client_for_work(void **state)
{
    struct client *c = begin(*state);
    assert_int_equal(c->connecting->verdict, LOGIN_PENDING);
    connect_attempt_judged(c, LOGIN_OK);
    assert_int_equal(c->connecting->verdict, LOGIN_OK);
    assert_true(c->on_work);
}

static void without_a_verdict_in_time_the_broker_is_busy(void **state)
{
    struct client *c = begin(*state);
    connect_attempt_late(c);
    assert_int_equal(c->connecting->verdict, LOGIN_BUSY);
    assert_true(c->on_work);
}

static void a_verdict_that_came_in_time_counts(void **state)
{
    struct client *c = begin(*state);
    c->connecting->verdict = LOGIN_OK;
    connect_attempt_late(c);
    assert_int_equal(c->connecting->verdict, LOGIN_OK);
}

static void what_it_keeps_is_freed_with_it(void **state)
{
    struct core_bed *b = *state;
    uint64_t before = account.total;
    struct client *c = bed_connect(b)->client;
    uint64_t connected = account.total;
    struct mqtt_publish will = {.topic = bed_text("t"), .payload = bed_text("x")};
    struct connect_attempt *a = connect_attempt_new(c, bed_text("id"));
    a->username = account_zalloc(ACCOUNT_CLIENTS, 10);
    a->will = message_new(&will, (struct message_id){0}, a->client_id);
    assert_true(account.total > connected);
    connect_attempt_free(c);
    assert_int_equal(account.total, connected);
    assert_true(connected > before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(the_client_id_is_copied),
        BED_TEST(there_may_be_none),
        BED_TEST(rivals_look_again_when_it_is_decided),
        BED_TEST(a_rival_that_goes_itself_is_forgotten),
        BED_TEST(a_verdict_marks_the_client_for_work),
        BED_TEST(without_a_verdict_in_time_the_broker_is_busy),
        BED_TEST(a_verdict_that_came_in_time_counts),
        BED_TEST(what_it_keeps_is_freed_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
