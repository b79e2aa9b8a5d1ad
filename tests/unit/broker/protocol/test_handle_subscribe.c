/* handle_subscribe: which filters are granted, what the store gets of them, and what if it can't take them. */
#include "tests/unit/broker/core_bed.h"
#include "tests/unit/broker/held_store.h"

#define FILTERS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct core_client *join(struct core_bed *b, bool clean)
{
    struct core_client *c = bed_join(b, "c", clean);
    assert_int_equal(bed_connack(c), 0);
    return c;
}

static const char *subscribe(struct core_bed *b, struct core_client *c, const char *const *filters)
{
    bed_filters(b, c, MQTT_SUBSCRIBE, 1, filters);
    return bed_granted(c);
}

static bool has(const struct core_client *c, const char *filter)
{
    return router_is_subscribed(c->client->broker->router, c->client->session, bed_text(filter),
                                NULL);
}

/* ---- which are granted ------------------------------------------------------------------------ */

static void a_filter_is_granted_the_qos_it_asked_for(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, true);
    for (uint8_t qos = 0; qos <= 2; qos++) {
        bed_subscribe(b, c, "a", qos);
        assert_string_equal(bed_granted(c), qos == 0 ? "0" : qos == 1 ? "1" : "2");
    }
    assert_true(has(c, "a"));
}

static void bad_shared_filters_and_topics_beyond_the_limits_are_refused(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_topic_levels = 2;
    struct core_client *c = join(b, true);
    assert_string_equal(subscribe(b, c, FILTERS("$share/g", "a/b", "a/b/c", "a/#")), "-1-1");
    assert_false(has(c, "a/b/c"));
}

static void filters_of_which_nothing_may_be_read_are_refused(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, NULL, "topic read a/#\ntopic write b\n");
    struct core_client *c = join(b, true);
    assert_string_equal(subscribe(b, c, FILTERS("#", "a/b", "b", "$share/g/b", "$share/g/a/+")),
                        "11--1");
    assert_false(has(c, "b"));
    assert_false(has(c, "$share/g/b"));
}

/* It has no code for it. */
static void a_client_of_3_1_is_granted_them(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, NULL, "topic read a/#\ntopic write b\n");
    struct core_client *c = bed_join_as(
        b, &(struct mqtt_connect){
               .version = MQTT_V31, .level = 3, .clean_start = true, .client_id = bed_text("c")});
    assert_int_equal(bed_connack(c), 0);
    assert_string_equal(subscribe(b, c, FILTERS("b", "a/b")), "11");
    bed_publish(b, c, "b", 0, false);
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 0);
}

static void so_is_the_filter_behind_an_alias(void **state)
{
    struct core_bed *b = *state;
    b->core.config.shared.queue_alias = true;
    bed_use_auth(b, NULL, "topic read a/#\n");
    struct core_client *c = join(b, true);
    assert_string_equal(subscribe(b, c, FILTERS("$queue/b", "$queue/a/b")), "-1");
}

/* One more than the limit is refused; what the session holds already is replaced. */
static void a_session_has_so_many_subscriptions(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_subscriptions = 2;
    struct core_client *c = join(b, true);
    assert_string_equal(subscribe(b, c, FILTERS("a", "b", "c")), "11-");
    assert_string_equal(subscribe(b, c, FILTERS("b", "c")), "1-");
    bed_unsubscribe(b, c, "a");
    assert_string_equal(subscribe(b, c, FILTERS("c")), "1");
}

static void of_them_so_many_with_a_plus(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_plus_subscriptions = 1;
    struct core_client *c = join(b, true);
    assert_string_equal(subscribe(b, c, FILTERS("a/+", "b/+", "b", "a/+")), "1-11");
}

/* Each may be a group that gets its own copy of every message. */
static void of_them_so_many_shared(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_shared_subscriptions = 1;
    struct core_client *c = join(b, true);
    assert_string_equal(subscribe(b, c, FILTERS("$share/g/a", "$share/g/b", "b", "$share/g/a")),
                        "1-11");
    bed_unsubscribe(b, c, "$share/g/a");
    assert_string_equal(subscribe(b, c, FILTERS("$share/g/b", "$share/g/a")), "1-");
}

static void and_so_many_bytes_of_filters(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_subscription_bytes = 6;
    struct core_client *c = join(b, true);
    assert_string_equal(subscribe(b, c, FILTERS("1234", "567", "56", "7")), "1-1-");
}

