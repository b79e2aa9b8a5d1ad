/* What a fleet keeps in Redis: under which names, in which format, in pieces of which size. */
#include "broker/fleet/wire/fleet_keys.h"
#include "broker/fleet/wire/fleet_piece.h"
#include "broker/fleet/wire/scripts.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

static void bed_do(struct bed *b, const char *command)
{
    redisReply *r = redisCommand(b->redis, command);
    assert_non_null(r);
    assert_int_not_equal(r->type, REDIS_REPLY_ERROR);
    freeReplyObject(r);
}

static const char *trouble_of(const struct bed_node *n)
{
    return n->store->ops->trouble(n->store);
}

/* What a fleet's brokers compute buckets with: what Redis has as its secret. */
static struct fleet_keys keys_of(struct bed *b)
{
    redisReply *r = redisCommand(b->redis, "GET fl:{r}:secret");
    struct fleet_keys keys;
    fleet_keys_init(&keys, "");
    assert_non_null(r);
    if (r->type == REDIS_REPLY_STRING)
        assert_true(fleet_keys_set_secret(&keys, r->str, r->len));
    freeReplyObject(r);
    return keys;
}

static bool has_session(struct bed *b, const struct fleet_keys *keys, const char *client)
{
    unsigned bucket = fleet_client_bucket(keys, mqtt_slice_of(client, strlen(client)));
    redisReply *r =
        redisCommand(b->redis, "EXISTS %ss:%s", fleet_key_clients(keys, bucket).text, client);
    bool there = r != NULL && r->integer == 1;
    freeReplyObject(r);
    return there;
}

static void fleets_of_different_names_on_one_database_dont_meet(void **state)
{
    struct bed *b = *state;
    struct bed_node *plain = bed_add_ready(b);
    b->cfg.name = "one";
    struct bed_node *one = bed_add_ready(b);
    b->cfg.name = "two";
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *here = bed_connect(plain, "same-id", true);
    struct bed_client *there = bed_connect(one, "same-id", true);
    struct bed_client *publisher = bed_connect(two, "same-id", true);
    bed_subscribe(here, "t/#", 1);
    bed_subscribe(there, "t/#", 1);
    bed_publish(publisher, "t/1", "m", 1);
    bed_publish(there, "t/1", "own", 1);
    bed_fetch(here, 1, 10);
    assert_int_equal(here->entry_count, 0);
    bed_fetch(there, 1, 10);
    assert_int_equal(there->entry_count, 1);
    assert_true(here->connected && there->connected && publisher->connected);
    assert_int_equal(plain->asked + one->asked + two->asked, 0);
    assert_int_equal(plain->route_count + two->route_count, 0);
    assert_int_equal(bed_redis(b, "HLEN fl:{r}:nodes"), 1);
    assert_int_equal(bed_redis(b, "HLEN fl.one:{r}:nodes"), 1);
}

static void a_fresh_fleet_has_a_format_and_a_secret_that_all_nodes_share(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct fleet_keys keys = keys_of(b);
    char id[BED_TEXT];
    assert_true(keys.keyed);
    assert_int_equal(bed_redis(b, "GET fl:{r}:format"), FLEET_FORMAT);
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof(id), "device-%d", i);
        bed_connect(one, id, true);
        assert_true(has_session(b, &keys, id));
        assert_true(bed_connect(two, id, true)->present);
    }
    assert_int_equal(one->asked, 20);
}

static void a_secret_that_redis_lost_is_the_same_again(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "device", true);
    struct fleet_keys keys = keys_of(b);
    bed_do(b, "FLUSHALL");
    BED_UNTIL(b, bed_redis(b, "EXISTS fl:{r}:secret") == 1);
    BED_UNTIL(b, has_session(b, &keys, "device"));
    struct fleet_keys again = keys_of(b);
    assert_memory_equal(again.secret, keys.secret, sizeof(keys.secret));
    assert_true(c->connected);
    assert_int_equal(one->start_overs, 0);
}

