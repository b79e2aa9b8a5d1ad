/* retained_tree: what a filter reads, also while the tree changes. */
#include "broker/store/retained_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/base/account.h"
#include "common/base/clock.h"

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static void put(struct retained_tree *t, const char *topic)
{
    struct mqtt_publish p = {.topic = text(topic), .payload = text("v")};
    struct message *m = message_new(&p, (struct message_id){0}, (struct mqtt_slice){0});
    assert_true(retained_tree_put(t, m));
    message_unref(m);
}

static struct message *next(struct retained_cursor *c)
{
    uint32_t steps = UINT32_MAX;
    return retained_cursor_next(c, &steps);
}

static size_t count(struct retained_tree *t, const char *filter)
{
    struct retained_cursor c;
    size_t n = 0;
    assert_true(retained_cursor_init(&c, t, text(filter)));
    for (struct message *m; (m = next(&c)) != NULL; n++)
        assert_true(mqtt_filter_matches(text(filter), m->topic));
    retained_cursor_fini(&c);
    return n;
}

static void every_filter_reads_exactly_what_it_matches(void **state)
{
    (void)state;
    static const char *const topics[] = {"a", "a/b",  "a/c", "a/b/c", "a//c",   "/a",
                                         "/", "$x/a", "$x",  "b/b",   "a/b/c/d"};
    static const char *const filters[] = {"a",     "a/#",   "#",    "+",     "+/+",   "a/+",
                                          "a/+/c", "+/b",   "$x/#", "$x/+",  "/#",    "+/#",
                                          "/+",    "a/b/#", "x",    "a/x/#", "+/+/+", "a/b/c/d/e"};
    enum {
        TOPICS = sizeof(topics) / sizeof(topics[0]),
        FILTERS = sizeof(filters) / sizeof(filters[0])
    };
    struct retained_tree *t = retained_tree_new(9);
    for (size_t i = 0; i < TOPICS; i++)
        put(t, topics[i]);
    for (size_t f = 0; f < FILTERS; f++) {
        size_t expected = 0;
        for (size_t i = 0; i < TOPICS; i++)
            expected += mqtt_filter_matches(text(filters[f]), text(topics[i]));
        if (count(t, filters[f]) != expected)
            fail_msg("filter %s: %zu instead of %zu", filters[f], count(t, filters[f]), expected);
    }
    retained_tree_free(t);
}

static void a_replaced_value_counts_once_and_a_removed_one_is_gone(void **state)
{
    (void)state;
    struct retained_tree *t = retained_tree_new(9);
    put(t, "a/b");
    put(t, "a/b");
    assert_int_equal(retained_tree_count(t), 1);
    assert_non_null(retained_tree_get(t, text("a/b")));
    assert_null(retained_tree_get(t, text("a")));
    retained_tree_remove(t, text("a"));
    retained_tree_remove(t, text("a/b"));
    retained_tree_remove(t, text("a/b"));
    assert_int_equal(retained_tree_count(t), 0);
    retained_tree_free(t);
}

static void a_resting_cursor_survives_removals_and_misses_nothing(void **state)
{
    (void)state;
    struct retained_tree *t = retained_tree_new(9);
    char topic[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(topic, sizeof(topic), "dev/%d/x", i);
        put(t, topic);
    }
    struct retained_cursor c;
    assert_true(retained_cursor_init(&c, t, text("dev/+/x")));
    size_t seen = 0;
    for (int i = 0; i < 500; i++)
        seen += next(&c) != NULL;
    for (int i = 0; i < 1000; i += 2) { /* all even ones go, also where the cursor stands */
        snprintf(topic, sizeof(topic), "dev/%d/x", i);
        retained_tree_remove(t, text(topic));
    }
    while (next(&c) != NULL)
        seen++;
    assert_int_equal(seen, 750);
    for (int i = 1; i < 1000; i += 2) {
        snprintf(topic, sizeof(topic), "dev/%d/x", i);
        retained_tree_remove(t, text(topic));
    }
    retained_cursor_fini(&c);
    assert_int_equal(retained_tree_count(t), 0);
    retained_tree_free(t);
}

