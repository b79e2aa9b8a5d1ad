/* What a fleet keeps in Redis: under which names, in which format, in pieces of which size. */
#include "tests/unit/broker/fleet_bed.h"

static void fleets_of_different_names_on_one_database_dont_meet(void **state)
{
    struct bed *b = *state;
    struct bed_node *plain = bed_add_ready(b);
    struct bed_node *one;
    struct bed_node *two;
    struct bed_client *here;
    struct bed_client *there;
    struct bed_client *publisher;

    b->cfg.name = "one";
    one = bed_add_ready(b);
    b->cfg.name = "two";
    two = bed_add_ready(b);
    here = bed_connect(plain, "same-id", true);
    there = bed_connect(one, "same-id", true);
    publisher = bed_connect(two, "same-id", true);
    bed_subscribe(here, "t/#", 1);
    bed_subscribe(there, "t/#", 1);
    bed_publish(publisher, "t/1", "m", 1);
    bed_publish(there, "t/1", "own", 1);
    bed_fetch(here, 1, 10);
    assert_int_equal(here->entry_count, 0);
    bed_fetch(there, 1, 10);
    assert_int_equal(there->entry_count, 1);
    assert_true(here->connected && there->connected && publisher->connected);
    assert_int_equal(plain->asked + one->asked + two->asked, 0);
    assert_int_equal(plain->route_count + two->route_count, 0);
    assert_int_equal(bed_redis(b, "HLEN fl:{r}:nodes"), 1);
    assert_int_equal(bed_redis(b, "HLEN fl.one:{r}:nodes"), 1);
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        IN_BED(fleets_of_different_names_on_one_database_dont_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
