/* When a session ends, in a fleet: by its expiry, by a clean start, with its connection; and a will that waits for
 * that, or for its delay. */
#include "tests/unit/broker/fleet/fleet_bed.h"

static const struct bed_will at_once = {.topic = "w", .payload = "gone", .qos = 1};
static const struct bed_will soon = {.topic = "w", .payload = "gone", .qos = 1, .delay_s = 1};
static const struct bed_will late = {.topic = "w", .payload = "gone", .qos = 1, .delay_s = 3600};
static const struct bed_session lasting = {.durable = true, .expiry_s = STORE_EXPIRES_NEVER};
static const struct bed_session anew = {
    .durable = true, .clean_start = true, .expiry_s = STORE_EXPIRES_NEVER};
static const struct bed_session clean = {.clean_start = true};
/* Goes on with a session that is there, and ends with its connection. */
static const struct bed_session passing = {.durable = true};

enum { LATE_MS = 400 }; /* a will that is due is out, and a session that is over is gone */

static struct bed_client *join(struct bed_node *n, struct bed_session how,
                               const struct bed_will *will)
{
    struct bed_client *c = bed_connect_session(n, "c", how, will);
    BED_UNTIL(n->bed, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
    return c;
}

static unsigned wills(const struct bed *b)
{
    unsigned sum = 0;
    for (size_t i = 0; i < BED_NODES; i++)
        sum += b->nodes[i] != NULL ? b->nodes[i]->wills : 0;
    return sum;
}

/* Two nodes. A third one is nobody's. */
struct pair {
    struct bed *b;
    struct bed_node *a, *other;
};
static struct pair begin(void **state)
{
    struct bed *b = *state;
    struct bed_node *a = bed_add_ready(b);
    return (struct pair){.b = b, .a = a, .other = bed_add_ready(b)};
}

/* ---- the delay ------------------------------------------------------------------------------- */

static void a_will_is_published_when_its_delay_is_over(void **state)
{
    struct pair p = begin(state);
    struct bed_client *c = join(p.a, lasting, &soon);
    uint64_t begun_ms = clock_monotonic_ms();
    bed_disconnect(c, true);
    bed_run(p.b, 900);
    assert_int_equal(wills(p.b), 0);
    BED_UNTIL_MS(p.b, wills(p.b) == 1, 5000);
    assert_in_range(clock_monotonic_ms() - begun_ms, 1000, 1000 + LATE_MS);
    bed_run(p.b, 300);
    assert_int_equal(wills(p.b), 1);
}

/* Each of these is on another broker. */
static void its_client_cancels_it_by_going_on_with_the_session(void **state)
{
    struct pair p = begin(state);
    bed_disconnect(join(p.a, lasting, &soon), true);
    assert_true(join(p.other, lasting, NULL)->present);
    bed_run(p.b, 1800);
    assert_int_equal(wills(p.b), 0);
}

/* With the DISCONNECT that says so a v5 client keeps its will, too; without, there is none. */
static void a_goodbye_leaves_no_will(void **state)
{
    struct pair p = begin(state);
    bed_disconnect(join(p.a, lasting, &soon), false);
    bed_run(p.b, 1800);
    assert_int_equal(wills(p.b), 0);
}

static void a_clean_start_ends_the_session_and_the_will_is_due(void **state)
{
    struct pair p = begin(state);
    for (unsigned i = 0; i < 2; i++) {
        bed_disconnect(join(p.a, lasting, &late), true);
        assert_int_equal(wills(p.b), i);
        bed_disconnect(join(p.other, i == 0 ? anew : clean, NULL), false);
        assert_int_equal(wills(p.b), i + 1); /* before the CONNACK */
    }
}

/* The same for one that is still connected, and one whose broker is silent. */
static void taking_over_with_a_clean_start_publishes_a_delayed_will(void **state)
{
    struct pair p = begin(state);
    join(p.a, lasting, &late);
    join(p.other, lasting, &late);
    assert_int_equal(wills(p.b), 0);
    join(p.a, anew, &late);
    assert_int_equal(wills(p.b), 1);
    p.a->stopped = true;
    join(p.other, anew, NULL);
    assert_int_equal(wills(p.b), 2);
}

static void a_delay_ends_with_the_session(void **state)
{
    struct pair p = begin(state);
    uint64_t begun_ms = clock_monotonic_ms();
    bed_disconnect_session(join(p.a, lasting, &late), true, 1);
    bed_run(p.b, 800);
    assert_int_equal(wills(p.b), 0);
    BED_UNTIL_MS(p.b, wills(p.b) == 1, 5000);
    assert_in_range(clock_monotonic_ms() - begun_ms, 1000, 1000 + LATE_MS);
}

static void a_session_that_ends_with_its_connection_delays_nothing(void **state)
{
    struct pair p = begin(state);
    bed_disconnect_session(join(p.a, lasting, &late), true, 0);
    assert_int_equal(wills(p.b), 1);
    bed_disconnect_session(join(p.a, passing, &late), true, 0);
    assert_int_equal(wills(p.b), 2);
    bed_disconnect_session(join(p.a, clean, &late), true, 0);
    assert_int_equal(wills(p.b), 3);
}

/* ---- and its broker dies --------------------------------------------------------------------- */

static void another_broker_publishes_it_when_the_one_that_left_it_dies(void **state)
{
    struct pair p = begin(state);
    bed_disconnect(join(p.other, lasting, &soon), true);
    bed_kill(p.b, p.other);
    BED_UNTIL_MS(p.b, wills(p.b) == 1, 5000);
}

static void the_delay_of_a_dead_brokers_client_is_kept(void **state)
{
    struct pair p = begin(state);
    join(p.other, lasting, &soon);
    bed_kill(p.b, p.other);
    BED_UNTIL_MS(p.b, bed_redis(p.b, "HLEN fl:{r}:dead") == 1, 8000);
    assert_int_equal(wills(p.b), 0);
    bed_run(p.b, 700);
    assert_int_equal(wills(p.b), 0);
    BED_UNTIL_MS(p.b, wills(p.b) == 1, 5000);
    bed_run(p.b, 300);
    assert_int_equal(wills(p.b), 1);
}

/* Whether it was reaped before, or not yet. */
static void its_client_comes_back_in_time(void **state)
{
    struct pair p = begin(state);
    struct bed_node *third = bed_add_ready(p.b);
    join(p.other, lasting, &late);
    bed_kill(p.b, p.other);
    bed_disconnect(join(p.a, lasting, NULL), false);
    join(third, lasting, &late);
    bed_kill(p.b, third);
    BED_UNTIL_MS(p.b, bed_redis(p.b, "HLEN fl:{r}:dead") == 2, 8000);
    BED_UNTIL_MS(p.b, bed_redis(p.b, "HLEN fl:{r}:reap") == 0, 8000);
    assert_true(join(p.a, lasting, NULL)->present);
    bed_run(p.b, 300);
    assert_int_equal(wills(p.b), 0);
    assert_int_equal(bed_redis(p.b, "KEYS fl:{s*}:dw:*"), 0);
}

static void it_comes_back_clean(void **state)
{
    struct pair p = begin(state);
    join(p.other, lasting, &late);
    bed_kill(p.b, p.other);
    assert_false(join(p.a, anew, NULL)->present);
    assert_int_equal(wills(p.b), 1);
}

/* ---- the session's end ----------------------------------------------------------------------- */

static bool is_present(struct bed_node *n)
{
    struct bed_client *c = join(n, lasting, NULL);
    bool present = c->present;
    bed_disconnect_session(c, false, 0);
    return present;
}

static void a_session_lasts_as_long_as_its_end_says(void **state)
{
    static const struct {
        uint32_t at_connect, at_disconnect;
        bool present; /* after a while longer than a second */
    } cases[] = {{STORE_EXPIRES_NEVER, 1, false},
                 {1, STORE_EXPIRES_NEVER, true},
                 {1, 3600, true},
                 {3600, 0, false},
                 {0, 0, false}};
    struct pair p = begin(state);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bed_session how = {.durable = true, .expiry_s = cases[i].at_connect};
        bed_disconnect_session(join(p.a, how, NULL), false, cases[i].at_disconnect);
        if (cases[i].at_disconnect != 0)
            bed_run(p.b, 1050); /* it is over, but not found yet, perhaps */
        assert_int_equal(is_present(p.other), cases[i].present);
    }
}

