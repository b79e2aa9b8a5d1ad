/* filter_relation: every pair of small filters, compared with what they match of all small topics. */
#include "broker/auth/files/filter_relation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { TEXTS_MAX = 1000, TEXT_MAX = 32, WORDS = (TEXTS_MAX + 63) / 64 };

struct texts {
    char items[TEXTS_MAX][TEXT_MAX];
    size_t count;
};

static struct texts filters, topics;
static uint64_t matched[TEXTS_MAX][WORDS]; /* by filter: bits of the topics */

static struct mqtt_slice slice(const char *text)
{
    return mqtt_slice_of(text, strlen(text));
}

static void add(struct texts *t, const char *text)
{
    assert_true(t->count < TEXTS_MAX && strlen(text) < TEXT_MAX);
    strcpy(t->items[t->count++], text);
}

/* All texts of up to `depth` levels that begin with `start`, if it is one. */
static void add_all(struct texts *t, const char *start, const char *const *levels, int depth)
{
    char text[TEXT_MAX];
    if (start != NULL && start[0] != '\0')
        add(t, start);
    for (size_t i = 0; depth > 0 && levels[i] != NULL; i++) {
        if (start == NULL)
            snprintf(text, sizeof(text), "%s", levels[i]);
        else
            snprintf(text, sizeof(text), "%s/%s", start, levels[i]);
        if (strcmp(levels[i], "#") == 0)
            add(t, text);
        else
            add_all(t, text, levels, depth - 1);
    }
}

static int set_up(void **state)
{
    static const char *const of_filters[] = {"a", "b", "", "+", "#", "$a", NULL};
    /* One that no filter names, and one level more than filters have. */
    static const char *const of_topics[] = {"a", "b", "", "c", "$a", NULL};
    (void)state;
    add_all(&filters, NULL, of_filters, 3);
    add_all(&topics, NULL, of_topics, 4);
    for (size_t f = 0; f < filters.count; f++)
        for (size_t t = 0; t < topics.count; t++)
            if (mqtt_filter_matches(slice(filters.items[f]), slice(topics.items[t])))
                matched[f][t / 64] |= UINT64_C(1) << (t % 64);
    return 0;
}

static void the_texts_are_those_that_are_meant(void **state)
{
    (void)state;
    assert_true(filters.count > 150 && topics.count > 600);
    for (size_t f = 0; f < filters.count; f++)
        assert_true(
            mqtt_topic_filter_valid((const uint8_t *)filters.items[f], strlen(filters.items[f])));
    for (size_t t = 0; t < topics.count; t++)
        assert_true(
            mqtt_topic_name_valid((const uint8_t *)topics.items[t], strlen(topics.items[t])));
}

static bool shares_a_topic(size_t a, size_t b)
{
    for (size_t i = 0; i < WORDS; i++)
        if ((matched[a][i] & matched[b][i]) != 0)
            return true;
    return false;
}

static bool has_all_of(size_t wide, size_t narrow)
{
    for (size_t i = 0; i < WORDS; i++)
        if ((matched[narrow][i] & ~matched[wide][i]) != 0)
            return false;
    return true;
}

static void filters_overlap_if_they_share_a_topic(void **state)
{
    (void)state;
    for (size_t a = 0; a < filters.count; a++)
        for (size_t b = 0; b < filters.count; b++)
            if (filter_overlaps(slice(filters.items[a]), slice(filters.items[b])) !=
                shares_a_topic(a, b))
                fail_msg("'%s' and '%s'", filters.items[a], filters.items[b]);
}

static void one_covers_another_if_it_has_all_its_topics(void **state)
{
    (void)state;
    for (size_t a = 0; a < filters.count; a++)
        for (size_t b = 0; b < filters.count; b++)
            if (filter_covers(slice(filters.items[a]), slice(filters.items[b])) != has_all_of(a, b))
                fail_msg("'%s' and '%s'", filters.items[a], filters.items[b]);
}

static void two_meet_in_what_both_match(void **state)
{
    uint8_t out[2 * TEXT_MAX + 1];
    (void)state;
    for (size_t a = 0; a < filters.count; a++) {
        for (size_t b = 0; b < filters.count; b++) {
            size_t len = filter_meet(slice(filters.items[a]), slice(filters.items[b]), out);
            struct mqtt_slice met = mqtt_slice_of(out, len);
            if (len == 0 && shares_a_topic(a, b))
                fail_msg("'%s' and '%s' don't meet", filters.items[a], filters.items[b]);
            if (len == 0)
                continue;
            assert_true(len <= strlen(filters.items[a]) + strlen(filters.items[b]) + 1);
            assert_true(mqtt_topic_filter_valid(out, len));
            for (size_t t = 0; t < topics.count; t++) {
                uint64_t both = matched[a][t / 64] & matched[b][t / 64];
                if (mqtt_filter_matches(met, slice(topics.items[t])) != ((both >> (t % 64)) & 1))
                    fail_msg("'%s' and '%s' meet in '%.*s': '%s'", filters.items[a],
                             filters.items[b], (int)len, (const char *)out, topics.items[t]);
            }
        }
    }
}

static void longer_ones(void **state)
{
    static const struct {
        const char *a, *b;
        bool overlap, a_covers;
    } rows[] = {
        {"a/b/c/d/#", "a/+/c/#", true, false},
        {"a/+/c/#", "a/b/c/d/#", true, true},
        {"#", "a/b/c/d/e/f", true, true},
        {"+/+/+/#", "a/b/#", true, false},
        {"a/b/#", "a/b/c/+/e", true, true},
        {"$share/x", "#", false, false},
        {"aa/b", "a/b", false, false},
        {"a/bb", "a/b", false, false},
        {"sensors/+/temp", "sensors/kitchen/#", true, false},
        {"sensors/+/temp", "sensors/kitchen/humidity", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(filter_overlaps(slice(rows[i].a), slice(rows[i].b)), rows[i].overlap);
        assert_int_equal(filter_overlaps(slice(rows[i].b), slice(rows[i].a)), rows[i].overlap);
        assert_int_equal(filter_covers(slice(rows[i].a), slice(rows[i].b)), rows[i].a_covers);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_texts_are_those_that_are_meant),
        cmocka_unit_test(filters_overlap_if_they_share_a_topic),
        cmocka_unit_test(one_covers_another_if_it_has_all_its_topics),
        cmocka_unit_test(two_meet_in_what_both_match),
        cmocka_unit_test(longer_ones),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
