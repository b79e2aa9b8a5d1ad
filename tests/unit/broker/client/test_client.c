/* client: what its record says of silence, and which list of the turn it is on. Whether it is read:
 * test_client_pause.c. */
#include "broker/client/client.h"

#include "tests/unit/broker/core_bed.h"

/* Its silence begins now. */
static struct client *join(struct core_bed *b)
{
    struct client *c = bed_join(b, "c", true)->client;
    c->last_input_ms = bed_broker(b)->client_ms;
    return c;
}

/* Time passes for clients. */
static void pass(struct core_bed *b, uint64_t ms)
{
    bed_broker(b)->now_ms += ms;
    bed_broker(b)->client_ms += ms;
}

/* ---- silence ---------------------------------------------------------------------------------- */

static void it_may_be_silent_for_one_and_a_half_keep_alives(void **state)
{
    struct core_bed *b = *state;
    struct client *c = join(b);
    c->look_again = false;
    c->keep_alive_s = 10;
    pass(b, 14999);
    assert_false(client_is_silent(c));
    pass(b, 1);
    assert_true(client_is_silent(c));
}

static void without_keep_alive_it_may_be_silent_for_ever(void **state)
{
    struct core_bed *b = *state;
    struct client *c = join(b);
    b->core.config.limits.max_keep_alive_ms = 0;
    c->look_again = false;
    pass(b, 1000000000);
    assert_false(client_is_silent(c));
    client_arm_timer(c);
    assert_false(wheel_is_set(&c->timer));
}

static void the_bound_holds_for_long_keep_alives_and_for_none(void **state)
{
    struct core_bed *b = *state;
    struct client *c = join(b);
    b->core.config.limits.max_keep_alive_ms = 20000;
    c->look_again = false;
    client_arm_timer(c);
    assert_int_equal(c->timer.at_ms,
                     bed_broker(b)->now_ms + 20000 - (bed_broker(b)->client_ms - c->last_input_ms));
    c->keep_alive_s = 10;
    pass(b, 15000);
    assert_true(client_is_silent(c));
    c->keep_alive_s = 60;
    assert_false(client_is_silent(c));
    pass(b, 5000);
    assert_true(client_is_silent(c));
    c->keep_alive_s = 0;
    assert_true(client_is_silent(c));
}

static void silence_while_it_isnt_read_isnt_its_own(void **state)
{
    struct core_bed *b = *state;
    struct client *c = join(b);
    c->look_again = false;
    c->keep_alive_s = 10;
    client_pause(c, PAUSE_UNACKNOWLEDGED);
    pass(b, 15000);
    assert_false(client_is_silent(c));
    client_resume(c, PAUSE_UNACKNOWLEDGED);
    client_pause(c, PAUSE_OUTPUT); /* it doesn't take what it asked for */
    pass(b, 15000);
    assert_true(client_is_silent(c));
}

/* A reset that came with its last bytes, unannounced, is found so. */
static void a_quiet_client_is_read_once_more_after_a_second(void **state)
{
    struct core_bed *b = *state;
    struct client *c = join(b);
    c->look_again = true;
    client_arm_timer(c);
    assert_int_equal(c->timer.at_ms,
                     bed_broker(b)->now_ms + 1000 - (bed_broker(b)->client_ms - c->last_input_ms));
    c->last_input_ms = bed_broker(b)->client_ms;
    pass(b, 999);
    assert_false(client_is_silent(c));
    assert_false(c->on_ready);
    pass(b, 1);
    assert_false(client_is_silent(c));
    assert_true(c->on_ready);
    assert_true(c->readable);
    assert_false(c->look_again);
}

/* ---- its timer -------------------------------------------------------------------------------- */

static void until_its_connect_it_has_the_connect_timeout(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.connect_timeout_ms = 5000;
    struct client *c = bed_connect(b)->client;
    assert_int_equal(c->timer.at_ms, bed_broker(b)->now_ms + 5000);
    bed_broker(b)->now_ms += 700; /* in which clients weren't served */
    client_arm_timer(c);
    assert_int_equal(c->timer.at_ms, bed_broker(b)->now_ms + 5000);
}

