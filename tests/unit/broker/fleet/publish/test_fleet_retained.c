/* Retained values in Redis: exact and wildcard filters, in chunks and never cut short, newest wins,
 * replays repeat nothing. */
#include "broker/fleet/wire/fleet_keys.h"
#include "broker/fleet/wire/scripts.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

struct reading {
    struct bed_node *node;
    struct bed_message *got;
    size_t count, size;
    unsigned chunks;
    int status;
};

static void on_each(void *arg, const struct message *m)
{
    struct reading *r = arg;
    bed_note(&r->got, &r->count, &r->size, m);
}

static void on_chunk(void *arg, struct store_retained_read *read)
{
    struct reading *r = arg;
    r->chunks++;
    r->node->store->ops->retained_continue(read);
}

static void on_read_done(void *arg, enum store_status status)
{
    struct reading *r = arg;
    r->status = (int)status;
}

static struct reading read_all(struct bed_node *n, const char *filter)
{
    struct reading r = {.node = n, .status = -1};
    n->store->ops->retained_start(n->store, bed_slice(filter), on_each, on_chunk, on_read_done, &r);
    BED_UNTIL(n->bed, r.status >= 0);
    assert_int_equal(r.status, STORE_OK);
    return r;
}

static size_t count_of(struct bed_node *n, const char *filter)
{
    struct reading r = read_all(n, filter);
    free(r.got);
    return r.count;
}

static void retain(struct bed_client *c, const char *topic, const char *payload)
{
    bed_publish_begin(c, topic, payload, 1, true, 0);
    BED_UNTIL(c->node->bed, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
}

static void filters_match_as_mqtt_says(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    static const char *const topics[] = {"a",     "a/b",  "a/b/c",  "a/x",      "ab/c",
                                         "/lead", "$S/x", "a[b]/c", "a b/}{/x", "a/b/"};
    static const struct {
        const char *filter;
        size_t count;
    } expected[] = {
        {"a", 1},     {"a/#", 5},    {"a/+", 2},  {"a/b/#", 3}, {"+/b", 1},
        {"#", 9},     {"+", 1},      {"+/+", 5},  {"$S/#", 1},  {"a[b]/+", 1},
        {"a b/#", 1}, {"none/#", 0}, {"ab/c", 1}, {"/+", 1},    {"a/b/+", 2},
    };

    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
        retain(c, topics[i], "v");
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        size_t count = count_of(one, expected[i].filter);
        if (count != expected[i].count)
            print_error("%s: %zu\n", expected[i].filter, count);
        assert_int_equal(count, expected[i].count);
    }
}

static void the_newest_value_is_read_and_a_cleared_one_is_gone(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct bed_client *d = bed_connect(two, "d", false);
    retain(c, "t/1", "old");
    retain(d, "t/1", "new");
    struct reading r = read_all(one, "t/1");
    assert_int_equal(r.count, 1);
    assert_string_equal(r.got[0].payload, "new");
    assert_true(r.got[0].retain);
    free(r.got);
    bed_publish_begin(c, "t/2", "by qos 0", 0, true, 0);
    BED_UNTIL(b, count_of(two, "t/#") == 2);
    retain(c, "t/1", "");
    assert_int_equal(count_of(two, "t/1"), 0);
    assert_int_equal(count_of(two, "#"), 1);
}

static void twenty_thousand_topics_are_read_whole(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    char topic[40];
    unsigned before = c->completions;
    for (int i = 0; i < 20000; i++) {
        snprintf(topic, sizeof(topic), "fleet%d/car/%d", i % 3, i);
        bed_publish_begin(c, topic, topic, 1, true, 0);
        if (i % 500 == 0)
            bed_turn(b);
    }
    BED_UNTIL_MS(b, c->completions - before == 20000, 20000);
    uint64_t begin = clock_monotonic_ms();
    struct reading r = read_all(two, "#");
    assert_int_equal(r.count, 20000);
    assert_true(r.chunks > 10);
    free(r.got);
    assert_int_equal(count_of(two, "fleet1/car/+"), 6667);
    assert_int_equal(count_of(two, "+/car/1999"), 1);
    print_message("three walks: %d ms\n", (int)(clock_monotonic_ms() - begin));
}

