#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lb/backend/balance.h"

#define SERVERS 8

struct table {
    struct balance_candidate c[SERVERS];
    int64_t credit[SERVERS];
    struct balance_state state;
    size_t n;
};

static void table_init(struct table *t, size_t n)
{
    *t = (struct table){.n = n, .state.random = 88172645463325252u};
    for (size_t i = 0; i < n; i++)
        t->c[i] = (struct balance_candidate){
            .weight = 1000, .key = balance_hash(&i, sizeof(i)), .credit = &t->credit[i]};
}

static size_t choose(struct table *t, enum lb_balance kind, uint64_t hash)
{
    size_t i = balance_policy(kind)->pick(t->c, t->n, &t->state, hash);
    if (i != BALANCE_NONE)
        t->c[i].connections++;
    return i;
}

static void leastconn_gives_three_equal_servers_a_hundred_each_of_300(void **state)
{
    (void)state;
    struct table t;
    table_init(&t, 3);
    for (int i = 0; i < 300; i++)
        choose(&t, LB_BALANCE_LEASTCONN, 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(t.c[i].connections, 100);
}

static void leastconn_fills_a_restarted_server_first(void **state)
{
    (void)state;
    struct table t;
    table_init(&t, 3);
    t.c[0].connections = t.c[2].connections = 100;
    for (int i = 0; i < 100; i++)
        assert_int_equal(choose(&t, LB_BALANCE_LEASTCONN, 0), 1);
}

static void leastconn_breaks_ties_in_turn(void **state)
{
    (void)state;
    struct table t;
    table_init(&t, 3);
    size_t first = balance_policy(LB_BALANCE_LEASTCONN)->pick(t.c, 3, &t.state, 0);
    size_t second = balance_policy(LB_BALANCE_LEASTCONN)->pick(t.c, 3, &t.state, 0);
    size_t third = balance_policy(LB_BALANCE_LEASTCONN)->pick(t.c, 3, &t.state, 0);
    assert_int_not_equal(first, second);
    assert_int_not_equal(second, third);
    assert_int_not_equal(first, third);
}

static void leastconn_divides_by_weight_exactly(void **state)
{
    (void)state;
    struct table t;
    table_init(&t, 3);
    t.c[1].weight = 2000;
    t.c[2].weight = 3000;
    for (int i = 0; i < 600; i++)
        choose(&t, LB_BALANCE_LEASTCONN, 0);
    assert_int_equal(t.c[0].connections, 100);
    assert_int_equal(t.c[1].connections, 200);
    assert_int_equal(t.c[2].connections, 300);
}

static void no_policy_picks_a_server_without_weight(void **state)
{
    (void)state;
    for (int kind = LB_BALANCE_LEASTCONN; kind <= LB_BALANCE_HASH; kind++) {
        struct table t;
        table_init(&t, 4);
        t.c[0].weight = t.c[2].weight = 0;
        for (int i = 0; i < 100; i++) {
            size_t picked = choose(&t, (enum lb_balance)kind, (uint64_t)i * 7919u);
            assert_true(picked == 1 || picked == 3);
        }
        t.c[1].weight = t.c[3].weight = 0;
        assert_true(choose(&t, (enum lb_balance)kind, 1) == BALANCE_NONE);
    }
}

static void roundrobin_spreads_a_heavy_servers_picks(void **state)
{
    (void)state;
    struct table t;
    table_init(&t, 3);
    t.c[0].weight = 5000;
    int in_a_row = 0, most = 0;
    for (int i = 0; i < 70; i++) {
        in_a_row = choose(&t, LB_BALANCE_ROUNDROBIN, 0) == 0 ? in_a_row + 1 : 0;
        most = in_a_row > most ? in_a_row : most;
    }
    assert_int_equal(t.c[0].connections, 50);
    assert_int_equal(t.c[1].connections, 10);
    assert_int_equal(t.c[2].connections, 10);
    assert_true(most <= 4);
}

static void random_with_two_choices_stays_near_even(void **state)
{
    (void)state;
    struct table t;
    table_init(&t, 5);
    for (int i = 0; i < 5000; i++)
        choose(&t, LB_BALANCE_RANDOM, 0);
    for (size_t i = 0; i < 5; i++)
        assert_in_range(t.c[i].connections, 980, 1020);
}

static void hash_is_stable_and_moves_only_the_lost_servers_clients(void **state)
{
    (void)state;
    struct table t;
    table_init(&t, 5);
    size_t home[1000];
    for (size_t i = 0; i < 1000; i++)
        home[i] = choose(&t, LB_BALANCE_HASH, balance_hash(&i, sizeof(i)));
    for (size_t i = 0; i < 5; i++)
        assert_in_range(t.c[i].connections, 140, 260);
    t.c[2].weight = 0;
    for (size_t i = 0; i < 1000; i++) {
        size_t now = choose(&t, LB_BALANCE_HASH, balance_hash(&i, sizeof(i)));
        if (home[i] != 2)
            assert_int_equal(now, home[i]);
        else
            assert_int_not_equal(now, 2);
    }
}

static void slow_start_raises_the_weight_in_a_line(void **state)
{
    (void)state;
    assert_int_equal(balance_effective_weight(4, 1000, 1000, 0), 4000);
    assert_int_equal(balance_effective_weight(1, 1000, 1000, 10000), 100);
    assert_int_equal(balance_effective_weight(1, 1000, 6000, 10000), 550);
    assert_int_equal(balance_effective_weight(1, 1000, 11000, 10000), 1000);
    assert_int_equal(balance_effective_weight(0, 1000, 2000, 10000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leastconn_gives_three_equal_servers_a_hundred_each_of_300),
        cmocka_unit_test(leastconn_fills_a_restarted_server_first),
        cmocka_unit_test(leastconn_breaks_ties_in_turn),
        cmocka_unit_test(leastconn_divides_by_weight_exactly),
        cmocka_unit_test(no_policy_picks_a_server_without_weight),
        cmocka_unit_test(roundrobin_spreads_a_heavy_servers_picks),
        cmocka_unit_test(random_with_two_choices_stays_near_even),
        cmocka_unit_test(hash_is_stable_and_moves_only_the_lost_servers_clients),
        cmocka_unit_test(slow_start_raises_the_weight_in_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
