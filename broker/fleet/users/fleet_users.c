/* HGET for who is asked for; GET of the number twice a second, and XRANGE for what is new. */
#include "broker/fleet/users/fleet_users.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/node/fleet.h"

enum { ASK_MS = 500, CHANGES_MOST = 1000, KEY_SIZE = FLEET_NAME_MAX + 24 };

struct fleet_users {
    char user[KEY_SIZE], ver[KEY_SIZE], log[KEY_SIZE];
    struct user_watcher watcher; /* changed NULL: nobody watches */
    bool knows_version;
    uint64_t version; /* what the watcher was told up to */
    uint64_t wanted;  /* what the log is read up to */
    bool asking;
    uint64_t next_ms;
    bool lost; /* an answer: it may have been about a change */
};

/* ---- one user -------------------------------------------------------------------------------- */

static void on_user(void *arg, const redisReply *r)
{
    struct user_question *q = arg;
    struct fleet *f = q->store;
    struct mqtt_slice hash = {0};
    enum user_found found = USER_CANT_TELL;
    int type = r != NULL ? r->type : REDIS_REPLY_ERROR;
    bool is_no_hash = r != NULL && type == REDIS_REPLY_ERROR &&
                      strncmp(r->str, "WRONGTYPE", strlen("WRONGTYPE")) == 0;
    if (type == REDIS_REPLY_NIL || is_no_hash)
        found = USER_NONE;
    if (type == REDIS_REPLY_STRING) {
        found = USER_FOUND;
        hash = mqtt_slice_of(r->str, r->len);
    }
    f->users->lost = f->users->lost || found == USER_CANT_TELL;
    q->found(q, found, hash);
}

static void find(void *arg, struct mqtt_slice name, struct user_question *q)
{
    struct fleet *f = arg;
    struct fleet_users *u = f->users;
    q->store = f;
    u->lost = u->lost || !u->knows_version; /* it may change before the version is known */
    redis_queue_begin(f->q, 3);
    redis_queue_str(f->q, "HGET");
    redis_queue_arg2(f->q, u->user, strlen(u->user), name.data, name.len);
    redis_queue_str(f->q, "password");
    redis_queue_end(f->q, REDIS_REPLAY, on_user, q);
}

/* ---- changes --------------------------------------------------------------------------------- */

static void tell_doubt(struct fleet_users *u, uint64_t version)
{
    u->version = version;
    u->lost = false;
    u->watcher.doubt(u->watcher.arg);
}

/* The entry of this version; NULL: it is another one, or malformed. */
static const redisReply *name_of(const redisReply *entry, uint64_t version)
{
    char id[40];
    snprintf(id, sizeof(id), "%" PRIu64 "-0", version);
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
        entry->element[0]->type != REDIS_REPLY_STRING || strcmp(entry->element[0]->str, id) != 0)
        return NULL;
    const redisReply *fields = entry->element[1];
    if (fields->type != REDIS_REPLY_ARRAY || fields->elements != 2 ||
        fields->element[0]->type != REDIS_REPLY_STRING ||
        strcmp(fields->element[0]->str, "u") != 0 || fields->element[1]->type != REDIS_REPLY_STRING)
        return NULL;
    return fields->element[1];
}

static bool is_complete(const struct fleet_users *u, const redisReply *r)
{
    if (r->type != REDIS_REPLY_ARRAY || r->elements != u->wanted - u->version)
        return false;
    for (size_t i = 0; i < r->elements; i++)
        if (name_of(r->element[i], u->version + 1 + i) == NULL)
            return false;
    return true;
}

static void on_log(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    struct fleet_users *u = f->users;
    u->asking = false;
    if (fleet_reply_status(r) != STORE_OK)
        return; /* asked again: the version is still the old one */
    if (!is_complete(u, r)) {
        tell_doubt(u, u->wanted);
        return;
    }
    uint64_t from = u->version + 1;
    u->version = u->wanted;
    for (size_t i = 0; i < r->elements; i++) {
        const redisReply *name = name_of(r->element[i], from + i);
        u->watcher.changed(u->watcher.arg, mqtt_slice_of(name->str, name->len));
    }
}

static void read_log(struct fleet *f)
{
    struct fleet_users *u = f->users;
    char from[40];
    char to[40];
    snprintf(from, sizeof(from), "%" PRIu64 "-0", u->version + 1);
    snprintf(to, sizeof(to), "%" PRIu64 "-0", u->wanted);
    redis_queue_begin(f->q, 4);
    redis_queue_str(f->q, "XRANGE");
    redis_queue_str(f->q, u->log);
    redis_queue_str(f->q, from);
    redis_queue_str(f->q, to);
    redis_queue_end(f->q, REDIS_VOLATILE, on_log, f);
    u->asking = true;
}

static void on_version(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    struct fleet_users *u = f->users;
    u->asking = false;
    if (fleet_reply_status(r) != STORE_OK)
        return;
    uint64_t version = r->type == REDIS_REPLY_STRING ? strtoull(r->str, NULL, 10) : 0;
    bool first = !u->knows_version;
    u->knows_version = true;
    if (first && !u->lost) {
        u->version = version;
    } else if (u->lost || version < u->version || version - u->version > CHANGES_MOST) {
        tell_doubt(u, version);
    } else if (version > u->version) {
        u->wanted = version;
        read_log(f);
    }
}

void fleet_users_tick(struct fleet *f)
{
    struct fleet_users *u = f->users;
    if (u->watcher.changed == NULL || u->asking || f->now_ms < u->next_ms || !fleet_can_act(f))
        return;
    redis_queue_begin(f->q, 2);
    redis_queue_str(f->q, "GET");
    redis_queue_str(f->q, u->ver);
    redis_queue_end(f->q, REDIS_VOLATILE, on_version, f);
    u->asking = true;
    u->next_ms = f->now_ms + ASK_MS;
}

static void watch(void *arg, const struct user_watcher *watcher)
{
    struct fleet *f = arg;
    f->users->watcher = *watcher;
}

/* ---- making ---------------------------------------------------------------------------------- */

struct user_store fleet_users_store(struct store *s)
{
    return (struct user_store){.find = find, .watch = watch, .arg = s};
}

bool fleet_users_init(struct fleet *f)
{
    struct fleet_users *u = calloc(1, sizeof(*u));
    f->users = u;
    if (u == NULL)
        return false;
    snprintf(u->user, sizeof(u->user), "%s{u}:user:", f->keys.base);
    snprintf(u->ver, sizeof(u->ver), "%s{u}:ver", f->keys.base);
    snprintf(u->log, sizeof(u->log), "%s{u}:log", f->keys.base);
    return true;
}

void fleet_users_free(struct fleet *f)
{
    free(f->users);
    f->users = NULL;
}
