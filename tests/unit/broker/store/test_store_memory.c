/* store_memory: queues and retained values of a broker that stands alone, and what it is told of them. */
#include "tests/unit/broker/store/memory_bed.h"

/* And only there: it isn't published. */
static void a_retained_value_goes_into_one_queue_with_its_flag(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold("d", true);
    struct message *m = make("t", "1", true);
    struct store_queue_target target = {.client_id = text("d"), .qos = 1};
    join(w, &h, false, NULL);
    store_enqueue(w->store, m, &target, done, NULL);
    publish(w, "t", "2", true, "d");
    message_unref(m);
    assert_int_equal(w->wakes, 2);
    store_fetch(w->store, &h, w->result.next_sequence, 16, 1 << 20, on_fetched, w);
    assert_int_equal(w->count, 2);
    assert_true(w->entries[0].is_value && w->entries[0].retain);
    assert_true(!w->entries[1].is_value && !w->entries[1].retain);
    assert_int_equal(w->stats.retained, 1);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
}

static void entries_carry_the_identifiers_of_their_subscriptions(void **state)
{
    static const uint32_t ids[] = {1, 268435455};
    struct world *w = *state;
    struct store_hold h = hold("d", true);
    struct message *m = make("t", "1", false);
    struct store_queue_target target = {
        .client_id = text("d"), .qos = 1, .ids = {.items = ids, .count = 2}};
    struct store_publish_request req = {.message = m,
                                        .targets = {.queues = &target, .queue_count = 1}};
    join(w, &h, false, NULL);
    store_publish(w->store, &req, done, NULL);
    target.ids.count = 1;
    store_enqueue(w->store, m, &target, done, NULL);
    publish(w, "t", "2", false, "d");
    message_unref(m);
    store_fetch(w->store, &h, w->result.next_sequence, 16, 1 << 20, on_fetched, w);
    assert_int_equal(w->count, 3);
    assert_int_equal(w->entries[0].ids.count, 2);
    assert_int_equal(w->entries[0].ids.items[1], 268435455);
    assert_int_equal(w->entries[1].ids.count, 1);
    assert_int_equal(w->entries[1].ids.items[0], 1);
    assert_int_equal(w->entries[2].ids.count, 0);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
}

static void a_retained_value_in_a_queue_is_nobody_elses(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold("d", true);
    struct store_hold other = hold("e", true);
    struct message *m = make("t", "1", true);
    struct store_queue_target target = {.client_id = text("d"), .qos = 1};
    join(w, &h, false, NULL);
    join(w, &other, false, NULL);
    store_enqueue(w->store, m, &target, done, NULL);
    message_unref(m);
    store_fetch(w->store, &other, w->result.next_sequence, 16, 1 << 20, on_fetched, w);
    assert_int_equal(w->count, 0);
    assert_int_equal(w->stats.retained, 0);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
    store_disconnect(w->store, &other, false, STORE_EXPIRES_NEVER, done, NULL);
}

static void a_full_queue_drops_and_counts(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold("d", true);
    join(w, &h, false, NULL);
    for (int i = 0; i < 12; i++)
        publish(w, "t", "x", false, "d");
    assert_int_equal(w->stats.dropped[DROP_QUEUE_FULL], 2);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
}

/* `expires` of a message is moved into the past when the test wants it to be over. */
static struct message *publish_expiring(struct world *w, const char *topic, bool retain,
                                        const char *queue)
{
    struct store_queue_target target = {.client_id = text(queue != NULL ? queue : ""), .qos = 1};
    struct message *m = make(topic, "x", retain);
    m->expires_at_ms = store_now_ms(w->store) + 3600000;
    struct store_publish_request req = {
        .message = m, .targets = {.queues = &target, .queue_count = queue != NULL}};
    store_publish(w->store, &req, done, NULL);
    return m;
}

static void expire(struct message *m)
{
    m->expires_at_ms = 1;
    message_unref(m);
}

