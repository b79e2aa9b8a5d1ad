/* Fleet protocol, rules 3, 5 and 6: nodes find each other, routes reach everybody, messages reach
 * every route and queue, and nothing is acknowledged that missed a subscription. */
#include "broker/fleet/node/fleet.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

static void rule_3_nodes_become_ready_and_learn_what_was_there_before(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *clean = bed_connect(one, "clean", false);
    struct bed_client *durable = bed_connect(one, "dur}able id", true);
    bed_subscribe(clean, "a[b]/+", 1);
    bed_subscribe(durable, "x/#", 2);
    struct bed_node *two = bed_add_ready(b);
    assert_int_equal(two->route_count, 2);
    assert_int_equal(two->sub_count, 1);
    assert_string_equal(two->subs[0].client, "dur}able id");
    assert_int_equal(two->subs[0].qos, 2);
}

static void rule_6_a_subscription_is_known_everywhere_soon(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    bed_subscribe(c, "t/1", 0);
    BED_UNTIL(b, two->route_count == 1);
    assert_string_equal(two->routes[0].filter, "t/1");
}

static void rule_6_an_unused_route_lingers_and_then_goes(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    bed_subscribe(c, "t/1", 0);
    BED_UNTIL(b, two->route_count == 1);
    one->store->ops->interest_ended(one->store, bed_slice("t/1"));
    bed_run(b, 100);
    assert_int_equal(two->route_count, 1);
    bed_subscribe(c, "t/1", 0); /* comes back: stays */
    bed_run(b, 500);
    assert_int_equal(two->route_count, 1);
    one->store->ops->interest_ended(one->store, bed_slice("t/1"));
    BED_UNTIL(b, two->route_count == 0);
    assert_int_equal(bed_redis(b, "HLEN fl:{r}:nodes"), 2);
}

static void rule_3_qos_0_arrives_in_order_in_batches(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct bed_client *p = bed_connect(two, "p", false);
    char text[16];
    bed_subscribe(c, "t/#", 0);
    BED_UNTIL(b, two->route_count == 1);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "%d", i);
        bed_publish(p, "t/x", text, 0);
    }
    BED_UNTIL(b, one->got_count == 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(atoi(one->got[i].payload), i);
}

static void rule_5_qos_1_is_acknowledged_when_it_is_in_the_inbox(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_node *three = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct bed_client *p = bed_connect(two, "p", false);
    bed_subscribe(c, "t/+", 1);
    one->stopped = true; /* it will read later; the message is safe already */
    bed_publish(p, "t/1", "hello", 1);
    bed_publish(p, "u/1", "nobody's", 1);
    one->stopped = false;
    BED_UNTIL(b, one->got_count == 1);
    assert_string_equal(one->got[0].payload, "hello");
    assert_int_equal(one->got[0].qos, 1);
    bed_run(b, 50);
    assert_int_equal(three->got_count, 0);
    assert_int_equal(two->got_count, 0);
}

static void rule_5_ten_thousand_arrive_in_order(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct bed_client *p = bed_connect(two, "p", false);
    char text[16];
    bed_subscribe(c, "t/#", 2);
    unsigned before = p->completions;
    for (int i = 0; i < 10000; i++) {
        snprintf(text, sizeof(text), "%d", i);
        bed_publish_begin(p, "t/x", text, 2, false, 0);
        if (i % 100 == 0)
            bed_turn(b);
    }
    BED_UNTIL(b, p->completions - before == 10000);
    BED_UNTIL(b, one->got_count == 10000);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(atoi(one->got[i].payload), i);
}

/* The publisher's node hasn't read the new subscription yet, when it is acknowledged. */
static void rule_5_a_subscription_unknown_to_the_publisher_is_not_missed(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct bed_client *d = bed_connect(one, "d", true);
    struct bed_client *p = bed_connect(two, "p", false);
    for (int i = 0; i < 30; i++) {
        char topic[16];
        size_t before = one->got_count;
        snprintf(topic, sizeof(topic), "t/%d", i);
        two->stopped = true;
        bed_subscribe(c, topic, 1);
        bed_subscribe(d, topic, 1);
        two->stopped = false;
        /* Before its next input: it can't know. */
        bed_publish(p, topic, topic, 1);
        BED_UNTIL(b, one->got_count == before + 1);
        bed_fetch(d, (uint64_t)i + 1, 10);
        assert_int_equal(d->entry_count, i + 1);
        assert_string_equal(d->entries[i].payload, topic);
    }
}

