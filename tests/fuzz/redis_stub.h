/*
 * redis_stub - a Redis inside the fuzz target: stands in for redis_socket.c and redis_dial.c, so that the links' bytes
 * go to redis_model.lua and its answers come back. To be included by one file of a target.
 *
 * What goes wrong, the target says: `holds` (commands are done, answers wait), `away` (nobody listens), `refuses` (so
 * many commands that have scripts find Redis full), redis_stub_lose (connections break off), redis_stub_start_anew (all
 * data is lost).
 */
#ifndef FLOTILLA_TESTS_FUZZ_REDIS_STUB_H
#define FLOTILLA_TESTS_FUZZ_REDIS_STUB_H

#include <hiredis/hiredis.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "broker/fleet/wire/scripts.h"
#include "common/base/clock.h"
#include "common/base/timebox.h"
#include "common/redis/redis_dial.h"
#include "common/redis/redis_queue.h"
#include "common/redis/redis_socket.h"

enum { STUB_CONNECTIONS = 16, STUB_FD = 1 << 20 };

/* One end of a link: what Redis has answered and is to answer. */
struct stub_connection {
    struct redis_socket *socket; /* NULL: free */
    char *out;                   /* answers that weren't read */
    size_t len, size;
    char *asks; /* XREAD that waits */
    size_t asks_len;
    uint64_t asks_until_ms;
    bool lost, subscribes;
};

static struct redis_stub {
    lua_State *lua;
    struct stub_connection connections[STUB_CONNECTIONS];
    bool holds, away;
    unsigned refuses, runs;
} redis_stub;

static void stub_must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "redis_stub: %s\n", what);
    abort();
}

/* ---- the model ------------------------------------------------------------------------------- */

static void stub_call(const char *name, int args, int results)
{
    lua_State *lua = redis_stub.lua;
    lua_getglobal(lua, "model");
    lua_getfield(lua, -1, name);
    lua_remove(lua, -2);
    lua_insert(lua, -1 - args);
    if (lua_pcall(lua, args, results, 0) != 0)
        stub_must(false, lua_tostring(lua, -1));
}

static void stub_set_text(const char *name, const char *text)
{
    lua_getglobal(redis_stub.lua, "model");
    lua_pushstring(redis_stub.lua, text);
    lua_setfield(redis_stub.lua, -2, name);
    lua_pop(redis_stub.lua, 1);
}

static void stub_set_now(void)
{
    lua_getglobal(redis_stub.lua, "model");
    lua_pushnumber(redis_stub.lua, (lua_Number)clock_realtime_ms());
    lua_setfield(redis_stub.lua, -2, "now");
    lua_pop(redis_stub.lua, 1);
}

static const char *stub_run_id(void)
{
    static char id[48];
    snprintf(id, sizeof(id), "%08xabcdef00abcdef00abcdef00abcdef00", redis_stub.runs);
    return id;
}

/* Memory of its own, which libFuzzer doesn't count: it would look for leaks after each input. Blocks are powers of two,
 * and are used again. */
static void *stub_memory(void *arg, void *p, size_t old_size, size_t size)
{
    enum { ARENA = 256 << 20, SMALLEST = 5 };
    static uint8_t *at;
    static size_t left = ARENA;
    static void *spare[32];
    unsigned old_kind = SMALLEST;
    unsigned kind = SMALLEST;
    (void)arg;
    if (at == NULL)
        at = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    while ((1u << old_kind) < old_size)
        old_kind++;
    while ((1u << kind) < size)
        kind++;
    if (p != NULL && size > 0 && old_kind == kind)
        return p;
    void *new = NULL;
    if (size > 0 && (new = spare[kind]) != NULL) {
        memcpy(&spare[kind], new, sizeof(void *));
    } else if (size > 0) {
        stub_must(left >= 1u << kind, "the model needs too much memory");
        new = at;
        at += 1u << kind;
        left -= 1u << kind;
    }
    if (p != NULL && size > 0)
        memcpy(new, p, old_size < size ? old_size : size);
    if (p != NULL) {
        memcpy(p, &spare[old_kind], sizeof(void *));
        spare[old_kind] = p;
    }
    return new;
}

static void stub_open_model(void)
{
    static struct scripts scripts;
    lua_State *lua = redis_stub.lua = lua_newstate(stub_memory, NULL);
    stub_must(lua != NULL && scripts_init(&scripts), "out of memory");
    luaL_openlibs(lua);
    if (luaL_dofile(lua, REDIS_MODEL))
        stub_must(false, lua_tostring(lua, -1));
    lua_setglobal(lua, "model");
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        lua_pushstring(lua, scripts.sha[i]);
        lua_pushlstring(lua, scripts.text[i].text, scripts.text[i].len);
        lua_pushboolean(lua, i == SCRIPT_LOAD || i == SCRIPT_DUE || i == SCRIPT_EXPIRE);
        stub_call("add_script", 3, 0);
    }
}