static void who_finds_another_secret_begins_anew(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    bed_connect(one, "device", true);
    bed_do(b, "MULTI");
    bed_do(b, "FLUSHALL");
    bed_do(b, "SET fl:{r}:ver 1");
    bed_do(b, "SET fl:{r}:format 2");
    bed_do(b, "SET fl:{r}:secret 000102030405060708090a0b0c0d0e0f");
    bed_do(b, "EXEC");
    BED_UNTIL(b, one->start_overs == 1 && bed_ready(one));
    bed_connect(one, "device", true);
    struct fleet_keys keys = keys_of(b);
    assert_true(has_session(b, &keys, "device"));
}

static void data_of_another_format_is_left_alone(void **state)
{
    struct bed *b = *state;
    bed_do(b, "SET fl:{r}:ver 7");
    bed_do(b, "SET fl:{r}:format 3");
    struct bed_node *n = bed_add(b);
    BED_UNTIL(b, trouble_of(n) != NULL);
    bed_run(b, 2 * b->cfg.lease_ms + 500);
    assert_false(bed_ready(n));
    assert_non_null(strstr(trouble_of(n), "format"));
    assert_int_equal(bed_redis(b, "DBSIZE"), 3); /* and the node's connection, which expires */
    bed_do(b, "SET fl:{r}:format 2");
    BED_UNTIL(b, bed_ready(n));
    assert_null(trouble_of(n));
}

static void data_from_before_formats_is_carried_on_when_its_brokers_are_gone(void **state)
{
    struct bed *b = *state;
    struct fleet_keys unkeyed;
    fleet_keys_init(&unkeyed, "");
    bed_do(b, "SET fl:{r}:ver 7");
    bed_do(b, "HSET fl:{r}:nodes 0123456789abcdef 5");
    struct bed_node *n = bed_add(b);
    uint64_t until = clock_monotonic_ms() + 2 * b->cfg.lease_ms + 500;
    while (clock_monotonic_ms() < until) { /* one of them is at work */
        bed_run(b, 100);
        bed_do(b, "HINCRBY fl:{r}:nodes 0123456789abcdef 1");
        assert_false(bed_ready(n));
    }
    assert_int_equal(bed_redis(b, "HLEN fl:{r}:nodes"), 1);
    BED_UNTIL(b, bed_ready(n));
    assert_int_equal(bed_redis(b, "GET fl:{r}:format"), FLEET_FORMAT);
    assert_int_equal(bed_redis(b, "EXISTS fl:{r}:secret"), 0);
    bed_connect(n, "device", true);
    assert_true(has_session(b, &unkeyed, "device"));
    assert_true(bed_ready(bed_add_ready(b)));
}

/* ---- in pieces ------------------------------------------------------------------------------- */

enum { MANY = 300, LONG_FILTER = 1000 };

/* Filters that together are several pieces (fleet_piece.h). */
struct many {
    char text[MANY][LONG_FILTER + 1];
    struct mqtt_slice filters[MANY];
    struct store_subscription subs[MANY];
};

static struct many *many_filters(void)
{
    struct many *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    for (int i = 0; i < MANY; i++) {
        memset(m->text[i], 'x', LONG_FILTER);
        m->text[i][snprintf(m->text[i], LONG_FILTER, "%d/", i)] = 'x';
        m->filters[i] = bed_slice(m->text[i]);
        m->subs[i] = (struct store_subscription){.filter = m->filters[i], .qos = 1};
    }
    return m;
}

static void subscribe_many(struct bed_client *c, const struct many *m)
{
    for (int i = 0; i < MANY; i++)
        bed_subscribed(c->node, bed_slice(c->id), &m->subs[i]);
    c->node->store->ops->subscribe(c->node->store, &c->hold, m->subs, MANY, bed_on_done, c);
}

