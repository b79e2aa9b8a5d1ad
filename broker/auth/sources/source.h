/*
 * source - one place that knows who clients are: the password file, signed tokens, and more. Sources
 * stand in a chain (chain.h); each is asked in turn, and the first answer wins.
 *
 * Data flow: at CONNECT auth.c asks the chain of the client's listener, and the chain asks the sources.
 *            Each says:
 *
 *              SOURCE_ADMIT     the client is who it says. `wait->grant` says what it got.
 *              SOURCE_REFUSE    I know this user, or this kind of proof, and it is wrong: nobody else is
 *                               asked.
 *              SOURCE_DENY      the same, but it isn't about a name and a password (no certificate where
 *                               one is required): "Not authorized", at once.
 *              SOURCE_NOT_MINE  I know nothing of it: the next one is asked. The last one of each
 *                               chain (source_end.h) says whether it may be anonymous.
 *              SOURCE_BUSY      I can't tell now (too many wait, the service is away): nobody else is
 *                               asked, since his answer could be another one; the client may try again.
 *              SOURCE_LATER     the answer comes by source_answer, exactly once, unless `cancel` was
 *                               called before.
 *
 * Rules for a source:
 * - `ask` never blocks, and costs the loop no more than some 100 µs. What takes longer (hashes,
 *   signatures) is a thread's: login_check and login_check_by of login.h, which also count and slow down
 *   those who guess. What is refused without any of these goes through login_refuse, so that it takes as
 *   long as a hash and counts as a failure. The network is asked with a timeout and a bound on how many
 *   are asked at once.
 * - `request` and what it points to are good during `ask` only (the certificate: as long as the wait). A
 *   source that answers later copies what it needs, and wipes it.
 * - source_answer may be called only in the loop's thread, and not within `ask`. It may end with the
 *   next source being asked, or with `done` of whoever waits, which only marks.
 * - SOURCE_ADMIT: `grant.stamp` isn't 0, and another one as soon as the secret (password, key) is
 *   another one, so that still_admits can tell. A change of a source's users calls auth_changed (auth.h),
 *   and auth_recheck.c goes through all clients.
 *
 * Ownership: a source is its maker's, and outlives every wait. `grant.username` and `grant.terms` are the
 *            receiver's (grant_fini).
 * Threads:   the loop's only.
 * A new one: its kind in enum source_kind, its name in source_names (source.c) and config_check_source
 *            (auth_config.c), its struct source_ops in a file of its own here, and its place in auth.c
 *            (doors_make, source_named, and use_files for what a reload changes).
 */
#ifndef FLOTILLA_BROKER_AUTH_SOURCES_SOURCE_H
#define FLOTILLA_BROKER_AUTH_SOURCES_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/auth/login/login.h"
#include "common/mqtt/mqtt.h"

struct grant_terms;
struct peer;
struct peer_certificate;
struct source;
struct source_wait;

/* Noted with each client: which source is asked whether it may stay. */
enum source_kind {
    SOURCE_NOBODY, /* it is anonymous, or nobody is asked for passwords */
    SOURCE_FILE,   /* auth.password_file */
    SOURCE_JWT,
    SOURCE_CERTIFICATE,
    SOURCE_REDIS, /* users in Redis */
    SOURCE_HTTP,
};
#define SOURCE_KINDS (SOURCE_HTTP + 1)

/* As the configuration calls them; [SOURCE_NOBODY] is "anonymous", which no chain names. */
extern const char *const source_names[SOURCE_KINDS];

enum source_answer {
    SOURCE_LATER,
    SOURCE_ADMIT,
    SOURCE_REFUSE,
    SOURCE_DENY,
    SOURCE_NOT_MINE,
    SOURCE_BUSY
};

/* What a CONNECT says. All is borrowed. */
struct source_request {
    bool has_username; /* an empty one is one */
    struct mqtt_slice username, password, client_id;
    const struct peer *peer;                    /* for counting; NULL: not to be told apart */
    const struct peer_certificate *certificate; /* verified; NULL: none, or not to be believed */
};

/* What an admitted client got. */
struct grant {
    enum source_kind source;   /* set by the chain */
    uint64_t stamp;            /* which secret was right */
    char *username;            /* NULL: the one that it gave. Of ACCOUNT_CLIENTS (account.h) */
    struct grant_terms *terms; /* NULL: none. See grant_terms.h */
};

/* One client's question to one source, in struct chain_wait. */
struct source_wait {
    struct source *asked; /* NULL: nobody is asked */
    struct grant grant;
    struct login_wait login; /* for sources that have something checked by login.h */
    void *pending;           /* the source's own, while it answers later */
};

struct source_ops {
    enum source_answer (*ask)(struct source *s, const struct source_request *r,
                              struct source_wait *wait);
    /* After SOURCE_LATER: nobody waits any more. */
    void (*cancel)(struct source *s, struct source_wait *wait);
    /* NULL: always. Whether it can know anybody now; one that can't isn't asked. */
    bool (*is_there)(const struct source *s);
    /* Whether a client of this name that was admitted with that stamp is still to be admitted. Called
     * for each client after a change: no I/O. */
    bool (*still_admits)(const struct source *s, struct mqtt_slice username, uint64_t stamp);
};

/* First member of each source. */
struct source {
    enum source_kind kind;
    const struct source_ops *ops;
};

/* The answer that was to come. */
void source_answer(struct source_wait *wait, enum source_answer answer);

/* Releases what nobody has taken over. */
void grant_fini(struct grant *g);

#endif
