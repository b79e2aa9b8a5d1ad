/* The states of an attempt to take a client id: which follow one another, and an attempt that is led
 * along each arrow of the diagram (fleet_connect_op.h). An arrow that the table lacks is an assertion
 * that fails. */
#include "broker/fleet/connect/fleet_connect.h"
#include "broker/fleet/connect/fleet_connect_op.h"
#include "broker/fleet/node/fleet.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

enum { FILTERS = 400 /* several pieces of restoring, several answers of reading */ };

static const struct {
    enum connect_state from, to;
} arrows[] = {
    {CONNECT_NEW, CONNECT_CLAIMING},          {CONNECT_CLAIMING, CONNECT_READING},
    {CONNECT_READING, CONNECT_HANDING_OVER},  {CONNECT_HANDING_OVER, CONNECT_SEIZING},
    {CONNECT_SEIZING, CONNECT_RESTORING},     {CONNECT_RESTORING, CONNECT_SETTLING},
    {CONNECT_SETTLING, CONNECT_REFUSED},      {CONNECT_READING, CONNECT_CLAIMING},
    {CONNECT_HANDING_OVER, CONNECT_CLAIMING}, {CONNECT_SEIZING, CONNECT_CLAIMING},
    {CONNECT_RESTORING, CONNECT_CLAIMING},    {CONNECT_SETTLING, CONNECT_CLAIMING},
    {CONNECT_CLAIMING, CONNECT_ENDED},        {CONNECT_READING, CONNECT_ENDED},
    {CONNECT_HANDING_OVER, CONNECT_ENDED},    {CONNECT_SEIZING, CONNECT_ENDED},
    {CONNECT_RESTORING, CONNECT_ENDED},       {CONNECT_SETTLING, CONNECT_ENDED},
    {CONNECT_REFUSED, CONNECT_ENDED},
};

static bool is_drawn(enum connect_state from, enum connect_state to)
{
    for (size_t i = 0; i < sizeof(arrows) / sizeof(arrows[0]); i++)
        if (arrows[i].from == from && arrows[i].to == to)
            return true;
    return false;
}

static void these_arrows_and_no_others_are_there(void **state)
{
    (void)state;
    for (unsigned from = 0; from < CONNECT_STATES; from++)
        for (unsigned to = 0; to < CONNECT_STATES; to++)
            assert_int_equal(connect_may_enter(from, to), is_drawn(from, to));
}

static void each_state_has_a_name(void **state)
{
    (void)state;
    for (unsigned s = 0; s < CONNECT_STATES; s++)
        assert_non_null(connect_state_name(s));
}

/* ---- an attempt on its way ------------------------------------------------------------------- */

struct attempt {
    struct bed_node *node;
    struct fleet *f;
    struct bed_client *client;
};

static void subscribe_many(struct bed_client *c)
{
    struct store_subscription subs[FILTERS];
    char text[FILTERS][16];
    for (int i = 0; i < FILTERS; i++) {
        snprintf(text[i], sizeof(text[i]), "f/%d", i);
        subs[i] = (struct store_subscription){.filter = bed_slice(text[i]), .qos = 1};
    }
    c->status = -1;
    c->node->store->ops->subscribe(c->node->store, &c->hold, subs, FILTERS, bed_on_done, c);
    BED_UNTIL(c->node->bed, c->status == STORE_OK);
}

static struct connect_op *op_of(const struct attempt *a)
{
    return connect_list_first(a->f);
}

/* The client has another node that doesn't answer, a will there, and many filters: so its attempt
 * stays a while in each state. Returns when it is in this one. */
static struct attempt begin(struct bed *b, enum connect_state state)
{
    static const struct bed_will offline = {.topic = "w/1", .payload = "offline", .qos = 1};
    struct attempt a;
    b->cfg.lease_ms = 20000;
    bed_redis(b, "CONFIG SET hash-max-listpack-entries 8");
    struct bed_client *first = bed_connect_will(bed_add_ready(b), "c", true, &offline);
    subscribe_many(first);
    first->silent = true;
    a.node = bed_add_ready(b);
    a.f = (struct fleet *)a.node->store;
    b->without_time = true;
    a.client = bed_connect_begin(a.node, "c", true, false, NULL);
    BED_UNTIL(b, op_of(&a) == NULL || op_of(&a)->state == state);
    assert_non_null(op_of(&a));
    return a;
}

