/* store_file: nothing completes before it is on the disk, and all of it is there after a crash. */
#include "broker/store/file/store_file.h"

#include "tests/unit/broker/store/file/file_bed.h"

/* Holds are static: the store has them until it is freed, after the test. */

static void a_publish_completes_when_it_is_on_the_disk(void **state)
{
    struct file_bed *b = *state;
    static struct store_hold h;
    h = bed_hold("c", true);
    bed_open(b);
    bed_connect(b, &h, NULL, 0);
    unsigned done = b->done;
    bed_publish(b, bed_message("t", "1", false), "c", 1);
    assert_int_equal(b->done, done);
    store_flush(b->store);
    assert_int_equal(b->done, done); /* completions come from store_input alone */
    bed_await(b, done + 1);
    file_crash(b);
    h = bed_hold("c", true);
    bed_connect(b, &h, NULL, 0);
    assert_true(b->session_present);
    bed_fetch(b, &h, b->next_sequence);
    assert_int_equal(b->got_count, 1);
    assert_string_equal(b->got[0].payload, "1");
    assert_false(b->got[0].duplicate);
}

static void what_wasnt_flushed_is_gone_after_a_crash(void **state)
{
    struct file_bed *b = *state;
    static struct store_hold h;
    h = bed_hold("c", true);
    bed_open(b);
    bed_connect(b, &h, NULL, 0);
    bed_publish(b, bed_message("t", "1", false), "c", 1);
    file_crash(b);
    h = bed_hold("c", true);
    bed_connect(b, &h, NULL, 0);
    bed_fetch(b, &h, b->next_sequence);
    assert_int_equal(b->got_count, 0);
}

static void an_entry_comes_back_with_all_that_belongs_to_it(void **state)
{
    struct file_bed *b = *state;
    static struct store_hold h;
    h = bed_hold("c", true);
    struct store_queue_target target = {.client_id = bed_text("c"), .qos = 1};
    bed_open(b);
    bed_connect(b, &h, NULL, 0);
    struct message *m = bed_message("t", "first", true);
    m->expires_at_ms = store_now_ms(b->store) + 3600000;
    bed_publish(b, m, "c", 2);
    m = bed_message("t", "value", true);
    unsigned done = b->done;
    store_enqueue(b->store, m, &target, bed_done, b);
    message_unref(m);
    bed_await(b, done + 1);
    file_crash(b);
    h = bed_hold("c", true);
    bed_connect(b, &h, NULL, 0);
    bed_fetch(b, &h, b->next_sequence);
    assert_int_equal(b->got_count, 2);
    const struct got *g = &b->got[0];
    assert_string_equal(g->payload, "first");
    assert_int_equal(g->sequence, 1);
    assert_true(g->qos == 2 && g->retain && !g->is_value && g->expires && g->props == 7);
    assert_true(g->id_count == 2 && g->ids[0] == 3 && g->ids[1] == 268435455);
    g = &b->got[1];
    assert_string_equal(g->payload, "value");
    assert_true(g->qos == 1 && g->retain && g->is_value && !g->expires && g->id_count == 0);
}

/* And one that expires while the broker is away doesn't come. */
static void an_expired_message_isnt_there_any_more(void **state)
{
    struct file_bed *b = *state;
    static struct store_hold h;
    h = bed_hold("c", true);
    bed_open(b);
    bed_connect(b, &h, NULL, 0);
    struct message *m = bed_message("t", "1", true);
    m->expires_at_ms = store_now_ms(b->store) + 50;
    bed_publish(b, m, "c", 1);
    bed_await(b, 2);
    file_crash(b);
    usleep(60000);
    h = bed_hold("c", true);
    bed_connect(b, &h, NULL, 0);
    bed_fetch(b, &h, b->next_sequence);
    assert_int_equal(b->got_count, 0);
    bed_read_values(b, "#");
    assert_string_equal(b->values, "");
}

