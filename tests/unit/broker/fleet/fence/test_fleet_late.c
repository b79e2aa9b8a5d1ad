/* Fleet protocol: what reaches Redis or the log late does nothing. */
#include "broker/fleet/log/fleet_append.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

static bool knows(const struct bed_node *n, const char *client, const char *filter)
{
    for (size_t i = 0; i < n->sub_count; i++)
        if (strcmp(n->subs[i].client, client) == 0 && strcmp(n->subs[i].filter, filter) == 0)
            return true;
    return false;
}

/* An entry of the log that a node says late. */
static void say(struct bed *b, const struct fleet_bytes *items)
{
    long long ver = bed_redis(b, "INCR fl:{r}:ver");
    redisReply *r = redisCommand(b->redis, "XADD fl:{r}:log %lld-0 n 00000000000000aa d %b", ver,
                                 items->data, items->len);
    assert_non_null(r);
    assert_int_not_equal(r->type, REDIS_REPLY_ERROR);
    freeReplyObject(r);
}

static void say_of(struct bed *b, uint8_t kind, const char *client, uint64_t epoch,
                   const char *filter)
{
    struct fleet_bytes items = {0};
    fleet_bytes_u8(&items, kind);
    fleet_bytes_slice(&items, bed_slice(client));
    fleet_bytes_varint(&items, epoch);
    if (filter != NULL)
        fleet_bytes_slice(&items, bed_slice(filter));
    if (kind == LOG_SUBSCRIBED)
        fleet_bytes_slice(&items, bed_slice("\1"));
    say(b, &items);
    fleet_bytes_fini(&items);
}

/* Everything that is in the log is applied at all nodes: a route goes round behind it. */
static void settle(struct bed *b, struct bed_client *c)
{
    static unsigned count;
    char filter[BED_TEXT];
    snprintf(filter, sizeof(filter), "settle/%u", ++count);
    bed_subscribe(c, filter, 1);
    for (size_t i = 0; i < BED_NODES; i++)
        if (b->nodes[i] != NULL)
            BED_UNTIL(b, knows(b->nodes[i], c->id, filter));
}

static void a_late_log_entry_of_a_former_owner_is_ignored(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *other = bed_connect(one, "other", true);
    struct bed_client *c = bed_connect(one, "c", true);
    uint64_t former = c->hold.epoch - 1;
    bed_subscribe(c, "t", 1);
    say_of(b, LOG_UNSUBSCRIBED, "c", former, "t");
    say_of(b, LOG_SESSION_ENDED, "c", former, NULL);
    say_of(b, LOG_SUBSCRIBED, "c", former, "gone");
    settle(b, other);
    assert_true(knows(one, "c", "t"));
    assert_true(knows(two, "c", "t"));
    assert_false(knows(one, "c", "gone"));
    assert_false(knows(two, "c", "gone"));
}

static void a_node_that_loads_knows_how_new_sessions_are(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *other = bed_connect(one, "other", true);
    struct bed_client *c = bed_connect(one, "c", true);
    bed_subscribe(c, "t", 1);
    struct bed_node *two = bed_add_ready(b);
    assert_true(knows(two, "c", "t"));
    say_of(b, LOG_UNSUBSCRIBED, "c", c->hold.epoch - 1, "t");
    settle(b, other);
    assert_true(knows(two, "c", "t"));
}

static void an_owner_that_reads_its_own_clients_end_says_its_subscriptions_again(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *other = bed_connect(one, "other", true);
    struct bed_client *c = bed_connect(one, "c", true);
    bed_subscribe(c, "t", 1);
    say_of(b, LOG_SESSION_ENDED, "c", c->hold.epoch, NULL);
    settle(b, other);
    assert_true(knows(one, "c", "t"));
    BED_UNTIL(b, knows(two, "c", "t"));
    say_of(b, LOG_UNSUBSCRIBED, "c", c->hold.epoch, "t");
    settle(b, other);
    assert_true(knows(one, "c", "t"));
    BED_UNTIL(b, knows(two, "c", "t"));
}

/* The broker dies between an UNSUBSCRIBE's script and its log entry, and the client connects
 * elsewhere before anybody reaps. */
