/* Rights are those of the moment in which a message is sent, on each way that it can come. */
#include "broker/delivery/deliver.h"

#include "broker/auth/files/acl.h"
#include "tests/unit/broker/core_bed.h"

static const char rules_a[] = "topic read a/#\ntopic write #\nuser ann\ntopic #\n"
                              "user bob\ntopic read b/#\n";
static const char rules_b[] = "topic read b/#\ntopic write #\nuser ann\ntopic #\n"
                              "user bob\ntopic read a/#\n";
static const char rules_none[] = "user ann\ntopic #\n";

static struct core_client *join(struct core_bed *b, const char *id, const char *user, bool clean)
{
    struct mqtt_connect fields = {.clean_start = clean, .client_id = bed_text(id)};
    if (user != NULL) {
        fields.has_username = true;
        fields.username = bed_text(user);
    }
    struct core_client *c = bed_join_as(b, &fields);
    assert_int_equal(bed_connack(c), 0);
    return c;
}

/* Everything may be subscribed to: what is tried here is the delivery. */
static void use_rules(struct core_bed *b, const char *rules)
{
    b->core.config.auth.subscribe = ACL_FILTER_ALWAYS;
    bed_use_auth(b, NULL, rules);
}

static struct core_client *publisher(struct core_bed *b)
{
    return join(b, "publisher", "ann", true);
}

/* The topics of the messages that it was sent, a blank between them. */
static const char *got(struct core_client *c)
{
    static char text[1024];
    struct mqtt_packet p;
    text[0] = '\0';
    while (bed_find(c, MQTT_PUBLISH, &p))
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%.*s",
                 text[0] != '\0' ? " " : "", (int)p.u.publish.topic.len,
                 (const char *)p.u.publish.topic.data);
    return text;
}

static void publish_all(struct core_bed *b, struct core_client *p, uint8_t qos, bool retain)
{
    static const char *const topics[] = {"a/1", "b/1", "c", "a/2"};
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
        bed_publish(b, p, topics[i], qos, retain);
}

static void a_wide_subscription_gets_what_may_be_read(void **state)
{
    struct core_bed *b = *state;
    use_rules(b, rules_a);
    struct core_client *p = publisher(b), *c = join(b, "c", NULL, true);
    bed_subscribe(b, c, "#", 1);
    publish_all(b, p, 0, false);
    assert_string_equal(got(c), "a/1 a/2");
    publish_all(b, p, 1, false);
    assert_string_equal(got(c), "a/1 a/2");
    use_rules(b, rules_b);
    publish_all(b, p, 0, false);
    assert_string_equal(got(c), "b/1");
    use_rules(b, NULL);
    publish_all(b, p, 0, false);
    assert_string_equal(got(c), "a/1 b/1 c a/2");
}

static void what_waits_for_the_window_is_asked_about_again(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_inflight = 1;
    use_rules(b, NULL);
    struct core_client *p = publisher(b), *c = join(b, "c", NULL, true);
    bed_subscribe(b, c, "#", 1);
    publish_all(b, p, 1, false);
    assert_string_equal(got(c), "a/1");
    use_rules(b, rules_b);
    bed_ack(b, c, MQTT_PUBACK, 1);
    assert_string_equal(got(c), "b/1");
    bed_ack(b, c, MQTT_PUBACK, 2);
    assert_string_equal(got(c), "");
    use_rules(b, NULL);
    bed_publish(b, p, "c", 1, false); /* the window is free, and nothing waits before it */
    assert_string_equal(got(c), "c");
}

static void so_is_what_waits_for_a_session_that_is_away(void **state)
{
    struct core_bed *b = *state;
    use_rules(b, NULL);
    struct core_client *p = publisher(b), *c = join(b, "c", NULL, false);
    bed_subscribe(b, c, "#", 1);
    bed_leave(b, c);
    publish_all(b, p, 1, false);
    use_rules(b, rules_a);
    c = join(b, "c", NULL, false);
    assert_string_equal(got(c), "a/1 a/2");
    use_rules(b, NULL);
    bed_leave(b, c);
    c = join(b, "c", NULL, false);
    assert_string_equal(got(c), "a/1 a/2"); /* again, and the others are gone */
}