static void what_was_sent_comes_again_as_a_duplicate_under_its_packet_id(void **state)
{
    struct file_bed *b = *state;
    static struct store_hold h;
    h = bed_hold("c", true);
    bed_open(b);
    bed_connect(b, &h, NULL, 0);
    for (int i = 0; i < 4; i++)
        bed_publish(b, bed_message("t", (const char *[]){"1", "2", "3", "4"}[i], false), "c", 2);
    bed_fetch(b, &h, 1);
    unsigned done = b->done;
    store_release(b->store, &h, 3, bed_done, b);
    store_release(b->store, &h, 1, bed_done, b);
    bed_await(b, done + 2);
    file_crash(b);
    h = bed_hold("c", true);
    bed_connect(b, &h, NULL, 0);
    assert_int_equal(b->released_count, 2);
    assert_true(b->released[0] == 3 && b->released[1] == 1); /* in the order of the PUBRECs */
    bed_fetch(b, &h, b->next_sequence);
    assert_int_equal(b->got_count, 2);
    assert_true(b->got[0].sequence == 2 && b->got[0].duplicate);
    assert_true(b->got[1].sequence == 4 && b->got[1].duplicate);
    store_complete(b->store, &h, 3);
    store_ack(b->store, &h, 2);
    store_ack(b->store, &h, 4);
    bed_settle(b);
    file_crash(b);
    h = bed_hold("c", true);
    bed_connect(b, &h, NULL, 0);
    assert_int_equal(b->released_count, 1);
    bed_publish(b, bed_message("t", "5", false), "c", 1);
    bed_fetch(b, &h, b->next_sequence);
    assert_int_equal(b->got_count, 1);
    assert_int_equal(b->got[0].sequence, 5); /* sequences go on, though the queue was empty */
}

static void a_message_is_stored_before_it_is_read(void **state)
{
    struct file_bed *b = *state;
    static struct store_hold h;
    h = bed_hold("c", true);
    bed_open(b);
    bed_connect(b, &h, NULL, 0);
    unsigned done = b->done;
    bed_publish(b, bed_message("t", "1", false), "c", 2);
    store_fetch(b->store, &h, 1, 16, 1 << 20, bed_fetched, b);
    assert_int_equal(b->done, done);
    bed_await(b, done + 2);
    assert_int_equal(b->got_count, 1);
    file_crash(b);
    h = bed_hold("c", true);
    bed_connect(b, &h, NULL, 0);
    bed_fetch(b, &h, b->next_sequence);
    assert_true(b->got_count == 1 && b->got[0].duplicate);
}

static void a_qos_2_message_of_a_durable_publisher_is_taken_once(void **state)
{
    struct file_bed *b = *state;
    static struct store_hold h;
    h = bed_hold("p", true);
    bed_open(b);
    bed_connect(b, &h, NULL, 0);
    struct message *m = bed_message("t", "1", false);
    bool reached = false;
    struct store_publish_request req = {
        .message = m, .hold = &h, .qos2_packet_id = 7, .reached = &reached};
    unsigned done = b->done;
    store_publish(b->store, &req, bed_done, b);
    assert_int_equal(b->delivered, 0); /* the packet id isn't on the disk yet */
    bed_await(b, done + 1);
    assert_true(b->delivered == 1 && reached);
    file_crash(b);
    h = bed_hold("p", true);
    bed_connect(b, &h, NULL, 0);
    done = b->done;
    store_publish(b->store, &req, bed_done, b);
    bed_await(b, done + 1);
    assert_int_equal(b->delivered, 1);
    done = b->done;
    store_qos2_end(b->store, &h, 7, bed_done, b);
    bed_await(b, done + 1);
    file_crash(b);
    h = bed_hold("p", true);
    bed_connect(b, &h, NULL, 0);
    done = b->done;
    store_publish(b->store, &req, bed_done, b);
    bed_await(b, done + 1);
    assert_int_equal(b->delivered, 2);
    message_unref(m);
}