static void a_claim_says_removals_that_nobody_said(void **state)
{
    struct bed *b = *state;
    struct mqtt_slice filters[] = {bed_slice("t"), bed_slice("u")};
    b->cfg.lease_ms = 20000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_node *three = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    bed_subscribe(c, "t", 1);
    bed_subscribe(c, "u", 1);
    bed_subscribe(c, "v", 1);
    BED_UNTIL(b, knows(two, "c", "v") && knows(three, "c", "v"));
    /* Two of them are under way at once. */
    c->status = -1;
    for (int i = 0; i < 2; i++)
        one->store->ops->unsubscribe(one->store, &c->hold, &filters[i], 1, bed_on_done, c);
    one->store->ops->flush(one->store);
    one->stopped = true;
    bed_run(b, 50); /* Redis runs the scripts; nobody reads their answers */
    bed_kill(b, one);
    c = bed_connect(two, "c", true);
    assert_int_equal(c->sub_count, 1);
    assert_false(knows(three, "c", "t"));
    assert_false(knows(three, "c", "u"));
    assert_true(knows(three, "c", "v"));
}

static unsigned writing_connections(struct bed *b)
{
    redisReply *r = redisCommand(b->redis, "CLIENT LIST");
    unsigned count = 0;
    for (const char *at = r->str; (at = strstr(at, "name=flotilla-commands")) != NULL; at++)
        count++;
    freeReplyObject(r);
    return count;
}

/* What it wrote may lie in a socket's buffer, whatever it is. */
static void a_dead_nodes_connection_is_closed_before_it_is_reaped(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    bed_add_ready(b);
    assert_int_equal(writing_connections(b), 2);
    one->stopped = true;
    BED_UNTIL_MS(b, bed_redis(b, "HLEN fl:{r}:dead") == 1, 20000);
    BED_UNTIL(b, bed_redis(b, "HLEN fl:{r}:reap") == 0);
    assert_int_equal(writing_connections(b), 1);
    one->stopped = false;
    BED_UNTIL(b, one->start_overs == 1 && bed_ready(one));
    assert_false(c->connected);
}

/* Its claims are told, and what it does for other clients goes on. */
static void a_silent_owner_loses_one_client_and_nothing_else(void **state)
{
    struct bed *b = *state;
    b->cfg.lease_ms = 20000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *watcher = bed_connect(two, "watcher", true);
    bed_subscribe(watcher, "t/#", 1);
    struct bed_client *c = bed_connect(one, "c", true);
    struct bed_client *other = bed_connect(one, "other", true);
    BED_UNTIL(b, knows(one, "watcher", "t/#"));
    /* Both publish; nothing of it is written before the node stands still. */
    bed_publish_begin(other, "t/other", "1", 1, false, 0);
    bed_publish_begin(c, "t/c", "late", 1, true, 0);
    bed_publish_begin(other, "t/other", "2", 1, false, 0);
    one->stopped = true;
    bed_connect(two, "c", true);
    one->stopped = false;
    BED_UNTIL(b, one->fenced == 1);
    BED_UNTIL(b, other->status == STORE_OK && other->completions > 2);
    bed_fetch(watcher, 1, 10);
    assert_int_equal(watcher->entry_count, 2);
    assert_string_equal(watcher->entries[0].payload, "1");
    assert_string_equal(watcher->entries[1].payload, "2");
    assert_int_equal(bed_redis(b, "EXISTS fl:{t0}:v"), 0);
    assert_int_not_equal(c->status, STORE_OK);
}

/* Of a session's hash, by its client's id. Without blanks in the arguments. */
static long long of_session(struct bed *b, const char *client, const char *script)
{
    redisReply *keys = redisCommand(b->redis, "KEYS fl:{s*}:s:%s", client);
    assert_int_equal(keys->elements, 1);
    redisReply *r = redisCommand(b->redis, "EVAL %s 1 %s", script, keys->element[0]->str);
    assert_int_equal(r->type, REDIS_REPLY_INTEGER);
    long long answer = r->integer;
    freeReplyObject(r);
    freeReplyObject(keys);
    return answer;
}

/* Of two nodes that may have an older connection one can't be cut off: the next claim must ask both
 * again. */
static void a_client_that_one_node_may_still_have_is_asked_for_again(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    bed_disconnect(c, false);
    of_session(b, "c",
               "return redis.call('HSET', KEYS[1], 'lo', '00000000000000aa 00000000000000bb')");
    bed_redis(b, "SET fl:{n:00000000000000bb}:link broken");
    c = bed_connect_begin(one, "c", true, false, NULL);
    BED_UNTIL(b, c->status >= 0);
    assert_int_equal(c->status, STORE_UNAVAILABLE);
    bed_run(b, 50);
    assert_int_equal(of_session(b, "c", "return redis.call('HEXISTS', KEYS[1], 'lo')"), 1);
    bed_redis(b, "DEL fl:{n:00000000000000bb}:link");
    c = bed_connect(one, "c", true);
    bed_run(b, 50);
    assert_int_equal(of_session(b, "c", "return redis.call('HEXISTS', KEYS[1], 'lo')"), 0);
}

