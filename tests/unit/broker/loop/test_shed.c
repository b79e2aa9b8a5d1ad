/* shed: who is closed when the memory that clients cause is used up, and whose packet comes too slowly. */
#include "broker/loop/shed.h"

#include "broker/client/holders.h"
#include "broker/client/rest.h"
#include "tests/unit/broker/v5_bed.h"

static const uint8_t bytes[64 * 1024];

/* A client that holds so much of a begun packet, which counts twice. */
static struct core_client *holder(struct core_bed *b, bool connected, size_t held)
{
    char id[8];
    snprintf(id, sizeof(id), "%zu", b->count);
    struct core_client *c = connected ? bed_join(b, id, true) : bed_connect(b);
    assert_true(rest_keep(c->client, bytes, held, 1 << 20, false));
    return c;
}

/* The budget is used up, and so much of it is to be free again. */
static void use_up(struct core_bed *b, uint64_t to_free)
{
    struct memory_budget *m = &bed_broker(b)->memory;
    router_forget_matches(bed_broker(b)->router); /* they go first */
    chunk_pool_trim(&bed_broker(b)->chunks);
    m->limit = account.total;
    m->target = account.total - to_free;
    m->tight = m->target;
    bed_broker(b)->now_ms += 1000; /* since it was looked for in vain */
}

static void no_budget(struct core_bed *b)
{
    memory_budget_init(&bed_broker(b)->memory, 0);
}

static uint64_t closed(struct core_bed *b)
{
    return bed_broker(b)->stats.ended[END_MEMORY];
}

/* ---- budgets ---------------------------------------------------------------------------------- */

static void the_budget_is_the_configurations(void **state)
{
    struct core_bed *b = *state;
    struct broker *broker = bed_broker(b);
    b->core.config.limits.max_memory = 40000000;
    shed_init(broker);
    assert_int_equal(broker->memory.limit, 40000000);
    assert_int_equal(broker->output_limit, 10000000);
    b->core.config.limits.max_output_total = 123;
    shed_init(broker);
    assert_int_equal(broker->output_limit, 123);
    b->core.config.limits.max_memory = 0;
    shed_init(broker);
    assert_int_not_equal(broker->memory.limit, 0); /* half of what there is */
}

/* ---- who is closed ---------------------------------------------------------------------------- */

static void nobody_is_closed_before_the_budget_is_used_up(void **state)
{
    struct core_bed *b = *state;
    holder(b, true, 60000);
    use_up(b, 50000);
    bed_broker(b)->memory.limit++;
    shed_check(bed_broker(b));
    assert_int_equal(closed(b), 0);
    bed_broker(b)->memory.limit--;
    shed_check(bed_broker(b));
    assert_int_equal(closed(b), 1);
    no_budget(b);
}

static void the_largest_is_closed_first_and_no_more_than_needed(void **state)
{
    struct core_bed *b = *state;
    struct core_client *small = holder(b, true, 30000), *large = holder(b, true, 60000),
                       *middle = holder(b, true, 40000);
    use_up(b, 50000);
    shed_check(bed_broker(b));
    assert_true(large->freed);
    assert_false(middle->freed);
    use_up(b, 50000);
    shed_check(bed_broker(b));
    assert_true(middle->freed);
    assert_true(small->freed);
    assert_int_equal(closed(b), 3);
    no_budget(b);
}

static void strangers_go_before_clients(void **state)
{
    struct core_bed *b = *state;
    struct core_client *client = holder(b, true, 60000), *stranger = holder(b, false, 600);
    use_up(b, 1);
    shed_check(bed_broker(b));
    assert_true(stranger->freed);
    assert_false(client->freed);
    no_budget(b);
}

static void who_holds_little_is_never_closed(void **state)
{
    struct core_bed *b = *state;
    struct core_client *client = holder(b, true, SHED_FLOOR / 2 - 64);
    struct core_client *stranger = holder(b, false, SHED_FLOOR_STRANGER / 2 - 64);
    use_up(b, 1000);
    shed_check(bed_broker(b));
    assert_false(client->freed);
    assert_false(stranger->freed);
    no_budget(b);
}

/* 5.0 */
static void topics_that_aliases_stand_for_are_held(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = v5_join(b, "c", true, v5_none);
    uint8_t topic[4000];
    memset(topic, 'a', sizeof(topic));
    for (uint16_t alias = 1; alias <= 16; alias++)
        v5_publish(b, c,
                   &(struct mqtt_publish){.topic = {topic, sizeof(topic)},
                                          .props = V5_PROPS(V5_NUM(MQTT_P_TOPIC_ALIAS, alias))});
    assert_non_null(c->client->holder);
    use_up(b, 1000);
    shed_check(bed_broker(b));
    assert_true(c->freed);
    assert_int_equal(closed(b), 1);
    no_budget(b);
}

