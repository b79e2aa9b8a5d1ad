/* redis_queue by itself: what is written again, and how. */
#include "common/redis/redis_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void put(struct redis_queue *q, enum redis_command_flags flags)
{
    redis_queue_begin(q, 1);
    redis_queue_str(q, "PING");
    redis_queue_end(q, flags, NULL, NULL);
}

static void write_all(struct redis_queue *q)
{
    size_t len;
    redis_queue_unwritten(q, &len);
    redis_queue_wrote(q, len);
}

/* Behind those that were under way when the server fell silent, nothing is written singly. */
static void only_what_is_left_of_the_timed_out_is_written_singly(void **state)
{
    struct redis_queue q = {0};
    size_t len;
    (void)state;
    put(&q, REDIS_REPLAY);
    size_t one = redis_queue_bytes(&q);
    put(&q, REDIS_VOLATILE);
    put(&q, REDIS_REPLAY);
    put(&q, REDIS_VOLATILE);
    write_all(&q);
    assert_false(redis_queue_timed_out(&q, 3));
    redis_queue_rewind(&q);
    assert_int_equal(redis_queue_bytes(&q), 2 * one);
    for (int i = 0; i < 5; i++)
        put(&q, REDIS_REPLAY);
    for (int i = 0; i < 2; i++) {
        redis_queue_unwritten(&q, &len);
        assert_int_equal(len, one);
        redis_queue_wrote(&q, len);
        assert_true(redis_queue_answer(&q, NULL));
    }
    redis_queue_unwritten(&q, &len);
    assert_int_equal(len, 5 * one);
    redis_queue_fini(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_left_of_the_timed_out_is_written_singly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
