/* sys_values: the latest value of each, for filters that mean $SYS. */
#include "broker/delivery/sys_values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/base/account.h"
#include "broker/message/message.h"

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){.data = (const uint8_t *)s, .len = (uint32_t)strlen(s)};
}

static void set(struct sys_values *v, size_t at, const char *topic, const char *payload)
{
    struct mqtt_publish p = {.topic = text(topic), .payload = text(payload)};
    struct message *m = message_new(&p, (struct message_id){0}, text(""));
    assert_non_null(m);
    sys_values_set(v, at, m);
    message_unref(m);
}

static struct {
    int count;
    uint8_t last;
} seen;

static void see(void *arg, const struct message *m)
{
    (void)arg;
    seen.count++;
    seen.last = m->payload.data[0];
}

static int count(const struct sys_values *v, const char *filter)
{
    seen.count = 0;
    sys_values_each(v, text(filter), see, NULL);
    return seen.count;
}

static void each_value_that_the_filter_matches_is_told(void **state)
{
    struct sys_values *v = sys_values_new(3);
    (void)state;
    set(v, 0, "$SYS/broker/a", "1");
    set(v, 2, "$SYS/broker/b", "2"); /* the one between them isn't set yet */
    assert_int_equal(count(v, "$SYS/#"), 2);
    assert_int_equal(count(v, "$SYS/broker/b"), 1);
    assert_int_equal(seen.last, '2');
    assert_int_equal(count(v, "$SYS/broker/c"), 0);
    sys_values_free(v);
}

/* 4.7.2: wildcards at the start don't mean topics with '$'. */
static void filters_that_dont_begin_with_a_dollar_match_none(void **state)
{
    struct sys_values *v = sys_values_new(1);
    (void)state;
    set(v, 0, "$SYS/broker/a", "1");
    assert_int_equal(count(v, "#"), 0);
    assert_int_equal(count(v, "+/broker/a"), 0);
    assert_int_equal(count(v, ""), 0);
    sys_values_free(v);
}

/* For who sets them without looking at what they begin with. */
static void nor_do_they_match_others_than_those(void **state)
{
    struct sys_values *v = sys_values_new(1);
    (void)state;
    set(v, 0, "broker/a", "1");
    assert_int_equal(count(v, "#"), 0);
    assert_int_equal(count(v, "broker/a"), 0);
    sys_values_free(v);
}

static void a_new_value_replaces_the_one_before(void **state)
{
    struct sys_values *v = sys_values_new(1);
    (void)state;
    assert_null(sys_values_at(v, 0));
    set(v, 0, "$SYS/a", "1");
    uint64_t one = account.by_kind[ACCOUNT_MESSAGES];
    set(v, 0, "$SYS/a", "2");
    assert_int_equal(account.by_kind[ACCOUNT_MESSAGES], one);
    assert_int_equal(sys_values_at(v, 0)->payload.data[0], '2');
    sys_values_free(v);
    assert_int_equal(account.by_kind[ACCOUNT_MESSAGES], 0);
    sys_values_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_value_that_the_filter_matches_is_told),
        cmocka_unit_test(filters_that_dont_begin_with_a_dollar_match_none),
        cmocka_unit_test(nor_do_they_match_others_than_those),
        cmocka_unit_test(a_new_value_replaces_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
