/* hiredis, waiting for each answer. */
#include "broker/passwd/users_redis.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/auth/sources/user_store.h"
#include "broker/base/fleet_name.h"
#include "broker/fleet/wire/fleet_keys.h"
#include "common/redis/redis_url.h"

enum { TIMEOUT_S = 10, PREFIX_SIZE = FLEET_NAME_MAX + 16, MOST_ARGS = 8 };

struct users_redis {
    redisContext *context;
    char prefix[PREFIX_SIZE];
};

/* A number of changes that Redis lost begins anew, below what the log has: then the log does, too. */
static const char change[] =
    "local user = KEYS[1] .. 'user:' .. ARGV[1]\n"
    "local was = redis.call('EXISTS', user)\n"
    "if ARGV[2] ~= '' then redis.call('HSET', user, 'password', ARGV[2])\n"
    "elseif was == 1 then redis.call('DEL', user)\n"
    "else return 0 end\n"
    "local id = string.format('%.0f-0', redis.call('INCR', KEYS[1] .. 'ver'))\n"
    "local log = KEYS[1] .. 'log'\n"
    "local done = redis.pcall('XADD', log, 'MAXLEN', '~', 10000, id, 'u', ARGV[1])\n"
    "if type(done) == 'table' and done.err then\n"
    "    redis.call('DEL', log)\n"
    "    redis.call('XADD', log, id, 'u', ARGV[1])\n"
    "end\n"
    "return was\n";

static bool fail(const char *what, char *err, size_t errlen)
{
    (void)snprintf(err, errlen, "Redis: %s", what);
    return false;
}

/* ---- commands -------------------------------------------------------------------------------- */

struct command {
    int argc;
    const char *argv[MOST_ARGS];
    size_t lens[MOST_ARGS];
};

static void add(struct command *c, const char *text, size_t len)
{
    c->argv[c->argc] = text;
    c->lens[c->argc++] = len;
}

static void add_text(struct command *c, const char *text)
{
    add(c, text, strlen(text));
}

/* The caller frees it. NULL: err says why. */
static redisReply *ask(struct users_redis *u, struct command *c, char *err, size_t errlen)
{
    redisReply *r = redisCommandArgv(u->context, c->argc, c->argv, c->lens);
    if (r == NULL) {
        fail(u->context->errstr, err, errlen);
        return NULL;
    }
    if (r->type != REDIS_REPLY_ERROR)
        return r;
    fail(r->str, err, errlen);
    freeReplyObject(r);
    return NULL;
}

static bool tell(struct users_redis *u, struct command *c, char *err, size_t errlen)
{
    redisReply *r = ask(u, c, err, errlen);
    if (r != NULL)
        freeReplyObject(r);
    return r != NULL;
}

/* ---- opening --------------------------------------------------------------------------------- */

static bool greet(struct users_redis *u, const struct redis_url *url, char *err, size_t errlen)
{
    struct command auth = {0};
    struct command select = {0};
    char database[16];
    add_text(&auth, "AUTH");
    if (url->user[0] != '\0')
        add_text(&auth, url->user);
    add_text(&auth, url->password);
    if (url->password[0] != '\0' && !tell(u, &auth, err, errlen))
        return false;
    snprintf(database, sizeof(database), "%u", url->database);
    add_text(&select, "SELECT");
    add_text(&select, database);
    return url->database == 0 || tell(u, &select, err, errlen);
}

static bool dial(struct users_redis *u, const struct redis_url *url, char *err, size_t errlen)
{
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    u->context = url->path[0] != '\0' ? redisConnectUnixWithTimeout(url->path, timeout)
                                      : redisConnectWithTimeout(url->host, url->port, timeout);
    if (u->context == NULL)
        return fail("out of memory", err, errlen);
    if (u->context->err != 0)
        return fail(u->context->errstr, err, errlen);
    return redisSetTimeout(u->context, timeout) == REDIS_OK ||
           fail(u->context->errstr, err, errlen);
}

