/* Borrowing of pipes. */
#include "lb/stream/pipe_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static void empty_pipe_is_used_again(void **state)
{
    (void)state;
    struct pipe_pool pool = {0};
    struct pipe *first = pipe_pool_take(&pool);
    assert_non_null(first);
    int fd = first->read_fd;
    pipe_pool_give(&pool, first);
    struct pipe *second = pipe_pool_take(&pool);
    assert_int_equal(second->read_fd, fd);
    assert_int_equal(pool.open_count, 1);
    pipe_pool_give(&pool, second);
    pipe_pool_fini(&pool);
    assert_int_equal(pool.open_count, 0);
}

static void pipe_with_bytes_is_never_lent_again(void **state)
{
    (void)state;
    struct pipe_pool pool = {0};
    struct pipe *p = pipe_pool_take(&pool);
    assert_int_equal(write(p->write_fd, "secret", 6), 6);
    p->bytes = 6;
    pipe_pool_give(&pool, p);
    assert_int_equal(pool.open_count, 0);
    assert_int_equal(pool.idle_count, 0);
    pipe_pool_fini(&pool);
}

static void pool_is_bounded_and_keeps_few(void **state)
{
    (void)state;
    struct pipe_pool pool = {0};
    struct pipe *taken[PIPE_POOL_MAX];
    for (int i = 0; i < PIPE_POOL_MAX; i++)
        assert_non_null(taken[i] = pipe_pool_take(&pool));
    assert_null(pipe_pool_take(&pool));
    for (int i = 0; i < PIPE_POOL_MAX; i++)
        pipe_pool_give(&pool, taken[i]);
    assert_int_equal(pool.open_count, PIPE_POOL_IDLE);
    pipe_pool_fini(&pool);
    assert_int_equal(pool.open_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_pipe_is_used_again),
        cmocka_unit_test(pipe_with_bytes_is_never_lent_again),
        cmocka_unit_test(pool_is_bounded_and_keeps_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
