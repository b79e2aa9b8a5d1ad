/* fleet_retained: calls that set values are done in order, and say what must not be set. */
#include "broker/fleet/fence/fleet_taken.h"
#include "broker/fleet/publish/fleet_retained.h"
#include "tests/unit/broker/fleet/lone_node.h"

#define CALL "retain fl:{t}: " LONE_HEX " "

static struct fleet_behalf behalf(const struct lone_node *n)
{
    return fleet_behalf_of(&n->f, mqtt_slice_of("c", 1), LONE_EPOCH);
}

/* Sets a value for the client "c", in a turn of its own. */
static void set(struct lone_node *n, struct lone_parts *l, const char *topic)
{
    lone_parts_init(l, n, lone_message(topic, "x", 1, true));
    l->p.retained = true;
    fleet_retain(&n->f, &l->p, behalf(n), l->p.message, false);
    fleet_retaining_flush(&n->f);
}

static void fini(struct lone_parts *l)
{
    fleet_retaining_reset(&l->n->f);
    lone_parts_fini(l);
}

static void a_call_names_the_one_before_it_of_its_bucket(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts a;
    struct lone_parts b;
    struct lone_parts c;
    set(n, &a, "t/1");
    set(n, &b, "another/bucket");
    set(n, &c, "t/2");
    redis_gets_first(n, CALL "1 0 60000 500 1 1 t/1 ");
    redis_says(n, "[ :0 ' ]");
    redis_gets_first(n, CALL "2 0 ");
    redis_says(n, "[ :0 ' ]");
    redis_gets_first(n, CALL "3 1 ");
    redis_says(n, "[ :0 ' ]");
    assert_told(n, "sent; sent; sent");
    assert_false(a.p.missed || b.p.missed || c.p.missed);
    fini(&c);
    fini(&b);
    fini(&a);
}

/* What comes meanwhile waits; from a client that is taken away meanwhile it isn't set. */
static void what_is_refused_is_set_again_behind_what_failed(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts a;
    struct lone_parts b;
    struct lone_parts c;
    set(n, &a, "t/1");
    set(n, &b, "t/2");
    redis_says(n, "!ERR");
    assert_told(n, "sent; sent");
    set(n, &c, "t/3");
    assert_told(n, "");
    assert_true(fleet_retaining_is_due(&n->f));
    fleet_taken_add(&n->f, mqtt_slice_of("c", 1), LONE_EPOCH);
    fleet_retaining_void(&n->f);
    redis_says(n, "'refused");
    assert_true(b.p.missed && !b.p.retained && b.p.status == STORE_OK);
    redis_gets_nothing(n);
    fleet_retaining_flush(&n->f);
    assert_told(n, "sent");
    assert_false(fleet_retaining_is_due(&n->f));
    redis_gets_first(n, CALL "3 0 60000 500 1 0 t/3 ");
    fini(&c);
    fini(&b);
    fini(&a);
}

/* At QoS 0 nobody waits for it. */
static void a_refused_value_of_qos_0_is_counted_as_dropped(void **state)
{
    struct lone_node *n = *state;
    struct message *m = lone_message("t/2", "x", 0, true);
    struct lone_parts a;
    set(n, &a, "t/1");
    fleet_retain(&n->f, NULL, behalf(n), m, false);
    fleet_retaining_flush(&n->f);
    redis_says(n, "!ERR");
    redis_says(n, "'refused");
    assert_int_equal(*n->f.metrics.bulk_dropped, 1);
    message_unref(m);
    fini(&a);
}

static void another_run_is_told_of_no_call_that_was_answered(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts a;
    struct lone_parts b;
    struct lone_parts c;
    set(n, &a, "t/1");
    set(n, &b, "t/2");
    set(n, &c, "t/3");
    redis_says(n, "[ :0 ' ]");
    redis_gets_first(n, CALL "2 1 ");
    fleet_retaining_run_changed(&n->f);
    redis_gets_first(n, CALL "2 0 ");
    redis_says(n, "!ERR"); /* its successor is still to be refused */
    fleet_retaining_run_changed(&n->f);
    redis_gets_first(n, CALL "3 2 ");
    fini(&c);
    fini(&b);
    fini(&a);
}

static void what_is_taken_before_its_answer_isnt_set(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts a;
    set(n, &a, "t/1");
    redis_gets_first(n, CALL "1 0 60000 500 1 1 t/1 ");
    fleet_taken_add(&n->f, mqtt_slice_of("c", 1), LONE_EPOCH);
    fleet_retaining_void(&n->f);
    redis_gets_first(n, CALL "1 0 60000 500 1 0 t/1 ");
    fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(a_call_names_the_one_before_it_of_its_bucket),
        LONE_TEST(what_is_refused_is_set_again_behind_what_failed),
        LONE_TEST(a_refused_value_of_qos_0_is_counted_as_dropped),
        LONE_TEST(another_run_is_told_of_no_call_that_was_answered),
        LONE_TEST(what_is_taken_before_its_answer_isnt_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