static void what_has_expired_in_a_queue_is_not_read(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold("d", true);
    join(w, &h, false, NULL);
    publish(w, "t", "1", false, "d");
    struct message *two = publish_expiring(w, "t", false, "d");
    publish(w, "t", "3", false, "d");
    struct message *four = publish_expiring(w, "t", false, "d");
    expire(two);
    store_fetch(w->store, &h, 1, 16, 1 << 20, on_fetched, w);
    assert_int_equal(w->count, 3);
    assert_int_equal(w->entries[1].sequence, 3);
    assert_int_equal(w->stats.dropped[DROP_EXPIRED], 1);
    expire(four); /* it was sent: its client may have it */
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
    join(w, &h, false, NULL);
    store_fetch(w->store, &h, 1, 16, 1 << 20, on_fetched, w);
    assert_int_equal(w->count, 3);
    assert_true(w->entries[2].duplicate);
    assert_int_equal(w->stats.dropped[DROP_EXPIRED], 1);
    store_disconnect(w->store, &h, false, 0, done, NULL);
}

static void what_has_expired_makes_room_in_a_full_queue(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold("d", true);
    struct message *expiring[9];
    join(w, &h, false, NULL);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
    publish(w, "t", "first", false, "d");
    for (int i = 0; i < 9; i++)
        expiring[i] = publish_expiring(w, "t", false, "d");
    publish(w, "t", "lost", false, "d");
    assert_int_equal(w->stats.dropped[DROP_QUEUE_FULL], 1);
    for (int i = 0; i < 9; i++)
        expire(expiring[i]);
    publish(w, "t", "kept", false, "d");
    assert_int_equal(w->stats.dropped[DROP_QUEUE_FULL], 1);
    assert_int_equal(w->stats.dropped[DROP_EXPIRED], 9);
    join(w, &h, false, NULL);
    store_fetch(w->store, &h, w->result.next_sequence, 16, 1 << 20, on_fetched, w);
    assert_int_equal(w->count, 2);
    assert_memory_equal(w->entries[1].message->payload.data, "kept", 4);
    store_disconnect(w->store, &h, false, 0, done, NULL);
}

/* One broker is all there is. */
static void its_totals_are_the_brokers_own(void **state)
{
    struct world *w = *state;
    struct store_totals totals;
    uint64_t mine[STORE_TOTAL_COUNT];
    for (size_t i = 0; i < STORE_TOTAL_COUNT; i++)
        mine[i] = 10 + i;
    store_totals(w->store, mine, take_totals, &totals);
    assert_int_equal(totals.nodes, 1);
    assert_int_equal(totals.retained, 0);
    assert_int_equal(totals.expired, 0);
    assert_memory_equal(totals.of_all, mine, sizeof(mine));
    assert_null(store_node(w->store));
}

static void a_repeated_qos_2_message_of_a_durable_publisher_is_delivered_once(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold("p", true);
    join(w, &h, false, NULL);
    struct message *m = make("t", "x", false);
    struct store_publish_request req = {.message = m, .hold = &h, .qos2_packet_id = 5};
    store_publish(w->store, &req, done, NULL);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
    join(w, &h, false, NULL);
    store_publish(w->store, &req, done, NULL);
    assert_int_equal(w->delivered, 1);
    store_qos2_end(w->store, &h, 5, done, NULL);
    store_publish(w->store, &req, done, NULL);
    assert_int_equal(w->delivered, 2);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
    message_unref(m);
}

static bool reaches(struct world *w, struct store_hold *h, uint16_t qos2_packet_id,
                    const char *queue)
{
    struct store_queue_target target = {.client_id = text(queue != NULL ? queue : ""), .qos = 1};
    struct message *m = make("t", "x", false);
    bool reached = false;
    struct store_publish_request req = {
        .message = m,
        .hold = h,
        .qos2_packet_id = qos2_packet_id,
        .targets = {.queues = &target, .queue_count = queue != NULL},
        .reached = &reached};
    store_publish(w->store, &req, done, NULL);
    message_unref(m);
    return reached;
}

