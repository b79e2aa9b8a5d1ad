/* The states of a node and of its lease: which follow one another, and nodes that are led along each
 * arrow of the diagrams (fleet.h). An arrow that the tables lack is an assertion that fails. */
#include "broker/fleet/node/fleet.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

enum { ASLEEP_MS = 1500, CROWD = 80 }; /* a lease is 1000 ms */

static const struct {
    enum fleet_state from, to;
} arrows[] = {
    {FLEET_STARTING, FLEET_READY}, {FLEET_STARTING, FLEET_DEAD}, {FLEET_STARTING, FLEET_LEAVING},
    {FLEET_READY, FLEET_DEAD},     {FLEET_READY, FLEET_LEAVING}, {FLEET_DEAD, FLEET_OVER},
    {FLEET_OVER, FLEET_STARTING},  {FLEET_OVER, FLEET_LEAVING},  {FLEET_LEAVING, FLEET_LEFT},
};

static const struct {
    enum fleet_lease from, to;
} lease_arrows[] = {
    {FLEET_LEASE_NONE, FLEET_LEASE_SURE},   {FLEET_LEASE_SURE, FLEET_LEASE_UNSURE},
    {FLEET_LEASE_UNSURE, FLEET_LEASE_SURE}, {FLEET_LEASE_SURE, FLEET_LEASE_NONE},
    {FLEET_LEASE_UNSURE, FLEET_LEASE_NONE},
};

static bool is_drawn(enum fleet_state from, enum fleet_state to)
{
    for (size_t i = 0; i < sizeof(arrows) / sizeof(arrows[0]); i++)
        if (arrows[i].from == from && arrows[i].to == to)
            return true;
    return false;
}

static bool is_lease_drawn(enum fleet_lease from, enum fleet_lease to)
{
    for (size_t i = 0; i < sizeof(lease_arrows) / sizeof(lease_arrows[0]); i++)
        if (lease_arrows[i].from == from && lease_arrows[i].to == to)
            return true;
    return false;
}

static void these_arrows_and_no_others_are_there(void **state)
{
    (void)state;
    for (unsigned from = 0; from < FLEET_STATES; from++)
        for (unsigned to = 0; to < FLEET_STATES; to++)
            assert_int_equal(fleet_may_enter(from, to), is_drawn(from, to));
    for (unsigned from = 0; from < FLEET_LEASES; from++)
        for (unsigned to = 0; to < FLEET_LEASES; to++)
            assert_int_equal(fleet_lease_may_enter(from, to), is_lease_drawn(from, to));
}

static void each_state_has_a_name(void **state)
{
    (void)state;
    for (unsigned s = 0; s < FLEET_STATES; s++)
        assert_non_null(fleet_state_name(s));
}

/* ---- nodes on their way ---------------------------------------------------------------------- */

static struct fleet *fleet_of(struct bed_node *n)
{
    return (struct fleet *)n->store;
}

static void becomes_ready_under_another_id(struct bed *b, struct bed_node *n, uint64_t id)
{
    struct fleet *f = fleet_of(n);
    assert_int_equal(f->state, FLEET_DEAD);
    assert_int_equal(fleet_health(f), STORE_STARTING);
    BED_UNTIL(b, bed_ready(n));
    assert_int_equal(f->state, FLEET_READY);
    assert_int_equal(f->lease, FLEET_LEASE_SURE);
    assert_true(f->id != id);
}

static void a_ready_node_that_is_declared_dead_starts_over(void **state)
{
    struct bed_node *n = bed_add_ready(*state);
    struct fleet *f = fleet_of(n);
    assert_int_equal(f->state, FLEET_READY);
    fleet_declared_dead(f);
    fleet_declared_dead(f); /* who hears it twice */
    becomes_ready_under_another_id(*state, n, f->id);
}

static void a_starting_node_that_is_declared_dead_starts_over(void **state)
{
    struct bed_node *n = bed_add(*state);
    struct fleet *f = fleet_of(n);
    assert_int_equal(f->state, FLEET_STARTING);
    assert_int_equal(f->lease, FLEET_LEASE_NONE);
    fleet_declared_dead(f);
    becomes_ready_under_another_id(*state, n, f->id);
}

