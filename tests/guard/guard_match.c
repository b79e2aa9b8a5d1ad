/* Finding who matches a topic as the router does: the cache first, the tree on a miss. A fleet of
 * devices, each subscribed to its own topics; a few watch all of them. Now and then a subscription
 * with a wildcard changes, after which every topic is looked up in the tree once. */
#include "tests/guard/guard.h"

#include <stdio.h>
#include <string.h>

#include "broker/routing/match_cache.h"
#include "broker/routing/topic_match.h"
#include "broker/routing/topic_tree.h"

enum { DEVICES = 1000, WATCHERS = 5, ROUNDS = 20, CHANGE_EVERY = 5, HASH_KEY = 42 };

static struct topic_tree *tree;
static struct match_cache *cache;
static struct topic_matches matches;
static struct subscriber devices[DEVICES], watchers[WATCHERS];
static char topics[DEVICES][64];

static struct mqtt_slice slice(const char *s)
{
    return (struct mqtt_slice){.data = (const uint8_t *)s, .len = (uint32_t)strlen(s)};
}

static void subscribe(struct subscriber *s, const char *filter, bool wildcard)
{
    struct subscription_options options = {.qos = 1};
    guard_must(topic_tree_add(tree, s, slice(filter), options) == TOPIC_ADDED);
    match_cache_forget(cache, slice(filter), wildcard);
}

static void unsubscribe(struct subscriber *s, const char *filter)
{
    bool last;
    guard_must(topic_tree_remove(tree, s, slice(filter), &last));
    match_cache_forget(cache, slice(filter), true);
}

static uint32_t match(const char *topic)
{
    const struct match_entry *e = match_cache_get(cache, slice(topic));
    if (e == NULL) {
        guard_must(topic_tree_match(tree, slice(topic), &matches));
        e = match_cache_put(cache, slice(topic), &matches);
    }
    guard_must(e != NULL);
    return e->count;
}

static void match_all(uint32_t expected)
{
    for (int i = 0; i < DEVICES; i++)
        guard_must(match(topics[i]) == expected);
}

void guard_prepare(void)
{
    static const char *const watched[WATCHERS] = {"#", "campus/#", "campus/fleet/+/position",
                                                  "campus/+/+/position", "+/fleet/+/#"};
    tree = topic_tree_new(HASH_KEY);
    cache = match_cache_new(HASH_KEY);
    guard_must(tree != NULL && cache != NULL);
    for (int i = 0; i < DEVICES; i++) {
        char filter[64];
        snprintf(filter, sizeof(filter), "campus/fleet/bus-%d/orders/+", i);
        subscribe(&devices[i], filter, true);
        snprintf(topics[i], sizeof(topics[i]), "campus/fleet/bus-%d/position", i);
        subscribe(&devices[i], topics[i], false);
    }
    for (int i = 0; i < WATCHERS; i++)
        subscribe(&watchers[i], watched[i], true);
    match_all(WATCHERS + 1);
}

void guard_measured(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        if (round % CHANGE_EVERY == 0)
            unsubscribe(&watchers[0], "#");
        else if (round % CHANGE_EVERY == 1)
            subscribe(&watchers[0], "#", true);
        match_all(round % CHANGE_EVERY == 0 ? WATCHERS : WATCHERS + 1);
    }
}

void guard_finish(void)
{
    for (int i = 0; i < DEVICES; i++) {
        unsubscribe(&devices[i], topics[i]);
        free(devices[i].items);
    }
    topic_matches_fini(&matches);
}