/* The claim handed out a removal for the log, and the log has it when nobody waits any more. */
static void a_connecting_that_took_too_long_leaves_its_clients_hold_alone(void **state)
{
    struct bed *b = *state;
    char *id = strdup("c");
    b->cfg.lease_ms = 60000;
    b->cfg.command_timeout_ms = 30000;
    struct bed_node *one = bed_add_ready(b);
    bed_disconnect(bed_connect(one, "c", true), false);
    of_session(b, "c", "return redis.call('HSET', KEYS[1], 'pu', cmsgpack.pack({'t'}))");
    struct bed_client *c = bed_connect_begin(one, "c", true, false, NULL);
    c->hold.client_id = id;
    one->store->ops->flush(one->store);
    assert_int_equal(bed_redis(b, "PUBSUB CHANNELS fl:n:none"), 0);
    bed_redis(b, "CLIENT PAUSE 11000 ALL"); /* the claim is answered, what follows isn't */
    BED_UNTIL_MS(b, c->status >= 0, 15000);
    assert_int_equal(c->status, STORE_UNAVAILABLE);
    assert_int_not_equal(c->hold.epoch, 0);
    free(id);
    bed_run(b, 1500);
    c->hold.client_id = c->id;
    bed_connect(one, "c", true);
}

/* One thing of each kind a turn: this node falls behind what it is sent. */
static void slow_turn(struct bed *b, struct bed_node *slow)
{
    struct timebox box;
    slow->stopped = true;
    bed_turn(b);
    timebox_open(&box, 0);
    store_input(slow->store, &box);
    slow->store->ops->flush(slow->store);
}

#define SLOW_UNTIL(b, slow, condition)                                                             \
    do {                                                                                           \
        uint64_t end_ = clock_monotonic_ms() + 5000;                                               \
        while (!(condition) && clock_monotonic_ms() < end_)                                        \
            slow_turn(b, slow);                                                                    \
        assert_true(condition);                                                                    \
    } while (0)

static bool retained_is(struct bed *b, const char *topic, const char *payload)
{
    redisReply *keys = redisCommand(b->redis, "KEYS fl:{t*}:v");
    assert_int_equal(keys->elements, 1);
    redisReply *r = redisCommand(b->redis, "HGET %s %s", keys->element[0]->str, topic);
    bool is =
        r->type == REDIS_REPLY_STRING && memmem(r->str, r->len, payload, strlen(payload)) != NULL;
    freeReplyObject(r);
    freeReplyObject(keys);
    return is;
}

/* Its node is behind with the log, so what the client published there waits to be matched again. The
 * client goes to another node, which doesn't ask the first one. */
static void a_publish_that_waits_is_over_some_time_after_its_connection(void **state)
{
    struct bed *b = *state;
    char filter[BED_TEXT];
    b->cfg.lease_ms = 20000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *watcher = bed_connect(two, "watcher", true);
    struct bed_client *c = bed_connect(one, "c", true);
    bed_publish(c, "t/2", "first", 1);
    for (int i = 0; i < 200; i++) {
        snprintf(filter, sizeof(filter), "f/%d", i);
        say_of(b, LOG_SUBSCRIBED, "other", watcher->hold.epoch, filter);
    }
    bed_publish_begin(c, "t/1", "old", 1, false, 0);
    SLOW_UNTIL(b, one, knows(one, "other", "f/4"));
    bed_publish_begin(c, "t/2", "old", 1, true, 0);
    bed_left(c);
    one->store->ops->disconnect(one->store, &c->hold, false, STORE_EXPIRES_NEVER, NULL, NULL);
    SLOW_UNTIL(b, one,
               of_session(b, "c", "return(redis.call('HGET',KEYS[1],'owner')=='')and(1)or(0)"));
    bed_subscribe(watcher, "t/#", 1);
    c = bed_connect(two, "c", true);
    bed_publish_begin(c, "t/1", "new", 1, false, 0);
    bed_publish_begin(c, "t/2", "new", 1, true, 0);
    BED_UNTIL(b, c->status >= 0);
    bed_run(b, 100);
    assert_false(knows(one, "other", "f/199"));
    one->stopped = false;
    BED_UNTIL(b, knows(one, "watcher", "t/#"));
    bed_run(b, 100);
    bed_fetch(watcher, 1, 10);
    assert_int_equal(watcher->entry_count, 2);
    assert_string_equal(watcher->entries[0].payload, "new");
    assert_string_equal(watcher->entries[1].payload, "new");
    assert_true(retained_is(b, "t/2", "new"));
}

