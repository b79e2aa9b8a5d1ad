/* The states of a publish: which follow one another, and publishes that are led along each arrow of
 * the diagram (fleet_publish_op.h). An arrow that the table lacks is an assertion that fails. */
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/publish/fleet_publish_op.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

static const struct {
    enum fleet_publish_state from, to;
} arrows[] = {
    {FLEET_PUBLISH_NEW, FLEET_PUBLISH_BINDING},     {FLEET_PUBLISH_NEW, FLEET_PUBLISH_BEHIND},
    {FLEET_PUBLISH_NEW, FLEET_PUBLISH_SENDING},     {FLEET_PUBLISH_BINDING, FLEET_PUBLISH_BEHIND},
    {FLEET_PUBLISH_BINDING, FLEET_PUBLISH_SENDING}, {FLEET_PUBLISH_BINDING, FLEET_PUBLISH_DONE},
    {FLEET_PUBLISH_BEHIND, FLEET_PUBLISH_SENDING},  {FLEET_PUBLISH_BEHIND, FLEET_PUBLISH_DONE},
    {FLEET_PUBLISH_SENDING, FLEET_PUBLISH_ASKING},  {FLEET_PUBLISH_SENDING, FLEET_PUBLISH_DONE},
    {FLEET_PUBLISH_ASKING, FLEET_PUBLISH_SENDING},  {FLEET_PUBLISH_ASKING, FLEET_PUBLISH_HELD},
    {FLEET_PUBLISH_ASKING, FLEET_PUBLISH_DONE},     {FLEET_PUBLISH_HELD, FLEET_PUBLISH_SENDING},
    {FLEET_PUBLISH_HELD, FLEET_PUBLISH_DONE},       {FLEET_PUBLISH_HELD, FLEET_PUBLISH_BEHIND},
};

static bool is_drawn(enum fleet_publish_state from, enum fleet_publish_state to)
{
    for (size_t i = 0; i < sizeof(arrows) / sizeof(arrows[0]); i++)
        if (arrows[i].from == from && arrows[i].to == to)
            return true;
    return false;
}

static void these_arrows_and_no_others_are_there(void **state)
{
    (void)state;
    for (unsigned from = 0; from < FLEET_PUBLISH_STATES; from++)
        for (unsigned to = 0; to < FLEET_PUBLISH_STATES; to++)
            assert_int_equal(fleet_publish_may_enter(from, to), is_drawn(from, to));
}

/* ---- publishes on their way ------------------------------------------------------------------ */

struct scene {
    struct bed *b;
    struct bed_node *node;
    struct fleet *f;
    struct bed_client *publisher;
};

/* Its messages on t go into a queue, so that each has a part to be sent. */
static struct scene begin(struct bed *b, struct bed_node *n)
{
    struct scene s = {.b = b, .node = n, .f = (struct fleet *)n->store};
    bed_subscribe(bed_connect(n, "d", true), "t", 1);
    s.publisher = bed_connect(n, "p", true);
    s.publisher->completions = 0;
    return s;
}

static struct fleet_publish *publish(const struct scene *s, uint8_t qos, uint16_t qos2_packet_id)
{
    bed_publish_begin(s->publisher, "t", "x", qos, false, qos2_packet_id);
    return LIST_FIRST(&s->f->publishing->all);
}

static void flush(const struct scene *s)
{
    s->node->store->ops->flush(s->node->store);
}

static void come_true(const struct scene *s, unsigned count)
{
    BED_UNTIL(s->b, s->publisher->completions == count);
    assert_int_equal(s->publisher->status, STORE_OK);
    assert_true(LIST_EMPTY(&s->f->publishing->all));
    assert_int_equal(s->f->held_bytes, 0);
}

static void it_is_sent_then_the_version_is_asked_for(void **state)
{
    struct scene s = begin(*state, bed_add_ready(*state));
    struct fleet_publish *p = publish(&s, 1, 0);
    assert_int_equal(p->state, FLEET_PUBLISH_SENDING);
    flush(&s);
    assert_int_equal(p->state, FLEET_PUBLISH_ASKING);
    come_true(&s, 1);
}

static void it_is_bound_first(void **state)
{
    struct scene s = begin(*state, bed_add_ready(*state));
    struct fleet_publish *p = publish(&s, 2, 7);
    assert_int_equal(p->state, FLEET_PUBLISH_BINDING);
    BED_UNTIL(s.b, p->state != FLEET_PUBLISH_BINDING);
    assert_int_equal(p->state, FLEET_PUBLISH_ASKING); /* sent with the turn's flush */
    come_true(&s, 1);
}

static void it_is_matched_again_when_the_log_has_moved(void **state)
{
    struct scene s = begin(*state, bed_add_ready(*state));
    struct fleet_publish *p = publish(&s, 1, 0);
    flush(&s);
    p->matched = 0; /* older than what is answered */
    come_true(&s, 1);
}

