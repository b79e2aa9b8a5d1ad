/* A view on a set of servers: one configuration's settings and policy. */
#include "lb/backend/backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/net/address.h"
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
    backend_free(b);
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
    backend_free(b);
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
    backend_free(b);
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
    backend_free(b);
    assert_string_equal(flow->name, "a"); /* still there; the sanitizer would tell */
    server_release(flow);
}

static void a_view_has_the_settings_of_its_configuration_and_none_of_its_memory(void **state)
{
    (void)state;
    char name[] = "b";
    char path[] = "/readyz";
    struct server_set *set = server_set_new();
    struct discover_config discover = {.dns = path};
    struct backend_config config = {
        .name = name,
        .connect_timeout_ms = 7,
        .discover = &discover,
        .servers = {.items = name, .count = 1},
        .health_check = {.path = path, .username = path, .password = path}};
    struct backend *b = backend_new(&config, set);
    name[0] = 'x'; /* the configuration goes before its views do */
    assert_string_equal(backend_name(b), "b");
    assert_string_equal(backend_config(b)->name, "b");
    assert_int_equal(backend_config(b)->connect_timeout_ms, 7);
    assert_null(backend_config(b)->discover);
    assert_null(backend_config(b)->servers.items);
    assert_null(backend_config(b)->health_check.path);
    assert_null(backend_config(b)->health_check.username);
    assert_null(backend_config(b)->health_check.password);
    backend_free(b);
    server_set_unref(set);
}

static void the_policy_is_the_configurations(void **state)
{
    static const enum lb_balance kinds[] = {LB_BALANCE_LEASTCONN, LB_BALANCE_ROUNDROBIN,
                                            LB_BALANCE_RANDOM, LB_BALANCE_HASH};
    (void)state;
    struct server_set *set = server_set_new();
    for (size_t i = 0; i < 4; i++) {
        struct backend_config config = {.name = (char *)"b", .balance = kinds[i]};
        struct backend *b = backend_new(&config, set);
        assert_int_equal(backend_wants_hash(b), kinds[i] == LB_BALANCE_HASH);
        backend_free(b);
    }
    server_set_unref(set);
    assert_true(backend_hash("dev7", 4) == backend_hash("dev7", 4));
    assert_true(backend_hash("dev7", 4) != backend_hash("dev8", 4));
}

static void each_view_has_its_own_slow_start_on_the_shared_servers(void **state)
{
    (void)state;
    struct server_set *set = server_set_new();
    struct server *s[2] = {make_up_server(set, "a"), make_up_server(set, "b")};
    struct backend_config slow = {.name = (char *)"b", .slow_start_ms = 60000};
    struct backend_config at_once = {.name = (char *)"b"};
    struct backend *b[2] = {backend_new(&slow, set), backend_new(&at_once, set)};
    const struct choose_request r = {.now_ms = 100000};
    atomic_store(&s[1]->up_since_ms, 100000);
    for (int i = 0; i < 11; i++)
        assert_non_null(backend_choose(b[0], &r));
    assert_int_equal(atomic_load(&s[1]->connections), 1);
    for (int i = 0; i < 9; i++)
        assert_ptr_equal(backend_choose(b[1], &r), s[1]);
    for (int i = 0; i < 2; i++) {
        while (atomic_load(&s[i]->connections) > 0)
            server_release(s[i]);
        server_unref(s[i]);
        backend_free(b[i]);
    }
    server_set_unref(set);
}

static void a_view_keeps_its_servers(void **state)
{
    (void)state;
    struct server_set *set = server_set_new();
    struct backend_config config = {.name = (char *)"b"};
    struct backend *b = backend_new(&config, set);
    server_set_unref(set);                 /* the view has one of its own */
    assert_false(backend_is_available(b)); /* still there; the sanitizer would tell */
    backend_free(b);
    backend_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_server_gets_no_flow_before_its_first_check),
        cmocka_unit_test(three_hundred_flows_over_three_servers_are_a_hundred_each),
        cmocka_unit_test(excluded_and_removed_servers_are_not_chosen),
        cmocka_unit_test(a_removed_server_lives_until_its_last_flow_ends),
        cmocka_unit_test(a_view_has_the_settings_of_its_configuration_and_none_of_its_memory),
        cmocka_unit_test(the_policy_is_the_configurations),
        cmocka_unit_test(each_view_has_its_own_slow_start_on_the_shared_servers),
        cmocka_unit_test(a_view_keeps_its_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
