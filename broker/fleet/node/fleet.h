/*
 * fleet - what every module of a node needs: the configuration, the links to Redis, the times of the turn, how
 * the node is, and a pointer to each module's own state.
 *
 * Data flow: store_redis.c is called by the core; fleet_turn.c calls the modules in the order of a turn. Every
 *            module has functions of its own prefix that take the fleet, and includes only modules of its own
 *            folder and of those before it: wire, lease, node, storage, exchange, log, fence, hold, group, publish,
 *            session, connect, membership, then this folder's parent, which puts them together.
 * Ownership: each module allocates its state at the start (`_init`), frees it at the end (`_free`), and alone
 *            looks into it, but where its header shows it.
 * Links:     `commands` (ordered; everything that writes), `channel` (pub/sub), `inbox` and `log`
 *            (blocking stream reads); one more with `durability: replica` (fleet_replicas.h), and
 *            that of the heart, in a thread of its own (heart.h).
 * Time:      `now_ms` CLOCK_MONOTONIC, `boot_ms` CLOCK_BOOTTIME, both as of this turn's input.
 */
#ifndef FLOTILLA_BROKER_FLEET_NODE_FLEET_H
#define FLOTILLA_BROKER_FLEET_NODE_FLEET_H

#include <hiredis/hiredis.h>

#include "broker/base/broker_config.h"
#include "broker/fleet/node/fleet_metrics.h"
#include "broker/fleet/wire/fleet_keys.h"
#include "broker/fleet/wire/scripts.h"
#include "broker/store/store.h"

struct timebox;

/*
 * How far this node is in its life, and what its lease says. They are two, because the lease comes and
 * goes while the node is STARTING, READY or LEAVING, and leaves it so.
 *
 *         ┌─────────────────────────────────┐ all is forgotten: another id
 *         ▼                                 │
 *     starting ──► ready ──► dead ──────► over
 *         │ │        │        ▲             │
 *         │ └────────┼────────┘             │
 *         ▼          ▼                      │
 *     leaving ◄──────┴──────────────────────┘ told to end
 *         │
 *         ▼
 *        left
 *
 *     none ──joined──► sure ◄──► unsure, and from both to none: the node is over, has left, or is freed
 *
 * What a node may do, by its state:
 *
 *                takes clients   writes, completes calls      judges others: declares them dead,
 *                                                             reaps, publishes wills that are due
 *     STARTING   no              once it has joined           no
 *     READY      yes             yes                          yes, if Redis hasn't lost data
 *     DEAD       no              to the end of the input      no
 *     OVER       no              no: all that waits fails     no
 *     LEAVING    no              if it had joined             no
 *     LEFT       no              no                           no
 *
 * and by its lease: NONE only tries to join. SURE is as the state says. UNSURE writes nothing but
 * heartbeats and completes nothing: no link but the heart's is read or written. A node that has LEFT
 * does nothing at all.
 */
enum fleet_state {
    FLEET_STARTING, /* entering the fleet, loading what the others have said so far */
    FLEET_READY,
    FLEET_DEAD,    /* declared dead, which may be found out deep in a reply's function */
    FLEET_OVER,    /* forgets everything, in pieces (fleet_over.h), to begin anew */
    FLEET_LEAVING, /* waits for its connections to end (fleet_leave.h) */
    FLEET_LEFT,
};
#define FLEET_STATES (FLEET_LEFT + 1)

enum fleet_lease {
    FLEET_LEASE_NONE,   /* not in the fleet */
    FLEET_LEASE_SURE,   /* alive */
    FLEET_LEASE_UNSURE, /* whether it is alive: nobody is told anything */
};
#define FLEET_LEASES (FLEET_LEASE_UNSURE + 1)

struct fleet_deferred;
struct tls_client;

struct fleet;

