/* Fleet protocol, rules 1, 2 and 9: who is dead is found out, who isn't sure does nothing, the dead
 * are cleared up behind, and an absent Redis harms nobody. */
#include "broker/fleet/membership/reaper.h"
#include "broker/fleet/node/fleet.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

static void rule_1_a_killed_node_is_declared_dead_and_reaped(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_node *three = bed_add_ready(b);
    struct bed_will will = {.topic = "w/1", .payload = "gone", .qos = 1};
    struct bed_client *c = bed_connect(one, "c", false);
    struct bed_client *watcher = bed_connect(three, "watcher", false);
    bed_subscribe(c, "t/#", 1);
    bed_subscribe(watcher, "w/#", 1);
    bed_connect_will(one, "willing", false, &will);
    bed_connect_will(one, "durable", true, &will);
    BED_UNTIL(b, two->route_count == 2);
    bed_kill(b, one);
    BED_UNTIL(b, two->route_count == 1 && three->route_count == 0);
    BED_UNTIL(b, bed_redis(b, "HLEN fl:{r}:reap") == 0);
    BED_UNTIL(b, two->wills + three->wills == 2); /* each once */
    bed_run(b, 300);
    assert_int_equal(two->wills + three->wills, 2);
    if (two->wills > 0)
        BED_UNTIL(b, three->got_count == two->wills);
    assert_int_equal(bed_redis(b, "HLEN fl:{r}:nodes"), 2);
    assert_int_equal(bed_redis(b, "HLEN fl:{r}:dead"), 1);
}

static bool key_exists(struct bed *b, const char *key)
{
    redisReply *r = redisCommand(b->redis, "EXISTS %s", key);
    bool exists = r->integer == 1;
    freeReplyObject(r);
    return exists;
}

/* The inbox of the dead node shows whether it is reaped: that removes it. */
static void rule_1_a_beat_that_was_under_way_has_nobody_reaped_again(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct fleet *f = (struct fleet *)two->store;
    uint64_t victim = ((struct fleet *)one->store)->id;
    struct fleet_key inbox = fleet_key_inbox(&f->keys, victim);
    uint64_t sent_ms = clock_boottime_ms();
    bed_kill(b, one);
    BED_UNTIL(b, bed_redis(b, "HLEN fl:{r}:dead") == 1);
    BED_UNTIL(b, bed_redis(b, "HLEN fl:{r}:reap") == 0);
    freeReplyObject(redisCommand(b->redis, "SET %s made-by-hand", inbox.text));
    reapers_see_beat(f, sent_ms);
    reaper_start(f, victim);
    bed_run(b, 300);
    BED_UNTIL(b, f->reapers == NULL); /* the next beats name nobody */
    assert_true(key_exists(b, inbox.text));
    reaper_start(f, victim); /* died again, as it were */
    BED_UNTIL(b, !key_exists(b, inbox.text));
}

static void rule_1_nobody_dies_while_redis_is_away(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct bed_client *p = bed_connect(two, "p", false);
    bed_subscribe(c, "t/#", 1);
    BED_UNTIL(b, two->route_count == 1);
    kill(b->server.pid, SIGSTOP);
    bed_run(b, 2500); /* two and a half leases */
    bed_publish_begin(p, "t/1", "held", 1, false, 0);
    bed_run(b, 200);
    assert_int_equal(p->status, -1);
    assert_int_equal(two->store->ops->health(two->store), STORE_TROUBLED);
    kill(b->server.pid, SIGCONT);
    BED_UNTIL(b, bed_ready(one) && bed_ready(two));
    BED_UNTIL(b, p->status == STORE_OK && one->got_count == 1);
    bed_run(b, 1500);
    assert_int_equal(one->start_overs + two->start_overs, 0);
    assert_int_equal(bed_redis(b, "HLEN fl:{r}:dead"), 0);
    assert_int_equal(one->got_count, 1);
}

static void rule_2_a_node_that_slept_completes_nothing_and_starts_over(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_will will = {.topic = "w/1", .payload = "gone", .qos = 1};
    struct bed_client *c = bed_connect_will(one, "c", true, &will);
    bed_subscribe(c, "t/#", 1);
    one->stopped = true;
    BED_UNTIL(b, bed_redis(b, "HLEN fl:{r}:dead") == 1);
    BED_UNTIL(b, two->wills == 1);
    struct bed_client *again = bed_connect(two, "c", true);
    assert_true(again->present);
    bed_publish_begin(c, "t/1", "from the zombie", 1, false, 0);
    one->stopped = false;
    BED_UNTIL(b, one->start_overs == 1);
    BED_UNTIL(b, bed_ready(one));
    assert_int_equal(c->status, STORE_UNAVAILABLE);
    assert_int_equal(one->wills, 0);
    assert_null(c->hold.store_data);
    bed_fetch(again, 1, 10);
    assert_int_equal(again->entry_count, 0);
    bed_publish(again, "t/1", "fine", 1);
}

