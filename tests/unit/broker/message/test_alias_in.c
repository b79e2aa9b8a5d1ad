/* alias_in: which topic each alias of a client stands for (5.0: 3.3.2.3.4). */
#include "broker/message/alias_in.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/base/account.h"

enum { PLACE = sizeof(void *) };

static bool set(struct alias_in *a, uint16_t alias, const char *topic)
{
    return alias_in_set(a, alias, mqtt_slice_of(topic, strlen(topic)));
}

static bool stands_for(const struct alias_in *a, uint16_t alias, const char *topic)
{
    struct mqtt_slice t = alias_in_topic(a, alias);
    return t.len == strlen(topic) && (t.len == 0 || memcmp(t.data, topic, t.len) == 0);
}

static void an_alias_stands_for_the_topic_it_was_set_to(void **state)
{
    (void)state;
    struct alias_in a = {0};
    char topic[] = "a/b"; /* it is a copy */
    assert_true(set(&a, 2, topic));
    topic[0] = 'x';
    assert_true(set(&a, 1, "c"));
    assert_true(stands_for(&a, 2, "a/b"));
    assert_true(stands_for(&a, 1, "c"));
    alias_in_fini(&a);
}

static void one_that_wasnt_set_stands_for_nothing(void **state)
{
    (void)state;
    struct alias_in a = {0};
    assert_true(stands_for(&a, 1, ""));
    assert_true(set(&a, 3, "a"));
    assert_true(stands_for(&a, 0, ""));
    assert_true(stands_for(&a, 2, "")); /* below it */
    assert_true(stands_for(&a, 4, "")); /* above it */
    assert_true(stands_for(&a, UINT16_MAX, ""));
    alias_in_fini(&a);
}

static void the_table_grows_with_the_numbers_and_keeps_what_it_has(void **state)
{
    (void)state;
    struct alias_in a = {0};
    assert_true(set(&a, 1, "one"));
    assert_int_equal(a.table->count, 1);
    assert_true(set(&a, 1000, "thousand"));
    assert_int_equal(a.table->count, 1000);
    assert_true(set(&a, 500, "between"));
    assert_int_equal(a.table->count, 1000);
    assert_true(set(&a, UINT16_MAX, "last"));
    assert_true(stands_for(&a, 1, "one"));
    assert_true(stands_for(&a, 500, "between"));
    assert_true(stands_for(&a, 1000, "thousand"));
    assert_true(stands_for(&a, 501, ""));
    assert_true(stands_for(&a, UINT16_MAX, "last"));
    alias_in_fini(&a);
}

/* 3.3.2.3.4: a sender can change what an alias stands for. */
static void set_anew_it_stands_for_the_newer_topic(void **state)
{
    (void)state;
    struct alias_in a = {0};
    assert_true(set(&a, 1, "first"));
    assert_true(set(&a, 1, "other"));
    assert_true(stands_for(&a, 1, "other"));
    assert_true(set(&a, 1, "otter")); /* as long, and it begins the same */
    assert_true(stands_for(&a, 1, "otter"));
    assert_true(set(&a, 1, "ott"));
    assert_true(stands_for(&a, 1, "ott"));
    alias_in_fini(&a);
}

static void the_same_topic_again_costs_nothing(void **state)
{
    (void)state;
    struct alias_in a = {0};
    assert_true(set(&a, 1, "a/b"));
    const uint8_t *text = alias_in_topic(&a, 1).data;
    assert_true(set(&a, 1, "a/b"));
    assert_ptr_equal(alias_in_topic(&a, 1).data, text);
    assert_int_equal(alias_in_bytes(&a), PLACE + 3);
    alias_in_fini(&a);
}

static void its_bytes_are_those_of_the_places_and_topics_that_it_has_now(void **state)
{
    (void)state;
    struct alias_in a = {0};
    assert_true(set(&a, 1, "0123456789"));
    assert_int_equal(alias_in_bytes(&a), PLACE + 10);
    assert_true(set(&a, 2, "abc"));
    assert_int_equal(alias_in_bytes(&a), 2 * PLACE + 13);
    assert_true(set(&a, 1, "0123")); /* a shorter one in its place */
    assert_int_equal(alias_in_bytes(&a), 2 * PLACE + 7);
    assert_true(set(&a, 2, "abcdef")); /* a longer one */
    assert_int_equal(alias_in_bytes(&a), 2 * PLACE + 10);
    assert_true(set(&a, 1000, "x")); /* which takes places below it, too */
    assert_int_equal(alias_in_bytes(&a), 1000 * PLACE + 11);
    alias_in_fini(&a);
    assert_int_equal(alias_in_bytes(&a), 0);
}

static void nothing_is_left_of_it(void **state)
{
    (void)state;
    struct alias_in a = {0};
    uint64_t before = account.by_kind[ACCOUNT_CLIENTS];
    assert_true(set(&a, 9, "a/b"));
    assert_true(set(&a, 9, "c/d"));
    assert_true(account.by_kind[ACCOUNT_CLIENTS] > before);
    alias_in_fini(&a);
    assert_int_equal(account.by_kind[ACCOUNT_CLIENTS], before);
    alias_in_fini(&a); /* once more is harmless */
    assert_true(stands_for(&a, 9, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alias_stands_for_the_topic_it_was_set_to),
        cmocka_unit_test(one_that_wasnt_set_stands_for_nothing),
        cmocka_unit_test(the_table_grows_with_the_numbers_and_keeps_what_it_has),
        cmocka_unit_test(set_anew_it_stands_for_the_newer_topic),
        cmocka_unit_test(the_same_topic_again_costs_nothing),
        cmocka_unit_test(its_bytes_are_those_of_the_places_and_topics_that_it_has_now),
        cmocka_unit_test(nothing_is_left_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
