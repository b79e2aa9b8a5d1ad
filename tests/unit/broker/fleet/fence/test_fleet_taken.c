/* fleet_taken: what others took is known by client and epoch, until it was dealt with. */
#include "broker/fleet/fence/fleet_taken.h"
#include "tests/unit/broker/fleet/lone_node.h"

static bool has(struct lone_node *n, const char *client, uint64_t epoch)
{
    return fleet_taken_has(&n->f,
                           fleet_behalf_of(&n->f, mqtt_slice_of(client, strlen(client)), epoch));
}

static void a_connection_is_taken_up_to_its_epoch(void **state)
{
    struct lone_node *n = *state;
    fleet_taken_add(&n->f, mqtt_slice_of("c", 1), 5);
    assert_true(has(n, "c", 4));
    assert_true(has(n, "c", 5));
    assert_false(has(n, "c", 6));
    assert_false(has(n, "d", 5));
}

/* What is written on nobody's behalf stays. */
static void nobody_isnt_taken(void **state)
{
    struct lone_node *n = *state;
    struct fleet_behalf nobody = {.client = 0, .epoch = 1};
    fleet_taken_add(&n->f, mqtt_slice_of("c", 1), 5);
    assert_false(fleet_taken_has(&n->f, nobody));
}

static void the_highest_epoch_counts(void **state)
{
    struct lone_node *n = *state;
    fleet_taken_add(&n->f, mqtt_slice_of("c", 1), 5);
    fleet_taken_add(&n->f, mqtt_slice_of("c", 1), 7);
    fleet_taken_add(&n->f, mqtt_slice_of("c", 1), 6);
    assert_int_equal(fleet_taken_count(&n->f), 1);
    assert_true(has(n, "c", 7));
    assert_false(has(n, "c", 8));
}

static void what_a_cut_noted_is_taken(void **state)
{
    struct lone_node *n = *state;
    struct fleet_bytes noted = {0};
    fleet_bytes_slice(&noted, lone_slice("c"));
    fleet_bytes_varint(&noted, 300);
    fleet_bytes_slice(&noted, lone_slice("d"));
    fleet_bytes_varint(&noted, 300);
    fleet_taken_note(&n->f, mqtt_slice_of(noted.data, noted.len - 1)); /* the last one is cut */
    assert_int_equal(fleet_taken_count(&n->f), 1);
    assert_true(has(n, "c", 300));
    fleet_taken_note(&n->f, mqtt_slice_of(noted.data, noted.len));
    assert_true(has(n, "d", 300));
    fleet_taken_note(&n->f, mqtt_slice_of("", 0));
    assert_int_equal(fleet_taken_count(&n->f), 2);
    fleet_bytes_fini(&noted);
}

static void each_is_dealt_with_once(void **state)
{
    struct lone_node *n = *state;
    bool seen[2] = {false};
    assert_null(fleet_taken_pop(&n->f));
    fleet_taken_add(&n->f, mqtt_slice_of("a", 1), 1);
    fleet_taken_add(&n->f, mqtt_slice_of("b", 1), 2);
    for (int i = 0; i < 2; i++) {
        struct fleet_taken *t = fleet_taken_pop(&n->f);
        int which = t->client[0] - 'a';
        assert_int_equal(t->len, 1);
        assert_int_equal(t->behalf.epoch, which + 1);
        assert_false(seen[which]);
        seen[which] = true;
        free(t);
    }
    assert_null(fleet_taken_pop(&n->f));
    assert_false(has(n, "a", 1));
}

static void after_a_reset_there_is_nothing_to_close(void **state)
{
    struct lone_node *n = *state;
    fleet_taken_add(&n->f, mqtt_slice_of("a", 1), 1);
    n->f.closing_taken = true;
    fleet_taken_reset(&n->f);
    assert_int_equal(fleet_taken_count(&n->f), 0);
    assert_false(n->f.closing_taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(a_connection_is_taken_up_to_its_epoch),
        LONE_TEST(nobody_isnt_taken),
        LONE_TEST(the_highest_epoch_counts),
        LONE_TEST(what_a_cut_noted_is_taken),
        LONE_TEST(each_is_dealt_with_once),
        LONE_TEST(after_a_reset_there_is_nothing_to_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