static struct bed_node *sleep_too_long(struct bed *b)
{
    struct bed_node *n = bed_add_ready(b);
    n->stopped = true;
    bed_run(b, ASLEEP_MS);
    n->stopped = false;
    bed_input(n->store);
    assert_int_equal(fleet_of(n)->lease, FLEET_LEASE_UNSURE);
    assert_int_equal(fleet_of(n)->state, FLEET_READY);
    assert_int_equal(fleet_health(fleet_of(n)), STORE_TROUBLED);
    return n;
}

static void a_node_that_slept_is_unsure_and_then_sure_again(void **state)
{
    struct bed *b = *state;
    struct bed_node *n = sleep_too_long(b);
    BED_UNTIL(b, fleet_of(n)->lease == FLEET_LEASE_SURE);
    assert_int_equal(fleet_of(n)->state, FLEET_READY);
    assert_int_equal(fleet_health(fleet_of(n)), STORE_READY);
}

static void an_unsure_node_that_is_declared_dead_starts_over(void **state)
{
    struct bed_node *n = sleep_too_long(*state);
    fleet_declared_dead(fleet_of(n));
    becomes_ready_under_another_id(*state, n, fleet_of(n)->id);
}

/* ---- and to their end ------------------------------------------------------------------------ */

static void on_left(void *arg, enum store_status status)
{
    *(int *)arg = (int)status;
}

static void leaves(struct bed *b, struct bed_node *n, enum store_status with)
{
    struct fleet *f = fleet_of(n);
    int status = -1;
    n->store->ops->shutdown(n->store, clock_monotonic_ms() + 3000, on_left, &status);
    assert_int_equal(f->state, FLEET_LEAVING);
    assert_int_equal(fleet_health(f), STORE_TROUBLED);
    BED_UNTIL(b, status != -1);
    assert_int_equal(status, with);
    assert_int_equal(f->state, FLEET_LEFT);
    bed_run(b, 100);
    assert_int_equal(f->state, FLEET_LEFT);
    assert_int_equal(f->lease, FLEET_LEASE_NONE); /* and not unsure: nobody beats for it */
    assert_false(fleet_can_act(f));
}

static void a_ready_node_leaves(void **state)
{
    leaves(*state, bed_add_ready(*state), STORE_OK);
}

static void a_starting_node_leaves_without_a_word(void **state)
{
    leaves(*state, bed_add(*state), STORE_UNAVAILABLE);
}

static void a_node_that_slept_leaves(void **state)
{
    leaves(*state, sleep_too_long(*state), STORE_OK);
}

/* It isn't in the fleet any more: there is nothing to say. */
static void a_dead_node_leaves(void **state)
{
    struct bed_node *n = bed_add_ready(*state);
    fleet_declared_dead(fleet_of(n));
    leaves(*state, n, STORE_UNAVAILABLE);
}

static void a_node_that_starts_over_leaves(void **state)
{
    struct bed *b = *state;
    struct bed_node *n = bed_add_ready(b);
    char id[BED_TEXT];
    for (int i = 0; i < CROWD; i++) {
        snprintf(id, sizeof(id), "c%d", i);
        bed_connect(n, id, false);
    }
    b->without_time = true; /* to forget them takes several turns */
    fleet_declared_dead(fleet_of(n));
    bed_turn(b);
    assert_int_equal(fleet_of(n)->state, FLEET_OVER);
    assert_int_equal(fleet_of(n)->lease, FLEET_LEASE_NONE);
    assert_int_equal(fleet_health(fleet_of(n)), STORE_STARTING);
    leaves(b, n, STORE_UNAVAILABLE);
}

#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(these_arrows_and_no_others_are_there),
        cmocka_unit_test(each_state_has_a_name),
        IN_BED(a_ready_node_that_is_declared_dead_starts_over),
        IN_BED(a_starting_node_that_is_declared_dead_starts_over),
        IN_BED(a_node_that_slept_is_unsure_and_then_sure_again),
        IN_BED(an_unsure_node_that_is_declared_dead_starts_over),
        IN_BED(a_ready_node_leaves),
        IN_BED(a_starting_node_leaves_without_a_word),
        IN_BED(a_node_that_slept_leaves),
        IN_BED(a_dead_node_leaves),
        IN_BED(a_node_that_starts_over_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
