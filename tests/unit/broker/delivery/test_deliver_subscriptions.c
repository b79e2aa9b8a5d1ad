/* Messages by subscriptions of 5.0: their identifiers, "no local" and "retain as published", on every way to the client. */
#include "broker/delivery/fanout.h"
#include "broker/routing/router.h"
#include "tests/unit/broker/v5_subscribe.h"

static struct core_client *join(struct core_bed *b, const char *id)
{
    struct core_client *c = v5_join(b, id, true, v5_none);
    assert_int_equal(bed_connack(c), 0);
    return c;
}

static struct core_client *join_durable(struct core_bed *b, const char *id)
{
    return v5_join(b, id, false, V5_PROPS(V5_NUM(MQTT_P_SESSION_EXPIRY, 1000)));
}

/* Three that overlap: with identifiers 1 and 2, and without one. */
static void subscribe_thrice(struct core_bed *b, struct core_client *c)
{
    V5_SUBSCRIBE(b, c, 1, {.filter = bed_text("a/+"), .qos = 1});
    V5_SUBSCRIBE(b, c, 2, {.filter = bed_text("a/#"), .qos = 2}, {.filter = bed_text("b")});
    V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("a/b")});
    v5_got(c);
}

/* ---- identifiers ------------------------------------------------------------------------------ */

static void a_message_comes_once_with_all_identifiers(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, "c"), *p = join(b, "p");
    subscribe_thrice(b, c);
    bed_publish(b, p, "a/b", 0, false);
    bed_publish(b, p, "a", 0, false);
    bed_publish(b, p, "b", 0, false);
    bed_publish(b, p, "a/b", 1, false);
    assert_string_equal(v5_got(c), "a/b 0 [1 2]; a 0 [2]; b 0 [2]; a/b 1 [1 2]");
    bed_publish(b, p, "a/b", 2, false);
    assert_string_equal(v5_got(c), "a/b 2 [1 2]");
}

static void receivers_of_one_message_have_their_own(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, "c"), *d = join(b, "d"), *e = join(b, "e");
    struct core_client *old = bed_join(b, "old", true);
    subscribe_thrice(b, c);
    V5_SUBSCRIBE(b, d, 9, {.filter = bed_text("#"), .qos = 1});
    V5_SUBSCRIBE(b, e, 0, {.filter = bed_text("#"), .qos = 1});
    bed_subscribe(b, old, "#", 1);
    bed_publish(b, join(b, "p"), "a/b", 1, false);
    assert_string_equal(v5_got(c), "a/b 1 [1 2]");
    assert_string_equal(v5_got(d), "a/b 1 [9]");
    assert_string_equal(v5_got(e), "a/b 1");
    assert_string_equal(v5_got(old), "a/b 1");
}

static void a_new_subscription_to_a_filter_replaces_its_identifier(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, "c"), *p = join(b, "p");
    V5_SUBSCRIBE(b, c, 1, {.filter = bed_text("a")});
    V5_SUBSCRIBE(b, c, 2, {.filter = bed_text("a")});
    bed_publish(b, p, "a", 0, false);
    V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("a")});
    bed_publish(b, p, "a", 0, false);
    assert_string_equal(v5_got(c), "a 0 [2]; a 0");
}

/* What its window has no room for waits with one identifier, several, or none. */
static void a_clean_sessions_own_queue_keeps_them(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_inflight = 1;
    struct core_client *c = join(b, "c"), *p = join(b, "p");
    subscribe_thrice(b, c);
    V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("none"), .qos = 1});
    static const char *const topics[] = {"none", "a/b", "a/c", "a", "none", "a/b"};
    for (size_t i = 0; i < 6; i++)
        bed_publish(b, p, topics[i], 1, false);
    static const char *const sent[] = {"none 1",  "a/b 1 [1 2]", "a/c 1 [1 2]",
                                       "a 1 [2]", "none 1",      "a/b 1 [1 2]"};
    for (uint16_t i = 0; i < 6; i++) {
        assert_string_equal(v5_got(c), sent[i]);
        bed_ack(b, c, MQTT_PUBACK, (uint16_t)(i + 1));
    }
    for (size_t i = 0; i < 3; i++) /* and those that nobody reads go with it */
        bed_publish(b, p, "a/b", 1, false);
}

