/* leftovers: messages are released in pieces, and every one of them once. */
#include "broker/leftovers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "broker/message.h"
#include "common/timebox.h"

struct item {
    struct message *message;
    int more;
};

static struct message *make(void)
{
    struct mqtt_publish p = {.topic = {(const uint8_t *)"t", 1}};
    return message_new(&p, (struct message_id){0}, (struct mqtt_slice){0});
}

/* A ring of so many places, all of whose items from `from` on hold the message, but every third. */
static struct leftover_ring ring_of(struct message *m, uint32_t capacity, uint64_t from,
                                    uint64_t to)
{
    struct item *items = account_zalloc(ACCOUNT_WINDOWS, capacity * sizeof(*items));
    for (uint64_t i = from; i < to; i++)
        if (i % 3 != 0)
            items[i & (capacity - 1)].message = message_ref(m);
    return (struct leftover_ring){.kind = ACCOUNT_WINDOWS,
                                  .block = items,
                                  .items = items,
                                  .stride = sizeof(*items),
                                  .mask = capacity - 1,
                                  .from = from,
                                  .to = to,
                                  .bytes = to - from};
}

static struct timebox box_that_is_over(void)
{
    return (struct timebox){.over = true};
}

static void a_short_ring_goes_at_once(void **state)
{
    (void)state;
    struct leftovers l;
    struct message *m = make();
    uint64_t before = account.total;
    leftovers_init(&l);
    struct leftover_ring ring = ring_of(m, 128, 100, 200);
    leftovers_add(&l, &ring);
    assert_false(leftovers_wait(&l));
    assert_int_equal(m->refs, 1);
    assert_int_equal(account.total, before);
    leftovers_add(&l, &(struct leftover_ring){.kind = ACCOUNT_WINDOWS, .mask = UINT64_MAX});
    assert_false(leftovers_wait(&l));
    message_unref(m);
}

static void long_rings_go_in_pieces(void **state)
{
    (void)state;
    struct leftovers l;
    struct message *m = make();
    uint64_t before = account.total;
    leftovers_init(&l);
    for (int i = 0; i < 2; i++) {
        struct leftover_ring ring = ring_of(m, 1 << 14, 5, 12000);
        leftovers_add(&l, &ring);
    }
    uint32_t refs = m->refs;
    assert_int_equal(refs, 1 + 2 * 7997);
    assert_int_equal(l.bytes, 2 * (12000 - 5));
    int turns = 0;
    for (; leftovers_wait(&l); turns++) {
        struct timebox box = box_that_is_over();
        leftovers_release(&l, &box);
        assert_in_range(m->refs, refs > 256 ? refs - 256 : 1, refs - 1);
        refs = m->refs;
    }
    assert_in_range(turns, 90, 100);
    assert_int_equal(m->refs, 1);
    assert_int_equal(l.bytes, 0);
    assert_int_equal(account.total, before);
    message_unref(m);
}

static void a_turn_with_time_releases_all(void **state)
{
    (void)state;
    struct leftovers l;
    struct timebox box;
    struct message *m = make();
    leftovers_init(&l);
    struct leftover_ring ring = ring_of(m, 1 << 14, 0, 16384);
    leftovers_add(&l, &ring);
    timebox_open(&box, 60 * 1000 * 1000);
    leftovers_release(&l, &box);
    assert_false(leftovers_wait(&l));
    assert_int_equal(m->refs, 1);
    ring = ring_of(m, 1 << 14, 0, 16384);
    leftovers_add(&l, &ring);
    leftovers_fini(&l);
    assert_int_equal(m->refs, 1);
    message_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_ring_goes_at_once),
        cmocka_unit_test(long_rings_go_in_pieces),
        cmocka_unit_test(a_turn_with_time_releases_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