static void it_is_held_and_others_wait_behind_it(void **state)
{
    struct scene s = begin(*state, bed_add_ready(*state));
    struct fleet_publish *first = publish(&s, 1, 0);
    struct fleet_publish *bound = publish(&s, 2, 7);
    flush(&s);
    fleet_parts_miss(&first->parts); /* as if a node had no inbox */
    struct fleet_publish *plain = publish(&s, 1, 0);
    assert_int_equal(plain->state, FLEET_PUBLISH_BEHIND);
    BED_UNTIL(s.b, first->state == FLEET_PUBLISH_HELD);
    assert_int_equal(bound->state, FLEET_PUBLISH_BEHIND);
    assert_int_equal(first->hold->behind, 2);
    assert_true(s.f->held_bytes > 0);
    come_true(&s, 3);
}

/* The one before it isn't missed: an earlier one is. */
static void it_waits_for_each_earlier_one_that_is_sent_again(void **state)
{
    struct scene s = begin(*state, bed_add_ready(*state));
    struct fleet_publish *first = publish(&s, 1, 0);
    struct fleet_publish *second = publish(&s, 1, 0);
    flush(&s);
    assert_int_equal(second->state, FLEET_PUBLISH_ASKING);
    fleet_parts_miss(&first->parts);
    struct fleet_publish *third = publish(&s, 1, 0);
    assert_int_equal(third->state, FLEET_PUBLISH_BEHIND);
    come_true(&s, 3);
}

/* It would be sent again before the earlier one, which is held for longer. */
static void one_that_is_held_waits_behind_an_earlier_one(void **state)
{
    struct scene s = begin(*state, bed_add_ready(*state));
    struct fleet_publish *first = publish(&s, 1, 0);
    struct fleet_publish *second = publish(&s, 1, 0);
    flush(&s);
    fleet_parts_refused(&first->parts, fleet_hash("d", 1), 0);
    fleet_parts_refused(&second->parts, fleet_hash("d", 1), 0);
    BED_UNTIL(s.b, second->state == FLEET_PUBLISH_HELD);
    second->again_ms += 20;
    BED_UNTIL(s.b, first->state == FLEET_PUBLISH_ASKING);
    fleet_parts_refused(&first->parts, fleet_hash("d", 1), 0);
    BED_UNTIL(s.b, second->state == FLEET_PUBLISH_BEHIND);
    assert_int_equal(first->state, FLEET_PUBLISH_HELD);
    come_true(&s, 2);
    assert_int_equal(s.f->missed, 0);
}

/* ---- the node's end -------------------------------------------------------------------------- */

static struct fleet_publish *publish_into(const struct scene *s, enum fleet_publish_state state)
{
    struct fleet_publish *first = publish(s, 1, 0);
    struct fleet_publish *p = first;
    if (state == FLEET_PUBLISH_SENDING)
        return p;
    if (state == FLEET_PUBLISH_BINDING)
        return publish(s, 2, 7);
    if (state == FLEET_PUBLISH_ASKING)
        bed_redis(s->b, "CLIENT PAUSE 300 ALL"); /* the answer comes too late */
    flush(s);
    if (state == FLEET_PUBLISH_ASKING)
        return p;
    fleet_parts_miss(&first->parts);
    if (state == FLEET_PUBLISH_BEHIND)
        p = publish(s, 1, 0);
    BED_UNTIL(s->b, first->state == FLEET_PUBLISH_HELD);
    return p;
}

static void it_fails_in_each_state_when_the_node_starts_over(void **state)
{
    struct bed *b = *state;
    struct bed_node *n = bed_add_ready(b);
    for (enum fleet_publish_state at = FLEET_PUBLISH_BINDING; at < FLEET_PUBLISH_DONE; at++) {
        struct scene s = begin(b, n);
        unsigned others = at == FLEET_PUBLISH_BINDING || at == FLEET_PUBLISH_BEHIND ? 1 : 0;
        uint64_t id = s.f->id;
        assert_int_equal(publish_into(&s, at)->state, at);
        fleet_declared_dead(s.f);
        BED_UNTIL(b, s.f->id != id);
        assert_int_equal(s.publisher->completions, 1 + others);
        assert_int_equal(s.publisher->status, STORE_UNAVAILABLE);
        assert_true(LIST_EMPTY(&s.f->publishing->all));
        assert_int_equal(s.f->held_bytes, 0);
        BED_UNTIL(b, bed_ready(n));
    }
}

#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(these_arrows_and_no_others_are_there),
        IN_BED(it_is_sent_then_the_version_is_asked_for),
        IN_BED(it_is_bound_first),
        IN_BED(it_is_matched_again_when_the_log_has_moved),
        IN_BED(it_is_held_and_others_wait_behind_it),
        IN_BED(it_waits_for_each_earlier_one_that_is_sent_again),
        IN_BED(one_that_is_held_waits_behind_an_earlier_one),
        IN_BED(it_fails_in_each_state_when_the_node_starts_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
