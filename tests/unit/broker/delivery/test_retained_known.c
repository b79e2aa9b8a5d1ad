/* retained_known: no older value after a newer one. */
#include "broker/delivery/retained_known.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static struct message_id id(uint64_t sequence)
{
    return (struct message_id){.node = 7, .sequence = sequence};
}

static const struct message_id unknown = {0};

static void a_value_is_stale_after_a_live_message_since_the_subscribe(void **state)
{
    struct retained_known r = {.hash_key = 1, .subscribes = 1};
    (void)state;
    assert_false(retained_known_is_stale(NULL, text("a"), id(1)));
    assert_false(retained_known_is_stale(&r, text("a"), id(1)));
    retained_known_note_live(&r, text("a"), id(5));
    assert_true(retained_known_is_stale(&r, text("a"), unknown));
    assert_false(retained_known_is_stale(&r, text("b"), unknown));
    retained_known_fini(&r);
}

static void of_live_messages_before_a_later_subscribe_the_ids_count(void **state)
{
    struct retained_known r = {.hash_key = 1, .subscribes = 1};
    (void)state;
    retained_known_note_live(&r, text("a"), id(5));
    r.since = r.subscribes = 2;
    assert_false(retained_known_is_stale(&r, text("a"), unknown));
    assert_true(retained_known_is_stale(&r, text("a"), id(4)));
    assert_false(retained_known_is_stale(&r, text("a"), id(5)));
    assert_false(retained_known_is_stale(&r, text("a"), (struct message_id){8, 4}));
    retained_known_fini(&r);
}

static void a_late_live_message_is_overtaken_by_the_value_that_was_sent(void **state)
{
    struct retained_known r = {.hash_key = 1};
    (void)state;
    assert_false(retained_known_is_overtaken(&r, text("a"), id(5)));
    retained_known_note_told(&r, text("a"), id(5));
    assert_true(retained_known_is_overtaken(&r, text("a"), id(4)));
    assert_true(retained_known_is_overtaken(&r, text("a"), id(5)));
    assert_false(retained_known_is_overtaken(&r, text("a"), id(6)));
    assert_false(retained_known_is_overtaken(&r, text("a"), (struct message_id){8, 4}));
    assert_false(retained_known_is_overtaken(&r, text("b"), id(4)));
    retained_known_fini(&r);
}

/* Above the bound nothing more is noted, and what was noted stays. */
static void it_grows_up_to_its_bound(void **state)
{
    enum { TOPICS = (1 << 16) + 10 };
    struct retained_known r = {.hash_key = 1};
    char topic[16];
    (void)state;
    for (int i = 0; i < TOPICS; i++) {
        snprintf(topic, sizeof(topic), "t/%d", i);
        retained_known_note_told(&r, text(topic), id(5));
    }
    assert_int_equal(r.count, 1 << 16);
    assert_true(retained_known_bytes(&r) > 0);
    assert_true(retained_known_is_overtaken(&r, text("t/0"), id(5)));
    snprintf(topic, sizeof(topic), "t/%d", TOPICS - 1);
    assert_false(retained_known_is_overtaken(&r, text(topic), id(5)));
    retained_known_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_stale_after_a_live_message_since_the_subscribe),
        cmocka_unit_test(of_live_messages_before_a_later_subscribe_the_ids_count),
        cmocka_unit_test(a_late_live_message_is_overtaken_by_the_value_that_was_sent),
        cmocka_unit_test(it_grows_up_to_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
