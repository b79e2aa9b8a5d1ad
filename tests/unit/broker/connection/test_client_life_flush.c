/* client_life: what is written, also at the end, and what becomes of a client that it can't be written to. */
#include "broker/connection/client_life.h"

#include "tests/unit/broker/core_bed.h"

static uint64_t ended(struct core_bed *b, enum client_end why)
{
    return bed_broker(b)->stats.ended[why];
}

static struct core_client *join(struct core_bed *b)
{
    struct core_client *c = bed_join(b, "c", true);
    assert_int_equal(bed_connack(c), 0);
    return c;
}

static void who_is_there_to_read_gets_the_last_bytes(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    client_send_ack(c->client, MQTT_PUBACK, 1);
    client_close(c->client, END_KEEP_ALIVE);
    assert_true(c->finished);
    assert_int_equal(c->out_len, 4);
    c = join(b);
    client_send_ack(c->client, MQTT_PUBACK, 1);
    client_close(c->client, END_EOF);
    assert_false(c->finished);
    assert_int_equal(c->out_len, 0);
}

static void what_isnt_taken_is_written_when_it_can_be(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    core_take(c, 1);
    BED_SEND(b, c, "\xc0\0");
    assert_int_equal(c->out_len, 1);
    assert_true(c->client->blocked);
    assert_non_null(c->client->holder);
    core_take(c, SIZE_MAX);
    core_settle(&b->core);
    assert_int_equal(c->out_len, 2);
    assert_false(c->client->blocked);
    core_take(c, SIZE_MAX); /* which changes nothing */
    assert_false(c->client->on_flush);
}

static ssize_t fail_write(struct transport *t, const struct iovec *iov, int count)
{
    (void)t, (void)iov, (void)count;
    errno = EPIPE;
    return -1;
}

static void break_connection(struct core_client *c)
{
    static struct transport_ops broken;
    broken = *c->transport.ops;
    broken.writev = fail_write;
    c->transport.ops = &broken;
}

static void what_was_sent_before_a_reset_counts(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    break_connection(c);
    BED_SEND(b, c, "\xc0\0"); /* the answer can't be written */
    assert_true(c->freed);
    assert_int_equal(ended(b, END_IO_ERROR), 1);
    c = join(b);
    break_connection(c);
    client_send_ack(c->client, MQTT_PUBACK, 1);
    client_flush(c->client);
    assert_int_equal(c->client->state, CLIENT_LEAVING);
    BED_SEND(b, c, "\xe0\0");
    assert_int_equal(ended(b, END_DISCONNECT), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(who_is_there_to_read_gets_the_last_bytes),
        BED_TEST(what_isnt_taken_is_written_when_it_can_be),
        BED_TEST(what_was_sent_before_a_reset_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
