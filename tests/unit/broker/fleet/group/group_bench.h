/*
 * group_bench - the scripts of groups on a real redis-server: one group in one bucket, members at nodes "n1" and "n2".
 * For inclusion by one test program.
 *
 * A message is one letter and a number: its letter's code is a frame's first byte, so "A..." has QoS 1 and "B..." QoS 2.
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_FLEET_GROUP_GROUP_BENCH_H
#define FLOTILLA_TESTS_UNIT_BROKER_FLEET_GROUP_GROUP_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/fleet/wire/scripts.h"
#include "tests/unit/redis_server.h"

#define GROUP "$share/g/t"
#define BUCKET "fl:{g0}:"

enum { BENCH_ARGS = 400, BENCH_SOME = 64 };

struct bench {
    struct redis_server server;
    redisContext *redis;
    struct scripts scripts;
    unsigned calls;   /* of takes and appends */
    redisReply *last; /* freed with the next one */
};

/* A member and its connection. */
struct member {
    const char *client, *epoch, *node;
    bool durable;
};

static inline redisReply *bench_command(struct bench *b, const char *command)
{
    if (b->last != NULL)
        freeReplyObject(b->last);
    b->last = redisCommand(b->redis, command);
    assert_non_null(b->last);
    assert_int_not_equal(b->last->type, REDIS_REPLY_ERROR);
    return b->last;
}

/* With arguments that have no NUL. */
static inline redisReply *bench_call(struct bench *b, enum script id, const char **args,
                                     size_t count)
{
    const char *argv[BENCH_ARGS + 4] = {"EVALSHA", b->scripts.sha[id], "1", BUCKET};
    size_t lens[BENCH_ARGS + 4];
    assert_true(count <= BENCH_ARGS);
    memcpy(argv + 4, args, count * sizeof(*args));
    for (size_t i = 0; i < count + 4; i++)
        lens[i] = strlen(argv[i]);
    if (b->last != NULL)
        freeReplyObject(b->last);
    b->last = redisCommandArgv(b->redis, (int)count + 4, argv, lens);
    assert_non_null(b->last);
    if (b->last->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", scripts_name(&b->scripts, b->scripts.sha[id]), b->last->str);
    return b->last;
}
#define BENCH_CALL(b, id, ...)                                                                     \
    bench_call(b, id, (const char *[]){__VA_ARGS__},                                               \
               sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))

/* An integer, the number of elements, or -1 for nil. */
static inline long long bench_number(struct bench *b, const char *command)
{
    const redisReply *r = bench_command(b, command);
    if (r->type == REDIS_REPLY_INTEGER)
        return r->integer;
    if (r->type == REDIS_REPLY_STRING)
        return atoll(r->str);
    return r->type == REDIS_REPLY_ARRAY ? (long long)r->elements : -1;
}

static inline void bench_join(struct bench *b, const struct member *m)
{
    BENCH_CALL(b, SCRIPT_GROUP_JOIN, GROUP, m->client, m->epoch, m->node, m->durable ? "1" : "0",
               "0");
}

/* `stays` as in group_leave.lua. Its answer: nodes to be woken. */
static inline redisReply *bench_leave(struct bench *b, const struct member *m, const char *stays)
{
    return BENCH_CALL(b, SCRIPT_GROUP_LEAVE, GROUP, m->client, m->epoch, m->node, stays,
                      m->durable ? "1" : "0", "0", "30000");
}

/* So many messages with this letter; in partitions 0 to 3 in turn, or in none. */
static inline void bench_append(struct bench *b, char letter, unsigned count, bool partitions)
{
    static const char *const parts[] = {"0", "1", "2", "3"};
    char frames[BENCH_SOME][8];
    char call[16];
    for (unsigned done = 0; done < count;) {
        const char *args[BENCH_ARGS] = {"n9", call, "0", "0", "60000", "100", ""};
        size_t at = 7;
        snprintf(call, sizeof(call), "%u", ++b->calls);
        for (unsigned i = 0; i < BENCH_SOME && done < count; i++, done++) {
            snprintf(frames[i], sizeof(frames[i]), "%c%u", letter, done % 100000);
            args[at++] = GROUP;
            args[at++] = frames[i];
            args[at++] = "";
            args[at++] = "60000";
            args[at++] = partitions ? parts[done % 4] : "";
        }
        bench_call(b, SCRIPT_GROUP_APPEND, args, at);
    }
}

