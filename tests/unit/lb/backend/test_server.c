#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/net/address.h"
#include "lb/backend/backend.h"
#include "lb/backend/server.h"
#include "lb/backend/server_set.h"

static struct server *make_server(const char *name)
{
    struct sockaddr_storage addr;
    socklen_t len;
    assert_true(address_parse("127.0.0.1:1883", &addr, &len));
    struct server *s = server_new("b", name, &addr, len, 1, SERVER_FROM_LIST, -1);
    assert_non_null(s);
    return s;
}

static struct server *make_up_server(struct server_set *set, const char *name)
{
    struct server *s = make_server(name);
    atomic_store(&s->health, SERVER_UP);
    assert_true(server_set_add(set, s));
    return s;
}

static void state_follows_from_health_admin_and_removal(void **state)
{
    (void)state;
    struct server *s = make_server("a");
    assert_int_equal(server_state(s), SERVER_STATE_CHECKING);
    atomic_store(&s->health, SERVER_UP);
    assert_int_equal(server_state(s), SERVER_STATE_UP);
    assert_true(server_takes_flows(s));
    atomic_store(&s->weight, 0);
    assert_false(server_takes_flows(s));
    atomic_store(&s->admin, SERVER_DRAIN);
    assert_int_equal(server_state(s), SERVER_STATE_DRAINING);
    atomic_store(&s->admin, SERVER_MAINTENANCE);
    assert_int_equal(server_state(s), SERVER_STATE_MAINTENANCE);
    atomic_store(&s->removed, true);
    assert_int_equal(server_state(s), SERVER_STATE_DRAINING);
    server_unref(s);
}

static void a_refused_connect_takes_the_server_out_at_once(void **state)
{
    (void)state;
    struct server *s = make_server("a");
    atomic_store(&s->health, SERVER_UP);
    server_report(s, CONNECT_OK);
    assert_int_equal(server_state(s), SERVER_STATE_UP);
    server_report(s, CONNECT_FAILED);
    server_report(s, CONNECT_TIMEOUT);
    assert_int_equal(server_state(s), SERVER_STATE_UP);
    assert_int_equal(atomic_load(&s->doubts), 2);
    server_report(s, CONNECT_REFUSED);
    assert_int_equal(server_state(s), SERVER_STATE_DOWN);
    assert_int_equal(atomic_load(&s->refused), 1);
    assert_int_equal(atomic_load(&s->counters.connect_errors), 3);
    server_unref(s);
}

static void a_new_server_gets_no_flow_before_its_first_check(void **state)
{
    (void)state;
    struct server_set *set = server_set_new();
    struct backend_config config = {.name = "b"};
    struct backend *b = backend_new(&config, set);
    struct server *s = make_server("a");
    struct choose_request r = {0};
    assert_null(backend_choose(b, &r)); /* no server at all */
    assert_true(server_set_add(set, s));
    assert_null(backend_choose(b, &r));
    assert_false(backend_is_available(b));
    atomic_store(&s->health, SERVER_UP);
    assert_true(backend_is_available(b));
    assert_ptr_equal(backend_choose(b, &r), s);
    assert_int_equal(atomic_load(&s->connections), 1);
    server_release(s);
    assert_int_equal(atomic_load(&s->connections), 0);
    server_unref(s);
    backend_unref(b);
    server_set_unref(set);
}

static void three_hundred_flows_over_three_servers_are_a_hundred_each(void **state)
{
    (void)state;
    struct server_set *set = server_set_new();
    struct backend_config config = {.name = "b", .balance = LB_BALANCE_LEASTCONN};
    struct backend *b = backend_new(&config, set);
    struct server *s[3] = {make_up_server(set, "a"), make_up_server(set, "b"),
                           make_up_server(set, "c")};
    struct choose_request r = {0};
    for (int i = 0; i < 300; i++)
        assert_non_null(backend_choose(b, &r));
    for (int i = 0; i < 3; i++)
        assert_int_equal(atomic_load(&s[i]->connections), 100);
    for (int i = 0; i < 100; i++) /* one restarts: its flows end, and new ones go there first */
        server_release(s[1]);
    for (int i = 0; i < 100; i++)
        assert_ptr_equal(backend_choose(b, &r), s[1]);
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 100; j++)
            server_release(s[i]);
        server_unref(s[i]);
    }
    backend_unref(b);
    server_set_unref(set);
}

static void excluded_and_removed_servers_are_not_chosen(void **state)
{
    (void)state;
    struct server_set *set = server_set_new();
    struct backend_config config = {.name = "b"};
    struct backend *b = backend_new(&config, set);
    struct server *s1 = make_up_server(set, "a"), *s2 = make_up_server(set, "b");
    const struct server *tried[] = {s1};
    struct choose_request r = {.exclude = tried, .exclude_count = 1};
    for (int i = 0; i < 5; i++) {
        assert_ptr_equal(backend_choose(b, &r), s2);
        server_release(s2);
    }
    server_set_remove(set, s2);
    assert_null(backend_choose(b, &r));
    assert_int_equal(server_state(s2), SERVER_STATE_DRAINING);
    server_unref(s1);
    server_unref(s2);
    backend_unref(b);
    server_set_unref(set);
}

static void a_removed_server_lives_until_its_last_flow_ends(void **state)
{
    (void)state;
    struct server_set *set = server_set_new();
    struct backend_config config = {.name = "b"};
    struct backend *b = backend_new(&config, set);
    struct server *s = make_up_server(set, "a");
    struct server *flow = backend_choose(b, &(struct choose_request){0});
    server_set_remove(set, s);
    server_unref(s);
    server_set_unref(set);
    backend_unref(b);
    assert_string_equal(flow->name, "a"); /* still there; the sanitizer would tell */
    server_release(flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_follows_from_health_admin_and_removal),
        cmocka_unit_test(a_refused_connect_takes_the_server_out_at_once),
        cmocka_unit_test(a_new_server_gets_no_flow_before_its_first_check),
        cmocka_unit_test(three_hundred_flows_over_three_servers_are_a_hundred_each),
        cmocka_unit_test(excluded_and_removed_servers_are_not_chosen),
        cmocka_unit_test(a_removed_server_lives_until_its_last_flow_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
