/* The grammar of RFC 5802, 7, attribute by attribute, and the proof of section 3. */
#include "broker/auth/scram/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

/* What isn't read yet. */
struct reader {
    const char *at;
    size_t left;
};

/* ---- reading --------------------------------------------------------------------------------- */

static bool is_text(struct mqtt_slice message)
{
    return message.len > 0 && message.len <= SCRAM_MESSAGE_MAX_BYTES &&
           memchr(message.data, 0, message.len) == NULL &&
           mqtt_utf8_valid(message.data, message.len);
}

static struct reader reader_of(struct mqtt_slice message)
{
    return (struct reader){.at = (const char *)message.data, .left = message.len};
}

static bool take_literal(struct reader *r, const char *text)
{
    size_t len = strlen(text);
    if (r->left < len || memcmp(r->at, text, len) != 0)
        return false;
    r->at += len;
    r->left -= len;
    return true;
}

/* Up to the next comma, which is left; the rest of the message if there is none. */
static struct mqtt_slice take_value(struct reader *r)
{
    const char *comma = memchr(r->at, ',', r->left);
    size_t len = comma != NULL ? (size_t)(comma - r->at) : r->left;
    struct mqtt_slice value = mqtt_slice_of(r->at, len);
    r->at += len;
    r->left -= len;
    return value;
}

/* Extensions that nobody has to know: each a letter, '=' and a value. */
static bool skip_extensions(struct reader *r)
{
    while (r->left > 0) {
        if (!take_literal(r, ","))
            return false;
        struct mqtt_slice one = take_value(r);
        bool letter = one.len > 0 && ((one.data[0] >= 'a' && one.data[0] <= 'z') ||
                                      (one.data[0] >= 'A' && one.data[0] <= 'Z'));
        if (one.len < 3 || !letter || one.data[1] != '=')
            return false;
    }
    return true;
}

static bool is_nonce(struct mqtt_slice text)
{
    for (uint32_t i = 0; i < text.len; i++)
        if (text.data[i] < 0x21 || text.data[i] > 0x7e || text.data[i] == ',')
            return false;
    return text.len > 0 && text.len <= SCRAM_NONCE_MAX_BYTES;
}

/* Name with "=2C" for a comma and "=3D" for '='. */
static bool read_name(struct mqtt_slice said, char *out, size_t size)
{
    char name[SASLPREP_NAME_MAX_BYTES];
    size_t used = 0;
    for (uint32_t i = 0; i < said.len; i++) {
        char c = (char)said.data[i];
        if (c == '=') {
            if (said.len - i < 3)
                return false;
            const char *code = (const char *)said.data + i + 1;
            if (memcmp(code, "2C", 2) != 0 && memcmp(code, "3D", 2) != 0)
                return false;
            c = code[0] == '2' ? ',' : '=';
            i += 2;
        }
        if (used == sizeof(name))
            return false;
        name[used++] = c;
    }
    return saslprep(mqtt_slice_of(name, used), SASLPREP_QUERY, out, size);
}

/* ---- the client's first message -------------------------------------------------------------- */

/* Flag of channel binding, and the name of whom it acts for, which may be left out. */
static bool read_gs2_header(struct scram *s, struct reader *r, struct mqtt_slice *acts_for)
{
    const char *begin = r->at;
    *acts_for = (struct mqtt_slice){0};
    if (!take_literal(r, "n,") && !take_literal(r, "y,"))
        return false;
    if (take_literal(r, "a=")) {
        *acts_for = take_value(r);
        if (acts_for->len == 0)
            return false;
    }
    if (!take_literal(r, ","))
        return false;
    size_t len = (size_t)(r->at - begin);
    if (len > SCRAM_GS2_HEADER_MAX_BYTES)
        return false;
    base64_encode((const uint8_t *)begin, len, s->binding);
    return true;
}

bool scram_begin(struct scram *s, struct mqtt_slice message)
{
    struct mqtt_slice acts_for;
    struct reader r = reader_of(message);
    memset(s, 0, sizeof(*s));
    if (!is_text(message) || !read_gs2_header(s, &r, &acts_for))
        return false;
    memcpy(s->bare, r.at, r.left);
    s->bare_len = r.left;
    if (!take_literal(&r, "n="))
        return false; /* m= would be an extension that must be known */
    struct mqtt_slice name = take_value(&r);
    if (acts_for.len > 0 &&
        (acts_for.len != name.len || memcmp(acts_for.data, name.data, name.len) != 0))
        return false;
    if (!take_literal(&r, ",r="))
        return false;
    struct mqtt_slice nonce = take_value(&r);
    if (!is_nonce(nonce) || !skip_extensions(&r))
        return false;
    memcpy(s->nonce, nonce.data, nonce.len);
    s->nonce_len = nonce.len;
    return read_name(name, s->name, sizeof(s->name));
}

/* ---- the server's first message -------------------------------------------------------------- */

