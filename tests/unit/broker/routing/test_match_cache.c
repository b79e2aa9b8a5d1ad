/* match_cache: what is remembered, and when it is forgotten. */
#include "broker/routing/match_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static struct subscriber session = {.kind = SUBSCRIBER_SESSION};
static struct subscriber node = {.kind = SUBSCRIBER_NODE};

static struct topic_matches two(void)
{
    static struct topic_match items[2];
    items[0] = (struct topic_match){.subscriber = &node};
    items[1] = (struct topic_match){.subscriber = &session, .terms.qos = 1};
    return (struct topic_matches){.items = items, .count = 2};
}

static void a_put_topic_is_found_with_sessions_before_nodes(void **state)
{
    (void)state;
    struct match_cache *c = match_cache_new(3);
    struct topic_matches m = two();
    assert_null(match_cache_get(c, text("a/b")));
    match_cache_put(c, text("a/b"), &m);
    const struct match_entry *e = match_cache_get(c, text("a/b"));
    assert_non_null(e);
    assert_int_equal(e->count, 1);
    assert_int_equal(e->node_count, 1);
    assert_ptr_equal(e->items[0].subscriber, &session);
    assert_ptr_equal(e->items[1].subscriber, &node);
    assert_null(match_cache_get(c, text("a/c")));
    match_cache_free(c);
}

static void an_exact_change_forgets_that_topic_only(void **state)
{
    (void)state;
    struct match_cache *c = match_cache_new(3);
    struct topic_matches m = two();
    match_cache_put(c, text("a"), &m);
    match_cache_put(c, text("b"), &m);
    match_cache_forget(c, text("a"), false);
    assert_null(match_cache_get(c, text("a")));
    assert_non_null(match_cache_get(c, text("b")));
    match_cache_free(c);
}

static void a_wildcard_change_forgets_everything(void **state)
{
    (void)state;
    struct match_cache *c = match_cache_new(3);
    struct topic_matches m = two();
    match_cache_put(c, text("a"), &m);
    match_cache_put(c, text("b"), &m);
    match_cache_forget(c, text("x/#"), true);
    assert_null(match_cache_get(c, text("a")));
    assert_null(match_cache_get(c, text("b")));
    match_cache_free(c);
}

static void more_topics_than_slots_are_no_trouble(void **state)
{
    (void)state;
    struct match_cache *c = match_cache_new(3);
    struct topic_matches m = two();
    char topic[32];
    for (int i = 0; i < 100000; i++) {
        snprintf(topic, sizeof(topic), "t/%d", i);
        match_cache_put(c, text(topic), &m);
        assert_non_null(match_cache_get(c, text(topic)));
    }
    match_cache_free(c);
}

static void long_topics_do_not_fill_the_memory(void **state)
{
    (void)state;
    enum { LONG = 60000, TOPICS = 5000 };
    struct match_cache *c = match_cache_new(3);
    struct topic_matches m = two();
    char *topic = calloc(1, LONG + 1);
    memset(topic, 'x', LONG);
    for (int i = 0; i < TOPICS; i++) {
        snprintf(topic, LONG, "%d", i);
        topic[strlen(topic)] = '/';
        match_cache_put(c, text(topic), &m);
    }
    int kept = 0;
    for (int i = 0; i < TOPICS; i++) {
        memset(topic, 'x', LONG);
        snprintf(topic, LONG, "%d", i);
        topic[strlen(topic)] = '/';
        kept += match_cache_get(c, text(topic)) != NULL;
    }
    assert_true(kept > 0 && kept < (64 << 20) / LONG);
    free(topic);
    match_cache_free(c);
}

/* A session with several identifiers between others, under topics of all lengths modulo a word. */
static void a_copy_has_the_identifiers_too(void **state)
{
    static struct session several = {.id_len = 4}, one_id = {.id_len = 4};
    static struct topic_match items[] = {
        {.subscriber = &node},
        {.subscriber = &several.subscriber,
         .terms = {.qos = 2, .has_more = true},
         .more = MATCH_OVERLAP + 3},
        {.subscriber = &one_id.subscriber, .terms = {.has_more = true}, .more = 77},
    };
    struct match_overlap one = {.count = 2, .own_count = 1, .own_qos = 1};
    uint32_t words[8] = {0};
    (void)state;
    memcpy(&words[3], &one, sizeof(one));
    words[6] = 5;
    words[7] = 268435455;
    struct topic_matches m = {.items = items, .count = 3, .overlaps = words, .overlap_words = 8};
    struct match_cache *c = match_cache_new(3);
    static const char *const topics[] = {"a", "ab", "abc", "abcd", "abcde"};
    for (size_t i = 0; i < 5; i++)
        match_cache_put(c, text(topics[i]), &m);
    memset(words, 0, sizeof(words));
    for (size_t i = 0; i < 5; i++) {
        const struct match_entry *e = match_cache_get(c, text(topics[i]));
        struct match_terms terms;
        assert_non_null(e);
        const uint32_t *overlaps = match_entry_overlaps(e);
        assert_true(match_serves(&e->items[0], overlaps, text("x"), &terms));
        assert_int_equal(terms.qos, 2);
        assert_int_equal(terms.ids.count, 2);
        assert_int_equal(terms.ids.items[0], 5);
        assert_int_equal(terms.ids.items[1], 268435455);
        assert_true(match_serves(&e->items[1], overlaps, text("x"), &terms));
        assert_int_equal(terms.ids.count, 1);
        assert_int_equal(terms.ids.items[0], 77);
    }
    match_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_topic_is_found_with_sessions_before_nodes),
        cmocka_unit_test(a_copy_has_the_identifiers_too),
        cmocka_unit_test(an_exact_change_forgets_that_topic_only),
        cmocka_unit_test(a_wildcard_change_forgets_everything),
        cmocka_unit_test(more_topics_than_slots_are_no_trouble),
        cmocka_unit_test(long_topics_do_not_fill_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
