/* What 5.0 adds to subscriptions, in a fleet: queues carry identifiers, and each node knows the options of
 * each durable session. */
#include "tests/unit/broker/fleet/fleet_bed.h"

static struct store_subscription with_id(const char *filter, uint32_t id)
{
    return (struct store_subscription){
        .filter = bed_slice(filter), .qos = 1, .subscription_id = id};
}

static void subscribe(struct bed_client *c, const char *filter, uint32_t id)
{
    struct store_subscription sub = with_id(filter, id);
    bed_subscribe_as(c, &sub);
}

static void assert_ids(const struct bed_message *m, uint32_t first, uint32_t second)
{
    assert_int_equal(m->id_count, (first != 0) + (second != 0));
    for (uint32_t i = 0; i < m->id_count; i++)
        assert_int_equal(m->ids[i], i == 0 ? first : second);
}

static void a_queue_carries_identifiers_to_another_node(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    struct bed_client *plain = bed_connect(one, "plain", true);
    struct bed_client *p = bed_connect(two, "p", false);
    subscribe(c, "t/+", 268435455);
    subscribe(plain, "t/#", 0);
    BED_UNTIL(b, two->sub_count == 2);
    bed_publish(p, "t/1", "1", 1);
    subscribe(c, "t/#", 5);
    BED_UNTIL(b, two->sub_count == 3);
    bed_publish(p, "t/1", "2", 1);
    bed_publish(p, "t", "3", 1);
    bed_fetch(c, 1, 10);
    assert_int_equal(c->entry_count, 3);
    assert_ids(&c->entries[0], 268435455, 0);
    assert_ids(&c->entries[1], 268435455, 5);
    assert_string_equal(c->entries[1].payload, "2");
    assert_ids(&c->entries[2], 5, 0);
    bed_fetch(plain, 1, 10);
    assert_int_equal(plain->entry_count, 3);
    assert_ids(&plain->entries[1], 0, 0);
    c = bed_connect(two, "c", true); /* and they are there for its next connection */
    bed_fetch(c, 1, 10);
    assert_int_equal(c->entry_count, 3);
    assert_ids(&c->entries[1], 268435455, 5);
}

static void a_retained_value_has_that_of_its_subscription(void **state)
{
    static const uint32_t id = 7;
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    struct message *m = bed_message(one, "t", "value", 1, true);
    struct store_queue_target target = {
        .client_id = bed_slice("c"), .qos = 1, .ids = {.items = &id, .count = 1}};
    c->status = -1;
    one->store->ops->enqueue(one->store, m, &target, bed_on_done, c);
    BED_UNTIL(b, c->status >= 0);
    message_unref(m);
    bed_fetch(c, 1, 10);
    assert_int_equal(c->entry_count, 1);
    assert_true(c->entries[0].retain);
    assert_ids(&c->entries[0], 7, 0);
}

/* Identifiers take room in a queue as the message does. */
static void many_identifiers_count_in_the_bound(void **state)
{
    enum { MANY = 2000, LIMIT = 3 * MANY };
    static uint32_t ids[MANY];
    struct bed *b = *state;

    b->cfg.queue_limit = 100;
    b->cfg.queue_limit_bytes = LIMIT;
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    for (size_t i = 0; i < MANY; i++)
        ids[i] = 300; /* two bytes */
    for (int i = 0; i < 3; i++) {
        struct message *m = bed_message(one, "t", "x", 1, true);
        struct store_queue_target target = {
            .client_id = bed_slice("c"), .qos = 1, .ids = {.items = ids, .count = MANY}};
        c->status = -1;
        one->store->ops->enqueue(one->store, m, &target, bed_on_done, c);
        BED_UNTIL(b, c->status >= 0);
        message_unref(m);
    }
    bed_fetch(c, 1, 10);
    assert_int_equal(c->entry_count, 2);
    assert_int_equal(c->entries[1].id_count, MANY);
}

static void assert_known(const struct bed_node *n)
{
    assert_int_equal(n->sub_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct bed_sub *sub = &n->subs[i];
        bool local = strcmp(sub->filter, "local") == 0;
        assert_int_equal(sub->no_local, !local);
        assert_int_equal(sub->retain_as_published, local);
        assert_int_equal(sub->subscription_id, local ? 9 : 0);
    }
}

/* By the log, by a load, by the next connection elsewhere, and from who survived Redis. */
static void every_node_knows_a_subscriptions_options(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *c = bed_connect(one, "c", true);
    struct store_subscription local = with_id("local", 3);
    struct store_subscription not_local = with_id("not", 4);
    bed_subscribe_as(c, &local); /* replaced by what counts */
    bed_subscribe_as(c, &not_local);
    local.subscription_id = 9;
    local.retain_as_published = true;
    not_local.subscription_id = 0;
    not_local.no_local = true;
    bed_subscribe_as(c, &local);
    bed_subscribe_as(c, &not_local);
    bed_run(b, 50);
    assert_known(two);
    assert_known(bed_add_ready(b));
    bed_connect(two, "c", true);
    assert_known(two);
    redisReply *r = redisCommand(b->redis, "FLUSHALL");
    freeReplyObject(r);
    BED_UNTIL(b, bed_redis(b, "EXISTS fl:{r}:secret") == 1);
    bed_run(b, 200);
    assert_known(bed_add_ready(b));
}

#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BED(a_queue_carries_identifiers_to_another_node),
        IN_BED(a_retained_value_has_that_of_its_subscription),
        IN_BED(many_identifiers_count_in_the_bound),
        IN_BED(every_node_knows_a_subscriptions_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
