/*
 * source_jwt - clients that give a signed token as their password.
 *
 * Data flow: auth.c makes it and gives it the keys, again after each reload. A password that is meant as a
 *            token is taken apart and judged in the loop (broker/auth/jwt), its signature is checked by a
 *            thread and remembered by login.c, as passwords are. Others are somebody else's.
 * The grant: the token's user name, its end, and the topics that it is narrowed to.
 * Errors:    what is wrong with a token is in the log (token_refused), and not told to the client.
 */
#ifndef FLOTILLA_BROKER_AUTH_SOURCES_SOURCE_JWT_H
#define FLOTILLA_BROKER_AUTH_SOURCES_SOURCE_JWT_H

#include "broker/auth/sources/source.h"

struct jwt_keys;
struct logins;

struct source_jwt {
    struct source source;        /* first member */
    const struct jwt_keys *keys; /* borrowed; NULL: there are none, and nobody is asked */
    struct logins *logins;       /* borrowed; NULL only without keys */
};

void source_jwt_init(struct source_jwt *j);

#endif
