/* fleet_qos2: a packet id is bound to a message's id in Redis, by which a resend is known. */
#include "broker/fleet/publish/fleet_qos2.h"
#include "tests/unit/broker/fleet/lone_node.h"

static void on_bound(void *arg, const redisReply *r)
{
    lone_tell(arg, r != NULL ? "answered" : "unanswered");
}

static void it_is_bound_in_the_session(void **state)
{
    struct lone_node *n = *state;
    struct message_id id = {.node = 'a', .sequence = 'b'};
    fleet_qos2_bind(&n->f, lone_connected(n, "c", true), 7, id, on_bound, n);
    redis_gets(n, "qos2 fl:{s}: c 5 7 \\00\\00\\00\\00\\00\\00\\00a\\00\\00\\00\\00\\00\\00\\00b");
    redis_says(n, "'x");
    assert_told(n, "answered");
}

static void what_may_be_lost_is_asserted_before(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    n->f.holds->round++;
    fleet_qos2_bind(&n->f, hold, 7, (struct message_id){0}, on_bound, n);
    redis_gets_first(n, "assert ");
    redis_says(n, ":1");
    redis_gets_first(n, "qos2 ");
    n->f.holds->round++;
    fleet_qos2_end(&n->f, hold, 7, NULL, NULL);
    redis_says(n, "'x");
    redis_gets_first(n, "assert ");
    redis_says(n, ":1");
    redis_gets_first(n, "qos2_end ");
}

static void the_answer_is_the_id_of_the_first_try(void **state)
{
    static const uint8_t text[16] = {[7] = 3, [15] = 9};
    struct lone_node *n = *state;
    struct fleet_hold *h = lone_connected(n, "c", true)->store_data;
    struct message_id bound = {0};
    assert_int_equal(fleet_qos2_bound(reply("%b", text, sizeof(text)), h, &bound), STORE_OK);
    assert_int_equal(bound.node, 3);
    assert_int_equal(bound.sequence, 9);
    assert_int_equal(fleet_qos2_bound(reply("%b", text, (size_t)15), h, &bound), STORE_UNAVAILABLE);
    assert_told(n, "");
}

static void an_empty_answer_is_a_fence(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    struct message_id bound;
    assert_int_equal(fleet_qos2_bound(reply("'"), hold->store_data, &bound), STORE_FENCED);
    assert_told(n, "fenced c");
    assert_null(hold->store_data);
}

static void end(struct lone_node *n, struct store_hold *hold)
{
    fleet_qos2_end(&n->f, hold, 7, lone_done, lone_call(n, "done"));
}

static void pubrel_ends_it(void **state)
{
    static const struct {
        const char *says, *told;
    } cases[] = {{":1", "done ok"},
                 {":0", "fenced c; done fenced"},
                 {"!ERR", "done unavailable"},
                 {NULL, "done unavailable"}};
    struct lone_node *n = *state;

    for (size_t i = 0; i < 4; i++) {
        const char *says = cases[i].says;
        end(n, lone_connected(n, "c", true));
        redis_gets(n, "qos2_end fl:{s}: c 5 7");
        lone_answer(n, says != NULL ? reply(says) : NULL);
        assert_told(n, cases[i].told);
        if (i == 1)
            redis_says(n, "[ '0 '6 ]"); /* the session is read anew */
    }
}

static void nobody_has_to_wait_for_it(void **state)
{
    struct lone_node *n = *state;
    fleet_qos2_end(&n->f, lone_connected(n, "c", true), 7, NULL, NULL);
    redis_says(n, ":1");
    assert_told(n, "");
}

static void of_a_clean_session_nothing_was_bound(void **state)
{
    struct lone_node *n = *state;
    end(n, lone_connected(n, "c", false));
    redis_gets_nothing(n);
    fleet_run_deferred(&n->f, true);
    assert_told(n, "done ok");
}

static void one_that_has_ended_ends_nothing(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    fleet_hold_drop(hold->store_data);
    end(n, hold);
    redis_gets_nothing(n);
    fleet_run_deferred(&n->f, true);
    assert_told(n, "done unavailable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(it_is_bound_in_the_session),
        LONE_TEST(what_may_be_lost_is_asserted_before),
        LONE_TEST(the_answer_is_the_id_of_the_first_try),
        LONE_TEST(an_empty_answer_is_a_fence),
        LONE_TEST(pubrel_ends_it),
        LONE_TEST(nobody_has_to_wait_for_it),
        LONE_TEST(of_a_clean_session_nothing_was_bound),
        LONE_TEST(one_that_has_ended_ends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