/* It was looked for in vain: not again at once. */
static void nobody_is_looked_for_again_at_once(void **state)
{
    struct core_bed *b = *state;
    struct client *c = bed_join(b, "c", true)->client;
    use_up(b, 1);
    shed_check(bed_broker(b));
    assert_true(rest_keep(c, bytes, 60000, 1 << 20, false));
    shed_check(bed_broker(b));
    assert_int_equal(closed(b), 0);
    bed_broker(b)->now_ms += 99;
    shed_check(bed_broker(b));
    assert_int_equal(closed(b), 0);
    bed_broker(b)->now_ms++;
    shed_check(bed_broker(b));
    assert_int_equal(closed(b), 1);
    no_budget(b);
}

/* ---- room for a begun packet ------------------------------------------------------------------ */

static void room_is_made_by_closing_others(void **state)
{
    struct core_bed *b = *state;
    struct client *c = holder(b, true, 100)->client;
    struct core_client *large = holder(b, true, 60000);
    use_up(b, 50000);
    bed_broker(b)->memory.limit += 5000;
    assert_true(shed_make_room(c, 4999)); /* there is some */
    assert_false(large->freed);
    assert_true(shed_make_room(c, 5000));
    assert_true(large->freed);
    no_budget(b);
    assert_true(shed_make_room(c, 1 << 30));
}

static void there_may_be_none_even_so(void **state)
{
    struct core_bed *b = *state;
    struct client *c = holder(b, true, 100)->client;
    use_up(b, 0);
    assert_false(shed_make_room(c, 1 << 20));
    no_budget(b);
}

static void or_only_by_closing_the_client_itself(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = holder(b, true, 60000);
    use_up(b, 50000);
    assert_false(shed_make_room(c->client, 1));
    assert_true(c->freed);
    no_budget(b);
}

/* ---- the tick --------------------------------------------------------------------------------- */

static void a_packet_that_comes_too_slowly_closes_its_client(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = holder(b, true, 6000);
    bed_broker(b)->now_ms += 2000;
    shed_tick(bed_broker(b)); /* its window begins */
    bed_broker(b)->now_ms += SLOW_WINDOW_MS;
    shed_tick(bed_broker(b));
    assert_int_equal(c->client->state, CLIENT_CLOSING);
    assert_int_equal(c->client->end, END_SLOW_PACKET);
}

static void each_holder_is_looked_at_once_a_second(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = holder(b, true, 6000);
    bed_broker(b)->now_ms += 2000;
    shed_tick(bed_broker(b));
    uint64_t looked_at_ms = c->client->holder->looked_at_ms;
    assert_int_equal(looked_at_ms, bed_broker(b)->now_ms);
    bed_broker(b)->now_ms += 999;
    shed_tick(bed_broker(b));
    assert_int_equal(c->client->holder->looked_at_ms, looked_at_ms);
    bed_broker(b)->now_ms++;
    shed_tick(bed_broker(b));
    assert_int_equal(c->client->holder->looked_at_ms, looked_at_ms + 1000);
}

static void who_holds_nothing_any_more_leaves_the_list(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = holder(b, true, 6000);
    bed_broker(b)->now_ms += 2000;
    shed_tick(bed_broker(b));
    assert_non_null(c->client->holder);
    rest_drop(c->client);
    bed_broker(b)->now_ms += 1000;
    shed_tick(bed_broker(b));
    assert_null(c->client->holder);
}

static void the_level_follows_what_is_used(void **state)
{
    struct core_bed *b = *state;
    struct broker *broker = bed_broker(b);
    holder(b, true, 100);
    use_up(b, 10);
    shed_tick(broker);
    assert_int_equal(broker->memory.level, MEMORY_FULL);
    assert_int_not_equal(broker->shed_since, UINT64_MAX);
    memory_budget_init(&broker->memory, 10 * account.total);
    broker->memory.level = MEMORY_FULL;
    shed_tick(broker);
    assert_int_equal(broker->memory.level, MEMORY_CALM);
    assert_int_equal(broker->shed_since, UINT64_MAX);
    no_budget(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(the_budget_is_the_configurations),
        BED_TEST(nobody_is_closed_before_the_budget_is_used_up),
        BED_TEST(the_largest_is_closed_first_and_no_more_than_needed),
        BED_TEST(strangers_go_before_clients),
        BED_TEST(who_holds_little_is_never_closed),
        BED_TEST(topics_that_aliases_stand_for_are_held),
        BED_TEST(nobody_is_looked_for_again_at_once),
        BED_TEST(room_is_made_by_closing_others),
        BED_TEST(there_may_be_none_even_so),
        BED_TEST(or_only_by_closing_the_client_itself),
        BED_TEST(a_packet_that_comes_too_slowly_closes_its_client),
        BED_TEST(each_holder_is_looked_at_once_a_second),
        BED_TEST(who_holds_nothing_any_more_leaves_the_list),
        BED_TEST(the_level_follows_what_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
