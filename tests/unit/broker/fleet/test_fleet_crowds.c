/* Fleet protocol with very many sessions, or wills, at once: what is done for one of them costs the
 * same however many others there are, and a dead node's wills aren't all under way at once. Costs are
 * CPU time, and compared with what the same number of calls takes where there are few: a walk through
 * all of them each time takes ten times that and more. */
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/session/fleet_will.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "common/base/clock.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

static struct fleet *fleet_of(struct bed_node *n)
{
    return (struct fleet *)n->store;
}

/* Turns may take long, and nobody is to die of it. */
static void allow_long_turns(struct bed *b)
{
    b->cfg.lease_ms = 60000;
    b->cfg.hang_ms = 60000;
    b->cfg.command_timeout_ms = 60000;
}

static void assert_within(uint64_t took_ns, uint64_t bound_ns)
{
    if (took_ns >= bound_ns)
        print_error("it took %llu us, %llu were enough\n", (unsigned long long)took_ns / 1000,
                    (unsigned long long)bound_ns / 1000);
    assert_true(took_ns < bound_ns);
}

/* ---- a publish to many sessions -------------------------------------------------------------- */

enum { CROWD = 100000, SERVED = 20000, FEW = 500 };

struct crowd {
    struct store_targets targets;
    struct store_queue_target queues[CROWD];
    char ids[CROWD][16];
};

static const struct crowd *crowd_of(size_t count)
{
    static struct crowd c;
    for (size_t i = 0; i < count; i++) {
        int len = snprintf(c.ids[i], sizeof(c.ids[i]), "c%zu", i);
        c.queues[i] = (struct store_queue_target){.client_id = mqtt_slice_of(c.ids[i], (size_t)len),
                                                  .qos = 1};
    }
    c.targets = (struct store_targets){.queues = c.queues, .queue_count = count};
    return &c;
}

/* Durable ones that nobody holds. */
static void add_sessions_to_redis(struct bed_node *n, const struct crowd *c)
{
    const struct fleet_keys *keys = &fleet_of(n)->keys;
    redisContext *redis = n->bed->redis;
    for (size_t i = 0; i < c->targets.queue_count; i++) {
        struct fleet_key key =
            fleet_key_clients(keys, fleet_client_bucket(keys, c->queues[i].client_id));
        redisAppendCommand(redis, "HSET %ss:%s dur 1", key.text, c->ids[i]);
    }
    for (size_t i = 0; i < c->targets.queue_count; i++) {
        void *reply = NULL;
        assert_int_equal(redisGetReply(redis, &reply), REDIS_OK);
        freeReplyObject(reply);
    }
}

static long long messages_in_queues(struct bed *b)
{
    redisReply *r =
        redisCommand(b->redis, "EVAL %s 0",
                     "local n = 0 for _, k in ipairs(redis.call('KEYS', 'fl:{s*}:q:*')) do "
                     "n = n + redis.call('XLEN', k) end return n");
    long long count = r != NULL && r->type == REDIS_REPLY_INTEGER ? r->integer : -1;
    freeReplyObject(r);
    return count;
}

/* What it takes to gather the whole crowd for many publishes, to a few each. */
static uint64_t cost_of_few_at_a_time(struct bed *b, const struct crowd *crowd)
{
    struct bed_node *n = bed_add_ready(b);
    struct bed_client *p = bed_connect(n, "few", false);
    struct store_targets few = {.queue_count = FEW};
    n->crowd = &few;
    uint64_t begun_ns = clock_thread_cpu_ns();
    for (size_t i = 0; i < crowd->targets.queue_count; i += FEW) {
        few.queues = &crowd->targets.queues[i];
        bed_publish_begin(p, "t", "x", 1, false, 0);
    }
    uint64_t cost_ns = clock_thread_cpu_ns() - begun_ns;
    bed_kill(b, n); /* nothing was sent */
    return cost_ns;
}

