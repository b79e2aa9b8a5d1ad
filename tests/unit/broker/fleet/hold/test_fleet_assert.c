/* fleet_assert: what Redis may have lost of a session is written again, once a round, and before anything else. */
#include "broker/fleet/hold/fleet_acks.h"
#include "broker/fleet/hold/fleet_assert.h"
#include "broker/fleet/wire/fleet_piece.h"
#include "tests/unit/broker/fleet/lone_node.h"

#define ASSERT "assert fl:{s}: c 5 " LONE_HEX " "

static void a_hold_is_asserted_once_a_round(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", false);
    fleet_hold_assert_once(hold->store_data);
    redis_gets_nothing(n); /* it was claimed in this round */
    n->f.holds->round++;
    fleet_hold_assert_once(hold->store_data);
    fleet_hold_assert_once(hold->store_data);
    assert_int_equal(lone_count(n), 1);
    redis_gets_first(n, ASSERT);
    redis_says(n, ":1");
    fleet_hold_assert(hold->store_data); /* whatever was said before */
    assert_int_equal(lone_count(n), 1);
}

/* The claim of one that connects is made again; what has ended isn't there any more. */
static void only_a_connection_is_asserted(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    struct fleet_hold *h = hold->store_data;
    n->f.holds->round++;
    hold->store_data = NULL;
    fleet_hold_assert_once(h);
    redis_gets_nothing(n);
    h->refs++;
    fleet_hold_drop(h);
    fleet_hold_assert_once(h);
    redis_gets_nothing(n);
    fleet_hold_unref(h);
}

static void a_clean_connection_has_no_subscriptions_there(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", false);
    struct fleet_hold *h = hold->store_data;
    n->subs[0] = (struct store_subscription){.filter = lone_slice("f"), .qos = 1};
    n->sub_count = 1;
    hold->user = "me";
    h->expiry_s = 60;
    h->will_delay_s = 3;
    h->arrived.earliest = 1234;
    h->sent = 9;
    fleet_bytes_put(&h->will, "W", 1);
    memcpy(h->run, "run00000", sizeof(h->run));
    fleet_hold_assert(h);
    redis_gets(n, ASSERT "0 W 3 60 =me 1234 run00001 run00000 9 0 0 0");
}

/* And what it acknowledged goes before: what is finished here must be so there. */
static void a_durable_one_has_its_subscriptions_and_what_is_unfinished(void **state)
{
    struct lone_node *n = *state;
    struct fleet_hold *h = lone_connected(n, "c", true)->store_data;
    n->subs[0] = (struct store_subscription){.filter = lone_slice("f"), .qos = 1};
    n->subs[1] = (struct store_subscription){.filter = lone_slice("g"), .qos = 2};
    n->sub_count = 2;
    n->unfinished[0] = 3;
    n->unfinished[1] = 5;
    n->unfinished_count = 2;
    n->next_sequence = 6;
    h->expiry_s = UINT32_MAX;
    fleet_acks_add(h, 'a', 4, NULL, NULL);
    fleet_hold_assert(h);
    redis_gets(n, "ack fl:{s}: c 5 run00001 a 4");
    redis_says(n, ":1");
    redis_gets(n, ASSERT "1 '' 0 -1 - 0 run00001 run00001 0 6 2 0 3 5 f \\01 g \\02");
    redis_says(n, ":1");
    redis_gets_nothing(n);
}

/* ---- many subscriptions ---------------------------------------------------------------------- */

struct many {
    struct lone_node *n;
    int count;
    size_t len; /* of each filter */
};

static struct many many;

static void each_of_many(void *arg, struct mqtt_slice client_id, store_subscription_fn *each,
                         void *each_arg)
{
    static uint8_t filter[FLEET_PIECE_BYTES];
    struct store_subscription sub = {.filter = {.data = filter, .len = (uint32_t)many.len}};
    (void)arg, (void)client_id;
    memset(filter, 'f', sizeof(filter));
    for (int i = 0; i < many.count; i++)
        each(each_arg, &sub);
}

static size_t argument_count(const struct lone_node *n)
{
    struct redis_args args = lone_args(n, 0);
    size_t count = 0;
    size_t len;
    while (redis_args_next(&args, &len) != NULL)
        count++;
    return count;
}

static void assert_many(struct lone_node *n, int count, size_t len)
{
    many = (struct many){.count = count, .len = len};
    n->f.host.each_subscription = each_of_many;
    fleet_hold_assert(n->f.holds->first);
    redis_gets_first(n, ASSERT);
}

static void assert_part(struct lone_node *n, const char *begin, int count)
{
    redis_gets_first(n, begin);
    assert_int_equal(argument_count(n), 4 + 2 + 2 + 2 * count);
    redis_says(n, ":1");
}

static void many_follow_in_pieces(void **state)
{
    enum { WHOLE = 4 + 2 + 13 };
    struct lone_node *n = *state;

    lone_connected(n, "c", true);
    assert_many(n, FLEET_PIECE_FIELDS, 1);
    assert_int_equal(argument_count(n), WHOLE + 2 * FLEET_PIECE_FIELDS);
    redis_says(n, ":1");
    redis_gets_nothing(n);
    assert_many(n, FLEET_PIECE_FIELDS + 1, 1);
    assert_int_equal(argument_count(n), WHOLE);
    redis_says(n, ":1");
    assert_part(n, "assert_part fl:{s}: c 5 1 0 ", FLEET_PIECE_FIELDS);
    assert_part(n, "assert_part fl:{s}: c 5 0 1 ", 1);
    redis_gets_nothing(n);
}

static void so_do_large_ones(void **state)
{
    struct lone_node *n = *state;
    lone_connected(n, "c", true);
    assert_many(n, 7, 20000);
    redis_says(n, ":1");
    assert_part(n, "assert_part fl:{s}: c 5 1 0 ", 3);
    assert_part(n, "assert_part fl:{s}: c 5 0 0 ", 3);
    assert_part(n, "assert_part fl:{s}: c 5 0 1 ", 1);
    assert_many(n, 1, FLEET_PIECE_BYTES); /* one alone may be larger than a piece */
    redis_says(n, ":1");
    assert_part(n, "assert_part fl:{s}: c 5 1 1 ", 1);
    redis_gets_nothing(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(a_hold_is_asserted_once_a_round),
        LONE_TEST(only_a_connection_is_asserted),
        LONE_TEST(a_clean_connection_has_no_subscriptions_there),
        LONE_TEST(a_durable_one_has_its_subscriptions_and_what_is_unfinished),
        LONE_TEST(many_follow_in_pieces),
        LONE_TEST(so_do_large_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
