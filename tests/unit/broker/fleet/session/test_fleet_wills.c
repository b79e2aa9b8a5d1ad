/* Fleet protocol: a will is published once, before its client's next CONNACK, whatever becomes of
 * the claims, the nodes and the runs of Redis in between. */
#include "broker/fleet/wire/fleet_batch.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "broker/fleet/wire/fleet_keys.h"
#include "broker/fleet/wire/scripts.h"
#include "common/base/clock.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

static const struct bed_will offline = {.topic = "w/1", .payload = "offline", .qos = 2};

/* A durable subscriber to wills. */
static struct bed_client *add_watcher(struct bed_node *n)
{
    struct bed_client *watcher = bed_connect(n, "watcher", true);
    bed_subscribe(watcher, "w/#", 2);
    return watcher;
}

static void assert_watcher_has_one(struct bed_client *watcher)
{
    bed_fetch_first(watcher, 1, 10);
    assert_int_equal(watcher->entry_count, 1);
}

/* A script without blanks in its one argument, which may be "". */
static void eval(struct bed *b, const char *script, const char *arg)
{
    redisReply *r = redisCommand(b->redis, "EVAL %s 0 %s", script, arg);
    assert_non_null(r);
    assert_int_equal(r->type, REDIS_REPLY_INTEGER);
    assert_int_not_equal(r->integer, 0);
    freeReplyObject(r);
}

/* What is to be written there fails until it is mended. */
static void break_key(struct bed *b, const char *pattern)
{
    eval(b,
         "local k = redis.call('KEYS', ARGV[1])[1] redis.call('SET', k, 'broken') return k and 1 "
         "or 0",
         pattern);
}

static void mend_key(struct bed *b, const char *pattern)
{
    eval(b, "local k = redis.call('KEYS', ARGV[1])[1] return redis.call('DEL', k)", pattern);
}

/* Redis has less than it had, no node's connection among it; `p`'s node learns of it. Then no script
 * is answered until it is let. */
static void lose_the_log_and_pause(struct bed_client *p)
{
    struct bed *b = p->node->bed;
    eval(b,
         "for _, k in ipairs(redis.call('KEYS', 'fl:{n:*}:link')) do redis.call('DEL', k) end "
         "return redis.call('DEL', 'fl:{r}:ver', 'fl:{r}:log')",
         "");
    bed_publish_begin(p, "nobody", "x", 1, false, 0); /* asks for the version */
    p->node->store->ops->flush(p->node->store);
    bed_redis(b, "CLIENT PAUSE 10000 WRITE");
}

/* The claim is made again while the silent owner is being cut off: one answer may not pass for the
 * other. */
