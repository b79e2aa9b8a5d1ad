/* SaltedPassword, and the two keys that follow from it. */
#include "broker/auth/scram/scram_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

#include "broker/auth/scram/saslprep.h"

enum { PREPARED_MAX_BYTES = SCRAM_PASSWORD_MAX_BYTES * 2 };

static bool keyed(const uint8_t key[SCRAM_KEY_BYTES], const char *text, uint8_t *out)
{
    return HMAC(EVP_sha256(), key, SCRAM_KEY_BYTES, (const uint8_t *)text, strlen(text), out,
                NULL) != NULL;
}

/* RFC 5802, 3: ClientKey and StoredKey, ServerKey. */
static bool keys_of(const uint8_t salted[SCRAM_KEY_BYTES], struct scram_keys *out)
{
    uint8_t client[SCRAM_KEY_BYTES];
    bool ok = keyed(salted, "Client Key", client) &&
              SHA256(client, sizeof(client), out->stored) != NULL &&
              keyed(salted, "Server Key", out->server);
    OPENSSL_cleanse(client, sizeof(client));
    return ok;
}

bool scram_keys_make(struct scram_secret *s, struct mqtt_slice password)
{
    char prepared[PREPARED_MAX_BYTES];
    uint8_t salted[SCRAM_KEY_BYTES];
    bool ok = password.len <= SCRAM_PASSWORD_MAX_BYTES &&
              saslprep(password, SASLPREP_STORED, prepared, sizeof(prepared)) &&
              PKCS5_PBKDF2_HMAC(prepared, (int)strlen(prepared), s->salt, (int)s->salt_len,
                                (int)s->iterations, EVP_sha256(), sizeof(salted), salted) == 1 &&
              keys_of(salted, &s->keys);
    OPENSSL_cleanse(prepared, sizeof(prepared));
    OPENSSL_cleanse(salted, sizeof(salted));
    return ok;
}

bool scram_keys_match(const struct scram_secret *s, struct mqtt_slice password)
{
    struct scram_secret made = *s;
    bool same = scram_keys_make(&made, password) &&
                CRYPTO_memcmp(made.keys.stored, s->keys.stored, SCRAM_KEY_BYTES) == 0;
    OPENSSL_cleanse(&made, sizeof(made));
    return same;
}

bool scram_keys_make_up(struct scram_secret *s, const uint8_t *secret, struct mqtt_slice name,
                        uint32_t iterations)
{
    uint8_t of_name[SCRAM_KEY_BYTES];
    uint8_t salt[SCRAM_KEY_BYTES] = {0};
    memset(s, 0, sizeof(*s));
    s->iterations = iterations;
    s->salt_len = SCRAM_SALT_USUAL_BYTES;
    bool ok =
        HMAC(EVP_sha256(), secret, SCRAM_KEY_BYTES, name.data, name.len, of_name, NULL) != NULL &&
        keyed(of_name, "salt", salt) && keyed(of_name, "stored", s->keys.stored) &&
        keyed(of_name, "server", s->keys.server);
    memcpy(s->salt, salt, SCRAM_SALT_USUAL_BYTES);
    OPENSSL_cleanse(of_name, sizeof(of_name));
    OPENSSL_cleanse(salt, sizeof(salt));
    return ok;
}