static void and_what_is_sent_again(void **state)
{
    struct core_bed *b = *state;
    use_rules(b, NULL);
    struct core_client *p = publisher(b), *c = join(b, "c", NULL, false);
    bed_subscribe(b, c, "#", 1);
    publish_all(b, p, 1, false);
    assert_string_equal(got(c), "a/1 b/1 c a/2");
    bed_leave(b, c);
    use_rules(b, rules_b);
    c = join(b, "c", NULL, false);
    assert_string_equal(got(c), "b/1");
}

static void retained_values_are_filtered(void **state)
{
    struct core_bed *b = *state;
    use_rules(b, rules_a);
    struct core_client *p = publisher(b), *c = join(b, "c", NULL, true);
    publish_all(b, p, 1, true);
    bed_subscribe(b, c, "#", 0);
    bed_subscribe(b, c, "b/1", 1);
    assert_string_equal(got(c), "a/1 a/2");
    use_rules(b, rules_b);
    bed_subscribe(b, c, "#", 1);
    assert_string_equal(got(c), "b/1");
    struct core_client *d = join(b, "d", NULL, false); /* through the queue of its session */
    bed_subscribe(b, d, "+/1", 1);
    assert_string_equal(got(d), "b/1");
}

static void a_group_gives_qos_0_to_a_member_that_may_read_it(void **state)
{
    struct core_bed *b = *state;
    use_rules(b, rules_a);
    struct core_client *p = publisher(b), *c = join(b, "c", NULL, true),
                       *d = join(b, "d", "bob", true);
    bed_subscribe(b, c, "$share/g/#", 0);
    bed_subscribe(b, d, "$share/g/#", 0);
    for (int i = 0; i < 3; i++) {
        bed_publish(b, p, "a/x", 0, false);
        bed_publish(b, p, "b/x", 0, false);
    }
    assert_string_equal(got(c), "a/x a/x a/x");
    assert_string_equal(got(d), "b/x b/x b/x");
    bed_publish(b, p, "c", 0, false);
    assert_string_equal(got(c), "");
    assert_string_equal(got(d), "");
    assert_int_equal(bed_broker(b)->stats.dropped[DROP_SHARE_NOBODY], 1);
}

/* From the group's queue a message is taken before it is known who may read it. */
static void and_qos_1_to_none_that_may_not(void **state)
{
    struct core_bed *b = *state;
    use_rules(b, rules_a);
    struct core_client *p = publisher(b), *c = join(b, "c", NULL, true);
    bed_subscribe(b, c, "$share/g/#", 1);
    publish_all(b, p, 1, false);
    assert_string_equal(got(c), "a/1 a/2");
    assert_int_equal(bed_broker(b)->stats.dropped[DROP_DENIED], 2);
    struct core_client *d = join(b, "d", "bob", false);
    bed_leave(b, c);
    bed_subscribe(b, d, "$share/g/#", 1);
    publish_all(b, p, 1, false);
    bed_leave(b, d);
    use_rules(b, rules_none);
    d = join(b, "d", "bob", false);
    assert_string_equal(got(d), "");
}

static void wills_need_the_right_when_they_are_published(void **state)
{
    struct core_bed *b = *state;
    use_rules(b, "topic read #\ntopic write will/#\n");
    struct core_client *s = join(b, "s", NULL, true);
    bed_subscribe(b, s, "#", 1);
    for (int i = 0; i < 3; i++) {
        const char *topic = i == 1 ? "other" : "will/x";
        struct core_client *c =
            bed_join_as(b, &(struct mqtt_connect){.clean_start = true,
                                                  .client_id = bed_text("w"),
                                                  .has_will = true,
                                                  .will_topic = bed_text(topic),
                                                  .will_payload = bed_text("x")});
        assert_int_equal(bed_connack(c), 0);
        if (i == 2)
            use_rules(b, "topic read #\n");
        bed_leave(b, c);
        assert_string_equal(got(s), i == 0 ? "will/x" : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(a_wide_subscription_gets_what_may_be_read),
        BED_TEST(what_waits_for_the_window_is_asked_about_again),
        BED_TEST(so_is_what_waits_for_a_session_that_is_away),
        BED_TEST(and_what_is_sent_again),
        BED_TEST(retained_values_are_filtered),
        BED_TEST(a_group_gives_qos_0_to_a_member_that_may_read_it),
        BED_TEST(and_qos_1_to_none_that_may_not),
        BED_TEST(wills_need_the_right_when_they_are_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