static void a_walk_without_matches_rests_after_its_steps(void **state)
{
    (void)state;
    struct retained_tree *t = retained_tree_new(9);
    char topic[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(topic, sizeof(topic), "dev/%d/x", i);
        put(t, topic);
    }
    put(t, "dev/1000/y");
    struct retained_cursor c;
    assert_true(retained_cursor_init(&c, t, text("dev/+/y")));
    unsigned rests = 0;
    struct message *m = NULL;
    while (m == NULL && !retained_cursor_is_at_end(&c)) {
        uint32_t steps = 100;
        m = retained_cursor_next(&c, &steps);
        rests += m == NULL ? 1 : 0;
    }
    assert_non_null(m);
    assert_in_range(rests, 5, 30);
    retained_cursor_fini(&c);
    retained_tree_free(t);
}

/* Readers that rest are many when clients don't read: what others publish doesn't pay for them. */
static void resting_cursors_cost_a_removal_nothing(void **state)
{
    enum {
        CURSORS = 20000,
        TOPICS = 20000,
        ENOUGH_MS = 300 /* of CPU; seconds with a walk each */
    };
    struct retained_tree *t = retained_tree_new(9);
    struct retained_cursor *cursors = calloc(CURSORS, sizeof(*cursors));
    uint64_t kept = account.by_kind[ACCOUNT_RETAINED];
    char topic[32];
    (void)state;
    for (int i = 0; i < TOPICS; i++) {
        snprintf(topic, sizeof(topic), "dev/%d/x", i);
        put(t, topic);
    }
    for (int i = 0; i < CURSORS; i++) {
        assert_true(retained_cursor_init(&cursors[i], t, text("dev/+/x")));
        for (int k = 0; k < i % 3; k++)
            next(&cursors[i]);
    }
    uint64_t begun_ns = clock_thread_cpu_ns();
    for (int i = 0; i < TOPICS; i++) {
        snprintf(topic, sizeof(topic), "dev/%d/x", i);
        retained_tree_remove(t, text(topic));
    }
    assert_true((clock_thread_cpu_ns() - begun_ns) / 1000000 < ENOUGH_MS);
    put(t, "dev/0/x"); /* where some rest: they may see it, or not */
    for (int i = 0; i < CURSORS; i++) {
        struct message *m = next(&cursors[i]);
        assert_true(m == NULL || next(&cursors[i]) == NULL);
        retained_cursor_fini(&cursors[i]);
    }
    retained_tree_remove(t, text("dev/0/x"));
    assert_int_equal(account.by_kind[ACCOUNT_RETAINED], kept); /* no node is left */
    free(cursors);
    retained_tree_free(t);
}

static struct message *put_expiring(struct retained_tree *t, const char *topic, uint64_t at_ms)
{
    struct mqtt_publish p = {.topic = text(topic), .payload = text("v")};
    struct message *m = message_new(&p, (struct message_id){1, 1}, text(""));
    m->expires_at_ms = at_ms;
    assert_true(retained_tree_put(t, m));
    message_unref(m);
    return m;
}

/* In pieces, wherever they are, also below one another and where wildcards at the top don't look. */
static void a_sweep_finds_what_has_expired(void **state)
{
    enum { PIECE = 10, PIECES = 10000 };
    struct retained_tree *t = retained_tree_new(9);
    size_t removed = 0;
    char topic[32];
    (void)state;
    put_expiring(t, "$x", 500);
    put_expiring(t, "a", 500);
    put_expiring(t, "a/b", 500);
    put_expiring(t, "a/b/c", 500);
    put_expiring(t, "later", 501);
    put(t, "never");
    for (int i = 0; i < 1000; i++) {
        snprintf(topic, sizeof(topic), "dev/%d", i);
        put_expiring(t, topic, 499);
    }
    assert_int_equal(retained_tree_sweep(t, PIECE * PIECES, 498), 0);
    for (int i = 0; i < PIECES; i++)
        removed += retained_tree_sweep(t, PIECE, 500);
    assert_int_equal(removed, 1004);
    assert_int_equal(retained_tree_count(t), 2);
    assert_non_null(retained_tree_get(t, text("later")));
    put(t, "later"); /* this one doesn't expire */
    assert_int_equal(retained_tree_sweep(t, PIECE * PIECES, UINT64_MAX), 0);
    retained_tree_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_filter_reads_exactly_what_it_matches),
        cmocka_unit_test(a_replaced_value_counts_once_and_a_removed_one_is_gone),
        cmocka_unit_test(a_resting_cursor_survives_removals_and_misses_nothing),
        cmocka_unit_test(a_walk_without_matches_rests_after_its_steps),
        cmocka_unit_test(resting_cursors_cost_a_removal_nothing),
        cmocka_unit_test(a_sweep_finds_what_has_expired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