/* Of a dead broker's clients nobody said when they end, but their CONNECT. */
static void a_dead_brokers_sessions_last_as_long_as_their_begin_said(void **state)
{
    struct pair p = begin(state);
    struct bed_session how = {.durable = true, .expiry_s = 1};
    struct bed_client *c = join(p.other, how, &late);
    bed_subscribe(c, "t", 1);
    bed_subscribe(bed_connect(p.other, "stays", true), "t", 1);
    BED_UNTIL(p.b, p.a->sub_count == 2);
    bed_kill(p.b, p.other);
    BED_UNTIL_MS(p.b, p.a->sub_count == 1, 12000);
    assert_string_equal(p.a->subs[0].client, "stays");
    assert_int_equal(wills(p.b), 1); /* with its session */
    assert_false(join(p.a, lasting, NULL)->present);
}

/* With its broker, in this case. */
static void one_that_ends_with_its_connection_ends_when_that_dies(void **state)
{
    struct pair p = begin(state);
    struct bed_client *c = join(p.other, passing, &late);
    bed_subscribe(c, "t", 1);
    BED_UNTIL(p.b, p.a->sub_count == 1);
    bed_kill(p.b, p.other);
    BED_UNTIL_MS(p.b, wills(p.b) == 1, 8000);
    BED_UNTIL_MS(p.b, p.a->sub_count == 0, 5000);
    assert_false(join(p.a, lasting, NULL)->present);
    assert_int_equal(wills(p.b), 1);
}