static inline void redis_stub_start_anew(void)
{
    redis_stub.runs++;
    stub_call("reset", 0, 0);
    stub_set_text("run_id", stub_run_id());
}

/* As it is for each input. */
static inline void redis_stub_begin(void)
{
    if (redis_stub.lua == NULL)
        stub_open_model();
    for (int i = 0; i < STUB_CONNECTIONS; i++)
        stub_must(redis_stub.connections[i].socket == NULL, "a link wasn't closed");
    redis_stub.holds = redis_stub.away = false;
    redis_stub.refuses = redis_stub.runs = 0;
    redis_stub_start_anew();
}

/* ---- connections ----------------------------------------------------------------------------- */

static struct stub_connection *stub_of(const struct redis_socket *s)
{
    for (int i = 0; i < STUB_CONNECTIONS; i++)
        if (redis_stub.connections[i].socket == s)
            return &redis_stub.connections[i];
    stub_must(false, "too many connections, or an unknown one");
    return NULL;
}

static inline void redis_stub_lose(void)
{
    for (int i = 0; i < STUB_CONNECTIONS; i++)
        redis_stub.connections[i].lost = true;
}

static void stub_answer(struct stub_connection *c, const char *text, size_t len)
{
    if (c->len + len > c->size) {
        c->size = (c->len + len) * 2;
        c->out = realloc(c->out, c->size);
        stub_must(c->out != NULL, "out of memory");
    }
    memcpy(c->out + c->len, text, len);
    c->len += len;
}

/* Pushes a list of the arguments; the first one is left in `name`. */
static void stub_push_command(struct redis_args args, const char **name)
{
    lua_State *lua = redis_stub.lua;
    size_t len;
    int count = 0;
    lua_newtable(lua);
    for (const char *word; (word = redis_args_next(&args, &len)) != NULL;) {
        lua_pushlstring(lua, word, len);
        if (count == 0)
            *name = lua_tostring(lua, -1);
        lua_rawseti(lua, -2, ++count);
    }
}

static void stub_keep_waiting(struct stub_connection *c, const char *at, size_t len)
{
    enum { BLOCK_MS = 1000 };
    if (c->asks != NULL)
        return;
    c->asks = malloc(len);
    stub_must(c->asks != NULL, "out of memory");
    memcpy(c->asks, at, len);
    c->asks_len = len;
    c->asks_until_ms = clock_monotonic_ms() + BLOCK_MS;
}

/* False: it waits. */
static bool stub_do(struct stub_connection *c, char *at, size_t len)
{
    static const char full[] = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    lua_State *lua = redis_stub.lua;
    const char *name = "";
    size_t answer_len;
    stub_push_command((struct redis_args){.at = memchr(at, '$', len), .end = at + len}, &name);
    if (redis_stub.refuses > 0 && strcmp(name, "EVALSHA") == 0) {
        redis_stub.refuses--;
        lua_pop(lua, 1);
        stub_answer(c, full, sizeof(full) - 1);
        return true;
    }
    c->subscribes |= strcmp(name, "SUBSCRIBE") == 0;
    stub_call("run", 1, 2);
    const char *answer = lua_tolstring(lua, -2, &answer_len);
    stub_must(!lua_toboolean(lua, -1), answer); /* a hole of the model, or an error in a script */
    if (answer != NULL)
        stub_answer(c, answer, answer_len);
    lua_pop(lua, 2);
    return answer != NULL;
}

/* How long a command is that begins here. */
static size_t stub_command_len(const char *at, size_t len)
{
    const char *end = at + len;
    char *p;
    long count = strtol(at + 1, &p, 10);
    stub_must(*at == '*', "a command was expected");
    for (p += 2; count > 0 && p < end; count--) {
        size_t n = strtoul(p + 1, &p, 10);
        p += 2 + n + 2;
    }
    stub_must(p <= end, "a command was written in part");
    return (size_t)(p - at);
}

static void stub_go_on_waiting(struct stub_connection *c)
{
    static const char nil[] = "*-1\r\n";
    if (c->asks == NULL)
        return;
    if (!stub_do(c, c->asks, c->asks_len)) {
        if (clock_monotonic_ms() < c->asks_until_ms)
            return;
        stub_answer(c, nil, sizeof(nil) - 1);
    }
    free(c->asks);
    c->asks = NULL;
}

static void stub_take_messages(struct stub_connection *c)
{
    size_t len;
    stub_call("messages", 0, 1);
    for (int i = 1;; i++) {
        lua_rawgeti(redis_stub.lua, -1, i);
        if (lua_isnil(redis_stub.lua, -1))
            break;
        stub_call("encode", 1, 1);
        const char *text = lua_tolstring(redis_stub.lua, -1, &len);
        stub_answer(c, text, len);
        lua_pop(redis_stub.lua, 1);
    }
    lua_pop(redis_stub.lua, 2);
}