/* Whom it went to is noted; and forgotten again, as Redis knows none of these sessions. */
static void rule_5_each_of_many_sessions_costs_a_publish_the_same(void **state)
{
    struct bed *b = *state;
    const struct crowd *crowd = crowd_of(CROWD);
    allow_long_turns(b);
    uint64_t few_ns = cost_of_few_at_a_time(b, crowd);
    struct bed_node *n = bed_add_ready(b);
    struct bed_client *p = bed_connect(n, "p", false);
    n->crowd = &crowd->targets;
    bed_publish_begin(p, "t", "x", 1, false, 0);
    uint64_t begun_ns = clock_thread_cpu_ns();
    assert_within(begun_ns - n->match_begun_ns, 4 * few_ns);
    BED_UNTIL_MS(b, p->status == STORE_OK, 60000);
    assert_within(p->done_ns - begun_ns, 4 * few_ns);
    assert_int_equal(messages_in_queues(b), 0);
}

/* It is matched again, as somebody has subscribed meanwhile: all but that one were served. */
static void rule_5_who_was_served_is_known_at_once_among_many(void **state)
{
    struct bed *b = *state;
    const struct crowd *crowd = crowd_of(SERVED);
    allow_long_turns(b);
    uint64_t few_ns = cost_of_few_at_a_time(b, crowd);
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *p = bed_connect(one, "p", false);
    struct bed_client *c = bed_connect(two, "c", false);
    add_sessions_to_redis(one, crowd);
    one->crowd = &crowd->targets;
    one->stopped = true;
    bed_subscribe(c, "t", 1);
    one->stopped = false;
    bed_publish_begin(p, "t", "x", 1, false, 0);
    uint64_t first_match_ns = one->match_begun_ns;
    BED_UNTIL_MS(b, p->status == STORE_OK, 60000);
    assert_true(one->match_begun_ns != first_match_ns);
    assert_within(p->done_ns - one->match_begun_ns, few_ns / 4);
    assert_int_equal(messages_in_queues(b), crowd->targets.queue_count);
}

/* ---- wills ----------------------------------------------------------------------------------- */

enum { WILLS = 20000 };

static void begin_wills(struct bed_node *n)
{
    struct message *m = bed_message(n, "w", "gone", 1, false);
    struct fleet_bytes frame = {0};
    char id[16];
    n->keeps_wills = true;
    fleet_frame_put(&frame, m, true);
    for (int i = 0; i < WILLS; i++) {
        snprintf(id, sizeof(id), "c%d", i);
        fleet_will_publish(
            fleet_of(n),
            (struct fleet_session_ref){.client = mqtt_slice_of(id, strlen(id)), .epoch = 1},
            fleet_bytes_all(&frame), NULL, NULL);
    }
    assert_int_equal(n->wills, WILLS);
    fleet_bytes_fini(&frame);
    message_unref(m);
}

static void publish_as_often(struct bed_client *p)
{
    for (int i = 0; i < WILLS; i++)
        bed_publish_begin(p, "t", "x", 1, false, 0);
}

/* Retained values for a new subscription: on nobody's behalf. */
static void publish_values_as_often(struct bed_client *p)
{
    for (int i = 0; i < WILLS; i++) {
        struct message *m = bed_message(p->node, "t", "x", 1, true);
        struct store_queue_target target = {.client_id = store_hold_id(&p->hold), .qos = 1};
        p->node->store->ops->enqueue(p->node->store, m, &target, bed_on_done, p);
        message_unref(m);
    }
}

static void wills_under_way_cost_nobody_anything(void **state)
{
    struct bed *b = *state;
    uint64_t at_ns[5];
    allow_long_turns(b);
    struct bed_node *n = bed_add_ready(b);
    struct bed_client *p = bed_connect(n, "p", false);
    unsigned before = p->completions;
    at_ns[0] = clock_thread_cpu_ns();
    publish_as_often(p);
    at_ns[1] = clock_thread_cpu_ns();
    begin_wills(n);
    at_ns[2] = clock_thread_cpu_ns();
    publish_as_often(p);
    at_ns[3] = clock_thread_cpu_ns();
    publish_values_as_often(p);
    at_ns[4] = clock_thread_cpu_ns();
    for (int i = 2; i < 5; i++)
        assert_within(at_ns[i] - at_ns[i - 1], 6 * (at_ns[1] - at_ns[0]));
    BED_UNTIL_MS(b, p->completions - before == 3 * WILLS, 60000);
    assert_int_equal(p->status, STORE_OK);
}

