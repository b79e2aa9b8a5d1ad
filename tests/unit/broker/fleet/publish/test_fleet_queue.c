/* fleet_queue: a turn's messages for the sessions of a bucket are one call, within bounds, and owners are woken. */
#include "broker/fleet/publish/fleet_queue.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { TARGETS_MAX = 128, BYTES_MAX = 256 * 1024, COPIED_MAX = 4 << 20 };
#define QUEUE "queue fl:{s}: " LONE_HEX ":run00001 "

static void add_how(struct lone_parts *l, const char *client, uint8_t qos,
                    struct fleet_queue_how how)
{
    struct store_queue_target t = {.client_id = mqtt_slice_of(client, strlen(client)), .qos = qos};
    how.client = fleet_hash(client, strlen(client));
    id_set_add(&l->p.clients, how.client);
    fleet_queue_add(&l->n->f, &l->p, l->p.message, &t, how);
}

static void add(struct lone_parts *l, const char *client, uint8_t qos)
{
    add_how(l, client, qos, (struct fleet_queue_how){0});
}

static struct lone_parts *parts_new(struct lone_node *n, const char *payload)
{
    struct lone_parts *l = malloc(sizeof(*l));
    assert_non_null(l);
    lone_parts_init(l, n, lone_message("t", payload, 1, false));
    return l;
}

static void parts_free(struct lone_parts *l)
{
    fleet_queues_reset(&l->n->f);
    lone_parts_fini(l);
    free(l);
}

/* Another client of the same bucket as "c". */
static const char *neighbour(const struct lone_node *n)
{
    static char id[16];
    unsigned bucket = fleet_client_bucket(&n->f.keys, mqtt_slice_of("c", 1));
    for (int i = 0;
         i == 0 || fleet_client_bucket(&n->f.keys, mqtt_slice_of(id, strlen(id))) != bucket; i++)
        snprintf(id, sizeof(id), "n%d", i);
    return id;
}

/* How often a text is in a command. */
static size_t times(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        count++;
    return count;
}

static void a_bucket_is_one_call_with_each_message_once(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts *a = parts_new(n, "first");
    struct lone_parts *b = parts_new(n, "second");
    char end[64];
    fleet_queues_flush(&n->f);
    redis_gets_nothing(n);
    add(a, "c", 1);
    add(a, neighbour(n), 2);
    add(b, "c", 0);
    assert_told(n, "");
    fleet_queues_flush(&n->f);
    assert_told(n, "sent; sent");
    redis_gets_first(n, QUEUE "1 0 40 0 60000 100 2 ");
    assert_int_equal(times(lone_command(n, 0), "first"), 1);
    assert_int_equal(times(lone_command(n, 0), "second"), 1);
    snprintf(end, sizeof(end), " c 0 \\01 %s 0 \\02 c 1 \\00", neighbour(n));
    assert_non_null(strstr(lone_command(n, 0), end));
    assert_int_equal(lone_count(n), 1);
    parts_free(b);
    parts_free(a);
}

static void buckets_are_called_in_the_order_in_which_they_came(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts *a = parts_new(n, "x");
    add(a, "c", 1);
    add(a, "d", 1);
    add(a, neighbour(n), 1);
    fleet_queues_flush(&n->f);
    assert_int_equal(lone_count(n), 2);
    assert_non_null(strstr(lone_command(n, 0), " c 0 "));
    assert_non_null(strstr(lone_command(n, 1), " d 0 "));
    assert_int_equal(n->f.calls, 3);
    parts_free(a);
}

static void flags_say_how_it_is_delivered(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts *a = parts_new(n, "x");
    struct store_queue_target as_published = {
        .client_id = mqtt_slice_of("c", 1), .qos = 1, .retain_as_published = true};
    a->p.message->retain = true;
    add(a, "c", 1);
    fleet_queue_add(&n->f, &a->p, a->p.message, &as_published, (struct fleet_queue_how){0});
    a->p.message->retain = false;
    fleet_queue_add(&n->f, &a->p, a->p.message, &as_published, (struct fleet_queue_how){0});
    add_how(a, "c", 2, (struct fleet_queue_how){.is_value = true});
    fleet_queues_flush(&n->f);
    assert_non_null(strstr(lone_command(n, 0), " c 0 \\01 c 0 \\05 c 0 \\01 c 0 \\0e"));
    parts_free(a);
}

