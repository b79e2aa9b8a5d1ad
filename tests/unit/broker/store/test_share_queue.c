/* share_queue: messages are taken in order, finished once, and go back to their place; memory_shares: what
 * durable members have of them. */
#include "broker/store/share_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/base/leftovers.h"
#include "broker/store/memory_shares.h"

#include <cmocka.h>

struct bed {
    struct memory_shares shares;
    struct memory_group *group;
    struct leftovers leftovers;
    unsigned back;
};

static const struct mqtt_slice filter = {(const uint8_t *)"$share/g/t", 10};

static int set_up(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));
    assert_true(memory_shares_init(&b->shares, 5));
    b->group = memory_shares_get(&b->shares, filter);
    leftovers_init(&b->leftovers);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *b = *state;
    memory_shares_fini(&b->shares);
    leftovers_fini(&b->leftovers);
    free(b);
    return 0;
}

static struct share_queue *queue(struct bed *b)
{
    return &b->group->queue;
}

/* A message with the number as its payload. */
static void push(struct bed *b, char number, uint8_t qos, uint64_t now_ms)
{
    struct mqtt_publish p = {
        .qos = qos, .topic = mqtt_slice_of("t", 1), .payload = mqtt_slice_of(&number, 1)};
    struct message *m = message_new(&p, (struct message_id){.node = 1}, (struct mqtt_slice){0});
    assert_true(share_queue_push(queue(b), m, 0, now_ms));
    message_unref(m);
}

static void push_all(struct bed *b, const char *numbers, uint8_t qos)
{
    for (; *numbers != '\0'; numbers++)
        push(b, *numbers, qos, 0);
}

static struct share_entry *take(struct bed *b, char number)
{
    struct share_entry *e = share_queue_take(queue(b));
    assert_non_null(e);
    assert_int_equal(e->message->payload.data[0], number);
    return e;
}

/* What waits, taken and finished. */
static const char *drain(struct bed *b)
{
    static char out[32];
    size_t len = 0;
    struct share_entry *e;
    while ((e = share_queue_take(queue(b))) != NULL) {
        out[len++] = (char)e->message->payload.data[0];
        share_entry_finish(e);
    }
    out[len] = '\0';
    return out;
}

static void what_is_put_back_is_at_its_old_place(void **state)
{
    struct bed *b = *state;
    push_all(b, "12345", 1);
    struct share_entry *one = take(b, '1');
    struct share_entry *two = take(b, '2');
    struct share_entry *three = take(b, '3');
    share_entry_finish(two);
    assert_true(share_entry_put_back(three));
    assert_true(share_entry_put_back(one));
    assert_int_equal(queue(b)->waiting_count, 4);
    assert_string_equal(drain(b), "1345");
    assert_int_equal(queue(b)->count, 0);
    assert_int_equal(queue(b)->bytes, 0);
}

/* The first one that a member may have; '-': none. */
static char take_as(struct bed *b, const struct memory_taker *taker)
{
    struct share_entry *e = memory_shares_take(&b->shares, b->group, taker);
    char number = e != NULL ? (char)e->message->payload.data[0] : '-';
    if (e != NULL)
        share_entry_finish(e);
    return number;
}

static void what_a_member_may_not_read_waits_for_the_others(void **state)
{
    struct bed *b = *state;
    struct memory_taker bob = {.client_id = mqtt_slice_of("bob", 3)};
    struct memory_taker eve = {.client_id = mqtt_slice_of("eve", 3)};
    push_all(b, "12", 1);
    assert_true(memory_shares_deny(&b->shares, take(b, '1'), &bob));
    assert_int_equal(memory_shares_more(&b->shares, b->group, &bob), STORE_MORE);
    assert_int_equal(take_as(b, &bob), '2');
    assert_int_equal(memory_shares_more(&b->shares, b->group, &bob), STORE_MORE_OTHERS);
    assert_int_equal(take_as(b, &bob), '-');
    assert_int_equal(memory_shares_more(&b->shares, b->group, &eve), STORE_MORE);
    assert_int_equal(take_as(b, &eve), '1');
    assert_int_equal(memory_shares_more(&b->shares, b->group, &bob), STORE_MORE_NONE);
    assert_int_equal(queue(b)->denied, 0);
    push_all(b, "3", 1);
    struct share_entry *e = take(b, '3');
    memory_shares_ended(&b->shares, filter);
    assert_false(memory_shares_deny(&b->shares, e, &bob));
    share_entry_finish(e);
}

