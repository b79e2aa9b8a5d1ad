/* fleet_hold: how a hold's fields are written for the scripts. */
#include "broker/fleet/hold/fleet_hold.h"

#include "common/redis/redis_queue.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The command that consists of the one argument that was written. */
static void assert_written(struct redis_queue *q, const char *expected)
{
    size_t len;
    redis_queue_end(q, REDIS_REPLAY, NULL, NULL);
    const char *bytes = redis_queue_unwritten(q, &len);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(bytes, expected, len);
    redis_queue_fini(q);
}

static void an_expiry_is_seconds_and_never_is_minus_one(void **state)
{
    static const struct {
        uint32_t expiry_s;
        const char *written;
    } expected[] = {
        {0, "*1\r\n$1\r\n0\r\n"},
        {2592000, "*1\r\n$7\r\n2592000\r\n"},
        {STORE_EXPIRES_NEVER - 1, "*1\r\n$10\r\n4294967294\r\n"},
        {STORE_EXPIRES_NEVER, "*1\r\n$2\r\n-1\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        struct redis_queue q = {0};
        redis_queue_begin(&q, 1);
        fleet_hold_write_expiry(&q, expected[i].expiry_s);
        assert_written(&q, expected[i].written);
    }
}

static void a_user_is_any_none_or_a_name(void **state)
{
    static const struct {
        struct store_hold hold;
        const char *written;
    } expected[] = {
        {{.any_user = true, .user = "u"}, "*1\r\n$0\r\n\r\n"},
        {{.user = NULL}, "*1\r\n$1\r\n-\r\n"},
        {{.user = "u"}, "*1\r\n$2\r\n=u\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        struct redis_queue q = {0};
        redis_queue_begin(&q, 1);
        fleet_hold_write_user(&q, &expected[i].hold);
        assert_written(&q, expected[i].written);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_expiry_is_seconds_and_never_is_minus_one),
        cmocka_unit_test(a_user_is_any_none_or_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
