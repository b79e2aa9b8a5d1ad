/*
 * saslprep - the one form of a user name or password (RFC 4013): the same letters typed at another keyboard become the
 * same bytes.
 *
 * Data flow: scram.c prepares the name that a client says, scram_keys.c passwords; passwd_line.c asks whether a name of
 *            the password file is in this form.
 * Errors:    false for what isn't UTF-8, has characters that are prohibited (controls, private use, ...), mixes
 *            directions, has nothing left, or doesn't fit.
 * Cost:      none to speak of for ASCII; libidn's tables for the rest, some microseconds a character, so callers keep
 *            it short.
 */
#ifndef FLOTILLA_BROKER_AUTH_SCRAM_SASLPREP_H
#define FLOTILLA_BROKER_AUTH_SCRAM_SASLPREP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/mqtt/mqtt.h"

enum { SASLPREP_NAME_MAX_BYTES = 256 };

/* What may be compared with what is kept (names that clients say), and what is kept: it may not have characters that
 * Unicode 3.2 didn't know, whose form isn't decided. */
enum saslprep_use { SASLPREP_QUERY, SASLPREP_STORED };

/* `out` gets the text with a NUL behind it; `size` counts that. After a failure it may hold anything. */
bool saslprep(struct mqtt_slice text, enum saslprep_use use, char *out, size_t size);
/* It is in this form already. False for names of more than SASLPREP_NAME_MAX_BYTES. */
bool saslprep_is_prepared_name(struct mqtt_slice name);

#endif
