/* receive: what a read shows of a client, and whether one that waits for its CONNACK has gone. */
#include "broker/connection/receive.h"

#include "broker/client/rest.h"
#include "tests/unit/broker/core_bed.h"
#include "tests/unit/broker/held_store.h"

static uint64_t ended(struct core_bed *b, enum client_end why)
{
    return bed_broker(b)->stats.ended[why];
}

/* ---- nothing came ----------------------------------------------------------------------------- */

static void there_may_be_nothing_for_now(void **state)
{
    struct core_bed *b = *state;
    struct client *c = bed_connect(b)->client;
    c->readable = true;
    errno = EAGAIN;
    receive_end(c, -1);
    assert_false(c->readable);
    assert_int_equal(c->state, CLIENT_CONNECTING);
}

static void the_end_closes_it(void **state)
{
    struct core_bed *b = *state;
    errno = EAGAIN; /* of an earlier call */
    receive_end(bed_connect(b)->client, 0);
    assert_int_equal(ended(b, END_EOF), 1);
}

static void so_does_an_error(void **state)
{
    struct core_bed *b = *state;
    struct client *c = bed_connect(b)->client;
    errno = ECONNRESET;
    receive_end(c, -1);
    assert_int_equal(ended(b, END_IO_ERROR), 1);
}

/* ---- something came --------------------------------------------------------------------------- */

static struct client *readable(struct core_bed *b)
{
    struct client *c = bed_join(b, "c", true)->client;
    c->readable = true;
    c->look_again = false;
    return c;
}

static void less_than_asked_for_is_all_there_is(void **state)
{
    struct core_bed *b = *state;
    struct client *c = readable(b);
    uint64_t before = bed_broker(b)->stats.received_bytes;
    bed_broker(b)->client_ms += 700;
    receive_note(c, (const uint8_t *)"\xc0", 1, 100);
    assert_false(c->readable);
    assert_true(c->look_again); /* its end may have come with it */
    assert_true(wheel_is_set(&c->timer));
    assert_int_equal(c->last_input_ms, bed_broker(b)->client_ms);
    assert_int_equal(bed_broker(b)->stats.received_bytes, before + 1);
}

static void as_much_as_asked_for_may_not_be_all(void **state)
{
    struct client *c = readable(*state);
    receive_note(c, (const uint8_t *)"\xc0", 100, 100);
    assert_true(c->readable);
    assert_false(c->look_again);
}

static void before_an_announced_end_it_is_read_until_that(void **state)
{
    struct client *c = readable(*state);
    c->eof = true;
    receive_note(c, (const uint8_t *)"\xc0", 1, 100);
    assert_true(c->readable);
    assert_false(c->look_again);
}

/* ---- who waits for its CONNACK ---------------------------------------------------------------- */

static struct core_client *waiting(struct core_bed *b)
{
    held_begin(&b->core, HOLDS(HELD_CONNECT));
    struct core_client *c = bed_join(b, "c", true);
    assert_int_equal(c->client->state, CLIENT_CLAIMING);
    assert_null(c->client->rest);
    return c;
}

static void who_has_gone_is_closed(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = waiting(b);
    assert_false(receive_has_left(c->client));
    c->in_ends = true;
    assert_true(receive_has_left(c->client));
    assert_true(c->freed);
    held_end(&b->core);
}

static void what_it_sent_first_counts(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = waiting(b);
    bed_give(b, c, "\xc0\0", 2);
    c->in_ends = true;
    assert_false(receive_has_left(c->client));
    assert_int_equal(c->client->rest->len, 2);
    assert_false(receive_has_left(c->client)); /* it isn't looked at any more */
    held_answer_connect(STORE_OK, NULL);
    core_settle(&b->core);
    assert_int_equal(bed_broker(b)->stats.received_packets, 2); /* CONNECT, PINGREQ */
    assert_true(c->freed);
    held_end(&b->core);
}

static void little_is_taken_off_the_socket(void **state)
{
    static const uint8_t pings[8000] = {0xc0};
    struct core_bed *b = *state;
    struct core_client *c = waiting(b);
    bed_give(b, c, pings, sizeof(pings));
    core_settle(&b->core);
    assert_int_equal(c->client->rest->len, 4096);
    assert_int_equal(c->in_len, sizeof(pings) - 4096);
    held_end(&b->core);
}

static void nobody_is_looked_at_without_a_sign(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = waiting(b);
    c->in_ends = true;
    c->client->readable = false;
    receive_look_for_end(c->client);
    assert_false(c->freed);
    c->client->readable = true;
    receive_look_for_end(c->client);
    assert_true(c->freed);
    held_end(&b->core);
}

/* Its packets are read in their turn. */
static void who_is_connected_isnt_looked_at(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_join(b, "c", true);
    bed_give(b, c, "\xc0\0", 2);
    receive_look_for_end(c->client);
    assert_int_equal(c->in_len, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(there_may_be_nothing_for_now),
        BED_TEST(the_end_closes_it),
        BED_TEST(so_does_an_error),
        BED_TEST(less_than_asked_for_is_all_there_is),
        BED_TEST(as_much_as_asked_for_may_not_be_all),
        BED_TEST(before_an_announced_end_it_is_read_until_that),
        BED_TEST(who_has_gone_is_closed),
        BED_TEST(what_it_sent_first_counts),
        BED_TEST(little_is_taken_off_the_socket),
        BED_TEST(nobody_is_looked_at_without_a_sign),
        BED_TEST(who_is_connected_isnt_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