/* What connecting attempts (connect/) do for modules that stand below them. */
struct fleet_connect_ops {
    /* A node is dead, or has no inbox: nobody waits for its answer any more. */
    void (*node_gone)(struct fleet *f, uint64_t node);
    /* Another node asks for a client; and the answer to such a request. */
    void (*asked)(struct fleet *f, uint64_t node, uint64_t request, struct mqtt_slice client,
                  uint64_t epoch);
    void (*answered)(struct fleet *f, uint64_t node, uint64_t request);
    /* The subscriptions that the claim of an attempt found. False: there is no such attempt. */
    bool (*each_subscription)(struct fleet *f, const struct store_hold *hold,
                              store_subscription_fn *each, void *arg);
};

struct fleet {
    struct store store; /* first */
    struct event_base *base;
    struct event *wake, *tick;
    struct store_redis_config cfg;
    struct redis_url url;
    struct tls_client *tls; /* of rediss://; NULL: plain */
    struct fleet_keys keys;
    struct store_host host;
    struct scripts scripts;
    struct fleet_metrics metrics;
    uint64_t hash_key; /* of what clients choose */
    struct redis_link *commands, *channel, *inbox_link, *log_link;
    struct redis_link *replica_link; /* durability `replica`, else NULL */
    struct redis_queue *q;           /* of `commands` */

    enum fleet_state state; /* fleet_enter alone sets it */
    enum fleet_lease lease; /* fleet_lease_enter alone sets it */
    uint64_t id;
    char hex[FLEET_HEX_SIZE];
    uint64_t now_ms, boot_ms;
    struct timebox *box; /* of what is at work now */

    /* How far this node is with the fleet's log: fleet_log.c reads it. Beside the states, because a
     * node that is READY or LEAVING stays so while everything is read again (fleet_load.c has the
     * states of that). */
    bool log_valid; /* it has everything up to log_applied */
    uint64_t log_applied;
    const char *reload_why; /* everything is to be read again (a literal); NULL: it isn't */

    uint64_t calls; /* numbers of idempotent script calls */

    /* The Redis that `commands` speaks with. */
    char run_id[48];
    char known_run[48]; /* of the Redis that last said that it knows this node */
    char run_tag[9];    /* its first characters, for what is stored */
    unsigned runs;      /* how often it was another one */
    bool may_kill;      /* connections of others there */

    /* How this node is. */
    uint64_t joined_ms;       /* when the last join was answered; CLOCK_BOOTTIME */
    uint64_t unsure_since_ms; /* FLEET_LEASE_UNSURE */
    uint64_t lost_until_ms;   /* holders assert until then: see fleet_may_be_lost */
    unsigned loads;           /* begun so far: fleet_load.c */
    size_t missed;            /* how many messages missed somebody, and will be matched again */
    size_t held_bytes;        /* of messages that wait to be matched, or matched again */
    size_t outbox_bytes;      /* of what waits for other nodes */
    bool sweep_wanted;        /* see fleet_sweep_soon */

    /* Beside the states, because the node stays what it is while they hold. */
    bool closing_taken; /* clients that others took are being closed, in pieces: nobody is served */
    const char *trouble; /* why no clients are taken, if it isn't the connection; a literal */
    bool full;           /* Redis has reached its maxmemory: fleet_full.c */
    bool not_durable;    /* Redis isn't set to keep what `durability` promises */
    bool knows_clock;    /* Redis' clock was asked for once: messages expire by it */