static void rule_2_a_short_sleep_is_survived_with_clocks_shifted(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    one->stopped = true;
    bed_run(b, 1100); /* unsure 800 ms after the last beat */
    bed_publish_begin(c, "t/1", "x", 1, false, 0);
    one->stopped = false;
    BED_UNTIL(b, c->status == STORE_OK);
    assert_int_equal(one->shifts, 1);
    assert_int_equal(one->start_overs, 0);
}

/* One turn of its loop takes longer than the lease: the heart has a thread of its own. */
static void rule_1_a_broker_that_is_merely_busy_is_never_taken_for_dead(void **state)
{
    struct bed *b = *state;
    b->cfg.hang_ms = 60000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    bed_subscribe(c, "t/#", 1);
    one->stopped = true;
    bed_run(b, 3000); /* three leases */
    assert_int_equal(bed_redis(b, "HLEN fl:{r}:dead"), 0);
    one->stopped = false;
    bed_publish_begin(c, "t/1", "x", 1, false, 0);
    BED_UNTIL_MS(b, c->status == STORE_OK, 500);
    assert_int_equal(one->start_overs, 0);
    assert_int_equal(one->shifts, 0); /* it was sure of itself all the time */
    assert_int_equal(two->wills, 0);
}

static void rule_1_a_broker_whose_loop_hangs_is_taken_for_dead(void **state)
{
    struct bed *b = *state;
    b->cfg.hang_ms = 1500;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    bed_connect(one, "c", false);
    one->stopped = true;
    bed_run(b, 1200);
    assert_int_equal(bed_redis(b, "HLEN fl:{r}:dead"), 0);
    BED_UNTIL(b, bed_redis(b, "HLEN fl:{r}:dead") == 1);
    one->stopped = false;
    BED_UNTIL(b, one->start_overs == 1);
    assert_int_equal(two->start_overs, 0);
}

/* Redis' clock is set: what nodes wrote by the former one says nothing about who lives. */
static void rule_1_nobody_dies_of_a_clock(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    bed_run(b, 300);
    for (int i = 0; i < 20; i++) { /* as if all had last beaten long ago, or were to do it soon */
        freeReplyObject(
            redisCommand(b->redis, "EVAL %s 0 %s",
                         "for _, k in ipairs(redis.call('HKEYS', 'fl:{r}:nodes')) do "
                         "redis.call('ZINCRBY', 'fl:{r}:beats', ARGV[1], k) end return 1",
                         i % 2 == 0 ? "-3600000" : "7200000"));
        bed_run(b, 120);
    }
    assert_int_equal(bed_redis(b, "HLEN fl:{r}:dead"), 0);
    assert_int_equal(one->start_overs + two->start_overs, 0);
}

static void rule_1_another_node_resumes_what_a_dead_reaper_began(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_will will = {.topic = "w/1", .payload = "gone", .qos = 1};
    bed_connect_will(one, "c", false, &will);
    bed_kill(b, one);
    struct bed_node *two = bed_add_ready(b);
    /* Declared dead by a node that died right after. */
    freeReplyObject(redisCommand(b->redis, "EVAL %s 0",
                                 "local n = redis.call('HKEYS', 'fl:{r}:nodes') "
                                 "for _, k in ipairs(n) do "
                                 "if redis.call('EXISTS', 'fl:{n:'..k..'}:in') == 1 then "
                                 "redis.call('HSET', 'fl:{r}:reap', k, '00000000deadbeef') end "
                                 "end return #n"));
    BED_UNTIL(b, two->wills == 1);
    BED_UNTIL(b, bed_redis(b, "HLEN fl:{r}:reap") <= 1);
}