static struct fleet_key t_1_bucket(void)
{
    struct fleet_keys keys;
    fleet_keys_init(&keys, "");
    return fleet_key_topics(&keys, fleet_topic_bucket(bed_slice("t/1")));
}

struct retain_call {
    const char *number, *before, *is_set, *value, *id;
};

/* One call of the script, as a link writes it (and writes it again after a reconnect). True: it was done, or had been
 * before; false: refused. */
static bool call_retain_named(struct bed *b, const struct scripts *scripts, const char *node,
                              struct retain_call c)
{
    struct fleet_key key = t_1_bucket();
    redisReply *r = redisCommand(b->redis, "EVALSHA %s 1 %s %s %s %s 60000 50000 1 %s t/1 %s %s",
                                 scripts->sha[SCRIPT_RETAIN], key.text, node, c.number, c.before,
                                 c.is_set, c.value, c.id);
    assert_non_null(r);
    bool is_done = r->type == REDIS_REPLY_ARRAY;
    assert_true(is_done || strcmp(r->str, "refused") == 0);
    freeReplyObject(r);
    return is_done;
}

static void assert_value(struct bed *b, const char *value)
{
    struct fleet_key key = t_1_bucket();
    redisReply *r = redisCommand(b->redis, "HGET %sv t/1", key.text);
    assert_string_equal(r->str, value);
    freeReplyObject(r);
}

static void call_retain(struct bed *b, const struct scripts *scripts, const char *node,
                        const char *number, const char *value, const char *id)
{
    call_retain_named(b, scripts, node, (struct retain_call){number, "0", "1", value, id});
}

static void a_replay_doesnt_bring_an_old_value_back(void **state)
{
    struct bed *b = *state;
    struct scripts scripts;
    struct fleet_key key = t_1_bucket();
    bed_add_ready(b); /* loads the scripts */
    assert_true(scripts_init(&scripts));
    call_retain(b, &scripts, "one", "1", "of one", "");
    call_retain(b, &scripts, "two", "1", "of two", "");
    call_retain(b, &scripts, "one", "1", "of one", "");
    redisReply *r = redisCommand(b->redis, "HGET %sv t/1", key.text);
    assert_string_equal(r->str, "of two");
    freeReplyObject(r);
    call_retain(b, &scripts, "one", "2", "newer", "");
    r = redisCommand(b->redis, "HGET %sv t/1", key.text);
    assert_string_equal(r->str, "newer");
    freeReplyObject(r);
}

/* A will, say, whose publisher died before it had cleared it: another node publishes it again. */
static void a_value_whose_id_is_known_covers_nothing_that_was_set_since(void **state)
{
    struct bed *b = *state;
    struct scripts scripts;
    bed_add_ready(b);
    assert_true(scripts_init(&scripts));
    call_retain(b, &scripts, "one", "1", "will", "id");
    call_retain(b, &scripts, "two", "1", "online", "");
    call_retain(b, &scripts, "two", "2", "will", "id");
    assert_value(b, "online");
    call_retain(b, &scripts, "two", "3", "will", "other id");
    assert_value(b, "will");
}

/* The call counts, so that those behind it are done. */
static void a_value_that_was_taken_from_its_node_is_skipped(void **state)
{
    struct bed *b = *state;
    struct scripts scripts;
    bed_add_ready(b);
    assert_true(scripts_init(&scripts));
    call_retain(b, &scripts, "one", "1", "value", "");
    assert_true(
        call_retain_named(b, &scripts, "one", (struct retain_call){"2", "1", "0", "x", ""}));
    assert_value(b, "value");
    assert_true(
        call_retain_named(b, &scripts, "one", (struct retain_call){"3", "2", "1", "y", ""}));
    assert_value(b, "y");
}

