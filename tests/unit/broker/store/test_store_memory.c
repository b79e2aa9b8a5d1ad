/* store_memory: sessions, queues, wills and retained values of a broker that stands alone. */
#include "broker/store/store.h"

#include <unistd.h>

#include "broker/base/broker_stats.h"
#include "common/base/timebox.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SESSION_LIMIT = 5 };

struct world {
    struct store *store;
    struct broker_stats stats;
    int wills, wakes, delivered, ended;
    bool gets; /* somebody here wants what is delivered */
    struct store_connect_result result;
    bool failed;
    struct store_entry entries[16];
    size_t count;
    bool more;
    size_t values, chunks;
    struct store_retained_read *read;
    bool read_done;
};

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static bool on_deliver(void *arg, struct message *m)
{
    struct world *w = arg;
    (void)m;
    w->delivered++;
    return w->gets;
}

static void on_will(void *arg, struct message *m, store_done_fn *done, void *done_arg)
{
    (void)m;
    ((struct world *)arg)->wills++;
    done(done_arg, STORE_OK);
}

static void on_wake(void *arg, struct mqtt_slice client_id)
{
    (void)client_id;
    ((struct world *)arg)->wakes++;
}

static void on_ended(void *arg, struct mqtt_slice client_id)
{
    (void)client_id;
    ((struct world *)arg)->ended++;
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct store_memory_config config = {.hash_key = 1,
                                         .queue_limit = 10,
                                         .queue_limit_bytes = 1 << 20,
                                         .session_limit = SESSION_LIMIT,
                                         .retained_limit = 1000,
                                         .stats = &w->stats};
    struct store_host host = {.arg = w,
                              .deliver = on_deliver,
                              .publish_will = on_will,
                              .wake = on_wake,
                              .durable_ended = on_ended};
    w->store = store_memory_new(&config, &host);
    *state = w;
    return w->store == NULL;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    store_free(w->store);
    free(w);
    return 0;
}

static void on_connected(void *arg, enum store_status status, const struct store_connect_result *r)
{
    struct world *w = arg;
    w->failed = status != STORE_OK;
    w->result = *r;
}

static void done(void *arg, enum store_status status)
{
    (void)arg;
    assert_int_equal(status, STORE_OK);
}

static struct store_hold hold(const char *id, bool durable)
{
    return (struct store_hold){
        .client_id = (char *)id, .client_id_len = (uint32_t)strlen(id), .durable = durable};
}

static void input(struct world *w)
{
    struct timebox box;
    timebox_open(&box, 1000000);
    store_input(w->store, &box);
}

static void join(struct world *w, struct store_hold *h, bool clean, struct message *will)
{
    struct store_connect_request req = {.hold = h, .clean_start = clean, .will.message = will};
    store_connect(w->store, &req, on_connected, w);
    assert_false(w->failed);
}

static struct message *make(const char *topic, const char *payload, bool retain)
{
    struct mqtt_publish p = {
        .qos = 1, .retain = retain, .topic = text(topic), .payload = text(payload)};
    return message_new(&p, (struct message_id){0}, (struct mqtt_slice){0});
}

static void publish(struct world *w, const char *topic, const char *payload, bool retain,
                    const char *queue)
{
    struct message *m = make(topic, payload, retain);
    struct store_queue_target target = {.client_id = text(queue != NULL ? queue : ""), .qos = 1};
    struct store_publish_request req = {
        .message = m, .targets = {.queues = &target, .queue_count = queue != NULL}};
    store_publish(w->store, &req, done, NULL);
    message_unref(m);
}

static void on_fetched(void *arg, enum store_status status, const struct store_entry *entries,
                       size_t count, bool more)
{
    struct world *w = arg;
    assert_int_equal(status, STORE_OK);
    memcpy(w->entries, entries, count * sizeof(*entries));
    w->count = count;
    w->more = more;
}

static void join_delayed(struct world *w, struct store_hold *h, struct message *will,
                         uint32_t delay_s)
{
    struct store_connect_request req = {.hold = h, .will = {.message = will, .delay_s = delay_s}};
    store_connect(w->store, &req, on_connected, w);
    assert_false(w->failed);
}

