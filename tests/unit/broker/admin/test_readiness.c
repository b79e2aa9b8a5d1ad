/* readiness: whether a broker takes clients, and why not. */
#include "broker/admin/readiness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/client/context.h"
#include "broker/store/store.h"

static enum store_health health;
static const char *trouble;

static enum store_health fake_health(const struct store *s)
{
    (void)s;
    return health;
}

static const char *fake_trouble(const struct store *s)
{
    (void)s;
    return trouble;
}

static const struct store_ops ops = {.health = fake_health, .trouble = fake_trouble};
static struct store store = {.ops = &ops};
static struct broker broker = {.store = &store};

static int set_up(void **state)
{
    (void)state;
    broker.state = BROKER_SERVING;
    health = STORE_READY;
    trouble = NULL;
    return 0;
}

static void one_that_serves_with_a_store_that_is_ready_is_ready(void **state)
{
    (void)state;
    assert_null(broker_not_ready(&broker));
}

static void each_reason_has_its_sentence(void **state)
{
    (void)state;
    health = STORE_STARTING;
    assert_string_equal(broker_not_ready(&broker), "starting: the store isn't loaded yet");
    health = STORE_TROUBLED;
    assert_string_equal(broker_not_ready(&broker), "the store can't be reached");
}

/* It may be ready all the same. */
static void the_store_may_have_a_better_one(void **state)
{
    (void)state;
    trouble = "Redis is full";
    assert_string_equal(broker_not_ready(&broker), "Redis is full");
    health = STORE_TROUBLED;
    assert_string_equal(broker_not_ready(&broker), "Redis is full");
}

static void one_that_goes_down_isnt_ready_whatever_its_store_is(void **state)
{
    (void)state;
    trouble = "Redis is full";
    broker.state = BROKER_DRAINING;
    assert_string_equal(broker_not_ready(&broker), "draining: this broker is going down");
    broker.state = BROKER_STOPPED;
    assert_string_equal(broker_not_ready(&broker), "draining: this broker is going down");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(one_that_serves_with_a_store_that_is_ready_is_ready),
        TEST(each_reason_has_its_sentence),
        TEST(the_store_may_have_a_better_one),
        TEST(one_that_goes_down_isnt_ready_whatever_its_store_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
