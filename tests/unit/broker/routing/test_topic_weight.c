/* topic_weight: no match makes more steps than the tree says, and it doesn't say many more. */
#include "broker/routing/topic_weight.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/routing/topic_match.h"
#include "broker/routing/topic_tree.h"

enum { LEVELS = 9, FILTERS = 1500, GROUPS = 24, SLACK = TOPIC_LIGHT + 8 };

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static void add(struct topic_tree *t, struct subscriber *s, const char *filter)
{
    assert_int_not_equal(
        topic_tree_add(t, s, text(filter), (struct subscription_options){.qos = 1}), TOPIC_FAILED);
}

/* Of one match, without those for what it found. */
static uint64_t steps_of(struct topic_tree *t, const char *topic)
{
    struct topic_matches m = {0};
    uint64_t before = *topic_tree_steps(t);
    assert_true(topic_tree_match(t, text(topic), &m));
    uint64_t steps = *topic_tree_steps(t) - before - m.count;
    free(m.items);
    return steps;
}

static void random_path(char *out, size_t size, const char *letters)
{
    size_t levels = 1 + (size_t)rand() % LEVELS;
    size_t len = 0;
    for (size_t i = 0; i < levels; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%c", i > 0 ? "/" : "",
                                letters[(size_t)rand() % strlen(letters)]);
}

static void no_match_makes_more_steps(void **state)
{
    struct topic_tree *t = topic_tree_new(7);
    struct subscriber s = {0};
    char path[64];
    bool last;
    (void)state;
    srand(1);
    for (int i = 0; i < 4 * FILTERS; i++) {
        random_path(path, sizeof(path), "ab+");
        add(t, &s, path);
        if (s.count > FILTERS)
            topic_tree_remove_at(t, &s, (uint32_t)rand() % s.count, &last);
        random_path(path, sizeof(path), "ab");
        assert_true(steps_of(t, path) <= topic_tree_worst_match(t));
    }
    while (s.count > 0)
        topic_tree_remove_at(t, &s, (uint32_t)rand() % s.count, &last);
    assert_int_equal(topic_tree_worst_match(t), 1); /* the root */
    topic_tree_free(t);
}

/* All filters of so many levels of which each is '+' or 'a'. */
static void add_all(struct topic_tree *t, struct subscriber *s, const char *prefix, unsigned count)
{
    char path[64];
    for (unsigned bits = 0; bits < count; bits++) {
        size_t len = (size_t)snprintf(path, sizeof(path), "%s", prefix);
        for (unsigned i = 0; i < LEVELS; i++)
            len +=
                (size_t)snprintf(path + len, sizeof(path) - len, "/%c", bits >> i & 1 ? '+' : 'a');
        add(t, s, path);
    }
}

static void the_worst_topic_is_told(void **state)
{
    struct topic_tree *t = topic_tree_new(7);
    struct subscriber s = {0};
    bool last;
    (void)state;
    add_all(t, &s, "x", 1u << LEVELS);
    uint64_t steps = steps_of(t, "x/a/a/a/a/a/a/a/a/a");
    assert_true(steps > 1u << LEVELS);
    assert_true(steps <= topic_tree_worst_match(t));
    assert_true(topic_tree_worst_match(t) <= steps + SLACK);
    while (s.count > 0)
        topic_tree_remove_at(t, &s, s.count - 1, &last);
    topic_tree_free(t);
}

/* Filters that no topic matches all of weigh no more than the worst of them. */
static void what_lies_apart_isnt_added_up(void **state)
{
    struct topic_tree *t = topic_tree_new(7);
    struct subscriber groups[GROUPS] = {0};
    char text[64];
    bool last;
    (void)state;
    for (unsigned i = 0; i < GROUPS; i++) {
        snprintf(text, sizeof(text), "g%u", i);
        add_all(t, &groups[i], text, 40 + i * 16);
    }
    srand(2);
    for (unsigned left = GROUPS; left > 0; left--) {
        uint64_t worst = 0;
        for (unsigned i = 0; i < GROUPS; i++) {
            snprintf(text, sizeof(text), "g%u/a/a/a/a/a/a/a/a/a", i);
            uint64_t steps = steps_of(t, text);
            worst = steps > worst ? steps : worst;
        }
        assert_true(worst <= topic_tree_worst_match(t));
        assert_true(topic_tree_worst_match(t) <= worst + SLACK);
        unsigned gone = (unsigned)rand() % GROUPS;
        while (groups[gone].count == 0)
            gone = (gone + 1) % GROUPS;
        while (groups[gone].count > 0)
            topic_tree_remove_at(t, &groups[gone], 0, &last);
    }
    assert_int_equal(topic_tree_worst_match(t), 1);
    topic_tree_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_match_makes_more_steps),
        cmocka_unit_test(the_worst_topic_is_told),
        cmocka_unit_test(what_lies_apart_isnt_added_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
