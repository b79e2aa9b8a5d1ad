/* Which filters a topic name matches (MQTT 3.1.1, 4.7), and what that costs. */
#include "broker/routing/topic_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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
    topic_matches_fini(&m);
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
        assert_int_equal(m.items[i].terms.qos, m.items[i].subscriber == &a ? 2 : 1);
    bool last;
    while (a.count > 0)
        topic_tree_remove_at(t, &a, 0, &last);
    assert_true(topic_tree_match(t, text("x/y"), &m));
    assert_int_equal(m.count, 1);
    assert_ptr_equal(m.items[0].subscriber, &b);
    topic_tree_remove_at(t, &b, 0, &last);
    topic_matches_fini(&m);
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
        assert_int_equal(m.items[i].terms.no_local, !is_a);
        assert_int_equal(m.items[i].terms.retain_as_published, is_a);
    }
    bool last;
    while (a.count > 0)
        topic_tree_remove_at(t, &a, 0, &last);
    while (b.count > 0)
        topic_tree_remove_at(t, &b, 0, &last);
    topic_matches_fini(&m);
    topic_tree_free(t);
}

/* ---- identifiers ----------------------------------------------------------------------------- */

struct ids_bed {
    struct topic_tree *tree;
    struct subscriber a, b;
    struct topic_matches found;
};

static int ids_set_up(void **state)
{
    struct ids_bed *bed = calloc(1, sizeof(*bed));
    *state = bed;
    bed->tree = topic_tree_new(7);
    return 0;
}

static int ids_tear_down(void **state)
{
    struct ids_bed *bed = *state;
    bool last;
    while (bed->a.count > 0)
        topic_tree_remove_at(bed->tree, &bed->a, 0, &last);
    while (bed->b.count > 0)
        topic_tree_remove_at(bed->tree, &bed->b, 0, &last);
    topic_matches_fini(&bed->found);
    topic_tree_free(bed->tree);
    free(bed);
    return 0;
}

static void subscribe(struct ids_bed *bed, struct subscriber *s, const char *filter,
                      struct subscription_options options)
{
    assert_int_not_equal(topic_tree_add(bed->tree, s, text(filter), options), TOPIC_FAILED);
}

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* How `s` gets "x/y", its own messages or others': "2: 5 7" is QoS 2 with these identifiers, in
 * order; "2r:" with retain as published; "-" not at all. */
static const char *gets(struct ids_bed *bed, const struct subscriber *s, bool own)
{
    static char out[256];
    struct match_terms terms;
    uint32_t ids[32], at = 0;
    assert_true(topic_tree_match(bed->tree, text("x/y"), &bed->found));
    while (at < bed->found.count && bed->found.items[at].subscriber != s)
        at++;
    if (at == bed->found.count ||
        !topic_match_terms(&bed->found.items[at], bed->found.overlaps, own, &terms))
        return "-";
    for (uint32_t i = at + 1; i < bed->found.count; i++)
        assert_ptr_not_equal(bed->found.items[i].subscriber, s);
    int len = sprintf(out, "%d%s:", terms.qos, terms.retain_as_published ? "r" : "");
    assert_true(terms.ids.count <= 32);
    for (uint32_t i = 0; i < terms.ids.count; i++)
        ids[i] = terms.ids.items[i];
    qsort(ids, terms.ids.count, sizeof(*ids), by_number);
    for (uint32_t i = 0; i < terms.ids.count; i++)
        len += sprintf(out + len, " %u", ids[i]);
    return out;
}

static void a_match_has_the_identifiers_of_all_that_match(void **state)
{
    struct ids_bed *bed = *state;
    subscribe(bed, &bed->a, "x/y", (struct subscription_options){.subscription_id = 268435455});
    subscribe(bed, &bed->b, "x/+", (struct subscription_options){.subscription_id = 4});
    assert_string_equal(gets(bed, &bed->a, false), "0: 268435455");
    assert_string_equal(gets(bed, &bed->b, false), "0: 4");
    subscribe(bed, &bed->a, "x/#", (struct subscription_options){.qos = 2});
    subscribe(bed, &bed->a, "#", (struct subscription_options){.subscription_id = 3});
    subscribe(bed, &bed->a, "+/+", (struct subscription_options){.subscription_id = 3});
    subscribe(bed, &bed->a, "z", (struct subscription_options){.subscription_id = 9});
    subscribe(bed, &bed->b, "x/#", (struct subscription_options){.qos = 1, .subscription_id = 5});
    subscribe(bed, &bed->b, "+/#", (struct subscription_options){.retain_as_published = true});
    assert_string_equal(gets(bed, &bed->a, false), "2: 3 3 268435455");
    assert_string_equal(gets(bed, &bed->a, true), "2: 3 3 268435455");
    assert_string_equal(gets(bed, &bed->b, false), "1r: 4 5");
}

