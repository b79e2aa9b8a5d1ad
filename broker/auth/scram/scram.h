/*
 * scram - the server's side of one SCRAM-SHA-256 exchange (RFC 5802, 5 and 7): reads what a client says, and says what
 * it is to hear.
 *
 *     client  n,,n=user,r=NONCE                          scram_begin: the name
 *     server  r=NONCE+OURS,s=SALT,i=ITERATIONS           scram_challenge: with the name's keys
 *     client  c=biws,r=NONCE+OURS,p=PROOF                scram_finish: is the proof right
 *     server  v=SIGNATURE                                the same
 *
 * Pure: no I/O, no random numbers.
 * Errors:    false for whatever isn't exactly such a message, is too long, or asks for what isn't offered: channel
 *            binding (p=), mandatory extensions (m=), and acting for another user (a=).
 * Ownership: embedded in the exchange (auth_method_scram.c). The messages for the client are in it, good until the next
 *            call; it holds no keys.
 */
#ifndef FLOTILLA_BROKER_AUTH_SCRAM_SCRAM_H
#define FLOTILLA_BROKER_AUTH_SCRAM_SCRAM_H

#include <stdbool.h>

#include "broker/auth/scram/saslprep.h"
#include "broker/auth/scram/scram_keys.h"
#include "broker/base/base64.h"
#include "common/mqtt/mqtt.h"

enum {
    SCRAM_MESSAGE_MAX_BYTES = 1024,   /* of the client */
    SCRAM_NONCE_MAX_BYTES = 256,      /* of the client's part */
    SCRAM_OUR_NONCE_MAX_BYTES = 64,   /* of ours */
    SCRAM_GS2_HEADER_MAX_BYTES = 300, /* flag and another user's name */
};

struct scram {
    char name[SASLPREP_NAME_MAX_BYTES * 2]; /* prepared by SASLprep, with a NUL behind it */
    char bare[SCRAM_MESSAGE_MAX_BYTES];     /* client-first-message-bare */
    size_t bare_len;
    char binding[BASE64_SIZE(SCRAM_GS2_HEADER_MAX_BYTES)]; /* what c= must say */
    char nonce[SCRAM_NONCE_MAX_BYTES + SCRAM_OUR_NONCE_MAX_BYTES + 1];
    size_t nonce_len;
    /* server-first-message */
    char first[SCRAM_NONCE_MAX_BYTES + SCRAM_OUR_NONCE_MAX_BYTES +
               BASE64_SIZE(SCRAM_SALT_MAX_BYTES) + 32];
    size_t first_len;
    char final[2 + BASE64_SIZE(SCRAM_KEY_BYTES)]; /* server-final-message */
};

/* Reads client-first-message; then `name` says who it is. */
bool scram_begin(struct scram *s, struct mqtt_slice message);
/* Says server-first-message. `nonce`: printable, without commas, never used before. */
bool scram_challenge(struct scram *s, const struct scram_secret *secret, const char *nonce,
                     struct mqtt_slice *out);
/* Reads client-final-message, true if its proof is right; says server-final-message then. */
bool scram_finish(struct scram *s, const struct scram_keys *keys, struct mqtt_slice message,
                  struct mqtt_slice *out);

#endif
