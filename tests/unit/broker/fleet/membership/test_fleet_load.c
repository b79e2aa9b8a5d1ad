/* fleet_load: entering the fleet and reloading what it knows (rules 3 and 9). */
#include "broker/fleet/node/fleet.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

static struct fleet *fleet_of(struct bed_node *n)
{
    return (struct fleet *)n->store;
}

static uint64_t reloads(struct bed_node *n)
{
    return *fleet_of(n)->metrics.reloads;
}

/* What is found out while the node joins, by the replies before that of the join, is the same loss. */
static void what_is_found_out_while_joining_is_no_second_reload(void **state)
{
    struct bed *b = *state;
    struct bed_node *n = bed_add_ready(b);
    struct timespec answered = {.tv_nsec = 50 * 1000000};
    fleet_reload(fleet_of(n), "test");
    BED_UNTIL(b, reloads(n) == 1); /* the join was sent in that turn */
    nanosleep(&answered, NULL);    /* its reply lies in the socket */
    fleet_reload(fleet_of(n), "the same again");
    BED_UNTIL(b, fleet_log_is_valid(fleet_of(n)));
    bed_run(b, 300);
    assert_true(fleet_log_is_valid(fleet_of(n)));
    assert_int_equal(reloads(n), 1);
}

/* Once all is loaded it is another one. */
static void what_is_found_out_afterwards_is_a_reload_of_its_own(void **state)
{
    struct bed *b = *state;
    struct bed_node *n = bed_add_ready(b);
    for (unsigned i = 1; i <= 3; i++) {
        fleet_reload(fleet_of(n), "test");
        BED_UNTIL(b, reloads(n) == i);
        BED_UNTIL(b, fleet_log_is_valid(fleet_of(n)));
    }
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        IN_BED(what_is_found_out_while_joining_is_no_second_reload),
        IN_BED(what_is_found_out_afterwards_is_a_reload_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
