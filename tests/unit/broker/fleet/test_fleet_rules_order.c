/* Rule 4: a call that Redis refuses for a while ("not now") is done before those that were written behind it, although
 * Redis was ready for them when they came. Promise 7: what has to be sent again comes before its publisher's newer
 * messages. */
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/scripts.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

/* What was written before has been dealt with: it was there when the first answer was given. */
static void let_redis_read(struct bed *b)
{
    for (int i = 0; i < 3; i++)
        freeReplyObject(redisCommand(b->redis, "PING"));
}

static void flush(struct bed_node *n)
{
    n->store->ops->flush(n->store);
    let_redis_read(n->bed);
}

static void say_not_now(struct bed *b)
{
    freeReplyObject(redisCommand(b->redis, "CONFIG SET min-replicas-to-write 1"));
}

static void say_ready(struct bed *b)
{
    freeReplyObject(redisCommand(b->redis, "CONFIG SET min-replicas-to-write 0"));
}

static void forget_scripts(struct bed *b)
{
    freeReplyObject(redisCommand(b->redis, "SCRIPT FLUSH"));
}

/* As another broker does it, that has found out by itself. */
static void load_scripts(struct bed *b)
{
    struct scripts scripts;
    assert_true(scripts_init(&scripts));
    for (size_t i = 0; i < SCRIPT_COUNT; i++)
        freeReplyObject(
            redisCommand(b->redis, "SCRIPT LOAD %b", scripts.text[i].text, scripts.text[i].len));
}

struct trouble {
    void (*begin)(struct bed *b);
    void (*end)(struct bed *b);
};
static const struct trouble not_now = {say_not_now, say_ready};
static const struct trouble no_scripts = {forget_scripts, load_scripts};

/* The first message is refused; the second one is written before that is read. Both are acknowledged. */
static void publish_two(struct bed_client *publisher, struct trouble trouble,
                        const char *const topics[2], bool retain)
{
    struct bed_node *n = publisher->node;
    unsigned before = publisher->completions;
    trouble.begin(n->bed);
    bed_publish_begin(publisher, topics[0], "first", 1, retain, 0);
    flush(n);
    trouble.end(n->bed);
    bed_publish_begin(publisher, topics[1], "second", 1, retain, 0);
    flush(n);
    BED_UNTIL(n->bed, publisher->completions == before + 2);
    assert_int_equal(publisher->status, STORE_OK);
}

static const char *const same[2] = {"t/1", "t/1"};
static const char *const two_topics[2] = {"t/1", "t/2"}; /* of one bucket */

static void queue_keeps_both(struct bed *b, struct trouble trouble)
{
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *publisher = bed_connect(one, "publisher", false);
    struct bed_client *c = bed_connect(two, "c", true);
    bed_subscribe(c, "t/1", 1);
    BED_UNTIL(b, one->sub_count == 1);
    publish_two(publisher, trouble, same, false);
    bed_fetch(c, c->next_sequence, 16);
    assert_int_equal(c->entry_count, 2);
    assert_string_equal(c->entries[0].payload, "first");
    assert_string_equal(c->entries[1].payload, "second");
}

static void a_queue_gets_what_was_refused_before_what_is_behind_it(void **state)
{
    queue_keeps_both(*state, not_now);
}

static void a_queue_gets_what_missed_its_script_before_what_is_behind_it(void **state)
{
    queue_keeps_both(*state, no_scripts);
}

static void an_inbox_gets_what_was_refused_before_what_is_behind_it(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *publisher = bed_connect(one, "publisher", false);
    struct bed_client *c = bed_connect(two, "c", false);
    bed_subscribe(c, "t/1", 1);
    BED_UNTIL(b, one->route_count == 1);
    publish_two(publisher, not_now, same, false);
    BED_UNTIL(b, two->got_count >= 2);
    bed_run(b, 50);
    assert_int_equal(two->got_count, 2);
    assert_string_equal(two->got[0].payload, "first");
    assert_string_equal(two->got[1].payload, "second");
}

static void assert_value(struct bed *b, const char *topic, const char *payload)
{
    redisReply *keys = redisCommand(b->redis, "KEYS fl:{t*}:v");
    assert_int_equal(keys->elements, 1);
    redisReply *r = redisCommand(b->redis, "HGET %s %s", keys->element[0]->str, topic);
    assert_int_equal(r->type, REDIS_REPLY_STRING);
    assert_non_null(strstr(r->str + strlen(topic), payload)); /* behind the frame's flags */
    freeReplyObject(r);
    freeReplyObject(keys);
}

static void set_values(struct bed *b, struct trouble trouble, const char *const topics[2])
{
    struct bed_node *one = bed_add_ready(b);
    publish_two(bed_connect(one, "publisher", false), trouble, topics, true);
    assert_value(b, topics[1], "second");
    if (topics != same)
        assert_value(b, topics[0], "first");
}

static void a_value_that_was_refused_is_set_before_what_is_behind_it(void **state)
{
    set_values(*state, not_now, two_topics);
}

static void a_value_that_missed_its_script_is_set_before_what_is_behind_it(void **state)
{
    set_values(*state, no_scripts, two_topics);
}

