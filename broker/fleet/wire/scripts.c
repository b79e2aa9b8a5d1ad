/* Finds each script among those built in, and its SHA-1, by which Redis knows it. */
#include "broker/fleet/wire/scripts.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    [SCRIPT_ACK] = "ack",
    [SCRIPT_APPEND] = "append",
    [SCRIPT_ARM] = "arm",
    [SCRIPT_ASSERT] = "assert",
    [SCRIPT_ASSERT_PART] = "assert_part",
    [SCRIPT_BEAT] = "beat",
    [SCRIPT_CLAIM] = "claim",
    [SCRIPT_CUT] = "cut",
    [SCRIPT_DISCONNECT] = "disconnect",
    [SCRIPT_DUE] = "due",
    [SCRIPT_END_LOGGED] = "end_logged",
    [SCRIPT_EXPIRE] = "expire",
    [SCRIPT_FETCH] = "fetch",
    [SCRIPT_GROUP_APPEND] = "group_append",
    [SCRIPT_GROUP_COPY] = "group_copy",
    [SCRIPT_GROUP_DONE] = "group_done",
    [SCRIPT_GROUP_DUE] = "group_due",
    [SCRIPT_GROUP_INDEX] = "group_index",
    [SCRIPT_GROUP_JOIN] = "group_join",
    [SCRIPT_GROUP_LEAVE] = "group_leave",
    [SCRIPT_GROUP_REAP] = "group_reap",
    [SCRIPT_GROUP_RETURN] = "group_return",
    [SCRIPT_GROUP_TAKE] = "group_take",
    [SCRIPT_HANDED_OVER] = "handed_over",
    [SCRIPT_JOIN] = "join",
    [SCRIPT_KILL] = "kill",
    [SCRIPT_LOAD] = "load",
    [SCRIPT_QOS2] = "qos2",
    [SCRIPT_QOS2_END] = "qos2_end",
    [SCRIPT_QUEUE] = "queue",
    [SCRIPT_REAP] = "reap",
    [SCRIPT_REAP_CLAIM] = "reap_claim",
    [SCRIPT_REGISTER] = "register",
    [SCRIPT_RETAIN] = "retain",
    [SCRIPT_ROOM] = "room",
    [SCRIPT_SEIZE] = "seize",
    [SCRIPT_SEND] = "send",
    [SCRIPT_SESSION] = "session",
    [SCRIPT_SUBSCRIBE] = "subscribe",
    [SCRIPT_TOTALS] = "totals",
    [SCRIPT_UNSUBSCRIBE] = "unsubscribe",
    [SCRIPT_USAGE] = "usage",
    [SCRIPT_VALUES] = "values",
    [SCRIPT_WILL_CLEAR] = "will_clear",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == SCRIPT_COUNT, "a script without a name");

static const struct script_source *find(const char *name)
{
    for (size_t i = 0; i < script_source_count; i++)
        if (strcmp(script_sources[i].name, name) == 0)
            return &script_sources[i];
    return NULL;
}

static bool digest(const struct redis_script *script, char out[41])
{
    unsigned char sha[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_Digest(script->text, script->len, sha, &len, EVP_sha1(), NULL) != 1 || len != 20)
        return false;
    for (unsigned i = 0; i < len; i++)
        snprintf(out + 2 * i, 3, "%02x", sha[i]);
    return true;
}

bool scripts_init(struct scripts *s)
{
    for (size_t i = 0; i < SCRIPT_COUNT; i++) {
        const struct script_source *source = find(names[i]);
        if (source == NULL)
            return false;
        s->text[i] = (struct redis_script){.text = source->text, .len = source->len};
        if (!digest(&s->text[i], s->sha[i]))
            return false;
    }
    return true;
}

/* From 1; NULL: there is none. */
static char *find_arg(struct redis_args args, size_t number, size_t *len)
{
    enum { BEFORE = 4 }; /* EVALSHA, the digest, 1, the key */
    char *arg = NULL;
    for (size_t i = 0; i < BEFORE + number; i++)
        arg = redis_args_next(&args, len);
    return arg;
}

void scripts_end_arg(struct redis_args args, size_t number, const char *text)
{
    size_t end = strlen(text);
    size_t len = 0;
    char *arg = find_arg(args, number, &len);
    if (arg != NULL && len >= end)
        memcpy(arg + len - end, text, end);
}

void scripts_fill_arg(struct redis_args args, size_t number, char with)
{
    size_t len = 0;
    char *arg = find_arg(args, number, &len);
    if (arg != NULL)
        memset(arg, with, len);
}

void scripts_clear_done(struct redis_args args, size_t number, const struct fleet_chain *chain)
{
    size_t len = 0;
    char *arg = find_arg(args, number, &len);
    if (arg != NULL && fleet_chain_has_done(chain, strtoull(arg, NULL, 10)))
        memset(arg, '0', len);
}

const char *scripts_name(const struct scripts *s, const char *sha)
{
    for (size_t i = 0; i < SCRIPT_COUNT; i++)
        if (memcmp(s->sha[i], sha, 40) == 0)
            return names[i];
    return NULL;
}

void scripts_begin(const struct scripts *s, struct redis_queue *q, enum script id, const char *key,
                   size_t args)
{
    redis_queue_begin(q, 4 + args);
    redis_queue_arg(q, "EVALSHA", 7);
    redis_queue_arg(q, s->sha[id], 40);
    redis_queue_arg(q, "1", 1);
    redis_queue_str(q, key);
}