    /* Of the modules, each its own. */
    struct fleet_deferred *deferred, *deferred_tail;
    struct fleet_clock *clock; /* Redis' */
    struct fleet_replicas *replicas;
    struct fleet_fullness *fullness;
    struct fleet_disk *disk;
    struct fleet_usage *usage;
    struct fleet_users *users;
    struct fleet_totals *totals;
    struct route_node *nodes;
    struct outbox_chain *outbox_chains;
    struct fleet_channel *channel_state;
    struct inbox *inbox;
    struct inbox_barriers *barriers;
    struct fleet_append *append;
    struct fleet_versions *versions;
    struct routes *routes;
    struct fleet_epochs *epochs;
    struct fleet_log *log;
    struct fleet_cutting *cuttings;
    struct fleet_taken *taken;
    struct fleet_subscription_reads *subscription_reads;
    struct fleet_holds *holds;
    struct fleet_groups *groups;
    /* A node was told to let members of a group take (group/, for modules below it). */
    void (*share_woken)(struct fleet *f, struct mqtt_slice filter, uint32_t messages);
    /* A durable member has acknowledged a message: its reference (group_copy.lua). */
    void (*share_finished)(struct fleet *f, struct mqtt_slice reference);
    struct fleet_gathering *gathering;
    struct fleet_publishing *publishing;
    struct fleet_queues *queues;
    struct fleet_retaining *retaining;
    struct fleet_retained_reads *retained_reads;
    struct fleet_retained_expiry *retained_expiry;
    struct fleet_will_entry *will_table;
    struct fleet_wills *wills;
    struct fleet_due *due;
    struct disconnect_list *disconnects;
    struct fleet_connects *connects;
    const struct fleet_connect_ops *connect_ops;
    struct route_release *releases; /* fleet_restore.c */
    struct heart *heart;
    struct fleet_beat *beat;
    struct fleet_load *load;
    struct reaper *reapers;
    struct fleet_registration *registration;
    struct fleet_reasserting *reasserting;
    struct fleet_over *over;
    struct fleet_leave *leaving;
};

/* ---- fleet.c: this node --------------------------------------------------------------------- */

enum store_health fleet_health(const struct fleet *f);
const char *fleet_trouble(const struct fleet *f);
bool fleet_accepts(const struct fleet *f);

const char *fleet_state_name(enum fleet_state state);
/* Whether the diagrams have this arrow. */
bool fleet_may_enter(enum fleet_state from, enum fleet_state to);
bool fleet_lease_may_enter(enum fleet_lease from, enum fleet_lease to);
/* The two functions that change what the node is, with the metric `ready`, the links' holding and what
 * is logged. An arrow that the diagrams don't have is a mistake of ours (assert). */
void fleet_enter(struct fleet *f, enum fleet_state state);
void fleet_lease_enter(struct fleet *f, enum fleet_lease lease);
/* This node was declared dead: DEAD, if it isn't leaving anyway. It starts over at the end of this
 * input. */
void fleet_declared_dead(struct fleet *f);
/* Its lease runs. Not: nobody is told any more. */
static inline bool fleet_is_joined(const struct fleet *f)
{
    return f->lease != FLEET_LEASE_NONE;
}
static inline bool fleet_is_unsure(const struct fleet *f)
{
    return f->lease == FLEET_LEASE_UNSURE;
}
/* Completes in the next input. */
void fleet_defer(struct fleet *f, store_done_fn *done, void *arg, enum store_status status);
void fleet_run_deferred(struct fleet *f, bool ok);
/* Makes the loop turn once more at once. */
void fleet_wake(struct fleet *f);
static inline bool fleet_can_act(const struct fleet *f)
{
    return f->lease == FLEET_LEASE_SURE && redis_link_is_up(f->commands);
}
static inline bool fleet_log_is_valid(const struct fleet *f)
{
    return f->log_valid && f->reload_why == NULL;
}
static inline uint64_t fleet_log_applied(const struct fleet *f)
{
    return f->log_applied;
}
/* Queues are to be looked at: a wake-up may have been lost. fleet_sweep.c does it in this turn or the next. */
static inline void fleet_sweep_soon(struct fleet *f)
{
    f->sweep_wanted = true;
}
/* What Redis has of a session may be older than what its holder knows and will assert soon: no node
 * ends a session or takes a will on that basis. */
static inline bool fleet_may_be_lost(const struct fleet *f)
{
    return f->reload_why != NULL || f->now_ms < f->lost_until_ms;
}
/* What an answer means to an operation: NULL is unavailable, an error reply is full or trouble. */
enum store_status fleet_reply_status(const redisReply *r);

/* Redis has another history than this node knows, or the log has a hole: from now on the log isn't valid, and
 * fleet_load.c reads everything again at the end of this input. `why` is a literal. */
void fleet_reload(struct fleet *f, const char *why);

#endif
