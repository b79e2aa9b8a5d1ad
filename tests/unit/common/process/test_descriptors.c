/* How descriptors are shared out. */
#include "common/process/descriptors.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static void shares_leave_a_spare_at_every_limit(void **state)
{
    static const struct {
        uint32_t limit, open, clients, http;
    } cases[] = {
        {16, 10, 1, 4},
        {64, 10, 46, 4},
        {120, 10, 95, 7},
        {1024, 12, 884, 64},
        {1048576, 12, 1048308, 128},
        {INT32_MAX, 12, INT32_MAX - 268, 128},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(descriptors_for_clients(cases[i].limit, cases[i].open), cases[i].clients);
        assert_int_equal(descriptors_for_http(cases[i].limit), cases[i].http);
    }
}

static void the_soft_limit_is_raised_to_the_hard_one(void **state)
{
    struct rlimit limit;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit low = {.rlim_cur = 64, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    uint32_t raised = descriptors_raise_limit();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(limit.rlim_cur == limit.rlim_max);
    assert_int_equal(raised, limit.rlim_cur < INT32_MAX ? limit.rlim_cur : INT32_MAX);
}

static void open_ones_are_counted(void **state)
{
    (void)state;
    uint32_t before = descriptors_open();
    int fd = open("/", O_RDONLY | O_CLOEXEC);
    assert_int_equal(descriptors_open(), before + 1);
    close(fd);
    assert_int_equal(descriptors_open(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_leave_a_spare_at_every_limit),
        cmocka_unit_test(the_soft_limit_is_raised_to_the_hard_one),
        cmocka_unit_test(open_ones_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
