/* Fleet protocol, rules 7 and 8: one connection a client id, take-over, wills, queues by sequence.
 */
#include "broker/fleet/node/fleet.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

static const struct bed_will offline = {.topic = "w/1", .payload = "offline", .qos = 1};

static void rule_7_a_living_owner_hands_over_and_publishes_the_will_first(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *first = bed_connect_will(one, "c", true, &offline);
    uint64_t begin = clock_monotonic_ms();
    bed_subscribe(first, "t/#", 1);
    struct bed_client *second = bed_connect(two, "c", true);
    assert_true(clock_monotonic_ms() - begin < 500);
    assert_int_equal(one->wills, 1); /* before the CONNACK */
    assert_int_equal(two->wills, 0);
    assert_false(first->connected);
    assert_true(second->present);
    assert_int_equal(second->sub_count, 1);
    assert_true(second->hold.epoch > first->hold.epoch);
    bed_run(b, 200);
    assert_int_equal(one->wills + two->wills, 1);
}

static void rule_7_a_silent_owner_is_passed_over_within_a_second(void **state)
{
    struct bed *b = *state;
    b->cfg.lease_ms = 20000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *first = bed_connect_will(one, "c", true, &offline);
    first->silent = true;
    uint64_t begin = clock_monotonic_ms();
    struct bed_client *second = bed_connect_begin(two, "c", true, false, NULL);
    BED_UNTIL(b, second->status >= 0);
    assert_int_equal(second->status, STORE_OK);
    assert_in_range(clock_monotonic_ms() - begin, 900, 2000);
    assert_int_equal(two->wills, 1);
    /* The former connection is told, and says nothing any more. */
    BED_UNTIL(b, one->fenced == 1);
    bed_publish_begin(first, "t/1", "late", 2, false, 3);
    BED_UNTIL(b, first->status >= 0);
    assert_int_equal(first->status, STORE_UNAVAILABLE);
    first->connected = false;
    bed_disconnect(first, true);
    bed_run(b, 100);
    assert_int_equal(one->wills + two->wills, 1);
    bed_publish(second, "t/1", "fine", 1);
}

/* A broker that drains keeps wills for clients that come back; one may have come back to another
 * broker before this one's word of its end is at Redis. */
static void rule_7_a_will_that_waits_for_its_client_is_void_when_that_is_back(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *first = bed_connect_will(one, "c", false, &offline);
    first->silent = true;
    struct bed_client *second = bed_connect_begin(two, "c", false, false, NULL);
    BED_UNTIL(b, one->asked == 1);
    first->hold.will_grace_s = 30;
    bed_disconnect(first, true);
    first->asked_done(first->asked_arg, STORE_OK);
    first->asked_done = NULL;
    BED_UNTIL(b, second->status >= 0);
    assert_int_equal(second->status, STORE_OK);
    assert_int_equal(one->wills + two->wills, 0);
    assert_int_equal(bed_redis(b, "KEYS fl:{s*}:dw:c"), 0);
}

static void rule_7_a_dead_owners_will_is_out_before_the_next_connack_and_once(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *watcher = bed_connect(two, "watcher", true);
    bed_subscribe(watcher, "w/#", 1);
    bed_connect_will(one, "c", false, &offline);
    BED_UNTIL(b, one->sub_count == 1);
    bed_kill(b, one);
    bed_connect(two, "c", false); /* sooner than anybody knows that it is dead */
    assert_int_equal(two->wills, 1);
    BED_UNTIL(b, bed_redis(b, "HLEN fl:{r}:dead") == 1);
    BED_UNTIL(b, bed_redis(b, "HLEN fl:{r}:reap") == 0);
    bed_run(b, 200);
    assert_int_equal(two->wills, 1);
    bed_fetch(watcher, 1, 10);
    assert_int_equal(watcher->entry_count, 1);
}

static void rule_7_a_delayed_will_is_cancelled_by_a_new_connection(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_will delayed = {.topic = "w/1", .payload = "late", .qos = 1, .delay_s = 1};
    struct bed_client *c = bed_connect_will(one, "c", true, &delayed);
    bed_disconnect(c, true);
    c = bed_connect_will(two, "c", true, &delayed);
    bed_run(b, 3500);
    assert_int_equal(one->wills + two->wills, 0);
    bed_disconnect(c, true);
    BED_UNTIL(b, one->wills + two->wills == 1);
}

