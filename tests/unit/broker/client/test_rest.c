/* rest: what is kept of a client's bytes, and when a begun packet comes too slowly. */
#include "broker/client/rest.h"

#include "tests/unit/broker/core_bed.h"

static const uint8_t bytes[64 * 1024] = "abcdefgh";

static struct client *begin(struct core_bed *b)
{
    return bed_connect(b)->client;
}

static void there_is_none_at_first(void **state)
{
    struct client *c = begin(*state);
    assert_int_equal(rest_bytes(c), 0);
    assert_false(rest_is_too_slow(c));
    rest_drop(c);
}

static void bytes_are_copied_and_their_client_holds_memory(void **state)
{
    struct client *c = begin(*state);
    assert_null(c->holder);
    assert_true(rest_keep(c, bytes, 6, 10, false));
    assert_int_equal(c->rest->len, 6);
    assert_int_equal(c->rest->need, 10);
    assert_memory_equal(c->rest->bytes, "abcdef", 6);
    assert_int_equal(rest_bytes(c), sizeof(struct rest) + 6);
    assert_non_null(c->holder);
}

static void no_bytes_are_no_rest(void **state)
{
    struct client *c = begin(*state);
    assert_true(rest_keep(c, bytes, 6, 10, false));
    assert_true(rest_keep(c, bytes, 0, 0, false));
    assert_null(c->rest);
}

static void the_end_of_the_rest_moves_to_its_start(void **state)
{
    struct client *c = begin(*state);
    assert_true(rest_keep(c, bytes, 8, 10, false));
    assert_int_equal(rest_room_for(c, c->rest->bytes + 2, 6), 0);
    assert_true(rest_keep(c, c->rest->bytes + 2, 6, 20, true));
    assert_memory_equal(c->rest->bytes, "cdefgh", 6);
    assert_int_equal(c->rest->len, 6);
    assert_int_equal(c->rest->capacity, 8);
}

static void room_is_asked_for_what_doesnt_fit(void **state)
{
    struct core_bed *b = *state;
    struct core_client *connection = bed_connect(b);
    struct client *c = connection->client;
    assert_int_equal(rest_room_for(c, bytes, 6), 6);
    assert_int_equal(rest_room_for(c, bytes, 0), 0);
    assert_true(rest_keep(c, bytes, 6, 10, false));
    assert_int_equal(rest_room_for(c, bytes, 6), 0);
    assert_int_equal(rest_room_for(c, bytes, 7), 7);
    assert_true(rest_keep(c, bytes + 1, 6, 10, false)); /* in the same place */
    assert_int_equal(c->rest->capacity, 6);
    assert_true(rest_keep(c, bytes, 7, 10, false));
    assert_int_equal(c->rest->capacity, 7);
}

static void it_grows_with_what_it_holds(void **state)
{
    struct client *c = begin(*state);
    assert_true(rest_keep(c, bytes, 6, 10, false));
    assert_true(rest_grow(c, 100));
    assert_int_equal(c->rest->capacity, 100);
    assert_memory_equal(c->rest->bytes, "abcdef", 6);
}

static void a_closed_client_keeps_nothing(void **state)
{
    struct core_bed *b = *state;
    struct client *c = begin(b);
    assert_true(rest_keep(c, bytes, 6, 10, false));
    client_close(c, END_EOF); /* its memory is good until the turn */
    assert_int_equal(rest_room_for(c, bytes, 6), 0);
    assert_true(rest_keep(c, bytes, 6, 10, false));
    assert_null(c->rest);
}

/* ---- progress --------------------------------------------------------------------------------- */

/* A begun packet of which six bytes are there, and the window in which it must grow begins. */
static struct client *begin_packet(struct core_bed *b)
{
    struct client *c = begin(b);
    assert_true(rest_keep(c, bytes, 6, sizeof(bytes) + 1, false));
    assert_false(rest_is_too_slow(c));
    return c;
}

static void each_window_must_bring_something(void **state)
{
    struct core_bed *b = *state;
    struct client *c = begin_packet(b);
    bed_broker(b)->now_ms += SLOW_WINDOW_MS - 1;
    assert_false(rest_is_too_slow(c));
    bed_broker(b)->now_ms++;
    assert_true(rest_is_too_slow(c));
    assert_false(rest_is_too_slow(c)); /* the next window has begun */
}

static void it_must_be_enough(void **state)
{
    struct core_bed *b = *state;
    struct client *c = begin_packet(b);
    assert_true(rest_keep(c, bytes, 6 + SLOW_WINDOW_BYTES, sizeof(bytes) + 1, true));
    bed_broker(b)->now_ms += SLOW_WINDOW_MS;
    assert_false(rest_is_too_slow(c));
    assert_true(rest_keep(c, bytes, 5 + 2 * SLOW_WINDOW_BYTES, sizeof(bytes) + 1, true));
    bed_broker(b)->now_ms += SLOW_WINDOW_MS;
    assert_true(rest_is_too_slow(c));
}

static void another_packet_has_a_window_of_its_own(void **state)
{
    struct core_bed *b = *state;
    struct client *c = begin_packet(b);
    bed_broker(b)->now_ms += SLOW_WINDOW_MS;
    assert_true(rest_keep(c, bytes, 6, sizeof(bytes) + 1, false));
    assert_false(rest_is_too_slow(c));
}

static void a_whole_packet_isnt_too_slow(void **state)
{
    struct core_bed *b = *state;
    struct client *c = begin_packet(b);
    c->rest->need = 6; /* it waits to be handled */
    bed_broker(b)->now_ms += SLOW_WINDOW_MS;
    assert_false(rest_is_too_slow(c));
    c->rest->need = 7;
    assert_true(rest_is_too_slow(c));
}

static void time_in_which_it_isnt_read_doesnt_count(void **state)
{
    struct core_bed *b = *state;
    struct client *c = begin_packet(b);
    client_pause(c, PAUSE_LIST);
    bed_broker(b)->now_ms += SLOW_WINDOW_MS;
    assert_false(rest_is_too_slow(c));
    client_resume(c, PAUSE_LIST);
    bed_broker(b)->now_ms += SLOW_WINDOW_MS - 1;
    assert_false(rest_is_too_slow(c));
    bed_broker(b)->now_ms++;
    assert_true(rest_is_too_slow(c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(there_is_none_at_first),
        BED_TEST(bytes_are_copied_and_their_client_holds_memory),
        BED_TEST(no_bytes_are_no_rest),
        BED_TEST(the_end_of_the_rest_moves_to_its_start),
        BED_TEST(room_is_asked_for_what_doesnt_fit),
        BED_TEST(it_grows_with_what_it_holds),
        BED_TEST(a_closed_client_keeps_nothing),
        BED_TEST(each_window_must_bring_something),
        BED_TEST(it_must_be_enough),
        BED_TEST(another_packet_has_a_window_of_its_own),
        BED_TEST(a_whole_packet_isnt_too_slow),
        BED_TEST(time_in_which_it_isnt_read_doesnt_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
