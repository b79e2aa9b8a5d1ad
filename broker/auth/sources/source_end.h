/*
 * source_end - the last one of each chain: a client that no source knows is anonymous, or refused.
 *
 * Rules:   without a user name: let in if anonymous clients may come, else "Not authorized". With one, the
 *          same if no source knows anybody; otherwise it is a wrong login, as late as one that is checked
 *          (login_refuse), so that nobody learns which names there are.
 */
#ifndef FLOTILLA_BROKER_AUTH_SOURCES_SOURCE_END_H
#define FLOTILLA_BROKER_AUTH_SOURCES_SOURCE_END_H

#include "broker/auth/sources/source.h"

struct chain;
struct logins;

struct source_end {
    struct source source;      /* first member */
    const struct chain *chain; /* borrowed: whose end it is */
    struct logins *logins;     /* borrowed; NULL: no source has anything checked */
    bool anonymous;            /* they may come */
};

void source_end_init(struct source_end *e, const struct chain *chain);

#endif
