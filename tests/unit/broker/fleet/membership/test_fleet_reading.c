/* fleet_reading: everything that the fleet has is read in pieces, until nothing is left or something fails. */
#include "broker/fleet/log/fleet_epochs.h"
#include "broker/fleet/log/route.h"
#include "broker/fleet/membership/fleet_reading.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { BUCKETS_AT_ONCE = 32 };

static struct fleet_reading reading;

static void on_route(void *arg, void *node, struct mqtt_slice filter)
{
    lone_tell(arg, "route %llx %.*s", (unsigned long long)((struct route_node *)node)->id,
              (int)filter.len, (const char *)filter.data);
}

static void on_members(void *arg, void *node, struct mqtt_slice filter, uint32_t members,
                       uint8_t qos)
{
    lone_tell(arg, "members %llx %.*s %u %u", (unsigned long long)((struct route_node *)node)->id,
              (int)filter.len, (const char *)filter.data, members, qos);
}

static void on_ended(struct fleet *f, const char *err)
{
    lone_tell((struct lone_node *)f, "ended: %s", err != NULL ? err : "all is read");
}

static void begin(struct lone_node *n, bool again)
{
    n->f.host.route_added = on_route;
    n->f.host.route_members = on_members;
    fleet_reading_begin(&reading, &n->f, again, on_ended);
    redis_gets(n, "HKEYS fl:{r}:nodes");
}

static bool is_bucket(const char *command)
{
    return strcmp(command, "load fl:{s}: 0") == 0;
}

/* Buckets of clients, as far as they come next, are empty. Returns how many there were. */
static size_t empty_buckets(struct lone_node *n)
{
    size_t count = 0;
    while (lone_count(n) > 0 && is_bucket(lone_command(n, 0))) {
        assert_true(lone_count(n) <= BUCKETS_AT_ONCE);
        redis_says(n, "[ '0 ]");
        count++;
    }
    return count;
}

static void the_nodes_their_routes_and_their_members_are_read_in_pieces(void **state)
{
    struct lone_node *n = *state;
    begin(n, false);
    redis_says(n, "[ '" LONE_HEX " '" OTHER_HEX " 'nonsense ]");
    redis_gets(n, "SSCAN fl:{r}:n:" OTHER_HEX " 0 COUNT 1000");
    redis_says(n, "[ '7 [ 'a 'b ] ]");
    assert_told(n, "route b a; route b b");
    size_t buckets = empty_buckets(n);
    redis_gets(n, "SSCAN fl:{r}:n:" OTHER_HEX " 7 COUNT 1000");
    redis_says(n, "[ '0 [ 'c ] ]");
    assert_told(n, "route b c");
    buckets += empty_buckets(n);
    redis_gets(n, "HSCAN fl:{r}:m:" OTHER_HEX " 0 COUNT 1000");
    redis_says(n, "[ '9 [ '$share/g/a %b ] ]", "2 1", (size_t)3);
    assert_told(n, "members b $share/g/a 2 1");
    buckets += empty_buckets(n);
    redis_gets(n, "HSCAN fl:{r}:m:" OTHER_HEX " 9 COUNT 1000");
    redis_says(n, "[ '0 [ ] ]");
    assert_told(n, "");
    buckets += empty_buckets(n);
    redis_gets_nothing(n);
    assert_told(n, "ended: all is read");
    assert_int_equal(buckets, FLEET_CLIENT_BUCKETS);
}

static void a_node_that_is_gone_is_not_read_on(void **state)
{
    struct lone_node *n = *state;
    begin(n, false);
    redis_says(n, "[ '" OTHER_HEX " ]");
    fleet_node_remove(&n->f, fleet_node_find(&n->f, OTHER_ID));
    lone_told(n);
    redis_says(n, "[ '7 [ 'a ] ]");
    assert_told(n, "");
    assert_int_equal(empty_buckets(n), FLEET_CLIENT_BUCKETS);
    redis_gets_nothing(n);
    assert_told(n, "ended: all is read");
}

