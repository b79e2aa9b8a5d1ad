/* id_set: what is in it, and that asking costs the same however much that is. */
#include "broker/base/id_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void what_was_added_is_there_until_removed(void **state)
{
    (void)state;
    enum { IDS = 500 };
    struct id_set s = {.key = 7};
    bool in[IDS] = {false};
    unsigned random = 3;
    for (int i = 0; i < 20000; i++) {
        random = random * 1103515245u + 12345u;
        unsigned id = 1 + (random >> 8) % (IDS - 1);
        if (random >> 31) {
            assert_true(id_set_add(&s, id));
            in[id] = true;
        } else {
            id_set_remove(&s, id);
            in[id] = false;
        }
        if (i % 100 == 0)
            for (unsigned k = 1; k < IDS; k++)
                assert_int_equal(id_set_has(&s, k), in[k]);
    }
    id_set_clear(&s);
    assert_false(id_set_has(&s, 5));
    id_set_fini(&s);
}

static void asking_costs_the_same_however_many_there_are(void **state)
{
    (void)state;
    enum { IDS = 100000 };
    struct id_set s = {.key = 7};
    for (uint64_t id = 1; id <= IDS; id++)
        assert_true(id_set_add(&s, id << 32)); /* much alike */
    s.probes = 0;
    for (uint64_t id = 1; id <= 2 * IDS; id++)
        assert_int_equal(id_set_has(&s, id << 32), id <= IDS);
    assert_true(s.probes < 2 * IDS * 3);
    id_set_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_there_until_removed),
        cmocka_unit_test(asking_costs_the_same_however_many_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
