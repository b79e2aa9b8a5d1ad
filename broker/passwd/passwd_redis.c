/* Around users_redis.c. */
#include "broker/passwd/passwd_redis.h"

#include <stdio.h>
#include <string.h>

#include "broker/auth/files/password_hash.h"
#include "broker/passwd/passwd_options.h"
#include "broker/passwd/users_redis.h"

enum { ERR_SIZE = 640 };

static struct mqtt_slice text_of(const char *text)
{
    return mqtt_slice_of(text, strlen(text));
}

static int fail(const char *what)
{
    fprintf(stderr, "flotilla-passwd: %s\n", what);
    return 1;
}

static struct users_redis *open_users(const struct passwd_options *o)
{
    char err[ERR_SIZE];
    const struct users_redis_place place = {
        .url = o->redis, .password_file = o->redis_password, .fleet = o->fleet};
    struct users_redis *u = users_redis_open(&place, err, sizeof(err));
    if (u == NULL)
        fail(err);
    return u;
}

const char *passwd_kind_name(const struct passwd_secret *s)
{
    if (s->memory_kib > 0)
        return "argon2id";
    if (s->scram)
        return "scram-sha-256";
    return s->iterations > 0 ? "sha512-pbkdf2" : "sha512";
}

int passwd_redis_put(const struct passwd_options *o, const struct passwd_secret *secret)
{
    char err[ERR_SIZE];
    char hash[PASSWD_HASH_TEXT_MAX];
    bool was_there;
    struct users_redis *u = open_users(o);
    if (u == NULL)
        return 1;
    password_hash_write(secret, hash);
    bool ok = users_redis_put(u, text_of(o->user), hash, &was_there, err, sizeof(err));
    explicit_bzero(hash, sizeof(hash));
    users_redis_close(u);
    if (!ok)
        return fail(err);
    printf("%s password for user %s\n", was_there ? "Updating" : "Adding", o->user);
    return 0;
}

int passwd_redis_remove(const struct passwd_options *o)
{
    char err[ERR_SIZE];
    bool was_there;
    struct users_redis *u = open_users(o);
    if (u == NULL)
        return 1;
    bool ok = users_redis_remove(u, text_of(o->user), &was_there, err, sizeof(err));
    users_redis_close(u);
    if (!ok)
        return fail(err);
    if (!was_there)
        fprintf(stderr, "Warning: User %s not found in Redis.\n", o->user);
    return 0;
}

static void list_one(void *arg, struct mqtt_slice name)
{
    (void)arg;
    printf("%.*s\n", (int)name.len, (const char *)name.data);
}

int passwd_redis_list(const struct passwd_options *o)
{
    char err[ERR_SIZE];
    struct users_redis *u = open_users(o);
    if (u == NULL)
        return 1;
    bool ok = users_redis_each(u, list_one, NULL, err, sizeof(err));
    users_redis_close(u);
    return ok ? 0 : fail(err);
}

bool passwd_redis_find(const struct passwd_options *o, char *hash, size_t size)
{
    char err[ERR_SIZE];
    struct users_redis *u = open_users(o);
    if (u == NULL)
        return false;
    bool ok = users_redis_get(u, text_of(o->user), hash, size, err, sizeof(err));
    users_redis_close(u);
    if (!ok)
        fail(err);
    return ok;
}
