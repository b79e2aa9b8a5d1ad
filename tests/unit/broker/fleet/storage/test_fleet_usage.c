/* fleet_usage: what the fleet has in Redis is counted, and has limits. */
#include "broker/fleet/storage/fleet_usage.h"

#include "broker/fleet/node/fleet.h"
#include "tests/unit/broker/fleet/fleet_bed.h"

/* ---- deciding -------------------------------------------------------------------------------- */

static const struct fleet_usage_memory nothing;

static void note_memory(struct fleet_usage *u, uint64_t used, uint64_t max, uint64_t machine)
{
    fleet_usage_note(u, 0,
                     &(struct fleet_usage_memory){.used = used, .max = max, .machine = machine});
}

static void nodes_share_what_room_is_left(void **state)
{
    struct fleet_usage u = {.limits = {.sessions = 10}};
    unsigned made = 0;
    (void)state;
    assert_true(fleet_usage_has_room(&u, 3, 1000)); /* nothing is known yet */
    fleet_usage_note(&u, 4, &nothing);
    for (; made < 10 && fleet_usage_has_room(&u, 3, 1000); made++)
        fleet_usage_promise(&u);
    assert_int_equal(made, 2);
    fleet_usage_settle(&u, false); /* that client had a session */
    assert_true(fleet_usage_has_room(&u, 3, 1000));
    fleet_usage_promise(&u);
    fleet_usage_settle(&u, true);
    fleet_usage_settle(&u, true);
    assert_false(fleet_usage_has_room(&u, 3, 5000));
    fleet_usage_note(&u, 6, &nothing); /* with these two, perhaps */
    assert_false(fleet_usage_has_room(&u, 3, 6000));
    assert_true(fleet_usage_has_room(&u, 3, 12000));
    fleet_usage_note(&u, 12, &nothing);
    assert_false(fleet_usage_has_room(&u, 3, 20000));
}

static void where_nothing_is_left_no_session_is_made(void **state)
{
    struct fleet_usage u = {.limits = {.sessions = 10}};

    (void)state;
    note_memory(&u, 700 << 20, 1 << 30, 0);
    assert_true(fleet_usage_has_room(&u, 3, 1000));
    note_memory(&u, 769 << 20, 1 << 30, 0);
    assert_false(fleet_usage_has_room(&u, 3, 1000));
    u.limits.sessions = 0;
    assert_false(fleet_usage_has_room(&u, 3, 1000));
    note_memory(&u, 700 << 20, 1 << 30, 0);
    assert_true(fleet_usage_has_room(&u, 3, 1000));
}

static void the_fuller_redis_is_the_less_a_queue_may_hold(void **state)
{
    struct fleet_usage u = {.limits = {.queue_messages = 1000, .queue_bytes = 64 << 20}};
    (void)state;
    assert_int_equal(fleet_usage_queue_bytes(&u), 64 << 20); /* nobody says what Redis may use */
    assert_int_equal(fleet_usage_queue_messages(&u), 1000);
    assert_true(fleet_usage_may_grow(&u));
    note_memory(&u, 0, 1 << 30, 0);
    assert_int_equal(fleet_usage_queue_bytes(&u), 64 << 20);
    note_memory(&u, 704 << 20, 1 << 30, 0);
    assert_int_equal(fleet_usage_queue_bytes(&u), 8 << 20);
    assert_int_equal(fleet_usage_queue_messages(&u), 1000);
    assert_true(fleet_usage_may_grow(&u));
    note_memory(&u, 900 << 20, 1 << 30, 0);
    assert_int_equal(fleet_usage_queue_bytes(&u), 65536);
    assert_int_equal(fleet_usage_queue_messages(&u), 256);
    assert_false(fleet_usage_may_grow(&u));
    u.limits.stored_bytes = 2u << 30;
    assert_true(fleet_usage_may_grow(&u));
}

static void who_sets_no_limit_has_half_of_the_machine(void **state)
{
    struct fleet_usage u = {.limits = {.queue_messages = 1000, .queue_bytes = 64 << 20}};
    (void)state;
    note_memory(&u, 1ull << 30, 0, 24ull << 30);
    assert_int_equal(fleet_usage_queue_bytes(&u), 64 << 20);
    note_memory(&u, (12ull << 30) - (80 << 20), 0, 24ull << 30);
    assert_int_equal(fleet_usage_queue_bytes(&u), 10 << 20);
    assert_true(fleet_usage_may_grow(&u));
    note_memory(&u, 12ull << 30, 0, 24ull << 30);
    assert_int_equal(fleet_usage_queue_bytes(&u), 65536);
    assert_false(fleet_usage_may_grow(&u));
    note_memory(&u, 12ull << 30, 20ull << 30, 24ull << 30); /* who sets maxmemory knows better */
    assert_true(fleet_usage_may_grow(&u));
}

/* ---- counting -------------------------------------------------------------------------------- */

static long long counted(struct bed *b)
{
    return bed_redis(b, "HGET fl:{r}:usage all");
}

