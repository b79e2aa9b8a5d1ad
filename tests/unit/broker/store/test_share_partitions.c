/* share_partitions: members have equal parts, and nothing moves while something of it is open. */
#include "broker/store/share_partitions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const char members[3];

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct share_partitions));
    return *state == NULL;
}

static int tear_down(void **state)
{
    share_partitions_fini(*state);
    free(*state);
    return 0;
}

static void join(struct share_partitions *p, int member)
{
    assert_true(share_partitions_join(p, &members[member]));
    share_partitions_claim(p, &members[member]);
}

static unsigned has(const struct share_partitions *p, int member)
{
    unsigned count = 0;
    for (uint8_t i = 0; i < SHARE_PARTITIONS; i++)
        count += share_partitions_has(p, &members[member], i);
    return count;
}

static void each_gets_its_part(void **state)
{
    struct share_partitions *p = *state;
    join(p, 0);
    assert_int_equal(has(p, 0), 64);
    join(p, 1);
    assert_int_equal(has(p, 0), 32);
    assert_int_equal(has(p, 1), 32);
    join(p, 2);
    assert_int_equal(has(p, 2), 20); /* the others keep 22 each */
    assert_int_equal(has(p, 0) + has(p, 1), 44);
    join(p, 2); /* once more is nothing more */
    assert_int_equal(has(p, 2), 20);
}

static void what_is_open_stays(void **state)
{
    struct share_partitions *p = *state;
    join(p, 0);
    for (int i = 0; i < SHARE_PARTITIONS - 1; i++)
        p->open[i] = 1;
    join(p, 1);
    assert_int_equal(has(p, 1), 1);
    p->open[5] = 0;
    share_partitions_claim(p, &members[1]);
    assert_int_equal(has(p, 1), 2);
    assert_true(share_partitions_has(p, &members[1], 5));
}

static void who_leaves_leaves_them_to_others(void **state)
{
    struct share_partitions *p = *state;
    join(p, 0);
    join(p, 1);
    p->open[0] = 1;
    share_partitions_leave(p, &members[0]);
    assert_int_equal(has(p, 0), 0);
    share_partitions_claim(p, &members[1]);
    assert_int_equal(has(p, 1), p->owner[0] == &members[1] ? 64 : 63);
    p->open[0] = 0;
    share_partitions_claim(p, &members[1]);
    assert_int_equal(has(p, 1), 64);
    share_partitions_claim(p, &members[2]); /* no member */
    assert_int_equal(has(p, 2), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_gets_its_part),
        TEST(what_is_open_stays),
        TEST(who_leaves_leaves_them_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