static void a_durable_session_keeps_its_queue_while_its_client_is_away(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold("d", true);
    join(w, &h, false, NULL);
    assert_false(w->result.session_present);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
    publish(w, "t", "1", false, "d");
    publish(w, "t", "2", false, "d");
    assert_int_equal(w->wakes, 0);
    join(w, &h, false, NULL);
    assert_true(w->result.session_present);
    publish(w, "t", "3", false, "d");
    assert_int_equal(w->wakes, 1);
    store_fetch(w->store, &h, w->result.next_sequence, 16, 1 << 20, on_fetched, w);
    assert_int_equal(w->count, 3);
    assert_int_equal(w->entries[0].sequence, 1);
    store_ack(w->store, &h, 1);
    store_release(w->store, &h, 2, done, NULL);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
    join(w, &h, false, NULL);
    assert_int_equal(w->result.released_count, 1);
    assert_int_equal(w->result.released[0], 2);
    assert_int_equal(w->result.next_sequence, 3);
    store_fetch(w->store, &h, 3, 16, 1 << 20, on_fetched, w);
    assert_int_equal(w->count, 1);
    assert_true(w->entries[0].duplicate);
    store_complete(w->store, &h, 2);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
    join(w, &h, false, NULL);
    assert_int_equal(w->result.released_count, 0);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
}

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