static void a_claim_that_is_made_again_waits_for_its_cuts(void **state)
{
    struct bed *b = *state;
    b->cfg.lease_ms = 20000;
    b->cfg.command_timeout_ms = 15000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *watcher = add_watcher(two);
    struct bed_client *p = bed_connect(two, "p", false);
    bed_connect_will(one, "c", true, &offline);
    one->stopped = true;
    struct bed_client *c = bed_connect_begin(two, "c", true, false, NULL);
    BED_UNTIL(b, c->hold.epoch != 0);
    lose_the_log_and_pause(p);
    bed_run(b, 1500); /* the owner is passed over */
    assert_int_equal(c->status, -1);
    bed_redis(b, "CLIENT UNPAUSE");
    BED_UNTIL(b, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
    assert_int_equal(two->wills, 1);
    assert_true(c->present);
    assert_watcher_has_one(watcher);
}

/* Who takes the client over can't get its will published, and then it can. */
static void begin_with_a_will_that_fails(struct bed *b, struct bed_client **watcher,
                                         struct bed_client **c)
{
    b->cfg.lease_ms = 20000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_node *three = bed_add_ready(b);
    *watcher = add_watcher(three);
    bed_publish_begin(*watcher, "w/0", "before", 2, false, 1);
    BED_UNTIL(b, (*watcher)->status == STORE_OK);
    bed_connect_will(one, "c", true, &offline);
    BED_UNTIL(b, two->sub_count == 1);
    bed_kill(b, one);
    break_key(b, "fl:{s*}:seen:watcher");
    *c = bed_connect_begin(two, "c", true, false, NULL);
    BED_UNTIL(b, two->wills > 0);
    bed_run(b, 200);
    assert_int_equal((*c)->status, -1);
}

static void assert_will_is_out(struct bed_client *watcher, struct bed_client *c)
{
    assert_int_equal(c->status, STORE_OK);
    bed_fetch_first(watcher, 2, 10);
    assert_int_equal(watcher->entry_count, 1);
    assert_string_equal(watcher->entries[0].payload, "offline");
}

static void a_will_that_fails_is_tried_again_before_the_connack(void **state)
{
    struct bed *b = *state;
    struct bed_client *watcher;
    struct bed_client *c;
    begin_with_a_will_that_fails(b, &watcher, &c);
    mend_key(b, "fl:{s*}:seen:watcher");
    BED_UNTIL(b, c->status >= 0);
    assert_will_is_out(watcher, c);
}

static void a_will_seized_in_one_run_of_redis_is_out_in_the_next(void **state)
{
    struct bed *b = *state;
    struct bed_client *watcher;
    struct bed_client *c;
    begin_with_a_will_that_fails(b, &watcher, &c);
    redis_server_kill(&b->server);
    redisFree(b->redis);
    assert_true(redis_server_run(&b->server, NULL, NULL));
    b->redis = redis_server_connect(&b->server);
    BED_UNTIL(b, bed_ready(c->node));
    bed_run(b, 200);
    assert_int_equal(c->status, -1);
    mend_key(b, "fl:{s*}:seen:watcher");
    BED_UNTIL(b, c->status >= 0);
    assert_will_is_out(watcher, c);
}

/* Its former owner came to some of those that it is for, and no further. */
static void say_to_inbox(struct bed *b, struct bed_node *n, const struct bed_client *c)
{
    struct message *m = bed_message(n, offline.topic, offline.payload, offline.qos, false);
    struct fleet_bytes batch = {0};
    redisReply *keys = redisCommand(b->redis, "KEYS fl:{n:*}:in");
    m->id =
        (struct message_id){.node = fleet_hash(c->id, strlen(c->id)), .sequence = c->hold.epoch};
    fleet_batch_begin(&batch, 0xaa, 1);
    fleet_bytes_u8(&batch, ITEM_MESSAGE);
    fleet_frame_put(&batch, m, true);
    for (size_t i = 0; i < keys->elements; i++)
        freeReplyObject(
            redisCommand(b->redis, "XADD %s * d %b", keys->element[i]->str, batch.data, batch.len));
    freeReplyObject(keys);
    fleet_bytes_fini(&batch);
    message_unref(m);
}

static void a_will_that_a_node_has_heard_of_may_not_be_out_everywhere(void **state)
{
    struct bed *b = *state;
    b->cfg.lease_ms = 20000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *watcher = add_watcher(two);
    struct bed_client *c = bed_connect_will(one, "c", true, &offline);
    say_to_inbox(b, two, c);
    BED_UNTIL(b, two->got_count == 1);
    bed_kill(b, one);
    bed_connect(two, "c", true);
    assert_int_equal(two->wills, 0); /* its clients have it */
    assert_int_equal(two->got_count, 1);
    assert_watcher_has_one(watcher);
}

static void a_will_that_cannot_be_read_keeps_nobody_out(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    bed_connect_will(one, "c", true, &offline);
    eval(b, "redis.call('HSET', redis.call('KEYS', ARGV[1])[1], 'w', '?') return 1", "fl:{s*}:s:c");
    bed_kill(b, one);
    bed_connect(two, "c", true);
    bed_run(b, 50);
    assert_int_equal(bed_redis(b, "KEYS fl:{s*}:dw:c"), 0);
}

/* ---- claims that come to nothing ------------------------------------------------------------- */

struct failed_claim {
    struct bed_node *one, *two;
    struct bed_client *watcher;
};

/* `one` doesn't let its client go, and can't be cut off from it, when that comes to `two`. */
static struct failed_claim fail_a_claim(struct bed *b, bool durable)
{
    struct failed_claim t;
    b->cfg.lease_ms = 20000;
    t.one = bed_add_ready(b);
    bed_connect_will(t.one, "c", durable, &offline)->silent = true;
    break_key(b, "fl:{n:*}:link");
    t.two = bed_add_ready(b);
    t.watcher = add_watcher(t.two);
    struct bed_client *c = bed_connect_begin(t.two, "c", durable, !durable, NULL);
    BED_UNTIL(b, c->status >= 0);
    assert_int_equal(c->status, STORE_UNAVAILABLE);
    assert_int_equal(t.two->wills, 0);
    eval(
        b,
        "for _, k in ipairs(redis.call('KEYS', 'fl:{n:*}:link')) do "
        "if redis.call('TYPE', k).ok == 'string' then return redis.call('DEL', k) end end return 0",
        "");
    return t;
}

static void check_its_will_is_published(struct bed *b, bool durable)
{
    struct failed_claim t = fail_a_claim(b, durable);
    BED_UNTIL_MS(b, t.one->wills + t.two->wills == 1, 8000);
    bed_run(b, 500);
    assert_int_equal(t.one->wills + t.two->wills, 1);
    assert_watcher_has_one(t.watcher);
}

static void a_former_will_is_published_when_a_claim_is_given_back(void **state)
{
    check_its_will_is_published(*state, true);
}

static void a_former_will_is_published_when_a_clean_claim_is_given_back(void **state)
{
    check_its_will_is_published(*state, false);
}

static void a_clean_claim_that_was_given_back_leaves_the_owners_to_be_asked(void **state)
{
    struct bed *b = *state;
    struct failed_claim t = fail_a_claim(b, false);
    uint64_t begin = clock_monotonic_ms();
    bed_connect(t.two, "c", false);
    assert_true(clock_monotonic_ms() - begin >= 900);
    assert_int_equal(t.two->wills, 1);
    assert_watcher_has_one(t.watcher);
    bed_run(b, 100);
    assert_int_equal(bed_redis(b, "KEYS fl:{s*}:dw:c"), 0);
}

/* The node that was taking the client over dies; the former one doesn't hand it over. */
static void a_former_will_is_published_when_its_claimer_dies(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_node *three = bed_add_ready(b);
    struct bed_client *watcher = add_watcher(three);
    struct bed_client *first = bed_connect_will(one, "c", false, &offline);
    first->silent = true;
    struct bed_client *second = bed_connect_begin(two, "c", false, true, NULL);
    BED_UNTIL(b, second->hold.epoch != 0 && one->asked == 1);
    bed_kill(b, two);
    BED_UNTIL_MS(b, one->wills + three->wills == 1, 10000);
    bed_run(b, 200);
    assert_int_equal(one->wills + three->wills, 1);
    assert_watcher_has_one(watcher);
}

/* It waits for its client, and the connection that the client made dies before it is one. */
static void a_drained_brokers_will_comes_when_its_client_didnt_get_back(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_node *three = bed_add_ready(b);
    struct bed_client *first = bed_connect_will(one, "c", true, &offline);
    first->silent = true;
    struct bed_client *second = bed_connect_begin(two, "c", true, false, NULL);
    BED_UNTIL(b, second->hold.epoch != 0 && one->asked == 1);
    first->hold.will_grace_s = 2;
    bed_disconnect(first, true);
    bed_kill(b, two);
    BED_UNTIL_MS(b, one->wills + three->wills == 1, 8000);
    first->asked_done(first->asked_arg, STORE_OK);
    first->asked_done = NULL;
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        IN_BED(a_claim_that_is_made_again_waits_for_its_cuts),
        IN_BED(a_will_that_fails_is_tried_again_before_the_connack),
        IN_BED(a_will_seized_in_one_run_of_redis_is_out_in_the_next),
        IN_BED(a_will_that_a_node_has_heard_of_may_not_be_out_everywhere),
        IN_BED(a_will_that_cannot_be_read_keeps_nobody_out),
        IN_BED(a_former_will_is_published_when_a_claim_is_given_back),
        IN_BED(a_former_will_is_published_when_a_clean_claim_is_given_back),
        IN_BED(a_clean_claim_that_was_given_back_leaves_the_owners_to_be_asked),
        IN_BED(a_former_will_is_published_when_its_claimer_dies),
        IN_BED(a_drained_brokers_will_comes_when_its_client_didnt_get_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
