/*
 * passwd - the users and passwords of a file that mosquitto_passwd writes.
 *
 * A line is `user:$7$iterations$salt$hash` (PBKDF2-HMAC-SHA512, mosquitto_passwd's default) or
 * `user:$6$salt$hash` (SHA-512 of password and salt), salt and hash in base64.
 *
 * Data flow: the CONNECT handler asks passwd_check; a reload loads the file anew and swaps.
 * Errors:    anything but such lines, comments and empty lines, and a user named twice, fail with
 *            file and line: a user who can't be read must not quietly be unknown.
 * Secrets:   hashes are compared in constant time, and an unknown user costs as much as a wrong
 *            password of the costliest user. What checked right is remembered (an HMAC under a
 *            random key, never the password), so that a fleet that reconnects pays the hashing
 *            once; a reload forgets it.
 * Limits:    1,000,000 iterations (about half a second of the loop); 16,384 remembered checks, a
 *            new one takes the place of an old one.
 * Threads:   belongs to the broker's loop.
 */
#ifndef FLOTILLA_BROKER_PASSWD_H
#define FLOTILLA_BROKER_PASSWD_H

#include "common/mqtt.h"

#include <stdbool.h>
#include <stddef.h>

struct passwd;

/* NULL on failure, with a sentence for an operator in err. */
struct passwd *passwd_load(const char *path, char *err, size_t errlen);
void passwd_free(struct passwd *p);

/* Whether the user exists and this is the password. An empty password is never right. */
bool passwd_check(struct passwd *p, struct mqtt_slice username, struct mqtt_slice password);

#endif