static void who_is_to_be_closed_has_none(void **state)
{
    struct core_bed *b = *state;
    struct client *c = bed_connect(b)->client;
    assert_true(wheel_is_set(&c->timer));
    client_close_later(c, END_NO_MEMORY);
    assert_false(wheel_is_set(&c->timer));
}

/* ---- what outlives it ------------------------------------------------------------------------- */

static void a_session_expires_as_configured_in_whole_seconds(void **state)
{
    static const struct {
        bool durable;
        uint64_t expiry_ms;
        uint32_t expiry_s;
    } cases[] = {
        {false, 5000, 0},
        {true, 0, UINT32_MAX}, /* never */
        {true, 1, 1},
        {true, 1000, 1},
        {true, 1001, 2},
        {true, (uint64_t)UINT32_MAX * 1000 - 1000, UINT32_MAX - 1},
        {true, (uint64_t)UINT32_MAX * 1000, UINT32_MAX},
        {true, (uint64_t)UINT32_MAX * 5000, UINT32_MAX},
    };
    struct core_bed *b = *state;
    struct client *c = join(b);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        c->hold.durable = cases[i].durable;
        b->core.config.limits.session_expiry_ms = cases[i].expiry_ms;
        assert_int_equal(client_session_expiry_s(c), cases[i].expiry_s);
    }
    c->hold.durable = false;
}

/* ---- the turn's lists ------------------------------------------------------------------------- */

static void it_is_on_a_list_once_and_in_the_order_of_marking(void **state)
{
    struct core_bed *b = *state;
    struct client *first = bed_connect(b)->client, *second = bed_connect(b)->client;
    struct broker *broker = bed_broker(b);
    client_mark_ready(first);
    client_mark_ready(second);
    client_mark_ready(first);
    client_mark_work(first);
    client_mark_work(second);
    client_mark_work(first);
    assert_ptr_equal(broker->ready.head, first);
    assert_ptr_equal(first->ready_next, second);
    assert_null(second->ready_next);
    assert_ptr_equal(broker->work.head, first);
    assert_ptr_equal(first->work_next, second);
    assert_ptr_equal(broker->work.tail, second);
}

static void output_of_the_store_is_written_at_the_turns_end(void **state)
{
    struct core_bed *b = *state;
    struct broker *broker = bed_broker(b);
    struct client *c = join(b), *other = bed_connect(b)->client;
    broker->first_output_source = broker->output_source;
    client_mark_flush(c);
    client_mark_flush(c);
    assert_ptr_equal(broker->flush.head, c);
    assert_null(c->flush_next);
    assert_null(broker->flush_soon.head);
    broker->output_source++; /* a client's */
    client_mark_flush(other);
    assert_ptr_equal(broker->flush_soon.head, other);
}

static void it_is_dead_when_its_last_call_to_the_store_is_over(void **state)
{
    struct core_bed *b = *state;
    struct client *c = bed_connect(b)->client;
    c->ops = 2;
    client_op_done(c);
    client_close(c, END_EOF);
    assert_false(c->on_dead);
    client_op_done(c);
    assert_true(c->on_dead);
    assert_ptr_equal(bed_broker(b)->dead.head, c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(it_may_be_silent_for_one_and_a_half_keep_alives),
        BED_TEST(without_keep_alive_it_may_be_silent_for_ever),
        BED_TEST(the_bound_holds_for_long_keep_alives_and_for_none),
        BED_TEST(silence_while_it_isnt_read_isnt_its_own),
        BED_TEST(a_quiet_client_is_read_once_more_after_a_second),
        BED_TEST(until_its_connect_it_has_the_connect_timeout),
        BED_TEST(who_is_to_be_closed_has_none),
        BED_TEST(a_session_expires_as_configured_in_whole_seconds),
        BED_TEST(it_is_on_a_list_once_and_in_the_order_of_marking),
        BED_TEST(output_of_the_store_is_written_at_the_turns_end),
        BED_TEST(it_is_dead_when_its_last_call_to_the_store_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
