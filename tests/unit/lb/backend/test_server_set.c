/* The servers that may be chosen: who is in, who is passed over, and that choosing reserves. */
#include "lb/backend/server_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/net/address.h"
#include "lb/backend/balance.h"
#include "lb/backend/server.h"

#define SERVERS 20 /* more than the set begins with */

static struct server_set *set;
static struct server *servers[SERVERS];

static int setup(void **state)
{
    (void)state;
    set = server_set_new();
    return set != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    server_set_unref(set);
    server_set_unref(NULL);
    for (size_t i = 0; i < SERVERS; i++) {
        if (servers[i] != NULL)
            assert_int_equal(atomic_load(&servers[i]->refs), 1); /* nobody else has one */
        server_unref(servers[i]);
        servers[i] = NULL;
    }
    return 0;
}

static void add(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[32];
        struct sockaddr_storage addr;
        socklen_t len;
        (void)snprintf(text, sizeof(text), "127.0.0.1:%zu", 1000 + i);
        assert_true(address_parse(text, &addr, &len));
        servers[i] = server_new("b", text, &addr, len, 1, SERVER_FROM_LIST, -1);
        atomic_store(&servers[i]->health, SERVER_UP);
        assert_true(server_set_add(set, servers[i]));
    }
}

static struct server *choose_as(enum lb_balance kind, const struct choose_request *r,
                                uint64_t slow_start_ms)
{
    return server_set_choose(set, balance_policy(kind), slow_start_ms, r);
}

static struct server *choose(void)
{
    return choose_as(LB_BALANCE_ROUNDROBIN, &(struct choose_request){0}, 0);
}

static void of_nobody_nobody_is_chosen(void **state)
{
    (void)state;
    assert_null(choose());
    assert_false(server_set_is_available(set));
}

static void each_of_many_is_chosen_in_turn(void **state)
{
    (void)state;
    add(SERVERS);
    for (size_t i = 0; i < SERVERS; i++)
        assert_non_null(choose());
    for (size_t i = 0; i < SERVERS; i++) {
        assert_int_equal(atomic_load(&servers[i]->connections), 1);
        server_release(servers[i]);
    }
}

static void choosing_counts_the_flow_and_keeps_the_server(void **state)
{
    (void)state;
    add(1);
    struct server *s = choose();
    assert_ptr_equal(s, servers[0]);
    assert_int_equal(atomic_load(&s->connections), 1);
    assert_int_equal(atomic_load(&s->refs), 3); /* the test's, the set's, the flow's */
    server_release(s);
    assert_int_equal(atomic_load(&s->connections), 0);
    assert_int_equal(atomic_load(&s->refs), 2);
}

static void who_takes_no_flows_is_passed_over(void **state)
{
    (void)state;
    add(2);
    atomic_store(&servers[0]->health, SERVER_DOWN);
    for (int i = 0; i < 3; i++) {
        struct server *s = choose();
        assert_ptr_equal(s, servers[1]);
        server_release(s);
    }
    assert_true(server_set_is_available(set));
    atomic_store(&servers[1]->admin, SERVER_DRAIN);
    assert_null(choose());
    assert_false(server_set_is_available(set));
}

static void being_available_reserves_nothing(void **state)
{
    (void)state;
    add(1);
    assert_true(server_set_is_available(set));
    assert_int_equal(atomic_load(&servers[0]->connections), 0);
    assert_int_equal(atomic_load(&servers[0]->refs), 2);
}

static void who_was_tried_before_is_passed_over(void **state)
{
    (void)state;
    add(3);
    const struct server *tried[] = {servers[0], servers[2], servers[1]};
    struct choose_request r = {.exclude = tried, .exclude_count = 2};
    for (int i = 0; i < 3; i++) {
        struct server *s = choose_as(LB_BALANCE_LEASTCONN, &r, 0);
        assert_ptr_equal(s, servers[1]);
        server_release(s);
    }
    r.exclude_count = 3;
    assert_null(choose_as(LB_BALANCE_LEASTCONN, &r, 0));
    assert_true(server_set_is_available(set)); /* for others */
}

static void a_server_that_came_up_just_now_gets_fewer_flows_at_first(void **state)
{
    (void)state;
    add(2);
    atomic_store(&servers[1]->up_since_ms, 100000);
    const struct choose_request r = {.now_ms = 100000};
    for (int i = 0; i < 11; i++)
        assert_non_null(choose_as(LB_BALANCE_LEASTCONN, &r, 60000));
    assert_int_equal(atomic_load(&servers[1]->connections), 1); /* a tenth of the other's */
    for (int i = 0; i < 9; i++) /* without a slow start it is to catch up */
        assert_non_null(choose_as(LB_BALANCE_LEASTCONN, &r, 0));
    assert_int_equal(atomic_load(&servers[1]->connections), 10);
    for (size_t i = 0; i < 2; i++)
        while (atomic_load(&servers[i]->connections) > 0)
            server_release(servers[i]);
}

static void one_client_comes_to_one_server_by_its_hash(void **state)
{
    (void)state;
    add(8);
    struct server *seen[2];
    for (uint64_t i = 0; i < 2; i++) {
        const struct choose_request r = {.hash = balance_hash(&i, sizeof(i))};
        seen[i] = choose_as(LB_BALANCE_HASH, &r, 0);
        for (int k = 0; k < 4; k++) {
            struct server *s = choose_as(LB_BALANCE_HASH, &r, 0);
            assert_ptr_equal(s, seen[i]);
            server_release(s);
        }
    }
    server_release(seen[0]);
    server_release(seen[1]);
}

static void who_is_removed_is_marked_let_go_and_not_chosen(void **state)
{
    (void)state;
    add(3);
    server_set_remove(set, servers[1]);
    assert_true(atomic_load(&servers[1]->removed));
    assert_int_equal(atomic_load(&servers[1]->refs), 1);
    for (int i = 0; i < 6; i++) {
        struct server *s = choose();
        assert_ptr_not_equal(s, servers[1]);
        server_release(s);
    }
    server_set_remove(set, servers[1]); /* it isn't in it */
    assert_int_equal(atomic_load(&servers[1]->refs), 1);
}

/* With equal servers leastconn goes on from the one that was chosen last, wherever others leave. */
static void a_removal_leaves_the_turn_where_it_was(void **state)
{
    static const struct {
        size_t removed, next;
    } cases[] = {{0, 3}, {1, 3}, {2, 3}, {3, 0}};
    (void)state;
    for (size_t k = 0; k < 4; k++) {
        const struct choose_request r = {0};
        add(4);
        for (size_t i = 1; i <= 2; i++) {
            struct server *s = choose_as(LB_BALANCE_LEASTCONN, &r, 0);
            assert_ptr_equal(s, servers[i]);
            server_release(s);
        }
        server_set_remove(set, servers[cases[k].removed]);
        struct server *s = choose_as(LB_BALANCE_LEASTCONN, &r, 0);
        assert_ptr_equal(s, servers[cases[k].next]);
        server_release(s);
        teardown(NULL);
        setup(NULL);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(of_nobody_nobody_is_chosen),
        TEST(each_of_many_is_chosen_in_turn),
        TEST(choosing_counts_the_flow_and_keeps_the_server),
        TEST(who_takes_no_flows_is_passed_over),
        TEST(being_available_reserves_nothing),
        TEST(who_was_tried_before_is_passed_over),
        TEST(a_server_that_came_up_just_now_gets_fewer_flows_at_first),
        TEST(one_client_comes_to_one_server_by_its_hash),
        TEST(who_is_removed_is_marked_let_go_and_not_chosen),
        TEST(a_removal_leaves_the_turn_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