static void unsubscribe_many(struct bed_client *c, const struct many *m)
{
    for (int i = 0; i < MANY; i++)
        bed_unsubscribed(c->node, bed_slice(c->id), m->filters[i]);
    c->node->store->ops->unsubscribe(c->node->store, &c->hold, m->filters, MANY, bed_on_done, c);
}

/* The entries of the log from a version on, and the largest one's bytes. */
static size_t entries_from(struct bed *b, long long ver, size_t *largest)
{
    redisReply *r = redisCommand(b->redis, "XRANGE fl:{r}:log (%lld-0 +", ver);
    size_t count = r->elements;
    *largest = 0;
    for (size_t i = 0; i < count; i++) {
        size_t len = r->element[i]->element[1]->element[3]->len;
        if (len > *largest)
            *largest = len;
    }
    freeReplyObject(r);
    return count;
}

static void entries_of_the_log_have_a_bound(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    struct many *m = many_filters();
    long long ver = bed_redis(b, "GET fl:{r}:ver");
    size_t largest;
    c->status = -1;
    subscribe_many(c, m);
    BED_UNTIL(b, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
    BED_UNTIL(b, two->sub_count == MANY);
    assert_true(entries_from(b, ver, &largest) >= 2 * MANY * LONG_FILTER / FLEET_PIECE_BYTES);
    assert_true(largest < FLEET_PIECE_BYTES + 2 * LONG_FILTER);
    c->status = -1;
    unsubscribe_many(c, m);
    BED_UNTIL(b, c->status >= 0);
    BED_UNTIL(b, two->sub_count == 0);
    free(m);
}

static void the_log_is_trimmed_by_bytes(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct scripts scripts;
    char hex[32];
    char *data = malloc(1 << 20);
    long long bytes = 0;
    size_t largest;
    assert_true(scripts_init(&scripts));
    assert_non_null(data);
    memset(data, 'x', 1 << 20);
    {
        redisReply *r = redisCommand(b->redis, "HKEYS fl:{r}:nodes");

        snprintf(hex, sizeof(hex), "%s", r->element[0]->str);
        freeReplyObject(r);
    }
    one->stopped = true;
    for (int i = 0; i < 50; i++) {
        redisReply *r = redisCommand(b->redis, "EVALSHA %s 1 fl:{r}: %s %d %b 20000 33554432",
                                     scripts.sha[SCRIPT_APPEND], hex, 1000 + i, data, 1 << 20);
        assert_int_equal(r->type, REDIS_REPLY_ARRAY);
        bytes = r->element[2]->integer;
        assert_true(bytes <= 32 << 20);
        freeReplyObject(r);
    }
    assert_true(bytes >= 24 << 20);
    assert_in_range(entries_from(b, 0, &largest), bytes / (1 << 20), 33);
    assert_int_equal(entries_from(b, bed_redis(b, "GET fl:{r}:ver") - 1, &largest), 1);
    free(data);
}

static void a_session_of_many_filters_is_loaded_in_parts(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "many", true);
    struct bed_client *d = bed_connect(one, "few", true);
    struct many *m = many_filters();
    c->status = -1;
    subscribe_many(c, m);
    bed_subscribe(d, "t/#", 1);
    BED_UNTIL(b, c->status >= 0);
    redisReply *r = redisCommand(b->redis, "INFO commandstats");
    long long calls =
        atoll(strstr(r->str, "cmdstat_evalsha:calls=") + strlen("cmdstat_evalsha:calls="));
    freeReplyObject(r);
    struct bed_node *late = bed_add_ready(b);
    assert_int_equal(late->sub_count, MANY + 1);
    r = redisCommand(b->redis, "INFO commandstats");
    assert_true(atoll(strstr(r->str, "cmdstat_evalsha:calls=") + strlen("cmdstat_evalsha:calls=")) -
                    calls >=
                FLEET_CLIENT_BUCKETS + MANY * LONG_FILTER / FLEET_PIECE_BYTES);
    freeReplyObject(r);
    /* And again after what was removed meanwhile went by this node. */
    late->stopped = true;
    bed_unsubscribe(d, "t/#");
    c->status = -1;
    unsubscribe_many(c, m);
    BED_UNTIL(b, c->status >= 0);
    c->status = -1;
    c->node->store->ops->subscribe(c->node->store, &c->hold, m->subs, MANY - 50, bed_on_done, c);
    BED_UNTIL(b, c->status >= 0);
    freeReplyObject(redisCommand(b->redis, "XTRIM fl:{r}:log MAXLEN 0"));
    bed_subscribe(d, "u/#", 1); /* behind the hole */
    late->stopped = false;
    BED_UNTIL(b, late->sub_count == MANY - 50 + 1);
    free(m);
}

