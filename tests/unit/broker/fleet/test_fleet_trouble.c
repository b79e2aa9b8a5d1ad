/* Fleet protocol, rule 9: what goes on while Redis is full or loses its data, and who isn't to blame
 * for it. */
#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/node/fleet.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

static const struct bed_will offline = {.topic = "w/1", .payload = "offline", .qos = 1};

/* ---- Redis is full --------------------------------------------------------------------------- */

static void set_full(struct bed *b, bool full)
{
    freeReplyObject(redisCommand(b->redis, "CONFIG SET maxmemory %d", full ? 1 : 0));
}

/* How many nodes a cut has been made of. */
static size_t nodes_cut(struct bed *b)
{
    redisReply *keys = redisCommand(b->redis, "KEYS fl:{n:*}:link");
    size_t count = 0;
    for (size_t i = 0; i < keys->elements; i++) {
        redisReply *r = redisCommand(b->redis, "HEXISTS %s cut", keys->element[i]->str);
        count += (size_t)r->integer;
        freeReplyObject(r);
    }
    freeReplyObject(keys);
    return count;
}

/* All wills that wait are due. */
static void make_due(struct bed *b)
{
    static const char script[] = "#!lua flags=allow-oom\n"
                                 "for _, m in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do "
                                 "redis.call('ZADD', KEYS[1], 1, m) end";
    redisReply *keys = redisCommand(b->redis, "KEYS fl:{s*}:due");
    for (size_t i = 0; i < keys->elements; i++) {
        redisReply *r = redisCommand(b->redis, "EVAL %s 1 %s", script, keys->element[i]->str);
        assert_int_not_equal(r->type, REDIS_REPLY_ERROR);
        freeReplyObject(r);
    }
    freeReplyObject(keys);
}

enum { WILLS = 12 }; /* one of their buckets is the other node's to look at */

static void nobody_is_cut_off_for_a_will_that_waits_for_room(void **state)
{
    struct bed *b = *state;
    struct bed_client *all[WILLS];
    char id[BED_TEXT];
    b->cfg.lease_ms = 20000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *watcher = bed_connect(one, "watcher", true);
    bed_subscribe(watcher, "w/#", 1);
    for (int i = 0; i < WILLS; i++) {
        snprintf(id, sizeof(id), "c%d", i);
        all[i] = bed_connect_will(one, id, true, &offline);
    }
    set_full(b, true);
    for (int i = 0; i < WILLS; i++) {
        bed_left(all[i]);
        one->store->ops->disconnect(one->store, &all[i]->hold, true, STORE_EXPIRES_NEVER, NULL,
                                    NULL);
    }
    BED_UNTIL(b, one->wills == WILLS);
    make_due(b);
    bed_run(b, 2000); /* each bucket is looked at in that time */
    assert_int_equal(nodes_cut(b), 0);
    assert_int_equal(one->wills + two->wills, WILLS);
    set_full(b, false);
    bed_run(b, 600);
    bed_fetch(watcher, 1, 100);
    assert_int_equal(watcher->entry_count, WILLS);
}

/* Its will isn't out before, so its client waits; the others of that node are left alone. */
static void nobody_is_cut_off_for_a_client_that_comes_while_redis_is_full(void **state)
{
    struct bed *b = *state;
    b->cfg.lease_ms = 20000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *watcher = bed_connect(one, "watcher", true);
    bed_subscribe(watcher, "w/#", 1);
    bed_connect_will(one, "c", true, &offline);
    set_full(b, true);
    struct bed_client *c = bed_connect_begin(two, "c", true, false, NULL);
    bed_run(b, 3500);
    assert_int_equal(c->status, -1);
    assert_int_equal(nodes_cut(b), 0);
    set_full(b, false);
    BED_UNTIL(b, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
    assert_int_equal(one->wills + two->wills, 1);
    bed_fetch(watcher, 1, 10);
    assert_int_equal(watcher->entry_count, 1);
}

/* ---- Redis loses its data -------------------------------------------------------------------- */

static void lose_data(struct bed *b)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s/appendonlydir'", b->server.folder);
    assert_int_equal(system(command), 0);
    assert_true(redis_server_run(&b->server, NULL, NULL));
    redisFree(b->redis);
    b->redis = redis_server_connect(&b->server);
    assert_non_null(b->redis);
}

