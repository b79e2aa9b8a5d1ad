/* The pools by name, and whether devices should be sent here. */
#include "lb/admin/control.h"

#include "tests/unit/lb/admin/control_fixture.h"

static char why[256];

static int setup(void **state)
{
    (void)state;
    control_start("127.0.0.1:0");
    why[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    control_end();
    return 0;
}

static struct server *server_named(const char *name)
{
    return pool_find(control_find_pool(&control, "b"), name)->server;
}

static void a_pool_is_made_once_for_each_backend(void **state)
{
    (void)state;
    struct pool *b = control_find_pool(&control, "b");
    assert_non_null(b);
    assert_null(control_find_pool(&control, "other"));
    assert_ptr_equal(control_set("b", &control), b->set);
    struct server_set *other = control_set("other", &control);
    assert_ptr_not_equal(other, b->set);
    assert_ptr_equal(control_set("other", &control), other);
    assert_ptr_equal(control_find_pool(&control, "other")->set, other);
    assert_string_equal(control_find_pool(&control, "other")->name, "other");
}

static void it_is_ready_when_each_listener_has_a_server(void **state)
{
    (void)state;
    assert_true(control_is_ready(&control, why, sizeof(why)));
    assert_string_equal(why, "");
    atomic_store(&server_named("s")->health, SERVER_DOWN);
    assert_true(control_is_ready(&control, why, sizeof(why))); /* the other one is up */
    atomic_store(&server_named("[::1]:9")->health, SERVER_DOWN);
    assert_false(control_is_ready(&control, why, sizeof(why)));
    assert_string_equal(why, "no server of backend b is up");
}

static void while_it_starts_it_isnt_ready(void **state)
{
    (void)state;
    struct snapshot *s = control.snapshot;
    control.snapshot = NULL;
    assert_false(control_is_ready(&control, why, sizeof(why)));
    assert_string_equal(why, "starting");
    control.snapshot = s;
}

static void while_it_drains_it_isnt_ready_whatever_is_up(void **state)
{
    (void)state;
    control.draining = true;
    assert_false(control_is_ready(&control, why, sizeof(why)));
    assert_string_equal(why, "draining");
}

static void servers_that_come_up_before_the_workers_are_there_wake_nobody(void **state)
{
    (void)state;
    struct workers *w = control.workers;
    const struct pool *p = control_find_pool(&control, "b");
    p->owner.server_up(p->owner.arg);
    control.workers = NULL;
    p->owner.server_up(p->owner.arg); /* the sanitizer would tell */
    control.workers = w;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_pool_is_made_once_for_each_backend),
        TEST(it_is_ready_when_each_listener_has_a_server),
        TEST(while_it_starts_it_isnt_ready),
        TEST(while_it_drains_it_isnt_ready_whatever_is_up),
        TEST(servers_that_come_up_before_the_workers_are_there_wake_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
