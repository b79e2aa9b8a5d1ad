/* A table of users, each with the clients that wait for it. */
#include "broker/auth/sources/source_redis.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "broker/auth/files/password_hash.h"
#include "broker/auth/login/login.h"
#include "broker/auth/sources/source_login.h"
#include "common/base/hash.h"
#include "common/log/log.h"
#include "common/net/peer.h"

enum { REMEMBERED = 16384, WAITING_MAX = 1000, HASH_MAX_BYTES = 512 };

TAILQ_HEAD(waiters, waiter);

struct user_entry {
    struct hash_link by_name; /* first member */
    TAILQ_ENTRY(user_entry) link;
    struct user_question question;
    struct source_redis *source;
    struct waiters waiters;
    bool known;        /* stamp and secret are what the store has, as far as is known */
    bool asked;        /* looked for */
    bool again;        /* changed meanwhile */
    bool counted;      /* in source_redis.looking */
    uint64_t stamp;    /* 0: no such user */
    uint64_t admitted; /* while in doubt: the stamp of a client */
    struct passwd_secret secret;
    uint32_t name_len;
    uint8_t name[];
};

struct waiter {
    TAILQ_ENTRY(waiter) link;
    struct user_entry *entry;
    struct source_wait *wait;
    struct peer peer;
    bool has_peer;
    uint32_t password_len;
    uint8_t password[];
};

/* ---- entries --------------------------------------------------------------------------------- */

static uint32_t hash_of(const struct source_redis *s, struct mqtt_slice name)
{
    return (uint32_t)hash_bytes(s->hash_key, name.data, name.len);
}

static struct user_entry *entry_find(const struct source_redis *s, struct mqtt_slice name)
{
    struct hash_link *link = hash_table_chain(&s->entries, hash_of(s, name));
    for (; link != NULL; link = link->next) {
        struct user_entry *e = HASH_OWNER(link, struct user_entry, by_name);
        if (e->name_len == name.len && memcmp(e->name, name.data, name.len) == 0)
            return e;
    }
    return NULL;
}

static void entry_free(struct source_redis *s, struct user_entry *e)
{
    TAILQ_REMOVE(&s->recent, e, link);
    hash_table_remove(&s->entries, &e->by_name);
    OPENSSL_cleanse(&e->secret, sizeof(e->secret));
    free(e);
}

/* Those that are looked for stay: their answer will come. */
static void make_room(struct source_redis *s)
{
    while (s->entries.count >= REMEMBERED) {
        struct user_entry *oldest = TAILQ_LAST(&s->recent, user_entries);
        if (oldest == NULL || oldest->asked)
            return;
        entry_free(s, oldest);
    }
}

static struct user_entry *entry_get(struct source_redis *s, struct mqtt_slice name)
{
    struct user_entry *e = entry_find(s, name);
    if (e != NULL) {
        TAILQ_REMOVE(&s->recent, e, link);
        TAILQ_INSERT_HEAD(&s->recent, e, link);
        return e;
    }
    make_room(s);
    e = calloc(1, sizeof(*e) + name.len);
    if (e == NULL)
        return NULL;
    e->source = s;
    TAILQ_INIT(&e->waiters);
    e->name_len = name.len;
    memcpy(e->name, name.data, name.len);
    hash_table_add(&s->entries, &e->by_name, hash_of(s, name));
    TAILQ_INSERT_HEAD(&s->recent, e, link);
    return e;
}

/* ---- the password ---------------------------------------------------------------------------- */

static bool matches(void *secret, struct mqtt_slice password)
{
    return passwd_secret_matches(secret, password);
}

static void release(void *secret)
{
    OPENSSL_clear_free(secret, sizeof(struct passwd_secret));
}

/* The entry is known. */
static enum source_answer judge(const struct user_entry *e, const struct login_request *r,
                                struct source_wait *wait)
{
    if (e->stamp == 0)
        return SOURCE_NOT_MINE;
    if (r->password.len == 0)
        return SOURCE_REFUSE;
    uint32_t cost = passwd_secret_cost(&e->secret);
    struct login_test test = {.stamp = e->stamp,
                              .cost = cost > 0 ? cost : 1,
                              .names_user = true,
                              .matches = matches,
                              .release = release,
                              .secret = OPENSSL_malloc(sizeof(e->secret))};
    if (test.secret == NULL)
        return SOURCE_BUSY;
    memcpy(test.secret, &e->secret, sizeof(e->secret));
    struct login_request login = *r;
    uint8_t buf[PASSWD_HASH_BYTES];
    if (e->secret.iterations > 0 && !password_hash_needs_whole(&e->secret))
        login.password = passwd_shorten(r->password, buf);
    source_login_expect(wait);
    return source_login_answer(wait,
                               login_check_by(e->source->logins, &login, &test, &wait->login));
}

