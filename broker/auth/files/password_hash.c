/* Texts into numbers and back, and the hashes: OpenSSL's two, libargon2's, and SCRAM's keys. */
#include "broker/auth/files/password_hash.h"

#include <argon2.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/auth/scram/scram_keys.h"
#include "broker/base/base64.h"
#include "common/process/secret_memory.h"

_Static_assert(sizeof(struct scram_keys) == PASSWD_HASH_BYTES, "the keys take the hash's place");

enum {
    ITERATIONS_MAX = 1000000,
    ARGON2_MEMORY_MAX_KIB = 256 * 1024,
    ARGON2_LANES_MAX = 16,
    ARGON2_WORK_MAX_KIB = 4 * 1024 * 1024, /* memory times passes */
    ARGON2_SALT_MIN_BYTES = 8,
    ARGON2_HASH_MIN_BYTES = 16,
};

static const char argon2_head[] = "$argon2id$v=19$";
static const char scram_head[] = "$scram-sha-256$";

static size_t hash_len(const struct passwd_secret *s)
{
    return s->memory_kib > 0 ? s->hash_len : PASSWD_HASH_BYTES;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The length; -1 when it isn't base64 of 1 to `size` bytes. */
static int decode_base64(const char *text, uint8_t *out, size_t size)
{
    return text != NULL ? base64_decode(text, strlen(text), out, size) : -1;
}

/* The same without padding. */
static int decode_bare_base64(const char *text, uint8_t *out, size_t size)
{
    char padded[128];
    size_t len = strlen(text);
    size_t pad = (4 - len % 4) % 4;
    if (pad == 3 || len + pad >= sizeof(padded) || strchr(text, '=') != NULL)
        return -1;
    memcpy(padded, text, len);
    memcpy(padded + len, "==", pad);
    padded[len + pad] = '\0';
    return decode_base64(padded, out, size);
}

/* A number from 1 to `max`, and nothing behind it. */
static bool parse_number(const char *text, uint32_t max, uint32_t *out)
{
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return false;
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*end != '\0' || n < 1 || n > max)
        return false;
    *out = (uint32_t)n;
    return true;
}

/* The text up to the next such character, which is cut off; NULL when there is no more. */
static char *next_part(char **at, char separator)
{
    char *part = *at;
    if (part == NULL)
        return NULL;
    *at = strchr(part, separator);
    if (*at != NULL)
        *(*at)++ = '\0';
    return part;
}

/* `at` is behind $6$ or $7$. */
static const char *parse_sha512(char *at, bool pbkdf2, struct passwd_secret *out)
{
    if (pbkdf2 && !parse_number(next_part(&at, '$'), ITERATIONS_MAX, &out->iterations))
        return "expected 1 to 1000000 iterations";
    char *salt = next_part(&at, '$');
    char *hash = next_part(&at, '$');
    int salt_len = salt != NULL ? decode_base64(salt, out->salt, sizeof(out->salt)) : -1;
    if (salt_len < 1)
        return "expected a salt in base64";
    out->salt_len = (uint32_t)salt_len;
    if (hash == NULL || at != NULL ||
        decode_base64(hash, out->hash, sizeof(out->hash)) != PASSWD_HASH_BYTES)
        return "expected a hash of 64 bytes in base64";
    return NULL;
}

/* A part like `m=47104`. */
static bool parse_parameter(char *part, char name, uint32_t max, uint32_t *out)
{
    return part != NULL && part[0] == name && part[1] == '=' && parse_number(part + 2, max, out);
}

static const char *parse_argon2_cost(char *text, struct passwd_secret *out)
{
    if (text == NULL ||
        !parse_parameter(next_part(&text, ','), 'm', ARGON2_MEMORY_MAX_KIB, &out->memory_kib))
        return "expected m=8 to m=262144 (KiB: at most 256 MiB)";
    if (!parse_parameter(next_part(&text, ','), 't', ARGON2_WORK_MAX_KIB, &out->iterations) ||
        (uint64_t)out->memory_kib * out->iterations > ARGON2_WORK_MAX_KIB)
        return "expected t=1 or more, with m times t at most 4194304";
    if (!parse_parameter(next_part(&text, ','), 'p', ARGON2_LANES_MAX, &out->lanes) || text != NULL)
        return "expected p=1 to p=16, and nothing behind it";
    if (out->memory_kib < 8 * out->lanes)
        return "expected m to be at least 8 times p";
    return NULL;
}

