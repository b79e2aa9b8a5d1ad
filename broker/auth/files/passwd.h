/*
 * passwd - the users and passwords of a file that mosquitto_passwd or flotilla-passwd writes.
 *
 * A line is the user's name, a colon, and the hashed password (password_hash.h). Blanks around the name
 * don't count, as with Mosquitto.
 *
 * Data flow: login.c looks users up and has their passwords verified; a reload (auth.c) loads the
 *            file into a new table and swaps.
 * Errors:    anything but such lines, comments and empty lines, a name that no client could send
 *            (not UTF-8, too long) and a user named twice fail with file and line: a user who
 *            can't be read must not quietly be unknown.
 * Secrets:   hashes are compared in constant time. The table is left out of core dumps and wiped.
 * Size:      about 120 bytes per user.
 * Threads:   nothing changes after loading: any thread may read.
 */
#ifndef FLOTILLA_BROKER_AUTH_FILES_PASSWD_H
#define FLOTILLA_BROKER_AUTH_FILES_PASSWD_H

#include "broker/auth/files/password_hash.h"
#include "common/mqtt/mqtt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct passwd;
struct scram_secret;

/* NULL on failure, with a sentence for an operator in err. `hash_key` is the same at each load. */
struct passwd *passwd_load(const char *path, uint64_t hash_key, char *err, size_t errlen);
void passwd_free(struct passwd *p);

/* A table that is NULL has no users. */

/* Which password a user has, in 8 bytes: changes when his line does. 0: no such user. */
uint64_t passwd_stamp(const struct passwd *p, struct mqtt_slice username);
/* The same, by hash_bytes of the name with the table's key. */
uint64_t passwd_stamp_of_hash(const struct passwd *p, uint64_t hash);
/* False: no such user. */
bool passwd_find(const struct passwd *p, struct mqtt_slice username, struct passwd_secret *out);
/* For SCRAM-SHA-256: the user's keys and passwd_stamp; or 0 and keys that are made up, for a name that has
 * none. These are the same each time, and at each broker with the same file, so that clients can't find out
 * which names there are. */
uint64_t passwd_find_scram(const struct passwd *p, struct mqtt_slice username,
                           struct scram_secret *out);
/* Of the user whose password costs most to check: passwd_secret_cost. */
uint32_t passwd_most_iterations(const struct passwd *p);

/* Reads one line without comment, and changes it: what is wrong with it, NULL: nothing. `name` has a NUL
 * behind it, and is empty where there isn't any. `out` is all zero before. */
const char *passwd_line_parse(char *line, struct mqtt_slice *name, struct passwd_secret *out);

#endif