static bool is_marked_full(struct bed *b)
{
    redisReply *keys = redisCommand(b->redis, "KEYS fl:{s*}:s:c");
    assert_int_equal(keys->elements, 1);
    redisReply *r = redisCommand(b->redis, "HEXISTS %s qf", keys->element[0]->str);
    bool marked = r->integer == 1;
    freeReplyObject(r);
    freeReplyObject(keys);
    return marked;
}

/* So that its next filling is named in the log, too. */
static void a_queue_that_was_full_is_so_until_it_is_half_empty(struct bed *b)
{
    char payload[400];
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    struct bed_client *publisher = bed_connect(one, "publisher", true);
    memset(payload, 'x', sizeof(payload));
    payload[sizeof(payload) - 1] = '\0';
    bed_subscribe(c, "t", 1);
    while (!is_marked_full(b))
        bed_publish(publisher, "t", payload, 1);
    bed_fetch(c, 1, 20);
    assert_in_range(c->entry_count, 8, 12);
    one->store->ops->ack(one->store, &c->hold, 1);
    bed_publish(publisher, "t", "small", 1);
    assert_true(is_marked_full(b));
    for (uint64_t seq = 2; seq < 10; seq++)
        one->store->ops->ack(one->store, &c->hold, seq);
    bed_publish(publisher, "t", "small", 1);
    assert_false(is_marked_full(b));
}

static void a_queue_that_was_full_by_bytes_alone_is_so_until_it_is_half_empty(void **state)
{
    struct bed *b = *state;
    b->cfg.queue_limit = 0;
    b->cfg.queue_limit_bytes = 4000;
    a_queue_that_was_full_is_so_until_it_is_half_empty(b);
}

static void a_queue_that_was_full_by_bytes_is_so_until_it_is_half_empty(void **state)
{
    struct bed *b = *state;
    b->cfg.queue_limit = 1000;
    b->cfg.queue_limit_bytes = 4000;
    a_queue_that_was_full_is_so_until_it_is_half_empty(b);
}

/* How often a command was called. */
static long long calls_of(struct bed *b, const char *command)
{
    redisReply *r = redisCommand(b->redis, "INFO commandstats");
    char field[64];
    snprintf(field, sizeof(field), "cmdstat_%s:calls=", command);
    const char *at = strstr(r->str, field);
    long long calls = at != NULL ? atoll(at + strlen(field)) : 0;
    freeReplyObject(r);
    return calls;
}

static void a_session_of_many_filters_is_claimed_in_parts(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    struct many *m = many_filters();
    c->status = -1;
    subscribe_many(c, m);
    BED_UNTIL(b, c->status >= 0);
    freeReplyObject(redisCommand(b->redis, "CONFIG RESETSTAT"));
    c = bed_connect(two, "c", true); /* from its owner, who is fenced and reads it, too */
    assert_true(c->present);
    assert_int_equal(c->sub_count, MANY);
    assert_true(calls_of(b, "hscan") > MANY * LONG_FILTER / FLEET_PIECE_BYTES);
    free(m);
}

