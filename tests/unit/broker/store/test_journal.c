/* journal: what the memory store tells of its changes, as lines of text. */
#include "broker/store/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/base/broker_stats.h"
#include "broker/store/share_queue.h"
#include "broker/store/store.h"

#include <cmocka.h>

struct world {
    struct journal journal; /* first member */
    char told[2048];
    struct store *store;
    struct broker_stats stats;
    struct store_taken *taken;
};

static __attribute__((format(printf, 2, 3))) void tell(struct journal *j, const char *format, ...)
{
    struct world *w = (struct world *)j;
    size_t used = strlen(w->told);
    va_list args;
    va_start(args, format);
    vsnprintf(w->told + used, sizeof(w->told) - used, format, args);
    va_end(args);
    strncat(w->told, "; ", sizeof(w->told) - strlen(w->told) - 1);
}

#define SLICE(s) (int)(s).len, (const char *)(s).data

static void on_session(struct journal *j, const struct journal_session *s)
{
    tell(j, "session %d %.*s%s%s%s%s%s", (int)s->number, SLICE(s->client_id),
         s->durable ? " durable" : "", s->connected ? " connected" : "",
         s->expires_at_ms != 0 ? " expires" : "", s->will != NULL ? " will" : "",
         s->will_due_ms != 0 ? " due" : "");
}

static void on_session_gone(struct journal *j, uint64_t session)
{
    tell(j, "gone %d", (int)session);
}

static void on_session_emptied(struct journal *j, uint64_t session)
{
    tell(j, "emptied %d", (int)session);
}

static void on_subscribed(struct journal *j, uint64_t session, const struct store_subscription *sub)
{
    tell(j, "subscribed %d %.*s:%d", (int)session, SLICE(sub->filter), sub->qos);
}

static void on_unsubscribed(struct journal *j, uint64_t session, struct mqtt_slice filter)
{
    tell(j, "unsubscribed %d %.*s", (int)session, SLICE(filter));
}

static void on_queued(struct journal *j, const struct journal_entry *e)
{
    tell(j, "queued %d.%d %.*s qos %d%s of %d.%d", (int)e->session, (int)e->sequence,
         SLICE(e->message->payload), e->qos, e->is_value ? " value" : "", (int)e->group,
         (int)e->group_number);
}

static void on_unqueued(struct journal *j, uint64_t session, uint64_t sequence,
                        const struct message *m)
{
    tell(j, "unqueued %d.%d %.*s", (int)session, (int)sequence, SLICE(m->payload));
}

static void on_sent(struct journal *j, uint64_t session, uint64_t after)
{
    tell(j, "sent %d.%d", (int)session, (int)after);
}

static void on_released(struct journal *j, uint64_t session, uint64_t sequence)
{
    tell(j, "released %d.%d", (int)session, (int)sequence);
}

static void on_completed(struct journal *j, uint64_t session, uint64_t sequence)
{
    tell(j, "completed %d.%d", (int)session, (int)sequence);
}

static void on_qos2_opened(struct journal *j, uint64_t session, uint16_t packet_id)
{
    tell(j, "opened %d.%d", (int)session, packet_id);
}

static void on_qos2_closed(struct journal *j, uint64_t session, uint16_t packet_id)
{
    tell(j, "closed %d.%d", (int)session, packet_id);
}

static void on_retained(struct journal *j, const struct message *m)
{
    tell(j, "retained %.*s=%.*s", SLICE(m->topic), SLICE(m->payload));
}

static void on_retained_gone(struct journal *j, struct mqtt_slice topic)
{
    tell(j, "unretained %.*s", SLICE(topic));
}

static void on_group(struct journal *j, uint64_t group, struct mqtt_slice filter)
{
    tell(j, "group %d %.*s", (int)group, SLICE(filter));
}

static void on_group_gone(struct journal *j, uint64_t group)
{
    tell(j, "group gone %d", (int)group);
}

static void on_shared(struct journal *j, uint64_t group, const struct share_entry *e)
{
    tell(j, "shared %d.%d %.*s", (int)group, (int)e->number, SLICE(e->message->payload));
}

