/*
 * tls_selfcheck - at the start: do TLS 1.3 connections still work once they have left OpenSSL?
 *
 * stream_record.h leans on what libssl hands to a KDF and on when it seals its last record, which
 * no document promises. So before the first client comes, each cipher suite makes a full and a
 * resumed handshake with a client of OpenSSL's own, over a socket pair, leaves OpenSSL, and must
 * echo what the client says: small, longer than a record, and after a change of keys. If one fails,
 * all connections stay with OpenSSL (`tls.records: openssl`), and so does its key schedule.
 *
 * Data flow: control.c runs it once; reload.c heeds the result.
 * Cost:      some milliseconds, and two descriptors meanwhile.
 * Errors:    false, with a sentence in `err` that names suite and step; also for want of memory or
 *            descriptors, since nothing was shown then.
 */
#ifndef FLOTILLA_LB_STREAM_TLS_SELFCHECK_H
#define FLOTILLA_LB_STREAM_TLS_SELFCHECK_H

#include <stdbool.h>
#include <stddef.h>

struct record_env;
struct stream;

/* How a stream leaves OpenSSL: stream_record_take, or in tests one that does it wrong. */
typedef bool tls_take_fn(struct stream *s, struct record_env *env);

bool tls_selfcheck(tls_take_fn *take, char *err, size_t errlen);

#endif