static void a_durable_sessions_queue_keeps_them(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join_durable(b, "c"), *p = join(b, "p");
    subscribe_thrice(b, c);
    bed_publish(b, p, "a/b", 1, false);
    assert_string_equal(v5_got(c), "a/b 1 [1 2]");
    bed_leave(b, c);
    bed_publish(b, p, "a", 1, false);
    c = join_durable(b, "c");
    assert_string_equal(v5_got(c), "a/b 1 [1 2]; a 1 [2]");
    bed_leave(b, c);
    c = bed_join(b, "c", false); /* before 5.0 there are none */
    assert_string_equal(v5_got(c), "a/b 1; a 1");
}

/* More than one piece of receivers: most of them are away. */
static void a_message_for_many_has_them_too(void **state)
{
    struct core_bed *b = *state;
    struct broker *broker = bed_broker(b);
    struct core_client *c = join(b, "c"), *p = join(b, "p");
    subscribe_thrice(b, c);
    for (int i = 0; i < FANOUT_PIECE + 1; i++) {
        char id[16];
        snprintf(id, sizeof(id), "away-%d", i);
        struct session *s = session_table_add(broker->sessions, bed_text(id), true);
        assert_true(router_subscribe(broker->router, s, bed_text("a/b"),
                                     (struct subscription_options){.subscription_id = 5}));
    }
    bed_publish(b, p, "a/b", 0, false);
    bed_publish(b, p, "a/b", 1, false);
    assert_string_equal(v5_got(c), "a/b 0 [1 2]; a/b 1 [1 2]");
    bed_publish(b, c, "a/b", 0, false);
    assert_string_equal(v5_got(c), "a/b 0 [1 2]");
}

/* ---- options ---------------------------------------------------------------------------------- */

static void no_local_means_the_own_messages_only(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, "c"), *p = join(b, "p");
    V5_SUBSCRIBE(b, c, 1, {.filter = bed_text("a"), .qos = 2, .no_local = true});
    bed_publish(b, c, "a", 0, false);
    bed_publish(b, p, "a", 0, false);
    assert_string_equal(v5_got(c), "a 0 [1]");
    V5_SUBSCRIBE(b, c, 2, {.filter = bed_text("+")});
    V5_SUBSCRIBE(b, c, 3, {.filter = bed_text("#"), .qos = 1, .no_local = true});
    bed_publish(b, c, "a", 1, false);
    assert_string_equal(v5_got(c), "a 0 [2]");
    bed_publish(b, p, "a", 2, false);
    assert_string_equal(v5_got(c), "a 2 [1 2 3]");
}

static void no_local_counts_in_durable_queues(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join_durable(b, "c"), *p = join(b, "p");
    V5_SUBSCRIBE(b, c, 1, {.filter = bed_text("a"), .qos = 1, .no_local = true});
    V5_SUBSCRIBE(b, c, 2, {.filter = bed_text("b"), .qos = 1});
    V5_SUBSCRIBE(b, c, 3, {.filter = bed_text("#"), .qos = 2, .no_local = true});
    bed_publish(b, c, "a", 1, false);
    bed_publish(b, c, "b", 1, false);
    bed_publish(b, p, "b", 1, false);
    assert_string_equal(v5_got(c), "b 1 [2]; b 1 [2 3]");
}

static void retain_as_published_keeps_the_flag(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, "c"), *p = join(b, "p");
    V5_SUBSCRIBE(b, c, 1, {.filter = bed_text("a"), .qos = 1, .retain_as_published = true},
                 {.filter = bed_text("b"), .qos = 1});
    bed_publish(b, p, "a", 0, true);
    bed_publish(b, p, "a", 0, false);
    bed_publish(b, p, "b", 1, true);
    assert_string_equal(v5_got(c), "a 0 r [1]; a 0 [1]; b 1 [1]");
    struct core_client *d = join_durable(b, "d");
    V5_SUBSCRIBE(
        b, d, 4,
        {.filter = bed_text("a"), .qos = 1, .retain_as_published = true, .retain_handling = 2},
        {.filter = bed_text("#"), .qos = 1, .retain_handling = 2});
    bed_publish(b, p, "a", 1, true);
    bed_publish(b, p, "b", 1, true);
    assert_string_equal(v5_got(d), "a 1 r [4 4]; b 1 [4]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(a_message_comes_once_with_all_identifiers),
        BED_TEST(receivers_of_one_message_have_their_own),
        BED_TEST(a_new_subscription_to_a_filter_replaces_its_identifier),
        BED_TEST(a_clean_sessions_own_queue_keeps_them),
        BED_TEST(a_durable_sessions_queue_keeps_them),
        BED_TEST(a_message_for_many_has_them_too),
        BED_TEST(no_local_means_the_own_messages_only),
        BED_TEST(no_local_counts_in_durable_queues),
        BED_TEST(retain_as_published_keeps_the_flag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