static void subscriptions_come_back_with_their_options(void **state)
{
    struct file_bed *b = *state;
    static struct store_hold h;
    h = bed_hold("c", true);
    struct store_subscription subs[] = {
        {.filter = bed_text("a/#"), .qos = 2, .no_local = true, .subscription_id = 77},
        {.filter = bed_text("b"), .qos = 1, .retain_as_published = true},
        {.filter = bed_text("gone"), .qos = 0}};
    bed_open(b);
    bed_connect(b, &h, NULL, 0);
    unsigned done = b->done;
    store_subscribe(b->store, &h, subs, 3, bed_done, b);
    store_unsubscribe(b->store, &h, &subs[2].filter, 1, bed_done, b);
    bed_await(b, done + 2);
    file_crash(b);
    assert_string_equal(b->subscriptions, "c a/# 2 no_local 77; c b 1 as_published 0; ");
}

static void a_clean_start_leaves_nothing_of_the_session(void **state)
{
    struct file_bed *b = *state;
    static struct store_hold h;
    h = bed_hold("c", true);
    struct store_subscription sub = {.filter = bed_text("a"), .qos = 1};
    bed_open(b);
    bed_connect(b, &h, NULL, 0);
    unsigned done = b->done;
    store_subscribe(b->store, &h, &sub, 1, bed_done, b);
    bed_publish(b, bed_message("a", "1", false), "c", 1);
    bed_await(b, done + 2);
    bed_disconnect(b, &h, false);
    struct store_connect_request req = {.hold = &h, .clean_start = true, .session_expiry_s = 60};
    done = b->done;
    store_connect(b->store, &req, bed_connected, b);
    bed_await(b, done + 1);
    bed_settle(b);
    file_crash(b);
    assert_string_equal(b->subscriptions, "");
    h = bed_hold("c", true);
    bed_connect(b, &h, NULL, 0);
    assert_true(b->session_present);
    bed_fetch(b, &h, b->next_sequence);
    assert_int_equal(b->got_count, 0);
}

static void a_session_belongs_to_its_user_after_a_crash(void **state)
{
    struct file_bed *b = *state;
    static struct store_hold h;
    h = bed_hold("c", true);
    h.user = "bob";
    bed_open(b);
    bed_connect(b, &h, NULL, 0);
    file_crash(b);
    h = bed_hold("c", true);
    h.user = "eve";
    unsigned failed = b->failed;
    bed_connect(b, &h, NULL, 0);
    assert_int_equal(b->failed, failed + 1);
    h = bed_hold("c", true);
    h.user = "bob";
    bed_connect(b, &h, NULL, 0);
    assert_true(b->session_present);
}

static void a_will_of_a_connection_that_was_there_is_published_after_a_crash(void **state)
{
    struct file_bed *b = *state;
    static struct store_hold clean;
    clean = bed_hold("a", false);
    static struct store_hold delayed;
    delayed = bed_hold("b", true);
    static struct store_hold back;
    back = bed_hold("d", true);
    struct message *will = bed_message("w", "bye", true);
    bed_open(b);
    bed_connect(b, &clean, will, 0);
    bed_connect(b, &delayed, will, 1);
    bed_connect(b, &back, will, 1);
    message_unref(will);
    file_crash(b);
    assert_int_equal(b->wills, 0);
    usleep(20000);
    bed_turn(b);
    assert_int_equal(b->wills, 1);
    assert_string_equal(b->will, "bye");
    back = bed_hold("d", true);
    bed_connect(b, &back, NULL, 0); /* in time */
    usleep(1100000);
    bed_turn(b);
    assert_int_equal(b->wills, 2);
    bed_settle(b);
    file_crash(b);
    usleep(20000);
    bed_turn(b);
    assert_int_equal(b->wills, 2); /* each once */
}

static void a_session_expires_while_the_broker_is_away(void **state)
{
    struct file_bed *b = *state;
    static struct store_hold h;
    h = bed_hold("c", true);
    bed_open(b);
    bed_connect(b, &h, NULL, 0);
    unsigned done = b->done;
    store_disconnect(b->store, &h, false, 1, bed_done, b);
    bed_await(b, done + 1);
    file_crash(b);
    bed_turn(b);
    assert_int_equal(b->ended, 0);
    bed_settle(b);
    usleep(1100000);
    file_crash(b);
    usleep(20000);
    bed_turn(b);
    assert_int_equal(b->ended, 1);
    bed_settle(b);
    file_crash(b);
    h = bed_hold("c", true);
    bed_connect(b, &h, NULL, 0);
    assert_false(b->session_present);
}

