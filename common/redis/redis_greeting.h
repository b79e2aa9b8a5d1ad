/*
 * redis_greeting - the first commands on a new connection to Redis, and what their answers say.
 *
 * AUTH and SELECT as the URL says, CLIENT SETNAME and ID, INFO, then SCRIPT LOAD of every script,
 * all in one pipeline. The commands that the link's owner adds take the same way. Belongs to
 * redis_link; does no I/O.
 */
#ifndef FLOTILLA_COMMON_REDIS_REDIS_GREETING_H
#define FLOTILLA_COMMON_REDIS_REDIS_GREETING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/redis/redis_queue.h"

struct redis_url;

/* What the server said about itself when it was greeted. */
struct redis_server_info {
    char run_id[48];
    char version[24];
    unsigned major;
    uint64_t maxmemory;
    char maxmemory_policy[32];
    bool may_skip_replies; /* CLIENT REPLY is allowed to this user */
    uint64_t connection;   /* the server's id of this connection; 0: it doesn't say */
};

struct redis_script {
    const char *text;
    size_t len;
};

enum redis_greeting_result { REDIS_GREETING_MORE, REDIS_GREETING_DONE, REDIS_GREETING_REFUSED };

struct redis_greeting {
    struct redis_queue out;
    struct redis_server_info info;
    bool refused;
};

bool redis_greeting_begin(struct redis_greeting *g, const struct redis_url *url, const char *name,
                          const struct redis_script *scripts, size_t script_count);
void redis_greeting_end(struct redis_greeting *g);
const char *redis_greeting_unwritten(const struct redis_greeting *g, size_t *len);
void redis_greeting_wrote(struct redis_greeting *g, size_t len);
enum redis_greeting_result redis_greeting_reply(struct redis_greeting *g,
                                                const struct redisReply *reply);

#endif