/* ---- looking for one ------------------------------------------------------------------------- */

static void look(struct user_entry *e);

static uint64_t stamp_of(const struct passwd_secret *s)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    uint64_t stamp;
    SHA256((const uint8_t *)s, sizeof(*s), digest);
    memcpy(&stamp, digest, sizeof(stamp));
    return stamp | 1;
}

/* False: what the store has for him can't be read; nobody can be him then. */
static bool take_hash(struct user_entry *e, struct mqtt_slice hash)
{
    char text[HASH_MAX_BYTES + 1];
    struct passwd_secret secret = {0};
    if (hash.len > HASH_MAX_BYTES || memchr(hash.data, 0, hash.len) != NULL)
        return false;
    memcpy(text, hash.data, hash.len);
    text[hash.len] = '\0';
    const char *problem = password_hash_parse(text, &secret);
    if (problem != NULL)
        LOG_LIMITED(LOG_LEVEL_WARN, "user_unreadable", KV_BYTES("user", e->name, e->name_len),
                    KV_STR("err", problem));
    e->secret = secret;
    e->stamp = problem == NULL ? stamp_of(&secret) : 0;
    OPENSSL_cleanse(&secret, sizeof(secret));
    OPENSSL_cleanse(text, sizeof(text));
    return problem == NULL;
}

static void finish_doubt(struct source_redis *s)
{
    if (!s->doubt || !s->doubt_walked || s->looking > 0)
        return;
    s->doubt = s->differs;
    s->doubt_walked = false;
    if (s->differs)
        s->changed(s->changed_arg);
    s->differs = false;
}

/* An answer to what a change has asked. When the last one is there, clients are looked at. */
static void uncount(struct user_entry *e, uint64_t before)
{
    struct source_redis *s = e->source;
    bool counted = e->counted;
    uint64_t was = e->admitted != 0 ? e->admitted : before;
    e->counted = false;
    e->admitted = 0;
    if (!counted)
        return;
    s->looking--;
    s->differs = s->differs || (e->known && e->stamp != was);
    if (s->looking > 0)
        return;
    if (s->doubt) {
        finish_doubt(s);
    } else if (s->differs) {
        s->differs = false;
        s->changed(s->changed_arg);
    }
}

static void tell(struct user_entry *e, bool cant_tell)
{
    struct source_redis *s = e->source;
    struct waiter *w;
    while ((w = TAILQ_FIRST(&e->waiters)) != NULL) {
        struct source_wait *wait = w->wait;
        struct login_request r = {.username = mqtt_slice_of(e->name, e->name_len),
                                  .password = mqtt_slice_of(w->password, w->password_len),
                                  .source = w->has_peer ? &w->peer : NULL};
        TAILQ_REMOVE(&e->waiters, w, link);
        s->waiting--;
        wait->pending = NULL;
        enum source_answer answer = cant_tell ? SOURCE_BUSY : judge(e, &r, wait);
        OPENSSL_clear_free(w, sizeof(*w) + w->password_len);
        if (answer != SOURCE_LATER)
            source_answer(wait, answer);
    }
}

static void on_found(struct user_question *q, enum user_found found, struct mqtt_slice hash)
{
    struct user_entry *e =
        (struct user_entry *)(void *)((char *)q - offsetof(struct user_entry, question));
    uint64_t before = e->known ? e->stamp : 0;
    e->asked = false;
    if (e->again && found != USER_CANT_TELL) {
        look(e);
        return;
    }
    e->again = false;
    e->known = found != USER_CANT_TELL;
    if (found != USER_FOUND || !take_hash(e, hash))
        e->stamp = 0;
    tell(e, !e->known);
    uncount(e, before);
}

static void look(struct user_entry *e)
{
    struct source_redis *s = e->source;
    e->again = e->asked;
    if (e->asked)
        return;
    e->asked = true;
    e->question.found = on_found;
    s->store.find(s->store.arg, mqtt_slice_of(e->name, e->name_len), &e->question);
}

/* ---- as a source ----------------------------------------------------------------------------- */

static bool wait_for(struct source_redis *s, struct user_entry *e, const struct source_request *r,
                     struct source_wait *wait)
{
    struct waiter *w = OPENSSL_zalloc(sizeof(*w) + r->password.len);
    if (w == NULL)
        return false;
    w->entry = e;
    w->wait = wait;
    w->has_peer = r->peer != NULL;
    if (w->has_peer)
        w->peer = *r->peer;
    w->password_len = r->password.len;
    if (r->password.len > 0)
        memcpy(w->password, r->password.data, r->password.len);
    TAILQ_INSERT_TAIL(&e->waiters, w, link);
    wait->pending = w;
    s->waiting++;
    if (!e->asked)
        look(e);
    return true;
}

