/*
 * jwt_token - a token (RFC 7519, JWS compact form) taken apart. Believes nothing and checks no signature.
 *
 * Refused: more than 8 kB, other than three parts of base64url, what isn't one JSON object in UTF-8, a
 *          member that is there twice (parsers differ in which one counts), more than 64 members, a NUL in a
 *          text (a C string would end there: "admin\u0000x" would be admin), and `crit` (4.1.11: it names what must be
 *          understood, and nothing of it is).
 * Pure:    no I/O and no clock.
 * Ownership: jwt_token_fini releases what jwt_token_read has made, also of a token that was refused.
 */
#ifndef FLOTILLA_BROKER_AUTH_JWT_JWT_TOKEN_H
#define FLOTILLA_BROKER_AUTH_JWT_JWT_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mqtt/mqtt.h"

enum {
    JWT_TOKEN_MAX_BYTES = 8192,
    JWT_MEMBERS_MAX = 64,
    JWT_SIGNATURE_MAX_BYTES = 1024 /* of RSA with 8192 bits */
};

struct cJSON;

/* What became of a token. Names in jwt_verdict_names. */
enum jwt_verdict {
    JWT_OK,
    JWT_TOO_LONG,
    JWT_MALFORMED,
    JWT_CRITICAL,
    JWT_UNKNOWN_KEY,
    JWT_OTHER_ALGORITHM,
    JWT_NO_EXPIRY,
    JWT_EXPIRED,
    JWT_NOT_YET,
    JWT_OTHER_ISSUER,
    JWT_OTHER_AUDIENCE,
    JWT_NO_USERNAME,
    JWT_OTHER_USERNAME,
    JWT_BAD_ACL,
    JWT_NO_MEMORY,
};
#define JWT_VERDICTS (JWT_NO_MEMORY + 1)
extern const char *const jwt_verdict_names[JWT_VERDICTS];

struct jwt_token {
    struct cJSON *header, *claims; /* objects */
    const char *algorithm;         /* the header's */
    const char *key_name;          /* NULL: it names none */
};

/* The parts of a text, which point into it. */
struct jwt_parts {
    struct mqtt_slice header, claims, signature; /* in base64url */
    struct mqtt_slice signed_text;               /* header, dot and claims */
};

/* Whether this is meant as a token, however wrong: it begins like an object in base64url, and has two dots. */
bool jwt_is_meant(struct mqtt_slice text);
/* False: it hasn't three parts. */
bool jwt_split(struct mqtt_slice text, struct jwt_parts *out);

enum jwt_verdict jwt_token_read(struct mqtt_slice text, struct jwt_token *out);
void jwt_token_fini(struct jwt_token *t);

#endif