static void rule_7_a_drained_brokers_wills_wait_for_the_clients_return(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect_will(one, "c", false, &offline);
    struct bed_client *other = bed_connect_will(one, "other", false, &offline);
    c->hold.will_grace_s = 2;
    other->hold.will_grace_s = 2;
    bed_disconnect(c, true);
    bed_disconnect(other, true);
    bed_connect(two, "c", false);
    BED_UNTIL(b, one->wills + two->wills == 1);
    bed_run(b, 500);
    assert_int_equal(one->wills + two->wills, 1);
}

static void rule_7_many_connects_of_one_client_leave_one(void **state)
{
    struct bed *b = *state;
    struct bed_node *nodes[3] = {bed_add_ready(b), bed_add_ready(b), bed_add_ready(b)};
    struct bed_client *clients[12];
    unsigned connected = 0;
    uint64_t highest = 0;
    for (int i = 0; i < 12; i++) {
        clients[i] = bed_connect_begin(nodes[i % 3], "same", true, false, NULL);
        if (i % 3 == 2)
            bed_turn(b);
    }
    for (int i = 0; i < 12; i++)
        BED_UNTIL(b, clients[i]->status >= 0);
    bed_run(b, 300);
    for (int i = 0; i < 12; i++)
        if (clients[i]->hold.epoch > highest)
            highest = clients[i]->hold.epoch;
    for (int i = 0; i < 12; i++) {
        /* On one node the core closes the former connection itself; here nobody does. */
        connected += clients[i]->connected && clients[i]->hold.epoch == highest ? 1 : 0;
    }
    assert_int_equal(connected, 1);
}

/* The session must be there, and nobody connected. */
static void leave_if_connected(struct bed_client *c)
{
    if (c->connected)
        bed_disconnect(c, false);
}

static void rule_7_routes_of_a_connecting_that_failed_are_withdrawn(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    unsigned lost = 0;
    bed_subscribe(c, "t/#", 1);
    for (int i = 0; i < 30; i++) {
        struct bed_client *first = bed_connect_begin(i % 2 ? one : two, "c", true, false, NULL);
        struct bed_client *second;
        for (int turns = 0; turns < i % 4; turns++)
            bed_turn(b);
        second = bed_connect_begin(i % 2 ? two : one, "c", true, false, NULL);
        BED_UNTIL(b, first->status >= 0 && second->status >= 0);
        lost += first->status != STORE_OK;
    }
    assert_true(lost > 0);
    for (struct bed_client *at = one->clients; at != NULL; at = at->next)
        leave_if_connected(at);
    for (struct bed_client *at = two->clients; at != NULL; at = at->next)
        leave_if_connected(at);
    BED_UNTIL(b, bed_redis(b, "KEYS fl:{r}:n:*") == 0);
}

static void rule_7_a_route_stays_for_who_is_connecting_when_its_last_holder_leaves(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    bed_subscribe(c, "t/#", 1);
    bed_disconnect(c, false);
    c = bed_connect_begin(one, "c", true, false, NULL);
    while (c->status < 0) {
        one->store->ops->interest_ended(one->store, bed_slice("t/#")); /* others come and go */
        bed_turn(b);
    }
    assert_int_equal(c->status, STORE_OK);
    bed_run(b, 500);
    assert_int_equal(bed_redis(b, "KEYS fl:{r}:n:*"), 1);
}

static void rule_7_order_holds_when_a_publisher_moves_to_its_subscribers_node(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *sub = bed_connect(two, "sub", false);
    struct bed_client *pub = bed_connect(one, "pub", false);
    bed_subscribe(sub, "t/#", 1);
    BED_UNTIL(b, one->route_count == 1);
    for (int round = 0; round < 20; round++) {
        size_t expected = (size_t)(round + 1) * 5;
        two->stopped = true;
        for (int i = 0; i < 5; i++)
            bed_publish(pub, "t/1", "m", 1);
        bed_disconnect(pub, false);
        two->stopped = false;
        pub = bed_connect(two, "pub", false);
        assert_int_equal(two->got_count, expected); /* read before the CONNACK */
        bed_disconnect(pub, false);
        pub = bed_connect(one, "pub", false);
    }
}

