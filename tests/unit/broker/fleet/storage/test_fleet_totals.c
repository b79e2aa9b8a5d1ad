/* fleet_totals: what all nodes have and have counted together; a node's counts outlive it, its clients don't. */
#include "broker/fleet/storage/fleet_totals.h"

#include "broker/fleet/node/fleet.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

struct asked {
    int status; /* -1: no answer yet */
    struct store_totals totals;
};

static void on_totals(void *arg, enum store_status status, const struct store_totals *totals)
{
    struct asked *a = arg;
    a->status = (int)status;
    if (totals != NULL)
        a->totals = *totals;
}

/* The node has so many clients and has counted so many of everything else. */
static void begin(struct bed_node *n, uint64_t clients, uint64_t counted, struct asked *a)
{
    uint64_t mine[STORE_TOTAL_COUNT];
    for (size_t i = 0; i < STORE_TOTAL_COUNT; i++)
        mine[i] = i < STORE_TOTAL_NOW ? clients : counted;
    *a = (struct asked){.status = -1};
    store_totals(n->store, mine, on_totals, a);
}

static struct store_totals tell(struct bed_node *n, uint64_t clients, uint64_t counted)
{
    struct asked a;
    begin(n, clients, counted, &a);
    BED_UNTIL(n->bed, a.status >= 0);
    assert_int_equal(a.status, STORE_OK);
    return a.totals;
}

static void assert_totals(struct store_totals have, uint64_t nodes, uint64_t clients,
                          uint64_t counted)
{
    assert_int_equal(have.nodes, nodes);
    for (size_t i = 0; i < STORE_TOTAL_COUNT; i++)
        assert_int_equal(have.of_all[i], i < STORE_TOTAL_NOW ? clients : counted);
}

static void each_node_is_answered_what_all_have(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    assert_totals(tell(one, 5, 100), 2, 5, 100);
    assert_totals(tell(two, 7, 1000), 2, 12, 1100);
    assert_totals(tell(one, 4, 150), 2, 11, 1150);
    assert_totals(tell(two, 7, 1000), 2, 11, 1150);
}

static void numbers_may_be_large(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    uint64_t petabyte = 1ull << 50;
    assert_totals(tell(one, 1, petabyte + 1), 1, 1, petabyte + 1);
    assert_totals(tell(one, 1, petabyte + 3), 1, 1, petabyte + 3);
}

static void a_dead_node_leaves_what_it_counted_and_not_its_clients(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    tell(one, 5, 100);
    tell(two, 7, 1000);
    bed_kill(b, two);
    BED_UNTIL(b, bed_redis(b, "HLEN fl:{r}:nodes") == 1);
    assert_totals(tell(one, 5, 100), 1, 5, 1100);
    assert_totals(tell(one, 6, 101), 1, 6, 1101);            /* once */
    assert_int_equal(bed_redis(b, "HLEN fl:{r}:totals"), 3); /* all, gen and its own */
}

static void on_left(void *arg, enum store_status status)
{
    *(int *)arg = (int)status;
}

static void so_does_one_that_leaves(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    int left = -1;
    tell(one, 5, 100);
    tell(two, 7, 1000);
    store_shutdown(two->store, clock_monotonic_ms() + 3000, on_left, &left);
    BED_UNTIL(b, left >= 0);
    assert_totals(tell(one, 5, 100), 1, 5, 1100);
}

/* Under its new id it tells what came since; it was in the sums under the old one already. */
static void a_node_that_starts_over_is_counted_once(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    tell(one, 5, 100);
    tell(two, 7, 1000);
    two->stopped = true;
    BED_UNTIL(b, bed_redis(b, "HLEN fl:{r}:nodes") == 1);
    two->stopped = false;
    BED_UNTIL(b, two->start_overs == 1);
    BED_UNTIL(b, bed_redis(b, "HLEN fl:{r}:nodes") == 2);
    assert_totals(tell(two, 3, 1200), 2, 8, 1300);
    assert_totals(tell(one, 5, 100), 2, 8, 1300);
}

