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
    items[1] = (struct topic_match){.subscriber = &session, .options.qos = 1};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_topic_is_found_with_sessions_before_nodes),
        cmocka_unit_test(an_exact_change_forgets_that_topic_only),
        cmocka_unit_test(a_wildcard_change_forgets_everything),
        cmocka_unit_test(more_topics_than_slots_are_no_trouble),
        cmocka_unit_test(long_topics_do_not_fill_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
