/*
 * scram_client - for tests: the client's side of SCRAM-SHA-256, for a user whose keys the test has made.
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_AUTH_SCRAM_CLIENT_H
#define FLOTILLA_TESTS_UNIT_BROKER_AUTH_SCRAM_CLIENT_H

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "broker/base/base64.h"
#include "common/mqtt/mqtt.h"

/* "ann" with the password "secret", and "bob" with "builder"; 4096 iterations, the salt is the name, four times. */
#define SCRAM_ANN                                                                                  \
    "ann:$scram-sha-256$4096$YW5uYW5uYW5uYW5u$qR10hOpWzGIoh5aJcBcGq7a8Qg/MVsVvnmbaMIOQfyw=$"       \
    "IZOn1l/6LfQhUMDRZMxDR2H/TJWY/c9Ya5rFrGJJiVc=\n"
#define SCRAM_BOB                                                                                  \
    "bob:$scram-sha-256$4096$Ym9iYm9iYm9iYm9i$qjJ7tucSih7IKeup2c+tDYopysVqlcF9oBu83D7Z32Y=$"       \
    "kvyyWqguEJH/OS6IZqxXt3B2IV4BqzvRhqRpPwbqcH4=\n"
#define SCRAM_FIRST(user) "n,,n=" user ",r=fromclient"

/* The answer to server-first-message. Good until the next one. */
static inline struct mqtt_slice scram_client_final(const char *user, const char *password,
                                                   struct mqtt_slice challenge)
{
    static char final[1024];
    char message[2048];
    char salt[128];
    uint8_t raw[64], salted[32], key[32], stored[32], signature[32], proof[32];
    unsigned iterations = 0;
    char nonce[256] = "";
    char text[512];
    snprintf(text, sizeof(text), "%.*s", (int)challenge.len, (const char *)challenge.data);
    if (sscanf(text, "r=%255[^,],s=%127[^,],i=%u", nonce, salt, &iterations) != 3)
        return (struct mqtt_slice){0};
    int salt_len = base64_decode(salt, strlen(salt), raw, sizeof(raw));
    PKCS5_PBKDF2_HMAC(password, (int)strlen(password), raw, salt_len, (int)iterations, EVP_sha256(),
                      32, salted);
    HMAC(EVP_sha256(), salted, 32, (const uint8_t *)"Client Key", 10, key, NULL);
    SHA256(key, 32, stored);
    int len =
        snprintf(message, sizeof(message), "n=%s,r=fromclient,%s,c=biws,r=%s", user, text, nonce);
    HMAC(EVP_sha256(), stored, 32, (const uint8_t *)message, (size_t)len, signature, NULL);
    for (int i = 0; i < 32; i++)
        proof[i] = key[i] ^ signature[i];
    len = snprintf(final, sizeof(final), "c=biws,r=%s,p=", nonce);
    base64_encode(proof, 32, final + len);
    return mqtt_slice_of(final, strlen(final));
}

#endif