/* `at` is behind argon2_head. */
static const char *parse_argon2(char *at, struct passwd_secret *out)
{
    const char *problem = parse_argon2_cost(next_part(&at, '$'), out);
    if (problem != NULL)
        return problem;
    char *salt = next_part(&at, '$');
    char *hash = next_part(&at, '$');
    int len = salt != NULL ? decode_bare_base64(salt, out->salt, sizeof(out->salt)) : -1;
    if (len < ARGON2_SALT_MIN_BYTES)
        return "expected a salt of 8 to 64 bytes in base64 without padding";
    out->salt_len = (uint32_t)len;
    len = hash != NULL && at == NULL ? decode_bare_base64(hash, out->hash, sizeof(out->hash)) : -1;
    if (len < ARGON2_HASH_MIN_BYTES)
        return "expected a hash of 16 to 64 bytes in base64 without padding";
    out->hash_len = (uint32_t)len;
    return NULL;
}

/* `at` is behind scram_head. */
static const char *parse_scram(char *at, struct passwd_secret *out)
{
    out->scram = 1;
    if (!parse_number(next_part(&at, '$'), ITERATIONS_MAX, &out->iterations) ||
        out->iterations < SCRAM_ITERATIONS_MIN)
        return "expected 4096 to 1000000 iterations";
    int len = decode_base64(next_part(&at, '$'), out->salt, sizeof(out->salt));
    if (len < 1)
        return "expected a salt in base64";
    out->salt_len = (uint32_t)len;
    uint8_t *server = out->hash + SCRAM_KEY_BYTES;
    if (decode_base64(next_part(&at, '$'), out->hash, SCRAM_KEY_BYTES) != SCRAM_KEY_BYTES ||
        decode_base64(next_part(&at, '$'), server, SCRAM_KEY_BYTES) != SCRAM_KEY_BYTES ||
        at != NULL)
        return "expected StoredKey and ServerKey, 32 bytes each in base64";
    return NULL;
}

const char *password_hash_parse(char *text, struct passwd_secret *out)
{
    if (strncmp(text, "$7$", 3) == 0 || strncmp(text, "$6$", 3) == 0)
        return parse_sha512(text + 3, text[1] == '7', out);
    if (strncmp(text, argon2_head, sizeof(argon2_head) - 1) == 0)
        return parse_argon2(text + sizeof(argon2_head) - 1, out);
    if (strncmp(text, "$argon2", 7) == 0)
        return "expected $argon2id$v=19$; other kinds of Argon2 aren't known";
    if (strncmp(text, scram_head, sizeof(scram_head) - 1) == 0)
        return parse_scram(text + sizeof(scram_head) - 1, out);
    return "expected a password that mosquitto_passwd has hashed ($6$, $7$ or $argon2id$; -U "
           "converts), or flotilla-passwd ($scram-sha-256$)";
}

/* ---- writing --------------------------------------------------------------------------------- */

static void cut_padding(char *text)
{
    text[strcspn(text, "=")] = '\0';
}

void password_hash_write(const struct passwd_secret *s, char out[PASSWD_HASH_TEXT_MAX])
{
    const size_t size = PASSWD_HASH_TEXT_MAX;
    char salt[BASE64_SIZE(PASSWD_SALT_MAX_BYTES)];
    char hash[BASE64_SIZE(PASSWD_HASH_BYTES)];
    char server[BASE64_SIZE(SCRAM_KEY_BYTES)];
    base64_encode(s->salt, s->salt_len, salt);
    base64_encode(s->hash, s->scram ? SCRAM_KEY_BYTES : hash_len(s), hash);
    if (s->memory_kib > 0) {
        cut_padding(salt);
        cut_padding(hash);
        snprintf(out, size, "%sm=%u,t=%u,p=%u$%s$%s", argon2_head, s->memory_kib, s->iterations,
                 s->lanes, salt, hash);
    } else if (s->scram) {
        base64_encode(s->hash + SCRAM_KEY_BYTES, SCRAM_KEY_BYTES, server);
        snprintf(out, size, "%s%u$%s$%s$%s", scram_head, s->iterations, salt, hash, server);
    } else if (s->iterations > 0) {
        snprintf(out, size, "$7$%u$%s$%s", s->iterations, salt, hash);
    } else {
        snprintf(out, size, "$6$%s$%s", salt, hash);
    }
}