static void comes_true(struct bed *b, const struct attempt *a)
{
    BED_UNTIL(b, a->client->status >= 0);
    assert_int_equal(a->client->status, STORE_OK);
    assert_int_equal(a->client->sub_count, FILTERS);
    assert_null(op_of(a));
}

static void begins_again(struct bed *b, enum connect_state state)
{
    struct attempt a = begin(b, state);
    fleet_connects_begin_again(a.f);
    BED_UNTIL(b, a.client->status >= 0 || op_of(&a)->state == CONNECT_CLAIMING);
    assert_int_equal(a.client->status, -1);
    comes_true(b, &a);
}

static void an_attempt_goes_through_all_states(void **state)
{
    static const enum connect_state way[] = {CONNECT_CLAIMING,     CONNECT_READING,
                                             CONNECT_HANDING_OVER, CONNECT_SEIZING,
                                             CONNECT_RESTORING,    CONNECT_SETTLING};
    struct bed *b = *state;
    struct attempt a = begin(b, way[0]);
    for (size_t i = 1; i < sizeof(way) / sizeof(way[0]); i++)
        BED_UNTIL(b, op_of(&a) == NULL || op_of(&a)->state == way[i]);
    assert_non_null(op_of(&a));
    comes_true(b, &a);
}

static void it_begins_again_while_it_reads(void **state)
{
    begins_again(*state, CONNECT_READING);
}

static void it_begins_again_while_owners_are_asked(void **state)
{
    begins_again(*state, CONNECT_HANDING_OVER);
}

static void it_begins_again_while_a_will_is_seized(void **state)
{
    begins_again(*state, CONNECT_SEIZING);
}

static void it_begins_again_while_filters_are_restored(void **state)
{
    begins_again(*state, CONNECT_RESTORING);
}

static void it_begins_again_while_it_settles(void **state)
{
    begins_again(*state, CONNECT_SETTLING);
}

/* Its clients are freed with the node; what is left over of the attempt would be a leak. */
static void the_nodes_end_ends_it_in_each_state(void **state)
{
    struct bed *b = *state;
    for (enum connect_state s = CONNECT_CLAIMING; s <= CONNECT_SETTLING; s++) {
        struct attempt a = begin(b, s);
        for (size_t i = 0; i < BED_NODES; i++)
            if (b->nodes[i] != NULL && b->nodes[i] != a.node)
                bed_kill(b, b->nodes[i]);
        bed_kill(b, a.node);
        b->without_time = false;
        bed_redis(b, "FLUSHALL");
    }
}

static void it_is_refused_when_it_takes_too_long_to_settle(void **state)
{
    struct bed *b = *state;
    struct attempt a = begin(b, CONNECT_SETTLING);
    struct timebox box;
    op_of(&a)->deadline_ms = 0;
    timebox_open_at(&box, UINT64_MAX, 0, 0);
    a.f->box = &box;
    fleet_connect_tick(a.f);
    assert_int_equal(a.client->status, STORE_UNAVAILABLE);
    assert_null(op_of(&a));
    a.client->hold.client_id = NULL; /* the core's hold may go now */
    b->without_time = false;
    bed_run(b, 200); /* its answers come */
    a.client->hold.client_id = a.client->id;
}

#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(these_arrows_and_no_others_are_there),
        cmocka_unit_test(each_state_has_a_name),
        IN_BED(an_attempt_goes_through_all_states),
        IN_BED(it_begins_again_while_it_reads),
        IN_BED(it_begins_again_while_owners_are_asked),
        IN_BED(it_begins_again_while_a_will_is_seized),
        IN_BED(it_begins_again_while_filters_are_restored),
        IN_BED(it_begins_again_while_it_settles),
        IN_BED(the_nodes_end_ends_it_in_each_state),
        IN_BED(it_is_refused_when_it_takes_too_long_to_settle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
