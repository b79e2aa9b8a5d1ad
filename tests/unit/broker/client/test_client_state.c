/* The states of a connection: which may follow which, and that each way through them is gone. */
#include "tests/unit/broker/core_bed.h"
#include "tests/unit/broker/held_store.h"

/* ---- the table -------------------------------------------------------------------------------- */

static void a_connection_only_goes_forward(void **state)
{
    (void)state;
    for (int from = 0; from < CLIENT_STATES; from++)
        for (int to = 0; to <= from; to++)
            assert_false(client_state_follows((enum client_state)from, (enum client_state)to));
}

static void each_state_may_end_and_the_last_is_final(void **state)
{
    (void)state;
    for (int from = 0; from < CLIENT_CLOSED; from++) {
        assert_true(client_state_follows((enum client_state)from, CLIENT_CLOSED));
        if (from != CLIENT_CLOSING)
            assert_true(client_state_follows((enum client_state)from, CLIENT_CLOSING));
    }
}

static void nobody_gets_online_past_the_store(void **state)
{
    (void)state;
    for (int from = 0; from < CLIENT_STATES; from++)
        assert_int_equal(client_state_follows((enum client_state)from, CLIENT_ONLINE),
                         from == CLIENT_CLAIMING);
    assert_true(client_state_follows(CLIENT_CONNECTING, CLIENT_CLAIMING));
    assert_false(client_state_follows(CLIENT_PROXY, CLIENT_CLAIMING));
    assert_false(client_state_follows(CLIENT_CLAIMING, CLIENT_LEAVING));
}

static void only_a_proxy_header_comes_before_tls(void **state)
{
    (void)state;
    for (int from = 0; from < CLIENT_STATES; from++)
        assert_int_equal(client_state_follows((enum client_state)from, CLIENT_SECURING),
                         from == CLIENT_PROXY);
    assert_true(client_state_follows(CLIENT_SECURING, CLIENT_CONNECTING));
    assert_false(client_state_follows(CLIENT_SECURING, CLIENT_CLAIMING));
    assert_true(CLIENT_IN(CLIENT_SECURING) & CLIENT_READS);
    assert_false(CLIENT_IN(CLIENT_SECURING) & CLIENT_CONNECTED);
}

static void only_a_proxy_header_and_tls_come_before_an_upgrade(void **state)
{
    (void)state;
    for (int from = 0; from < CLIENT_STATES; from++)
        assert_int_equal(client_state_follows((enum client_state)from, CLIENT_UPGRADING),
                         from == CLIENT_PROXY || from == CLIENT_SECURING);
    assert_true(client_state_follows(CLIENT_UPGRADING, CLIENT_CONNECTING));
    assert_false(client_state_follows(CLIENT_UPGRADING, CLIENT_CLAIMING));
    assert_true(CLIENT_IN(CLIENT_UPGRADING) & CLIENT_READS);
    assert_false(CLIENT_IN(CLIENT_UPGRADING) & CLIENT_CONNECTED);
}

static void each_state_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int a = 0; a < CLIENT_STATES; a++)
        for (int b = 0; b < a; b++)
            assert_string_not_equal(client_state_name((enum client_state)a),
                                    client_state_name((enum client_state)b));
}

/* ---- a connection over a store that answers when the test wants ------------------------------- */

#define CONNECT "\x10\x0d\0\4MQTT\4\2\0\0\0\1a"
#define PUBLISH_1 "\x32\x05\0\1t\0\1"
#define SEND(b, literal) BED_SEND(b, connection(b), literal)

static struct core_client *connection(struct core_bed *b)
{
    return b->clients[0].c;
}

static int set_up(void **state)
{
    bed_set_up(state);
    struct core_bed *b = *state;
    held_begin(&b->core, HOLDS(HELD_CONNECT) | HOLDS(HELD_PUBLISH) | HOLDS(HELD_DISCONNECT));
    bed_connect(b);
    return 0;
}

static int tear_down(void **state)
{
    struct core_bed *b = *state;
    held_end(&b->core);
    return bed_tear_down(state);
}

static enum client_state state_of(struct core_bed *b)
{
    return (enum client_state)connection(b)->client->state;
}

static uint64_t online(struct core_bed *b)
{
    return bed_broker(b)->stats.online;
}

static void go_online(struct core_bed *b)
{
    SEND(b, CONNECT);
    held_answer_connect(STORE_OK, NULL);
    core_turn(&b->core);
    assert_int_equal(state_of(b), CLIENT_ONLINE);
}

/* ---- ways through them ------------------------------------------------------------------------ */

static void it_leaves_by_way_of_its_last_bytes_and_answers(void **state)
{
    struct core_bed *b = *state;
    struct client *c = connection(b)->client;
    assert_int_equal(state_of(b), CLIENT_CONNECTING);
    SEND(b, CONNECT);
    assert_int_equal(state_of(b), CLIENT_CLAIMING);
    assert_int_equal(c->claim, CLAIM_ASKED);
    held_answer_connect(STORE_OK, NULL);
    assert_int_equal(state_of(b), CLIENT_ONLINE);
    assert_int_equal(c->claim, CLAIM_HELD);
    assert_int_equal(online(b), 1);
    client_leave(c, END_SHUTDOWN);
    assert_int_equal(state_of(b), CLIENT_LEAVING);
    SEND(b, PUBLISH_1);                              /* what it sent before counts */
    assert_int_equal(state_of(b), CLIENT_ANSWERING); /* its socket is empty, the store is at work */
    held_answer(HELD_PUBLISH, STORE_OK);
    core_settle(&b->core);
    assert_true(connection(b)->freed);
    assert_memory_equal(connection(b)->out, "\x20\2\0\0\x40\2\0\1", 8); /* CONNACK, PUBACK */
    assert_int_equal(held.made[HELD_DISCONNECT], 1);
    assert_int_equal(online(b), 0);
}