static void nothing_new_that_lasts_is_granted_when_memory_is_crowded(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, true);
    assert_string_equal(subscribe(b, c, FILTERS("a")), "1");
    bed_broker(b)->memory.crowded = 0;
    assert_string_equal(subscribe(b, c, FILTERS("a", "b")), "1-");
}

/* 3.1 has no code for a refusal. */
static void a_3_1_client_that_is_refused_is_closed(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_connect(b);
    BED_SEND(b, c, "\x10\x0f\0\6MQIsdp\3\2\0\0\0\1a");
    assert_int_equal(bed_connack(c), 0);
    bed_subscribe(b, c, "a", 0);
    assert_string_equal(bed_granted(c), "0");
    bed_subscribe(b, c, "$share//t", 0);
    assert_true(c->freed);
    assert_int_equal(c->out_len, 0);
    assert_int_equal(bed_broker(b)->stats.ended[END_SUBSCRIBE_REFUSED], 1);
}

/* ---- what the store gets ---------------------------------------------------------------------- */

static void suback_waits_for_the_store(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, false);
    held_begin(&b->core, HOLDS(HELD_SUBSCRIBE));
    bed_filters(b, c, MQTT_SUBSCRIBE, 1, FILTERS("a", "$share//t", "b"));
    assert_string_equal(held.filters, "b:1 a:1 ");
    assert_int_equal(c->out_len, 0);
    held_answer(HELD_SUBSCRIBE, STORE_OK);
    core_settle(&b->core);
    assert_string_equal(bed_granted(c), "1-1");
    held_end(&b->core);
}

static void of_a_filter_that_is_named_twice_it_gets_the_last(void **state)
{
    static const uint8_t packet[] = "\x82\x0e\0\7\0\1a\1\0\1b\0\0\1a\2";
    struct core_bed *b = *state;
    struct core_client *c = join(b, false);
    held_begin(&b->core, HOLDS(HELD_SUBSCRIBE));
    bed_send(b, c, packet, sizeof(packet) - 1);
    assert_string_equal(held.filters, "a:2 b:0 ");
    held_answer(HELD_SUBSCRIBE, STORE_OK);
    core_settle(&b->core);
    assert_string_equal(bed_granted(c), "102");
    held_end(&b->core);
}

static void it_isnt_asked_when_nothing_is_granted_or_found(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, false);
    held_begin(&b->core, HOLDS(HELD_SUBSCRIBE) | HOLDS(HELD_UNSUBSCRIBE));
    assert_string_equal(subscribe(b, c, FILTERS("$share//t")), "-");
    bed_unsubscribe(b, c, "unknown");
    assert_true(bed_acked(c, MQTT_UNSUBACK, 7));
    held_end(&b->core);
}

static void unsuback_waits_for_it_too(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, false);
    assert_string_equal(subscribe(b, c, FILTERS("a", "b")), "11");
    held_begin(&b->core, HOLDS(HELD_UNSUBSCRIBE));
    bed_filters(b, c, MQTT_UNSUBSCRIBE, 0, FILTERS("a", "unknown", "b"));
    assert_string_equal(held.filters, "a b ");
    assert_false(has(c, "a"));
    assert_int_equal(c->out_len, 0);
    held_answer(HELD_UNSUBSCRIBE, STORE_OK);
    core_settle(&b->core);
    assert_true(bed_acked(c, MQTT_UNSUBACK, 7));
    held_end(&b->core);
}

enum { FILTERS_MAX = 501 };

/* One filter more than a piece has. */
static const char *const *long_list(struct core_bed *b)
{
    static char texts[FILTERS_MAX][4];
    static const char *filters[FILTERS_MAX + 1];
    for (int i = 0; i < FILTERS_MAX; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%03d", i);
        filters[i] = texts[i];
    }
    b->core.config.limits.max_subscriptions = FILTERS_MAX;
    return filters;
}

/* The client isn't read between the pieces, and its answer says all. */
static void a_long_list_goes_to_it_in_pieces(void **state)
{
    struct core_bed *b = *state;
    struct mqtt_packet p;
    const char *const *filters = long_list(b);
    struct core_client *c = join(b, false);
    held_begin(&b->core, HOLDS(HELD_SUBSCRIBE));
    bed_filters(b, c, MQTT_SUBSCRIBE, 0, filters);
    assert_int_equal(held_waiting(HELD_SUBSCRIBE), 1);
    assert_true(c->client->pause & PAUSE_LIST);
    assert_false(has(c, "500"));
    held_answer(HELD_SUBSCRIBE, STORE_FULL); /* of the first piece only */
    core_settle(&b->core);
    assert_true(has(c, "500"));
    assert_false(has(c, "499"));
    held_answer(HELD_SUBSCRIBE, STORE_OK);
    core_settle(&b->core);
    assert_int_equal(c->client->pause, 0);
    assert_true(bed_find(c, MQTT_SUBACK, &p));
    assert_int_equal(p.u.suback.codes.len, FILTERS_MAX);
    assert_int_equal(p.u.suback.codes.data[499], MQTT_QOS_FAILURE);
    assert_int_equal(p.u.suback.codes.data[500], 0);
    held_end(&b->core);
}

