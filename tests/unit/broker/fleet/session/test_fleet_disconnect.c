/* fleet_disconnect: at the end of a connection its session is given up behind all that it did, and a due will is
 * published before the end is told. */
#include "broker/fleet/session/fleet_disconnect.h"

#include "broker/base/account.h"
#include "broker/fleet/fence/fleet_taken.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/log/fleet_version.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { WILL_MS = 300, NEVER = UINT32_MAX };
#define END "disconnect fl:{s}: c 5 " LONE_HEX " "

static struct store_hold *connected(struct lone_node *n, bool durable, const char *will)
{
    struct store_hold *hold = lone_connected(n, "c", durable);
    struct fleet_hold *h = hold->store_data;
    if (will != NULL) {
        h->will = lone_frame("w", will, 1);
        account_count(ACCOUNT_CLIENTS, h->will.data);
    }
    return hold;
}

static void disconnect(struct lone_node *n, struct store_hold *hold, bool will, uint32_t expiry_s)
{
    fleet_disconnect(&n->f, hold, will, expiry_s, lone_done, lone_call(n, "done"));
}

/* Redis gives the will out. */
static void answer_with_will(struct lone_node *n)
{
    struct fleet_bytes frame = lone_frame("w", "gone", 1);
    redis_says(n, "[ 'ok :0 %b ]", frame.data, frame.len);
    fleet_bytes_fini(&frame);
}

static void assert_done(struct lone_node *n, const char *text)
{
    fleet_run_deferred(&n->f, true);
    assert_told(n, text);
}

static void the_script_is_told_how_it_ended(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = connected(n, true, NULL);
    struct fleet_hold *h = hold->store_data;
    h->sent = 17;
    h->unsaid = 1;
    disconnect(n, hold, false, NEVER);
    assert_null(hold->store_data);
    redis_gets(n, END "0 0 -1 17 1");
    redis_says(n, "[ 'ok :0 ' ]");
    assert_done(n, "done ok");
    hold = connected(n, true, NULL);
    hold->will_grace_s = 2;
    disconnect(n, hold, true, 60);
    redis_gets(n, END "1 2000 60 0 0");
    redis_says(n, "[ 'fenced :0 ' ]");
    assert_done(n, "done ok");
}

static void one_that_has_ended_already_is_done(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = connected(n, true, NULL);
    fleet_hold_drop(hold->store_data);
    disconnect(n, hold, true, NEVER);
    redis_gets_nothing(n);
    assert_done(n, "done ok");
}

static void an_error_is_told(void **state)
{
    static const char *const says[] = {"!ERR", ":1", "[ 'ok :0 ]", NULL};
    struct lone_node *n = *state;
    for (size_t i = 0; i < 4; i++) {
        disconnect(n, connected(n, false, NULL), false, 0);
        lone_answer(n, says[i] != NULL ? reply(says[i]) : NULL);
        assert_told(n, "done unavailable");
    }
}

static void the_end_of_a_session_is_done_when_the_log_says_it(void **state)
{
    struct lone_node *n = *state;
    disconnect(n, connected(n, true, NULL), false, 0);
    redis_says(n, "[ 'ok :1 ' ]");
    fleet_append_flush(&n->f);
    redis_gets_first(n, "append fl:{r}: " LONE_HEX " 1 E\\01c\\05 ");
    assert_done(n, "");
    redis_says(n, "[ 'ok '1 ]");
    n->f.log_applied = 1;
    fleet_append_applied(&n->f);
    assert_told(n, "done ok");
    redis_gets(n, "end_logged fl:{s}: c 5");
}

/* ---- wills ----------------------------------------------------------------------------------- */

static void a_due_will_goes_before_the_end_is_told(void **state)
{
    struct lone_node *n = *state;
    disconnect(n, connected(n, false, NULL), true, 0);
    answer_with_will(n);
    assert_done(n, "will gone");
    lone_will_done(n, STORE_OK);
    redis_says(n, ":1"); /* cleared */
    assert_done(n, "done ok");
    disconnect(n, connected(n, false, NULL), true, 0);
    answer_with_will(n);
    fleet_versions_flush(&n->f); /* this node's clients have it: elsewhere */
    redis_says_nothing(n);
    assert_done(n, "match w; done unavailable");
}

/* The node that asked for the client doesn't wait longer; a will may, as long as Redis is full. */
static void it_is_told_after_a_while_all_the_same(void **state)
{
    struct lone_node *n = *state;
    disconnect(n, connected(n, false, NULL), true, 0);
    answer_with_will(n);
    n->f.now_ms += WILL_MS - 1;
    fleet_disconnect_tick(&n->f);
    assert_done(n, "will gone");
    n->f.now_ms++;
    fleet_disconnect_tick(&n->f);
    assert_done(n, "done ok");
    fleet_disconnect_tick(&n->f);
    lone_will_done(n, STORE_FULL); /* nobody asks any more */
    assert_done(n, "");
}

/* Another run of Redis, without the will, which this node has. */
static void a_lost_will_is_published_from_here(void **state)
{
    struct lone_node *n = *state;
    disconnect(n, connected(n, false, "mine"), true, 0);
    n->f.runs++;
    redis_says(n, "[ 'lost :0 ' ]");
    assert_done(n, "will mine");
}

/* In the same run somebody else has it; one that was delayed isn't due; and who lost the client, the will, too. */
static void a_will_that_isnt_ours_isnt_published_from_here(void **state)
{
    struct lone_node *n = *state;
    disconnect(n, connected(n, false, "mine"), true, 0);
    redis_says(n, "[ 'lost :0 ' ]");
    assert_done(n, "done ok");
    disconnect(n, connected(n, false, "mine"), true, 0);
    n->f.runs++;
    redis_says(n, "[ 'fenced :0 ' ]");
    assert_done(n, "done ok");
    disconnect(n, connected(n, false, "mine"), false, 0); /* after DISCONNECT */
    n->f.runs++;
    redis_says(n, "[ 'lost :0 ' ]");
    assert_done(n, "done ok");
    struct store_hold *hold = connected(n, false, "mine");
    hold->will_grace_s = 1;
    disconnect(n, hold, true, 0);
    n->f.runs++;
    redis_says(n, "[ 'lost :0 ' ]");
    assert_done(n, "done ok");
    hold = connected(n, true, "mine");
    ((struct fleet_hold *)hold->store_data)->will_delay_s = 1;
    disconnect(n, hold, true, 5);
    n->f.runs++;
    redis_says(n, "[ 'lost :0 ' ]");
    assert_done(n, "done ok");
}

static void a_will_that_was_taken_is_void(void **state)
{
    struct lone_node *n = *state;
    disconnect(n, connected(n, false, "mine"), true, 0);
    fleet_taken_add(&n->f, mqtt_slice_of("c", 1), LONE_EPOCH);
    fleet_disconnects_void(&n->f);
    n->f.runs++;
    redis_says(n, "[ 'lost :0 ' ]");
    assert_done(n, "done ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(the_script_is_told_how_it_ended),
        LONE_TEST(one_that_has_ended_already_is_done),
        LONE_TEST(an_error_is_told),
        LONE_TEST(the_end_of_a_session_is_done_when_the_log_says_it),
        LONE_TEST(a_due_will_goes_before_the_end_is_told),
        LONE_TEST(it_is_told_after_a_while_all_the_same),
        LONE_TEST(a_lost_will_is_published_from_here),
        LONE_TEST(a_will_that_isnt_ours_isnt_published_from_here),
        LONE_TEST(a_will_that_was_taken_is_void),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
