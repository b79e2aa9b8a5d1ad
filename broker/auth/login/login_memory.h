/*
 * login_memory - which passwords were checked already, so that a fleet that comes back, or a device
 * that tries its old password again and again, costs no second hash.
 *
 * What is kept of a login is a proof: an HMAC-SHA256 of user, stored hash and password under a key
 * that is drawn at start and known to this process alone. It says nothing about the password to
 * whoever doesn't have the key, and nothing any more once the user's line in the file has changed.
 *
 * Data flow: login.c asks before it has anything hashed, and notes what the hash said.
 * Bounds:    262,144 right ones (8 MB when all are used), 16,384 wrong ones, apart, so that guesses
 *            push out guesses only; in its set of eight a new proof takes the oldest one's place.
 * Secrets:   proofs are compared in constant time; memory is wiped, and left out of core dumps.
 */
#ifndef FLOTILLA_BROKER_AUTH_LOGIN_LOGIN_MEMORY_H
#define FLOTILLA_BROKER_AUTH_LOGIN_LOGIN_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mqtt/mqtt.h"

enum { LOGIN_PROOF_BYTES = 16 };

struct login_memory;

struct login_proof {
    uint8_t bytes[LOGIN_PROOF_BYTES];
};

enum login_known { LOGIN_UNKNOWN, LOGIN_RIGHT, LOGIN_WRONG };

struct login_memory *login_memory_new(void);
void login_memory_free(struct login_memory *m);

/* `stamp` is passwd_stamp's. False when OpenSSL can't. */
bool login_memory_prove(const struct login_memory *m, struct mqtt_slice username, uint64_t stamp,
                        struct mqtt_slice password, struct login_proof *out);
enum login_known login_memory_ask(const struct login_memory *m, const struct login_proof *proof);
/* `name_hash` and `stamp` tell login_memory_forget whose it is. */
void login_memory_note(struct login_memory *m, const struct login_proof *proof, bool right,
                       uint64_t name_hash, uint64_t stamp);

/* Forgets right ones for which `keeps` says no, in pieces: looks at some sets from `*at` on (0 at
 * first) and moves it. False when there are no more. */
bool login_memory_forget(struct login_memory *m, size_t *at,
                         bool (*keeps)(void *arg, uint64_t name_hash, uint64_t stamp), void *arg);

#endif
