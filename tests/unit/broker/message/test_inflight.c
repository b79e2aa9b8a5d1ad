/* inflight: packet ids, the window, acknowledgements out of order. */
#include "broker/message/inflight.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void packet_ids_run_from_1_to_65535_and_around(void **state)
{
    (void)state;
    assert_int_equal(inflight_packet_id(1), 1);
    assert_int_equal(inflight_packet_id(65535), 65535);
    assert_int_equal(inflight_packet_id(65536), 1);
}

static void the_window_is_full_at_its_size_and_opens_with_an_acknowledgement(void **state)
{
    (void)state;
    struct inflight f = {0};
    for (uint64_t s = 1; s <= 3; s++)
        assert_true(inflight_add(&f, s, INFLIGHT_PUBLISHED));
    assert_true(inflight_is_full(&f, 3));
    inflight_set(&f, 2, INFLIGHT_DONE);
    assert_false(inflight_is_full(&f, 3));
    assert_int_equal(inflight_base(&f), 1);
    inflight_set(&f, 1, INFLIGHT_DONE);
    assert_int_equal(inflight_base(&f), 3);
    inflight_fini(&f);
}

static void a_sequence_is_found_by_its_packet_id_also_around_the_end(void **state)
{
    (void)state;
    struct inflight f = {0};
    for (uint64_t s = 65530; s <= 65545; s++)
        assert_true(inflight_add(&f, s, INFLIGHT_SENT));
    for (uint64_t s = 65530; s <= 65545; s++)
        assert_int_equal(inflight_find(&f, inflight_packet_id(s)), s);
    assert_int_equal(inflight_find(&f, 100), 0);
    assert_int_equal(inflight_find(&f, 0), 0);
    inflight_set(&f, 65535, INFLIGHT_DONE);
    assert_int_equal(inflight_find(&f, 65535), 0);
    inflight_fini(&f);
}

static void released_ones_may_come_before_what_is_fetched(void **state)
{
    (void)state;
    struct inflight f = {0};
    assert_true(inflight_add(&f, 7, INFLIGHT_RELEASED));
    assert_true(inflight_add(&f, 5, INFLIGHT_SENT));
    assert_true(inflight_add(&f, 300, INFLIGHT_SENT));
    assert_int_equal(inflight_open(&f), 3);
    assert_int_equal(inflight_state(&f, 5), INFLIGHT_SENT);
    assert_int_equal(inflight_state(&f, 6), INFLIGHT_DONE);
    assert_int_equal(inflight_state(&f, 7), INFLIGHT_RELEASED);
    assert_int_equal(inflight_find(&f, 7), 7);
    assert_int_equal(inflight_find(&f, 300), 300);
    inflight_fini(&f);
}

static void a_span_beyond_the_packet_ids_is_refused(void **state)
{
    (void)state;
    struct inflight f = {0};
    assert_true(inflight_add(&f, 1, INFLIGHT_SENT));
    assert_true(inflight_add(&f, 65534, INFLIGHT_SENT));
    assert_true(inflight_is_full(&f, 100));
    assert_false(inflight_add(&f, 65536, INFLIGHT_SENT));
    inflight_fini(&f);
}

static void the_next_sequence_is_1_until_another_one_is_set(void **state)
{
    (void)state;
    struct inflight f = {0};
    assert_int_equal(inflight_next(&f), 1);
    assert_true(inflight_set_next(&f, 1));
    assert_null(f.ring); /* nothing is made for that */
    assert_true(inflight_set_next(&f, 9));
    assert_int_equal(inflight_next(&f), 9);
    assert_int_equal(inflight_open(&f), 0);
    assert_false(inflight_is_full(&f, 1));
    assert_true(inflight_takes(&f, 9));
    assert_int_equal(inflight_find(&f, 9), 0);
    inflight_fini(&f);
    assert_int_equal(inflight_next(&f), 1);
}

static void it_moves_on_with_what_is_added_and_stays_when_the_ring_grows(void **state)
{
    (void)state;
    struct inflight f = {0};
    for (uint64_t s = 1; s <= 100; s++) {
        assert_int_equal(inflight_next(&f), s);
        assert_true(inflight_add(&f, s, INFLIGHT_PUBLISHED));
        inflight_advance(&f);
    }
    assert_int_equal(inflight_open(&f), 100);
    assert_int_equal(inflight_end(&f), 101);
    for (uint64_t s = 1; s <= 100; s++) {
        assert_int_equal(inflight_state(&f, s), INFLIGHT_PUBLISHED);
        inflight_set(&f, s, INFLIGHT_DONE);
    }
    assert_int_equal(inflight_open(&f), 0);
    assert_int_equal(inflight_base(&f), 101);
    assert_int_equal(inflight_next(&f), 101);
    assert_true(inflight_add(&f, 500, INFLIGHT_SENT)); /* others were skipped */
    assert_int_equal(inflight_base(&f), 500);
    assert_int_equal(inflight_open(&f), 1);
    inflight_fini(&f);
}

/* Who gets nothing above QoS 0 has nothing for it. */
static void nothing_was_sent_yet(void **state)
{
    (void)state;
    const struct inflight f = {0};
    assert_false(inflight_is_full(&f, 1));
    assert_true(inflight_takes(&f, 1));
    assert_int_equal(inflight_find(&f, 1), 0);
    assert_int_equal(inflight_state(&f, 1), INFLIGHT_DONE);
    assert_int_equal(inflight_base(&f), inflight_end(&f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packet_ids_run_from_1_to_65535_and_around),
        cmocka_unit_test(the_window_is_full_at_its_size_and_opens_with_an_acknowledgement),
        cmocka_unit_test(a_sequence_is_found_by_its_packet_id_also_around_the_end),
        cmocka_unit_test(released_ones_may_come_before_what_is_fetched),
        cmocka_unit_test(a_span_beyond_the_packet_ids_is_refused),
        cmocka_unit_test(the_next_sequence_is_1_until_another_one_is_set),
        cmocka_unit_test(it_moves_on_with_what_is_added_and_stays_when_the_ring_grows),
        cmocka_unit_test(nothing_was_sent_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