bool scram_challenge(struct scram *s, const struct scram_secret *secret, const char *nonce,
                     struct mqtt_slice *out)
{
    char salt[BASE64_SIZE(SCRAM_SALT_MAX_BYTES)];
    size_t len = strlen(nonce);
    if (len == 0 || len > SCRAM_OUR_NONCE_MAX_BYTES || secret->salt_len > SCRAM_SALT_MAX_BYTES)
        return false;
    memcpy(s->nonce + s->nonce_len, nonce, len + 1);
    s->nonce_len += len;
    base64_encode(secret->salt, secret->salt_len, salt);
    int n =
        snprintf(s->first, sizeof(s->first), "r=%s,s=%s,i=%u", s->nonce, salt, secret->iterations);
    if (n < 0 || (size_t)n >= sizeof(s->first))
        return false;
    s->first_len = (size_t)n;
    *out = mqtt_slice_of(s->first, s->first_len);
    return true;
}

/* ---- the client's final message -------------------------------------------------------------- */

static bool is_same(struct mqtt_slice value, const char *text, size_t len)
{
    return value.len == len && memcmp(value.data, text, len) == 0;
}

/* Where ",p=..." begins, which is the end of what the proof is about. */
static bool split_proof(struct mqtt_slice message, size_t *without_proof,
                        uint8_t proof[SCRAM_KEY_BYTES])
{
    const char *text = (const char *)message.data;
    const char *comma = memrchr(text, ',', message.len);
    if (comma == NULL)
        return false;
    *without_proof = (size_t)(comma - text);
    struct reader r = {.at = comma, .left = message.len - *without_proof};
    return take_literal(&r, ",p=") &&
           base64_decode(r.at, r.left, proof, SCRAM_KEY_BYTES) == SCRAM_KEY_BYTES;
}

/* Channel binding as in the first message, and the nonce that we gave out. */
static bool read_final(const struct scram *s, const char *text, size_t len)
{
    struct reader r = {.at = text, .left = len};
    return s->first_len > 0 && take_literal(&r, "c=") &&
           is_same(take_value(&r), s->binding, strlen(s->binding)) && take_literal(&r, ",r=") &&
           is_same(take_value(&r), s->nonce, s->nonce_len) && skip_extensions(&r);
}

/* HMAC(key, AuthMessage); AuthMessage is the three messages with commas between them (RFC 5802, 3). */
static bool sign(const struct scram *s, const uint8_t key[SCRAM_KEY_BYTES], struct mqtt_slice final,
                 uint8_t out[SCRAM_KEY_BYTES])
{
    uint8_t text[sizeof(s->bare) + sizeof(s->first) + SCRAM_MESSAGE_MAX_BYTES + 2];
    size_t used = 0;
    memcpy(text, s->bare, s->bare_len);
    used += s->bare_len;
    text[used++] = ',';
    memcpy(text + used, s->first, s->first_len);
    used += s->first_len;
    text[used++] = ',';
    memcpy(text + used, final.data, final.len);
    used += final.len;
    return HMAC(EVP_sha256(), key, SCRAM_KEY_BYTES, text, used, out, NULL) != NULL;
}

/* The proof is ClientKey xor ClientSignature, and StoredKey is the hash of ClientKey. */
static bool is_right(const struct scram *s, const struct scram_keys *keys, struct mqtt_slice final,
                     const uint8_t proof[SCRAM_KEY_BYTES])
{
    uint8_t signature[SCRAM_KEY_BYTES];
    uint8_t key[SCRAM_KEY_BYTES];
    uint8_t hash[SCRAM_KEY_BYTES];
    if (!sign(s, keys->stored, final, signature))
        return false;
    for (size_t i = 0; i < SCRAM_KEY_BYTES; i++)
        key[i] = proof[i] ^ signature[i];
    bool right = SHA256(key, sizeof(key), hash) != NULL &&
                 CRYPTO_memcmp(hash, keys->stored, sizeof(hash)) == 0;
    OPENSSL_cleanse(key, sizeof(key));
    return right;
}

bool scram_finish(struct scram *s, const struct scram_keys *keys, struct mqtt_slice message,
                  struct mqtt_slice *out)
{
    uint8_t proof[SCRAM_KEY_BYTES];
    uint8_t signature[SCRAM_KEY_BYTES];
    size_t len;
    *out = (struct mqtt_slice){0};
    if (!is_text(message) || !split_proof(message, &len, proof) ||
        !read_final(s, (const char *)message.data, len))
        return false;
    struct mqtt_slice final = mqtt_slice_of(message.data, len);
    if (!is_right(s, keys, final, proof) || !sign(s, keys->server, final, signature))
        return false;
    memcpy(s->final, "v=", 2);
    size_t n = base64_encode(signature, sizeof(signature), s->final + 2);
    *out = mqtt_slice_of(s->final, n + 2);
    return true;
}
