/*
 * scripts - the Lua scripts of broker/fleet/scripts/, built into the program.
 *
 * Every script has one key: the prefix of its bucket (or of the fleet), to which it appends the
 * names it touches; they all have one slot. Each says in its first lines what it takes and returns.
 */
#ifndef FLOTILLA_BROKER_FLEET_WIRE_SCRIPTS_H
#define FLOTILLA_BROKER_FLEET_WIRE_SCRIPTS_H

#include "broker/fleet/wire/fleet_chain.h"
#include "common/redis/redis_link.h"

enum script {
    SCRIPT_ACK,
    SCRIPT_APPEND,
    SCRIPT_ARM,
    SCRIPT_ASSERT,
    SCRIPT_ASSERT_PART,
    SCRIPT_BEAT,
    SCRIPT_CLAIM,
    SCRIPT_CUT,
    SCRIPT_DISCONNECT,
    SCRIPT_DUE,
    SCRIPT_END_LOGGED,
    SCRIPT_EXPIRE,
    SCRIPT_FETCH,
    SCRIPT_GROUP_APPEND,
    SCRIPT_GROUP_COPY,
    SCRIPT_GROUP_DONE,
    SCRIPT_GROUP_DUE,
    SCRIPT_GROUP_INDEX,
    SCRIPT_GROUP_JOIN,
    SCRIPT_GROUP_LEAVE,
    SCRIPT_GROUP_REAP,
    SCRIPT_GROUP_RETURN,
    SCRIPT_GROUP_TAKE,
    SCRIPT_HANDED_OVER,
    SCRIPT_JOIN,
    SCRIPT_KILL,
    SCRIPT_LOAD,
    SCRIPT_QOS2,
    SCRIPT_QOS2_END,
    SCRIPT_QUEUE,
    SCRIPT_REAP,
    SCRIPT_REAP_CLAIM,
    SCRIPT_REGISTER,
    SCRIPT_RETAIN,
    SCRIPT_ROOM,
    SCRIPT_SEIZE,
    SCRIPT_SEND,
    SCRIPT_SESSION,
    SCRIPT_SUBSCRIBE,
    SCRIPT_TOTALS,
    SCRIPT_UNSUBSCRIBE,
    SCRIPT_USAGE,
    SCRIPT_VALUES,
    SCRIPT_WILL_CLEAR,
    SCRIPT_COUNT
};

struct scripts {
    struct redis_script text[SCRIPT_COUNT];
    char sha[SCRIPT_COUNT][41];
};

/* False when a script isn't in the program, or its digest can't be made. */
bool scripts_init(struct scripts *s);
/* Begins a call with `args` arguments beside the key; the arguments and redis_queue_end follow. */
void scripts_begin(const struct scripts *s, struct redis_queue *q, enum script id, const char *key,
                   size_t args);

/* In a call as it stands in the queue: the last characters of its argument `number` (from 1) become
 * this text. */
void scripts_end_arg(struct redis_args args, size_t number, const char *text);

/* In the same way: each of its characters becomes this one. */
void scripts_fill_arg(struct redis_args args, size_t number, char with);
/* In the same way: the argument, a number that the call names of this chain, becomes 0 if that one was done. */
void scripts_clear_done(struct redis_args args, size_t number, const struct fleet_chain *chain);

/* The name of the script with this digest (40 characters), or NULL. */
const char *scripts_name(const struct scripts *s, const char *sha);

/* Generated from the files at build time. */
struct script_source {
    const char *name;
    const char *text;
    size_t len;
};
extern const struct script_source script_sources[];
extern const size_t script_source_count;

#endif
