/* fleet_full: Redis counts as full from a refusal until it says that there is room, and it is asked. */
#include "broker/fleet/storage/fleet_full.h"
#include "broker/fleet/storage/fleet_replicas.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { ASK_MS = 250 };
#define ROOM "room fl:{r}:"

static void fill(struct lone_node *n)
{
    fleet_full(&n->f);
    redis_gets(n, "INFO memory");
    redis_says(n, "'used_memory:1");
}

static void the_first_refusal_makes_it_full(void **state)
{
    struct lone_node *n = *state;
    fill(n);
    assert_true(n->f.full);
    assert_int_equal(*n->f.metrics.full, 1);
    fleet_full(&n->f); /* the next ones are the same */
    redis_gets_nothing(n);
}

static void it_is_asked_every_quarter_of_a_second_until_there_is_room(void **state)
{
    struct lone_node *n = *state;
    n->f.now_ms += ASK_MS;
    fleet_full_tick(&n->f); /* it isn't full */
    redis_gets_nothing(n);
    fill(n);
    n->f.now_ms += ASK_MS - 1;
    fleet_full_tick(&n->f);
    redis_gets_nothing(n);
    n->f.now_ms++;
    fleet_full_tick(&n->f);
    redis_gets(n, ROOM);
    redis_says(n, "!OOM");
    assert_true(n->f.full);
    fleet_full_tick(&n->f);
    redis_gets_nothing(n);
    n->f.now_ms += ASK_MS;
    fleet_full_tick(&n->f);
    redis_says_nothing(n); /* no answer is no room */
    assert_true(n->f.full);
    n->f.now_ms += ASK_MS;
    fleet_full_tick(&n->f);
    redis_says(n, ":1");
    assert_false(n->f.full);
    assert_int_equal(*n->f.metrics.full, 0);
}

static void nobody_is_asked_without_a_connection(void **state)
{
    struct lone_node *n = *state;
    fill(n);
    lone_lose_link(n);
    n->f.now_ms += ASK_MS;
    fleet_full_tick(&n->f);
    redis_gets_nothing(n);
}

static void ask(struct lone_node *n)
{
    fleet_full_ask(&n->f, lone_done, lone_call(n, "asked"));
}

static void who_asks_learns_what_redis_says(void **state)
{
    struct lone_node *n = *state;
    ask(n);
    redis_gets(n, ROOM);
    redis_says(n, ":1");
    assert_told(n, "asked ok");
    ask(n);
    redis_says_nothing(n);
    assert_told(n, "asked unavailable");
    assert_false(n->f.full);
    ask(n);
    redis_says(n, "!OOM");
    assert_told(n, "asked full");
    assert_true(n->f.full);
}

/* In the next input, as every completion that needs no answer. */
static void who_asks_while_it_is_full_isnt_kept_waiting(void **state)
{
    struct lone_node *n = *state;
    fill(n);
    ask(n);
    redis_gets_nothing(n);
    assert_told(n, "");
    fleet_run_deferred(&n->f, true);
    assert_told(n, "asked full");
}

static void on_replica(struct fleet_replica_wait *w, bool ok)
{
    (void)w, (void)ok;
}

/* A publish would wait for a replica: the same. */
static void a_missing_replica_is_as_if_it_were_full(void **state)
{
    static struct fleet_replica_wait w;
    struct lone_node *n = *state;
    fleet_replicas_wait(&n->f, &w, on_replica);
    fleet_replicas_flush(&n->f);
    redis_says(n, "'PONG");
    redis_says(n, ":0");
    assert_true(fleet_replicas_missing(&n->f));
    ask(n);
    redis_gets_nothing(n);
    fleet_run_deferred(&n->f, true);
    assert_told(n, "asked full");
    assert_false(n->f.full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(the_first_refusal_makes_it_full),
        LONE_TEST(it_is_asked_every_quarter_of_a_second_until_there_is_room),
        LONE_TEST(nobody_is_asked_without_a_connection),
        LONE_TEST(who_asks_learns_what_redis_says),
        LONE_TEST(who_asks_while_it_is_full_isnt_kept_waiting),
        LONE_TEST(a_missing_replica_is_as_if_it_were_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