static void on_shared_taken(struct journal *j, uint64_t group, uint64_t number, bool for_good)
{
    tell(j, "taken %d.%d %d", (int)group, (int)number, for_good);
}

static void on_shared_gone(struct journal *j, uint64_t group, uint64_t number,
                           const struct message *m)
{
    tell(j, "shared gone %d.%d %.*s", (int)group, (int)number, SLICE(m->payload));
}

static const struct journal_ops ops = {
    .session = on_session,
    .session_gone = on_session_gone,
    .session_emptied = on_session_emptied,
    .subscribed = on_subscribed,
    .unsubscribed = on_unsubscribed,
    .queued = on_queued,
    .unqueued = on_unqueued,
    .sent = on_sent,
    .released = on_released,
    .completed = on_completed,
    .qos2_opened = on_qos2_opened,
    .qos2_closed = on_qos2_closed,
    .retained = on_retained,
    .retained_gone = on_retained_gone,
    .group = on_group,
    .group_gone = on_group_gone,
    .shared = on_shared,
    .shared_taken = on_shared_taken,
    .shared_gone = on_shared_gone,
};

/* Since the last time. */
#define ASSERT_TOLD(w, text)                                                                       \
    do {                                                                                           \
        assert_string_equal((w)->told, text);                                                      \
        (w)->told[0] = '\0';                                                                       \
    } while (0)

/* ---- the store ------------------------------------------------------------------------------- */

static void on_wake(void *arg, struct mqtt_slice client_id)
{
    (void)arg, (void)client_id;
}

static bool on_share_wake(void *arg, struct mqtt_slice filter, uint32_t messages)
{
    (void)arg, (void)filter, (void)messages;
    return false;
}

static void on_ended(void *arg, struct mqtt_slice client_id)
{
    (void)arg, (void)client_id;
}

static void on_will(void *arg, struct message *m, store_done_fn *done, void *done_arg)
{
    tell(arg, "will %.*s", SLICE(m->payload));
    done(done_arg, STORE_OK);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    w->journal.ops = &ops;
    struct store_memory_config config = {.hash_key = 1,
                                         .queue_limit = 10,
                                         .queue_limit_bytes = 1 << 20,
                                         .retained_limit = 2,
                                         .stats = &w->stats,
                                         .journal = &w->journal};
    struct store_host host = {.arg = w,
                              .publish_will = on_will,
                              .wake = on_wake,
                              .share_wake = on_share_wake,
                              .durable_ended = on_ended};
    w->store = store_memory_new(&config, &host);
    *state = w;
    return w->store == NULL;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    w->journal.off = true;
    store_free(w->store);
    free(w);
    return 0;
}

static struct mqtt_slice text(const char *s)
{
    return mqtt_slice_of(s, strlen(s));
}

static void done(void *arg, enum store_status status)
{
    (void)arg;
    assert_int_equal(status, STORE_OK);
}

static void on_connected(void *arg, enum store_status status, const struct store_connect_result *r)
{
    (void)arg, (void)r;
    assert_int_equal(status, STORE_OK);
}

static struct store_hold hold_of(const char *id, bool durable)
{
    return (struct store_hold){
        .client_id = (char *)id, .client_id_len = (uint32_t)strlen(id), .durable = durable};
}

static void connect(struct world *w, struct store_hold *h, bool clean, struct message *will)
{
    struct store_connect_request req = {
        .hold = h, .clean_start = clean, .session_expiry_s = 60, .will = {.message = will}};
    store_connect(w->store, &req, on_connected, w);
}

static void disconnect(struct world *w, struct store_hold *h, bool will, uint32_t expiry_s)
{
    store_disconnect(w->store, h, will, expiry_s, done, NULL);
}

static struct message *make(const char *topic, const char *payload, bool retain)
{
    struct mqtt_publish p = {
        .qos = 2, .retain = retain, .topic = text(topic), .payload = text(payload)};
    return message_new(&p, (struct message_id){0}, (struct mqtt_slice){0});
}

