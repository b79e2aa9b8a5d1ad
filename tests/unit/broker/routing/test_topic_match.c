/* Which filters a topic name matches (MQTT 3.1.1, 4.7), and what that costs. */
#include "broker/routing/topic_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/routing/topic_tree.h"

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static bool matches(const char *filter, const char *topic)
{
    struct topic_tree *t = topic_tree_new(7);
    struct subscriber s = {0};
    assert_int_equal(topic_tree_add(t, &s, text(filter), (struct subscription_options){.qos = 1}),
                     TOPIC_ADDED);
    struct topic_matches m = {0};
    assert_true(topic_tree_match(t, text(topic), &m));
    bool found = m.count == 1;
    bool last;
    assert_true(topic_tree_remove(t, &s, text(filter), &last));
    assert_int_equal(topic_tree_nodes(t), 0);
    free(m.items);
    topic_tree_free(t);
    return found;
}

static void filters_match_as_the_specification_says(void **state)
{
    (void)state;
    static const struct {
        const char *filter, *topic;
        bool match;
    } cases[] = {
        {"a/b", "a/b", true},        {"a/b", "a/c", false},      {"a/b", "a/b/c", false},
        {"a/+", "a/b", true},        {"a/+", "a", false},        {"a/+", "a/", true},
        {"a/+", "a/b/c", false},     {"+/+", "/a", true},        {"/+", "/a", true},
        {"+", "/a", false},          {"a/#", "a", true},         {"a/#", "a/b/c", true},
        {"#", "a/b", true},          {"#", "$SYS/a", false},     {"+/a", "$SYS/a", false},
        {"$SYS/#", "$SYS/a", true},  {"$SYS/+", "$SYS/a", true}, {"a/+/c/#", "a/b/c", true},
        {"a/+/c/#", "a/b/d", false}, {"+/#", "a", true},         {"a//b", "a//b", true},
        {"a//b", "a/b", false},      {"a/#", "ab", false},       {"a[b]/+", "ab/x", false},
        {"A/b", "a/b", false},       {"a/$x/+", "a/$x/y", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (matches(cases[i].filter, cases[i].topic) != cases[i].match)
            fail_msg("filter %s, topic %s", cases[i].filter, cases[i].topic);
}

static void overlapping_subscriptions_match_once_at_the_highest_qos(void **state)
{
    (void)state;
    struct topic_tree *t = topic_tree_new(7);
    struct subscriber a = {0};
    struct subscriber b = {0};
    topic_tree_add(t, &a, text("x/#"), (struct subscription_options){.qos = 0});
    topic_tree_add(t, &a, text("x/+"), (struct subscription_options){.qos = 2});
    topic_tree_add(t, &a, text("x/y"), (struct subscription_options){.qos = 1});
    topic_tree_add(t, &b, text("x/y"), (struct subscription_options){.qos = 1});
    struct topic_matches m = {0};
    assert_true(topic_tree_match(t, text("x/y"), &m));
    assert_int_equal(m.count, 2);
    for (uint32_t i = 0; i < m.count; i++)
        assert_int_equal(m.items[i].options.qos, m.items[i].subscriber == &a ? 2 : 1);
    bool last;
    while (a.count > 0)
        topic_tree_remove_at(t, &a, 0, &last);
    assert_true(topic_tree_match(t, text("x/y"), &m));
    assert_int_equal(m.count, 1);
    assert_ptr_equal(m.items[0].subscriber, &b);
    topic_tree_remove_at(t, &b, 0, &last);
    free(m.items);
    topic_tree_free(t);
}

/* What one of them wants is sent, and "no local" only if all say so. */
static void overlapping_subscriptions_are_served_together(void **state)
{
    (void)state;
    struct topic_tree *t = topic_tree_new(7);
    struct subscriber a = {0};
    struct subscriber b = {0};
    topic_tree_add(t, &a, text("x/#"), (struct subscription_options){.no_local = true});
    topic_tree_add(t, &a, text("x/y"), (struct subscription_options){.retain_as_published = true});
    topic_tree_add(t, &b, text("x/#"), (struct subscription_options){.no_local = true});
    topic_tree_add(t, &b, text("x/y"), (struct subscription_options){.no_local = true});
    struct topic_matches m = {0};
    assert_true(topic_tree_match(t, text("x/y"), &m));
    assert_int_equal(m.count, 2);
    for (uint32_t i = 0; i < m.count; i++) {
        bool is_a = m.items[i].subscriber == &a;
        assert_int_equal(m.items[i].options.no_local, !is_a);
        assert_int_equal(m.items[i].options.retain_as_published, is_a);
    }
    bool last;
    while (a.count > 0)
        topic_tree_remove_at(t, &a, 0, &last);
    while (b.count > 0)
        topic_tree_remove_at(t, &b, 0, &last);
    free(m.items);
    topic_tree_free(t);
}

/* More than the room that `out` begins with, and than it had from the time before. */
static void everybody_who_matches_is_found(void **state)
{
    (void)state;
    enum { PEOPLE = 40 };
    struct topic_tree *t = topic_tree_new(7);
    static struct subscriber people[PEOPLE];
    struct topic_matches m = {0};
    for (uint32_t i = 0; i < PEOPLE; i++) {
        topic_tree_add(t, &people[i], text("x"), (struct subscription_options){0});
        assert_true(topic_tree_match(t, text("x"), &m));
        assert_int_equal(m.count, i + 1);
        assert_ptr_equal(m.items[i].subscriber, &people[i]);
    }
    bool last;
    for (uint32_t i = 0; i < PEOPLE; i++)
        topic_tree_remove_at(t, &people[i], 0, &last);
    assert_true(topic_tree_match(t, text("x"), &m));
    assert_int_equal(m.count, 0);
    free(m.items);
    topic_tree_free(t);
}

enum { DEEP_BITS = 10, DEEP = 1 << DEEP_BITS, LEVELS = 200 };

/* Each of DEEP filters begins with another choice of '+' and 'a' and goes on to LEVELS levels. */
static void deep_filter(int i, char *to)
{
    for (int level = 0; level < LEVELS; level++) {
        bool plus = level >= DEEP_BITS || (i >> level & 1) != 0;
        to = stpcpy(to, level > 0 ? "/" : "");
        to = stpcpy(to, level == LEVELS - 1 ? "z" : plus ? "+" : "a");
    }
}

static void deep_filters_cost_two_nodes_each(void **state)
{
    (void)state;
    struct topic_tree *t = topic_tree_new(7);
    struct subscriber s = {0};
    char name[2 * LEVELS + 1];
    for (int i = 0; i < DEEP; i++) {
        deep_filter(i, name);
        topic_tree_add(t, &s, text(name), (struct subscription_options){0});
        /* A filter that ends inside it, and goes: no node may be left of it. */
        bool last;
        struct mqtt_slice part = {(const uint8_t *)name, 101};
        topic_tree_add(t, &s, part, (struct subscription_options){0});
        topic_tree_remove(t, &s, part, &last);
    }
    assert_true(topic_tree_nodes(t) < 2 * DEEP);
    for (int level = 0; level < LEVELS; level++)
        strcpy(name + 2 * level, level < LEVELS - 1 ? "a/" : "x");
    struct topic_matches m = {0};
    assert_true(topic_tree_match(t, text(name), &m));
    assert_int_equal(m.count, 0);
    assert_true(*topic_tree_steps(t) < DEEP * (LEVELS + 10));
    free(m.items);
    bool last;
    while (s.count > 0)
        topic_tree_remove_at(t, &s, 0, &last);
    topic_tree_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_match_as_the_specification_says),
        cmocka_unit_test(overlapping_subscriptions_match_once_at_the_highest_qos),
        cmocka_unit_test(overlapping_subscriptions_are_served_together),
        cmocka_unit_test(everybody_who_matches_is_found),
        cmocka_unit_test(deep_filters_cost_two_nodes_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
