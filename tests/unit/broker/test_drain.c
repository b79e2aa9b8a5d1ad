/* drain: a broker's end after SIGTERM. Its timeouts are short, and waited for only where one must be over. */
#include "broker/drain.h"

#include <signal.h>

#include "tests/unit/broker/core_bed.h"
#include "tests/unit/broker/held_store.h"

static int set_up(void **state)
{
    bed_set_up(state);
    struct core_bed *b = *state;
    b->core.config.drain_timeout_ms = 60000; /* not reached */
    bed_broker(b)->drain = drain_new(bed_broker(b));
    return bed_broker(b)->drain != NULL ? 0 : -1;
}

static void turn(struct core_bed *b)
{
    event_base_loop(bed_broker(b)->base, EVLOOP_ONCE);
    core_settle(&b->core);
}

/* The signal has come to the loop. */
static void terminate(struct core_bed *b, int signal)
{
    raise(signal);
    while (bed_broker(b)->state == BROKER_SERVING)
        turn(b);
}

static void finish(struct core_bed *b)
{
    while (bed_broker(b)->state != BROKER_STOPPED)
        turn(b);
}

static uint64_t shut_down(struct core_bed *b)
{
    return bed_broker(b)->stats.ended[END_SHUTDOWN];
}

static void without_clients_it_stops_at_once(void **state)
{
    struct core_bed *b = *state;
    assert_int_equal(bed_broker(b)->state, BROKER_SERVING);
    terminate(b, SIGTERM);
    finish(b);
}

static void an_interrupt_is_the_same(void **state)
{
    struct core_bed *b = *state;
    terminate(b, SIGINT);
    finish(b);
}

static void a_later_signal_changes_nothing(void **state)
{
    struct core_bed *b = *state;
    bed_broker(b)->state = BROKER_STOPPED;
    raise(SIGTERM);
    turn(b);
    assert_int_equal(bed_broker(b)->state, BROKER_STOPPED);
}

/* So that they don't all reconnect at once. */
static void clients_are_closed_over_the_time_that_there_is(void **state)
{
    enum { CLIENTS = 20 };
    struct core_bed *b = *state;
    for (int i = 0; i < CLIENTS; i++)
        bed_connect(b);
    b->core.config.drain_timeout_ms =
        5000; /* 4000 of them for clients, in steps of 20: one by one */
    terminate(b, SIGTERM);
    while (shut_down(b) == 0)
        turn(b);
    assert_true(shut_down(b) < CLIENTS / 2);
    finish(b);
    assert_int_equal(shut_down(b), CLIENTS);
}

static void what_a_client_sent_before_is_still_answered(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_join(b, "c", true);
    assert_int_equal(bed_connack(c), 0);
    c->in = (const uint8_t *)"\xc0\0"; /* and nobody has said so */
    c->in_len = 2;
    terminate(b, SIGTERM);
    finish(b);
    assert_int_equal(bed_count(c, MQTT_PINGRESP), 1);
    assert_int_equal(shut_down(b), 1);
}

/* Those that wait for the store are closed when their time is over; here all is. */
static void who_isnt_answered_in_time_is_closed_without(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_join(b, "c", true);
    assert_int_equal(bed_connack(c), 0);
    held_begin(&b->core, HOLDS(HELD_PUBLISH));
    bed_publish(b, c, "t", 1, false);
    b->core.config.drain_timeout_ms = 100;
    terminate(b, SIGTERM);
    finish(b);
    assert_true(c->freed);
    assert_int_equal(c->out_len, 0);
    assert_int_equal(shut_down(b), 1);
    held_end(&b->core);
}

/* Each step closes one, and it isn't always the same. */
static void nor_does_it_hold_up_others(void **state)
{
    struct core_bed *b = *state;
    struct core_client *other = bed_join(b, "other", true), *c = bed_join(b, "c", true);
    held_begin(&b->core, HOLDS(HELD_PUBLISH));
    bed_publish(b, c, "t", 1, false);
    terminate(b, SIGTERM);
    for (int i = 0; i < 100 && !other->freed; i++)
        turn(b);
    assert_true(other->freed);
    assert_false(c->freed);
    held_answer(HELD_PUBLISH, STORE_OK);
    finish(b);
    held_end(&b->core);
}

/* They did nothing wrong, and come back at once. */
static void wills_of_drained_clients_wait(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_join_as(b, &(struct mqtt_connect){.clean_start = true,
                                                                  .client_id = bed_text("c"),
                                                                  .has_will = true,
                                                                  .will_topic = bed_text("w"),
                                                                  .will_payload = bed_text("x")});
    held_begin(&b->core, HOLDS(HELD_DISCONNECT));
    terminate(b, SIGTERM);
    while (!c->freed)
        turn(b);
    assert_true(held.with_will);
    assert_int_equal(held.will_grace_s, 30);
    held_end(&b->core);
    finish(b);
}

static uint64_t deadline_ms;

static void never_end(struct store *s, uint64_t until_ms, store_done_fn *done, void *arg)
{
    (void)s, (void)done, (void)arg;
    deadline_ms = until_ms;
}

static void a_store_that_doesnt_end_isnt_waited_for(void **state)
{
    struct core_bed *b = *state;
    held_begin(&b->core, 0);
    held.ops.shutdown = never_end;
    b->core.config.drain_timeout_ms = 100;
    terminate(b, SIGTERM);
    while (deadline_ms == 0)
        turn(b);
    assert_int_equal(bed_broker(b)->state, BROKER_DRAINING); /* it has half a second at least */
    finish(b);
    assert_true(bed_broker(b)->clock.began_ns / 1000000 >= deadline_ms);
    held_end(&b->core);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, bed_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_clients_it_stops_at_once),
        TEST(an_interrupt_is_the_same),
        TEST(a_later_signal_changes_nothing),
        TEST(clients_are_closed_over_the_time_that_there_is),
        TEST(what_a_client_sent_before_is_still_answered),
        TEST(who_isnt_answered_in_time_is_closed_without),
        TEST(nor_does_it_hold_up_others),
        TEST(wills_of_drained_clients_wait),
        TEST(a_store_that_doesnt_end_isnt_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