static void publish(struct world *w, struct message *m, const char *queue, const char *group)
{
    struct store_queue_target target = {.client_id = text(queue != NULL ? queue : ""), .qos = 2};
    struct mqtt_slice filter = text(group != NULL ? group : "");
    struct store_publish_request req = {.message = m,
                                        .targets = {.queues = &target,
                                                    .queue_count = queue != NULL,
                                                    .groups = &filter,
                                                    .group_count = group != NULL}};
    store_publish(w->store, &req, done, NULL);
    message_unref(m);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void a_session_is_told_whole_when_its_connection_changes(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold_of("c", true);
    struct message *will = make("w", "bye", false);
    struct store_subscription sub = {.filter = text("a/#"), .qos = 1};
    struct mqtt_slice filter = text("a/#");
    connect(w, &h, false, will);
    message_unref(will);
    ASSERT_TOLD(w, "session 1 c durable connected will; ");
    store_subscribe(w->store, &h, &sub, 1, done, NULL);
    store_unsubscribe(w->store, &h, &filter, 1, done, NULL);
    ASSERT_TOLD(w, "subscribed 1 a/#:1; unsubscribed 1 a/#; ");
    disconnect(w, &h, true, 60);
    ASSERT_TOLD(w, "will bye; session 1 c durable expires; ");
    connect(w, &h, true, NULL);
    ASSERT_TOLD(w, "emptied 1; session 1 c durable connected; ");
    disconnect(w, &h, false, 0);
    ASSERT_TOLD(w, "emptied 1; emptied 1; gone 1; ");
}

static void a_connection_without_session_and_will_is_nothing_to_tell(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold_of("c", false);
    struct store_subscription sub = {.filter = text("a"), .qos = 1};
    connect(w, &h, true, NULL);
    store_subscribe(w->store, &h, &sub, 1, done, NULL);
    disconnect(w, &h, false, 0);
    publish(w, make("a", "1", false), NULL, NULL);
    ASSERT_TOLD(w, "");
}

static void a_delayed_will_is_told_with_its_time(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold_of("c", true);
    struct message *will = make("w", "bye", false);
    struct store_connect_request req = {
        .hold = &h, .session_expiry_s = 60, .will = {.message = will, .delay_s = 30}};
    store_connect(w->store, &req, on_connected, w);
    message_unref(will);
    w->told[0] = '\0';
    disconnect(w, &h, true, 60);
    ASSERT_TOLD(w, "session 1 c durable expires will due; ");
}

static void on_fetched(void *arg, enum store_status status, const struct store_entry *entries,
                       size_t count, bool more)
{
    (void)entries, (void)more;
    assert_int_equal(status, STORE_OK);
    *(size_t *)arg = count;
}

static void a_queue_s_entries_come_and_go(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold_of("c", true);
    struct store_queue_target target = {.client_id = text("c"), .qos = 1};
    struct message *value = make("t", "v", true);
    size_t count;
    connect(w, &h, false, NULL);
    w->told[0] = '\0';
    publish(w, make("t", "1", false), "c", NULL);
    publish(w, make("t", "2", false), "c", NULL);
    store_enqueue(w->store, value, &target, done, NULL);
    message_unref(value);
    ASSERT_TOLD(w, "queued 1.1 1 qos 2 of 0.0; queued 1.2 2 qos 2 of 0.0; "
                   "queued 1.3 v qos 1 value of 0.0; ");
    store_fetch(w->store, &h, 1, 10, 1 << 20, on_fetched, &count);
    assert_int_equal(count, 3);
    store_release(w->store, &h, 1, done, NULL);
    store_ack(w->store, &h, 3);
    store_complete(w->store, &h, 1);
    ASSERT_TOLD(w, "released 1.1; unqueued 1.1 1; unqueued 1.3 v; completed 1.1; ");
    disconnect(w, &h, false, 0);
    ASSERT_TOLD(w, "emptied 1; unqueued 0.2 2; emptied 1; gone 1; ");
}

static void a_durable_publisher_s_qos_2_is_open_until_it_is_released(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold_of("c", true);
    struct message *m = make("t", "1", false);
    struct store_publish_request req = {.message = m, .hold = &h, .qos2_packet_id = 7};
    connect(w, &h, false, NULL);
    w->told[0] = '\0';
    store_publish(w->store, &req, done, NULL);
    store_publish(w->store, &req, done, NULL);
    store_qos2_end(w->store, &h, 7, done, NULL);
    store_qos2_end(w->store, &h, 7, done, NULL);
    ASSERT_TOLD(w, "opened 1.7; closed 1.7; ");
    message_unref(m);
}

static void retained_values_are_told_as_they_are_kept(void **state)
{
    struct world *w = *state;
    publish(w, make("a", "1", true), NULL, NULL);
    publish(w, make("a", "2", true), NULL, NULL);
    publish(w, make("b", "1", true), NULL, NULL);
    publish(w, make("c", "1", true), NULL, NULL); /* one too many */
    publish(w, make("a", "", true), NULL, NULL);
    publish(w, make("x", "", true), NULL, NULL);
    ASSERT_TOLD(w, "retained a=1; retained a=2; retained b=1; unretained a; ");
}

static void on_taken(void *arg, enum store_status status, const struct store_share_entry *entries,
                     size_t count, enum store_more more)
{
    struct world *w = arg;
    (void)status, (void)more;
    w->taken = count > 0 ? entries[0].taken : NULL;
}

static void a_group_s_message_that_a_clean_member_is_sent_at_qos_2_is_nobody_else_s(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold_of("m", false);
    struct store_member m = {.hold = &h, .filter = text("$share/g/t"), .options = {.qos = 2}};
    connect(w, &h, true, NULL);
    publish(w, make("t", "1", false), NULL, "$share/g/t");
    ASSERT_TOLD(w, "group 1 $share/g/t; shared 1.1 1; ");
    store_share_take(w->store, &m, 1, on_taken, w);
    store_share_put_back(w->store, &h, w->taken);
    store_share_take(w->store, &m, 1, on_taken, w);
    store_share_finish(w->store, &h, w->taken);
    ASSERT_TOLD(w, "taken 1.1 1; taken 1.1 0; taken 1.1 1; shared gone 1.1 1; ");
    m.options.qos = 1; /* it may be sent again */
    publish(w, make("t", "2", false), NULL, "$share/g/t");
    store_share_take(w->store, &m, 1, on_taken, w);
    ASSERT_TOLD(w, "shared 1.2 2; ");
    store_share_finish(w->store, &h, w->taken);
    store_share_ended(w->store, m.filter);
    ASSERT_TOLD(w, "shared gone 1.2 2; group gone 1; ");
    disconnect(w, &h, false, 0);
}

static void a_durable_member_s_copy_names_the_group_s_message(void **state)
{
    struct world *w = *state;
    struct store_hold h = hold_of("m", true);
    struct store_member m = {.hold = &h, .filter = text("$share/g/t"), .options = {.qos = 1}};
    connect(w, &h, false, NULL);
    publish(w, make("t", "1", false), NULL, "$share/g/t");
    w->told[0] = '\0';
    store_share_take(w->store, &m, 1, on_taken, w);
    ASSERT_TOLD(w, "queued 1.1 1 qos 1 of 2.1; ");
    store_ack(w->store, &h, 1);
    ASSERT_TOLD(w, "unqueued 1.1 1; shared gone 2.1 1; ");
    disconnect(w, &h, false, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_session_is_told_whole_when_its_connection_changes),
        TEST(a_connection_without_session_and_will_is_nothing_to_tell),
        TEST(a_delayed_will_is_told_with_its_time),
        TEST(a_queue_s_entries_come_and_go),
        TEST(a_durable_publisher_s_qos_2_is_open_until_it_is_released),
        TEST(retained_values_are_told_as_they_are_kept),
        TEST(a_group_s_message_that_a_clean_member_is_sent_at_qos_2_is_nobody_else_s),
        TEST(a_durable_member_s_copy_names_the_group_s_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
