/*
 * fleet_publish_op - one publish on its way (rule 5); shared by fleet_publish.c, which does its rounds
 * and completes it, fleet_publish_wait.c, where it waits for a round, and fleet_publish_state.c, which
 * alone changes its state.
 *
 *     new ──► binding ──► behind ──► sending ──────► asking ──────► done
 *                           ▲        ▲ ▲             │ │
 *                           │        │ └─────────────┘ │ somebody new must get it
 *                           │        └───── held ◄─────┘ no room in Redis, or no inbox
 *                           └────────────────┘ an earlier one of the same publisher is held as well
 *
 *     `new` goes to the first of the next three that it needs, `binding` to the first of the next
 *     two. From each but `new` to `done`: `sending` when a round finds nobody new, the others when
 *     they fail.
 *
 * What each waits for, how long, and what comes then:
 *
 *     BINDING  which id the packet id is bound to (QoS 2 of a durable publisher): as long as the
 *              link has for a command
 *     BEHIND   an earlier publish of the same publisher that may be matched again. Its subscribers,
 *              also new ones, must get that one first
 *     SENDING  a round: what these targets ask for and didn't get yet is gathered, and sent with the
 *              turn's flush. Where an earlier round found everybody there is nothing to ask about
 *     ASKING   the version of the fleet's log, which is asked for behind all parts on the same
 *              ordered link, and the log to be that far here. The first answer is what is owed
 *     HELD     100 ms, then for the log to be valid and Redis to have room: no limit, but the bytes
 *              that are held stop the reading of clients (fleet_accepts)
 *     DONE     the publisher's earlier ones; then its call is completed and it is freed
 *
 * A client that subscribed after the first answer did so after the publish, so a log that never
 * rests is no reason to ask for ever. If Redis may have lost something, it is different: later
 * entries may repeat old ones, so each answer is owed. When the node ends or starts over, those who
 * wait are told so and fail.
 *
 * Its changes of state aren't logged: there are several per message.
 */
#ifndef FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_PUBLISH_OP_H
#define FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_PUBLISH_OP_H

#include <sys/queue.h>

#include "broker/fleet/exchange/fleet_parts.h"
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_behalf.h"
#include "broker/store/store.h"

struct fleet_hold;

enum fleet_publish_state {
    FLEET_PUBLISH_NEW,
    FLEET_PUBLISH_BINDING,
    FLEET_PUBLISH_BEHIND,
    FLEET_PUBLISH_SENDING,
    FLEET_PUBLISH_ASKING,
    FLEET_PUBLISH_HELD,
    FLEET_PUBLISH_DONE,
};
#define FLEET_PUBLISH_STATES (FLEET_PUBLISH_DONE + 1)

struct fleet_publish {
    struct fleet_version_wait wait; /* first; ASKING */
    /* Beside the state: `parts.taken` may be found out in each state, while answers are under way
     * that refer to the publish. It is looked at with the next of them. */
    struct fleet_parts parts;
    enum fleet_publish_state state; /* fleet_publish_enter alone sets it */
    struct fleet_publish *next;     /* of the same publisher */
    LIST_ENTRY(fleet_publish) all;
    struct fleet_behalf behalf; /* who publishes: a connection, or a will's */
    struct fleet_hold *hold;    /* the publisher's, NULL: none, or it is gone */
    store_done_fn *done;
    void *arg;
    bool remember; /* receivers recognise a repeat by its id */
    bool *reached; /* the caller's, until it is completed: somebody gets it; may be NULL */

    /* What the rounds so far have found. Not states: a publish that is held, or asks once more,
     * goes on from them. */
    uint64_t matched; /* version of the log that the targets belong to; UINT64_MAX: not matched */
    uint64_t owed;    /* subscribers of this version must get it; 0: not known yet */
    uint64_t owed_lost_ms; /* the fleet's lost_until_ms when that was answered */
    unsigned run;          /* of Redis, when the first of it was gathered */

    /* HELD */
    struct fleet_publish *next_held;
    uint64_t again_ms; /* not before */
};

struct fleet_publishing {
    LIST_HEAD(, fleet_publish) all;
    struct fleet_publish *held, *held_tail; /* what waits longest is matched first */
};

/* ---- fleet_publish_state.c ------------------------------------------------------------------- */

/* Whether the diagram has this arrow. */
bool fleet_publish_may_enter(enum fleet_publish_state from, enum fleet_publish_state to);
/* The one function that changes a publish's state. One that leaves HELD is the first there. An arrow
 * that the diagram doesn't have is a mistake of ours (assert). */
void fleet_publish_enter(struct fleet_publish *p, enum fleet_publish_state state);

/* ---- fleet_publish.c ------------------------------------------------------------------------- */

/* The version of the log that targets of now belong to; 0: the log isn't valid. */
static inline uint64_t fleet_publish_applied(const struct fleet *f)
{
    return fleet_log_is_valid(f) ? fleet_log_applied(f) : 0;
}
/* Somebody gets it. */
static inline void fleet_publish_note_reached(const struct fleet_publish *p)
{
    if (p->reached != NULL)
        *p->reached = true;
}
/* Its first round, with the targets of now. */
void fleet_publish_match(struct fleet_publish *p);
/* A round after a wait: not for a publisher that has left. Frees it, perhaps. */
void fleet_publish_match_again(struct fleet_publish *p);
/* The same, and then those behind it that needn't wait any more. */
void fleet_publish_match_new(struct fleet_publish *p);
/* Into DONE; completes what is done at the head of the publisher's list. Frees it, perhaps. */
void fleet_publish_finish(struct fleet_publish *p);

/* ---- fleet_publish_wait.c -------------------------------------------------------------------- */

/* Asks which id the packet id is bound to; matches it then. */
void fleet_publish_bind(struct fleet_publish *p, const struct store_publish_request *req);
/* Whether it has to wait for earlier ones of its publisher. `earlier`: the one before it, NULL: none. */
bool fleet_publish_must_wait(const struct fleet_publish *p, const struct fleet_publish *earlier);
/* Matches those that needn't wait any more for the one before them. */
void fleet_publish_release_behind(struct fleet_hold *h);

#endif
