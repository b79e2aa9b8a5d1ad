/*
 * Loaded at start and at each reload; asked at each CONNECT that carries a user name. OpenSSL does
 * the hashing. Whether clients without a user name are let in is the caller's business.
 */
#include "broker/passwd.h"

#include "broker/line_file.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define HASH_BYTES 64 /* SHA-512 */
#define SALT_MAX_BYTES 64
#define ITERATIONS_MAX 1000000u
#define KEY_BYTES 32
#define PROOF_BYTES 32 /* HMAC-SHA256 */
#define CACHE_SETS 4096
#define CACHE_WAYS 4

enum scheme { SCHEME_SHA512, SCHEME_PBKDF2 };

struct secret {
    enum scheme scheme;
    int iterations; /* SCHEME_PBKDF2 */
    int salt_len;
    uint8_t salt[SALT_MAX_BYTES];
    uint8_t hash[HASH_BYTES];
};

struct user {
    UT_hash_handle hh;
    struct secret secret;
    unsigned line;
    char name[];
};

/* Proofs of checks that passed: a proof's first bytes choose its set, within it the oldest goes. */
struct cache_set {
    uint8_t proof[CACHE_WAYS][PROOF_BYTES];
    uint8_t used, next;
};

struct passwd {
    struct user *users;
    struct secret costliest; /* what an unknown user is checked against, for its time */
    uint8_t key[KEY_BYTES];
    struct cache_set cache[CACHE_SETS];
};

/* --- the file --- */

/* Decodes base64 of at most `size` bytes; the length, -1 when it isn't that. */
static int decode_base64(const char *text, uint8_t *out, size_t size)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t buf[128];
    size_t len = strlen(text);
    size_t pad = 0;

    if (len == 0 || len % 4 != 0 || len / 4 * 3 > sizeof(buf))
        return -1;
    while (pad < 2 && text[len - 1 - pad] == '=')
        pad++;
    if (strspn(text, alphabet) != len - pad) /* EVP_DecodeBlock overlooks blanks and stray '=' */
        return -1;
    int n = EVP_DecodeBlock(buf, (const uint8_t *)text, (int)len);
    if (n < 0 || (size_t)n < pad || (size_t)n - pad > size)
        return -1;
    memcpy(out, buf, (size_t)n - pad);
    return n - (int)pad;
}

static bool parse_iterations(const char *text, int *out)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || n < 1 || n > ITERATIONS_MAX)
        return false;
    *out = (int)n;
    return true;
}

/* The text up to the next '$', which is cut off; NULL when there is no more. */
static char *next_part(char **at)
{
    char *part = *at;

    if (part == NULL)
        return NULL;
    *at = strchr(part, '$');
    if (*at != NULL)
        *(*at)++ = '\0';
    return part;
}

/* Parses what follows `user:`; the reason why not, NULL when it is right. */
static const char *parse_secret(char *text, struct secret *out)
{
    if (strncmp(text, "$6$", 3) == 0)
        out->scheme = SCHEME_SHA512;
    else if (strncmp(text, "$7$", 3) == 0)
        out->scheme = SCHEME_PBKDF2;
    else
        return "expected a password that mosquitto_passwd has hashed ($6$ or $7$; -U converts)";

    char *at = text + 3;
    if (out->scheme == SCHEME_PBKDF2 && !parse_iterations(next_part(&at), &out->iterations))
        return "expected 1 to 1000000 iterations";
    char *salt = next_part(&at);
    char *hash = next_part(&at);
    out->salt_len = salt != NULL ? decode_base64(salt, out->salt, sizeof(out->salt)) : -1;
    if (out->salt_len < 1)
        return "expected a salt in base64";
    if (hash == NULL || at != NULL ||
        decode_base64(hash, out->hash, sizeof(out->hash)) != HASH_BYTES)
        return "expected a hash of 64 bytes in base64";
    return NULL;
}

static bool add_user(struct passwd *p, struct line_file *f, const char *name,
                     const struct secret *secret)
{
    struct user *other = NULL;
    size_t len = strlen(name);

    HASH_FIND(hh, p->users, name, len, other);
    if (other != NULL)
        return line_file_fail(f, "user '%.64s' is already in line %u", name, other->line);
    struct user *u = calloc(1, sizeof(*u) + len + 1);
    if (u == NULL)
        return line_file_fail(f, "out of memory");
    memcpy(u->name, name, len);
    u->secret = *secret;
    u->line = f->number;
    HASH_ADD(hh, p->users, name[0], len, u);
    if (u->hh.tbl == NULL) {
        free(u);
        return line_file_fail(f, "out of memory");
    }
    return true;
}

static bool costs_more(const struct secret *a, const struct secret *b)
{
    return a->scheme != b->scheme ? a->scheme > b->scheme : a->iterations > b->iterations;
}

