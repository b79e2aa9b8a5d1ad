/* One function a command, around users_file.c. */
#include "broker/passwd/passwd_commands.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/auth/files/passwd.h"
#include "broker/auth/scram/saslprep.h"
#include "broker/auth/sources/user_store.h"
#include "broker/passwd/passwd_options.h"
#include "broker/passwd/passwd_redis.h"
#include "broker/passwd/password_input.h"
#include "broker/passwd/users_file.h"

enum {
    NAME_MAX_BYTES = 65535,
    PBKDF2_SALT_BYTES = 12, /* mosquitto 2.0 reads no other length */
    SALT_BYTES = 16,
    ARGON2_MEMORY_KIB = 47104, /* mosquitto 2.1's, and OWASP's for one pass */
    ARGON2_HASH_BYTES = 32,
    VERIFY_FAILED = 2,
};

static struct mqtt_slice text_of(const char *text)
{
    return mqtt_slice_of(text, strlen(text));
}

static int fail(const char *what)
{
    fprintf(stderr, "flotilla-passwd: %s\n", what);
    return 1;
}

/* ---- names and passwords --------------------------------------------------------------------- */

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

/* What is wrong with a name; NULL: nothing. A line must give the same one back. */
static const char *name_problem(const struct passwd_options *o)
{
    const char *name = o->user;
    size_t len = strlen(name);
    if (len == 0 || len > NAME_MAX_BYTES || !mqtt_utf8_valid((const uint8_t *)name, len))
        return "expected a user name of 1 to 65535 bytes in UTF-8";
    if (strchr(name, ':') != NULL || has_control(name))
        return "expected a user name without ':' and control characters";
    if (name[0] == '#' || name[0] == ' ' || name[len - 1] == ' ' ||
        strncmp(name, "\xef\xbb\xbf", 3) == 0)
        return "expected a user name that doesn't begin with '#' or a byte order mark, and neither "
               "begins nor ends with a blank";
    if (o->redis != NULL && len > USER_NAME_MAX_BYTES)
        return "expected a user name of at most 256 bytes";
    if (o->hash == PASSWD_HASH_SCRAM && !saslprep_is_prepared_name(text_of(name)))
        return "expected a user name of at most 256 bytes as SASLprep (RFC 4013) leaves it: "
               "without characters that it changes or prohibits";
    return NULL;
}

/* NULL: it is said why. To be given to give_back. */
static char *take_password(struct passwd_options *o, bool twice)
{
    char err[256];
    char *out = calloc(1, PASSWORD_SIZE);
    if (out == NULL) {
        fail("out of memory");
        return NULL;
    }
    bool ok;
    if (o->password != NULL) {
        size_t len = strlen(o->password);
        ok = len > 0 && len < PASSWORD_SIZE;
        snprintf(err, sizeof(err), "expected a password of 1 to 65535 bytes");
        if (ok)
            memcpy(out, o->password, len);
        explicit_bzero(o->password, len); /* out of the list of processes, as soon as can be */
    } else if (o->from_stdin) {
        ok = password_input_stdin(out, err, sizeof(err));
    } else {
        ok = password_input_ask(twice, out, err, sizeof(err));
    }
    if (ok)
        return out;
    fail(err);
    OPENSSL_cleanse(out, PASSWORD_SIZE);
    free(out);
    return NULL;
}

static void give_back(char *password)
{
    if (password != NULL)
        OPENSSL_cleanse(password, PASSWORD_SIZE);
    free(password);
}

static bool make_secret(const struct passwd_options *o, const char *password,
                        struct passwd_secret *out)
{
    *out = (struct passwd_secret){.iterations = o->iterations, .salt_len = SALT_BYTES};
    switch (o->hash) {
    case PASSWD_HASH_PBKDF2:
        out->salt_len = PBKDF2_SALT_BYTES;
        break;
    case PASSWD_HASH_ARGON2ID:
        out->memory_kib = ARGON2_MEMORY_KIB;
        out->lanes = 1;
        out->hash_len = ARGON2_HASH_BYTES;
        break;
    case PASSWD_HASH_SCRAM:
        out->scram = 1;
        break;
    }
    return RAND_bytes(out->salt, (int)out->salt_len) == 1 &&
           password_hash_make(out, text_of(password));
}

static const char *hash_problem(const struct passwd_options *o)
{
    return o->hash == PASSWD_HASH_SCRAM
               ? "the password can't be used for SCRAM: expected at most 1024 bytes in UTF-8 that "
                 "SASLprep (RFC 4013) doesn't prohibit"
               : "the password can't be hashed: out of memory?";
}

/* ---- commands -------------------------------------------------------------------------------- */

static int save(struct users_file *f)
{
    char err[640];
    bool ok = users_file_save(f, err, sizeof(err));
    users_file_close(f);
    return ok ? 0 : fail(err);
}

static int put_into_file(const struct passwd_options *o, const struct passwd_secret *secret)
{
    char err[640];
    struct users_entry e;
    struct users_file *f =
        users_file_open(o->file, o->create ? USERS_FILE_NEW : USERS_FILE_CHANGE, err, sizeof(err));
    if (f == NULL)
        return fail(err);
    bool is_there = users_file_find(f, text_of(o->user), &e);
    if (!users_file_put(f, text_of(o->user), secret)) {
        users_file_close(f);
        return fail("out of memory");
    }
    if (save(f) != 0)
        return 1;
    printf("%s password for user %s\n", is_there ? "Updating" : "Adding", o->user);
    return 0;
}