/* Wills that Redis has no room for are held; their reaper ends meanwhile. */
static void rule_1_a_reaper_may_end_while_its_wills_wait(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_will will = {.topic = "w/1", .payload = "gone", .qos = 1};
    struct bed_client *watcher = bed_connect(two, "watcher", true);
    bed_subscribe(watcher, "w/#", 1);
    bed_connect_will(one, "c", false, &will);
    bed_redis(b, "CONFIG SET maxmemory 1");
    bed_kill(b, one);
    BED_UNTIL(b, two->wills == 1);
    bed_run(b, 500); /* all buckets are reaped, the will is held */
    assert_int_equal(bed_redis(b, "HLEN fl:{r}:reap"), 1);
    bed_kill(b, two);
    bed_redis(b, "CONFIG SET maxmemory 0");
    two = bed_add_ready(b);
    BED_UNTIL_MS(b, two->wills == 1, 20000);
}

/* Which is due again meanwhile. Who connects waits for it, on whichever node. */
static void rule_7_a_will_that_waits_for_room_isnt_taken_for_published(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_will will = {.topic = "w/1", .payload = "gone", .qos = 1};
    struct bed_client *watcher = bed_connect(one, "watcher", true);
    struct bed_client *c = bed_connect_will(one, "c", false, &will);
    bed_subscribe(watcher, "w/#", 1);
    bed_redis(b, "CONFIG SET maxmemory 1");
    bed_left(c);
    c->status = -1;
    one->store->ops->disconnect(one->store, &c->hold, true, 0, bed_on_done, c);
    BED_UNTIL(b, one->wills == 1 && c->status == STORE_OK); /* who asks for it isn't kept */
    c = bed_connect_begin(one, "c", false, true, NULL);
    redisReply *keys = redisCommand(b->redis, "KEYS fl:{s*}:due");
    assert_int_equal(keys->elements, 1);
    freeReplyObject(
        redisCommand(b->redis, "EVAL %s 1 %s",
                     "#!lua flags=allow-oom\nreturn redis.call('ZADD', KEYS[1], 1, 'wc')",
                     keys->element[0]->str));
    bed_run(b, 2500);
    freeReplyObject(keys);
    assert_int_equal(bed_redis(b, "KEYS fl:{s*}:dw:c"), 1);
    assert_int_equal(c->status, -1);
    assert_int_equal(one->wills, 1);
    bed_redis(b, "CONFIG SET maxmemory 0");
    BED_UNTIL(b, c->status == STORE_OK);
    assert_int_equal(bed_redis(b, "KEYS fl:{s*}:dw:c"), 0);
    bed_fetch(watcher, 1, 10);
    assert_int_equal(watcher->entry_count, 1);
}

static void rule_9_redis_restarted_on_its_file_loses_nothing(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_will will = {.topic = "w/1", .payload = "gone", .qos = 1};
    struct bed_client *c = bed_connect_will(one, "c", false, &will);
    struct bed_client *d = bed_connect(one, "d", true);
    struct bed_client *p = bed_connect(two, "p", false);
    bed_subscribe(c, "t/#", 1);
    bed_subscribe(d, "t/#", 2);
    BED_UNTIL(b, two->sub_count == 1 && two->route_count == 1);
    bed_publish(p, "t/1", "before", 1);
    redis_server_kill(&b->server);
    redisFree(b->redis);
    bed_publish_begin(p, "t/1", "while away", 1, false, 0);
    bed_run(b, 1500);
    assert_int_equal(p->status, -1);
    assert_true(redis_server_run(&b->server, NULL, NULL));
    b->redis = redis_server_connect(&b->server);
    BED_UNTIL(b, bed_ready(one) && bed_ready(two) && p->status == STORE_OK);
    BED_UNTIL(b, one->got_count == 2);
    bed_fetch_first(d, 1, 10);
    assert_int_equal(d->entry_count, 2);
    bed_publish(p, "t/1", "after", 1);
    BED_UNTIL(b, one->got_count == 3);
    bed_run(b, 1500);
    assert_int_equal(one->wills + two->wills, 0);
    assert_int_equal(one->start_overs + two->start_overs, 0);
    assert_int_equal(one->fenced + two->fenced, 0);
}

