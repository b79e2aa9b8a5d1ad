/*
 * chain - sources in their order, of which the first answer wins; and a client's way along it.
 *
 * Data flow: auth.c makes a chain for all listeners and one for each that has its own, and asks at
 *            CONNECT. A source that answers later (source_answer) continues here.
 * Decides only: it knows nothing of what sources do.
 * Ownership: sources are borrowed and outlive the chain and every wait. A wait is its caller's, until
 *            `done`, a verdict, or chain_cancel; its grant is to be taken over or grant_fini'd.
 * Secrets:   while a source that isn't the last one answers later, the chain keeps a copy of name and
 *            password for the next one, and wipes it.
 */
#ifndef FLOTILLA_BROKER_AUTH_SOURCES_CHAIN_H
#define FLOTILLA_BROKER_AUTH_SOURCES_CHAIN_H

#include <stddef.h>

#include "broker/auth/login/login.h"
#include "broker/auth/sources/source.h"
#include "common/net/peer.h"

struct chain {
    struct source *sources[SOURCE_KINDS]; /* the last one never says SOURCE_NOT_MINE */
    size_t count;
};

/* Zeroed before its first use, with `done` and `arg` set. */
struct chain_wait {
    struct source_wait source; /* first member; `grant` is the result with LOGIN_OK */
    /* Called in the loop's thread, maybe for somebody else's reason: it must do no more than mark. */
    void (*done)(void *arg, enum login_verdict verdict);
    void *arg;
    /* chain.c's */
    const struct chain *chain;
    size_t at;
    struct source_request request; /* copied, for those that are still to be asked */
    struct peer peer;
    uint8_t *text; /* what its slices point to; NULL: nobody is to be asked any more */
    size_t text_size;
};

/* LOGIN_PENDING: `done` gets the verdict. Else that is the verdict, and `done` isn't called. */
enum login_verdict chain_ask(const struct chain *chain, const struct source_request *r,
                             struct chain_wait *wait);
/* Harmless when nobody is asked. Releases the grant. */
void chain_cancel(struct chain_wait *wait);

/* The source of that kind; NULL: the chain has none. */
struct source *chain_find(const struct chain *chain, enum source_kind kind);
/* Whether any source but the last one can know anybody. */
bool chain_knows_anybody(const struct chain *chain);

#endif