static int put(struct passwd_options *o)
{
    struct passwd_secret secret;
    const char *problem = name_problem(o);
    if (problem != NULL)
        return fail(problem);
    char *password = take_password(o, true);
    if (password == NULL)
        return 1;
    bool made = make_secret(o, password, &secret);
    give_back(password);
    if (!made)
        return fail(hash_problem(o));
    int status = o->redis != NULL ? passwd_redis_put(o, &secret) : put_into_file(o, &secret);
    OPENSSL_cleanse(&secret, sizeof(secret));
    return status;
}

static int remove_user(struct passwd_options *o)
{
    char err[640];
    if (o->redis != NULL)
        return passwd_redis_remove(o);
    struct users_file *f = users_file_open(o->file, USERS_FILE_CHANGE, err, sizeof(err));
    if (f == NULL)
        return fail(err);
    if (users_file_remove(f, text_of(o->user)))
        return save(f);
    users_file_close(f);
    fprintf(stderr, "Warning: User %s not found in password file.\n", o->user);
    return 0;
}

/* False: it isn't a hash. */
static bool parse(const char *hash, struct passwd_secret *out)
{
    char *copy = strdup(hash);
    *out = (struct passwd_secret){0};
    bool ok = copy != NULL && password_hash_parse(copy, out) == NULL;
    if (copy != NULL)
        OPENSSL_cleanse(copy, strlen(hash));
    free(copy);
    return ok;
}

/* False: it is said why. */
static bool convert_one(const struct passwd_options *o, struct users_file *f,
                        const struct users_entry *e)
{
    struct passwd_secret secret = {0};
    struct users_entry first;
    struct passwd_options one = *o;
    char *name = strndup((const char *)e->name.data, e->name.len);
    const char *problem = "out of memory";
    one.user = name;
    if (name != NULL)
        problem = name_problem(&one);
    if (problem == NULL && users_file_find(f, e->name, &first) && first.line != e->line)
        problem = "this user is in a line before already";
    if (problem == NULL && e->hash[0] == '\0')
        problem = "expected a password behind the name";
    if (problem == NULL && !make_secret(o, e->hash, &secret))
        problem = hash_problem(o);
    if (problem == NULL && !users_file_put(f, e->name, &secret))
        problem = "out of memory";
    if (problem != NULL)
        fprintf(stderr, "flotilla-passwd: %s:%zu: %s\n", o->file, e->line, problem);
    OPENSSL_cleanse(&secret, sizeof(secret));
    free(name);
    return problem == NULL;
}

static int convert(struct passwd_options *o)
{
    char err[640];
    unsigned converted = 0;
    struct users_entry e = {0};
    struct users_file *f = users_file_open(o->file, USERS_FILE_CONVERT, err, sizeof(err));
    if (f == NULL)
        return fail(err);
    while (users_file_next(f, &e)) {
        struct passwd_secret secret;
        bool hashed = parse(e.hash, &secret);
        OPENSSL_cleanse(&secret, sizeof(secret));
        if (hashed)
            continue;
        if (!convert_one(o, f, &e)) {
            users_file_close(f);
            return 1;
        }
        converted++;
    }
    return save(f) || printf("%u passwords hashed\n", converted) < 0;
}

static int list(struct passwd_options *o)
{
    char err[640];
    if (o->redis != NULL)
        return passwd_redis_list(o);
    struct users_entry e = {0};
    struct users_file *f = users_file_open(o->file, USERS_FILE_LOOK, err, sizeof(err));
    if (f == NULL)
        return fail(err);
    while (users_file_next(f, &e)) {
        struct passwd_secret secret;
        if (parse(e.hash, &secret))
            printf("%.*s\t%s\t%u\n", (int)e.name.len, (const char *)e.name.data,
                   passwd_kind_name(&secret), secret.iterations);
        OPENSSL_cleanse(&secret, sizeof(secret));
    }
    users_file_close(f);
    return 0;
}

/* The user's hash, empty if there is none. False: it is said why not. */
static bool find_hash(const struct passwd_options *o, char hash[PASSWD_HASH_TEXT_MAX])
{
    char err[640];
    struct users_entry e;
    if (o->redis != NULL)
        return passwd_redis_find(o, hash, PASSWD_HASH_TEXT_MAX);
    struct users_file *f = users_file_open(o->file, USERS_FILE_LOOK, err, sizeof(err));
    if (f == NULL) {
        fail(err);
        return false;
    }
    bool found = users_file_find(f, text_of(o->user), &e);
    snprintf(hash, PASSWD_HASH_TEXT_MAX, "%s", found ? e.hash : "");
    users_file_close(f);
    return true;
}

static int verify(struct passwd_options *o)
{
    char hash[PASSWD_HASH_TEXT_MAX] = "";
    struct passwd_secret secret = {0};
    char *password = take_password(o, false);
    if (password == NULL)
        return VERIFY_FAILED;
    bool asked = find_hash(o, hash);
    bool right = asked && parse(hash, &secret) && passwd_secret_matches(&secret, text_of(password));
    give_back(password);
    OPENSSL_cleanse(&secret, sizeof(secret));
    OPENSSL_cleanse(hash, sizeof(hash));
    if (!asked)
        return VERIFY_FAILED;
    return right ? 0 : fail("no such user, or not the password");
}

int passwd_commands_run(struct passwd_options *o)
{
    switch (o->command) {
    case PASSWD_PUT:
        return put(o);
    case PASSWD_DELETE:
        return remove_user(o);
    case PASSWD_CONVERT:
        return convert(o);
    case PASSWD_LIST:
        return list(o);
    case PASSWD_VERIFY:
        return verify(o);
    case PASSWD_HELP:
        fputs(passwd_usage, stdout);
        return 0;
    case PASSWD_VERSION:
        puts("flotilla-passwd " FLOTILLA_VERSION);
        return 0;
    }
    return 1;
}