static bool parse_line(struct passwd *p, struct line_file *f, char *line)
{
    struct secret secret = {0};
    char *colon = strchr(line, ':');

    if (colon == NULL || colon == line)
        return line_file_fail(f, "expected user:password");
    *colon = '\0';
    const char *problem = parse_secret(line_trim(colon + 1), &secret);
    if (problem != NULL)
        return line_file_fail(f, "user '%.64s': %s", line, problem);
    if (!add_user(p, f, line, &secret))
        return false;
    if (costs_more(&secret, &p->costliest))
        p->costliest = secret;
    return true;
}

static bool load(struct passwd *p, const char *path, char *err, size_t errlen)
{
    struct line_file f;
    bool ok = line_file_open(&f, path, err, errlen);

    for (char *line; ok && (line = line_file_next(&f)) != NULL;)
        ok = parse_line(p, &f, line);
    ok = ok && line_file_ok(&f);
    line_file_fini(&f);
    return ok;
}

struct passwd *passwd_load(const char *path, char *err, size_t errlen)
{
    struct passwd *p = calloc(1, sizeof(*p));

    if (p == NULL || RAND_bytes(p->key, sizeof(p->key)) != 1) {
        (void)snprintf(err, errlen, "%s: out of memory or randomness", path);
        free(p);
        return NULL;
    }
    p->costliest.salt_len = 12;
    if (load(p, path, err, errlen))
        return p;
    passwd_free(p);
    return NULL;
}

void passwd_free(struct passwd *p)
{
    struct user *u;
    struct user *next;

    if (p == NULL)
        return;
    HASH_ITER (hh, p->users, u, next) {
        HASH_DEL(p->users, u);
        free(u);
    }
    OPENSSL_cleanse(p, sizeof(*p));
    free(p);
}

/* --- checking --- */

static bool hash_sha512(const struct secret *s, struct mqtt_slice password, uint8_t *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, password.data, password.len) == 1 &&
              EVP_DigestUpdate(ctx, s->salt, (size_t)s->salt_len) == 1 &&
              EVP_DigestFinal_ex(ctx, out, NULL) == 1;

    EVP_MD_CTX_free(ctx);
    return ok;
}

static bool secret_matches(const struct secret *s, struct mqtt_slice password)
{
    uint8_t hash[HASH_BYTES];
    bool hashed;

    if (s->scheme == SCHEME_PBKDF2)
        hashed = PKCS5_PBKDF2_HMAC((const char *)password.data, (int)password.len, s->salt,
                                   s->salt_len, s->iterations, EVP_sha512(), HASH_BYTES, hash) == 1;
    else
        hashed = hash_sha512(s, password, hash);
    bool same = hashed && CRYPTO_memcmp(hash, s->hash, HASH_BYTES) == 0;
    OPENSSL_cleanse(hash, sizeof(hash));
    return same;
}

/* HMAC(HMAC(key, user name), password): no two pairs share one by moving bytes across. */
static bool make_proof(const struct passwd *p, struct mqtt_slice username,
                       struct mqtt_slice password, uint8_t out[PROOF_BYTES])
{
    uint8_t inner[PROOF_BYTES];
    unsigned len = sizeof(inner);

    return HMAC(EVP_sha256(), p->key, sizeof(p->key), username.data, username.len, inner, &len) !=
               NULL &&
           HMAC(EVP_sha256(), inner, sizeof(inner), password.data, password.len, out, &len) != NULL;
}

static struct cache_set *cache_set_of(struct passwd *p, const uint8_t *proof)
{
    return &p->cache[(proof[0] << 8 | proof[1]) % CACHE_SETS];
}

static bool cache_has(struct passwd *p, const uint8_t *proof)
{
    const struct cache_set *set = cache_set_of(p, proof);
    bool found = false;

    for (unsigned i = 0; i < set->used; i++)
        found |= CRYPTO_memcmp(set->proof[i], proof, PROOF_BYTES) == 0;
    return found;
}

static void cache_put(struct passwd *p, const uint8_t *proof)
{
    struct cache_set *set = cache_set_of(p, proof);

    memcpy(set->proof[set->next], proof, PROOF_BYTES);
    set->next = (uint8_t)((set->next + 1) % CACHE_WAYS);
    if (set->used < CACHE_WAYS)
        set->used++;
}

bool passwd_check(struct passwd *p, struct mqtt_slice username, struct mqtt_slice password)
{
    uint8_t proof[PROOF_BYTES];
    struct user *u = NULL;

    if (username.len == 0 || password.len == 0)
        return false;
    if (!make_proof(p, username, password, proof))
        return false;
    if (cache_has(p, proof))
        return true;
    HASH_FIND(hh, p->users, username.data, username.len, u);
    /* The hash of `costliest` is some user's, so its answer doesn't count: only its time does. */
    bool right = secret_matches(u != NULL ? &u->secret : &p->costliest, password) && u != NULL;
    if (right)
        cache_put(p, proof);
    return right;
}