static void restart_redis(struct bed *b)
{
    redis_server_kill(&b->server);
    redisFree(b->redis);
    assert_true(redis_server_run(&b->server, NULL, NULL));
    b->redis = redis_server_connect(&b->server);
    assert_non_null(b->redis);
}

/* Nobody holds it any more who would assert it. */
static void a_session_whose_connection_ends_while_redis_is_away_is_there_afterwards(void **state)
{
    struct bed *b = *state;
    b->cfg.lease_ms = 20000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect_will(one, "c", true, &offline);
    struct bed_client *watcher = bed_connect(two, "watcher", true);
    struct bed_client *publisher = bed_connect(two, "publisher", true);
    bed_subscribe(c, "t", 1);
    bed_subscribe(watcher, "w/#", 1);
    redis_server_kill(&b->server);
    BED_UNTIL(b, !bed_ready(one) && !bed_ready(two));
    bed_left(c);
    one->store->ops->disconnect(one->store, &c->hold, true, STORE_EXPIRES_NEVER, NULL, NULL);
    lose_data(b);
    BED_UNTIL(b, bed_ready(one) && bed_ready(two));
    BED_UNTIL(b, one->wills == 1);
    bed_publish(publisher, "t", "for c", 1);
    c = bed_connect(two, "c", true);
    assert_true(c->present);
    assert_int_equal(c->sub_count, 1);
    assert_int_equal(one->asked, 0);
    bed_fetch(c, 1, 10);
    assert_int_equal(c->entry_count, 1);
    bed_run(b, 300);
    assert_int_equal(one->wills + two->wills, 1);
    bed_fetch_first(watcher, 1, 10);
    assert_int_equal(watcher->entry_count, 1);
}

/* It had run before Redis ended, and only its answer was lost. */
static void an_end_that_is_told_twice_is_an_end(void **state)
{
    struct bed *b = *state;
    b->cfg.lease_ms = 20000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect_will(one, "c", true, &offline);
    bed_subscribe(c, "t", 1);
    bed_left(c);
    one->store->ops->disconnect(one->store, &c->hold, true, STORE_EXPIRES_NEVER, NULL, NULL);
    one->store->ops->flush(one->store);
    one->stopped = true;
    BED_UNTIL(b, bed_redis(b, "KEYS fl:{s*}:dw:c") == 1);
    restart_redis(b);
    one->stopped = false;
    BED_UNTIL(b, one->wills == 1 && bed_ready(one) && bed_ready(two));
    bed_run(b, 300);
    c = bed_connect(two, "c", true);
    assert_int_equal(one->asked, 0);
    assert_int_equal(c->sub_count, 1);
    assert_int_equal(one->wills + two->wills, 1);
}

/* Redis comes back with a time at which a node had the client that is dead now, and another reaps it
 * before the client's node is back. */
static void who_has_a_client_says_so_before_anybody_reaps_by_older_data(void **state)
{
    static const char older[] = "local p = string.match(KEYS[1], '^(.*)s:c$') "
                                "local nodes = redis.call('HKEYS', 'fl:{r}:nodes') "
                                "local one = redis.call('HGET', KEYS[1], 'owner') "
                                "local two = nodes[1] == one and nodes[2] or nodes[1] "
                                "local dead = '00000000000000aa' "
                                "redis.call('HINCRBY', KEYS[1], 'epoch', -1) "
                                "redis.call('HSET', KEYS[1], 'owner', dead) "
                                "redis.call('SMOVE', p .. 'own:' .. one, p .. 'own:' .. dead, 'c') "
                                "redis.call('HSET', 'fl:{r}:dead', dead, redis.call('TIME')[1]) "
                                "return redis.call('HSET', 'fl:{r}:reap', dead, two)";
    struct bed *b = *state;
    b->cfg.lease_ms = 3000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    bed_connect_will(one, "c", true, &offline);
    restart_redis(b);
    redisReply *keys = redisCommand(b->redis, "KEYS fl:{s*}:s:c");
    assert_int_equal(keys->elements, 1);
    redisReply *r = redisCommand(b->redis, "EVAL %s 1 %s", older, keys->element[0]->str);
    assert_int_equal(r->type, REDIS_REPLY_INTEGER);
    freeReplyObject(r);
    freeReplyObject(keys);
    one->stopped = true;
    BED_UNTIL(b, bed_ready(two));
    bed_run(b, 500);
    one->stopped = false;
    BED_UNTIL(b, bed_ready(one));
    BED_UNTIL_MS(b, bed_redis(b, "HLEN fl:{r}:reap") == 0, 8000);
    assert_int_equal(one->fenced, 0);
    assert_int_equal(one->wills + two->wills, 0);
}