/* Until its broker has acknowledged something. */
static void rule_5_qos_0_is_published_with_what_its_broker_knows(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct bed_client *p = bed_connect(two, "p", false);
    two->stopped = true;
    bed_subscribe(c, "t", 1);
    two->stopped = false;
    bed_publish(p, "t", "too early", 0);
    bed_publish(p, "t", "acknowledged", 1);
    bed_publish(p, "t", "behind it", 0);
    BED_UNTIL(b, one->got_count == 2);
    bed_run(b, 50);
    assert_int_equal(one->got_count, 2);
    bool first = strcmp(one->got[0].payload, "acknowledged") == 0; /* they come on two ways */
    assert_string_equal(one->got[first ? 0 : 1].payload, "acknowledged");
    assert_string_equal(one->got[first ? 1 : 0].payload, "behind it");
}

static void rule_5_with_strict_consistency_qos_0_misses_no_subscription_either(void **state)
{
    struct bed *b = *state;
    b->cfg.consistency = CONSISTENCY_STRICT;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct bed_client *p = bed_connect(two, "p", false);
    for (int i = 0; i < 30; i++) {
        char topic[16];
        snprintf(topic, sizeof(topic), "t/%d", i);
        two->stopped = true;
        bed_subscribe(c, topic, 0);
        two->stopped = false;
        bed_publish(p, topic, topic, 0);
        BED_UNTIL(b, one->got_count == (size_t)i + 1);
        assert_string_equal(one->got[i].payload, topic);
    }
}

/* Other clients come and go all the time: each of the publisher's questions meets a newer log. */
static void rule_5_a_log_that_never_rests_holds_up_no_publish(void **state)
{
    enum { ROUNDS = 20, ENOUGH = 8 };
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *p = bed_connect(one, "p", false);
    struct bed_client *others = bed_connect(two, "others", false);
    struct bed_client *c = bed_connect(two, "c", false);
    int rounds = 0;

    one->stopped = true;
    bed_subscribe(c, "t", 1);
    bed_publish_begin(p, "t", "x", 1, false, 0); /* it doesn't know c yet */
    while (p->status < 0 && rounds < ROUNDS) {
        char filter[16];
        bed_input(one->store);
        snprintf(filter, sizeof(filter), "other/%d", rounds++);
        bed_subscribe(others, filter, 1); /* behind the match, before the question */
        one->store->ops->flush(one->store);
    }
    assert_int_equal(p->status, STORE_OK);
    assert_true(rounds <= ENOUGH);
    BED_UNTIL(b, two->got_count == 1);
}

/* Redis lost data: who comes into the log while others say it again may have subscribed long ago. */
static void rule_9_who_is_announced_again_late_gets_a_publish_that_is_under_way(void **state)
{
    enum { ROUNDS = 12, SAID_IN = 8 };
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *p = bed_connect(one, "p", false);
    struct bed_client *others = bed_connect(two, "others", false);
    struct bed_client *c = bed_connect(two, "c", false);
    struct fleet *f = (struct fleet *)one->store;

    one->stopped = true;
    f->lost_until_ms = clock_monotonic_ms() + 60000;
    bed_subscribe(others, "other", 1);
    bed_publish_begin(p, "t", "x", 1, false, 0);
    for (int i = 0; i < ROUNDS; i++) {
        char filter[16];
        bed_input(one->store);
        snprintf(filter, sizeof(filter), "other/%d", i);
        bed_subscribe(i == SAID_IN ? c : others, i == SAID_IN ? "t" : filter, 1);
        one->store->ops->flush(one->store);
    }
    one->stopped = false;
    BED_UNTIL(b, p->status == STORE_OK);
    BED_UNTIL(b, two->got_count == 1);
}

/* It may be published again elsewhere by now, with newer ones behind it. */
static void
rule_5_what_wasnt_acknowledged_goes_to_nobody_new_once_its_publisher_has_left(void **state)
{
    struct bed *b = *state;
    b->cfg.lease_ms = 20000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct bed_client *p = bed_connect(two, "p", true);
    two->stopped = true;
    bed_subscribe(c, "t", 1);
    two->stopped = false;
    /* Before its next input: it can't know of the subscription. */
    for (int i = 0; i < 3; i++)
        bed_publish_begin(p, "t", "late", 1, false, 0);
    bed_disconnect(p, false);
    p = bed_connect(two, "p", true);
    bed_publish(p, "t", "newer", 1);
    BED_UNTIL(b, one->got_count > 0);
    bed_run(b, 300);
    assert_int_equal(one->got_count, 1);
    assert_string_equal(one->got[0].payload, "newer");
}