/* The older value would be taken for a repeat, and never be set. */
static void a_value_isnt_set_while_the_one_before_it_is_missing(void **state)
{
    struct bed *b = *state;
    struct scripts scripts;
    struct retain_call second = {"2", "1", "1", "second", ""};
    struct retain_call third = {"3", "2", "1", "third", ""};
    bed_add_ready(b);
    assert_true(scripts_init(&scripts));
    assert_false(call_retain_named(b, &scripts, "one", second)); /* the first one failed */
    assert_false(call_retain_named(b, &scripts, "one", third));
    call_retain(b, &scripts, "one", "1", "first", "");
    assert_value(b, "first");
    assert_true(call_retain_named(b, &scripts, "one", second));
    assert_true(call_retain_named(b, &scripts, "one", third));
    assert_true(call_retain_named(b, &scripts, "one", second)); /* again */
    assert_value(b, "third");
}

/* Who publishes with ever new ids fills no memory with them. */
static void ids_of_values_are_remembered_within_a_bound(void **state)
{
    struct bed *b = *state;
    struct scripts scripts;
    struct fleet_key key = t_1_bucket();
    bed_add_ready(b);
    assert_true(scripts_init(&scripts));
    redisReply *r =
        redisCommand(b->redis, "EVAL %s 1 %sseen",
                     "local t = redis.call('TIME') local now = t[1] * 1000 "
                     "for i = 1, 50000 do redis.call('ZADD', KEYS[1], now, i) end return 1",
                     key.text);
    assert_int_equal(r->integer, 1);
    freeReplyObject(r);
    call_retain(b, &scripts, "one", "1", "will", "id");
    call_retain(b, &scripts, "two", "1", "online", "");
    call_retain(b, &scripts, "two", "2", "will", "id");
    r = redisCommand(b->redis, "ZCARD %sseen", key.text);
    assert_in_range(r->integer, 1, 50000);
    freeReplyObject(r);
    r = redisCommand(b->redis, "HGET %sv t/1", key.text);
    assert_string_equal(r->str, "online");
    freeReplyObject(r);
}

static void cancel_chunk(void *arg, struct store_retained_read *read)
{
    struct reading *r = arg;
    r->chunks++;
    r->node->store->ops->retained_cancel(read);
}

static void a_cancelled_reading_says_nothing_more(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct reading r = {.node = one, .status = -1};
    char topic[40];
    for (int i = 0; i < 300; i++) {
        snprintf(topic, sizeof(topic), "t/%d", i);
        bed_publish_begin(c, topic, "v", 1, true, 0);
    }
    BED_UNTIL(b, c->status == STORE_OK);
    one->store->ops->retained_start(one->store, bed_slice("#"), on_each, cancel_chunk, on_read_done,
                                    &r);
    BED_UNTIL(b, r.chunks == 1);
    bed_run(b, 50);
    assert_int_equal(r.chunks, 1);
    assert_int_equal(r.status, -1);
    assert_true(r.count < 300);
    free(r.got);
}

struct measure {
    struct bed_node *node;
    size_t bytes, most; /* of this round; of one round */
    size_t count;
    int status;
};

static void measure_each(void *arg, const struct message *m)
{
    struct measure *r = arg;
    r->bytes += m->payload.len;
    r->count++;
    r->most = r->bytes > r->most ? r->bytes : r->most;
}

static void measure_chunk(void *arg, struct store_retained_read *read)
{
    struct measure *r = arg;
    r->bytes = 0;
    r->node->store->ops->retained_continue(read);
}

static void measure_done(void *arg, enum store_status status)
{
    struct measure *r = arg;
    r->status = (int)status;
}

/* Three read at the same time: each gets all, and no answer has more than a piece, or one value. */
static void large_values_are_read_one_at_a_time(void **state)
{
    enum { VALUES = 20, SIZE = 100000, SMALL = 30 };
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct measure readings[3];
    char *payload = malloc(SIZE + 1);
    char topic[40];

    assert_non_null(payload);
    memset(payload, 'x', SIZE);
    payload[SIZE] = '\0';
    for (int i = 0; i < VALUES; i++) {
        snprintf(topic, sizeof(topic), "t/%d", i);
        retain(c, topic, payload);
    }
    payload[10000] = '\0';
    for (int i = 0; i < SMALL; i++) {
        snprintf(topic, sizeof(topic), "t/s%d", i);
        retain(c, topic, payload);
    }
    for (int i = 0; i < 3; i++) {
        readings[i] = (struct measure){.node = one, .status = -1};
        one->store->ops->retained_start(one->store, bed_slice("t/#"), measure_each, measure_chunk,
                                        measure_done, &readings[i]);
    }
    for (int i = 0; i < 3; i++) {
        BED_UNTIL(b, readings[i].status >= 0);
        assert_int_equal(readings[i].status, STORE_OK);
        assert_int_equal(readings[i].count, VALUES + SMALL);
        assert_in_range(readings[i].most, 1, SIZE + 65536);
    }
    free(payload);
}

