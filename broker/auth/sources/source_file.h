/*
 * source_file - the users of auth.password_file.
 *
 * Data flow: auth.c makes it and gives it the table of the file, again after each reload; login.c checks the
 *            passwords. A name that isn't in the file is somebody else's.
 */
#ifndef FLOTILLA_BROKER_AUTH_SOURCES_SOURCE_FILE_H
#define FLOTILLA_BROKER_AUTH_SOURCES_SOURCE_FILE_H

#include "broker/auth/sources/source.h"

struct logins;
struct passwd;

struct source_file {
    struct source source;        /* first member */
    const struct passwd *passwd; /* borrowed; NULL: there is no file, and nobody is asked */
    struct logins *logins;       /* borrowed; NULL only without a file. Has the same table */
};

void source_file_init(struct source_file *f);

#endif