static void one_that_ends_with_its_connection_goes_on_with_what_was_there(void **state)
{
    struct pair p = begin(state);
    struct bed_client *c = join(p.a, lasting, NULL);
    bed_subscribe(c, "t", 1);
    bed_disconnect(c, false);
    bed_publish(bed_connect(p.a, "pub", false), "t", "1", 1);
    c = join(p.other, passing, NULL);
    assert_true(c->present);
    assert_int_equal(c->sub_count, 1);
    bed_fetch(c, c->next_sequence, 10);
    assert_int_equal(c->entry_count, 1);
    bed_disconnect_session(c, false, 0);
    BED_UNTIL(p.b, p.a->sub_count == 0);
    assert_false(is_present(p.a));
    assert_int_equal(bed_redis(p.b, "KEYS fl:{s*}:*:c"), 0);
}

/* Its connection ends by that. */
static void one_that_ends_with_its_connection_isnt_taken_over(void **state)
{
    struct pair p = begin(state);
    struct bed_client *c = join(p.a, passing, &late);
    bed_subscribe(c, "t", 1);
    BED_UNTIL(p.b, p.other->sub_count == 1);
    c = join(p.other, lasting, NULL);
    assert_false(c->present);
    assert_int_equal(c->sub_count, 0);
    assert_int_equal(wills(p.b), 1);
    BED_UNTIL(p.b, p.a->sub_count == 0);
}

static void a_session_whose_time_is_over_leaves_its_will_to_the_next_one(void **state)
{
    struct pair p = begin(state);
    bed_disconnect_session(join(p.a, lasting, &late), true, 3000);
    redisReply *keys = redisCommand(p.b->redis, "KEYS fl:{s*}:s:c");
    assert_int_equal(keys->elements, 1);
    freeReplyObject(redisCommand(p.b->redis, "HSET %s xat 1000", keys->element[0]->str));
    freeReplyObject(keys);
    assert_int_equal(wills(p.b), 0); /* nobody has looked yet */
    assert_false(join(p.other, lasting, NULL)->present);
    assert_int_equal(wills(p.b), 1);
    bed_run(p.b, 300);
    assert_int_equal(wills(p.b), 1);
}

/* ---- a clean start that begins a durable session ---------------------------------------------- */

static void nothing_of_the_old_session_is_left_in_the_new_one(void **state)
{
    struct pair p = begin(state);
    struct bed_client *pub = bed_connect(p.a, "pub", false);
    struct bed_client *c = join(p.a, lasting, NULL);
    bed_subscribe(c, "old", 1);
    for (int i = 0; i < 3; i++)
        bed_publish(pub, "old", "x", 1);
    bed_fetch(c, c->next_sequence, 1);
    bed_disconnect(c, false);
    c = join(p.other, anew, NULL);
    assert_false(c->present);
    assert_int_equal(c->sub_count, 0);
    assert_int_equal(c->next_sequence, 1);
    bed_ended(p.other, bed_slice("c")); /* as the core does it */
    BED_UNTIL(p.b, p.a->sub_count == 0);
    bed_subscribe(c, "new", 1);
    BED_UNTIL(p.b, p.a->sub_count == 1);
    bed_publish(pub, "old", "1", 1);
    bed_publish(pub, "new", "2", 1);
    bed_fetch(c, c->next_sequence, 10);
    assert_int_equal(c->entry_count, 1);
    assert_int_equal(c->entries[0].sequence, 1);
    assert_false(c->entries[0].duplicate);
    bed_disconnect(c, false);
    assert_true(is_present(p.a));
}

/* The former connection was of the same client, and is there still. */
static void it_may_take_over_itself(void **state)
{
    struct pair p = begin(state);
    struct bed_client *c = join(p.a, anew, &at_once);
    bed_subscribe(c, "t", 1);
    BED_UNTIL(p.b, p.other->sub_count == 1);
    assert_false(join(p.other, anew, NULL)->present);
    assert_int_equal(p.a->asked, 1);
    assert_int_equal(wills(p.b), 1);
    BED_UNTIL(p.b, p.a->sub_count == 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_will_is_published_when_its_delay_is_over),
        TEST(its_client_cancels_it_by_going_on_with_the_session),
        TEST(a_goodbye_leaves_no_will),
        TEST(a_clean_start_ends_the_session_and_the_will_is_due),
        TEST(taking_over_with_a_clean_start_publishes_a_delayed_will),
        TEST(a_delay_ends_with_the_session),
        TEST(a_session_that_ends_with_its_connection_delays_nothing),
        TEST(another_broker_publishes_it_when_the_one_that_left_it_dies),
        TEST(the_delay_of_a_dead_brokers_client_is_kept),
        TEST(its_client_comes_back_in_time),
        TEST(it_comes_back_clean),
        TEST(a_session_lasts_as_long_as_its_end_says),
        TEST(a_dead_brokers_sessions_last_as_long_as_their_begin_said),
        TEST(one_that_ends_with_its_connection_ends_when_that_dies),
        TEST(one_that_ends_with_its_connection_goes_on_with_what_was_there),
        TEST(one_that_ends_with_its_connection_isnt_taken_over),
        TEST(a_session_whose_time_is_over_leaves_its_will_to_the_next_one),
        TEST(nothing_of_the_old_session_is_left_in_the_new_one),
        TEST(it_may_take_over_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