/* It isn't read any more; what the store has is answered. */
static void it_is_closed_once_it_is_answered(void **state)
{
    struct core_bed *b = *state;
    go_online(b);
    SEND(b, PUBLISH_1);
    client_leave(connection(b)->client, END_SHUTDOWN);
    client_end_leaving(connection(b)->client);
    assert_int_equal(state_of(b), CLIENT_ANSWERING);
    assert_int_equal(online(b), 1);
    SEND(b, "\xc0\0"); /* PINGREQ */
    core_turn(&b->core);
    assert_int_equal(state_of(b), CLIENT_ANSWERING);
    assert_int_equal(connection(b)->out_len, 4);       /* CONNACK */
    client_leave(connection(b)->client, END_SHUTDOWN); /* changes nothing */
    held_answer(HELD_PUBLISH, STORE_OK);
    core_settle(&b->core);
    assert_true(connection(b)->freed);
    assert_int_equal(connection(b)->out_len, 8);
}

/* Who isn't told yet that he is connected can go to another broker at once. */
static void who_has_to_leave_while_it_is_claimed_is_closed_and_gives_back(void **state)
{
    struct core_bed *b = *state;
    SEND(b, CONNECT);
    client_leave(connection(b)->client, END_SHUTDOWN);
    assert_int_equal(state_of(b), CLIENT_CLOSING);
    held_answer_connect(STORE_OK, NULL); /* before the turn closes it */
    assert_int_equal(held.made[HELD_DISCONNECT], 1);
    assert_false(held.with_will);
    core_settle(&b->core);
    assert_true(connection(b)->freed);
    assert_int_equal(held.made[HELD_DISCONNECT], 1);
    assert_int_equal(connection(b)->out_len, 0);
}

static void a_claim_answered_after_the_end_is_given_back(void **state)
{
    struct core_bed *b = *state;
    SEND(b, CONNECT);
    client_close(connection(b)->client, END_EOF);
    core_turn(&b->core);
    assert_int_equal(held.made[HELD_DISCONNECT], 0);
    held_answer_connect(STORE_OK, NULL);
    assert_int_equal(held.made[HELD_DISCONNECT], 1);
    assert_false(held.with_will);
    core_settle(&b->core);
}

static void a_claim_that_another_has_taken_isnt_given_back(void **state)
{
    struct core_bed *b = *state;
    SEND(b, CONNECT);
    client_close_silently(connection(b)->client, END_TAKEN_OVER);
    held_answer_connect(STORE_OK, NULL);
    core_settle(&b->core);
    assert_int_equal(held.made[HELD_DISCONNECT], 0);
}

static void who_is_to_be_closed_does_nothing_more(void **state)
{
    struct core_bed *b = *state;
    go_online(b);
    client_close_later(connection(b)->client, END_KEEP_ALIVE);
    client_close_later(connection(b)->client, END_NO_MEMORY);
    assert_int_equal(connection(b)->client->end, END_KEEP_ALIVE); /* the first reason counts */
    assert_int_equal(online(b), 0);
    SEND(b, "\xc0\0");
    core_settle(&b->core);
    assert_true(connection(b)->freed);
    assert_int_equal(connection(b)->out_len, 4); /* CONNACK */
    assert_int_equal(bed_broker(b)->stats.ended[END_KEEP_ALIVE], 1);
    assert_true(held.with_will);
}

static void who_says_goodbye_has_no_will(void **state)
{
    struct core_bed *b = *state;
    go_online(b);
    client_leave(connection(b)->client, END_TAKEN_OVER);
    SEND(b, "\xe0\0"); /* DISCONNECT counts also in LEAVING */
    assert_int_equal(held.made[HELD_DISCONNECT], 1);
    assert_false(held.with_will);
    core_settle(&b->core);
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_only_goes_forward),
        cmocka_unit_test(each_state_may_end_and_the_last_is_final),
        cmocka_unit_test(nobody_gets_online_past_the_store),
        cmocka_unit_test(only_a_proxy_header_comes_before_tls),
        cmocka_unit_test(only_a_proxy_header_and_tls_come_before_an_upgrade),
        cmocka_unit_test(each_state_has_a_name_of_its_own),
        IN_BED(it_leaves_by_way_of_its_last_bytes_and_answers),
        IN_BED(it_is_closed_once_it_is_answered),
        IN_BED(who_has_to_leave_while_it_is_claimed_is_closed_and_gives_back),
        IN_BED(a_claim_answered_after_the_end_is_given_back),
        IN_BED(a_claim_that_another_has_taken_isnt_given_back),
        IN_BED(who_is_to_be_closed_does_nothing_more),
        IN_BED(who_says_goodbye_has_no_will),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