/* ---- redis_socket ---------------------------------------------------------------------------- */

bool redis_socket_open(struct redis_socket *s, struct event_base *base, int fd)
{
    (void)base;
    s->fd = fd;
    s->reader = redisReaderCreate();
    *stub_of(NULL) = (struct stub_connection){.socket = s};
    s->write_blocked = false;
    return s->reader != NULL;
}

/* The target's URL is plain. */
bool redis_socket_secure(struct redis_socket *s, const struct tls_client *client, const char *host)
{
    (void)s, (void)client, (void)host;
    return false;
}

enum redis_socket_handshake redis_socket_shake_hands(struct redis_socket *s, char *why, size_t size)
{
    (void)s, (void)why, (void)size;
    return REDIS_SOCKET_SECURED;
}

void redis_socket_close(struct redis_socket *s)
{
    if (s->fd >= 0) {
        struct stub_connection *c = stub_of(s);
        free(c->out);
        free(c->asks);
        *c = (struct stub_connection){0};
    }
    s->fd = -1;
    if (s->reader != NULL)
        redisReaderFree(s->reader);
    s->reader = NULL;
    s->ready_to_read = s->write_blocked = s->unfinished = false;
}

int redis_socket_error(const struct redis_socket *s)
{
    (void)s;
    return 0;
}

bool redis_socket_listen(struct redis_socket *s, bool listen)
{
    s->ready_to_read = listen;
    return true;
}

bool redis_socket_is_closed_by_peer(const struct redis_socket *s)
{
    return stub_of(s)->lost;
}

struct redisReply *redis_socket_keep(struct redis_socket *s)
{
    struct redisReply *reply = s->current;
    s->current = NULL;
    return reply;
}

static enum redis_socket_read stub_take_replies(struct redis_socket *s, struct timebox *box,
                                                redis_socket_take_fn *take, void *arg,
                                                const char **why)
{
    enum { REPLY_US = TIMEBOX_LOOK_US / 4 };
    for (bool over = false;; over = box != NULL && timebox_spend(box, REPLY_US)) {
        void *reply = NULL;
        if (over || s->paused) {
            s->unfinished = true;
            return REDIS_SOCKET_LEFT;
        }
        if (redisReaderGetReply(s->reader, &reply) != REDIS_OK) {
            *why = s->reader->errstr;
            return REDIS_SOCKET_BROKEN;
        }
        if (reply == NULL)
            return REDIS_SOCKET_DRAINED;
        s->current = reply;
        bool goes_on = take(arg, reply);
        freeReplyObject(s->current);
        s->current = NULL;
        if (!goes_on)
            return REDIS_SOCKET_STOPPED;
    }
}

enum redis_socket_read redis_socket_read(struct redis_socket *s, struct timebox *box,
                                         redis_socket_take_fn *take, void *arg, const char **why)
{
    struct stub_connection *c = stub_of(s);
    if (c->lost) {
        *why = "closed by Redis";
        return REDIS_SOCKET_CLOSED;
    }
    s->unfinished = false;
    s->ready_to_read = true; /* look again */
    stub_set_now();
    stub_go_on_waiting(c);
    if (c->subscribes)
        stub_take_messages(c);
    if (!redis_stub.holds && c->len > 0) {
        stub_must(redisReaderFeed(s->reader, c->out, c->len) == REDIS_OK, "out of memory");
        c->len = 0;
    }
    return stub_take_replies(s, box, take, arg, why);
}

ssize_t redis_socket_write(struct redis_socket *s, const char *bytes, size_t len)
{
    struct stub_connection *c = stub_of(s);
    if (c->lost)
        return -1;
    stub_set_now();
    for (size_t at = 0; at < len;) {
        size_t n = stub_command_len(bytes + at, len - at);
        char *command = (char *)bytes + at; /* isn't changed */
        if (!stub_do(c, command, n))
            stub_keep_waiting(c, command, n);
        at += n;
    }
    return (ssize_t)len;
}

/* ---- redis_dial ------------------------------------------------------------------------------ */

void redis_dial_fini(struct redis_dial *d)
{
    (void)d;
}

enum redis_dial_find redis_dial_find(struct redis_dial *d)
{
    d->address_count = 1;
    return REDIS_DIAL_KNOWN;
}

void redis_dial_cancel(struct redis_dial *d)
{
    (void)d;
}

int redis_dial_open(const struct redis_dial *d, unsigned by_turns)
{
    (void)d, (void)by_turns;
    errno = ECONNREFUSED;
    return redis_stub.away ? -1 : STUB_FD;
}

#endif
