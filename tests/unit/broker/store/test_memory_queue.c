/* memory_queue: sequences, acknowledgements in any order, repeats. */
#include "broker/store/memory_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct message *make(char c)
{
    struct mqtt_publish p = {.topic = {(const uint8_t *)"t", 1},
                             .payload = {(const uint8_t *)&c, 1}};
    return message_new(&p, (struct message_id){0}, (struct mqtt_slice){0});
}

static void push(struct memory_queue *q, int count)
{
    for (int i = 0; i < count; i++) {
        struct message *m = make((char)i);
        assert_true(memory_queue_push(q, (struct memory_entry){.message = m, .qos = 1},
                                      (struct mqtt_ids){0}));
        message_unref(m);
    }
}

static void fini(struct memory_queue *q)
{
    struct leftovers left;
    leftovers_init(&left);
    memory_queue_fini(q, &left);
    leftovers_fini(&left);
}

static void entries_come_in_order_with_consecutive_sequences(void **state)
{
    (void)state;
    struct memory_queue q;
    struct store_entry out[8];
    bool more;
    memory_queue_init(&q);
    push(&q, 100);
    uint64_t from = 1;
    for (int round = 0; round < 13; round++) {
        size_t n = memory_queue_read(&q, from, out, 8, 1 << 20, &more);
        assert_int_equal(n, round < 12 ? 8 : 4);
        assert_int_equal(more, round < 12);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(out[i].sequence, from + i);
            assert_int_equal(out[i].message->payload.data[0], from + i - 1);
            assert_false(out[i].duplicate);
        }
        from += n;
    }
    fini(&q);
}

static void acknowledged_entries_are_gone_and_unacknowledged_ones_come_again(void **state)
{
    (void)state;
    struct memory_queue q;
    struct store_entry out[8];
    bool more;
    memory_queue_init(&q);
    push(&q, 4);
    memory_queue_read(&q, 1, out, 3, 1 << 20, &more);
    memory_queue_remove(&q, 2);
    memory_queue_remove(&q, 2);
    memory_queue_remove(&q, 99);
    assert_int_equal(q.first, 1);
    assert_int_equal(memory_queue_read(&q, 1, out, 8, 1 << 20, &more), 3);
    assert_int_equal(out[0].sequence, 1);
    assert_true(out[0].duplicate);
    assert_int_equal(out[1].sequence, 3);
    assert_true(out[1].duplicate);
    assert_int_equal(out[2].sequence, 4);
    assert_false(out[2].duplicate);
    memory_queue_remove(&q, 1);
    assert_int_equal(q.first, 3);
    fini(&q);
}

static size_t bytes_with(const char *props)
{
    struct memory_queue q;
    struct mqtt_publish p = {.topic = {(const uint8_t *)"t", 1},
                             .props.raw = mqtt_slice_of(props, strlen(props))};
    struct message *m = message_new(&p, (struct message_id){0}, (struct mqtt_slice){0});
    memory_queue_init(&q);
    assert_true(
        memory_queue_push(&q, (struct memory_entry){.message = m, .qos = 1}, (struct mqtt_ids){0}));
    size_t bytes = q.bytes;
    message_unref(m);
    fini(&q);
    return bytes;
}

/* They may be the most of a message. */
static void properties_count_as_bytes(void **state)
{
    (void)state;
    assert_int_equal(bytes_with("twelve bytes") - bytes_with(""), 12);
}

static void an_emptied_queue_goes_on_counting(void **state)
{
    (void)state;
    struct memory_queue q;
    struct store_entry out[2];
    bool more;
    memory_queue_init(&q);
    push(&q, 1);
    memory_queue_remove(&q, 1);
    assert_int_equal(q.count, 0);
    assert_int_equal(q.bytes, 0);
    assert_null(q.ring);
    push(&q, 1);
    assert_int_equal(memory_queue_read(&q, 0, out, 2, 1 << 20, &more), 1);
    assert_int_equal(out[0].sequence, 2);
    fini(&q);
}