/* A route comes with what is loaded, not with the log. */
static void rule_5_order_holds_while_everything_is_loaded_anew(void **state)
{
    struct bed *b = *state;
    b->cfg.lease_ms = 20000;
    b->cfg.command_timeout_ms = 15000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *other = bed_connect(two, "other", false);
    struct bed_client *p = bed_connect(two, "p", true);
    freeReplyObject(redisCommand(b->redis, "EVAL %s 0",
                                 "for _, n in ipairs(redis.call('HKEYS', 'fl:{r}:nodes')) do "
                                 "redis.call('SADD', 'fl:{r}:n:' .. n, 't') end "
                                 "return redis.call('DEL', 'fl:{r}:ver', 'fl:{r}:log')"));
    bed_publish_begin(other, "nobody", "x", 1, false, 0); /* its node learns that the log is lost */
    two->store->ops->flush(two->store);
    bed_redis(b, "CLIENT PAUSE 10000 WRITE"); /* it can't join before it is let */
    bed_run(b, 100);
    assert_int_equal(two->route_count, 0);
    bed_publish_begin(p, "t", "first", 1, false, 0);
    bed_redis(b, "CLIENT UNPAUSE");
    BED_UNTIL(b, two->route_count == 1);
    bed_publish_begin(p, "t", "second", 1, false, 0);
    BED_UNTIL(b, one->got_count == 2);
    assert_string_equal(one->got[0].payload, "first");
    assert_string_equal(one->got[1].payload, "second");
}

static void rule_5_durable_sessions_get_it_in_their_queues_and_owners_are_woken(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *d = bed_connect(one, "d", true);
    struct bed_client *offline = bed_connect(one, "offline", true);
    struct bed_client *p = bed_connect(two, "p", false);
    bed_subscribe(d, "t/#", 2);
    bed_subscribe(offline, "t/#", 1);
    bed_disconnect(offline, false);
    BED_UNTIL(b, two->sub_count == 2);
    one->wakes = 0;
    bed_publish(p, "t/1", "a", 2);
    bed_publish(p, "t/1", "b", 1);
    BED_UNTIL(b, one->wakes > 0);
    assert_string_equal(one->last_woken, "d");
    bed_fetch(d, 1, 10);
    assert_int_equal(d->entry_count, 2);
    assert_int_equal(d->entries[0].qos, 2);
    assert_int_equal(d->entries[0].sequence, 1);
    assert_int_equal(d->entries[1].qos, 1);
    assert_string_equal(d->entries[1].payload, "b");
    offline = bed_connect(two, "offline", true);
    assert_true(offline->present);
    assert_int_equal(offline->sub_count, 1);
    bed_fetch(offline, offline->next_sequence, 10);
    assert_int_equal(offline->entry_count, 2);
    assert_int_equal(offline->entries[0].qos, 1);
    assert_false(offline->entries[0].duplicate);
}

static void rule_5_a_qos_2_message_sent_again_elsewhere_is_the_same(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_node *three = bed_add_ready(b);
    struct bed_client *d = bed_connect(one, "d", true);
    struct bed_client *clean = bed_connect(one, "clean", false);
    struct bed_client *p = bed_connect(two, "p", true);
    bed_subscribe(d, "t/#", 2);
    bed_subscribe(clean, "t/#", 2);
    bed_publish_begin(p, "t/1", "once", 2, false, 7);
    BED_UNTIL(b, p->status == STORE_OK);
    bed_kill(b, two); /* before PUBREC reached the client, say */
    p = bed_connect(three, "p", true);
    bed_publish_begin(p, "t/1", "once", 2, false, 7);
    BED_UNTIL(b, p->status == STORE_OK);
    p->status = -1;
    three->store->ops->qos2_end(three->store, &p->hold, 7, bed_on_done, p);
    BED_UNTIL(b, p->status == STORE_OK);
    bed_publish_begin(p, "t/1", "another", 2, false, 7);
    BED_UNTIL(b, p->status == STORE_OK);
    bed_fetch(d, 1, 10);
    assert_int_equal(d->entry_count, 2);
    BED_UNTIL(b, one->got_count >= 2);
    bed_run(b, 50);
    assert_int_equal(one->got_count, 2);
    assert_string_equal(one->got[1].payload, "another");
    /* The publisher's own node delivers it to its own clients through the host, too. */
    assert_int_equal(three->got_count, 2);
}