static enum source_answer ask(struct source *source, const struct source_request *r,
                              struct source_wait *wait)
{
    struct source_redis *s = (struct source_redis *)(void *)source;
    wait->pending = NULL;
    if (!r->has_username || r->username.len == 0 || r->username.len > USER_NAME_MAX_BYTES)
        return SOURCE_NOT_MINE;
    struct user_entry *e = entry_get(s, r->username);
    if (e == NULL)
        return SOURCE_BUSY;
    if (e->known && !e->asked) {
        struct login_request login = source_login_request(r);
        return judge(e, &login, wait);
    }
    if (s->waiting >= WAITING_MAX || !wait_for(s, e, r, wait))
        return SOURCE_BUSY;
    return SOURCE_LATER;
}

static void cancel(struct source *source, struct source_wait *wait)
{
    struct source_redis *s = (struct source_redis *)(void *)source;
    struct waiter *w = wait->pending;
    wait->pending = NULL;
    if (w == NULL) {
        source_login_cancel(source, wait);
        return;
    }
    TAILQ_REMOVE(&w->entry->waiters, w, link);
    s->waiting--;
    OPENSSL_clear_free(w, sizeof(*w) + w->password_len);
}

static bool is_there(const struct source *source)
{
    return ((const struct source_redis *)(const void *)source)->store.find != NULL;
}

static void look_for_change(struct source_redis *s, struct user_entry *e)
{
    if (!e->counted)
        s->looking++;
    e->counted = true;
    look(e);
}

/* While in doubt, a name that wasn't looked for since is. What comes of it is said later. */
static bool still_admits(const struct source *source, struct mqtt_slice username, uint64_t stamp)
{
    struct source_redis *s = (struct source_redis *)(uintptr_t)source;
    struct user_entry *e = entry_find(s, username);
    if (e != NULL && e->known && !e->asked)
        return stamp != 0 && e->stamp == stamp;
    if (!s->doubt)
        return stamp != 0;
    e = e != NULL ? e : entry_get(s, username);
    if (e == NULL)
        return stamp != 0;
    if (!e->asked)
        look_for_change(s, e);
    s->differs = s->differs || (e->admitted != 0 && e->admitted != stamp);
    e->admitted = stamp;
    return stamp != 0;
}

/* ---- changes --------------------------------------------------------------------------------- */

static void on_change(void *arg, struct mqtt_slice name)
{
    struct source_redis *s = arg;
    if (name.len == 0 || name.len > USER_NAME_MAX_BYTES)
        return;
    struct user_entry *e = entry_get(s, name);
    if (e != NULL)
        look_for_change(s, e);
}

static void forget(void *arg, struct hash_link *link)
{
    struct source_redis *s = arg;
    struct user_entry *e = HASH_OWNER(link, struct user_entry, by_name);
    e->known = false;
    if (e->asked)
        e->again = true;
    else
        entry_free(s, e);
}

static void on_doubt(void *arg)
{
    struct source_redis *s = arg;
    LOG_INFO("users_in_doubt");
    hash_table_each(&s->entries, forget, s);
    s->doubt = true;
    s->doubt_walked = false;
    s->changed(s->changed_arg);
}

void source_redis_checked(struct source_redis *s)
{
    s->doubt_walked = s->doubt;
    finish_doubt(s);
}

/* ---- making ---------------------------------------------------------------------------------- */

bool source_redis_init(struct source_redis *s, uint64_t hash_key)
{
    static const struct source_ops ops = {
        .ask = ask, .cancel = cancel, .is_there = is_there, .still_admits = still_admits};
    *s = (struct source_redis){.source = {.kind = SOURCE_REDIS, .ops = &ops}, .hash_key = hash_key};
    TAILQ_INIT(&s->recent);
    return hash_table_init(&s->entries);
}

void source_redis_use(struct source_redis *s, const struct user_store *store)
{
    struct user_watcher watcher = {.changed = on_change, .doubt = on_doubt, .arg = s};
    s->store = *store;
    s->store.watch(s->store.arg, &watcher);
}

void source_redis_fini(struct source_redis *s)
{
    struct user_entry *e;
    while ((e = TAILQ_FIRST(&s->recent)) != NULL)
        entry_free(s, e);
    hash_table_fini(&s->entries);
}