static void a_clean_start_drops_what_was(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold("d", true);
    join(w, &h, false, NULL);
    publish(w, "t", "1", false, "d");
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
    struct store_hold clean = hold("d", false);
    join(w, &clean, true, NULL);
    assert_false(w->result.session_present);
    store_disconnect(w->store, &clean, false, 0, done, NULL);
    join(w, &h, false, NULL);
    assert_false(w->result.session_present);
    store_fetch(w->store, &h, 1, 16, 1 << 20, on_fetched, w);
    assert_int_equal(w->count, 0);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
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

static void a_will_is_published_once_unless_the_client_said_goodbye(void **state)
{
    struct world *w = *state;
    struct message *will = make("w", "gone", false);
    struct store_hold h = hold("c", false);
    join(w, &h, true, will);
    store_disconnect(w->store, &h, true, 0, done, NULL);
    assert_int_equal(w->wills, 1);
    join(w, &h, true, will);
    store_disconnect(w->store, &h, false, 0, done, NULL);
    assert_int_equal(w->wills, 1);
    assert_int_equal(will->refs, 1);
    message_unref(will);
}

static void a_delayed_will_is_cancelled_by_the_clients_return(void **state)
{
    struct world *w = *state;
    struct message *will = make("w", "gone", false);
    struct store_hold h = hold("c", true);
    join(w, &h, false, will);
    h.will_grace_s = 1;
    store_disconnect(w->store, &h, true, STORE_EXPIRES_NEVER, done, NULL);
    join(w, &h, false, will);
    assert_int_equal(w->wills, 0);
    store_disconnect(w->store, &h, true, STORE_EXPIRES_NEVER, done, NULL);
    for (int i = 0; i < 400 && w->wills == 0; i++) {
        usleep(10000);
        input(w);
    }
    assert_int_equal(w->wills, 1);
    message_unref(will);
}

static void a_delayed_will_is_due_when_a_clean_start_ends_the_session(void **state)
{
    struct world *w = *state;
    struct message *will = make("w", "gone", false);
    struct store_hold h = hold("c", true);
    join_delayed(w, &h, will, 30);
    store_disconnect(w->store, &h, true, STORE_EXPIRES_NEVER, done, NULL);
    assert_int_equal(w->wills, 0);
    struct store_hold clean = hold("c", false);
    join(w, &clean, true, NULL);
    assert_int_equal(w->wills, 1);
    store_disconnect(w->store, &clean, false, 0, done, NULL);
    message_unref(will);
}

/* The new session is durable as well. */
static void a_clean_start_begins_a_new_durable_session(void **state)
{
    struct world *w = *state;
    struct message *will = make("w", "gone", false);
    struct store_hold h = hold("c", true);
    join_delayed(w, &h, will, 30);
    publish(w, "t", "1", false, "c");
    store_disconnect(w->store, &h, true, STORE_EXPIRES_NEVER, done, NULL);
    join(w, &h, true, NULL);
    assert_false(w->result.session_present);
    assert_int_equal(w->result.next_sequence, 1);
    assert_int_equal(w->wills, 1);
    store_fetch(w->store, &h, 1, 16, 1 << 20, on_fetched, w);
    assert_int_equal(w->count, 0);
    publish(w, "t", "2", false, "c");
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
    join(w, &h, false, NULL);
    assert_true(w->result.session_present);
    store_fetch(w->store, &h, w->result.next_sequence, 16, 1 << 20, on_fetched, w);
    assert_int_equal(w->count, 1);
    store_disconnect(w->store, &h, false, 0, done, NULL);
    message_unref(will);
}

/* A drained broker's client comes back, to whatever session. */
static void a_will_of_grace_is_cancelled_by_a_clean_start_too(void **state)
{
    struct world *w = *state;
    struct message *will = make("w", "gone", false);
    for (int durable = 0; durable < 2; durable++) {
        struct store_hold h = hold("c", durable);
        join(w, &h, !durable, will);
        h.will_grace_s = 30;
        store_disconnect(w->store, &h, true, 0, done, NULL);
        struct store_hold clean = hold("c", false);
        join(w, &clean, true, NULL);
        assert_int_equal(w->wills, 0);
        store_disconnect(w->store, &clean, false, 0, done, NULL);
    }
    message_unref(will);
}

static void a_will_waits_no_longer_than_its_session(void **state)
{
    struct world *w = *state;
    struct message *will = make("w", "gone", false);
    struct store_hold h = hold("c", false);
    join_delayed(w, &h, will, 3600); /* the session ends with the connection */
    store_disconnect(w->store, &h, true, 0, done, NULL);
    assert_int_equal(w->wills, 1);
    h = hold("c", true);
    join_delayed(w, &h, will, 3600);
    store_disconnect(w->store, &h, true, 0, done, NULL);
    assert_int_equal(w->wills, 2);
    join_delayed(w, &h, will, 3600);
    store_disconnect(w->store, &h, true, 1, done, NULL);
    assert_int_equal(w->wills, 2);
    for (int i = 0; i < 400 && w->wills == 2; i++) {
        usleep(10000);
        input(w);
    }
    assert_int_equal(w->wills, 3);
    message_unref(will);
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

static void on_refused(void *arg, enum store_status status, const struct store_connect_result *r)
{
    assert_null(r);
    *(enum store_status *)arg = status;
}

static void on_answer(void *arg, enum store_status status, const struct store_connect_result *r)
{
    (void)r;
    *(enum store_status *)arg = status;
}

static enum store_status join_as(struct world *w, struct store_hold *h, const char *user,
                                 bool clean)
{
    enum store_status status = STORE_OK;
    struct store_connect_request req = {.hold = h, .clean_start = clean};
    h->user = user;
    store_connect(w->store, &req, on_answer, &status);
    return status;
}

static void a_session_belongs_to_its_user(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold("d", true);
    struct store_hold other = hold("d", true);
    struct store_hold clean = hold("d", false);
    assert_int_equal(join_as(w, &h, "alice", false), STORE_OK);
    assert_int_equal(join_as(w, &other, "bob", false), STORE_NOT_OWNER);
    store_disconnect(w->store, &h, false, STORE_EXPIRES_NEVER, done, NULL);
    assert_int_equal(join_as(w, &other, "bob", false), STORE_NOT_OWNER);
    assert_int_equal(join_as(w, &other, NULL, false), STORE_NOT_OWNER);
    assert_int_equal(join_as(w, &clean, "bob", true), STORE_NOT_OWNER);
    other.any_user = true;
    assert_int_equal(join_as(w, &other, "bob", false), STORE_OK);
    store_disconnect(w->store, &other, false, 0, done, NULL); /* it has ended */
    assert_int_equal(join_as(w, &h, NULL, false), STORE_OK);
    assert_int_equal(join_as(w, &other, NULL, false), STORE_OK);
    other.any_user = false;
    assert_int_equal(join_as(w, &other, "", false), STORE_NOT_OWNER);
    store_disconnect(w->store, &other, false, 0, done, NULL);
}

static void another_users_connection_doesnt_cancel_a_delayed_will(void **state)
{
    struct world *w = *state;
    struct message *will = make("w", "offline", false);
    struct store_hold h = hold("c", false);
    h.user = "alice";
    join(w, &h, true, will);
    h.will_grace_s = 3600;
    store_disconnect(w->store, &h, true, 0, done, NULL);
    struct store_hold other = hold("c", true);
    assert_int_equal(join_as(w, &other, "bob", false), STORE_OK);
    assert_int_equal(w->wills, 1);
    store_disconnect(w->store, &other, false, 0, done, NULL);
    message_unref(will);
}

static void one_durable_session_too_many_is_refused(void **state)
{
    struct world *w = *state;
    static struct store_hold holds[SESSION_LIMIT + 1]; /* the store has them until it is freed */
    char ids[SESSION_LIMIT + 1][8];
    for (int i = 0; i <= SESSION_LIMIT; i++) {
        snprintf(ids[i], sizeof(ids[i]), "s%d", i);
        holds[i] = hold(ids[i], true);
    }
    for (int i = 0; i < SESSION_LIMIT; i++)
        join(w, &holds[i], false, NULL);
    enum store_status status = STORE_OK;
    struct store_connect_request req = {.hold = &holds[SESSION_LIMIT]};
    store_connect(w->store, &req, on_refused, &status);
    assert_int_equal(status, STORE_FULL);
    store_disconnect(w->store, &holds[0], false, STORE_EXPIRES_NEVER, done, NULL);
    join(w, &holds[0], false, NULL); /* one that is there already is no new one */
    store_disconnect(w->store, &holds[0], false, 0, done, NULL);
    join(w, &holds[SESSION_LIMIT], false, NULL);
}

static void take_totals(void *arg, enum store_status status, const struct store_totals *totals)
{
    assert_int_equal(status, STORE_OK);
    *(struct store_totals *)arg = *totals;
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

static uint64_t expired(struct world *w)
{
    static const uint64_t mine[STORE_TOTAL_COUNT];
    struct store_totals totals;
    store_totals(w->store, mine, take_totals, &totals);
    return totals.expired;
}

static void an_expired_session_is_gone(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold("c", true);
    join(w, &h, false, NULL);
    store_disconnect(w->store, &h, false, 1, done, NULL);
    for (int i = 0; i < 400 && w->ended == 0; i++) {
        usleep(10000);
        input(w);
    }
    assert_int_equal(w->ended, 1);
    assert_int_equal(expired(w), 1);
    join(w, &h, false, NULL);
    assert_false(w->result.session_present);
    store_disconnect(w->store, &h, false, 0, done, NULL);
    assert_int_equal(expired(w), 1); /* that one ended with its connection */
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_durable_session_keeps_its_queue_while_its_client_is_away),
        TEST(a_retained_value_goes_into_one_queue_with_its_flag),
        TEST(entries_carry_the_identifiers_of_their_subscriptions),
        TEST(a_retained_value_in_a_queue_is_nobody_elses),
        TEST(a_clean_start_drops_what_was),
        TEST(a_full_queue_drops_and_counts),
        TEST(a_will_is_published_once_unless_the_client_said_goodbye),
        TEST(a_delayed_will_is_cancelled_by_the_clients_return),
        TEST(a_delayed_will_is_due_when_a_clean_start_ends_the_session),
        TEST(a_clean_start_begins_a_new_durable_session),
        TEST(a_will_of_grace_is_cancelled_by_a_clean_start_too),
        TEST(a_will_waits_no_longer_than_its_session),
        TEST(what_has_expired_in_a_queue_is_not_read),
        TEST(what_has_expired_makes_room_in_a_full_queue),
        TEST(a_retained_value_that_has_expired_is_not_given),
        TEST(a_retained_value_that_nobody_reads_goes_too),
        TEST(a_session_belongs_to_its_user),
        TEST(another_users_connection_doesnt_cancel_a_delayed_will),
        TEST(one_durable_session_too_many_is_refused),
        TEST(its_totals_are_the_brokers_own),
        TEST(an_expired_session_is_gone),
        TEST(a_repeated_qos_2_message_of_a_durable_publisher_is_delivered_once),
        TEST(it_is_told_whether_a_publish_reaches_anybody),
        TEST(retained_values_are_read_in_chunks_and_completely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
