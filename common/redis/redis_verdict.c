/*
 * Goes by the first word of an error, as Redis' clients do.
 */
#include "common/redis/redis_verdict.h"

#include <hiredis/hiredis.h>
#include <stddef.h>
#include <string.h>

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static enum redis_verdict verdict_of_error(const char *text, bool may_skip)
{
    /* BUSYGROUP and BUSYKEY are answers, so BUSY is a whole word. */
    static const char *const later[] = {"LOADING", "READONLY", "BUSY ",      "MASTERDOWN",
                                        "MISCONF", "NOAUTH",   "NOREPLICAS", "UNKILLABLE"};
    if (begins_with(text, "NOSCRIPT"))
        return REDIS_VERDICT_SCRIPTS;
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
        if (begins_with(text, later[i]))
            return REDIS_VERDICT_LATER;
    if (may_skip && begins_with(text, "NOPERM") && strstr(text, "'client") != NULL)
        return REDIS_VERDICT_LATER;
    return REDIS_VERDICT_ANSWER;
}

static bool is_message(const redisReply *r)
{
    return r->type == REDIS_REPLY_ARRAY && r->elements == 3 &&
           r->element[0]->type == REDIS_REPLY_STRING && strcmp(r->element[0]->str, "message") == 0;
}

enum redis_verdict redis_verdict_of(const redisReply *r, bool pubsub, bool may_skip)
{
    if (r->type == REDIS_REPLY_ERROR)
        return verdict_of_error(r->str, may_skip);
    return pubsub && is_message(r) ? REDIS_VERDICT_MESSAGE : REDIS_VERDICT_ANSWER;
}
