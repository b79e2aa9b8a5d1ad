/*
 * scram_keys - what is kept of a password for SCRAM-SHA-256: StoredKey, against which a client's proof is checked, and
 * ServerKey, by which the broker proves that it knows the user (RFC 5802, 3).
 *
 * Who has read them can't log in with them, but can pretend to be the broker, and try passwords.
 * Data flow: flotilla-passwd makes them; passwd.c has them from the password file; scram.c computes with them.
 *            scram_keys_match is for a plain password of such a user, in a thread of login.c.
 * Decoy:     a user who isn't known, or has no such keys, gets some that are made up from its name, the same at each
 *            time, so that clients can't find out which names there are.
 * Threads:   any.
 */
#ifndef FLOTILLA_BROKER_AUTH_SCRAM_SCRAM_KEYS_H
#define FLOTILLA_BROKER_AUTH_SCRAM_SCRAM_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mqtt/mqtt.h"

enum {
    SCRAM_KEY_BYTES = 32, /* SHA-256's */
    SCRAM_SALT_MAX_BYTES = 64,
    SCRAM_SALT_USUAL_BYTES = 16,
    SCRAM_ITERATIONS_MIN = 4096, /* RFC 7677, 4 */
    SCRAM_ITERATIONS_MAX = 1000000,
    SCRAM_ITERATIONS_USUAL = 15000, /* RFC 7677, 4, recommends as many */
    SCRAM_PASSWORD_MAX_BYTES = 1024,
};

struct scram_keys {
    uint8_t stored[SCRAM_KEY_BYTES];
    uint8_t server[SCRAM_KEY_BYTES];
};

/* How the client is to compute, and what it must come to. */
struct scram_secret {
    uint32_t iterations;
    uint32_t salt_len;
    uint8_t salt[SCRAM_SALT_MAX_BYTES];
    struct scram_keys keys;
};

/* Fills `keys` from password, salt and iterations; takes its time. False: SASLprep doesn't allow the password, or it is
 * longer than SCRAM_PASSWORD_MAX_BYTES. */
bool scram_keys_make(struct scram_secret *s, struct mqtt_slice password);
/* Whether this is the password; takes as long. */
bool scram_keys_match(const struct scram_secret *s, struct mqtt_slice password);
/* For a name without keys. `secret`: of SCRAM_KEY_BYTES, known to nobody. False when OpenSSL can't. */
bool scram_keys_make_up(struct scram_secret *s, const uint8_t *secret, struct mqtt_slice name,
                        uint32_t iterations);

#endif
