/* Membership: what a reload and a DNS answer change, and what they leave alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/net/address.h"
#include "lb/backend/backend.h"
#include "lb/discovery/pool.h"

#define LIST_MAX 4

struct fixture {
    struct event_base *base;
    struct pool *pool;
    struct backend *backend;
    struct backend_config config;
    struct server_config list[LIST_MAX];
    unsigned up_calls, close_calls;
};

static void on_server_up(void *arg)
{
    ((struct fixture *)arg)->up_calls++;
}

static void on_close_flows(struct server *server, void *arg)
{
    ((struct fixture *)arg)->close_calls++;
    while (atomic_load(&server->connections) > 0)
        server_release(server);
}

static void set_list(struct fixture *f, size_t count, const char *const names[])
{
    static char addresses[LIST_MAX][ADDRESS_TEXT_MAX];
    for (size_t i = 0; i < count; i++) {
        /* the address follows from the name, so that a name keeps it wherever it stands */
        snprintf(addresses[i], ADDRESS_TEXT_MAX, "127.0.0.1:%d", 1000 + names[i][0]);
        f->list[i] =
            (struct server_config){.name = (char *)names[i], .address = addresses[i], .weight = 1};
    }
    f->config.servers = (struct config_list){.items = f->list, .count = count};
}

static int setup(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof(f));
    f.base = event_base_new();
    f.config = (struct backend_config){
        .name = (char *)"b",
        .health_check = {.type = LB_CHECK_NONE,
                         .interval_ms = 100,
                         .fast_interval_ms = 100,
                         .rise = 2,
                         .fall = 3},
        .drain_timeout_ms = 1000,
    };
    struct pool_owner owner = {.base = f.base,
                               .notify_fd = -1,
                               .server_up = on_server_up,
                               .close_flows = on_close_flows,
                               .arg = &f};
    f.pool = pool_new("b", &owner);
    f.backend = backend_new(&f.config, f.pool->set);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    backend_free(f->backend);
    pool_free(f->pool);
    event_base_free(f->base);
    return 0;
}