/* It was on its way when Redis ended; its client is back elsewhere before its node is. */
static void a_will_under_way_is_void_when_another_run_gave_its_client_away(void **state)
{
    struct bed *b = *state;
    b->cfg.lease_ms = 20000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *watcher = bed_connect(two, "watcher", true);
    bed_subscribe(watcher, "w/#", 1);
    struct bed_client *c = bed_connect_will(one, "c", true, &offline);
    BED_UNTIL(b, one->sub_count == 1);
    bed_left(c);
    one->store->ops->disconnect(one->store, &c->hold, true, STORE_EXPIRES_NEVER, NULL, NULL);
    one->store->ops->flush(one->store);
    one->stopped = true;
    BED_UNTIL(b, bed_redis(b, "KEYS fl:{s*}:dw:c") == 1);
    event_base_loop(b->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    bed_input(one->store); /* it is gathered, and nothing is written */
    assert_int_equal(one->wills, 1);
    redis_server_kill(&b->server);
    lose_data(b);
    BED_UNTIL(b, bed_ready(two));
    c = bed_connect(two, "c", true);
    bed_publish(c, "w/1", "online", 1);
    one->stopped = false;
    BED_UNTIL(b, bed_ready(one));
    bed_run(b, 500);
    bed_fetch_first(watcher, 1, 10);
    assert_int_equal(watcher->entry_count, 1);
    assert_string_equal(watcher->entries[0].payload, "online");
}

/* Redis lost everything. Another node comes back after a load has read who is there and before it ends;
 * a beat names it meanwhile, and none does again. */
static void rule_9_who_comes_back_while_a_load_goes_on_is_known(void **state)
{
    struct bed *b = *state;
    b->cfg.hang_ms = 60000; /* who is stopped beats */
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct fleet *f = (struct fleet *)one->store;
    uint64_t two_id = ((struct fleet *)two->store)->id;
    BED_UNTIL(b, fleet_node_find(f, two_id) != NULL);
    two->stopped = true;
    freeReplyObject(redisCommand(b->redis, "FLUSHALL"));
    BED_UNTIL(b, bed_redis(b, "HLEN fl:{r}:nodes") == 1);
    for (int i = 0; i < 5; i++) /* it asks who is there, and for some of the sessions */
        bed_turn(b);
    assert_false(fleet_log_is_valid(f));
    one->stopped = true;
    two->stopped = false;
    BED_UNTIL(b, bed_redis(b, "HLEN fl:{r}:nodes") == 2);
    bed_run(b, 5 * b->cfg.beat_interval_ms);
    one->stopped = false;
    BED_UNTIL(b, fleet_log_is_valid(f));
    bed_run(b, 5 * b->cfg.beat_interval_ms);
    assert_non_null(fleet_node_find(f, two_id));
    assert_int_equal(one->start_overs + two->start_overs, 0);
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        IN_BED(nobody_is_cut_off_for_a_will_that_waits_for_room),
        IN_BED(nobody_is_cut_off_for_a_client_that_comes_while_redis_is_full),
        IN_BED(a_session_whose_connection_ends_while_redis_is_away_is_there_afterwards),
        IN_BED(an_end_that_is_told_twice_is_an_end),
        IN_BED(who_has_a_client_says_so_before_anybody_reaps_by_older_data),
        IN_BED(rule_9_who_comes_back_while_a_load_goes_on_is_known),
        IN_BED(a_will_under_way_is_void_when_another_run_gave_its_client_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
