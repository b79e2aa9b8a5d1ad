/*
 * The pipeline that opens a connection: a redis_queue of its own, whose functions note what the
 * server says about itself. redis_link.c writes it and hands in the replies.
 */
#include "common/redis/redis_greeting.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/redis/redis_url.h"

static void must_be_ok(void *arg, const redisReply *reply)
{
    struct redis_greeting *g = arg;
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
        g->refused = true;
}

/* Copies the value of a line `key:value\r\n` of INFO. */
static void info_value(const char *text, const char *key, char *out, size_t size)
{
    size_t key_len = strlen(key);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, key, key_len) == 0 && line[key_len] == ':') {
            size_t len = strcspn(line + key_len + 1, "\r\n");
            if (len >= size)
                len = size - 1;
            memcpy(out, line + key_len + 1, len);
            out[len] = '\0';
            return;
        }
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
}

static void on_info(void *arg, const redisReply *reply)
{
    struct redis_greeting *g = arg;
    char number[24] = "";
    if (reply == NULL || reply->type != REDIS_REPLY_STRING) {
        g->refused = true;
        return;
    }
    info_value(reply->str, "run_id", g->info.run_id, sizeof(g->info.run_id));
    info_value(reply->str, "redis_version", g->info.version, sizeof(g->info.version));
    info_value(reply->str, "maxmemory_policy", g->info.maxmemory_policy,
               sizeof(g->info.maxmemory_policy));
    info_value(reply->str, "maxmemory", number, sizeof(number));
    if (number[0] != '\0')
        g->info.maxmemory = strtoull(number, NULL, 10);
    g->info.major = (unsigned)strtoul(g->info.version, NULL, 10);
}

/* CLIENT REPLY changes nothing yet; whether it is allowed is the question. */
static void on_reply_on(void *arg, const redisReply *reply)
{
    struct redis_greeting *g = arg;
    g->info.may_skip_replies = reply != NULL && reply->type == REDIS_REPLY_STATUS;
}

static void on_connection_id(void *arg, const redisReply *reply)
{
    struct redis_greeting *g = arg;
    if (reply != NULL && reply->type == REDIS_REPLY_INTEGER)
        g->info.connection = (uint64_t)reply->integer;
}

static void say_hello(struct redis_greeting *g, const struct redis_url *url, const char *name)
{
    struct redis_queue *q = &g->out;
    if (url->password[0] != '\0') {
        redis_queue_begin(q, url->user[0] != '\0' ? 3 : 2);
        redis_queue_str(q, "AUTH");
        if (url->user[0] != '\0')
            redis_queue_str(q, url->user);
        redis_queue_str(q, url->password);
        redis_queue_end(q, REDIS_REPLAY, must_be_ok, g);
    }
    if (url->database != 0) {
        redis_queue_begin(q, 2);
        redis_queue_str(q, "SELECT");
        redis_queue_u64(q, url->database);
        redis_queue_end(q, REDIS_REPLAY, must_be_ok, g);
    }
    redis_queue_begin(q, 3);
    redis_queue_str(q, "CLIENT");
    redis_queue_str(q, "SETNAME");
    redis_queue_arg2(q, "flotilla-", 9, name, strlen(name));
    redis_queue_end(q, REDIS_REPLAY, NULL, NULL);
    redis_queue_begin(q, 3);
    redis_queue_str(q, "CLIENT");
    redis_queue_str(q, "REPLY");
    redis_queue_str(q, "ON");
    redis_queue_end(q, REDIS_REPLAY, on_reply_on, g);
    redis_queue_begin(q, 2);
    redis_queue_str(q, "CLIENT");
    redis_queue_str(q, "ID");
    redis_queue_end(q, REDIS_REPLAY, on_connection_id, g);
}

static void ask_info(struct redis_greeting *g, const char *section)
{
    redis_queue_begin(&g->out, 2);
    redis_queue_str(&g->out, "INFO");
    redis_queue_str(&g->out, section);
    redis_queue_end(&g->out, REDIS_REPLAY, on_info, g);
}

bool redis_greeting_begin(struct redis_greeting *g, const struct redis_url *url, const char *name,
                          const struct redis_script *scripts, size_t script_count)
{
    size_t expected = 5 + script_count;
    expected += url->password[0] != '\0' ? 1 : 0;
    expected += url->database != 0 ? 1 : 0;
    memset(&g->info, 0, sizeof(g->info));
    g->refused = false;
    say_hello(g, url, name);
    ask_info(g, "server");
    ask_info(g, "memory");
    for (size_t i = 0; i < script_count; i++) {
        redis_queue_begin(&g->out, 3);
        redis_queue_str(&g->out, "SCRIPT");
        redis_queue_str(&g->out, "LOAD");
        redis_queue_arg(&g->out, scripts[i].text, scripts[i].len);
        redis_queue_end(&g->out, REDIS_REPLAY, must_be_ok, g);
    }
    return g->out.count == expected;
}

void redis_greeting_end(struct redis_greeting *g)
{
    redis_queue_reset(&g->out);
    redis_queue_fini(&g->out);
}

const char *redis_greeting_unwritten(const struct redis_greeting *g, size_t *len)
{
    return redis_queue_unwritten(&g->out, len);
}

void redis_greeting_wrote(struct redis_greeting *g, size_t len)
{
    redis_queue_wrote(&g->out, len);
}

enum redis_greeting_result redis_greeting_reply(struct redis_greeting *g, const redisReply *reply)
{
    if (!redis_queue_answer(&g->out, reply) || g->refused)
        return REDIS_GREETING_REFUSED;
    return g->out.count == 0 ? REDIS_GREETING_DONE : REDIS_GREETING_MORE;
}
