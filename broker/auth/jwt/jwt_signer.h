/*
 * jwt_signer - whether a token is signed by a key: RFC 7518's HS256, RS256 and ES256.
 *
 * Data flow: source_jwt.c makes one of the key that a token is to be checked with, and a thread of the pool asks it,
 *            while the table of keys may be replaced by a reload.
 * Algorithm: the key's own. What the token says of it isn't looked at here.
 * Secrets:   an HMAC is compared in constant time.
 * Threads:   any may ask.
 */
#ifndef FLOTILLA_BROKER_AUTH_JWT_JWT_SIGNER_H
#define FLOTILLA_BROKER_AUTH_JWT_JWT_SIGNER_H

#include <stdbool.h>

#include "broker/base/broker_config.h"
#include "common/mqtt/mqtt.h"

struct evp_pkey_st;
struct jwt_signer;

/* One more owner of the key. NULL when out of memory. */
struct jwt_signer *jwt_signer_new(struct evp_pkey_st *key, enum jwt_algorithm algorithm);
void jwt_signer_free(struct jwt_signer *s);

bool jwt_signer_signed(const struct jwt_signer *s, struct mqtt_slice token);

#endif
