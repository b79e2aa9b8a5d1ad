/* A publisher learns whether the whole fleet has anybody for what it published: store_publish_request.reached. */
#include "tests/unit/broker/fleet/fleet_bed.h"

/* The call has completed when this returns. */
static bool publish(struct bed_client *c, const char *topic, uint8_t qos, uint16_t qos2_packet_id,
                    bool (*wait)(struct bed_client *c))
{
    struct bed_node *n = c->node;
    struct message *m = bed_message(n, topic, "x", qos, false);
    bool reached = false;
    struct store_publish_request req = {
        .message = m, .hold = &c->hold, .qos2_packet_id = qos2_packet_id, .reached = &reached};
    c->status = -1;
    bed_match(n, m, &req.targets);
    n->store->ops->publish(n->store, &req, bed_on_done, c);
    message_unref(m);
    if (wait != NULL)
        assert_true(wait(c));
    BED_UNTIL(n->bed, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
    return reached;
}

static void nobody_is_told_only_where_the_whole_fleet_has_nobody(void **state)
{
    struct bed *b = *state;
    struct bed_node *a = bed_add_ready(b);
    struct bed_node *other = bed_add_ready(b);
    struct bed_client *pub = bed_connect(a, "pub", true);
    struct bed_client *away = bed_connect(other, "away", true);
    struct bed_client *clean = bed_connect(other, "clean", false);
    assert_false(publish(pub, "queue", 1, 0, NULL));
    bed_subscribe(away, "queue", 1);
    bed_disconnect(away, false);
    BED_UNTIL(b, a->sub_count == 1);
    assert_true(publish(pub, "queue", 1, 0, NULL));
    assert_true(publish(pub, "queue", 2, 3, NULL));
    bed_subscribe(clean, "route", 1);
    BED_UNTIL(b, a->route_count >= 1);
    assert_true(publish(pub, "route", 1, 0, NULL));
    assert_false(publish(pub, "nobody", 1, 0, NULL));
}

/* The publisher's node doesn't know the subscription yet, and learns of it by the version. */
static bool goes_on(struct bed_client *c)
{
    assert_int_equal(c->node->sub_count, 0);
    c->node->stopped = false;
    return true;
}

static void who_is_found_in_a_later_round_counts(void **state)
{
    struct bed *b = *state;
    struct bed_node *a = bed_add_ready(b);
    struct bed_node *other = bed_add_ready(b);
    struct bed_client *pub = bed_connect(a, "pub", true);
    struct bed_client *sub = bed_connect(other, "sub", true);
    a->stopped = true;
    bed_subscribe(sub, "t", 1);
    assert_true(publish(pub, "t", 1, 0, goes_on));
}

/* At QoS 2 the store itself hands it to this broker's clients. */
static void own_clients_count_where_the_store_delivers(void **state)
{
    struct bed *b = *state;
    struct bed_node *a = bed_add_ready(b);
    struct bed_client *pub = bed_connect(a, "pub", true);
    assert_false(publish(pub, "t", 2, 1, NULL));
    assert_int_equal(a->got_count, 1);
    a->gets = true;
    assert_true(publish(pub, "t", 2, 2, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_is_told_only_where_the_whole_fleet_has_nobody,
                                        bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(who_is_found_in_a_later_round_counts, bed_setup,
                                        bed_teardown),
        cmocka_unit_test_setup_teardown(own_clients_count_where_the_store_delivers, bed_setup,
                                        bed_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
