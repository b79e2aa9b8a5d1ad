/* pace: rests for a trickle from many, and for nothing else. */
#include "broker/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Lets windows of `turns` turns with `reads` reads each pass; what the last turn said. */
static bool run(struct pace *p, uint64_t *now, unsigned turns, unsigned reads, uint64_t silent_ms)
{
    bool rest = false;
    for (int window = 0; window < 3; window++)
        for (unsigned t = 0; t < turns; t++) {
            for (unsigned r = 0; r < reads; r++) {
                pace_note_read(p, silent_ms);
                pace_note_publish(p);
                pace_note_publish(p); /* of the same read */
                pace_note_read(p, 0); /* an acknowledgement */
            }
            rest = pace_turn(p, *now + (uint64_t)(window * PACE_WINDOW_MS) +
                                    t * PACE_WINDOW_MS / turns);
        }
    *now += 3 * PACE_WINDOW_MS;
    return rest;
}

static void a_trickle_from_many_silent_clients_gathers(void **state)
{
    (void)state;
    struct pace p = {0};
    uint64_t now = 1000;
    assert_true(run(&p, &now, 300, 1, 50));
    assert_true(run(&p, &now, 100, 4, 50)); /* also while resting makes the turns fewer */
}

static void clients_that_wait_for_answers_are_served_at_once(void **state)
{
    (void)state;
    struct pace p = {0};
    uint64_t now = 1000;
    assert_false(run(&p, &now, 400, 1, 0));
}

static void a_calm_broker_answers_at_once(void **state)
{
    (void)state;
    struct pace p = {0};
    uint64_t now = 1000;
    assert_false(run(&p, &now, 20, 1, 1000));
}

static void full_turns_need_no_rest(void **state)
{
    (void)state;
    struct pace p = {0};
    uint64_t now = 1000;
    assert_false(run(&p, &now, 50, 100, 50));
}

static void it_ends_with_the_trickle(void **state)
{
    (void)state;
    struct pace p = {0};
    uint64_t now = 1000;
    assert_true(run(&p, &now, 300, 1, 50));
    assert_false(run(&p, &now, 400, 1, 0));
    assert_true(run(&p, &now, 300, 1, 50));
    assert_false(pace_turn(&p, now + 1000)); /* nothing came for a while */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trickle_from_many_silent_clients_gathers),
        cmocka_unit_test(clients_that_wait_for_answers_are_served_at_once),
        cmocka_unit_test(a_calm_broker_answers_at_once),
        cmocka_unit_test(full_turns_need_no_rest),
        cmocka_unit_test(it_ends_with_the_trickle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