static void retained_values_are_the_newest(void **state)
{
    struct file_bed *b = *state;
    bed_open(b);
    unsigned done = b->done;
    bed_publish(b, bed_message("a/1", "old", true), NULL, 0);
    bed_publish(b, bed_message("a/1", "new", true), NULL, 0);
    bed_publish(b, bed_message("a/2", "kept", true), NULL, 0);
    bed_publish(b, bed_message("a/3", "cleared", true), NULL, 0);
    bed_publish(b, bed_message("a/3", "", true), NULL, 0);
    bed_await(b, done + 5);
    file_crash(b);
    bed_read_values(b, "a/1");
    assert_string_equal(b->values, "a/1=new ");
    bed_read_values(b, "a/2");
    assert_string_equal(b->values, "a/2=kept ");
    bed_read_values(b, "a/3");
    assert_string_equal(b->values, "");
    assert_int_equal(b->stats.retained, 2);
}

static void publish_to_group(struct file_bed *b, const char *payload)
{
    struct mqtt_slice filter = bed_text("$share/g/t");
    struct message *m = bed_message("t", payload, false);
    struct store_publish_request req = {.message = m,
                                        .targets = {.groups = &filter, .group_count = 1}};
    unsigned done = b->done;
    store_publish(b->store, &req, bed_done, b);
    message_unref(m);
    bed_await(b, done + 1);
}

static void a_group_s_queue_comes_back_without_what_ended(void **state)
{
    struct file_bed *b = *state;
    static struct store_hold h;
    h = bed_hold("m", false);
    struct store_member m = {.hold = &h, .filter = bed_text("$share/g/t"), .options = {.qos = 2}};
    bed_open(b);
    publish_to_group(b, "1");
    bed_take(b, &m); /* at QoS 2: it is this member's alone */
    assert_int_equal(b->taken_count, 1);
    struct store_taken *first = b->taken[0].taken;
    publish_to_group(b, "2");
    m.options.qos = 1;
    bed_take(b, &m); /* at QoS 1: another one may get it */
    struct store_taken *second = b->taken[0].taken;
    publish_to_group(b, "3");
    file_crash(b);
    store_share_finish(b->store, &h, first); /* of the store before: the memory is the taker's */
    store_share_finish(b->store, &h, second);
    h = bed_hold("n", false);
    bed_take(b, &m);
    assert_int_equal(b->taken_count, 2);
    assert_memory_equal(b->taken[0].message->payload.data, "2", 1);
    assert_memory_equal(b->taken[1].message->payload.data, "3", 1);
    store_share_finish(b->store, &h, b->taken[0].taken);
    store_share_finish(b->store, &h, b->taken[1].taken);
    bed_settle(b);
    file_crash(b);
    bed_take(b, &m);
    assert_int_equal(b->taken_count, 0);
}

static void a_durable_member_keeps_what_it_was_sent_of_a_group(void **state)
{
    struct file_bed *b = *state;
    static struct store_hold h;
    h = bed_hold("m", true);
    struct store_member m = {.hold = &h, .filter = bed_text("$share/g/t"), .options = {.qos = 2}};
    bed_open(b);
    bed_connect(b, &h, NULL, 0);
    publish_to_group(b, "sent");
    bed_take(b, &m);
    bed_fetch(b, &h, 1);
    publish_to_group(b, "unsent");
    bed_take(b, &m);
    bed_settle(b);
    file_crash(b);
    h = bed_hold("m", true);
    bed_connect(b, &h, NULL, 0);
    bed_fetch(b, &h, b->next_sequence);
    assert_int_equal(b->got_count, 1);
    assert_string_equal(b->got[0].payload, "sent");
    bed_take(b, &m); /* what it wasn't sent went back to the group, and comes again */
    bed_fetch(b, &h, b->got[0].sequence + 1);
    assert_int_equal(b->got_count, 1);
    assert_string_equal(b->got[0].payload, "unsent");
    assert_false(b->got[0].duplicate);
}