static void turn(struct fixture *f)
{
    event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static size_t count_members(const struct fixture *f, bool removed)
{
    const struct member *m;
    size_t n = 0;
    TAILQ_FOREACH (m, &f->pool->members, link)
        n += m->removed == removed;
    return n;
}

static struct server *choose(struct fixture *f)
{
    return backend_choose(f->backend, &(struct choose_request){.now_ms = clock_monotonic_ms()});
}

static void start_with(struct fixture *f, size_t count, const char *const names[])
{
    set_list(f, count, names);
    assert_true(pool_apply(f->pool, &f->config));
    turn(f);
}

#define ABC ((const char *const[]){"a", "b", "c"})

static void listed_servers_come_up_and_wake_waiting_flows(void **state)
{
    struct fixture *f = *state;
    set_list(f, 3, ABC);
    assert_true(pool_apply(f->pool, &f->config));
    assert_null(choose(f)); /* not before the first check */
    turn(f);
    assert_int_equal(f->up_calls, 3);
    struct server *s = choose(f);
    assert_non_null(s);
    server_release(s);
}

static void a_reload_without_changes_leaves_servers_alone(void **state)
{
    struct fixture *f = *state;
    start_with(f, 3, ABC);
    struct server *before = pool_find(f->pool, "b")->server;
    struct server *flow = choose(f);
    struct backend_config again = f->config;
    struct server_config reversed[3] = {f->list[2], f->list[1], f->list[0]};
    again.servers.items = reversed;
    assert_true(pool_apply(f->pool, &again));
    turn(f);
    assert_ptr_equal(pool_find(f->pool, "b")->server, before);
    assert_int_equal(count_members(f, false), 3);
    assert_int_equal(count_members(f, true), 0);
    assert_int_equal(server_state(before), SERVER_STATE_UP);
    assert_int_equal(atomic_load(&flow->connections), 1);
    assert_int_equal(f->up_calls, 3);
    server_release(flow);
    assert_true(pool_apply(f->pool, &f->config));
}

static void a_removed_server_drains_and_goes_with_its_last_flow(void **state)
{
    struct fixture *f = *state;
    start_with(f, 1, ABC);
    struct server *flow = choose(f);
    set_list(f, 2, (const char *const[]){"b", "c"});
    assert_true(pool_apply(f->pool, &f->config));
    turn(f);
    assert_int_equal(server_state(flow), SERVER_STATE_DRAINING);
    assert_null(pool_find(f->pool, "a"));
    assert_null(
        TAILQ_FIRST(&f->pool->members)->checker.config); /* nothing borrowed from what may go now */
    for (int i = 0; i < 4; i++) {
        struct server *s = choose(f);
        assert_ptr_not_equal(s, flow);
        server_release(s);
    }
    pool_tend(f->pool, clock_monotonic_ms());
    assert_int_equal(count_members(f, true), 1);
    server_release(flow);
    pool_tend(f->pool, clock_monotonic_ms());
    assert_int_equal(count_members(f, true), 0);
    assert_int_equal(f->close_calls, 0);
}

static void flows_of_a_removed_server_are_closed_after_drain_timeout(void **state)
{
    struct fixture *f = *state;
    start_with(f, 1, ABC);
    struct server *flow = choose(f);
    assert_non_null(flow);
    set_list(f, 1, (const char *const[]){"b"});
    assert_true(pool_apply(f->pool, &f->config));
    uint64_t now_ms = clock_monotonic_ms();
    pool_tend(f->pool, now_ms + 500);
    assert_int_equal(f->close_calls, 0);
    pool_tend(f->pool, now_ms + 1500);
    assert_int_equal(f->close_calls, 1);
    assert_int_equal(count_members(f, true), 0);
}

static void an_address_that_comes_back_is_a_new_server(void **state)
{
    struct fixture *f = *state;
    start_with(f, 2, ABC);
    struct server *before = server_ref(pool_find(f->pool, "b")->server);
    atomic_fetch_add(&before->connections, 1);
    set_list(f, 1, ABC);
    assert_true(pool_apply(f->pool, &f->config));
    set_list(f, 2, ABC);
    assert_true(pool_apply(f->pool, &f->config));
    turn(f);
    struct server *after = pool_find(f->pool, "b")->server;
    assert_ptr_not_equal(before, after);
    assert_int_equal(atomic_load(&after->connections), 0);
    assert_int_equal(server_state(before), SERVER_STATE_DRAINING);
    assert_int_equal(server_state(after), SERVER_STATE_UP);
    server_release(before);
}

static void a_changed_weight_is_taken_on_in_place(void **state)
{
    struct fixture *f = *state;
    start_with(f, 2, ABC);
    struct member *m = pool_find(f->pool, "a");
    member_set_weight(m, 7); /* by an operator */
    assert_true(pool_apply(f->pool, &f->config));
    assert_int_equal(atomic_load(&m->server->weight), 7);
    f->list[0].weight = 3;
    assert_true(pool_apply(f->pool, &f->config));
    assert_ptr_equal(pool_find(f->pool, "a"), m);
    assert_int_equal(atomic_load(&m->server->weight), 3);
}

static void drain_and_ready_by_an_operator(void **state)
{
    struct fixture *f = *state;
    start_with(f, 1, ABC);
    struct member *m = pool_find(f->pool, "a");
    member_set_admin(m, SERVER_DRAIN, clock_monotonic_ms());
    assert_null(choose(f));
    assert_true(pool_apply(f->pool, &f->config)); /* a reload doesn't undo it */
    assert_null(choose(f));
    unsigned up_calls = f->up_calls;
    member_set_admin(m, SERVER_READY, clock_monotonic_ms());
    assert_int_equal(f->up_calls, up_calls + 1);
    struct server *s = choose(f);
    assert_non_null(s);
    server_release(s);
}

static void maintenance_closes_flows_after_drain_timeout(void **state)
{
    struct fixture *f = *state;
    start_with(f, 1, ABC);
    assert_non_null(choose(f));
    uint64_t now_ms = clock_monotonic_ms();
    struct member *m = pool_find(f->pool, "a");
    member_set_admin(m, SERVER_MAINTENANCE, now_ms);
    pool_tend(f->pool, now_ms + 1500);
    assert_int_equal(f->close_calls, 1);
    member_set_admin(m, SERVER_READY, now_ms);
    turn(f);
    assert_int_equal(server_state(m->server), SERVER_STATE_UP);
}

static void without_checks_a_refused_server_is_set_aside_for_an_interval(void **state)
{
    struct fixture *f = *state;
    start_with(f, 1, ABC);
    struct server *s = pool_find(f->pool, "a")->server;
    server_report(s, CONNECT_REFUSED);
    pool_collect_reports(f->pool);
    assert_null(choose(f));
    uint64_t deadline_ms = clock_monotonic_ms() + 5000;
    while (server_state(s) != SERVER_STATE_UP && clock_monotonic_ms() < deadline_ms)
        event_base_loop(f->base, EVLOOP_ONCE);
    assert_int_equal(server_state(s), SERVER_STATE_UP);
}

static void a_backend_that_is_gone_is_over_once_drained(void **state)
{
    struct fixture *f = *state;
    start_with(f, 2, ABC);
    struct server *flow = choose(f);
    assert_true(pool_apply(f->pool, NULL));
    assert_null(choose(f));
    pool_tend(f->pool, clock_monotonic_ms());
    assert_false(pool_is_over(f->pool));
    server_release(flow);
    pool_tend(f->pool, clock_monotonic_ms());
    assert_true(pool_is_over(f->pool));
}

static size_t find_addresses(struct discovered *found, size_t count, unsigned first)
{
    for (size_t i = 0; i < count; i++) {
        char text[ADDRESS_TEXT_MAX];
        snprintf(text, sizeof(text), "10.0.0.%zu:1883", first + i);
        found[i] = (struct discovered){.weight = 1};
        assert_true(address_parse(text, &found[i].addr, &found[i].addrlen));
    }
    return discovery_normalize(found, count);
}

static void dns_adds_and_removes_beside_the_list(void **state)
{
    struct fixture *f = *state;
    struct discovered found[5];
    start_with(f, 1, ABC);
    assert_true(pool_apply_discovered(f->pool, found, find_addresses(found, 2, 1)));
    turn(f);
    assert_int_equal(count_members(f, false), 3);
    struct server *kept = pool_find(f->pool, "10.0.0.2:1883")->server;
    assert_int_equal(kept->source, SERVER_FROM_DNS);
    assert_true(pool_apply_discovered(f->pool, found, find_addresses(found, 2, 2)));
    turn(f);
    assert_ptr_equal(pool_find(f->pool, "10.0.0.2:1883")->server, kept);
    assert_non_null(pool_find(f->pool, "10.0.0.3:1883"));
    assert_null(pool_find(f->pool, "10.0.0.1:1883"));
    assert_non_null(pool_find(f->pool, "a"));
    assert_true(pool_apply_discovered(f->pool, found, 0)); /* expired */
    assert_int_equal(count_members(f, false), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(listed_servers_come_up_and_wake_waiting_flows),
        TEST(a_reload_without_changes_leaves_servers_alone),
        TEST(a_removed_server_drains_and_goes_with_its_last_flow),
        TEST(flows_of_a_removed_server_are_closed_after_drain_timeout),
        TEST(an_address_that_comes_back_is_a_new_server),
        TEST(a_changed_weight_is_taken_on_in_place),
        TEST(drain_and_ready_by_an_operator),
        TEST(maintenance_closes_flows_after_drain_timeout),
        TEST(without_checks_a_refused_server_is_set_aside_for_an_interval),
        TEST(a_backend_that_is_gone_is_over_once_drained),
        TEST(dns_adds_and_removes_beside_the_list),
    };
    log_init("test_pool", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
