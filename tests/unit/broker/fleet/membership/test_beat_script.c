/* beat.lua and its kin: what a beat is answered doesn't grow with the fleet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/fleet/wire/scripts.h"
#include "tests/unit/redis_server.h"

struct bench {
    struct redis_server server;
    redisContext *redis;
    struct scripts scripts;
};

static redisReply *run(struct bench *b, enum script id, const char *a, const char *old,
                       const char *generation, const char *more)
{
    redisReply *r =
        redisCommand(b->redis, "EVAL %b 1 fl:{r}: %s %s %s %s", b->scripts.text[id].text,
                     b->scripts.text[id].len, a, old, generation, more);
    assert_non_null(r);
    assert_int_not_equal(r->type, REDIS_REPLY_ERROR);
    return r;
}

static void join(struct bench *b, const char *node)
{
    freeReplyObject(run(b, SCRIPT_JOIN, node, "2", "", ""));
}

static redisReply *beat(struct bench *b, const char *generation)
{
    return run(b, SCRIPT_BEAT, "me", "1500", generation, "");
}

static void set_beat(struct bench *b, const char *node, const char *by_ms)
{
    freeReplyObject(redisCommand(b->redis, "ZINCRBY fl:{r}:beats %s %s", by_ms, node));
}

static void a_beat_names_nodes_only_when_they_come_go_or_stand(void **state)
{
    struct bench *b = *state;
    char generation[32], node[32];
    join(b, "me");
    for (int i = 0; i < 300; i++) {
        snprintf(node, sizeof(node), "n%d", i);
        join(b, node);
    }
    redisReply *r = beat(b, "");
    assert_string_equal(r->element[0]->str, "alive");
    assert_int_equal(r->element[4]->elements, 0);
    assert_int_equal(r->element[6]->elements, 301);
    snprintf(generation, sizeof(generation), "%s", r->element[3]->str);
    freeReplyObject(r);
    r = beat(b, generation);
    assert_int_equal(r->element[4]->elements, 0);
    assert_int_equal(r->element[6]->type, REDIS_REPLY_STRING);
    freeReplyObject(r);
    set_beat(b, "n7", "-1600");
    set_beat(b, "n9", "60000"); /* from before Redis' clock was set back */
    r = beat(b, generation);
    assert_int_equal(r->element[4]->elements, 4);
    assert_string_equal(r->element[4]->element[0]->str, "n7");
    assert_string_equal(r->element[4]->element[2]->str, "n9");
    freeReplyObject(r);
}

static void only_who_still_stands_where_it_was_seen_is_killed(void **state)
{
    struct bench *b = *state;
    char seen[32], generation[32];
    join(b, "me");
    join(b, "other");
    set_beat(b, "other", "-5000");
    redisReply *r = beat(b, "");
    snprintf(seen, sizeof(seen), "%s", r->element[4]->element[1]->str);
    snprintf(generation, sizeof(generation), "%s", r->element[3]->str);
    freeReplyObject(r);
    set_beat(b, "other", "1");
    r = run(b, SCRIPT_KILL, "other", seen, "me", "entry");
    assert_int_equal(r->integer, 0);
    freeReplyObject(r);
    set_beat(b, "other", "-1");
    r = run(b, SCRIPT_KILL, "other", seen, "me", "entry");
    assert_int_equal(r->integer, 1);
    freeReplyObject(r);
    r = beat(b, generation);
    assert_string_not_equal(r->element[3]->str, generation);
    assert_int_equal(r->element[4]->elements, 0);
    assert_int_equal(r->element[5]->elements, 3); /* it is being reaped, by a living one */
    assert_int_equal(r->element[5]->element[2]->integer, 1);
    assert_int_equal(r->element[6]->elements, 1);
    freeReplyObject(r);
    r = run(b, SCRIPT_BEAT, "other", "1500", "", "");
    assert_string_equal(r->element[0]->str, "dead");
    freeReplyObject(r);
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    *state = b;
    if (b == NULL || !scripts_init(&b->scripts) || !redis_server_start(&b->server))
        return -1;
    b->redis = redis_server_connect(&b->server);
    return b->redis != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    redisFree(b->redis);
    redis_server_stop(&b->server);
    free(b);
    return 0;
}

int main(void)
{
#define IN_BENCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        IN_BENCH(a_beat_names_nodes_only_when_they_come_go_or_stand),
        IN_BENCH(only_who_still_stands_where_it_was_seen_is_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