/* Redis gets them in this order: where the text is in what MONITOR says, 0: it isn't there. */
static size_t place_of(const char *all, const char *text)
{
    const char *at = strstr(all, text);
    return at != NULL ? (size_t)(at - all) + 1 : 0;
}

static void what_a_connection_published_is_written_before_its_end(void **state)
{
    static char all[1 << 16];
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *watcher = bed_connect(one, "watcher", true);
    struct bed_client *c = bed_connect(one, "c", true);
    redisContext *monitor = redis_server_connect(&b->server);
    redisReply *r;
    bed_subscribe(watcher, "t/#", 1);
    freeReplyObject(redisCommand(monitor, "MONITOR"));
    bed_publish_begin(c, "t/1", "queued", 1, false, 0);
    bed_publish_begin(c, "t/2", "kept", 0, true, 0);
    bed_left(c);
    one->store->ops->disconnect(one->store, &c->hold, false, STORE_EXPIRES_NEVER, NULL, NULL);
    bed_run(b, 50);
    bed_redis(b, "EXISTS the-end");
    while (strstr(all, "the-end") == NULL) {
        assert_int_equal(redisGetReply(monitor, (void **)&r), REDIS_OK);
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s\n", r->str);
        freeReplyObject(r);
    }
    redisFree(monitor);
    assert_int_not_equal(place_of(all, "\"SREM\""), 0);
    assert_in_range(place_of(all, "queued"), 1, place_of(all, "\"SREM\""));
    assert_in_range(place_of(all, "kept"), 1, place_of(all, "\"SREM\""));
}

enum { BYSTANDERS = 120 };

static void restart_redis(struct bed *b)
{
    redis_server_kill(&b->server);
    redisFree(b->redis);
    assert_true(redis_server_run(&b->server, NULL, NULL));
    b->redis = redis_server_connect(&b->server);
    assert_non_null(b->redis);
}

/* Redis ends between the answer that names a connection and the word that closes it. In the next run
 * that number, and whatever else stands in its place, is another's. */
static void a_kill_that_another_run_gets_closes_nobody(void **state)
{
    struct bed *b = *state;
    redisContext *bystanders[BYSTANDERS];
    signal(SIGPIPE, SIG_IGN); /* of one that was closed */
    b->cfg.lease_ms = 20000;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    bed_connect(one, "c", true);
    one->stopped = true;
    struct bed_client *c = bed_connect_begin(two, "c", true, false, NULL);
    while (bed_redis(b, "KEYS fl:{n:*}:taken") == 0)
        bed_turn(b);
    event_base_loop(b->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    bed_input(two->store); /* it is answered, and nothing is written */
    restart_redis(b);
    for (size_t i = 0; i < BYSTANDERS; i++) {
        bystanders[i] = redis_server_connect(&b->server);
        assert_non_null(bystanders[i]);
    }
    BED_UNTIL(b, c->status >= 0);
    for (size_t i = 0; i < BYSTANDERS; i++) {
        redisReply *r = redisCommand(bystanders[i], "PING");
        assert_non_null(r);
        freeReplyObject(r);
        redisFree(bystanders[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_late_log_entry_of_a_former_owner_is_ignored, bed_setup,
                                        bed_teardown),
        cmocka_unit_test_setup_teardown(a_node_that_loads_knows_how_new_sessions_are, bed_setup,
                                        bed_teardown),
        cmocka_unit_test_setup_teardown(
            an_owner_that_reads_its_own_clients_end_says_its_subscriptions_again, bed_setup,
            bed_teardown),
        cmocka_unit_test_setup_teardown(a_claim_says_removals_that_nobody_said, bed_setup,
                                        bed_teardown),
        cmocka_unit_test_setup_teardown(a_dead_nodes_connection_is_closed_before_it_is_reaped,
                                        bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(a_silent_owner_loses_one_client_and_nothing_else, bed_setup,
                                        bed_teardown),
        cmocka_unit_test_setup_teardown(a_client_that_one_node_may_still_have_is_asked_for_again,
                                        bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(
            a_connecting_that_took_too_long_leaves_its_clients_hold_alone, bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(a_publish_that_waits_is_over_some_time_after_its_connection,
                                        bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(what_a_connection_published_is_written_before_its_end,
                                        bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(a_kill_that_another_run_gets_closes_nobody, bed_setup,
                                        bed_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
