/* Filters come, go and are found again; who is interested. */
#include "broker/routing/topic_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/routing/topic_match.h"

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static void subscribing_again_replaces_the_options(void **state)
{
    (void)state;
    struct topic_tree *t = topic_tree_new(7);
    struct subscriber a = {0};
    assert_int_equal(topic_tree_add(t, &a, text("x"), (struct subscription_options){.qos = 0}),
                     TOPIC_ADDED);
    assert_int_equal(topic_tree_add(t, &a, text("x"), (struct subscription_options){.qos = 2}),
                     TOPIC_REPLACED);
    assert_int_equal(a.count, 1);
    assert_int_equal(topic_tree_options(&a.items[0]).qos, 2);
    bool last;
    assert_false(topic_tree_remove(t, &a, text("y"), &last));
    assert_true(topic_tree_remove(t, &a, text("x"), &last));
    topic_tree_free(t);
}

static void removal_in_any_order_keeps_the_indices_right(void **state)
{
    (void)state;
    enum { PEOPLE = 50, FILTERS = 20 };
    struct topic_tree *t = topic_tree_new(7);
    static struct subscriber people[PEOPLE];
    char filter[32];
    for (int p = 0; p < PEOPLE; p++)
        for (int f = 0; f < FILTERS; f++) {
            snprintf(filter, sizeof(filter), "room/%d/%s", f, f % 2 ? "+" : "x");
            topic_tree_add(t, &people[p], text(filter), (struct subscription_options){0});
        }
    unsigned random = 1;
    bool last;
    for (int left = PEOPLE * FILTERS; left > 0; left--) {
        struct subscriber *s;
        do {
            random = random * 1103515245u + 12345u;
            s = &people[(random >> 8) % PEOPLE];
        } while (s->count == 0);
        topic_tree_remove_at(t, s, (random >> 16) % s->count, &last);
        for (int p = 0; p < PEOPLE; p++)
            for (uint32_t i = 0; i < people[p].count; i++)
                topic_tree_options(&people[p].items[i]);
    }
    assert_int_equal(topic_tree_nodes(t), 0);
    for (int p = 0; p < PEOPLE; p++)
        assert_int_equal(people[p].count, 0);
    topic_tree_free(t);
}

static void note(void *arg, struct mqtt_slice filter)
{
    snprintf((char *)arg + strlen(arg), 64 - strlen(arg), "%.*s;", (int)filter.len,
             (const char *)filter.data);
}

static void interest_ends_with_the_last_connected_holder(void **state)
{
    (void)state;
    struct topic_tree *t = topic_tree_new(7);
    struct subscriber a = {0};
    struct subscriber b = {0};
    char heard[64] = "";
    topic_tree_set_connected(t, &a, true, NULL, NULL);
    topic_tree_add(t, &a, text("x/+"), (struct subscription_options){0});
    topic_tree_add(t, &b, text("x/+"), (struct subscription_options){0});
    assert_true(topic_tree_has_interest(t, text("x/+")));
    assert_false(topic_tree_has_interest(t, text("x")));
    assert_false(topic_tree_has_interest(t, text("x/+/y")));
    topic_tree_set_connected(t, &b, true, note, heard);
    topic_tree_set_connected(t, &a, false, note, heard);
    assert_string_equal(heard, "");
    bool last = false;
    topic_tree_remove_at(t, &b, 0, &last);
    assert_true(last);
    assert_false(topic_tree_has_interest(t, text("x/+")));
    topic_tree_remove_at(t, &a, 0, &last);
    assert_false(last);
    topic_tree_free(t);
}

static void filter_text_is_rebuilt_from_the_tree(void **state)
{
    (void)state;
    static const char *const filters[] = {"a", "/", "//", "a/+/#", "/a", "a/", "+"};
    struct topic_tree *t = topic_tree_new(7);
    struct subscriber a = {0};
    bool last;
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        topic_tree_add(t, &a, text(filters[i]), (struct subscription_options){0});
        struct mqtt_slice f = topic_tree_filter(t, &a.items[0]);
        assert_int_equal(f.len, strlen(filters[i]));
        assert_memory_equal(f.data, filters[i], f.len);
        topic_tree_remove_at(t, &a, 0, &last);
    }
    topic_tree_free(t);
}

/* ---- what grows, and what doesn't ------------------------------------------------------------ */

static void random_name(unsigned *random, bool filter, char *to)
{
    static const char *const words[] = {"a", "b", "ab", "", "$a", "+", "#"};
    *random = *random * 1103515245u + 12345u;
    unsigned levels = 1 + (*random >> 16) % 5;
    char *at = to;
    for (unsigned i = 0; i < levels; i++) {
        *random = *random * 1103515245u + 12345u;
        const char *word = words[(*random >> 16) % (filter ? 7 : 5)];
        at += sprintf(at, "%s%s", i > 0 ? "/" : "", word);
        if (word[0] == '#')
            break;
    }
    if (at == to)
        strcpy(to, "/");
}

/* Whether the tree finds exactly the filters of s that match. */
static void check_matches(struct topic_tree *t, const struct subscriber *s, const char *topic)
{
    bool expected = false;
    for (uint32_t i = 0; i < s->count; i++)
        expected = expected || mqtt_filter_matches(topic_tree_filter(t, &s->items[i]), text(topic));
    struct topic_matches m = {0};
    assert_true(topic_tree_match(t, text(topic), &m));
    if ((m.count == 1) != expected)
        fail_msg("topic %s", topic);
    free(m.items);
}

static uint32_t bytes_of_all_filters(struct topic_tree *t, const struct subscriber *s)
{
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < s->count; i++)
        bytes += topic_tree_filter(t, &s->items[i]).len;
    return bytes;
}

static void nodes_part_and_join_as_filters_come_and_go(void **state)
{
    (void)state;
    struct topic_tree *t = topic_tree_new(7);
    struct subscriber s = {0};
    unsigned random = 5;
    char name[64];
    for (int i = 0; i < 20000; i++) {
        bool last;
        random_name(&random, true, name);
        if (random % 3 == 0 && s.count > 0)
            topic_tree_remove_at(t, &s, (random >> 8) % s.count, &last);
        else if (topic_tree_find(t, &s, text(name)) == NULL)
            assert_int_equal(topic_tree_add(t, &s, text(name), (struct subscription_options){0}),
                             TOPIC_ADDED);
        else
            assert_true(topic_tree_remove(t, &s, text(name), &last));
        assert_true(topic_tree_nodes(t) <= 2 * s.count);
        assert_int_equal(s.filter_bytes, bytes_of_all_filters(t, &s));
        random_name(&random, false, name);
        check_matches(t, &s, name);
    }
    bool last;
    while (s.count > 0)
        topic_tree_remove_at(t, &s, 0, &last);
    assert_int_equal(topic_tree_nodes(t), 0);
    topic_tree_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscribing_again_replaces_the_options),
        cmocka_unit_test(removal_in_any_order_keeps_the_indices_right),
        cmocka_unit_test(interest_ends_with_the_last_connected_holder),
        cmocka_unit_test(filter_text_is_rebuilt_from_the_tree),
        cmocka_unit_test(nodes_part_and_join_as_filters_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