static void rule_9_a_redis_that_lost_everything_is_told_again(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct bed_client *p = bed_connect(two, "p", false);
    bed_subscribe(c, "t/#", 1);
    BED_UNTIL(b, two->route_count == 1);
    freeReplyObject(redisCommand(b->redis, "FLUSHALL"));
    BED_UNTIL(b, bed_redis(b, "HLEN fl:{r}:nodes") == 2);
    BED_UNTIL(b, bed_ready(one) && bed_ready(two));
    BED_UNTIL(b, two->route_count == 1);
    bed_publish(p, "t/1", "after", 1);
    BED_UNTIL(b, one->got_count == 1);
    struct bed_node *three = bed_add_ready(b);
    BED_UNTIL(b, three->route_count == 1);
    /* The client id is still taken: a new connection asks the old one to hand over. */
    bed_connect(three, "c", false);
    assert_int_equal(one->asked, 1);
    assert_int_equal(one->start_overs + two->start_overs, 0);
}

/* The log was trimmed while a node couldn't read it. */
static void rule_3_a_hole_in_the_log_means_reload(void **state)
{
    struct bed *b = *state;
    b->cfg.lease_ms = 20000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *d = bed_connect(one, "d", true);
    struct bed_client *c = bed_connect(one, "c", false);
    bed_subscribe(d, "kept/#", 1);
    bed_subscribe(d, "gone/#", 1);
    BED_UNTIL(b, two->sub_count == 2);
    two->stopped = true;
    bed_unsubscribe(d, "gone/#");
    bed_subscribe(c, "new/#", 1);
    freeReplyObject(redisCommand(b->redis, "XTRIM fl:{r}:log MAXLEN 0"));
    freeReplyObject(redisCommand(b->redis, "CLIENT KILL TYPE normal SKIPME yes"));
    two->stopped = false;
    bed_subscribe(c, "after/#", 1);
    BED_UNTIL(b, two->route_count == 4); /* lingering ones, too */
    BED_UNTIL(b, two->sub_count == 1);
    assert_string_equal(two->subs[0].filter, "kept/#");
    bed_publish(bed_connect(two, "p", false), "after/1", "m", 1);
    BED_UNTIL(b, one->got_count == 1);
}

static void rule_4_pubsub_connections_that_are_kicked_come_back(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct bed_client *p = bed_connect(two, "p", false);
    bed_subscribe(c, "t/#", 1);
    BED_UNTIL(b, two->route_count == 1);
    assert_int_equal(bed_redis(b, "CLIENT KILL TYPE pubsub"), 2);
    bed_publish(p, "t/1", "qos 1 isn't touched", 1);
    BED_UNTIL(b, one->got_count == 1);
    BED_UNTIL(b, bed_redis(b, "PUBSUB CHANNELS") == 2);
    bed_publish(p, "t/1", "qos 0 again", 0);
    BED_UNTIL(b, one->got_count == 2);
}

static void a_node_that_leaves_says_so(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct bed_client left = {.status = -1};
    bed_subscribe(c, "t/#", 1);
    BED_UNTIL(b, two->route_count == 1);
    bed_disconnect(c, false);
    one->store->ops->shutdown(one->store, clock_monotonic_ms() + 3000, bed_on_done, &left);
    BED_UNTIL_MS(b, left.status == STORE_OK, 900);
    BED_UNTIL_MS(b, two->route_count == 0, 900);
    assert_int_equal(bed_redis(b, "HLEN fl:{r}:nodes"), 1);
    assert_int_equal(bed_redis(b, "HLEN fl:{r}:reap"), 0);
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        IN_BED(rule_1_a_killed_node_is_declared_dead_and_reaped),
        IN_BED(rule_1_a_beat_that_was_under_way_has_nobody_reaped_again),
        IN_BED(rule_1_nobody_dies_while_redis_is_away),
        IN_BED(rule_2_a_node_that_slept_completes_nothing_and_starts_over),
        IN_BED(rule_2_a_short_sleep_is_survived_with_clocks_shifted),
        IN_BED(rule_1_a_broker_that_is_merely_busy_is_never_taken_for_dead),
        IN_BED(rule_1_a_broker_whose_loop_hangs_is_taken_for_dead),
        IN_BED(rule_1_nobody_dies_of_a_clock),
        IN_BED(rule_1_another_node_resumes_what_a_dead_reaper_began),
        IN_BED(rule_1_a_reaper_may_end_while_its_wills_wait),
        IN_BED(rule_7_a_will_that_waits_for_room_isnt_taken_for_published),
        IN_BED(rule_9_redis_restarted_on_its_file_loses_nothing),
        IN_BED(rule_9_a_redis_that_lost_everything_is_told_again),
        IN_BED(rule_3_a_hole_in_the_log_means_reload),
        IN_BED(rule_4_pubsub_connections_that_are_kicked_come_back),
        IN_BED(a_node_that_leaves_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
