/* work_pool: all work is run in other threads and told in the loop's, also at the end. */
#include "common/process/work_pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <event2/event.h>

enum { PIECES = 500 };

struct piece {
    struct work work; /* first member */
    pthread_t ran_in;
    bool told;
    atomic_bool *gate; /* NULL, or: waits until it is open */
};

static unsigned told;

static void run(struct work *w)
{
    struct piece *p = (struct piece *)(void *)w;
    while (p->gate != NULL && !atomic_load(p->gate))
        sched_yield();
    p->ran_in = pthread_self();
}

static void done(struct work *w)
{
    ((struct piece *)(void *)w)->told = true;
    told++;
}

static struct piece *submit(struct work_pool *pool, size_t count, atomic_bool *gate)
{
    struct piece *pieces = calloc(count, sizeof(*pieces));
    assert_non_null(pieces);
    told = 0;
    for (size_t i = 0; i < count; i++) {
        pieces[i].work.run = run;
        pieces[i].work.done = done;
        pieces[i].gate = gate;
        work_pool_submit(pool, &pieces[i].work);
    }
    return pieces;
}

static void work_is_done_elsewhere_and_told_here(void **state)
{
    struct event_base *base = event_base_new();
    struct work_pool *pool = work_pool_new(base, &(struct work_pool_config){"test", 3, 5});
    (void)state;
    assert_non_null(pool);
    struct piece *pieces = submit(pool, PIECES, NULL);
    assert_int_equal(told, 0);
    while (told < PIECES)
        assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
    for (size_t i = 0; i < PIECES; i++)
        assert_true(pieces[i].work.ran && pieces[i].told &&
                    !pthread_equal(pieces[i].ran_in, pthread_self()));
    work_pool_free(pool);
    free(pieces);
    event_base_free(base);
}

static void the_end_waits_for_what_has_begun_and_tells_of_the_rest(void **state)
{
    atomic_bool gate = false;
    struct event_base *base = event_base_new();
    struct work_pool *pool = work_pool_new(base, &(struct work_pool_config){"test", 1, 5});
    (void)state;
    assert_non_null(pool);
    struct piece *pieces = submit(pool, PIECES, &gate);
    atomic_store(&gate, true);
    work_pool_free(pool);
    assert_int_equal(told, PIECES);
    bool ran = true;
    for (size_t i = 0; i < PIECES; i++) {
        assert_true(ran || !pieces[i].work.ran); /* in order */
        ran = pieces[i].work.ran;
    }
    free(pieces);
    event_base_free(base);
    work_pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_done_elsewhere_and_told_here),
        cmocka_unit_test(the_end_waits_for_what_has_begun_and_tells_of_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
