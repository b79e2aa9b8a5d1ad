/* One server: what its state follows from, and what reports of flows do to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/net/address.h"
#include "lb/backend/server.h"

static struct server *make_server(const char *name)
{
    struct sockaddr_storage addr;
    socklen_t len;
    assert_true(address_parse("127.0.0.1:1883", &addr, &len));
    struct server *s = server_new("b", name, &addr, len, 1, SERVER_FROM_LIST, -1);
    assert_non_null(s);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_follows_from_health_admin_and_removal),
        cmocka_unit_test(a_refused_connect_takes_the_server_out_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
