/*
 * fleet_connect_op - one attempt to take a client id for a connection; shared by the files of its
 * states, by fleet_connect_list.c, which finds it, and by fleet_hand_over.c, which ends it for newer
 * claims.
 *
 *     new ──► claiming ──► reading ──► handing over ──► seizing ──► restoring ──► settling
 *                ▲            │             │              │            │          │    │
 *                └────────────┴─────────────┴──────────────┴────────────┴──────────┘    │ too long
 *                     begins again: Redis may have lost its claim                       ▼
 *                                                                                    refused
 *     and from each state but `new` to `ended`.
 *
 * The states, with the file that does the work:
 *
 *     CLAIMING      the claim script raises the epoch and says who had the client (fleet_claim.c)
 *     READING       subscriptions that the claim's answer had no room for (fleet_claim.c)
 *     HANDING_OVER  each former owner is asked to hand over; from one that doesn't answer, or is
 *                   dead, the client is taken (fleet_owners.c, fleet_cut.h)
 *     SEIZING       a will that its owner didn't deal with is taken and published (fleet_seize.c)
 *     RESTORING     its routes are held, and the core is told of its subscriptions, in pieces
 *                   (fleet_restore.c)
 *     SETTLING      its will is armed and its routes are announced; the log, the inbox and the
 *                   channel are read up to now, so that order holds when a publisher moves to its
 *                   subscriber's node (fleet_connect.c)
 *     REFUSED       the core has been told that it failed; answers on their way still refer to it
 *     ENDED         the core is being told, then it is freed
 *
 * What each waits for, how long, and what a loss of data in Redis does to it there:
 *
 *     state         waits for                     at most            ends           loss of data
 *     CLAIMING      the claim's answer            as the link has    refused by it  nothing: the
 *                                                                                   claim is behind
 *     READING       answers                       as the link has    failed         again, behind
 *                                                                                   them
 *     HANDING_OVER  the owners' answers           1 s, then they     a cut failed   again at once,
 *                                                 are cut                           but behind cuts
 *     SEIZING       a script, a cut or a will,    10 s in all for    failed         again at once,
 *                   50 ms for one elsewhere,      one that fails                    but behind what
 *                   250 ms for room in Redis                                        is under way
 *     RESTORING     turns with time for it        -                  -              again at once
 *     SETTLING      the log, the inbox, the       10 s, then         failed, or     again, behind
 *                   version, its will's answer;   REFUSED            done           what it waits
 *                   then a turn with time                                           for
 *     REFUSED       the same                      -                  all are there  nothing
 *
 * A newer claim of the client (`fenced_by`) ends it in each state, once what refers to it is
 * answered. So does the node's end or its starting over.
 */
#ifndef FLOTILLA_BROKER_FLEET_CONNECT_FLEET_CONNECT_OP_H
#define FLOTILLA_BROKER_FLEET_CONNECT_FLEET_CONNECT_OP_H

#include <sys/queue.h>

#include "broker/fleet/fence/fleet_subscriptions.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"
#include "common/base/hash_table.h"

enum { CONNECT_MS = 10000 };

/* What an op waits for that may not come; each has its time. */
enum connect_wait {
    CONNECT_WAIT_NONE,
    CONNECT_WAIT_OWNERS,  /* former owners that are asked to hand the client over */
    CONNECT_WAIT_WILL,    /* a former will that isn't out: a moment, then it looks again */
    CONNECT_WAIT_ROOM,    /* room in Redis, which is full */
    CONNECT_WAIT_SETTLED, /* the log, the inbox and the channel */
    CONNECT_WAIT_TIME,    /* nothing but a turn that has time for it */
    CONNECT_WAIT_COUNT,
};

enum connect_state {
    CONNECT_NEW,
    CONNECT_CLAIMING,
    CONNECT_READING,
    CONNECT_HANDING_OVER,
    CONNECT_SEIZING,
    CONNECT_RESTORING,
    CONNECT_SETTLING,
    CONNECT_REFUSED,
    CONNECT_ENDED,
};
#define CONNECT_STATES (CONNECT_ENDED + 1)

enum { OWNERS_MAX = 8 };

/* A node that may still have an older connection of the client. */
struct connect_owner {
    struct connect_op *op;
    uint64_t node;
    enum {
        OWNER_ASKED, /* to hand over */
        OWNER_CUT,   /* it didn't answer, or is dead: the client is being taken from it */
        OWNER_GONE
    } state;
    bool was_cut; /* what it may still do for the client is void */
};

/* A node that asked for a client whose attempt goes on here. */
struct handover {
    struct handover *next;
    struct fleet *f;
    uint64_t node, request, epoch;
    size_t client_len;
    char client[];
};

/* What SEIZING knows; set anew when it is entered. */
struct connect_seizing {
    uint64_t until_ms;   /* another node may publish the oldest will until then */
    uint64_t give_up_ms; /* a will that fails isn't tried again after that */
    uint64_t taker;      /* the node that a will was cut off from, 0: none */
    bool busy;           /* a script, a cut or a will is under way, whose answer refers to the op */
};