static void it_is_told_whether_a_publish_reaches_anybody(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold("p", true);
    join(w, &h, false, NULL);
    assert_false(reaches(w, &h, 0, NULL));
    assert_true(reaches(w, &h, 0, "p"));
    assert_false(reaches(w, &h, 1, NULL));
    w->gets = true;
    assert_true(reaches(w, &h, 2, NULL));
    w->gets = false;
    assert_true(reaches(w, &h, 2, NULL)); /* it did when it came first */
    assert_int_equal(w->delivered, 2);
    store_disconnect(w->store, &h, false, 0, done, NULL);
}

static void on_value(void *arg, const struct message *m)
{
    assert_true(m->retain);
    ((struct world *)arg)->values++;
}

static void on_chunk(void *arg, struct store_retained_read *read)
{
    struct world *w = arg;
    w->chunks++;
    w->read = read;
}

static void on_read(void *arg, enum store_status status)
{
    assert_int_equal(status, STORE_OK);
    ((struct world *)arg)->read_done = true;
}

static void retained_values_are_read_in_chunks_and_completely(void **state)
{
    struct world *w = *state;
    char topic[32];
    for (int i = 0; i < 1001; i++) {
        snprintf(topic, sizeof(topic), "r/%d", i);
        publish(w, topic, "v", true, NULL);
    }
    publish(w, "r/0", "", true, NULL);
    assert_int_equal(w->stats.retained, 999);
    assert_int_equal(w->stats.dropped[DROP_RETAINED_FULL], 1);
    store_retained_start(w->store, text("r/#"), on_value, on_chunk, on_read, w);
    while (!w->read_done)
        store_retained_continue(w->read);
    assert_int_equal(w->values, 999);
    assert_true(w->chunks >= 3);
    w->read_done = false;
    store_retained_start(w->store, text("r/+"), on_value, on_chunk, on_read, w);
    store_retained_cancel(w->read);
    assert_false(w->read_done);
}

static void read_all(struct world *w, const char *filter)
{
    w->values = 0;
    w->read_done = false;
    w->read = store_retained_start(w->store, text(filter), on_value, on_chunk, on_read, w);
    while (!w->read_done)
        store_retained_continue(w->read);
}

static void a_retained_value_that_has_expired_is_not_given(void **state)
{
    struct world *w = *state;
    struct message *over = publish_expiring(w, "t/1", true, NULL);
    struct message *good = publish_expiring(w, "t/2", true, NULL);
    read_all(w, "t/#");
    assert_int_equal(w->values, 2);
    expire(over);
    read_all(w, "t/#");
    assert_int_equal(w->values, 1);
    assert_int_equal(w->stats.retained, 1);
    assert_int_equal(w->stats.dropped[DROP_EXPIRED], 1);
    message_unref(good);
}

static void a_retained_value_that_nobody_reads_goes_too(void **state)
{
    struct world *w = *state;
    struct message *over = publish_expiring(w, "$t/1", true, NULL);
    publish(w, "t/2", "x", true, NULL);
    input(w);
    assert_int_equal(w->stats.retained, 2);
    expire(over);
    for (int i = 0; i < 200 && w->stats.retained == 2; i++) {
        usleep(10000);
        input(w);
    }
    assert_int_equal(w->stats.retained, 1);
    assert_int_equal(w->stats.dropped[DROP_EXPIRED], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMORY_TEST(a_retained_value_goes_into_one_queue_with_its_flag),
        MEMORY_TEST(entries_carry_the_identifiers_of_their_subscriptions),
        MEMORY_TEST(a_retained_value_in_a_queue_is_nobody_elses),
        MEMORY_TEST(a_full_queue_drops_and_counts),
        MEMORY_TEST(what_has_expired_in_a_queue_is_not_read),
        MEMORY_TEST(what_has_expired_makes_room_in_a_full_queue),
        MEMORY_TEST(a_retained_value_that_has_expired_is_not_given),
        MEMORY_TEST(a_retained_value_that_nobody_reads_goes_too),
        MEMORY_TEST(its_totals_are_the_brokers_own),
        MEMORY_TEST(a_repeated_qos_2_message_of_a_durable_publisher_is_delivered_once),
        MEMORY_TEST(it_is_told_whether_a_publish_reaches_anybody),
        MEMORY_TEST(retained_values_are_read_in_chunks_and_completely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
