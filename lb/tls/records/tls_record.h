/*
 * tls_record - TLS 1.3 records in memory: the keys of one direction, sealing and opening.
 *
 * Data flow: tls_session.c owns the keys of both directions and decides what a record means;
 *            nothing here knows of sockets or connections.
 * Source:    RFC 8446, 5.2 (record protection), 5.3 (nonce), 7.1 to 7.3 (labels, key update, keys).
 * Ownership: struct tls_crypt has the ciphers' working state and belongs to one thread; what a
 *            direction keeps between its records is struct tls_keys alone. A cipher is keyed anew
 *            only when it is another direction's turn.
 * Errors:    a bad record is a verdict with the alert to send; false or 0: OpenSSL failed.
 */
#ifndef FLOTILLA_LB_TLS_RECORDS_TLS_RECORD_H
#define FLOTILLA_LB_TLS_RECORDS_TLS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/tls/records/tls_hkdf.h"

#define TLS_RECORD_HEADER 5
#define TLS_RECORD_TAG 16
#define TLS_RECORD_OVERHEAD (TLS_RECORD_HEADER + 1 + TLS_RECORD_TAG)      /* without padding */
#define TLS_RECORD_CONTENT_MAX 16384                                      /* 5.1 */
#define TLS_RECORD_MAX (TLS_RECORD_HEADER + TLS_RECORD_CONTENT_MAX + 256) /* 5.2 */

enum tls_suite { TLS_SUITE_AES_128_GCM, TLS_SUITE_AES_256_GCM, TLS_SUITE_CHACHA20_POLY1305 };
#define TLS_SUITES (TLS_SUITE_CHACHA20_POLY1305 + 1)

struct tls_crypt;

struct tls_keys {
    uint64_t sequence; /* of the next record */
    uint64_t id;       /* no other keys of the same tls_crypt have it */
    uint8_t secret[TLS_DIGEST_MAX];
    uint8_t key[32];
    uint8_t iv[12];
    uint8_t suite; /* enum tls_suite */
};

/* NULL: out of memory, or a cipher is missing. */
struct tls_crypt *tls_crypt_new(void);
void tls_crypt_free(struct tls_crypt *c);

/* Translates the two bytes of the protocol (0x1301 ..). False: not one of ours. */
bool tls_suite_find(unsigned protocol_id, enum tls_suite *suite);
/* Bytes of a traffic secret. */
size_t tls_suite_secret_len(enum tls_suite suite);

/* Key and IV from a traffic secret of tls_suite_secret_len bytes; records count from `sequence`. */
bool tls_keys_init(struct tls_crypt *c, struct tls_keys *k, enum tls_suite suite,
                   const uint8_t *secret, uint64_t sequence);
/* The next generation (7.2). */
bool tls_keys_update(struct tls_crypt *c, struct tls_keys *k);

/* One record of `len` bytes (TLS_RECORD_CONTENT_MAX at most) of that content type into `wire`,
 * which has room for `len` + TLS_RECORD_OVERHEAD. Returns its size, 0 after a failure. `data` may
 * not lie in `wire`. */
size_t tls_record_seal(struct tls_crypt *c, struct tls_keys *k, uint8_t type, const uint8_t *data,
                       size_t len, uint8_t *wire);

enum tls_record_verdict { TLS_RECORD_OK, TLS_RECORD_PARTIAL, TLS_RECORD_BAD };

struct tls_record {
    size_t wire_len; /* bytes that it takes on the wire */
    size_t len;      /* of its content, without padding */
    uint8_t type;    /* of its content; what follows is the reason when it is bad */
    uint8_t alert;   /* SSL_AD_... */
};

/* Opens the record at the beginning of `wire`. Its content goes to `out`, which has room for as
 * many bytes as the whole record has, and doesn't overlap `wire`. */
enum tls_record_verdict tls_record_open(struct tls_crypt *c, struct tls_keys *k,
                                        const uint8_t *wire, size_t len, uint8_t *out,
                                        struct tls_record *record);

#endif
