#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lb/backend/server.h"
#include "lb/backend/server_set.h"
#include "lb/worker/snapshot.h"

static const char two_backends[] = "listeners:\n"
                                   "  - { name: a, bind: 127.0.0.1:1, backend: one }\n"
                                   "  - { name: b, bind: \"[::1]:2\", backend: two }\n"
                                   "backends:\n"
                                   "  one: { servers: [ { address: 127.0.0.1:3 } ] }\n"
                                   "  two: { balance: hash, drain_timeout: 7s, "
                                   "servers: [ { address: 127.0.0.1:4 } ] }\n";

static struct server_set *one_set(const char *backend, void *arg)
{
    (void)backend;
    return arg;
}

static struct lb_config parse(const char *text)
{
    struct lb_config config;
    struct config_error err;
    if (!config_parse("test", text, strlen(text), &lb_config_schema, &config, &err))
        fail_msg("%s", err.text);
    return config;
}

static void listeners_stand_on_their_backends(void **state)
{
    (void)state;
    struct server_set *set = server_set_new();
    struct lb_config config = parse(two_backends);
    struct config_error err;
    struct snapshot *s = snapshot_build(&config, "test", 4, one_set, set, NULL, &err);
    assert_non_null(s);
    assert_int_equal(s->generation, 4);
    assert_int_equal(s->listener_count, 2);
    assert_int_equal(s->backend_count, 2);
    assert_string_equal(backend_name(s->listeners[1].backend), "two");
    assert_int_equal(s->listeners[1].addr.ss_family, AF_INET6);
    assert_true(backend_wants_hash(s->listeners[1].backend));
    assert_false(backend_wants_hash(s->listeners[0].backend));
    assert_null(s->listeners[0].tls);
    snapshot_unref(s);
    server_set_unref(set);
}

static void a_flows_backend_outlives_a_reload(void **state)
{
    (void)state;
    struct server_set *set = server_set_new();
    struct lb_config config = parse(two_backends);
    struct config_error err;
    struct snapshot *s = snapshot_build(&config, "test", 1, one_set, set, NULL, &err);
    struct snapshot *of_flow = snapshot_ref(s);
    struct backend *b = s->backends[1];
    snapshot_unref(s);
    server_set_unref(set);
    assert_string_equal(backend_name(b), "two");
    assert_int_equal(backend_config(b)->drain_timeout_ms, 7000);
    snapshot_unref(of_flow);
}

static void a_new_view_shares_the_servers_of_the_old_one(void **state)
{
    (void)state;
    struct server_set *set = server_set_new();
    struct config_error err;
    struct lb_config first = parse(two_backends), second = parse(two_backends);
    struct snapshot *old = snapshot_build(&first, "test", 1, one_set, set, NULL, &err);
    struct snapshot *next = snapshot_build(&second, "test", 2, one_set, set, NULL, &err);
    struct sockaddr_storage addr;
    socklen_t len;
    assert_true(address_parse("127.0.0.1:3", &addr, &len));
    struct server *s = server_new("one", "x", &addr, len, 1, SERVER_FROM_LIST, -1);
    atomic_store(&s->health, SERVER_UP);
    assert_true(server_set_add(set, s));
    struct choose_request r = {0};
    assert_ptr_equal(backend_choose(old->backends[0], &r), s);
    assert_ptr_equal(backend_choose(next->backends[0], &r), s);
    assert_int_equal(atomic_load(&s->connections), 2);
    snapshot_unref(old);
    server_release(s);
    server_release(s);
    server_unref(s);
    snapshot_unref(next);
    server_set_unref(set);
}

static void a_certificate_that_cannot_be_loaded_names_line_and_key(void **state)
{
    (void)state;
    struct server_set *set = server_set_new();
    struct lb_config config =
        parse("listeners:\n"
              "  - bind: 127.0.0.1:1\n"
              "    name: a\n"
              "    backend: one\n"
              "    tls: { certificate: /nonexistent/a.pem, key: /nonexistent/a.key }\n"
              "backends:\n"
              "  one: { servers: [ { address: 127.0.0.1:3 } ] }\n");
    struct config_error err;
    assert_null(snapshot_build(&config, "lb.yaml", 1, one_set, set, NULL, &err));
    assert_int_equal(err.line, 5);
    assert_non_null(strstr(err.text, "lb.yaml:5:"));
    assert_non_null(strstr(err.text, "listeners[0].tls"));
    assert_non_null(strstr(err.text, "/nonexistent/a.pem"));
    server_set_unref(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listeners_stand_on_their_backends),
        cmocka_unit_test(a_flows_backend_outlives_a_reload),
        cmocka_unit_test(a_new_view_shares_the_servers_of_the_old_one),
        cmocka_unit_test(a_certificate_that_cannot_be_loaded_names_line_and_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
