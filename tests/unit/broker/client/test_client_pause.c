/* client: when it isn't read, and when it is again. */
#include "broker/client/client.h"

#include "broker/client/paused.h"
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

/* ---- reasons    --------------------------------------------------------------------------- */

static void it_is_read_again_when_the_last_reason_is_gone(void **state)
{
    struct core_bed *b = *state;
    struct client *c = join(b);
    assert_true(client_takes_packets(c));
    client_pause(c, PAUSE_LIST);
    client_pause(c, PAUSE_FANOUT);
    assert_false(client_takes_packets(c));
    client_resume(c, PAUSE_LIST);
    assert_false(client_takes_packets(c));
    assert_false(c->on_ready);
    client_resume(c, PAUSE_OUTPUT); /* which there wasn't */
    assert_false(c->on_ready);
    pass(b, 500);
    client_resume(c, PAUSE_FANOUT);
    assert_true(client_takes_packets(c));
    assert_true(c->on_ready);
    assert_int_equal(c->last_input_ms, bed_broker(b)->client_ms); /* its silence begins now */
}

static void who_waits_for_the_store_is_counted_once(void **state)
{
    struct core_bed *b = *state;
    struct client *c = join(b);
    client_pause(c, PAUSE_LIST);
    assert_int_equal(paused_count(bed_broker(b)->paused), 0);
    client_pause(c, PAUSE_STORE);
    client_pause(c, PAUSE_STORE);
    assert_int_equal(paused_count(bed_broker(b)->paused), 1);
    client_resume(c, PAUSE_STORE);
    client_resume(c, PAUSE_STORE);
    assert_int_equal(paused_count(bed_broker(b)->paused), 0);
    client_resume(c, PAUSE_LIST);
}

/* ---- a client that doesn't read --------------------------------------------------------------- */

enum { FLOOD = 64 * 1024, OUTPUT = 65536 };

/* Sends PINGREQ until it isn't read any more. Returns how much it sent. */
static size_t ping_without_reading(struct core_bed *b, struct core_client *c)
{
    static uint8_t pings[FLOOD];
    size_t sent = 0;
    for (size_t i = 0; i < FLOOD; i += 2)
        pings[i] = 0xc0;
    b->core.config.limits.max_output = OUTPUT;
    core_take(c, 0);
    for (; sent < (size_t)64 * FLOOD && c->in_len == 0; sent += FLOOD) {
        core_give(c, pings, FLOOD);
        core_settle(&b->core);
    }
    return sent;
}

static void it_isnt_read_for_ever(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_join(b, "c", true);
    ping_without_reading(b, c);
    assert_true(c->in_len > 0);
    assert_true(c->client->output.pending > OUTPUT + OUTPUT_HIGH);
    assert_true(c->client->output.pending < OUTPUT + OUTPUT_HIGH + FLOOD);
    core_take(c, SIZE_MAX);
    core_settle(&b->core);
    assert_int_equal(c->client->output.pending, 0);
    assert_int_equal(c->in_len, 0); /* it is read again */
}

static void nor_beyond_a_high_output_while_memory_is_short(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_join(b, "c", true);
    bed_broker(b)->memory.tight = 1;
    size_t sent = ping_without_reading(b, c);
    assert_true(sent >= OUTPUT_HIGH);
    assert_true(c->client->output.pending > OUTPUT_HIGH);
    assert_true(c->client->output.pending < OUTPUT_HIGH + FLOOD);
    core_take(c, SIZE_MAX);
    core_settle(&b->core);
}

static void its_keep_alive_closes_it(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_join(b, "c", true);
    c->client->keep_alive_s = 10;
    ping_without_reading(b, c);
    pass(b, 16000);
    c->client->timer.due(&c->client->timer);
    core_settle(&b->core);
    assert_true(c->freed);
    assert_int_equal(bed_broker(b)->stats.ended[END_KEEP_ALIVE], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(it_is_read_again_when_the_last_reason_is_gone),
        BED_TEST(who_waits_for_the_store_is_counted_once),
        BED_TEST(it_isnt_read_for_ever),
        BED_TEST(nor_beyond_a_high_output_while_memory_is_short),
        BED_TEST(its_keep_alive_closes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