/* A node that looks after all buckets sees more of them in a second than it tells at once. */
static void a_node_alone_tells_of_every_bucket(void **state)
{
    struct bed *b = *state;
    struct bed_node *n = bed_add_ready(b);
    const struct fleet_keys *keys = &((struct fleet *)n->store)->keys;
    char id[BED_TEXT];
    int i = 0;
    do
        snprintf(id, sizeof(id), "c%d", i++);
    while (fleet_client_bucket(keys, mqtt_slice_of(id, strlen(id))) != FLEET_CLIENT_BUCKETS - 1);
    bed_run(b, 3000); /* each was looked at */
    bed_connect(n, id, true);
    BED_UNTIL(b, counted(b) == 1);
    bed_disconnect(bed_connect(n, id, false), false); /* ends it */
    BED_UNTIL(b, counted(b) == 0);
}

static struct bed_client *try_durable(struct bed_node *n, const char *id)
{
    struct bed_client *c = bed_connect_begin(n, id, true, false, NULL);
    BED_UNTIL(n->bed, c->status >= 0);
    return c;
}

static void a_fleet_has_a_limit_of_durable_sessions(void **state)
{
    struct bed *b = *state;
    struct bed_client *c;
    b->cfg.session_limit = 6;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    for (int i = 0; i < 6; i++) {
        char id[8];
        snprintf(id, sizeof(id), "c%d", i);
        c = bed_connect(i % 2 == 0 ? one : two, id, true);
        if (i > 0)
            bed_disconnect(c, false);
    }
    BED_UNTIL(b, counted(b) == 6);
    bed_run(b, 1200); /* each node has asked */
    assert_int_equal(try_durable(one, "new")->status, STORE_FULL);
    assert_int_equal(try_durable(two, "new")->status, STORE_FULL);
    bed_connect(one, "new", false);
    c = bed_connect(two, "c1", true);
    assert_true(c->present);
    bed_disconnect(c, false);
    bed_disconnect(bed_connect(one, "c1", false), false); /* ends it */
    BED_UNTIL(b, counted(b) == 5);
    BED_UNTIL_MS(b, try_durable(two, "next")->status == STORE_OK, 15000);
    BED_UNTIL(b, counted(b) == 6);
}

/* Refused and made again, attempt and end: whatever becomes of a session, it is counted once. */
static void sessions_are_counted_right_whatever_becomes_of_them(void **state)
{
    struct bed *b = *state;
    struct bed_node *one = bed_add_ready(b);
    struct bed_node *two = bed_add_ready(b);
    struct bed_client *d = bed_connect(one, "a", true);
    struct bed_client *e = bed_connect(one, "b", true);
    bed_subscribe(e, "t", 1);
    bed_connect(two, "a", true); /* takes it over */
    bed_connect_begin(two, "c", true, true, NULL);
    BED_UNTIL(b, counted(b) == 3);
    redisReply *r = redisCommand(b->redis, "FLUSHALL");
    freeReplyObject(r);
    BED_UNTIL_MS(b, counted(b) == 3, 10000); /* their holders tell it again */
    e->status = -1;
    e->connected = false;
    one->store->ops->disconnect(one->store, &e->hold, false, 1, bed_on_done, e); /* expires */
    BED_UNTIL(b, e->status >= 0);
    BED_UNTIL_MS(b, counted(b) == 2, 10000);
    assert_false(d->connected);
    bed_disconnect(bed_connect(one, "a", false), false);
    BED_UNTIL_MS(b, counted(b) == 1, 10000);
}

static void a_queue_holds_less_when_redis_is_nearly_full(void **state)
{
    struct bed *b = *state;
    b->cfg.queue_limit = 1000;
    b->cfg.stored_limit_bytes = 1; /* in use, and more */
    struct bed_node *one = bed_add_ready(b);
    struct bed_client *d = bed_connect(one, "d", true);
    struct bed_client *p = bed_connect(one, "p", false);
    bed_subscribe(d, "t", 1);
    for (int i = 0; i < 300; i++)
        bed_publish(p, "t", "m", 1);
    for (uint64_t from = 1; from < 300; from += 100)
        bed_fetch(d, from, 100);
    assert_int_equal(d->entry_count, 256);
    bed_publish_begin(p, "r", "v", 1, true, 0);
    BED_UNTIL(b, p->status >= 0);
    assert_int_equal(p->status, STORE_OK);
    assert_int_equal(bed_redis(b, "KEYS fl:{t*}:v"), 0);
}

int main(void)
{
#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_share_what_room_is_left),
        cmocka_unit_test(where_nothing_is_left_no_session_is_made),
        cmocka_unit_test(the_fuller_redis_is_the_less_a_queue_may_hold),
        cmocka_unit_test(who_sets_no_limit_has_half_of_the_machine),
        IN_BED(a_node_alone_tells_of_every_bucket),
        IN_BED(a_fleet_has_a_limit_of_durable_sessions),
        IN_BED(sessions_are_counted_right_whatever_becomes_of_them),
        IN_BED(a_queue_holds_less_when_redis_is_nearly_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
