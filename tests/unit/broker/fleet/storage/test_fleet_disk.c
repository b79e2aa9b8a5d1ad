/* fleet_disk: with `durability: disk` only a Redis that syncs its file at every write is good enough. */
#include "broker/fleet/storage/fleet_disk.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { ASK_MS = 2000 };
#define SETTINGS "CONFIG GET appendonly appendfsync"

static void settings_are_asked_at_each_connection_and_now_and_then(void **state)
{
    struct lone_node *n = *state;
    n->f.cfg.durability = DURABILITY_DISK;
    fleet_disk_greeted(&n->f);
    redis_gets(n, SETTINGS);
    redis_says_nothing(n);
    n->f.now_ms += ASK_MS - 1;
    fleet_disk_tick(&n->f);
    redis_gets_nothing(n);
    n->f.now_ms++;
    fleet_disk_tick(&n->f);
    redis_gets(n, SETTINGS);
    redis_says_nothing(n);
    fleet_disk_greeted(&n->f);
    redis_gets(n, SETTINGS);
}

static void a_node_that_isnt_sure_asks_later(void **state)
{
    struct lone_node *n = *state;
    n->f.cfg.durability = DURABILITY_DISK;
    n->f.lease = FLEET_LEASE_UNSURE;
    fleet_disk_tick(&n->f);
    redis_gets_nothing(n);
    n->f.lease = FLEET_LEASE_SURE;
    fleet_disk_tick(&n->f);
    redis_gets(n, SETTINGS);
}

static void nothing_is_asked_where_less_was_promised(void **state)
{
    struct lone_node *n = *state;
    n->f.cfg.durability = DURABILITY_REPLICA;
    fleet_disk_greeted(&n->f);
    fleet_disk_tick(&n->f);
    redis_gets_nothing(n);
}

static void answer(struct lone_node *n, const char *text)
{
    n->f.cfg.durability = DURABILITY_DISK;
    fleet_disk_greeted(&n->f);
    if (text != NULL)
        redis_says(n, text);
    else
        redis_says_nothing(n);
}

static void it_needs_a_file_that_is_synced_at_every_write(void **state)
{
    static const struct {
        const char *says;
        bool good;
    } cases[] = {
        {"[ 'appendonly 'yes 'appendfsync 'always ]", true},
        {"[ 'appendfsync 'always 'appendonly 'yes ]", true},
        {"[ 'appendonly 'no 'appendfsync 'always ]", false},
        {"[ 'appendonly 'yes 'appendfsync 'everysec ]", false},
        {"[ 'appendonly 'yes ]", false},
        {"[ 'appendfsync 'always ]", false},
        {"[ ]", false},
        {"!NOPERM", false},
        {":1", false},
    };
    struct lone_node *n = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        n->f.not_durable = cases[i].good; /* the opposite */
        answer(n, cases[i].says);
        assert_int_equal(n->f.not_durable, !cases[i].good);
    }
}

static void no_answer_says_nothing(void **state)
{
    struct lone_node *n = *state;
    answer(n, NULL);
    assert_false(n->f.not_durable);
    answer(n, "[ ]");
    assert_true(n->f.not_durable);
    answer(n, NULL);
    assert_true(n->f.not_durable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(settings_are_asked_at_each_connection_and_now_and_then),
        LONE_TEST(a_node_that_isnt_sure_asks_later),
        LONE_TEST(nothing_is_asked_where_less_was_promised),
        LONE_TEST(it_needs_a_file_that_is_synced_at_every_write),
        LONE_TEST(no_answer_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