static void a_taken_one_outlives_the_queue(void **state)
{
    struct bed *b = *state;
    push_all(b, "123", 1);
    struct share_entry *one = take(b, '1');
    struct share_entry *two = take(b, '2');
    memory_shares_ended(&b->shares, filter);
    assert_null(memory_shares_find(&b->shares, filter));
    assert_false(share_entry_put_back(one));
    share_entry_finish(two);
}

static void without_members_messages_stay_for_the_declared_time(void **state)
{
    struct bed *b = *state;
    assert_true(memory_shares_declare(&b->shares, filter, 1000));
    push(b, '1', 1, 100);
    push(b, '2', 1, 1200);
    assert_int_equal(memory_shares_tick(&b->shares, 1050), 0);
    assert_int_equal(memory_shares_tick(&b->shares, 1700), 1);
    memory_shares_joined(&b->shares, filter, b);
    assert_int_equal(memory_shares_tick(&b->shares, 9000), 0);
    memory_shares_ended(&b->shares, filter);
    assert_int_equal(memory_shares_tick(&b->shares, 9600), 1);
    assert_string_equal(drain(b), "");
}

/* ---- a durable member's ----------------------------------------------------------------------- */

static void on_back(void *arg, struct memory_group *g)
{
    struct bed *b = arg;
    assert_ptr_equal(g, b->group);
    b->back++;
}

/* Copies of so many messages; the first `sent` were fetched. */
static void copy(struct bed *b, struct memory_queue *q, const char *numbers, uint8_t qos,
                 size_t sent)
{
    struct store_entry out[8];
    bool more;
    memory_queue_init(q);
    push_all(b, numbers, qos);
    for (const char *at = numbers; *at != '\0'; at++) {
        struct share_entry *e = take(b, *at);
        struct memory_entry entry = {.message = e->message, .qos = qos, .shared = e};
        assert_true(memory_queue_push(q, entry, (struct mqtt_ids){0}));
    }
    if (sent > 0)
        assert_int_equal(memory_queue_read(q, 1, out, sent, SIZE_MAX, &more), sent);
}

static void an_acknowledged_copy_is_finished_in_the_group(void **state)
{
    struct bed *b = *state;
    struct memory_queue q;
    copy(b, &q, "12", 1, 2);
    memory_queue_remove(&q, 1);
    assert_int_equal(queue(b)->count, 1);
    memory_queue_fini(&q, &b->leftovers);
}

static void unsent_copies_go_back_when_it_leaves(void **state)
{
    struct bed *b = *state;
    struct memory_queue q;
    copy(b, &q, "1234", 1, 2);
    memory_shares_return(&q, RETURN_UNSENT, NULL, on_back, b);
    assert_int_equal(b->back, 2);
    assert_int_equal(q.count, 2);
    memory_shares_return(&q, RETURN_QOS1, NULL, on_back, b);
    assert_int_equal(q.count, 0);
    assert_string_equal(drain(b), "1234");
    memory_queue_fini(&q, &b->leftovers);
}

static void qos_2_that_was_sent_stays_and_ends_with_the_session(void **state)
{
    struct bed *b = *state;
    struct memory_queue q;
    copy(b, &q, "1234", 2, 2);
    memory_shares_return(&q, RETURN_UNSENT, NULL, on_back, b);
    memory_shares_return(&q, RETURN_QOS1, NULL, on_back, b);
    assert_int_equal(q.count, 2);
    memory_shares_return(&q, RETURN_SESSION, NULL, on_back, b);
    memory_queue_fini(&q, &b->leftovers);
    assert_string_equal(drain(b), "34");
    assert_int_equal(queue(b)->count, 0);
}

static void only_those_of_one_group_go_back(void **state)
{
    struct bed *b = *state;
    struct memory_queue q;
    struct memory_group *other = memory_shares_get(&b->shares, mqtt_slice_of("$share/h/t", 10));
    copy(b, &q, "12", 1, 0);
    memory_shares_return(&q, RETURN_UNSENT, other, on_back, b);
    assert_int_equal(b->back, 0);
    memory_shares_return(&q, RETURN_UNSENT, b->group, on_back, b);
    assert_int_equal(b->back, 2);
    memory_queue_fini(&q, &b->leftovers);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_put_back_is_at_its_old_place),
        TEST(what_a_member_may_not_read_waits_for_the_others),
        TEST(a_taken_one_outlives_the_queue),
        TEST(without_members_messages_stay_for_the_declared_time),
        TEST(an_acknowledged_copy_is_finished_in_the_group),
        TEST(unsent_copies_go_back_when_it_leaves),
        TEST(qos_2_that_was_sent_stays_and_ends_with_the_session),
        TEST(only_those_of_one_group_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