static inline void bench_note(const struct member *m, char qos, char *out, size_t size)
{
    if (m->durable)
        snprintf(out, size, "d%c %s %s %s", qos, m->epoch, m->node, m->client);
    else
        snprintf(out, size, "c%s %s %c %s", m->epoch, m->node, qos, m->client);
}

/* At QoS 2. Its answer: 1, more, number, entry, ... */
static inline redisReply *bench_take(struct bench *b, const struct member *m, const char *most,
                                     bool partitions)
{
    char call[16], before[64], behind[64];
    snprintf(call, sizeof(call), "%u", ++b->calls);
    if (m->durable) {
        snprintf(before, sizeof(before), "d");
        snprintf(behind, sizeof(behind), " %s %s %s", m->epoch, m->node, m->client);
    } else {
        snprintf(before, sizeof(before), "c%s %s ", m->epoch, m->node);
        snprintf(behind, sizeof(behind), " %s", m->client);
    }
    return BENCH_CALL(b, SCRIPT_GROUP_TAKE, GROUP, m->client, m->epoch, m->node, call, most, "2",
                      before, behind, partitions ? "1" : "0");
}

/* Takes until it has so many. */
static inline void bench_take_many(struct bench *b, const struct member *m, unsigned count)
{
    for (unsigned has = 0; has < count;) {
        char most[16];
        snprintf(most, sizeof(most), "%u", count - has < BENCH_SOME ? count - has : BENCH_SOME);
        const redisReply *r = bench_take(b, m, most, false);
        assert_true(r->elements > 2);
        has += (unsigned)(r->elements - 2) / 2;
    }
}

/* What became of one that it has taken: 'f', 'b' or 'd'. Its answer: how many ended, nodes to be woken. */
static inline redisReply *bench_done(struct bench *b, const struct member *m, const char *what,
                                     const char *number, char qos)
{
    char note[128];
    bench_note(m, qos, note, sizeof(note));
    return BENCH_CALL(b, SCRIPT_GROUP_DONE, GROUP, what, number, note);
}

static inline redisReply *bench_due(struct bench *b)
{
    return BENCH_CALL(b, SCRIPT_GROUP_DUE, "30000");
}

static inline redisReply *bench_reap(struct bench *b, const char *node)
{
    return BENCH_CALL(b, SCRIPT_GROUP_REAP, node, "30000");
}

/* One of an answer's elements is this text. */
static inline bool bench_has(const redisReply *r, const char *text)
{
    for (size_t i = 0; i < r->elements; i++)
        if (r->element[i]->type == REDIS_REPLY_STRING && strcmp(r->element[i]->str, text) == 0)
            return true;
    return false;
}

static inline int bench_set_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    *state = b;
    if (b == NULL || !scripts_init(&b->scripts) || !redis_server_start(&b->server))
        return -1;
    b->redis = redis_server_connect(&b->server);
    for (int i = 0; b->redis != NULL && i < SCRIPT_COUNT; i++)
        freeReplyObject(redisCommand(b->redis, "SCRIPT LOAD %b", b->scripts.text[i].text,
                                     b->scripts.text[i].len));
    return b->redis != NULL ? 0 : -1;
}

static inline int bench_tear_down(void **state)
{
    struct bench *b = *state;
    if (b->last != NULL)
        freeReplyObject(b->last);
    redisFree(b->redis);
    redis_server_stop(&b->server);
    free(b);
    return 0;
}

#define IN_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_set_up, bench_tear_down)

#endif