struct connect_op {
    struct connect_op *next, *prev;
    struct hash_link by_client, by_request;
    TAILQ_ENTRY(connect_op) waiting;
    enum connect_wait wait;
    uint64_t deadline_ms; /* of that */
    struct fleet *f;
    struct store_hold *hold; /* the core's; in REFUSED it may be gone */
    struct fleet_hold *h;
    enum connect_state state; /* connect_enter alone sets it */

    /* What the core asked for. */
    bool clean_start;
    store_connect_fn *done;
    void *arg;

    /* Beside the state, because each may be found out while answers are under way that the state
     * waits for; they are looked at when those are there. */
    bool again;                /* the claim may be lost: it begins again */
    uint64_t fenced_by;        /* epoch of a newer claim that asked for the client; 0: none */
    enum store_status outcome; /* STORE_OK so far, or how it ends instead */
    struct handover *asked;    /* who asked; answered at the end */

    /* From the claim on. */
    uint64_t request; /* names it to the former owner; its token, too */
    bool may_make;    /* a durable session, by its claim */
    struct store_connect_result result;
    struct store_subscription *subs;
    uint64_t *released;
    struct fleet_subscriptions text;         /* which `subs` points into */
    struct connect_owner owners[OWNERS_MAX]; /* HANDING_OVER asks them; SEIZING knows them, too */
    size_t owner_count;
    uint64_t entry;    /* of the log, that must be in it before CONNACK; 0: none */
    uint64_t wills[2]; /* epochs of former wills that must be out before CONNACK; 0: none */

    struct connect_seizing seizing;

    /* From RESTORING on. */
    size_t restored;       /* of its subscriptions, whose routes it holds until it is over */
    uint64_t routes_entry; /* of the log, that announces them; 0: none */
    unsigned waits;        /* SETTLING, REFUSED: what isn't there yet */
};

TAILQ_HEAD(connect_queue, connect_op);

/* ---- fleet_connect_list.c -------------------------------------------------------------------- */

void connect_list_add(struct connect_op *op);
void connect_list_remove(struct connect_op *op);
/* The newest; the others by `next`. */
struct connect_op *connect_list_first(const struct fleet *f);
/* NULL: there is none. A client may have several. */
struct connect_op *connect_of_request(const struct fleet *f, uint64_t request);
struct connect_op *connect_of_client(const struct fleet *f, struct mqtt_slice client_id);
struct connect_op *connect_next_of_client(const struct connect_op *op);
/* Begins a wait, instead of the one before. */
void connect_wait(struct connect_op *op, enum connect_wait wait);
/* One whose wait is over; NULL: none. */
struct connect_op *connect_next_due(const struct fleet *f);

/* ---- fleet_connect_state.c ------------------------------------------------------------------- */

const char *connect_state_name(enum connect_state state);
/* Whether the diagram has this arrow. */
bool connect_may_enter(enum connect_state from, enum connect_state to);
/* The one function that changes an attempt's state. Begins the state's wait, in place of the one
 * before. An arrow that the diagram doesn't have is a mistake of ours (assert). */
void connect_enter(struct connect_op *op, enum connect_state state);
/* Entry work of SEIZING (fleet_seize.c). */
void connect_enter_seizing(struct connect_op *op);

/* ---- the others ------------------------------------------------------------------------------ */

/* Each enters its state and begins the work. */
void connect_claim(struct connect_op *op);
void connect_ask_owners(struct connect_op *op);
void connect_seize(struct connect_op *op);
void connect_restore(struct connect_op *op);
void connect_settle(struct connect_op *op);
/* Over, one way or the other; frees it. */
void connect_finish(struct connect_op *op, enum store_status status);
/* From the claim on; nothing may be under way. */
void connect_begin_again(struct connect_op *op);

/* RESTORING, in a turn that has time. False: the box was over first. True: it is in another state, or
 * freed. */
bool connect_restore_some(struct connect_op *op);
void connect_release_routes(struct connect_op *op);
/* The routes of attempts that are over, within the turn's box. */
void connect_release_some(struct fleet *f);
/* There are no routes any more. */
void connect_drop_releases(struct fleet *f);

/* Nobody waits longer for owners that don't answer. */
void connect_pass_over_owners(struct connect_op *op);
/* A claim that is made again names the owners anew. True when nobody is being cut off, whose answer
 * would come in the midst of that. */
bool connect_leave_owners(struct connect_op *op);

/* ---- for modules below (struct fleet_connect_ops) -------------------------------------------- */

void connect_node_gone(struct fleet *f, uint64_t node);
void connect_asked(struct fleet *f, uint64_t node, uint64_t request, struct mqtt_slice client,
                   uint64_t epoch);
void connect_answered(struct fleet *f, uint64_t node, uint64_t request);
bool connect_each_subscription(struct fleet *f, const struct store_hold *hold,
                               store_subscription_fn *each, void *arg);

/* ---- of an attempt ---------------------------------------------------------------------------- */

struct fleet_session_ref connect_session(const struct connect_op *op);
/* A newer connection has claimed the client. */
bool connect_is_fenced(const struct connect_op *op);
/* An op is over, or knows its epoch: a node that asked waits for another op now, or for none. */
void connect_pass_on_asked(struct connect_op *op);
/* The former owner is this node: the core has closed that connection, but its connecting may still
 * wait for an owner before it. */
void connect_await_own(struct connect_op *op);

#endif
