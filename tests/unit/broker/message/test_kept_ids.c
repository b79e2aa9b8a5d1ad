/* kept_ids: none, one or several identifiers, and what of them is memory. */
#include "broker/message/kept_ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void they_are_copied_and_counted(void **state)
{
    uint32_t ids[100];
    uint64_t before = account.by_kind[ACCOUNT_WINDOWS];
    (void)state;
    for (uint32_t count = 0; count <= 100; count++) {
        struct kept_ids k;
        for (uint32_t i = 0; i < count; i++)
            ids[i] = 268435455 - i;
        assert_true(
            kept_ids_take(&k, (struct mqtt_ids){.items = ids, .count = count}, ACCOUNT_WINDOWS));
        memset(ids, 0, sizeof(ids));
        assert_int_equal(account.by_kind[ACCOUNT_WINDOWS] > before, count > 1);
        assert_int_equal(kept_ids_bytes(&k), count > 1 ? 4 * count : 0);
        struct kept_ids moved = k;
        struct mqtt_ids all = kept_ids_all(&moved);
        assert_int_equal(all.count, count);
        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(all.items[i], 268435455 - i);
        kept_ids_drop(&moved, ACCOUNT_WINDOWS);
        assert_int_equal(kept_ids_all(&moved).count, 0);
        assert_int_equal(account.by_kind[ACCOUNT_WINDOWS], before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_copied_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
