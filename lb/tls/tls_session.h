/*
 * tls_session - a TLS 1.3 connection after its handshake, in memory: what records that come mean,
 * and the records to send.
 *
 * Data flow: stream_record.c reads and writes the socket; sealing and opening is tls_record.c.
 * Source:    RFC 8446, 4.6.3 and 7.2 (key updates), 5.1, 5.4 and 5.5 (records), 6 (alerts);
 *            RFC 6066, 4 (maximum fragment length). As strict as OpenSSL, stricter where the RFC is.
 * Updates:   a peer's request for a key update is answered once, however many come before the
 *            answer; more than TLS_UPDATES_MAX in a row without data between them end the
 *            connection. Our own keys are changed after TLS_SESSION_RECORDS records (5.5 allows GCM
 *            2^24.5).
 * Ownership: part of the stream's state, about 240 bytes; tls_session_fini wipes the keys.
 */
#ifndef FLOTILLA_LB_TLS_TLS_SESSION_H
#define FLOTILLA_LB_TLS_TLS_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/tls/records/tls_record.h"

#define TLS_UPDATES_MAX 32
#define TLS_SESSION_RECORDS (1ull << 24)
#define TLS_RECORD_CONTENT_MIN 512 /* the smallest maximum that can be negotiated */
#define TLS_ALERT_WIRE (2 + TLS_RECORD_OVERHEAD)
#define TLS_UPDATE_WIRE (5 + TLS_RECORD_OVERHEAD)

struct tls_session {
    struct tls_keys in, out;
    uint64_t update_after; /* records under the same keys */
    uint16_t content_max;  /* bytes of data in a record, either way */
    uint8_t message_len;   /* bytes of a KeyUpdate that isn't whole yet */
    uint8_t updates;       /* of the peer's keys, since data came */
    bool owes_update;      /* the peer asked for it */
};

/* What the handshake agreed on. */
struct tls_agreement {
    enum tls_suite suite;
    uint8_t in_secret[TLS_DIGEST_MAX], out_secret[TLS_DIGEST_MAX];
    uint64_t out_sequence; /* records that were sealed with out_secret already */
    uint16_t content_max;
};

bool tls_session_init(struct tls_session *s, struct tls_crypt *c, const struct tls_agreement *a);
void tls_session_fini(struct tls_session *s);

enum tls_session_verdict {
    TLS_SESSION_OK,      /* wire_len bytes are dealt with, data_len bytes of data are in `out` */
    TLS_SESSION_PARTIAL, /* the record isn't whole */
    TLS_SESSION_ENDED,   /* close_notify: the peer sends no more */
    TLS_SESSION_FAILED,  /* an alert of the peer: nobody will read what is written */
    TLS_SESSION_BAD,     /* send `alert` and close */
};

struct tls_opened {
    size_t wire_len, data_len;
    uint8_t alert; /* SSL_AD_... */
};

/* Takes one record; `out` as for tls_record_open. */
enum tls_session_verdict tls_session_open(struct tls_session *s, struct tls_crypt *c,
                                          const uint8_t *wire, size_t len, uint8_t *out,
                                          struct tls_opened *opened);

/* Room that tls_session_seal needs for so many bytes of data, however small the records are. */
static inline size_t tls_session_wire(size_t len)
{
    return len + (len / TLS_RECORD_CONTENT_MIN + 1) * (TLS_RECORD_OVERHEAD + TLS_UPDATE_WIRE);
}

/* Data as records, key updates that are due before them. Returns their size, 0 after a failure. */
size_t tls_session_seal(struct tls_session *s, struct tls_crypt *c, const uint8_t *data, size_t len,
                        uint8_t *wire);

/* The key update that is owed (TLS_UPDATE_WIRE bytes). It may also wait for the next data. */
size_t tls_session_seal_update(struct tls_session *s, struct tls_crypt *c, uint8_t *wire);

/* TLS_ALERT_WIRE bytes. SSL_AD_CLOSE_NOTIFY is the orderly end. */
size_t tls_session_seal_alert(struct tls_session *s, struct tls_crypt *c, uint8_t alert,
                              uint8_t *wire);

#endif