/* As many of a turn as make a piece. */
static void values_of_one_turn_are_set_in_pieces(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct scripts scripts;
    char *payload = malloc(4001);
    char topic[40];
    size_t calls = 0;
    assert_true(scripts_init(&scripts));
    assert_non_null(payload);
    memset(payload, 'x', 4000);
    payload[4000] = '\0';
    freeReplyObject(redisCommand(b->redis, "CONFIG SET slowlog-max-len 10000"));
    freeReplyObject(redisCommand(b->redis, "CONFIG SET slowlog-log-slower-than 0"));
    for (int i = 0; i < 100; i++) {
        snprintf(topic, sizeof(topic), "t/%d", i);
        bed_publish_begin(c, topic, payload, 1, true, 0);
    }
    BED_UNTIL(b, c->completions >= 100);
    redisReply *r = redisCommand(b->redis, "SLOWLOG GET 10000");
    for (size_t i = 0; i < r->elements; i++) {
        const redisReply *command = r->element[i]->element[3];
        calls += command->elements > 2 &&
                 strcmp(command->element[1]->str, scripts.sha[SCRIPT_RETAIN]) == 0;
    }
    freeReplyObject(r);
    assert_in_range(calls, 6, 20);
    assert_int_equal(count_of(one, "t/#"), 100);
    free(payload);
}

enum { BACKLOG = 400 };

/* A value is told behind all that was sent before it was read, however far the node is behind. */
static void a_node_that_is_behind_tells_a_value_after_what_is_older(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", false);
    struct bed_client *publisher = bed_connect(two, "publisher", true);
    struct reading r = {.node = one, .status = -1};
    bed_subscribe(c, "t", 1);
    BED_UNTIL(b, two->route_count == 1);
    one->stopped = true;
    for (int i = 0; i < BACKLOG; i++)
        bed_publish_begin(publisher, "t", "live", 1, i == BACKLOG - 1, 0);
    BED_UNTIL(b, publisher->completions > BACKLOG);
    one->store->ops->retained_start(one->store, bed_slice("t"), on_each, on_chunk, on_read_done,
                                    &r);
    while (r.status < 0) {
        struct timebox box;
        bed_turn(b);
        redis_server_nap(); /* more than a second for all of it */
        timebox_open(&box, 0);
        store_input(one->store, &box);
        assert_true(r.count == 0 || one->got_count == BACKLOG);
        one->store->ops->flush(one->store);
    }
    assert_int_equal(r.status, STORE_OK);
    assert_int_equal(r.count, 1);
    assert_int_equal(one->got_count, BACKLOG);
    free(r.got);
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        IN_BED(filters_match_as_mqtt_says),
        IN_BED(the_newest_value_is_read_and_a_cleared_one_is_gone),
        IN_BED(twenty_thousand_topics_are_read_whole),
        IN_BED(a_replay_doesnt_bring_an_old_value_back),
        IN_BED(a_value_whose_id_is_known_covers_nothing_that_was_set_since),
        IN_BED(a_value_that_was_taken_from_its_node_is_skipped),
        IN_BED(a_value_isnt_set_while_the_one_before_it_is_missing),
        IN_BED(ids_of_values_are_remembered_within_a_bound),
        IN_BED(large_values_are_read_one_at_a_time),
        IN_BED(values_of_one_turn_are_set_in_pieces),
        IN_BED(a_cancelled_reading_says_nothing_more),
        IN_BED(a_node_that_is_behind_tells_a_value_after_what_is_older),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
