/*
 * fleet_hold - a connection's hold on its client id, as the store has it: from the begin of its claim to its
 * end.
 *
 * Data flow: fleet_connect.c makes holds, fleet_disconnect.c ends them; what a client does goes through its
 *            hold, which says in which bucket its session is.
 * Ownership: counted. The list of all has one until the hold ends, and so has everything that waits
 *            for an answer.
 */
#ifndef FLOTILLA_BROKER_FLEET_HOLD_FLEET_HOLD_H
#define FLOTILLA_BROKER_FLEET_HOLD_FLEET_HOLD_H

#include <sys/queue.h>

#include "broker/fleet/node/fleet_behalf.h"
#include "broker/fleet/node/fleet_clock.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/scripts.h"
#include "broker/store/store.h"

struct fleet;
struct fleet_publish;
struct fleet_release;
STAILQ_HEAD(fleet_releases, fleet_release);

struct fleet_hold {
    struct fleet *fleet;
    struct store_hold *hold; /* NULL once disconnected */
    uint64_t ended_ms;       /* when that was */
    struct fleet_hold *next, *prev;
    unsigned refs, bucket;
    unsigned asserted;          /* in which round of all */
    struct fleet_behalf behalf; /* this connection */
    char run[9];                /* of Redis, in which its sequences are known to be right */
    bool fetch_later; /* something was fetched in another run, and is once that is known */
    uint64_t sent; /* highest sequence fetched here, or that was gone from the queue at connect */
    uint32_t expiry_s;
    struct fleet_publish *publishes, *publishes_tail; /* completed in order */
    unsigned behind;                                  /* how many of them wait to be matched */
    unsigned unsaid;         /* removals of subscriptions that aren't in the log yet */
    struct fleet_bytes acks; /* of this turn, see fleet_acks.c */
    unsigned ack_count;
    struct fleet_releases releases;
    struct fleet_hold *next_acking;
    bool acking;
    struct fleet_bytes will; /* frame; for rule 9 */
    uint32_t will_delay_s;
    struct fleet_moment arrived; /* its CONNECT, by Redis' clock */
};

/* All of a node. Who goes through them in pieces has a place here, which moves on when that hold goes. */
struct fleet_holds {
    struct fleet_hold *first;
    struct fleet_hold *acking; /* those with acknowledgements of this turn */
    struct fleet_hold *sweep_at;
    uint64_t sweep_next_ms;
    struct fleet_hold *assert_at; /* fleet_reassert.c */
    unsigned round;               /* counts the times that all are asserted */
};

bool fleet_holds_init(struct fleet *f);
void fleet_holds_free(struct fleet *f);

struct fleet_hold *fleet_hold_new(struct fleet *f, struct store_hold *hold);
void fleet_hold_unref(struct fleet_hold *h);
/* Without a command to Redis, which knows nothing of it. */
void fleet_hold_drop(struct fleet_hold *h);
void fleet_holds_detach(struct fleet *f); /* the end */
/* The script found a newer connection of this client. */
void fleet_hold_fenced(struct fleet_hold *h);
/* Its user, in the form of the scripts: '' any user, '-' a client without user name, '=' and the
 * name. */
void fleet_hold_write_user(struct redis_queue *q, const struct store_hold *hold);
/* When its session expires, in the form of the scripts: seconds, -1: never. */
void fleet_hold_write_expiry(struct redis_queue *q, uint32_t expiry_s);
/* Begins a session's script; `args` beside client and epoch. */
void fleet_session_script(struct fleet *f, struct store_hold *hold, enum script id, size_t args);

#endif
