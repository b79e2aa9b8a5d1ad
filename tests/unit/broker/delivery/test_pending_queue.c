/* pending_queue: messages come out in their order, and what they take is counted until they have gone. */
#include "broker/delivery/pending_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "broker/base/account.h"
#include "broker/message/message.h"

enum { MANY = 100 }; /* several blocks */

static struct message *make(unsigned number)
{
    char payload[16];
    snprintf(payload, sizeof(payload), "%u", number);
    struct mqtt_publish p = {.qos = 1,
                             .topic = mqtt_slice_of("t", 1),
                             .payload = mqtt_slice_of(payload, strlen(payload))};
    struct message *m = message_new(&p, (struct message_id){0}, (struct mqtt_slice){0});
    assert_non_null(m);
    return m;
}

static void push(struct pending_queue *q, unsigned number)
{
    static const uint32_t identifiers[] = {7, 8, 9};
    struct message *m = make(number);
    struct mqtt_ids ids = {.items = identifiers, .count = number % 4};
    assert_true(pending_queue_push(q, m, (uint8_t)(1 + number % 2), number % 3 == 0, ids));
    assert_int_equal(m->refs, 2);
    message_unref(m);
}

static void pop(struct pending_queue *q, unsigned number)
{
    char payload[16];
    struct pending p = pending_queue_pop(q);
    struct mqtt_ids ids = kept_ids_all(&p.ids);
    snprintf(payload, sizeof(payload), "%u", number);
    assert_int_equal(p.message->payload.len, strlen(payload));
    assert_memory_equal(p.message->payload.data, payload, strlen(payload));
    assert_int_equal(p.qos, 1 + number % 2);
    assert_int_equal(p.retain, number % 3 == 0);
    assert_int_equal(ids.count, number % 4);
    for (uint32_t i = 0; i < ids.count; i++)
        assert_int_equal(ids.items[i], 7 + i);
    pending_drop(p);
}

/* All of it, in one go. */
static void release(struct pending_queue *q)
{
    while (pending_queue_release(q))
        ;
    assert_int_equal(account.by_kind[ACCOUNT_WINDOWS], 0);
}

static void messages_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct pending_queue *q = pending_queue_new();
    assert_non_null(q);
    unsigned in = 0;
    unsigned out = 0;
    while (in < MANY) {
        for (int i = 0; i < 3; i++)
            push(q, in++);
        pop(q, out++);
        assert_int_equal(q->count, in - out);
    }
    while (out < in)
        pop(q, out++);
    assert_int_equal(q->count, 0);
    assert_int_equal(q->bytes, 0);
    push(q, 5);
    pop(q, 5);
    release(q);
}

static void bytes_are_those_of_what_waits(void **state)
{
    (void)state;
    struct pending_queue *q = pending_queue_new();
    assert_non_null(q);
    push(q, 0);
    uint64_t one = q->bytes;
    assert_true(one > sizeof(struct pending));
    push(q, 3); /* three identifiers are behind a pointer */
    assert_int_equal(q->bytes, 2 * one + 3 * sizeof(uint32_t));
    pop(q, 0);
    assert_int_equal(q->bytes, one + 3 * sizeof(uint32_t));
    release(q);
}

static void it_is_released_one_message_at_a_time(void **state)
{
    (void)state;
    struct pending_queue *q = pending_queue_new();
    assert_non_null(q);
    for (unsigned i = 0; i < MANY; i++)
        push(q, i);
    for (unsigned i = 0; i < MANY - 1; i++)
        assert_true(pending_queue_release(q));
    assert_false(pending_queue_release(q));
    assert_int_equal(account.by_kind[ACCOUNT_WINDOWS], 0);
    q = pending_queue_new();
    assert_non_null(q);
    assert_false(pending_queue_release(q));
    assert_int_equal(account.by_kind[ACCOUNT_WINDOWS], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_out_as_they_went_in),
        cmocka_unit_test(bytes_are_those_of_what_waits),
        cmocka_unit_test(it_is_released_one_message_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
