/* client_life: how a connection ends, and what its store and session are told. What is written:
 * test_client_life_flush.c. */
#include "broker/connection/client_life.h"

#include <unistd.h>

#include "broker/client/connect_attempt.h"
#include "common/log/log.h"
#include "tests/unit/broker/core_bed.h"
#include "tests/unit/broker/held_store.h"

static uint64_t ended(struct core_bed *b, enum client_end why)
{
    return bed_broker(b)->stats.ended[why];
}

static struct core_client *join(struct core_bed *b, bool clean)
{
    struct core_client *c = bed_join(b, "c", clean);
    assert_int_equal(bed_connack(c), 0);
    return c;
}

/* ---- the store and the session ---------------------------------------------------------------- */

static void the_store_is_told_once_and_of_the_will(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, true);
    held_begin(&b->core, HOLDS(HELD_DISCONNECT));
    client_close(c->client, END_KEEP_ALIVE);
    client_close(c->client, END_EOF);
    assert_int_equal(held_waiting(HELD_DISCONNECT), 1);
    assert_true(held.with_will);
    assert_int_equal(ended(b, END_KEEP_ALIVE), 1);
    assert_int_equal(ended(b, END_EOF), 0);
    c = join(b, true);
    client_close(c->client, END_DISCONNECT);
    assert_false(held.with_will);
    held_end(&b->core);
}

static void it_isnt_told_of_who_has_no_session(void **state)
{
    struct core_bed *b = *state;
    held_begin(&b->core, HOLDS(HELD_DISCONNECT));
    client_close(bed_connect(b)->client, END_EOF);
    client_close_silently(join(b, true)->client, END_TAKEN_OVER); /* it is another's */
    assert_int_equal(held_waiting(HELD_DISCONNECT), 0);
    held_end(&b->core);
}

static void a_will_that_isnt_allowed_any_more_is_dropped(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_join_as(b, &(struct mqtt_connect){.clean_start = true,
                                                                  .client_id = bed_text("c"),
                                                                  .has_will = true,
                                                                  .will_topic = bed_text("w"),
                                                                  .will_payload = bed_text("x")});
    held_begin(&b->core, HOLDS(HELD_DISCONNECT));
    bed_use_auth(b, NULL, "topic read #\n");
    client_close(c->client, END_EOF);
    assert_false(held.with_will);
    assert_int_equal(bed_broker(b)->stats.dropped[DROP_DENIED], 1);
    held_end(&b->core);
}

static struct core_client *join_with_will(struct core_bed *b)
{
    return bed_join_as(b, &(struct mqtt_connect){.clean_start = true,
                                                 .client_id = bed_text("c"),
                                                 .has_will = true,
                                                 .will_topic = bed_text("w"),
                                                 .will_payload = bed_text("x")});
}

/* [MQTT-3.1.2-8], 5.0: 3.1.2.5. Phones that change networks may have no use for it. */
static void whether_who_is_taken_over_has_a_will_is_configured(void **state)
{
    struct core_bed *b = *state;
    struct core_client *other = bed_join(b, "other", true);
    bed_subscribe(b, other, "w", 0);
    join_with_will(b);
    join_with_will(b);
    assert_int_equal(bed_count(other, MQTT_PUBLISH), 1);
    b->core.config.mqtt.will_on_takeover = false;
    struct core_client *last = join_with_will(b);
    assert_int_equal(ended(b, END_TAKEN_OVER), 2);
    assert_int_equal(bed_count(other, MQTT_PUBLISH), 0);
    bed_leave(b, last); /* for all other ends it is published */
    assert_int_equal(bed_count(other, MQTT_PUBLISH), 1);
}

static bool is_known(struct core_bed *b)
{
    return session_table_find(bed_broker(b)->sessions, bed_text("c")) != NULL;
}

static void a_durable_session_stays_and_a_clean_one_goes(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, true);
    assert_true(is_known(b));
    bed_leave(b, c);
    assert_false(is_known(b));
    bed_leave(b, join(b, false));
    assert_true(is_known(b));
    assert_null(session_table_find(bed_broker(b)->sessions, bed_text("c"))->client);
}

/* Nobody would say when it ends: the log of a fleet names sessions that have subscriptions. */
static void where_the_store_is_shared_one_without_subscriptions_isnt_kept(void **state)
{
    struct core_bed *b = *state;
    held_begin(&b->core, HOLDS(HELD_PUBLISH)); /* shared, so */
    bed_leave(b, join(b, false));
    assert_false(is_known(b));
    struct core_client *c = join(b, false);
    bed_subscribe(b, c, "a", 1);
    bed_leave(b, c);
    assert_true(is_known(b));
    held_end(&b->core);
}

