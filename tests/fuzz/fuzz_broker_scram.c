/*
 * Fuzzes the server's side of SCRAM-SHA-256: the input is client-first-message, a newline, and
 * client-final-message. Nobody gets in without a proof; a proof made for what was taken is right; what was
 * prepared is a name.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

#include "broker/auth/scram/scram.h"
#include "tests/fuzz/fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t client_key[SCRAM_KEY_BYTES] = {1, 2, 3};

static const struct scram_secret *secret(void)
{
    static struct scram_secret s = {.iterations = 4096, .salt_len = 5, .salt = "salt"};
    SHA256(client_key, sizeof(client_key), s.keys.stored);
    return &s;
}

/* The proof of who has the key, for the message without it. */
static size_t add_proof(const struct scram *s, char *message, size_t len)
{
    char text[4096];
    uint8_t proof[SCRAM_KEY_BYTES];
    int n = snprintf(text, sizeof(text), "%.*s,%.*s,%.*s", (int)s->bare_len, s->bare,
                     (int)s->first_len, s->first, (int)len, message);
    demand(n > 0 && (size_t)n < sizeof(text));
    demand(HMAC(EVP_sha256(), secret()->keys.stored, SCRAM_KEY_BYTES, (const uint8_t *)text,
                (size_t)n, proof, NULL) != NULL);
    for (size_t i = 0; i < sizeof(proof); i++)
        proof[i] ^= client_key[i];
    memcpy(message + len, ",p=", 3);
    return len + 3 + base64_encode(proof, sizeof(proof), message + len + 3);
}

static void check_name(const struct scram *s)
{
    struct mqtt_slice name = mqtt_slice_of(s->name, strlen(s->name));
    demand(name.len > 0 && mqtt_utf8_valid(name.data, name.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scram s;
    char right[SCRAM_MESSAGE_MAX_BYTES];
    struct mqtt_slice out;
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t first = end != NULL ? (size_t)(end - data) : size;
    if (!scram_begin(&s, mqtt_slice_of(data, first)))
        return 0;
    check_name(&s);
    demand(scram_challenge(&s, secret(), "ours", &out));
    demand(end == NULL ||
           !scram_finish(&s, &secret()->keys, mqtt_slice_of(end + 1, size - first - 1), &out));
    int n = snprintf(right, sizeof(right), "c=%s,r=%s", s.binding, s.nonce);
    demand(n > 0 && (size_t)n + 64 < sizeof(right));
    size_t len = add_proof(&s, right, (size_t)n);
    demand(scram_finish(&s, &secret()->keys, mqtt_slice_of(right, len), &out));
    right[2] ^= 1;
    demand(!scram_finish(&s, &secret()->keys, mqtt_slice_of(right, len), &out));
    return 0;
}
