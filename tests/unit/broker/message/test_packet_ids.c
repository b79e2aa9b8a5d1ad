/* packet_ids: a set of ids that are used in any order. */
#include "broker/message/packet_ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void ids_are_kept_until_removed_in_any_order(void **state)
{
    (void)state;
    struct packet_ids p = {0};
    static const uint16_t ids[] = {5, 1, 65535, 300, 2, 299};
    for (size_t i = 0; i < 6; i++)
        assert_true(packet_ids_add(&p, ids[i]));
    assert_true(packet_ids_add(&p, 300));
    assert_int_equal(packet_ids_count(&p), 6);
    for (size_t i = 0; i < 6; i++) {
        assert_true(packet_ids_has(&p, ids[i]));
        assert_true(packet_ids_remove(&p, ids[i]));
        assert_false(packet_ids_has(&p, ids[i]));
        assert_false(packet_ids_remove(&p, ids[i]));
    }
    packet_ids_fini(&p);
}

static void all_ids_fit(void **state)
{
    (void)state;
    struct packet_ids p = {0};
    for (uint32_t i = 1; i <= 65535; i++)
        assert_true(packet_ids_add(&p, (uint16_t)i));
    assert_int_equal(packet_ids_count(&p), 65535);
    assert_false(packet_ids_has(&p, 0));
    packet_ids_fini(&p);
}

static void without_any_there_is_no_list(void **state)
{
    (void)state;
    struct packet_ids p = {0};
    assert_int_equal(packet_ids_count(&p), 0);
    assert_false(packet_ids_has(&p, 1));
    assert_false(packet_ids_remove(&p, 1));
    assert_null(p.list);
    packet_ids_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_kept_until_removed_in_any_order),
        cmocka_unit_test(all_ids_fit),
        cmocka_unit_test(without_any_there_is_no_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
