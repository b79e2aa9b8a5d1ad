/* leave: how long a connection that is to be closed is read, and who takes its place. */
#include "broker/client/leave.h"

#include "broker/client/connect_attempt.h"
#include "tests/unit/broker/core_bed.h"

static struct client *join(struct core_bed *b, const char *id)
{
    struct core_client *c = bed_join(b, id, true);
    assert_int_equal(bed_connack(c), 0);
    return c->client;
}

static struct client *leaving(struct core_bed *b)
{
    struct client *c = join(b, "c");
    client_leave(c, END_SHUTDOWN);
    assert_int_equal(c->state, CLIENT_LEAVING);
    return c;
}

/* A newer connection of the client id, whose CONNECT has come. */
static struct client *claimant(struct core_bed *b)
{
    struct client *c = bed_connect(b)->client;
    assert_non_null(connect_attempt_new(c, bed_text("c")));
    return c;
}

/* ---- how long --------------------------------------------------------------------------------- */

static void it_is_read_until_nothing_of_it_can_be_handled(void **state)
{
    struct client *c = leaving(*state);
    assert_false(leave_is_over(c, false));
    assert_true(leave_is_over(c, true));
}

static void the_store_is_waited_for_but_not_a_client_that_doesnt_read(void **state)
{
    struct client *c = leaving(*state);
    c->pause = PAUSE_UNACKNOWLEDGED;
    assert_false(leave_is_over(c, true));
    c->pause = PAUSE_OUTPUT;
    assert_true(leave_is_over(c, true));
    c->pause = PAUSE_OUTPUT | PAUSE_UNACKNOWLEDGED;
    assert_true(leave_is_over(c, true));
    c->pause = 0;
}

static void its_time_is_bounded(void **state)
{
    struct core_bed *b = *state;
    struct client *c = leaving(b);
    bed_broker(b)->now_ms += LEAVE_MS - 1;
    assert_false(leave_is_over(c, false));
    bed_broker(b)->now_ms++;
    assert_true(leave_is_over(c, false));
}

static void its_bytes_are_bounded(void **state)
{
    struct client *c = leaving(*state);
    leave_note_read(c, LEAVE_BYTES - 1);
    assert_false(leave_is_over(c, false));
    leave_note_read(c, 2); /* one more than there may be */
    assert_int_equal(c->leaving->bytes_left, 0);
    assert_true(leave_is_over(c, false));
}

static void a_second_wish_prolongs_nothing(void **state)
{
    struct core_bed *b = *state;
    struct client *c = leaving(b);
    uint64_t until_ms = c->leaving->until_ms;
    bed_broker(b)->now_ms += LEAVE_MS / 2;
    leave_note_read(c, 100);
    client_leave(c, END_TAKEN_OVER);
    assert_int_equal(c->leaving->until_ms, until_ms);
    assert_int_equal(c->leaving->bytes_left, LEAVE_BYTES - 100);
}

static void who_doesnt_leave_isnt_bounded(void **state)
{
    struct client *c = join(*state, "c");
    leave_note_read(c, LEAVE_BYTES);
    assert_false(leave_is_over(c, true));
}

static void who_isnt_connected_yet_is_closed_at_once(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_connect(b);
    client_leave(c->client, END_SHUTDOWN);
    assert_int_equal(c->client->state, CLIENT_CLOSING);
    core_settle(&b->core);
    assert_int_equal(bed_broker(b)->stats.ended[END_SHUTDOWN], 1);
}

static void who_is_on_its_way_keeps_its_reason(void **state)
{
    struct core_bed *b = *state;
    struct client *c = leaving(b);
    client_end_leaving(c);
    assert_int_equal(c->state, CLIENT_ANSWERING);
    client_leave(c, END_TAKEN_OVER);
    assert_int_equal(c->state, CLIENT_ANSWERING);
    assert_int_equal(c->end, END_SHUTDOWN);
}

/* ---- its heir --------------------------------------------------------------------------------- */