static void a_durable_one_that_was_refused_goes_too(void **state)
{
    struct core_bed *b = *state;
    held_begin(&b->core, HOLDS(HELD_CONNECT));
    bed_join(b, "c", false);
    assert_true(is_known(b));
    held_answer_connect(STORE_UNAVAILABLE, NULL);
    core_settle(&b->core);
    assert_false(is_known(b));
    held_end(&b->core);
}

static void who_walks_along_the_clients_isnt_left_at_one_that_is_gone(void **state)
{
    struct core_bed *b = *state;
    struct client *last = bed_connect(b)->client, *middle = bed_connect(b)->client;
    struct client *first = bed_connect(b)->client;
    struct broker *broker = bed_broker(b);
    assert_int_equal(broker->client_count, 3);
    broker->recheck_at = middle;
    client_close(first, END_EOF);
    assert_ptr_equal(broker->recheck_at, middle);
    assert_ptr_equal(broker->clients, middle);
    client_close(middle, END_EOF);
    assert_ptr_equal(broker->recheck_at, last);
    client_close(last, END_EOF);
    assert_null(broker->recheck_at);
    assert_null(broker->clients);
    assert_int_equal(broker->client_count, 0);
}

/* ---- its timer -------------------------------------------------------------------------------- */

static void fire(struct core_bed *b, struct core_client *c)
{
    c->client->timer.due(&c->client->timer);
    core_settle(&b->core);
}

static void who_doesnt_connect_in_time_is_closed(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_connect(b);
    fire(b, c);
    assert_true(c->freed);
    assert_int_equal(ended(b, END_CONNECT_TIMEOUT), 1);
}

static void who_is_silent_for_too_long_is_closed(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, true);
    c->client->keep_alive_s = 10;
    fire(b, c);
    assert_false(c->freed);
    assert_true(wheel_is_set(&c->client->timer)); /* again */
    bed_broker(b)->client_ms += 15000;
    fire(b, c);
    assert_true(c->freed);
    assert_int_equal(ended(b, END_KEEP_ALIVE), 1);
}

static void who_leaves_is_closed_when_its_time_is_over(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, true);
    client_leave(c->client, END_SHUTDOWN);
    c->client->timer.due(&c->client->timer);
    assert_int_equal(c->client->state, CLIENT_ANSWERING);
    core_settle(&b->core);
    assert_int_equal(ended(b, END_SHUTDOWN), 1);
}

/* It doesn't wait for the answers: the client gets them again. */
static void who_has_an_heir_is_closed_at_once(void **state)
{
    struct core_bed *b = *state;
    struct client *c = join(b, true)->client, *heir = bed_connect(b)->client;
    assert_non_null(connect_attempt_new(heir, bed_text("c")));
    client_leave(c, END_TAKEN_OVER);
    leave_to(c, heir);
    client_end_leaving(c);
    assert_int_equal(c->state, CLIENT_CLOSED);
    assert_true(heir->on_work);
}

/* ---- the log ---------------------------------------------------------------------------------- */

static void a_flood_of_one_end_leaves_the_others_in_the_log(void **state)
{
    static char lines[1 << 16];
    struct core_bed *b = *state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    log_set_fd(fds[1]);
    join(b, true);
    for (int i = 0; i < 40; i++)
        bed_join(b, "", false); /* refused */
    join(b, true);
    log_set_fd(2);
    ssize_t n = read(fds[0], lines, sizeof(lines) - 1);
    assert_true(n > 0);
    lines[n] = '\0';
    assert_non_null(strstr(lines, "reason=refused"));
    assert_non_null(strstr(lines, "reason=taken_over"));
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(the_store_is_told_once_and_of_the_will),
        BED_TEST(it_isnt_told_of_who_has_no_session),
        BED_TEST(a_will_that_isnt_allowed_any_more_is_dropped),
        BED_TEST(whether_who_is_taken_over_has_a_will_is_configured),
        BED_TEST(a_durable_session_stays_and_a_clean_one_goes),
        BED_TEST(where_the_store_is_shared_one_without_subscriptions_isnt_kept),
        BED_TEST(a_durable_one_that_was_refused_goes_too),
        BED_TEST(who_walks_along_the_clients_isnt_left_at_one_that_is_gone),
        BED_TEST(who_doesnt_connect_in_time_is_closed),
        BED_TEST(who_is_silent_for_too_long_is_closed),
        BED_TEST(who_leaves_is_closed_when_its_time_is_over),
        BED_TEST(who_has_an_heir_is_closed_at_once),
        BED_TEST(a_flood_of_one_end_leaves_the_others_in_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