static void second_doesnt_wait_and_is_written_soon(void **state)
{
    struct file_bed *b = *state;
    static struct store_hold h;
    h = bed_hold("c", true);
    b->sync = STORE_SYNC_SECOND;
    bed_open(b);
    struct store_connect_request req = {.hold = &h, .session_expiry_s = 60};
    store_connect(b->store, &req, bed_connected, b);
    bed_publish(b, bed_message("t", "1", false), "c", 1);
    assert_int_equal(b->done, 2);
    uint64_t end_ms = clock_monotonic_ms() + 900;
    while (clock_monotonic_ms() < end_ms) {
        bed_turn(b);
        usleep(10000);
    }
    file_crash(b);
    h = bed_hold("c", true);
    bed_connect(b, &h, NULL, 0);
    assert_true(b->session_present);
    bed_fetch(b, &h, b->next_sequence);
    assert_int_equal(b->got_count, 1);
}

/* A client may have been sent what the file doesn't know: no packet id of it means another message. */
static void second_leaves_out_sequences_that_may_have_been_used(void **state)
{
    struct file_bed *b = *state;
    static struct store_hold h;
    h = bed_hold("c", true);
    b->sync = STORE_SYNC_SECOND;
    bed_open(b);
    bed_connect(b, &h, NULL, 0);
    bed_publish(b, bed_message("t", "1", false), "c", 1);
    bed_fetch(b, &h, 1);
    bed_publish(b, bed_message("t", "lost", false), "c", 1);
    bed_fetch(b, &h, 2);
    assert_int_equal(b->got[0].sequence, 2);
    file_crash(b); /* before the second one is written */
    h = bed_hold("c", true);
    bed_connect(b, &h, NULL, 0);
    bed_publish(b, bed_message("t", "other", false), "c", 1);
    bed_fetch(b, &h, b->next_sequence);
    assert_string_equal(b->got[b->got_count - 1].payload, "other");
    assert_true(b->got[b->got_count - 1].sequence > 2);
}

static void an_orderly_end_leaves_everything(void **state)
{
    struct file_bed *b = *state;
    static struct store_hold h;
    h = bed_hold("c", true);
    b->sync = STORE_SYNC_SECOND;
    bed_open(b);
    bed_connect(b, &h, NULL, 0);
    bed_publish(b, bed_message("t", "1", true), "c", 1);
    bed_disconnect(b, &h, false);
    bed_settle(b);
    store_free(b->store);
    bed_open(b);
    h = bed_hold("c", true);
    bed_connect(b, &h, NULL, 0);
    assert_true(b->session_present);
    bed_fetch(b, &h, b->next_sequence);
    assert_int_equal(b->got_count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_set_up, bed_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_publish_completes_when_it_is_on_the_disk),
        TEST(what_wasnt_flushed_is_gone_after_a_crash),
        TEST(an_entry_comes_back_with_all_that_belongs_to_it),
        TEST(an_expired_message_isnt_there_any_more),
        TEST(what_was_sent_comes_again_as_a_duplicate_under_its_packet_id),
        TEST(a_message_is_stored_before_it_is_read),
        TEST(a_qos_2_message_of_a_durable_publisher_is_taken_once),
        TEST(subscriptions_come_back_with_their_options),
        TEST(a_clean_start_leaves_nothing_of_the_session),
        TEST(a_session_belongs_to_its_user_after_a_crash),
        TEST(a_will_of_a_connection_that_was_there_is_published_after_a_crash),
        TEST(a_session_expires_while_the_broker_is_away),
        TEST(retained_values_are_the_newest),
        TEST(a_group_s_queue_comes_back_without_what_ended),
        TEST(a_durable_member_keeps_what_it_was_sent_of_a_group),
        TEST(second_doesnt_wait_and_is_written_soon),
        TEST(second_leaves_out_sequences_that_may_have_been_used),
        TEST(an_orderly_end_leaves_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