/* ---- hashing --------------------------------------------------------------------------------- */

static bool hash_sha512(const struct passwd_secret *s, struct mqtt_slice password, uint8_t *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, password.data, password.len) == 1 &&
              EVP_DigestUpdate(ctx, s->salt, s->salt_len) == 1 &&
              EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

static bool hash_pbkdf2(const struct passwd_secret *s, struct mqtt_slice password, uint8_t *out)
{
    return PKCS5_PBKDF2_HMAC((const char *)password.data, (int)password.len, s->salt,
                             (int)s->salt_len, (int)s->iterations, EVP_sha512(), PASSWD_HASH_BYTES,
                             out) == 1;
}

static int take_memory(uint8_t **memory, size_t size)
{
    *memory = secret_memory_new(size);
    return *memory != NULL ? ARGON2_OK : ARGON2_MEMORY_ALLOCATION_ERROR;
}

static void give_memory_back(uint8_t *memory, size_t size)
{
    secret_memory_free(memory, size);
}

/* Its lanes one after another: the thread is one of a pool, and the others have work. The library only
 * reads password and salt. */
static bool hash_argon2(const struct passwd_secret *s, struct mqtt_slice password, uint8_t *out)
{
    argon2_context context = {.out = out,
                              .outlen = s->hash_len,
                              .pwd = (uint8_t *)(uintptr_t)password.data,
                              .pwdlen = password.len,
                              .salt = (uint8_t *)(uintptr_t)s->salt,
                              .saltlen = s->salt_len,
                              .t_cost = s->iterations,
                              .m_cost = s->memory_kib,
                              .lanes = s->lanes,
                              .threads = 1,
                              .version = ARGON2_VERSION_13,
                              .allocate_cbk = take_memory,
                              .free_cbk = give_memory_back,
                              .flags = ARGON2_DEFAULT_FLAGS};
    return argon2id_ctx(&context) == ARGON2_OK;
}

uint32_t passwd_secret_cost(const struct passwd_secret *s)
{
    return s->memory_kib > 0 ? s->memory_kib * s->iterations : s->iterations;
}

struct mqtt_slice passwd_shorten(struct mqtt_slice password, uint8_t buf[PASSWD_HASH_BYTES])
{
    if (password.len <= PASSWD_SHORT_BYTES || SHA512(password.data, password.len, buf) == NULL)
        return password;
    return (struct mqtt_slice){.data = buf, .len = PASSWD_HASH_BYTES};
}

void password_hash_to_scram(const struct passwd_secret *s, struct scram_secret *out)
{
    out->iterations = s->iterations;
    out->salt_len = s->salt_len;
    memcpy(out->salt, s->salt, s->salt_len);
    memcpy(&out->keys, s->hash, sizeof(out->keys));
}

static bool hash_scram(const struct passwd_secret *s, struct mqtt_slice password, uint8_t *out)
{
    struct scram_secret scram = {0};
    password_hash_to_scram(s, &scram);
    bool ok = scram_keys_make(&scram, password);
    memcpy(out, &scram.keys, sizeof(scram.keys));
    OPENSSL_cleanse(&scram, sizeof(scram));
    return ok;
}

static bool hash(const struct passwd_secret *s, struct mqtt_slice password, uint8_t *out)
{
    if (password.len == 0)
        return false;
    if (s->memory_kib > 0)
        return hash_argon2(s, password, out);
    if (s->scram)
        return hash_scram(s, password, out);
    return s->iterations > 0 ? hash_pbkdf2(s, password, out) : hash_sha512(s, password, out);
}

bool password_hash_make(struct passwd_secret *s, struct mqtt_slice password)
{
    return hash(s, password, s->hash);
}

bool passwd_secret_matches(const struct passwd_secret *s, struct mqtt_slice password)
{
    uint8_t made[PASSWD_HASH_BYTES];
    bool same = hash(s, password, made) && CRYPTO_memcmp(made, s->hash, hash_len(s)) == 0;
    OPENSSL_cleanse(made, sizeof(made));
    return same;
}