/* As a call does that lay in a socket while its node was declared dead. */
static void what_a_dead_node_tells_late_does_nothing(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    const struct fleet *f = (const struct fleet *)one->store;
    tell(one, 5, 100);
    redisReply *r = redisCommand(b->redis, "EVALSHA %s 1 fl:{r}: 00000000deadbeef 2 9 9 9",
                                 f->scripts.sha[SCRIPT_TOTALS]);
    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    assert_int_equal(r->elements, 0);
    freeReplyObject(r);
    assert_totals(tell(one, 5, 100), 1, 5, 100);
}

static void retained_topics_are_counted_exactly(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *p = bed_connect(one, "p", false);
    assert_int_equal(tell(one, 1, 0).retained, 0);
    for (int i = 0; i < 40; i++) {
        char topic[16];
        snprintf(topic, sizeof(topic), "t%d/x", i); /* in many buckets */
        bed_publish_begin(p, topic, "v", 1, true, 0);
        BED_UNTIL(b, p->status >= 0);
    }
    assert_int_equal(tell(one, 1, 0).retained, 40);
    bed_publish_begin(p, "t7/x", "", 1, true, 0);
    BED_UNTIL(b, p->status >= 0);
    assert_int_equal(tell(one, 1, 0).retained, 39);
}

static void expired_sessions_are_counted_by_who_ends_them(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *d = bed_connect(one, "d", true);
    bed_subscribe(d, "t", 1);
    bed_disconnect(bed_connect(one, "e", true), false);
    bed_disconnect(bed_connect(one, "e", false), false); /* ended otherwise */
    assert_int_equal(tell(one, 1, 0).expired, 0);
    d->status = -1;
    d->connected = false;
    one->store->ops->disconnect(one->store, &d->hold, false, 1, bed_on_done, d);
    BED_UNTIL(b, d->status >= 0);
    BED_UNTIL_MS(b, tell(one, 1, 0).expired == 1, 10000);
    bed_run(b, 500);
    assert_int_equal(tell(one, 1, 0).expired, 1);
}

static void a_call_waits_until_the_node_is_ready(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add(b);
    struct asked a;
    begin(one, 5, 100, &a);
    assert_int_equal(a.status, -1);
    BED_UNTIL(b, a.status >= 0);
    assert_true(bed_ready(one));
    assert_totals(a.totals, 1, 5, 100);
}

static void redis_that_lost_everything_is_told_again(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct asked a;
    tell(one, 5, 100);
    redisReply *r = redisCommand(b->redis, "FLUSHALL");
    freeReplyObject(r);
    begin(one, 5, 100, &a);
    BED_UNTIL(b, a.status >= 0); /* it isn't one of the fleet, perhaps */
    BED_UNTIL(b, bed_redis(b, "HLEN fl:{r}:nodes") == 1);
    assert_totals(tell(one, 5, 100), 1, 5, 100);
}

/* The store is freed, and the call completes all the same. */
static void a_call_that_waits_ends_with_the_store(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add(b);
    struct asked a;
    begin(one, 5, 100, &a);
    bed_kill(b, one);
    assert_int_equal(a.status, STORE_UNAVAILABLE);
}

static void a_node_has_its_id_as_name(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    char command[64];
    assert_int_equal(strlen(store_node(one->store)), 16);
    snprintf(command, sizeof(command), "HEXISTS fl:{r}:nodes %s", store_node(one->store));
    assert_int_equal(bed_redis(b, command), 1);
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        IN_BED(each_node_is_answered_what_all_have),
        IN_BED(numbers_may_be_large),
        IN_BED(a_dead_node_leaves_what_it_counted_and_not_its_clients),
        IN_BED(so_does_one_that_leaves),
        IN_BED(a_node_that_starts_over_is_counted_once),
        IN_BED(what_a_dead_node_tells_late_does_nothing),
        IN_BED(retained_topics_are_counted_exactly),
        IN_BED(expired_sessions_are_counted_by_who_ends_them),
        IN_BED(a_call_waits_until_the_node_is_ready),
        IN_BED(redis_that_lost_everything_is_told_again),
        IN_BED(a_call_that_waits_ends_with_the_store),
        IN_BED(a_node_has_its_id_as_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
