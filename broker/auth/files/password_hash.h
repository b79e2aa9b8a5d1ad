/*
 * password_hash - a password, hashed as mosquitto_passwd writes it, or as SCRAM needs it: read from its text, compared,
 * made and written.
 *
 *     $7$iterations$salt$hash                          PBKDF2-HMAC-SHA512 (Mosquitto 2.0's default)
 *     $argon2id$v=19$m=KiB,t=passes,p=lanes$salt$hash  Argon2id (Mosquitto 2.1's default)
 *     $6$salt$hash                                     SHA-512 of password and salt
 *     $scram-sha-256$iterations$salt$storedkey$serverkey
 *                                                      for SCRAM-SHA-256 (scram_keys.h), and plain passwords
 *
 * Salt, hash and keys are base64, with padding, but for Argon2's.
 *
 * Data flow: passwd.c reads lines with it, login.c has threads compare; flotilla-passwd (broker/passwd) makes and
 *            writes them.
 * Secrets:   hashes are compared in constant time.
 * Limits:    1,000,000 iterations (1.4 s of a thread); Argon2id: 256 MiB, 16 lanes, and 4 GiB of memory
 *            passed over in all (4 s). A hash with more isn't read, so nobody can make one check take
 *            the host's memory or a thread for long.
 * Memory:    Argon2id takes its memory for the time of one check, from the system and not from the heap.
 * Threads:   any.
 */
#ifndef FLOTILLA_BROKER_AUTH_FILES_PASSWORD_HASH_H
#define FLOTILLA_BROKER_AUTH_FILES_PASSWORD_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mqtt/mqtt.h"

struct scram_secret;

enum {
    PASSWD_HASH_BYTES = 64,
    PASSWD_SALT_MAX_BYTES = 64,
    PASSWD_HASH_TEXT_MAX = 320, /* with a NUL behind it */
};

/* What a password is checked against. No padding: its bytes are hashed (passwd_stamp). */
struct passwd_secret {
    uint32_t iterations; /* of PBKDF2, or passes of Argon2id; 0: SHA-512 once */
    uint32_t memory_kib; /* of Argon2id; 0: it is one of the others */
    uint32_t lanes;      /* of Argon2id */
    uint32_t hash_len;   /* of Argon2id; others: PASSWD_HASH_BYTES */
    uint32_t scram;      /* 1: the hash is StoredKey and ServerKey */
    uint32_t salt_len;
    uint8_t salt[PASSWD_SALT_MAX_BYTES];
    uint8_t hash[PASSWD_HASH_BYTES];
};

/* Reads the text, which it changes. NULL, or why not, as a sentence's end for an operator. `out` is all
 * zero before. */
const char *password_hash_parse(char *text, struct passwd_secret *out);
/* The same text. */
void password_hash_write(const struct passwd_secret *s, char out[PASSWD_HASH_TEXT_MAX]);

/* Fills `hash` as the rest says; takes its time. False: the password can't be used (it is empty; for SCRAM: scram_keys.h),
 * or there is no memory. */
bool password_hash_make(struct passwd_secret *s, struct mqtt_slice password);
/* Of a secret with `scram`. */
void password_hash_to_scram(const struct passwd_secret *s, struct scram_secret *out);

/* What a check costs, in iterations of PBKDF2 (about 1.4 µs; so does a KiB and pass of Argon2id, more or
 * less). 0: so little that no thread is needed. */
uint32_t passwd_secret_cost(const struct passwd_secret *s);

/* Of a secret's password, the short form isn't as good (passwd_shorten). */
static inline bool password_hash_needs_whole(const struct passwd_secret *s)
{
    return s->memory_kib > 0 || s->scram != 0;
}

/* PBKDF2 replaces a key that is longer than its hash's block by the key's hash: so may who keeps a
 * password for it. Only for PBKDF2 with SHA-512. */
enum { PASSWD_SHORT_BYTES = 128 };
struct mqtt_slice passwd_shorten(struct mqtt_slice password, uint8_t buf[PASSWD_HASH_BYTES]);

/* Whether this is the password; takes its time. An empty password is never right. */
bool passwd_secret_matches(const struct passwd_secret *s, struct mqtt_slice password);

#endif