/* ---- a dead node's wills --------------------------------------------------------------------- */

enum {
    AT_ONCE = 200, /* while so many wills are under way no more clients are asked for */
    CALLS_AT_ONCE = 16,
    CLIENTS_A_CALL = 50,
    BUCKETS = 330, /* with one client each: every other bucket */
    FULL = 321,    /* the bucket with many: half of the others come before it */
    IN_FULL = 120,
    DEAD = BUCKETS + IN_FULL,
};

static bool take_place(unsigned room[FLEET_CLIENT_BUCKETS], unsigned bucket)
{
    if (room[bucket] == 0)
        return false;
    room[bucket]--;
    return true;
}

/* Each with a will that says which one it is. */
static void connect_those_who_will_die(struct bed_node *n)
{
    const struct fleet_keys *keys = &fleet_of(n)->keys;
    unsigned room[FLEET_CLIENT_BUCKETS] = {[FULL] = IN_FULL};
    struct bed_client *clients[DEAD];
    char id[16];
    char number[16];
    struct bed_will will = {.topic = "w", .payload = number, .qos = 1};
    int count = 0;
    for (int i = 0; i < BUCKETS; i++)
        room[2 * i] = 1;
    for (int i = 0; count < DEAD; i++) {
        int len = snprintf(id, sizeof(id), "c%d", i);
        if (!take_place(room, fleet_client_bucket(keys, mqtt_slice_of(id, (size_t)len))))
            continue;
        snprintf(number, sizeof(number), "%d", count);
        clients[count++] = bed_connect_begin(n, id, false, true, &will);
    }
    for (int i = 0; i < DEAD; i++)
        BED_UNTIL_MS(n->bed, clients[i]->status == STORE_OK, 60000);
}

/* How many are under way. Each comes once. */
static unsigned note_wills(const struct bed_node *n, bool came[DEAD])
{
    unsigned count = 0;
    for (const struct bed_will_op *op = n->kept_wills; op != NULL; op = op->next, count++) {
        int number = atoi(op->payload);
        assert_in_range(number, 0, DEAD - 1);
        assert_false(came[number]);
        came[number] = true;
    }
    return count;
}

static void rule_1_the_wills_of_a_dead_node_come_in_rounds(void **state)
{
    struct bed *b = *state;
    bool came[DEAD] = {false};
    unsigned count = 0;
    b->cfg.lease_ms = 2000;
    b->cfg.hang_ms = 60000; /* a long turn is none of death's business here */
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    two->keeps_wills = true;
    connect_those_who_will_die(one);
    bed_kill(b, one);
    while (count < DEAD) {
        unsigned enough = count + AT_ONCE < DEAD ? count + AT_ONCE : DEAD;
        unsigned round;
        BED_UNTIL_MS(b, two->wills >= enough, 10000);
        bed_run(b, 200); /* no more of them come before these are out */
        round = note_wills(two, came);
        assert_true(round < AT_ONCE + CLIENTS_A_CALL + CALLS_AT_ONCE);
        count += round;
        assert_int_equal(two->wills, count);
        bed_end_wills(two, STORE_OK);
    }
    BED_UNTIL(b, bed_redis(b, "HLEN fl:{r}:reap") == 0);
    BED_UNTIL(b, bed_redis(b, "KEYS fl:{s*}:dw:*") == 0);
    assert_int_equal(two->wills, DEAD);
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        IN_BED(rule_5_each_of_many_sessions_costs_a_publish_the_same),
        IN_BED(rule_5_who_was_served_is_known_at_once_among_many),
        IN_BED(wills_under_way_cost_nobody_anything),
        IN_BED(rule_1_the_wills_of_a_dead_node_come_in_rounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
