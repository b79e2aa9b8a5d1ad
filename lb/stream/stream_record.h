/*
 * stream_record - a stream whose socket speaks TLS 1.3, its handshake done, without OpenSSL's
 * connection object.
 *
 * Data flow: stream_tls.c makes the handshake; stream_record_take then takes over keys and sequence
 *            numbers, and OpenSSL's 14 kB are freed. A read takes a burst by one recv and opens
 *            all records in it; a write seals up to RELAY_BUFFER bytes and sends them by one send.
 *            What records mean is tls_session.c's.
 * Memory:    about 300 bytes per stream. Beside them only what is on its way: a record that isn't
 *            all there yet (16 kB at most), and sealed bytes that the socket didn't take (`unsent`,
 *            about RELAY_BUFFER at most: nothing more is taken until they are gone).
 * Bounds:    a turn opens at most about two buffers full of records, however small these are; a
 *            peer that sends empty ones as fast as it can holds up nobody.
 * Ends:      as stream_tls: close_notify or the TCP end. A bad record is answered by the alert that
 *            fits, as far as the socket takes it at once.
 */
#ifndef FLOTILLA_LB_STREAM_STREAM_RECORD_H
#define FLOTILLA_LB_STREAM_STREAM_RECORD_H

#include <stdbool.h>

#include "lb/stream/stream.h"

struct record_env;
struct tls_agreement;

extern const struct stream_ops stream_record_ops;

/* What the streams of one worker share. NULL: out of memory. */
struct record_env *record_env_new(void);
void record_env_free(struct record_env *env);

/* Takes a stream of stream_tls.h whose handshake is done, the flags kept. False: it stays as it is,
 * for want of memory, or it isn't TLS 1.3. */
bool stream_record_take(struct stream *s, struct record_env *env);

/* The same, given what stream_tls_agreement tells; tests give something else. */
bool stream_record_take_agreed(struct stream *s, struct record_env *env,
                               const struct tls_agreement *agreement, const uint8_t *ahead,
                               size_t ahead_len);

/* For tests: our keys are changed after so many records. */
void stream_record_update_after(struct stream *s, uint64_t records);

#endif