static void entries_keep_the_identifiers_that_they_came_with(void **state)
{
    uint32_t ids[] = {3, 268435455, 3};
    struct memory_queue q;
    struct store_entry out[4];
    bool more;
    (void)state;
    memory_queue_init(&q);
    uint64_t queued = account.by_kind[ACCOUNT_QUEUES];
    for (uint32_t count = 0; count <= 3; count++) {
        struct message *m = make('x');
        assert_true(memory_queue_push(&q, (struct memory_entry){.message = m, .qos = 1},
                                      (struct mqtt_ids){.items = ids, .count = count}));
        message_unref(m);
    }
    memset(ids, 0, sizeof(ids));
    assert_int_equal(memory_queue_read(&q, 1, out, 4, 1 << 20, &more), 4);
    for (uint32_t count = 0; count <= 3; count++) {
        assert_int_equal(out[count].ids.count, count);
        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(out[count].ids.items[i], i == 1 ? 268435455 : 3);
    }
    memory_queue_remove(&q, 2);
    memory_queue_remove(&q, 3);
    memory_queue_read(&q, 1, out, 4, 1 << 20, &more);
    assert_int_equal(out[1].ids.count, 3);
    memory_queue_remove(&q, 1);
    memory_queue_remove(&q, 4);
    assert_int_equal(q.bytes, 0);
    assert_int_equal(account.by_kind[ACCOUNT_QUEUES], queued);
    fini(&q);
}

static void what_has_expired_is_dropped_unless_it_was_sent(void **state)
{
    (void)state;
    struct memory_queue q;
    struct store_entry out[8];
    bool more;
    memory_queue_init(&q);
    for (int i = 0; i < 6; i++) {
        struct message *m = make((char)i);
        m->expires_at_ms = i == 3 ? 0 : 100;
        assert_true(memory_queue_push(&q, (struct memory_entry){.message = m, .qos = 1},
                                      (struct mqtt_ids){0}));
        message_unref(m);
    }
    assert_int_equal(memory_queue_expire(&q, 1, 8, 99), 0);
    assert_int_equal(memory_queue_read(&q, 1, out, 1, 1 << 20, &more), 1);
    assert_int_equal(memory_queue_expire(&q, 1, 1, 100), 2); /* up to the fourth */
    assert_int_equal(q.count, 4);
    assert_int_equal(memory_queue_expire(&q, 1, 8, 100), 2);
    assert_int_equal(memory_queue_read(&q, 1, out, 8, 1 << 20, &more), 2);
    assert_int_equal(out[0].sequence, 1);
    assert_int_equal(out[1].sequence, 4);
    memory_queue_remove(&q, 1);
    memory_queue_remove(&q, 4);
    assert_null(q.ring);
    assert_int_equal(memory_queue_expire(&q, 1, 8, 100), 0);
    fini(&q);
}

static void a_queue_whose_all_has_expired_is_empty(void **state)
{
    (void)state;
    struct memory_queue q;
    memory_queue_init(&q);
    for (int i = 0; i < 20; i++) {
        struct message *m = make((char)i);
        m->expires_at_ms = 100;
        assert_true(memory_queue_push(&q, (struct memory_entry){.message = m, .qos = 1},
                                      (struct mqtt_ids){0}));
        message_unref(m);
    }
    assert_int_equal(memory_queue_expire(&q, 0, 1, 100), 20);
    assert_int_equal(q.bytes, 0);
    assert_null(q.ring);
    fini(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_in_order_with_consecutive_sequences),
        cmocka_unit_test(acknowledged_entries_are_gone_and_unacknowledged_ones_come_again),
        cmocka_unit_test(properties_count_as_bytes),
        cmocka_unit_test(an_emptied_queue_goes_on_counting),
        cmocka_unit_test(entries_keep_the_identifiers_that_they_came_with),
        cmocka_unit_test(what_has_expired_is_dropped_unless_it_was_sent),
        cmocka_unit_test(a_queue_whose_all_has_expired_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
