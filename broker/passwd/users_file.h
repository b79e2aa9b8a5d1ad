/*
 * users_file - a password file that is changed line by line and replaced as a whole.
 *
 * Data flow: passwd_commands.c opens, looks or changes, and saves.
 * Two at once: a file that is opened for changing is locked (flock) until it is closed; another one waits 10 s.
 * Saving:    into a new file beside it, which then takes its place: owner, group and mode stay, but others lose their
 *            rights (a new file is 0600). Comments, empty lines and the order stay. Links are followed.
 * Errors:    a sentence with the file, and the line where there is one.
 * Secrets:   what was read is wiped.
 */
#ifndef FLOTILLA_BROKER_PASSWD_USERS_FILE_H
#define FLOTILLA_BROKER_PASSWD_USERS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/mqtt/mqtt.h"

struct passwd_secret;
struct users_file;

enum users_file_use {
    USERS_FILE_LOOK,
    USERS_FILE_CHANGE,
    USERS_FILE_NEW,     /* made if need be; what is in it is dropped */
    USERS_FILE_CONVERT, /* may have passwords that aren't hashed yet */
};

struct users_entry {
    size_t line; /* from 0; the first one to look at */
    struct mqtt_slice name;
    const char *hash; /* what stands behind the colon, with a NUL behind it */
};

/* NULL with a sentence in err, also if the broker couldn't read it. */
struct users_file *users_file_open(const char *path, enum users_file_use use, char *err,
                                   size_t errlen);
void users_file_close(struct users_file *f);

/* The next user from e->line on; false: no more. Then, or to go on, e->line is behind it. */
bool users_file_next(const struct users_file *f, struct users_entry *e);
/* False: there is none of this name. */
bool users_file_find(const struct users_file *f, struct mqtt_slice name, struct users_entry *e);

/* Instead of the user's line, or behind all others. False: out of memory. */
bool users_file_put(struct users_file *f, struct mqtt_slice name, const struct passwd_secret *s);
/* False: there was none. */
bool users_file_remove(struct users_file *f, struct mqtt_slice name);
bool users_file_save(struct users_file *f, char *err, size_t errlen);

#endif
