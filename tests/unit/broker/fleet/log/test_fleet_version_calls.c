/* fleet_version: many are called in pieces, nobody goes on at a reset, and who wrote waits for a replica, too. */
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/storage/fleet_replicas.h"
#include "tests/unit/broker/fleet/lone_node.h"

#define ASKED "GET fl:{r}:ver"

struct wait {
    struct fleet_version_wait w; /* first */
    struct lone_node *n;
    const char *name;
};

static void on_version(struct fleet_version_wait *w, bool ok)
{
    const struct wait *wait = (const struct wait *)w;
    lone_tell(wait->n, "%s %s %llu", wait->name, ok ? "ok" : "over",
              (unsigned long long)w->version);
}

static void ask(struct lone_node *n, struct wait *w, const char *name)
{
    *w = (struct wait){.n = n, .name = name};
    w->w.version = 99; /* of an earlier question */
    fleet_version_check(&n->f, &w->w, on_version);
}

static void answer(struct lone_node *n, const char *text)
{
    fleet_versions_flush(&n->f);
    redis_gets(n, ASKED);
    if (text != NULL)
        redis_says(n, text);
    else
        redis_says_nothing(n);
}

/* One at least is called; those left come first in the next turn, which is wanted at once. */
static void many_are_called_within_the_turns_time(void **state)
{
    enum { MANY = 8 };
    struct lone_node *n = *state;
    struct wait all[MANY + 1];

    for (int i = 0; i < MANY; i++)
        ask(n, &all[i], "x");
    lone_no_time(n);
    lone_is_woken(n);
    answer(n, "'0");
    assert_told(n, "x ok 0; x ok 0; x ok 0; x ok 0");
    assert_true(lone_is_woken(n));
    lone_endless_time(n);
    ask(n, &all[MANY], "later");
    fleet_versions_go_on(&n->f);
    assert_told(n, "x ok 0; x ok 0; x ok 0; x ok 0");
    answer(n, "'0");
    assert_told(n, "later ok 0");
    assert_false(lone_is_woken(n));
}

static void a_node_that_starts_over_lets_nobody_go_on(void **state)
{
    struct lone_node *n = *state;
    struct wait all[6];
    for (int i = 0; i < 5; i++)
        ask(n, &all[i], "due");
    lone_no_time(n);
    answer(n, "'0");
    assert_told(n, "due ok 0; due ok 0; due ok 0; due ok 0");
    lone_endless_time(n);
    ask(n, &all[0], "asked");
    fleet_versions_reset(&n->f);
    assert_told(n, "due over 0; asked over 0");
    ask(n, &all[0], "waits");
    n->f.log_valid = false;
    answer(n, "'3");
    fleet_versions_reset(&n->f);
    assert_told(n, "waits over 3");
    assert_false(fleet_versions_wait(&n->f));
}

/* With a replica to be asked: who wrote nothing needs none. */
static void only_who_wrote_waits_for_a_replica(void **state)
{
    struct lone_node *n = *state;
    struct wait reader;
    struct wait writer;
    n->f.cfg.durability = DURABILITY_REPLICA;
    ask(n, &writer, "writer");
    writer.w.writes = true;
    ask(n, &reader, "reader");
    answer(n, "'0");
    assert_told(n, "reader ok 0");
    fleet_replicas_flush(&n->f);
    redis_says(n, "'PONG");
    redis_says(n, ":1");
    assert_told(n, "writer ok 0");
    ask(n, &writer, "writer");
    writer.w.writes = true;
    answer(n, "'0");
    fleet_replicas_reset(&n->f);
    assert_told(n, "writer over 0");
    ask(n, &writer, "writer");
    writer.w.writes = true;
    answer(n, "!ERR"); /* nothing to ask a replica about */
    assert_told(n, "writer over 0");
    fleet_replicas_flush(&n->f);
    redis_gets_nothing(n);
    n->f.cfg.durability = DURABILITY_BROKER;
    ask(n, &writer, "writer");
    writer.w.writes = true;
    answer(n, "'0");
    assert_told(n, "writer ok 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(many_are_called_within_the_turns_time),
        LONE_TEST(a_node_that_starts_over_lets_nobody_go_on),
        LONE_TEST(only_who_wrote_waits_for_a_replica),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