/* Their number, and each, as varints. */
static void identifiers_of_subscriptions_follow_the_flags(void **state)
{
    static const uint32_t ids[] = {1, 128, 268435455};
    struct lone_node *n = *state;
    struct lone_parts *a = parts_new(n, "x");
    struct store_queue_target t = {
        .client_id = mqtt_slice_of("c", 1), .qos = 2, .ids = {.items = ids, .count = 1}};
    fleet_queue_add(&n->f, &a->p, a->p.message, &t, (struct fleet_queue_how){0});
    t.ids.count = 3;
    fleet_queue_add(&n->f, &a->p, a->p.message, &t, (struct fleet_queue_how){.is_value = true});
    add(a, "c", 1);
    fleet_queues_flush(&n->f);
    assert_non_null(strstr(lone_command(n, 0), " c 0 \\12\\01\\01 c 0 \\1e\\03\\01\\80\\01"
                                               "\\ff\\ff\\ff\\7f c 0 \\01"));
    parts_free(a);
}

static void only_ids_that_may_come_twice_are_remembered(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts *a = parts_new(n, "x");
    add(a, "c", 1);
    fleet_queues_flush(&n->f);
    assert_non_null(strstr(lone_command(n, 0), " '' c 0 "));
    redis_says(n, "[ :0 ]");
    add_how(a, "c", 1, (struct fleet_queue_how){.remember = true});
    fleet_queues_flush(&n->f);
    assert_non_null(strstr(lone_command(n, 0), "\\0a\\00\\00\\00\\00\\00\\00\\00\\01 c 0 "));
    parts_free(a);
}

/* ---- bounds ---------------------------------------------------------------------------------- */

static void a_call_has_a_bound_in_targets(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts *a = parts_new(n, "x");
    for (int i = 0; i < TARGETS_MAX; i++)
        add(a, "c", 1);
    add(a, "c", 2); /* one more */
    fleet_queues_flush(&n->f);
    assert_told(n, "sent");
    assert_int_equal(lone_count(n), 2);
    assert_int_equal(times(lone_command(n, 0), " c 0 \\01"), TARGETS_MAX);
    assert_int_equal(times(lone_command(n, 1), " c 0 \\02"), 1);
    parts_free(a);
}

static char *large_payload(size_t len)
{
    char *text = malloc(len + 1);
    assert_non_null(text);
    memset(text, 'x', len);
    text[len] = '\0';
    return text;
}

static void a_call_has_a_bound_in_bytes(void **state)
{
    struct lone_node *n = *state;
    char *large = large_payload(BYTES_MAX / 2);
    struct lone_parts *a = parts_new(n, large);
    struct lone_parts *b = parts_new(n, large);
    struct lone_parts *c = parts_new(n, "x");
    add(a, "c", 1);
    add(c, "c", 1);
    add(b, "c", 1); /* now it is full */
    add(c, "c", 1);
    fleet_queues_flush(&n->f);
    assert_int_equal(lone_count(n), 2);
    parts_free(c);
    parts_free(b);
    parts_free(a);
    free(large);
}

/* Of one message for many: Redis copies it for each. */
static void a_call_has_a_bound_in_copies(void **state)
{
    enum { LEN = 200000, COPIES = COPIED_MAX / LEN + 1 };
    struct lone_node *n = *state;
    char *large = large_payload(LEN);
    struct lone_parts *a = parts_new(n, large);

    for (int i = 0; i < COPIES; i++)
        add(a, "c", 1);
    fleet_queues_flush(&n->f);
    assert_int_equal(lone_count(n), 1);
    redis_says(n, "[ :0 ]");
    for (int i = 0; i < COPIES + 1; i++)
        add(a, "c", 1);
    fleet_queues_flush(&n->f);
    assert_int_equal(lone_count(n), 2);
    parts_free(a);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(a_bucket_is_one_call_with_each_message_once),
        LONE_TEST(buckets_are_called_in_the_order_in_which_they_came),
        LONE_TEST(flags_say_how_it_is_delivered),
        LONE_TEST(identifiers_of_subscriptions_follow_the_flags),
        LONE_TEST(only_ids_that_may_come_twice_are_remembered),
        LONE_TEST(a_call_has_a_bound_in_targets),
        LONE_TEST(a_call_has_a_bound_in_bytes),
        LONE_TEST(a_call_has_a_bound_in_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