/* The largest number of arguments in SLOWLOG, which has every command. */
static long long most_arguments(struct bed *b)
{
    redisReply *r = redisCommand(b->redis, "SLOWLOG GET 10000");
    long long most = 0;
    for (size_t i = 0; i < r->elements; i++) {
        const redisReply *command = r->element[i]->element[3];
        const char *last = command->element[command->elements - 1]->str;
        long long count = (long long)command->elements;
        if (strncmp(last, "... (", 5) == 0)
            count += atoll(last + 5);
        most = count > most ? count : most;
    }
    freeReplyObject(r);
    return most;
}

static void a_session_of_many_filters_is_asserted_in_parts(void **state)
{
    enum { FILTERS = 509 };
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    char filter[16];
    char key[64];
    char command[80];

    for (int i = 0; i < FILTERS; i++) {
        snprintf(filter, sizeof(filter), "f/%d", i);
        bed_subscribe(c, filter, 1);
    }
    redisReply *keys = redisCommand(b->redis, "KEYS fl:{s*}:f:c");
    assert_int_equal(keys->elements, 1);
    snprintf(key, sizeof(key), "%s", keys->element[0]->str);
    freeReplyObject(keys);
    snprintf(command, sizeof(command), "HLEN %s", key);
    assert_int_equal(bed_redis(b, command), FILTERS);
    freeReplyObject(redisCommand(b->redis, "CONFIG SET slowlog-max-len 10000"));
    freeReplyObject(redisCommand(b->redis, "CONFIG SET slowlog-log-slower-than 0"));
    freeReplyObject(redisCommand(b->redis, "FLUSHALL"));
    BED_UNTIL_MS(b, bed_redis(b, command) == FILTERS, 10000);
    snprintf(command, sizeof(command), "TTL %s", key);
    assert_int_equal(bed_redis(b, command), -1);
    assert_int_equal(bed_redis(b, "KEYS fl:{s*}:fa:c"), 0);
    assert_int_equal(bed_redis(b, "KEYS fl:{s*}:dir"), 1);
    assert_in_range(most_arguments(b), 500, 2 * FLEET_PIECE_FIELDS + 16);
}

/* Large ones may follow small ones: what is read at once has a bound all the same. */
static void large_entries_behind_small_ones_are_fetched_one_by_one(void **state)
{
    enum { SIZE = 400000 };
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *d = bed_connect(one, "d", true);
    struct bed_client *p = bed_connect(one, "p", false);
    char *payload = malloc(SIZE + 1);

    assert_non_null(payload);
    memset(payload, 'x', SIZE);
    payload[SIZE] = '\0';
    bed_subscribe(d, "t", 1);
    bed_publish(p, "t", "small", 1);
    for (int i = 0; i < 8; i++)
        bed_publish(p, "t", payload, 1);
    bed_fetch(d, 1, 100); /* 1 MB */
    assert_int_equal(d->entry_count, 4);
    assert_true(d->more);
    free(payload);
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        IN_BED(a_fresh_fleet_has_a_format_and_a_secret_that_all_nodes_share),
        IN_BED(a_secret_that_redis_lost_is_the_same_again),
        IN_BED(who_finds_another_secret_begins_anew),
        IN_BED(data_of_another_format_is_left_alone),
        IN_BED(data_from_before_formats_is_carried_on_when_its_brokers_are_gone),
        IN_BED(entries_of_the_log_have_a_bound),
        IN_BED(a_session_of_many_filters_is_loaded_in_parts),
        IN_BED(a_session_of_many_filters_is_claimed_in_parts),
        IN_BED(a_session_of_many_filters_is_asserted_in_parts),
        IN_BED(large_entries_behind_small_ones_are_fetched_one_by_one),
        IN_BED(the_log_is_trimmed_by_bytes),
        IN_BED(a_queue_that_was_full_by_bytes_alone_is_so_until_it_is_half_empty),
        IN_BED(a_queue_that_was_full_by_bytes_is_so_until_it_is_half_empty),
        IN_BED(fleets_of_different_names_on_one_database_dont_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
