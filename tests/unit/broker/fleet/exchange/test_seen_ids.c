/* seen_ids: what was noted is known for the window, whatever else comes, and nothing takes long. */
#include "broker/fleet/exchange/seen_ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WINDOW_MS = 1000 };

static bool note(struct seen_ids *s, uint64_t number, uint64_t now_ms)
{
    uint8_t id[SEEN_ID_BYTES] = {0};
    memcpy(id, &number, sizeof(number));
    return seen_ids_note(s, id, now_ms);
}

static void forget(struct seen_ids *s, uint64_t number)
{
    uint8_t id[SEEN_ID_BYTES] = {0};
    memcpy(id, &number, sizeof(number));
    seen_ids_forget(s, id);
}

static int setup(void **state)
{
    struct seen_ids *s = calloc(1, sizeof(*s));
    *state = s;
    return s != NULL && seen_ids_init(s, 7, WINDOW_MS) ? 0 : -1;
}

static int teardown(void **state)
{
    seen_ids_fini(*state);
    free(*state);
    return 0;
}

static void an_id_is_known_for_the_window(void **state)
{
    struct seen_ids *s = *state;
    assert_false(note(s, 1, 100));
    assert_true(note(s, 1, 100 + WINDOW_MS));
    assert_false(note(s, 1, 101 + WINDOW_MS));
    assert_true(note(s, 1, 102 + WINDOW_MS)); /* anew */
}

static void what_is_forgotten_may_come_once_more(void **state)
{
    struct seen_ids *s = *state;
    forget(s, 1); /* it isn't there */
    assert_false(note(s, 1, 0));
    forget(s, 1);
    assert_false(note(s, 1, 1));
    assert_true(note(s, 1, 2));
}

static void a_crowd_whose_window_ends_at_once_is_forgotten_in_pieces(void **state)
{
    enum { CROWD = 10000, AT_ONCE = 8 };
    struct seen_ids *s = *state;
    size_t calls = 0;

    for (uint64_t i = 0; i < CROWD; i++)
        assert_false(note(s, i, 0));
    while (s->by_id.count > calls + 1) {
        size_t before = s->by_id.count;
        assert_false(note(s, CROWD + calls++, 2 * WINDOW_MS));
        assert_true(before + 1 - s->by_id.count <= AT_ONCE);
        assert_true(calls < CROWD);
    }
    for (uint64_t i = 0; i < calls; i++)
        assert_true(note(s, CROWD + i, 2 * WINDOW_MS));
    assert_false(note(s, 5, 2 * WINDOW_MS));
}

static void there_are_never_more_than_the_bound(void **state)
{
    struct seen_ids *s = *state;
    for (uint64_t i = 0; i < SEEN_IDS_MAX + 10; i++)
        assert_false(note(s, i, 0));
    assert_true(s->by_id.count <= SEEN_IDS_MAX);
    assert_true(note(s, SEEN_IDS_MAX + 9, 0));
    assert_false(note(s, 0, 0)); /* the oldest */
}

int main(void)
{
#define WITH_IDS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_IDS(an_id_is_known_for_the_window),
        WITH_IDS(what_is_forgotten_may_come_once_more),
        WITH_IDS(a_crowd_whose_window_ends_at_once_is_forgotten_in_pieces),
        WITH_IDS(there_are_never_more_than_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