static void a_subscription_that_is_replaced_has_its_new_identifier_or_none(void **state)
{
    struct ids_bed *bed = *state;
    subscribe(bed, &bed->a, "x/y", (struct subscription_options){.subscription_id = 1});
    subscribe(bed, &bed->a, "x/y", (struct subscription_options){.subscription_id = 2});
    assert_string_equal(gets(bed, &bed->a, false), "0: 2");
    assert_int_equal(
        topic_tree_options(topic_tree_find(bed->tree, &bed->a, text("x/y"))).subscription_id, 2);
    subscribe(bed, &bed->a, "x/y", (struct subscription_options){.qos = 1});
    assert_string_equal(gets(bed, &bed->a, false), "1:");
}

/* A subscription is found by its index, which others that go may change. */
static void identifiers_stay_with_their_subscriptions(void **state)
{
    struct ids_bed *bed = *state;
    bool last;
    subscribe(bed, &bed->a, "q", (struct subscription_options){.subscription_id = 1});
    subscribe(bed, &bed->b, "x/y", (struct subscription_options){.subscription_id = 2});
    subscribe(bed, &bed->a, "x/y", (struct subscription_options){.subscription_id = 3});
    topic_tree_remove(bed->tree, &bed->a, text("q"), &last);
    topic_tree_remove(bed->tree, &bed->b, text("x/y"), &last);
    assert_string_equal(gets(bed, &bed->a, false), "0: 3");
}

/* 5.0: 3.8.3.1. Its own messages it gets by the others only. */
static void no_local_takes_part_only_for_messages_of_others(void **state)
{
    struct ids_bed *bed = *state;
    subscribe(bed, &bed->a, "x/#",
              (struct subscription_options){
                  .qos = 2, .no_local = true, .retain_as_published = true, .subscription_id = 1});
    assert_string_equal(gets(bed, &bed->a, false), "2r: 1");
    assert_string_equal(gets(bed, &bed->a, true), "-");
    subscribe(bed, &bed->a, "x/y", (struct subscription_options){.qos = 1});
    assert_string_equal(gets(bed, &bed->a, false), "2r: 1");
    assert_string_equal(gets(bed, &bed->a, true), "1:");
    subscribe(bed, &bed->a, "x/+", (struct subscription_options){.subscription_id = 2});
    subscribe(bed, &bed->a, "#",
              (struct subscription_options){.no_local = true, .subscription_id = 3});
    assert_string_equal(gets(bed, &bed->a, false), "2r: 1 2 3");
    assert_string_equal(gets(bed, &bed->a, true), "1: 2");
    subscribe(bed, &bed->a, "x/y", (struct subscription_options){.no_local = true});
    subscribe(bed, &bed->a, "x/+", (struct subscription_options){.no_local = true});
    assert_string_equal(gets(bed, &bed->a, false), "2r: 1 3");
    assert_string_equal(gets(bed, &bed->a, true), "-");
}

/* Also without identifiers, whichever of them is found first. */
static void only_some_no_local_means_two_kinds_of_terms(void **state)
{
    struct ids_bed *bed = *state;
    subscribe(bed, &bed->a, "x/#", (struct subscription_options){.qos = 2, .no_local = true});
    subscribe(bed, &bed->a, "x/y", (struct subscription_options){.qos = 1});
    subscribe(bed, &bed->b, "x/#", (struct subscription_options){.retain_as_published = true});
    subscribe(bed, &bed->b, "x/y", (struct subscription_options){.qos = 2, .no_local = true});
    assert_string_equal(gets(bed, &bed->a, false), "2:");
    assert_string_equal(gets(bed, &bed->a, true), "1:");
    assert_string_equal(gets(bed, &bed->b, false), "2r:");
    assert_string_equal(gets(bed, &bed->b, true), "0r:");
}

/* ---- many ------------------------------------------------------------------------------------ */

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
    topic_matches_fini(&m);
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
    topic_matches_fini(&m);
    bool last;
    while (s.count > 0)
        topic_tree_remove_at(t, &s, 0, &last);
    topic_tree_free(t);
}

#define IDS_TEST(name) cmocka_unit_test_setup_teardown(name, ids_set_up, ids_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_match_as_the_specification_says),
        cmocka_unit_test(overlapping_subscriptions_match_once_at_the_highest_qos),
        cmocka_unit_test(overlapping_subscriptions_are_served_together),
        IDS_TEST(a_match_has_the_identifiers_of_all_that_match),
        IDS_TEST(a_subscription_that_is_replaced_has_its_new_identifier_or_none),
        IDS_TEST(identifiers_stay_with_their_subscriptions),
        IDS_TEST(no_local_takes_part_only_for_messages_of_others),
        IDS_TEST(only_some_no_local_means_two_kinds_of_terms),
        cmocka_unit_test(everybody_who_matches_is_found),
        cmocka_unit_test(deep_filters_cost_two_nodes_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