static void the_heir_goes_on_when_it_has_left(void **state)
{
    struct core_bed *b = *state;
    struct client *c = leaving(b);
    struct client *heir = claimant(b);
    leave_to(c, heir);
    leave_to(c, heir); /* once more is harmless */
    assert_ptr_equal(heir->connecting->awaits, c);
    assert_int_not_equal(heir->state, CLIENT_CLOSING);
    assert_false(heir->on_work);
    leave_end(c);
    assert_null(heir->connecting->awaits);
    assert_true(heir->on_work);
    client_enter(c, CLIENT_ANSWERING);
}

static void a_third_one_takes_the_second_ones_place(void **state)
{
    struct core_bed *b = *state;
    struct client *c = leaving(b);
    struct client *second = claimant(b);
    struct client *third = claimant(b);
    leave_to(c, second);
    leave_to(c, third);
    assert_null(second->connecting->awaits);
    assert_int_equal(second->state, CLIENT_CLOSING);
    assert_int_equal(second->end, END_TAKEN_OVER);
    assert_ptr_equal(third->connecting->awaits, c);
    assert_ptr_equal(c->leaving->heir, third);
}

static void an_heir_that_is_closed_isnt_one_any_more(void **state)
{
    struct core_bed *b = *state;
    struct client *c = leaving(b);
    struct client *heir = claimant(b);
    leave_to(c, heir);
    client_close(heir, END_EOF);
    assert_null(c->leaving->heir);
    leave_forget_heir(c); /* who waits for nobody */
}

static void there_may_be_no_heir(void **state)
{
    struct client *c = leaving(*state);
    leave_end(c);
    assert_null(c->leaving->heir);
    leave_end(c);
    client_enter(c, CLIENT_ANSWERING);
}

/* ---- to another broker ------------------------------------------------------------------------ */

static void count(void *arg, enum store_status status)
{
    assert_int_equal(status, STORE_OK);
    (*(int *)arg)++;
}

static void who_asked_for_it_is_told_when_it_is_gone(void **state)
{
    struct core_bed *b = *state;
    struct client *c = join(b, "c");
    int first = 0, second = 0;
    client_hand_over(c, count, &first);
    assert_int_equal(c->state, CLIENT_LEAVING);
    assert_int_equal(first, 0);
    client_hand_over(c, count, &second); /* another one asks: the first isn't kept waiting */
    assert_int_equal(first, 1);
    assert_int_equal(second, 0);
    core_settle(&b->core);
    assert_int_equal(first, 1);
    assert_int_equal(second, 1);
    assert_int_equal(bed_broker(b)->stats.ended[END_TAKEN_OVER], 1);
}

static void and_told_once(void **state)
{
    struct core_bed *b = *state;
    struct client *c = join(b, "c");
    int told = 0;
    leave_tell(c, STORE_OK); /* nobody asked */
    assert_null(c->leaving); /* nor is anything made for it */
    client_hand_over(c, count, &told);
    leave_tell(c, STORE_OK);
    leave_tell(c, STORE_OK);
    assert_int_equal(told, 1);
    core_settle(&b->core);
    assert_int_equal(told, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(it_is_read_until_nothing_of_it_can_be_handled),
        BED_TEST(the_store_is_waited_for_but_not_a_client_that_doesnt_read),
        BED_TEST(its_time_is_bounded),
        BED_TEST(its_bytes_are_bounded),
        BED_TEST(a_second_wish_prolongs_nothing),
        BED_TEST(who_doesnt_leave_isnt_bounded),
        BED_TEST(who_isnt_connected_yet_is_closed_at_once),
        BED_TEST(who_is_on_its_way_keeps_its_reason),
        BED_TEST(the_heir_goes_on_when_it_has_left),
        BED_TEST(a_third_one_takes_the_second_ones_place),
        BED_TEST(an_heir_that_is_closed_isnt_one_any_more),
        BED_TEST(there_may_be_no_heir),
        BED_TEST(who_asked_for_it_is_told_when_it_is_gone),
        BED_TEST(and_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