/* It is through, but its answer waits for that of an earlier packet. */
static void a_long_list_goes_on_behind_another_one(void **state)
{
    struct core_bed *b = *state;
    const char *const *filters = long_list(b);
    struct core_client *c = join(b, true);
    held_begin(&b->core, HOLDS(HELD_PUBLISH));
    bed_publish(b, c, "t", 1, false);
    bed_filters(b, c, MQTT_SUBSCRIBE, 0, filters);
    assert_int_equal(c->client->pause, 0);
    bed_filters(b, c, MQTT_UNSUBSCRIBE, 0, filters);
    assert_int_equal(c->client->pause, 0);
    assert_false(has(c, "500"));
    assert_int_equal(c->out_len, 0);
    held_answer(HELD_PUBLISH, STORE_OK);
    core_settle(&b->core);
    assert_true(bed_acked(c, MQTT_PUBACK, 1));
    assert_int_equal(bed_count(c, MQTT_UNSUBACK), 1); /* and before it SUBACK */
    held_end(&b->core);
}

/* ---- when it can't take them ------------------------------------------------------------------ */

/* The store still has the old one. */
static void a_refused_subscribe_leaves_what_it_would_replace(void **state)
{
    static const enum store_status refusals[] = {STORE_FULL, STORE_UNAVAILABLE};
    struct core_bed *b = *state;
    struct core_client *c = join(b, false), *publisher = bed_join(b, "publisher", true);
    struct mqtt_packet p;
    assert_string_equal(subscribe(b, c, FILTERS("t")), "1");
    held_begin(&b->core, HOLDS(HELD_SUBSCRIBE));
    for (size_t i = 0; i < 2; i++) {
        bed_filters(b, c, MQTT_SUBSCRIBE, 0, FILTERS("t", "other"));
        held_answer(HELD_SUBSCRIBE, refusals[i]);
        core_settle(&b->core);
        assert_string_equal(bed_granted(c), "--");
    }
    held_end(&b->core);
    assert_false(has(c, "other"));
    bed_publish(b, publisher, "t", 1, false);
    assert_true(bed_find(c, MQTT_PUBLISH, &p));
    assert_int_equal(p.u.publish.qos, 1);
}

static void a_failed_unsubscribe_ends_the_connection(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, false);
    assert_string_equal(subscribe(b, c, FILTERS("a")), "1");
    held_begin(&b->core, HOLDS(HELD_UNSUBSCRIBE));
    bed_unsubscribe(b, c, "a");
    held_answer(HELD_UNSUBSCRIBE, STORE_UNAVAILABLE);
    core_settle(&b->core);
    assert_true(c->freed);
    assert_int_equal(c->out_len, 0);
    assert_int_equal(bed_broker(b)->stats.ended[END_STORE_FAILED], 1);
    held_end(&b->core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(a_filter_is_granted_the_qos_it_asked_for),
        BED_TEST(bad_shared_filters_and_topics_beyond_the_limits_are_refused),
        BED_TEST(filters_of_which_nothing_may_be_read_are_refused),
        BED_TEST(a_client_of_3_1_is_granted_them),
        BED_TEST(so_is_the_filter_behind_an_alias),
        BED_TEST(a_session_has_so_many_subscriptions),
        BED_TEST(of_them_so_many_with_a_plus),
        BED_TEST(of_them_so_many_shared),
        BED_TEST(and_so_many_bytes_of_filters),
        BED_TEST(nothing_new_that_lasts_is_granted_when_memory_is_crowded),
        BED_TEST(a_3_1_client_that_is_refused_is_closed),
        BED_TEST(suback_waits_for_the_store),
        BED_TEST(of_a_filter_that_is_named_twice_it_gets_the_last),
        BED_TEST(it_isnt_asked_when_nothing_is_granted_or_found),
        BED_TEST(unsuback_waits_for_it_too),
        BED_TEST(a_long_list_goes_to_it_in_pieces),
        BED_TEST(a_long_list_goes_on_behind_another_one),
        BED_TEST(a_refused_subscribe_leaves_what_it_would_replace),
        BED_TEST(a_failed_unsubscribe_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
