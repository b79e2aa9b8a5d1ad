/* fleet_disconnect: what a connection did is written before its end, and again in another run of Redis. */
#include "broker/fleet/hold/fleet_acks.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/publish/fleet_publish.h"
#include "broker/fleet/session/fleet_disconnect.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { NEVER = UINT32_MAX };
#define END "disconnect fl:{s}: c 5 " LONE_HEX " "

static void disconnect(struct lone_node *n, struct store_hold *hold, uint32_t expiry_s)
{
    fleet_disconnect(&n->f, hold, false, expiry_s, lone_done, lone_call(n, "done"));
}

/* ---- what goes before ------------------------------------------------------------------------ */

static void acknowledgements_go_before_the_end(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    fleet_acks_add(hold->store_data, 'a', 3, NULL, NULL);
    disconnect(n, hold, NEVER);
    redis_gets_first(n, "ack ");
    redis_says(n, ":1");
    redis_gets_first(n, END);
}

static void what_may_be_lost_is_asserted_before_the_end(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    n->f.holds->round++;
    disconnect(n, hold, NEVER);
    redis_gets_first(n, "assert ");
    redis_says(n, ":1");
    redis_gets_first(n, END);
}

/* For a node that has a route. */
static void publish(struct lone_node *n, struct store_hold *hold, uint8_t qos, bool retain)
{
    struct message *m = lone_message("t", "x", qos, retain);
    void *nodes[] = {fleet_node_get(&n->f, OTHER_ID)};
    struct store_publish_request req = {
        .message = m, .hold = hold, .targets = {.nodes = nodes, .node_count = 1}};
    fleet_publish(&n->f, &req, NULL, NULL);
    message_unref(m);
}

static void what_it_published_goes_before_the_end(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    publish(n, hold, 1, false);
    redis_gets_nothing(n);
    disconnect(n, hold, NEVER);
    redis_gets_first(n, "XADD ");
    redis_says(n, "'1-0");
    redis_gets_first(n, "XLEN ");
    redis_says(n, ":1");
    redis_gets_first(n, END);
}

/* The live message, and behind it the value. */
static void a_retained_value_goes_before_the_end(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    publish(n, hold, 0, true);
    disconnect(n, hold, NEVER);
    redis_gets_first(n, "PUBLISH ");
    redis_says(n, ":1");
    redis_gets_first(n, "retain ");
    redis_says(n, "[ :0 ' ]");
    redis_gets_first(n, END);
}

/* It was never promised. */
static void qos_0_alone_is_left_to_the_turns_end(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    publish(n, hold, 0, false);
    disconnect(n, hold, NEVER);
    redis_gets_first(n, END);
    assert_int_equal(lone_count(n), 1);
}

static void a_node_that_isnt_sure_sends_no_qos_0(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    publish(n, hold, 0, true);
    n->f.lease = FLEET_LEASE_UNSURE;
    disconnect(n, hold, NEVER);
    redis_gets_first(n, "retain ");
    assert_int_equal(fleet_node_get(&n->f, OTHER_ID)->bulk_count, 1); /* kept */
}

/* ---- another run of Redis -------------------------------------------------------------------- */

/* Its end isn't answered, and Redis may have an older session. */
static void change_run(struct lone_node *n)
{
    n->f.runs++;
    fleet_disconnects_run_changed(&n->f);
}

static void a_durable_session_is_asserted_and_ended_once_more(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    hold->user = "me";
    n->subs[0] = (struct store_subscription){.filter = lone_slice("f"), .qos = 1};
    n->sub_count = 1;
    disconnect(n, hold, NEVER);
    hold->user = NULL; /* the core's, and gone */
    redis_gets_first(n, END);
    change_run(n);
    redis_gets_first(n, "disconnect fl:{s}: c 0 "); /* nobody's epoch */
    redis_says(n, "[ 'fenced :0 ' ]");
    redis_gets(n,
               "assert fl:{s}: c 5 " LONE_HEX " 1 '' 0 0 =me 0 run00001 run00001 0 0 0 0 f \\01");
    redis_says(n, ":1");
    redis_gets_first(n, END);
    redis_says(n, "[ 'ok :0 ' ]");
    fleet_run_deferred(&n->f, true);
    assert_told(n, "done ok");
    fleet_append_flush(&n->f);
    redis_gets_first(n, "append fl:{r}: " LONE_HEX " 1 S\\01c\\05\\01f\\01\\01 ");
}

static void with_its_will(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    fleet_bytes_put(&((struct fleet_hold *)hold->store_data)->will, "W", 1);
    fleet_disconnect(&n->f, hold, true, NEVER, NULL, NULL);
    change_run(n);
    redis_says(n, "[ 'fenced :0 ' ]");
    redis_gets_first(n, "assert fl:{s}: c 5 " LONE_HEX " 1 W ");
    redis_says(n, ":1");
    redis_gets_first(n, END "1 ");
}

/* It goes on waiting there. */
static void with_a_will_that_waits(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    struct fleet_hold *h = hold->store_data;
    fleet_bytes_put(&h->will, "W", 1);
    h->will_delay_s = 9;
    hold->will_grace_s = 2;
    fleet_disconnect(&n->f, hold, true, NEVER, NULL, NULL);
    change_run(n);
    redis_says(n, "[ 'fenced :0 ' ]");
    redis_gets_first(n, "assert fl:{s}: c 5 " LONE_HEX " 1 W 9 ");
    redis_says(n, ":1");
    redis_gets_first(n, END "1 2000 ");
    redis_says(n, "[ 'ok :0 ' ]");
    assert_told(n, "");
}

/* It asserts itself. */
static void one_that_is_back_here_is_left_alone(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    disconnect(n, hold, NEVER);
    change_run(n);
    n->held = lone_connected(n, "c", true);
    redis_says(n, "[ 'fenced :0 ' ]");
    redis_gets_nothing(n);
    fleet_run_deferred(&n->f, true);
    assert_told(n, "done ok");
}

/* Nothing of it is to be there afterwards. */
static void one_that_ends_with_its_connection_isnt_asserted(void **state)
{
    struct lone_node *n = *state;
    disconnect(n, lone_connected(n, "c", false), 0);
    change_run(n);
    redis_gets_first(n, END);
    redis_says(n, "[ 'lost :0 ' ]");
    disconnect(n, lone_connected(n, "c", true), 0);
    change_run(n);
    redis_gets_first(n, END);
    redis_says(n, "[ 'lost :0 ' ]");
    redis_gets_nothing(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(acknowledgements_go_before_the_end),
        LONE_TEST(what_may_be_lost_is_asserted_before_the_end),
        LONE_TEST(what_it_published_goes_before_the_end),
        LONE_TEST(a_retained_value_goes_before_the_end),
        LONE_TEST(qos_0_alone_is_left_to_the_turns_end),
        LONE_TEST(a_node_that_isnt_sure_sends_no_qos_0),
        LONE_TEST(a_durable_session_is_asserted_and_ended_once_more),
        LONE_TEST(with_its_will),
        LONE_TEST(with_a_will_that_waits),
        LONE_TEST(one_that_is_back_here_is_left_alone),
        LONE_TEST(one_that_ends_with_its_connection_isnt_asserted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
