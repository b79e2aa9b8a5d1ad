/* store_enqueue in Redis: a retained value goes into one session's queue and nowhere else. */
#include "tests/unit/broker/fleet/fleet_bed.h"

struct fetched {
    bool done, is_value, retain;
    uint8_t qos;
    size_t count;
};

static void on_fetched(void *arg, enum store_status status, const struct store_entry *entries,
                       size_t count, bool more)
{
    struct fetched *f = arg;
    (void)more;
    assert_int_equal(status, STORE_OK);
    f->done = true;
    f->count = count;
    if (count == 0)
        return;
    f->is_value = entries[0].is_value;
    f->retain = entries[0].retain;
    f->qos = entries[0].qos;
}

static struct fetched fetch(struct bed_client *c)
{
    struct fetched f = {0};
    c->node->store->ops->fetch(c->node->store, &c->hold, 1, 16, 1 << 20, on_fetched, &f);
    BED_UNTIL(c->node->bed, f.done);
    return f;
}

static void enqueue(struct bed_node *by, struct bed_client *c)
{
    struct message *m = bed_message(by, "t", "value", 1, true);
    struct store_queue_target target = {.client_id = store_hold_id(&c->hold), .qos = 1};
    c->status = -1;
    by->store->ops->enqueue(by->store, m, &target, bed_on_done, c);
    message_unref(m);
}

static void a_value_goes_into_one_queue_and_nowhere_else(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    struct bed_client *d = bed_connect(one, "d", true);
    struct bed_client *e = bed_connect(two, "e", false);
    bed_subscribe(c, "t", 1);
    bed_subscribe(d, "t", 1);
    bed_subscribe(e, "t", 1);
    enqueue(one, c);
    BED_UNTIL(b, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
    struct fetched f = fetch(c);
    assert_int_equal(f.count, 1);
    assert_true(f.is_value && f.retain);
    assert_int_equal(f.qos, 1);
    assert_int_equal(fetch(d).count, 0);
    bed_publish(d, "t", "live", 1); /* what was before it has come to the other node when it has */
    BED_UNTIL(b, two->got_count > 0);
    assert_int_equal(two->got_count, 1);
    assert_string_equal(two->got[0].payload, "live");
}

/* A publish would be held until there is room. */
static void a_value_for_which_redis_has_no_room_fails(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    bed_redis(b, "CONFIG SET maxmemory 1");
    enqueue(one, c);
    BED_UNTIL(b, c->status >= 0);
    assert_int_equal(c->status, STORE_FULL);
    bed_redis(b, "CONFIG SET maxmemory 0");
    assert_int_equal(fetch(c).count, 0);
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        IN_BED(a_value_goes_into_one_queue_and_nowhere_else),
        IN_BED(a_value_for_which_redis_has_no_room_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