struct users_redis *users_redis_open(const struct users_redis_place *place, char *err,
                                     size_t errlen)
{
    struct redis_url url;
    struct fleet_keys keys;
    const char *wrong = redis_url_parse(place->url, &url);
    if (wrong == NULL && url.tls)
        wrong = "a Redis without TLS (rediss:// isn't spoken here; use a local tunnel, such as "
                "stunnel)";
    if (wrong == NULL && place->fleet != NULL)
        wrong = fleet_name_check(place->fleet);
    if (wrong != NULL) {
        (void)snprintf(err, errlen, "--redis, --fleet: %s", wrong);
        return NULL;
    }
    if (place->password_file != NULL &&
        !redis_url_read_password(&url, place->password_file, err, errlen))
        return NULL;
    struct users_redis *u = calloc(1, sizeof(*u));
    if (u == NULL) {
        fail("out of memory", err, errlen);
        return NULL;
    }
    fleet_keys_init(&keys, place->fleet);
    snprintf(u->prefix, sizeof(u->prefix), "%s{u}:", keys.base);
    bool ok = dial(u, &url, err, errlen) && greet(u, &url, err, errlen);
    explicit_bzero(&url, sizeof(url));
    if (ok)
        return u;
    users_redis_close(u);
    return NULL;
}

void users_redis_close(struct users_redis *u)
{
    if (u == NULL)
        return;
    if (u->context != NULL)
        redisFree(u->context);
    free(u);
}

/* ---- users ----------------------------------------------------------------------------------- */

bool users_redis_put(struct users_redis *u, struct mqtt_slice name, const char *hash,
                     bool *was_there, char *err, size_t errlen)
{
    struct command c = {0};
    add_text(&c, "EVAL");
    add_text(&c, change);
    add_text(&c, "1");
    add_text(&c, u->prefix);
    add(&c, (const char *)name.data, name.len);
    add_text(&c, hash);
    redisReply *r = ask(u, &c, err, errlen);
    if (r == NULL)
        return false;
    *was_there = r->type == REDIS_REPLY_INTEGER && r->integer == 1;
    freeReplyObject(r);
    return true;
}

bool users_redis_remove(struct users_redis *u, struct mqtt_slice name, bool *was_there, char *err,
                        size_t errlen)
{
    return users_redis_put(u, name, "", was_there, err, errlen);
}

bool users_redis_get(struct users_redis *u, struct mqtt_slice name, char *hash, size_t size,
                     char *err, size_t errlen)
{
    char key[PREFIX_SIZE + 8 + USER_NAME_MAX_BYTES];
    if (name.len > USER_NAME_MAX_BYTES)
        return fail("expected a user name of at most 256 bytes", err, errlen);
    int len = snprintf(key, sizeof(key), "%suser:%.*s", u->prefix, (int)name.len,
                       (const char *)name.data);
    struct command c = {0};
    add_text(&c, "HGET");
    add(&c, key, len > 0 ? (size_t)len : 0);
    add_text(&c, "password");
    redisReply *r = ask(u, &c, err, errlen);
    if (r == NULL)
        return false;
    bool fits = r->type != REDIS_REPLY_STRING || r->len < size;
    snprintf(hash, size, "%s", fits && r->type == REDIS_REPLY_STRING ? r->str : "");
    freeReplyObject(r);
    return fits || fail("the user's hash is too long", err, errlen);
}

/* One step of SCAN; false when it failed. `cursor` becomes "0" at the end. */
static bool scan(struct users_redis *u, char cursor[32], redisReply **keys, char *err,
                 size_t errlen)
{
    char pattern[2 * PREFIX_SIZE];
    struct command c = {0};
    snprintf(pattern, sizeof(pattern), "%suser:*", u->prefix);
    add_text(&c, "SCAN");
    add_text(&c, cursor);
    add_text(&c, "MATCH");
    add_text(&c, pattern);
    add_text(&c, "COUNT");
    add_text(&c, "1000");
    *keys = ask(u, &c, err, errlen);
    if (*keys == NULL)
        return false;
    if ((*keys)->type == REDIS_REPLY_ARRAY && (*keys)->elements == 2 &&
        (*keys)->element[0]->type == REDIS_REPLY_STRING &&
        (*keys)->element[1]->type == REDIS_REPLY_ARRAY) {
        snprintf(cursor, 32, "%s", (*keys)->element[0]->str);
        return true;
    }
    freeReplyObject(*keys);
    return fail("an answer to SCAN that isn't one", err, errlen);
}

bool users_redis_each(struct users_redis *u, void (*each)(void *arg, struct mqtt_slice name),
                      void *arg, char *err, size_t errlen)
{
    char cursor[32] = "0";
    size_t skip = strlen(u->prefix) + strlen("user:");
    do {
        redisReply *r;
        if (!scan(u, cursor, &r, err, errlen))
            return false;
        for (size_t i = 0; i < r->element[1]->elements; i++) {
            const redisReply *key = r->element[1]->element[i];
            if (key->type == REDIS_REPLY_STRING && key->len > skip)
                each(arg, mqtt_slice_of(key->str + skip, key->len - skip));
        }
        freeReplyObject(r);
    } while (strcmp(cursor, "0") != 0);
    return true;
}