static void rule_7_clean_start_drops_the_durable_session_everywhere(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    bed_subscribe(c, "t/#", 1);
    BED_UNTIL(b, two->sub_count == 1);
    bed_publish(c, "t/1", "m", 1);
    bed_disconnect(c, false);
    c = bed_connect(two, "c", false);
    assert_false(c->present);
    BED_UNTIL(b, one->sub_count == 0);
    bed_disconnect(c, false);
    assert_int_equal(bed_redis(b, "KEYS fl:{s*"), 2); /* the script calls' high water, the count */
}

/* Redis loses the claim while the former owner is awaited. */
static void rule_9_a_claim_that_redis_lost_before_the_connack_is_made_again(void **state)
{
    struct bed *b = *state;
    b->cfg.lease_ms = 20000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    bed_subscribe(c, "t/#", 1);
    one->stopped = true;
    c = bed_connect_begin(two, "c", true, false, NULL);
    BED_UNTIL(b, bed_redis(b, "KEYS fl:{s*}:own:*") == 1);
    bed_run(b, 100);
    assert_int_equal(c->status, -1);
    bed_redis(b, "FLUSHALL");
    BED_UNTIL(b, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
    assert_int_equal(bed_redis(b, "KEYS fl:{s*}:s:c"), 1);
    bed_subscribe(c, "u", 1);
    bed_publish(c, "u", "x", 1);
    bed_fetch(c, 1, 10);
    assert_int_equal(c->entry_count, 1);
}

/* Redis restarts on its file between the claim and the CONNACK. */
static void rule_9_a_claim_that_is_made_again_is_one_of_the_new_run(void **state)
{
    struct bed *b = *state;
    b->cfg.lease_ms = 20000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    bed_subscribe(bed_connect(one, "c", true), "t/#", 1);
    BED_UNTIL(b, two->sub_count == 1);
    one->stopped = true;
    struct bed_client *c = bed_connect_begin(two, "c", true, false, NULL);
    BED_UNTIL(b, bed_redis(b, "KEYS fl:{s*}:own:*") == 1);
    bed_publish(bed_connect(two, "p", false), "t/1", "x", 1);
    assert_int_equal(c->status, -1);
    redis_server_kill(&b->server);
    redisFree(b->redis);
    assert_true(redis_server_run(&b->server, NULL, NULL));
    b->redis = redis_server_connect(&b->server);
    BED_UNTIL(b, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
    bed_fetch_first(c, 1, 10);
    assert_int_equal(c->entry_count, 1);
    two->store->ops->ack(two->store, &c->hold, c->entries[0].sequence);
    BED_UNTIL(b, bed_redis(b, "KEYS fl:{s*}:q:c") == 0);
}

static void rule_7_a_connect_that_came_earlier_takes_nothing_from_a_later_one(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    bed_run(b, 50); /* both have asked Redis for its time */
    uint64_t now = clock_boottime_ms();
    b->arrived_ms = now;
    struct bed_client *c = bed_connect_will(two, "c", true, &offline);
    bed_subscribe(c, "t", 1);
    b->arrived_ms = now - 500;
    struct bed_client *late = bed_connect_begin(one, "c", false, true, NULL);
    BED_UNTIL(b, late->status >= 0);
    assert_int_equal(late->status, STORE_FENCED);
    assert_true(c->connected);
    bed_publish(c, "t", "1", 1);
    bed_disconnect(c, false);
    bed_publish(c, "t", "2", 1);
    late = bed_connect_begin(one, "c", false, true, NULL); /* nobody is connected any more */
    BED_UNTIL(b, late->status >= 0);
    assert_int_equal(late->status, STORE_FENCED);
    b->arrived_ms = now + 500;
    c = bed_connect(one, "c", true);
    assert_true(c->present);
    bed_fetch(c, 1, 10);
    assert_int_equal(c->entry_count, 2);
    assert_int_equal(one->wills + two->wills, 0);
    assert_int_equal(one->asked + two->asked, 0);
}

static void rule_7_a_clock_that_was_set_back_shuts_nobody_out(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    bed_run(b, 50);
    b->arrived_ms = clock_boottime_ms() + 3600000; /* told by a clock that was an hour ahead */
    struct bed_client *c = bed_connect(one, "c", true);
    bed_disconnect(c, false);
    b->arrived_ms = clock_boottime_ms();
    c = bed_connect(one, "c", true);
    assert_true(c->present);
}

static void a_client_id_belongs_to_the_user_who_has_it(void **state)
{
    static const struct bed_will delayed = {
        .topic = "w/1", .payload = "offline", .qos = 1, .delay_s = 3600};
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *other;
    b->user = "alice";
    struct bed_client *c = bed_connect_will(one, "c", true, &delayed);
    bed_subscribe(c, "t", 1);
    for (int i = 0; i < 4; i++) {
        b->user = i % 2 ? "bob" : NULL; /* who gives no name is a user of its own */
        if (i == 2)
            bed_disconnect(c, true);
        other = bed_connect_begin(two, "c", i<3, i> 1, NULL);
        BED_UNTIL(b, other->status >= 0);
        assert_int_equal(other->status, STORE_NOT_OWNER);
    }
    assert_int_equal(one->asked + two->asked, 0);
    bed_publish(c, "t", "x", 1);
    b->user = "alice";
    c = bed_connect(two, "c", true);
    assert_true(c->present);
    bed_fetch(c, 1, 10);
    assert_int_equal(c->entry_count, 1);
    assert_int_equal(one->wills + two->wills, 0);
    assert_int_equal(bed_redis(b, "KEYS *dw:c"), 0); /* alice's return has cancelled her will */
    c->node->store->ops->disconnect(c->node->store, &c->hold, false, 0, bed_on_done, c);
    bed_left(c);
    BED_UNTIL(b, bed_redis(b, "KEYS *:s:c") == 0);
    b->user = "bob"; /* her session has ended */
    bed_connect(one, "c", true);
}

static void a_clean_connections_id_belongs_to_its_user_while_it_lives(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    b->user = "alice";
    struct bed_client *c = bed_connect(one, "c", false);
    b->user = "bob";
    struct bed_client *other = bed_connect_begin(two, "c", false, true, NULL);
    BED_UNTIL(b, other->status >= 0);
    assert_int_equal(other->status, STORE_NOT_OWNER);
    assert_true(c->connected);
    bed_disconnect(c, false);
    bed_connect(two, "c", false);
}

static void a_session_without_a_user_belongs_to_the_first_who_comes(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    bed_disconnect(c, false);
    struct redisReply *key = redisCommand(b->redis, "KEYS *:s:c");
    freeReplyObject(redisCommand(b->redis, "HDEL %s u st", key->element[0]->str));
    freeReplyObject(key);
    b->user = "alice";
    c = bed_connect(one, "c", true);
    assert_true(c->present);
    bed_disconnect(c, false);
    b->user = "bob";
    c = bed_connect_begin(one, "c", true, false, NULL);
    BED_UNTIL(b, c->status >= 0);
    assert_int_equal(c->status, STORE_NOT_OWNER);
}

static void rule_9_who_leaves_while_redis_loses_its_data_leaves_a_will(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect_will(one, "c", false, &offline);
    redis_server_kill(&b->server);
    redisFree(b->redis);
    c->status = -1;
    bed_left(c);
    one->store->ops->disconnect(one->store, &c->hold, true, 0, bed_on_done, c);
    bed_run(b, 100);
    assert_true(redis_server_run(&b->server, "--appendonly", "no"));
    b->redis = redis_server_connect(&b->server);
    BED_UNTIL(b, c->status >= 0);
    assert_int_equal(one->wills, 1);
}

/* Several times: it depends on which connection is back first. */
static void rule_9_who_was_unsure_when_redis_lost_its_data_goes_on(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    for (int i = 0; i < 4; i++) {
        redis_server_kill(&b->server);
        redisFree(b->redis);
        b->redis = NULL;
        bed_run(b, b->cfg.lease_ms);
        assert_true(redis_server_run(&b->server, "--appendonly", "no"));
        b->redis = redis_server_connect(&b->server);
        assert_non_null(b->redis);
        BED_UNTIL(b, bed_redis(b, "KEYS *:s:c") == 1 && bed_ready(one));
        assert_int_equal(one->start_overs, 0);
        assert_true(c->connected);
    }
}

static void rule_9_a_session_whose_connection_redis_forgot_is_nobodys_when_that_ends(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    redisReply *key = redisCommand(b->redis, "KEYS *:s:c");
    freeReplyObject(redisCommand(b->redis, "HINCRBY %s epoch -5", key->element[0]->str));
    bed_disconnect(c, false);
    freeReplyObject(key);
    assert_int_equal(bed_redis(b, "KEYS *:own:*"), 0);
}

static void rule_8_queues_are_read_acknowledged_and_released_by_sequence(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *d = bed_connect(one, "d", true);
    struct bed_client *p = bed_connect(two, "p", false);
    char text[16];
    bed_subscribe(d, "t/#", 2);
    BED_UNTIL(b, two->sub_count == 1);
    for (int i = 1; i <= 100; i++) {
        snprintf(text, sizeof(text), "%d", i);
        bed_publish(p, "t/1", text, 2);
    }
    bed_fetch(d, 1, 30);
    assert_int_equal(d->entry_count, 30);
    assert_true(d->more);
    d->status = -1;
    for (uint64_t i = 1; i <= 20; i++)
        one->store->ops->release(one->store, &d->hold, i, bed_on_done, d);
    BED_UNTIL(b, d->status == STORE_OK);
    for (uint64_t i = 1; i <= 18; i++)
        one->store->ops->complete(one->store, &d->hold, i);
    bed_turn(b);
    bed_kill(b, one);
    d = bed_connect(two, "d", true);
    assert_int_equal(d->next_sequence, 21);
    assert_int_equal(d->released_count, 2);
    assert_int_equal(d->released[0], 19);
    assert_int_equal(d->released[1], 20);
    bed_fetch(d, d->next_sequence, 1000);
    assert_int_equal(d->entry_count, 80);
    assert_false(d->more);
    for (int i = 0; i < 80; i++)
        assert_int_equal(atoi(d->entries[i].payload), i + 21);
    assert_true(d->entries[0].duplicate); /* its owner died: it may have been sent */
    bed_disconnect(d, false);
    d = bed_connect(two, "d", true);
    bed_publish(p, "t/1", "new", 1);
    bed_fetch(d, 101, 10);
    assert_int_equal(d->entry_count, 1);
    assert_false(d->entries[0].duplicate);
}

static void rule_8_pubrels_come_again_in_the_order_of_the_pubrecs(void **state)
{
    static const uint64_t order[] = {5, 2, 4, 1};
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *d = bed_connect(one, "d", true);
    struct bed_client *p = bed_connect(one, "p", false);
    bed_subscribe(d, "t", 2);
    for (int i = 0; i < 5; i++)
        bed_publish(p, "t", "x", 2);
    bed_fetch(d, 1, 10);
    for (size_t i = 0; i < 4; i++) {
        d->status = -1;
        one->store->ops->release(one->store, &d->hold, order[i], bed_on_done, d);
        if (i == 1) /* two in one turn, two in turns of their own */
            BED_UNTIL(b, d->status == STORE_OK);
    }
    BED_UNTIL(b, d->status == STORE_OK);
    one->store->ops->complete(one->store, &d->hold, 4);
    bed_disconnect(d, false);
    d = bed_connect(one, "d", true);
    assert_int_equal(d->released_count, 3);
    assert_int_equal(d->released[0], 5);
    assert_int_equal(d->released[1], 2);
    assert_int_equal(d->released[2], 1);
}

static void rule_8_a_sessions_queue_has_a_limit(void **state)
{
    struct bed *b = *state;
    b->cfg.queue_limit = 5;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *d = bed_connect(one, "d", true);
    struct bed_client *p = bed_connect(one, "p", false);
    bed_subscribe(d, "t/#", 1);
    for (int i = 0; i < 8; i++)
        bed_publish(p, "t/1", "m", 1);
    bed_fetch(d, 1, 100);
    assert_int_equal(d->entry_count, 5);
}

static void unsubscribing_reaches_every_node(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *d = bed_connect(one, "d", true);
    bed_subscribe(d, "t/#", 1);
    bed_subscribe(d, "u/#", 1);
    BED_UNTIL(b, two->sub_count == 2);
    bed_unsubscribe(d, "t/#");
    BED_UNTIL(b, two->sub_count == 1);
    assert_string_equal(two->subs[0].filter, "u/#");
    bed_disconnect(d, false);
    d = bed_connect(two, "d", true);
    assert_int_equal(d->sub_count, 1);
}

static void sessions_expire_and_everybody_forgets_them(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *d = bed_connect(one, "d", true);
    bed_subscribe(d, "t/#", 1);
    BED_UNTIL(b, two->sub_count == 1);
    d->status = -1;
    d->connected = false;
    one->store->ops->disconnect(one->store, &d->hold, false, 1, bed_on_done, d);
    BED_UNTIL(b, two->sub_count == 0 && one->sub_count == 0);
    d = bed_connect(one, "d", true);
    assert_false(d->present);
}

/* What it says to another node then goes nowhere. (The sanitizer sees what is left.) */
static void a_client_that_leaves_while_its_node_ends_leaves_nothing(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *first = bed_connect(one, "c", false);
    first->silent = true;
    struct bed_client *second = bed_connect_begin(two, "c", false, false, NULL);
    BED_UNTIL(b, one->asked == 1);
    fleet_defer((struct fleet *)(void *)one->store, first->asked_done, first->asked_arg, STORE_OK);
    first->asked_done = NULL;
    bed_kill(b, one);
    BED_UNTIL(b, second->status >= 0);
    assert_int_equal(second->status, STORE_OK);
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        IN_BED(rule_7_a_living_owner_hands_over_and_publishes_the_will_first),
        IN_BED(rule_7_a_silent_owner_is_passed_over_within_a_second),
        IN_BED(rule_7_a_will_that_waits_for_its_client_is_void_when_that_is_back),
        IN_BED(rule_7_a_dead_owners_will_is_out_before_the_next_connack_and_once),
        IN_BED(rule_7_a_delayed_will_is_cancelled_by_a_new_connection),
        IN_BED(rule_7_a_drained_brokers_wills_wait_for_the_clients_return),
        IN_BED(rule_7_many_connects_of_one_client_leave_one),
        IN_BED(rule_7_routes_of_a_connecting_that_failed_are_withdrawn),
        IN_BED(rule_7_a_route_stays_for_who_is_connecting_when_its_last_holder_leaves),
        IN_BED(rule_7_order_holds_when_a_publisher_moves_to_its_subscribers_node),
        IN_BED(rule_7_clean_start_drops_the_durable_session_everywhere),
        IN_BED(rule_9_a_claim_that_redis_lost_before_the_connack_is_made_again),
        IN_BED(rule_9_a_claim_that_is_made_again_is_one_of_the_new_run),
        IN_BED(rule_7_a_connect_that_came_earlier_takes_nothing_from_a_later_one),
        IN_BED(rule_7_a_clock_that_was_set_back_shuts_nobody_out),
        IN_BED(a_client_id_belongs_to_the_user_who_has_it),
        IN_BED(a_clean_connections_id_belongs_to_its_user_while_it_lives),
        IN_BED(a_session_without_a_user_belongs_to_the_first_who_comes),
        IN_BED(rule_9_who_leaves_while_redis_loses_its_data_leaves_a_will),
        IN_BED(rule_9_who_was_unsure_when_redis_lost_its_data_goes_on),
        IN_BED(rule_9_a_session_whose_connection_redis_forgot_is_nobodys_when_that_ends),
        IN_BED(rule_8_queues_are_read_acknowledged_and_released_by_sequence),
        IN_BED(rule_8_pubrels_come_again_in_the_order_of_the_pubrecs),
        IN_BED(rule_8_a_sessions_queue_has_a_limit),
        IN_BED(unsubscribing_reaches_every_node),
        IN_BED(sessions_expire_and_everybody_forgets_them),
        IN_BED(a_client_that_leaves_while_its_node_ends_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
