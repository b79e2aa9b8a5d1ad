/* fleet_resync: what the core knows of a session becomes what Redis has of it, if nobody knows better. */
#include "broker/fleet/fence/fleet_resync.h"
#include "broker/fleet/log/fleet_epochs.h"
#include "tests/unit/broker/fleet/lone_node.h"

/* What the core has of a session. */
static void know(struct lone_node *n, const char *const *filters, size_t count)
{
    for (size_t i = 0; i < count; i++)
        n->subs[i] = (struct store_subscription){.filter = lone_slice(filters[i]), .qos = 1};
    n->sub_count = count;
}

static void what_is_read_is_added(void **state)
{
    struct lone_node *n = *state;
    fleet_resync_add(&n->f, lone_session("c", 5), reply("[ '5 'a '\1 'b '\2 'cut ]"));
    assert_told(n, "subscribed c a 1; subscribed c b 2");
    fleet_resync_add(&n->f, lone_session("c", 5), reply("[ '5 ]"));
    assert_told(n, "");
}

/* Also where one filter begins as another one does. */
static void what_redis_hasnt_any_more_is_taken_from_the_core(void **state)
{
    static const char *const filters[] = {"a", "aa", "b", "bb", "c"};
    struct lone_node *n = *state;
    know(n, filters, 5);
    fleet_resync_take(&n->f, lone_session("x", 5), reply("[ '5 'bb '\1 'a '\1 'd '\2 ]"));
    assert_told(n, "unsubscribed x aa; unsubscribed x b; unsubscribed x c; "
                   "subscribed x a 1; subscribed x bb 1; subscribed x d 2");
    fleet_resync_take(&n->f, lone_session("x", 5), reply("[ '5 ]"));
    assert_told(n, "unsubscribed x a; unsubscribed x aa; unsubscribed x b; unsubscribed x bb; "
                   "unsubscribed x c");
}

static void a_connection_here_knows_better(void **state)
{
    struct lone_node *n = *state;
    n->held = lone_connected(n, "c", true);
    fleet_resync_take(&n->f, lone_session("c", 6), reply("[ '6 'a '\1 ]"));
    fleet_resync_take_part(&n->f, lone_session("c", 6), reply("[ '6 'a '\1 ]"), true);
    assert_told(n, "");
    n->held = NULL;
    fleet_resync_take(&n->f, lone_session("c", 6), reply("[ '6 'a '\1 ]"));
    assert_told(n, "subscribed c a 1");
}

static void something_newer_is_known_better(void **state)
{
    struct lone_node *n = *state;
    assert_true(fleet_session_is_new(&n->f, lone_session("c", 7)));
    fleet_resync_take(&n->f, lone_session("c", 6), reply("[ '6 'a '\1 ]"));
    assert_told(n, "");
    fleet_resync_take(&n->f, lone_session("c", 7), reply("[ '7 'a '\1 ]"));
    assert_told(n, "subscribed c a 1");
}

/* Redis has no such session: it ended; or Redis lost it, and its holder will assert it. */
static void one_that_isnt_there_ended_if_redis_lost_nothing(void **state)
{
    static const char *const filters[] = {"a"};
    struct lone_node *n = *state;
    know(n, filters, 1);
    n->f.lost_until_ms = n->f.now_ms + 1;
    fleet_resync_take(&n->f, lone_session("c", 0), reply("[ '0 ]"));
    n->f.lost_until_ms = 0;
    n->f.reload_why = "test";
    fleet_resync_take(&n->f, lone_session("c", 0), reply("[ '0 ]"));
    assert_told(n, "");
    n->f.reload_why = NULL;
    fleet_resync_take(&n->f, lone_session("c", 0), reply("[ '0 ]"));
    assert_told(n, "unsubscribed c a");
}

static void in_parts_the_first_one_takes_all_there_was(void **state)
{
    struct lone_node *n = *state;
    fleet_resync_take_part(&n->f, lone_session("c", 5), reply("[ '5 'a '\1 ]"), true);
    fleet_resync_take_part(&n->f, lone_session("c", 5), reply("[ '5 'b '\1 ]"), false);
    assert_told(n, "ended c; subscribed c a 1; subscribed c b 1");
    fleet_resync_take_part(&n->f, lone_session("c", 4), reply("[ '4 'z '\1 ]"), true);
    assert_told(n, "");
}

/* A publish in between would miss those that weren't there yet. */
static void one_session_is_asked_for_and_taken_at_once(void **state)
{
    static const char *const filters[] = {"old"};
    struct lone_node *n = *state;
    know(n, filters, 1);
    fleet_resync(&n->f, mqtt_slice_of("c", 1));
    redis_gets(n, "session fl:{s}: c 0");
    redis_says(n, "[ '9 '5 'a '\1 ]");
    assert_told(n, "");
    redis_gets(n, "session fl:{s}: c 9");
    redis_says(n, "[ '0 '5 'b '\2 ]");
    assert_told(n, "unsubscribed c old; subscribed c a 1; subscribed c b 2");
}

static void what_cant_be_read_changes_nothing(void **state)
{
    static const char *const filters[] = {"old"};
    struct lone_node *n = *state;
    know(n, filters, 1);
    fleet_resync(&n->f, mqtt_slice_of("c", 1));
    redis_says(n, "[ '9 '5 'a '\1 ]");
    redis_says(n, "!ERR");
    assert_told(n, "");
    fleet_resync(&n->f, mqtt_slice_of("c", 1));
    n->held = lone_connected(n, "c", true); /* it came back here meanwhile */
    redis_says(n, "[ '0 '5 'a '\1 ]");
    assert_told(n, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(what_is_read_is_added),
        LONE_TEST(what_redis_hasnt_any_more_is_taken_from_the_core),
        LONE_TEST(a_connection_here_knows_better),
        LONE_TEST(something_newer_is_known_better),
        LONE_TEST(one_that_isnt_there_ended_if_redis_lost_nothing),
        LONE_TEST(in_parts_the_first_one_takes_all_there_was),
        LONE_TEST(one_session_is_asked_for_and_taken_at_once),
        LONE_TEST(what_cant_be_read_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
