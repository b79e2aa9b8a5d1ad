/*
 * jwt_keys - the keys of `auth.jwt.keys`, and what else tokens must say.
 *
 * A key has its own algorithm: HS256 (a file with the secret, at least 32 bytes; one line end behind it
 * doesn't count), RS256 or ES256 (a PEM file with the public key or a certificate; RSA of 2048 to 8192 bits, P-256).
 *
 * Data flow: loaded with the other files (auth_files.c), whole or not at all; jwt_judge.c finds a key;
 *            source_jwt.c has a thread check signatures with it.
 * Errors:    a sentence with the key's name, the file and what was expected.
 * Threads:   nothing changes after loading: any thread may read. A signer (jwt_signer.h)
 *            outlives the table.
 */
#ifndef FLOTILLA_BROKER_AUTH_JWT_JWT_KEYS_H
#define FLOTILLA_BROKER_AUTH_JWT_JWT_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mqtt/mqtt.h"

struct jwt_config;
struct jwt_key;
struct jwt_keys;
struct jwt_signer;

/* What all tokens must say. Texts are the table's; NULL: it doesn't matter. */
struct jwt_rules {
    const char *issuer, *audience;
    const char *username_claim; /* who it is */
    const char *acl_claim;      /* NULL or empty: tokens don't narrow rights */
    bool any_username;          /* the CONNECT may give another user name */
    uint64_t leeway_s;
};

/* NULL with a sentence in err. Copies what it needs. */
struct jwt_keys *jwt_keys_load(const struct jwt_config *config, char *err, size_t errlen);
void jwt_keys_free(struct jwt_keys *k);

const struct jwt_rules *jwt_keys_rules(const struct jwt_keys *k);
/* By name, which is compared and used for nothing else; NULL: the only key of this algorithm. NULL: there is
 * none. */
const struct jwt_key *jwt_keys_find(const struct jwt_keys *k, const char *name,
                                    const char *algorithm);
/* Whether a key has this stamp. */
bool jwt_keys_has_stamp(const struct jwt_keys *k, uint64_t stamp);

const char *jwt_key_algorithm(const struct jwt_key *key);
/* Of the key, its algorithm and the rules: another one when any of them has changed. Odd. */
uint64_t jwt_key_stamp(const struct jwt_key *key);

/* NULL when out of memory. */
struct jwt_signer *jwt_signer_of(const struct jwt_key *key);

#endif