static void sessions_are_added_unless_something_newer_is_known(void **state)
{
    struct lone_node *n = *state;
    begin(n, false);
    redis_says(n, "[ '" LONE_HEX " ]");
    assert_true(fleet_session_is_new(&n->f, lone_session("old", 7)));
    redis_says(n, "[ 'more 'c [ '5 'a '\1 ] 'old [ '6 'a '\1 ] 'd [ '*5 'b '\2 ] ]");
    assert_told(n, "subscribed c a 1; subscribed d b 2");
    assert_int_equal(empty_buckets(n), BUCKETS_AT_ONCE - 1);
    redis_gets(n, "load fl:{s}: more");
    redis_says(n, "[ '0 'd [ '+5 'c '\1 ] ]");
    assert_told(n, "subscribed d c 1");
}

static void at_a_reload_the_core_loses_what_redis_hasnt(void **state)
{
    struct lone_node *n = *state;
    n->subs[0] = (struct store_subscription){.filter = lone_slice("x"), .qos = 1};
    n->sub_count = 1;
    begin(n, true);
    redis_says(n, "[ '" LONE_HEX " ]");
    redis_says(n, "[ '0 'c [ '5 'a '\1 ] ]");
    assert_told(n, "unsubscribed c x; subscribed c a 1");
    redis_says(n, "[ '0 'd [ '*5 'a '\1 ] ]");
    assert_told(n, "ended d; subscribed d a 1");
    redis_says(n, "[ '0 'd [ '+5 'b '\1 ] ]");
    assert_told(n, "subscribed d b 1");
}

/* What was asked before that is answered, but nobody wants it. */
static void an_answer_that_is_none_ends_it(void **state)
{
    struct lone_node *n = *state;
    begin(n, false);
    redis_says(n, "[ '" LONE_HEX " ]");
    redis_says(n, "!LOADING");
    assert_told(n, "ended: LOADING");
    assert_int_equal(lone_count(n), BUCKETS_AT_ONCE - 1);
    redis_says(n, "[ '0 'c [ '5 'a '\1 ] ]");
    redis_says_nothing(n);
    assert_told(n, "");
    assert_int_equal(lone_count(n), BUCKETS_AT_ONCE - 3);
}

static void without_an_answer_it_ends(void **state)
{
    struct lone_node *n = *state;
    begin(n, false);
    redis_says_nothing(n);
    assert_told(n, "ended: no answer");
    redis_gets_nothing(n);
    begin(n, false);
    redis_says(n, "[ ]"); /* this node at least should be there */
    assert_told(n, "ended: no answer");
}

static void answers_to_a_reading_of_before_are_left_unread(void **state)
{
    struct lone_node *n = *state;
    begin(n, false);
    redis_says(n, "[ '" LONE_HEX " ]");
    n->f.reload_why = "test"; /* all will be read again */
    redis_says(n, "[ '0 'c [ '5 'a '\1 ] ]");
    n->f.reload_why = NULL;
    n->f.loads++;
    redis_says(n, "[ '0 'c [ '5 'a '\1 ] ]");
    n->f.loads--;
    fleet_reading_stop(&reading);
    redis_says(n, "[ '0 'c [ '5 'a '\1 ] ]");
    redis_says_nothing(n);
    assert_told(n, "");
    assert_int_equal(lone_count(n), BUCKETS_AT_ONCE - 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(the_nodes_their_routes_and_their_members_are_read_in_pieces),
        LONE_TEST(a_node_that_is_gone_is_not_read_on),
        LONE_TEST(sessions_are_added_unless_something_newer_is_known),
        LONE_TEST(at_a_reload_the_core_loses_what_redis_hasnt),
        LONE_TEST(an_answer_that_is_none_ends_it),
        LONE_TEST(without_an_answer_it_ends),
        LONE_TEST(answers_to_a_reading_of_before_are_left_unread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
