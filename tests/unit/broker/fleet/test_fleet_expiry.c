/* Messages expire by Redis' clock: in the queues of durable sessions, and retained values. */
#include "broker/fleet/node/fleet.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

enum { SOON_MS = 200, LATER_MS = 3600000 };

static void publish_until(struct bed_client *c, const char *topic, const char *payload, bool retain,
                          uint64_t expires_at_ms)
{
    struct bed_node *n = c->node;
    struct message *m = bed_message(n, topic, payload, 1, retain);
    struct store_publish_request req = {.message = m, .hold = &c->hold};
    m->expires_at_ms = expires_at_ms;
    c->status = -1;
    bed_match(n, m, &req.targets);
    n->store->ops->publish(n->store, &req, bed_on_done, c);
    message_unref(m);
    BED_UNTIL(n->bed, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
}

/* Expires in so many ms; 0: never. */
static void publish(struct bed_client *c, const char *topic, const char *payload, bool retain,
                    uint64_t in_ms)
{
    uint64_t now_ms = store_now_ms(c->node->store);
    publish_until(c, topic, payload, retain, in_ms > 0 ? now_ms + in_ms : 0);
}

static uint64_t expired(const struct bed_node *n)
{
    return *((const struct fleet *)n->store)->metrics.expired;
}

/* The queue of "d", the only client with one. */
static long long queued(struct bed *b)
{
    redisReply *r = redisCommand(b->redis, "KEYS fl:{s*}:q:d");
    long long length = 0;
    if (r->elements == 1) {
        redisReply *len = redisCommand(b->redis, "XLEN %s", r->element[0]->str);
        length = len->integer;
        freeReplyObject(len);
    }
    freeReplyObject(r);
    return length;
}

/* Fields or members of all buckets. */
static long long kept(struct bed *b, const char *count, const char *suffix)
{
    long long sum = 0;
    for (int bucket = 0; bucket < 16; bucket++) {
        char command[BED_TEXT];
        long long some;
        snprintf(command, sizeof(command), "%s fl:{t%d}:%s", count, bucket, suffix);
        some = bed_redis(b, command);
        sum += some;
    }
    return sum;
}

/* A durable session "d" for `t`, whose client is away. */
static void leave_session(struct bed *b, struct bed_node *n)
{
    struct bed_client *d = bed_connect(n, "d", true);
    bed_subscribe(d, "t", 1);
    bed_disconnect(d, false);
    for (size_t i = 0; i < BED_NODES; i++)
        if (b->nodes[i] != NULL)
            BED_UNTIL(b, b->nodes[i]->sub_count == 1);
}

static void the_time_is_that_of_redis(void **state)
{
    struct bed *b = *state;
    struct bed_node *n = bed_add_ready(b);
    redisReply *r = redisCommand(b->redis, "TIME");
    uint64_t redis_ms = strtoull(r->element[0]->str, NULL, 10) * 1000;
    assert_in_range(store_now_ms(n->store), redis_ms - 1000, redis_ms + 2000);
    freeReplyObject(r);
}

static void what_has_expired_in_a_queue_is_not_read(void **state)
{
    struct bed *b = *state;
    struct bed_node *a = bed_add_ready(b);
    struct bed_node *other = bed_add_ready(b);
    struct bed_client *pub = bed_connect(a, "pub", false);
    leave_session(b, a);
    publish(pub, "t", "1", false, SOON_MS);
    publish(pub, "t", "2", false, LATER_MS);
    publish(pub, "t", "3", false, SOON_MS);
    publish(pub, "t", "4", false, 0);
    assert_int_equal(queued(b), 4);
    bed_run(b, SOON_MS + 100);
    struct bed_client *d = bed_connect(other, "d", true);
    bed_fetch(d, d->next_sequence, 100);
    assert_int_equal(d->entry_count, 2);
    assert_string_equal(d->entries[0].payload, "2");
    assert_string_equal(d->entries[1].payload, "4");
    assert_false(d->entries[0].duplicate);
    BED_UNTIL(b, queued(b) == 2);
    assert_int_equal(expired(other), 2);
}

/* Its client may have it, and answers. */
static void what_was_sent_comes_again_whether_it_has_expired_or_not(void **state)
{
    struct bed *b = *state;
    struct bed_node *a = bed_add_ready(b);
    struct bed_client *pub = bed_connect(a, "pub", false);
    leave_session(b, a);
    struct bed_client *d = bed_connect(a, "d", true);
    publish(pub, "t", "1", false, SOON_MS);
    bed_fetch(d, d->next_sequence, 1);
    assert_int_equal(d->entry_count, 1);
    publish(pub, "t", "2", false, SOON_MS);
    bed_disconnect(d, false);
    bed_run(b, SOON_MS + 100);
    d = bed_connect(a, "d", true);
    bed_fetch(d, d->next_sequence, 100);
    assert_int_equal(d->entry_count, 1);
    assert_string_equal(d->entries[0].payload, "1");
    assert_true(d->entries[0].duplicate);
    assert_int_equal(expired(a), 1);
}

/* Nobody knows what a broker that died had sent. */
static void what_may_not_have_been_sent_is_dropped(void **state)
{
    struct bed *b = *state;
    struct bed_node *a = bed_add_ready(b);
    struct bed_node *dies = bed_add_ready(b);
    struct bed_client *pub = bed_connect(a, "pub", false);
    leave_session(b, a);
    struct bed_client *d = bed_connect(dies, "d", true);
    publish(pub, "t", "1", false, LATER_MS);
    bed_fetch(d, d->next_sequence, 1);
    bed_disconnect(d, false);
    d = bed_connect(dies, "d", true);
    bed_kill(b, dies);
    publish(pub, "t", "2", false, SOON_MS);
    publish(pub, "t", "3", false, 0);
    bed_run(b, SOON_MS + 100);
    for (int i = 0; i < 2; i++) { /* taken over, then resumed in good order */
        d = bed_connect(a, "d", true);
        bed_fetch(d, d->next_sequence, 100);
        assert_int_equal(d->entry_count, 2);
        assert_string_equal(d->entries[0].payload, "1");
        assert_string_equal(d->entries[1].payload, "3");
        assert_true(d->entries[0].duplicate);
        assert_int_equal(expired(a), 1);
        bed_disconnect(d, false);
    }
}

static void what_has_expired_makes_room_in_a_full_queue(void **state)
{
    struct bed *b = *state;
    b->cfg.queue_limit = 20;
    struct bed_node *a = bed_add_ready(b);
    struct bed_client *pub = bed_connect(a, "pub", false);
    leave_session(b, a);
    for (int i = 0; i < 20; i++)
        publish(pub, "t", "x", false, i < 18 ? 2 * SOON_MS : 0);
    publish(pub, "t", "lost", false, 0);
    assert_int_equal(queued(b), 20);
    assert_int_equal(*((struct fleet *)a->store)->metrics.queue_dropped, 1);
    bed_run(b, 2 * SOON_MS + 100);
    publish(pub, "t", "kept", false, 0);
    assert_int_equal(queued(b), 3);
    assert_int_equal(expired(a), 18);
    assert_int_equal(*((struct fleet *)a->store)->metrics.queue_dropped, 1);
    struct bed_client *d = bed_connect(a, "d", true);
    bed_fetch(d, d->next_sequence, 100);
    assert_int_equal(d->entry_count, 3);
    assert_string_equal(d->entries[2].payload, "kept");
}

/* The bound in bytes: large messages carry marks (`b`), and the ones that expire another field. */
static void what_has_expired_makes_room_in_bytes(void **state)
{
    struct bed *b = *state;
    char large[BED_TEXT - 1];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    b->cfg.queue_limit = 100;
    b->cfg.queue_limit_bytes = 1000;
    struct bed_node *a = bed_add_ready(b);
    struct bed_client *pub = bed_connect(a, "pub", false);
    leave_session(b, a);
    for (int i = 0; i < 30; i++)
        publish(pub, "t", large, false, 2 * SOON_MS);
    assert_in_range(queued(b), 5, 15);
    assert_int_equal(*((struct fleet *)a->store)->metrics.queue_dropped, 30 - queued(b));
    bed_run(b, 2 * SOON_MS + 100);
    publish(pub, "t", large, false, 0);
    assert_int_equal(queued(b), 1);
    publish(pub, "t", large, false, 0);
    assert_int_equal(queued(b), 2);
}

static void what_comes_too_late_is_dropped_at_once(void **state)
{
    struct bed *b = *state;
    struct bed_node *a = bed_add_ready(b);
    struct bed_client *pub = bed_connect(a, "pub", false);
    leave_session(b, a);
    publish_until(pub, "t", "1", false, store_now_ms(a->store) - 100);
    assert_int_equal(queued(b), 0);
    assert_int_equal(expired(a), 1);
    publish(pub, "r/1", "before", true, 0);
    publish_until(pub, "r/1", "late", true, store_now_ms(a->store) - 100);
    assert_int_equal(kept(b, "HLEN", "v"), 0); /* it would have taken that one's place */
    assert_int_equal(kept(b, "ZCARD", "x"), 0);
}

/* ---- retained values ------------------------------------------------------------------------- */

struct read {
    struct store_retained_read *read;
    unsigned values;
    bool done;
};

static void on_value(void *arg, const struct message *m)
{
    (void)m;
    ((struct read *)arg)->values++;
}

static void on_chunk(void *arg, struct store_retained_read *read)
{
    (void)arg;
    store_retained_continue(read);
}

static void on_read(void *arg, enum store_status status)
{
    assert_int_equal(status, STORE_OK);
    ((struct read *)arg)->done = true;
}

static unsigned values(struct bed_node *n, const char *filter)
{
    struct read rd = {0};
    store_retained_start(n->store, bed_slice(filter), on_value, on_chunk, on_read, &rd);
    BED_UNTIL(n->bed, rd.done);
    return rd.values;
}

static void a_retained_value_that_has_expired_is_not_given(void **state)
{
    struct bed *b = *state;
    struct bed_node *a = bed_add_ready(b);
    struct bed_client *pub = bed_connect(a, "pub", false);
    publish(pub, "r/1", "x", true, SOON_MS);
    publish(pub, "r/2", "x", true, LATER_MS);
    publish(pub, "r/3", "x", true, 0);
    assert_int_equal(values(a, "r/#"), 3);
    bed_run(b, SOON_MS + 20);
    assert_int_equal(values(a, "r/#"), 2);
    assert_int_equal(values(a, "r/1"), 0);
    BED_UNTIL(b, kept(b, "HLEN", "v") == 2);
    assert_int_equal(kept(b, "ZCARD", "i"), 2);
    assert_int_equal(kept(b, "ZCARD", "x"), 1);
    assert_int_equal(expired(a), 1);
}

static void nobody_has_to_read_it(void **state)
{
    struct bed *b = *state;
    struct bed_node *a = bed_add_ready(b);
    struct bed_client *pub = bed_connect(a, "pub", false);
    char topic[BED_TEXT];
    bed_add_ready(b); /* each looks at its share */
    for (int i = 0; i < 120; i++) {
        snprintf(topic, sizeof(topic), "%d/r", i % 2 == 0 ? 0 : i); /* many in one bucket */
        if (i % 2 == 0)
            snprintf(topic, sizeof(topic), "0/%d", i);
        publish(pub, topic, "x", true, SOON_MS);
    }
    publish(pub, "stays", "x", true, 0);
    BED_UNTIL(b, kept(b, "HLEN", "v") == 1);
    assert_int_equal(kept(b, "ZCARD", "i"), 1);
    assert_int_equal(kept(b, "ZCARD", "x"), 0);
    BED_UNTIL(b, expired(b->nodes[0]) + expired(b->nodes[1]) == 120);
}

static void a_newer_value_stays(void **state)
{
    struct bed *b = *state;
    struct bed_node *a = bed_add_ready(b);
    struct bed_client *pub = bed_connect(a, "pub", false);
    publish(pub, "r/1", "old", true, SOON_MS);
    publish(pub, "r/1", "new", true, 0);
    publish(pub, "r/2", "old", true, SOON_MS);
    publish(pub, "r/2", "new", true, LATER_MS);
    publish(pub, "r/3", "old", true, SOON_MS);
    publish(pub, "r/3", "", true, 0);
    assert_int_equal(kept(b, "ZCARD", "x"), 1);
    bed_run(b, SOON_MS + 1200);
    assert_int_equal(values(a, "r/#"), 2);
    assert_int_equal(expired(a), 0);
}

/* As an older broker leaves it, which knows nothing of the note. */
static void a_value_that_the_note_is_not_of_stays(void **state)
{
    struct bed *b = *state;
    struct bed_node *a = bed_add_ready(b);
    struct bed_client *pub = bed_connect(a, "pub", false);
    publish(pub, "r/1", "new", true, 0);
    for (int bucket = 0; bucket < 16; bucket++) {
        char command[BED_TEXT];
        snprintf(command, sizeof(command), "ZADD fl:{t%d}:x 1000 r/1", bucket);
        bed_redis(b, command);
    }
    BED_UNTIL(b, kept(b, "ZCARD", "x") == 0);
    assert_int_equal(values(a, "r/1"), 1);
    assert_int_equal(expired(a), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_time_is_that_of_redis),
        TEST(what_has_expired_in_a_queue_is_not_read),
        TEST(what_was_sent_comes_again_whether_it_has_expired_or_not),
        TEST(what_may_not_have_been_sent_is_dropped),
        TEST(what_has_expired_makes_room_in_a_full_queue),
        TEST(what_has_expired_makes_room_in_bytes),
        TEST(what_comes_too_late_is_dropped_at_once),
        TEST(a_retained_value_that_has_expired_is_not_given),
        TEST(nobody_has_to_read_it),
        TEST(a_newer_value_stays),
        TEST(a_value_that_the_note_is_not_of_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
