/* memory_values: retained values within bounds, until they expire. */
#include "broker/store/memory_values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/base/broker_stats.h"
#include "broker/store/retained_tree.h"

struct world {
    struct memory_values values;
    struct store_memory_config config;
    struct broker_stats stats;
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    w->config =
        (struct store_memory_config){.hash_key = 7, .retained_limit = 3, .stats = &w->stats};
    *state = w;
    return memory_values_init(&w->values, &w->config) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    memory_values_fini(&w->values);
    free(w);
    return 0;
}

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static struct message *keep(struct world *w, const char *topic, const char *payload,
                            uint64_t expires_at_ms)
{
    struct mqtt_publish p = {.retain = true, .topic = text(topic), .payload = text(payload)};
    struct message *m = message_new(&p, (struct message_id){1, 1}, text("pub"));
    m->expires_at_ms = expires_at_ms;
    memory_values_keep(&w->values, m);
    return m;
}

static bool is_there(struct world *w, const char *topic)
{
    return retained_tree_get(w->values.tree, text(topic)) != NULL;
}

static void a_topic_too_many_is_not_kept(void **state)
{
    struct world *w = *state;
    static const char *const topics[] = {"1", "2", "3", "4"};
    for (int i = 0; i < 4; i++)
        message_unref(keep(w, topics[i], "x", 0));
    assert_int_equal(w->stats.dropped[DROP_RETAINED_FULL], 1);
    assert_int_equal(w->stats.retained, 3);
    assert_false(is_there(w, "4"));
    message_unref(keep(w, "3", "y", 0)); /* another value of one that is there */
    message_unref(keep(w, "1", "", 0));
    message_unref(keep(w, "4", "x", 0));
    assert_true(is_there(w, "4"));
    assert_int_equal(w->stats.dropped[DROP_RETAINED_FULL], 1);
}

static void what_has_expired_is_removed_when_it_is_seen(void **state)
{
    struct world *w = *state;
    struct message *m = keep(w, "t", "x", 500);
    assert_false(memory_values_drop_expired(&w->values, m, 499));
    assert_true(is_there(w, "t"));
    assert_true(memory_values_drop_expired(&w->values, m, 500));
    assert_false(is_there(w, "t"));
    assert_int_equal(w->stats.retained, 0);
    assert_int_equal(w->stats.dropped[DROP_EXPIRED], 1);
    message_unref(m);
}

static void a_sweep_comes_ten_times_a_second(void **state)
{
    struct world *w = *state;
    memory_values_sweep(&w->values, 1000, 0);
    message_unref(keep(w, "t", "x", 500));
    memory_values_sweep(&w->values, 1099, 500);
    assert_true(is_there(w, "t"));
    memory_values_sweep(&w->values, 1100, 500);
    assert_false(is_there(w, "t"));
    assert_int_equal(w->stats.retained, 0);
    assert_int_equal(w->stats.dropped[DROP_EXPIRED], 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_topic_too_many_is_not_kept),
        TEST(what_has_expired_is_removed_when_it_is_seen),
        TEST(a_sweep_comes_ten_times_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
