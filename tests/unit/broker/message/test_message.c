/* message: a copy that is shared by reference, and what its memory counts as. */
#include "broker/message/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/base/account.h"

static struct message *make(char topic[8], char payload[8])
{
    struct mqtt_publish p = {.qos = 1,
                             .retain = true,
                             .topic = {(uint8_t *)topic, (uint32_t)strlen(topic)},
                             .payload = {(uint8_t *)payload, (uint32_t)strlen(payload)}};
    struct message *m =
        message_new(&p, (struct message_id){2, 3}, (struct mqtt_slice){(const uint8_t *)"me", 2});
    assert_non_null(m);
    return m;
}

static uint64_t counted(enum account_kind kind)
{
    return account.by_kind[kind];
}

static void what_was_published_is_copied(void **state)
{
    (void)state;
    char topic[8] = "t/1", payload[8] = "xyz";
    struct message *m = make(topic, payload);
    memset(topic, 0, sizeof(topic));
    memset(payload, 0, sizeof(payload));
    assert_int_equal(m->topic.len, 3);
    assert_memory_equal(m->topic.data, "t/1", 3);
    assert_memory_equal(m->payload.data, "xyz", 3);
    assert_memory_equal(m->publisher.data, "me", 2);
    assert_int_equal(m->qos, 1);
    assert_true(m->retain);
    assert_int_equal(m->id.node, 2);
    assert_int_equal(m->id.sequence, 3);
    assert_int_equal(m->expires_at_ms, 0);
    message_unref(m);
}

static void properties_are_passed_on_if_there_are_any(void **state)
{
    (void)state;
    struct mqtt_publish p = {.props.raw = {(const uint8_t *)"\1\1", 2}};
    struct message *m = message_new(&p, (struct message_id){0}, (struct mqtt_slice){0});
    assert_int_equal(m->props.len, 2);
    message_unref(m);
    m = make((char[8]){"t"}, (char[8]){""});
    assert_int_equal(m->payload.len, 0);
    message_unref(m);
}

static void it_is_there_until_the_last_reference_is_gone(void **state)
{
    (void)state;
    struct message *m = make((char[8]){"t"}, (char[8]){"x"});
    uint64_t bytes = counted(ACCOUNT_MESSAGES);
    assert_int_not_equal(bytes, 0);
    assert_ptr_equal(message_ref(m), m);
    message_unref(m);
    assert_int_equal(counted(ACCOUNT_MESSAGES), bytes);
    message_unref(m);
    assert_int_equal(counted(ACCOUNT_MESSAGES), 0);
    message_unref(NULL);
}

static void one_that_is_kept_counts_as_what_lasts(void **state)
{
    (void)state;
    struct message *m = make((char[8]){"t"}, (char[8]){"x"});
    uint64_t bytes = counted(ACCOUNT_MESSAGES);
    message_keep(m);
    message_keep(m); /* in a second queue */
    assert_int_equal(counted(ACCOUNT_MESSAGES), 0);
    assert_int_equal(counted(ACCOUNT_KEPT), bytes);
    assert_int_equal(account.kept_messages, 1);
    assert_int_equal(account.kept_payload, 1);
    message_unref(m);
    assert_int_equal(counted(ACCOUNT_KEPT), 0);
    assert_int_equal(account.kept_messages, 0);
    assert_int_equal(account.kept_payload, 0);
    assert_int_equal(account.total, 0);
}

static void it_expires_at_its_moment_and_without_one_never(void **state)
{
    (void)state;
    struct message *m = make((char[8]){"t"}, (char[8]){"x"});
    assert_false(message_is_expired(m, UINT64_MAX));
    m->expires_at_ms = 1000;
    assert_false(message_is_expired(m, 999));
    assert_true(message_is_expired(m, 1000));
    message_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_published_is_copied),
        cmocka_unit_test(properties_are_passed_on_if_there_are_any),
        cmocka_unit_test(it_is_there_until_the_last_reference_is_gone),
        cmocka_unit_test(one_that_is_kept_counts_as_what_lasts),
        cmocka_unit_test(it_expires_at_its_moment_and_without_one_never),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
