/* A hundred thousand connections that come at once after a failover: each is found without a walk over
 * the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/fleet/connect/fleet_connect.h"
#include "broker/fleet/connect/fleet_connect_op.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_behalf.h"
#include "common/base/clock.h"

enum { MANY = 100000, ENOUGH_MS = 2000 /* a walk for each would take minutes */ };

struct connecting {
    struct connect_op op;
    struct fleet_hold h;
    struct store_hold hold;
    char client[16];
};

struct crowd {
    struct fleet f;
    struct connecting *all;
    uint64_t begun_ns;
};

static void begin(struct connecting *c, struct fleet *f, unsigned client)
{
    snprintf(c->client, sizeof(c->client), "c%u", client);
    c->hold.client_id = c->client;
    c->hold.client_id_len = (uint16_t)strlen(c->client);
    c->h.behalf = fleet_behalf_of(f, store_hold_id(&c->hold), 0);
    c->op.f = f;
    c->op.h = &c->h;
    c->op.hold = &c->hold;
    c->op.request = (uint64_t)client * 0x9e3779b97f4a7c15u + (uint64_t)(uintptr_t)c;
    connect_list_add(&c->op);
}

static int setup(void **state)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    crowd->f.hash_key = 42;
    assert_true(fleet_connects_init(&crowd->f));
    crowd->all = calloc(MANY, sizeof(*crowd->all));
    crowd->begun_ns = clock_thread_cpu_ns();
    for (unsigned i = 0; i < MANY; i++)
        begin(&crowd->all[i], &crowd->f, i);
    *state = crowd;
    return 0;
}

static int teardown(void **state)
{
    struct crowd *crowd = *state;
    for (unsigned i = 0; i < MANY; i++)
        connect_list_remove(&crowd->all[i].op);
    assert_null(connect_list_first(&crowd->f));
    assert_true((clock_thread_cpu_ns() - crowd->begun_ns) / 1000000 < ENOUGH_MS);
    fleet_connects_free(&crowd->f);
    free(crowd->all);
    free(crowd);
    return 0;
}

static void each_is_found_by_its_request_and_by_its_client(void **state)
{
    struct crowd *crowd = *state;
    for (unsigned i = 0; i < MANY; i++) {
        struct connecting *c = &crowd->all[i];
        assert_ptr_equal(connect_of_request(&crowd->f, c->op.request), &c->op);
        assert_ptr_equal(connect_of_client(&crowd->f, store_hold_id(&c->hold)), &c->op);
        assert_null(connect_next_of_client(&c->op));
    }
    assert_null(connect_of_client(&crowd->f, mqtt_slice_of("c", 1)));
    assert_null(connect_of_request(&crowd->f, 1));
}

static void a_client_may_have_several(void **state)
{
    struct crowd *crowd = *state;
    struct connecting second = {0};
    begin(&second, &crowd->f, 7);
    struct connect_op *a = connect_of_client(&crowd->f, mqtt_slice_of("c7", 2));
    struct connect_op *b = connect_next_of_client(a);
    assert_true((a == &second.op && b == &crowd->all[7].op) ||
                (b == &second.op && a == &crowd->all[7].op));
    assert_null(connect_next_of_client(b));
    connect_list_remove(&second.op);
    assert_ptr_equal(connect_of_client(&crowd->f, mqtt_slice_of("c7", 2)), &crowd->all[7].op);
}

/* Some wait, most don't: the tick sees only whose time has come. */
static void waits_end_in_their_order(void **state)
{
    struct crowd *crowd = *state;
    struct fleet *f = &crowd->f;
    f->now_ms = 1000;
    for (unsigned i = 0; i < MANY; i++)
        connect_wait(&crowd->all[i].op, CONNECT_WAIT_SETTLED);
    f->now_ms = 1100;
    connect_wait(&crowd->all[1].op, CONNECT_WAIT_OWNERS); /* instead of the one before */
    connect_wait(&crowd->all[2].op, CONNECT_WAIT_NONE);
    for (; f->now_ms < 2100; f->now_ms++)
        assert_null(connect_next_due(f));
    assert_ptr_equal(connect_next_due(f), &crowd->all[1].op);
    connect_wait(&crowd->all[1].op, CONNECT_WAIT_NONE);
    assert_null(connect_next_due(f));
    f->now_ms = 11000;
    for (unsigned i = 0; i < MANY; i++) {
        if (i == 1 || i == 2)
            continue;
        assert_ptr_equal(connect_next_due(f), &crowd->all[i].op);
        connect_wait(&crowd->all[i].op, CONNECT_WAIT_NONE);
    }
    assert_null(connect_next_due(f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_is_found_by_its_request_and_by_its_client, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_client_may_have_several, setup, teardown),
        cmocka_unit_test_setup_teardown(waits_end_in_their_order, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