static void rule_5_replayed_commands_repeat_nothing(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct bed_client *d = bed_connect(one, "d", true);
    struct bed_client *p = bed_connect(two, "p", false);
    char text[16];
    bed_subscribe(c, "t/#", 1);
    bed_subscribe(d, "t/#", 1);
    BED_UNTIL(b, two->sub_count == 1);
    unsigned before = p->completions;
    for (int i = 0; i < 200; i++) {
        snprintf(text, sizeof(text), "%d", i);
        bed_publish_begin(p, "t/x", text, 1, false, 0);
        bed_turn(b);
        if (i % 20 == 10) /* answers under way are lost */
            assert_true(bed_redis(b, "CLIENT KILL TYPE normal SKIPME yes") > 0);
    }
    BED_UNTIL(b, p->completions - before == 200);
    BED_UNTIL(b, one->got_count == 200);
    bed_run(b, 100);
    assert_int_equal(one->got_count, 200);
    for (int i = 0; i < 200; i++)
        assert_int_equal(atoi(one->got[i].payload), i);
    bed_fetch(d, 1, 1000);
    assert_int_equal(d->entry_count, 200);
}

static void rule_5_an_inbox_over_its_limit_ends_in_a_gap_mark(void **state)
{
    struct bed *b = *state;
    b->cfg.inbox_limit = 20;
    b->cfg.lease_ms = 20000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct bed_client *p = bed_connect(two, "p", false);
    bed_subscribe(c, "t/#", 1);
    one->stopped = true;
    uint64_t begin = clock_monotonic_ms();
    for (int i = 0; clock_monotonic_ms() - begin < 1500; i++) {
        bed_publish_begin(p, "t/x", "m", 1, false, 0);
        bed_turn(b);
    }
    assert_true(bed_redis(b, "DBSIZE") > 0);
    BED_UNTIL_MS(b, p->status == STORE_OK, 6000); /* held, then given up */
    one->stopped = false;
    BED_UNTIL(b, one->gaps == 1);
}

static void redis_full_holds_publishes_and_lets_queues_drain(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *d = bed_connect(one, "d", true);
    struct bed_client *p = bed_connect(one, "p", false);
    bed_subscribe(d, "t/#", 1);
    bed_publish(p, "t/1", "a", 1);
    freeReplyObject(redisCommand(b->redis, "CONFIG SET maxmemory 100"));
    bed_publish_begin(p, "t/1", "b", 1, false, 0);
    BED_UNTIL(b, one->store->ops->trouble(one->store) != NULL);
    assert_true(bed_ready(one));
    bed_fetch(d, 1, 10);
    assert_int_equal(d->entry_count, 1);
    one->store->ops->ack(one->store, &d->hold, 1);
    bed_disconnect(d, false);
    d = bed_connect(one, "d", true);
    assert_int_equal(d->next_sequence, 2);
    assert_int_equal(p->status, -1);
    freeReplyObject(redisCommand(b->redis, "CONFIG SET maxmemory 0"));
    BED_UNTIL(b, p->status == STORE_OK);
    bed_publish(p, "t/1", "c", 1);
    d->entry_count = 0;
    bed_fetch(d, 2, 10);
    assert_int_equal(d->entry_count, 2);
    assert_string_equal(d->entries[0].payload, "b");
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        IN_BED(rule_3_nodes_become_ready_and_learn_what_was_there_before),
        IN_BED(rule_6_a_subscription_is_known_everywhere_soon),
        IN_BED(rule_6_an_unused_route_lingers_and_then_goes),
        IN_BED(rule_3_qos_0_arrives_in_order_in_batches),
        IN_BED(rule_5_qos_1_is_acknowledged_when_it_is_in_the_inbox),
        IN_BED(rule_5_ten_thousand_arrive_in_order),
        IN_BED(rule_5_a_subscription_unknown_to_the_publisher_is_not_missed),
        IN_BED(rule_5_qos_0_is_published_with_what_its_broker_knows),
        IN_BED(rule_5_with_strict_consistency_qos_0_misses_no_subscription_either),
        IN_BED(rule_5_a_log_that_never_rests_holds_up_no_publish),
        IN_BED(rule_9_who_is_announced_again_late_gets_a_publish_that_is_under_way),
        IN_BED(rule_5_what_wasnt_acknowledged_goes_to_nobody_new_once_its_publisher_has_left),
        IN_BED(rule_5_order_holds_while_everything_is_loaded_anew),
        IN_BED(rule_5_durable_sessions_get_it_in_their_queues_and_owners_are_woken),
        IN_BED(rule_5_a_qos_2_message_sent_again_elsewhere_is_the_same),
        IN_BED(rule_5_replayed_commands_repeat_nothing),
        IN_BED(rule_5_an_inbox_over_its_limit_ends_in_a_gap_mark),
        IN_BED(redis_full_holds_publishes_and_lets_queues_drain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
