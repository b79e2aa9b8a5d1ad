/*
 * redis_verdict - what a reply says about the connection that it came on.
 *
 * Data flow: redis_link asks before it hands a reply to the command that it answers.
 * The rule:  an error that means "not now" is no answer: NOSCRIPT, LOADING, READONLY, BUSY,
 *            MASTERDOWN, MISCONF, NOREPLICAS, NOAUTH, UNKILLABLE; and NOPERM for CLIENT REPLY SKIP,
 *            after which answers and commands don't match any more. The command is written again on
 *            another connection. Any other error is the answer to its command.
 */
#ifndef FLOTILLA_COMMON_REDIS_REDIS_VERDICT_H
#define FLOTILLA_COMMON_REDIS_REDIS_VERDICT_H

#include <stdbool.h>

struct redisReply;

enum redis_verdict {
    REDIS_VERDICT_ANSWER,  /* to the oldest command */
    REDIS_VERDICT_MESSAGE, /* of a channel: answers no command */
    REDIS_VERDICT_SCRIPTS, /* they are missing; a new connection loads them */
    REDIS_VERDICT_LATER,   /* a new connection is of use after a while */
};

/* `pubsub`: messages of channels may come. `may_skip`: CLIENT REPLY SKIP is in use. */
enum redis_verdict redis_verdict_of(const struct redisReply *r, bool pubsub, bool may_skip);

#endif