static void a_value_that_was_refused_covers_no_newer_one(void **state)
{
    set_values(*state, not_now, same);
}

/* ---- queue.lua ------------------------------------------------------------------------------- */

/* One call with a message for "c". True: it was done, or had been before; false: refused. */
static bool call_queue(struct bed *b, const char *number, const char *before)
{
    struct scripts scripts;
    assert_true(scripts_init(&scripts));
    redisReply *r = redisCommand(
        b->redis, "EVALSHA %s 1 fl:{s1}: node:run %s %s 0 0 60000 100 1 frame %s c 0 1",
        scripts.sha[SCRIPT_QUEUE], number, before, "");
    assert_non_null(r);
    bool is_done = r->type == REDIS_REPLY_ARRAY;
    assert_true(is_done || strcmp(r->str, "refused") == 0);
    freeReplyObject(r);
    return is_done;
}

static void a_call_of_queue_isnt_done_while_the_one_before_it_is_missing(void **state)
{
    struct bed *b = *state;
    bed_add_ready(b); /* loads the scripts */
    bed_redis(b, "HSET fl:{s1}:s:c owner x dur 1 nseq 0");
    assert_false(call_queue(b, "8", "7"));
    assert_int_equal(bed_redis(b, "XLEN fl:{s1}:q:c"), 0);
    assert_true(call_queue(b, "7", "0"));
    assert_true(call_queue(b, "8", "7"));
    assert_int_equal(bed_redis(b, "XLEN fl:{s1}:q:c"), 2);
    assert_true(call_queue(b, "7", "0")); /* again */
    assert_true(call_queue(b, "8", "7"));
    assert_int_equal(bed_redis(b, "XLEN fl:{s1}:q:c"), 2);
}

/* In another run of Redis than it was written for. */
static void a_call_that_names_no_number_is_done_if_it_was_done_before(void **state)
{
    struct bed *b = *state;
    bed_add_ready(b);
    bed_redis(b, "HSET fl:{s1}:s:c owner x dur 1 nseq 0");
    assert_true(call_queue(b, "7", "0"));
    assert_true(call_queue(b, "7", "x"));
    assert_false(call_queue(b, "8", "x"));
    assert_int_equal(bed_redis(b, "XLEN fl:{s1}:q:c"), 1);
}

/* ---- promise 7 ------------------------------------------------------------------------------- */

static void no_room(struct bed *b)
{
    freeReplyObject(redisCommand(b->redis, "CONFIG SET maxmemory 1"));
}

static void some_room(struct bed *b)
{
    freeReplyObject(redisCommand(b->redis, "CONFIG SET maxmemory 0"));
}

static void what_found_no_room_comes_before_what_is_newer(void **state)
{
    queue_keeps_both(*state, (struct trouble){no_room, some_room});
}

static bool knows_session(struct bed *b)
{
    return bed_redis(b, "KEYS fl:{s*}:s:c") == 1;
}

/* Redis lost everything. The session's holder asserts it when the first message was told that there is no such session,
 * and before that is read. */
static void what_found_no_session_comes_before_what_is_newer(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *publisher = bed_connect(one, "publisher", false);
    struct bed_client *c = bed_connect(two, "c", true);
    const struct fleet *f = (const struct fleet *)one->store;
    unsigned before = publisher->completions;
    bed_subscribe(c, "t/1", 1);
    BED_UNTIL(b, one->sub_count == 1);
    redis_server_kill(&b->server);
    redisFree(b->redis);
    assert_true(redis_server_run(&b->server, "--appendonly", "no"));
    b->redis = redis_server_connect(&b->server);
    two->stopped = true;
    BED_UNTIL_MS(b, f->lost_until_ms != 0 && fleet_log_is_valid(f),
                 700); /* it is in doubt for a second */
    assert_false(knows_session(b));
    bed_publish_begin(publisher, "t/1", "first", 1, false, 0);
    flush(one);
    one->stopped = true;
    two->stopped = false;
    BED_UNTIL_MS(b, knows_session(b), 500);
    one->stopped = false;
    bed_publish_begin(publisher, "t/1", "second", 1, false, 0);
    flush(one);
    BED_UNTIL(b, publisher->completions == before + 2);
    bed_fetch_first(c, c->next_sequence, 16);
    assert_int_equal(c->entry_count, 2);
    assert_string_equal(c->entries[0].payload, "first");
    assert_string_equal(c->entries[1].payload, "second");
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        IN_BED(a_queue_gets_what_was_refused_before_what_is_behind_it),
        IN_BED(a_queue_gets_what_missed_its_script_before_what_is_behind_it),
        IN_BED(an_inbox_gets_what_was_refused_before_what_is_behind_it),
        IN_BED(a_value_that_was_refused_is_set_before_what_is_behind_it),
        IN_BED(a_value_that_missed_its_script_is_set_before_what_is_behind_it),
        IN_BED(a_value_that_was_refused_covers_no_newer_one),
        IN_BED(a_call_of_queue_isnt_done_while_the_one_before_it_is_missing),
        IN_BED(a_call_that_names_no_number_is_done_if_it_was_done_before),
        IN_BED(what_found_no_room_comes_before_what_is_newer),
        IN_BED(what_found_no_session_comes_before_what_is_newer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
