/*
 * fleet_append - writes the log: changes of routes, of durable subscriptions, and deaths (rule 6).
 *
 * Changes gather while one entry is being written (one append in flight), so a storm of changes
 * costs few entries, none larger than a piece (fleet_piece.h). Each entry has a number here, by
 * which operations wait for it. Errors: Redis full or away: the entry is tried again until it is
 * in.
 */
#ifndef FLOTILLA_BROKER_FLEET_LOG_FLEET_APPEND_H
#define FLOTILLA_BROKER_FLEET_LOG_FLEET_APPEND_H

#include <sys/queue.h>

#include "broker/fleet/node/fleet_behalf.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/store/store.h"

struct fleet;

/* Kinds of items in an entry. */
enum fleet_log_item {
    LOG_ROUTE_ADDED = '+',   /* filter */
    LOG_ROUTE_REMOVED = '-', /* filter */
    LOG_ROUTE_MEMBERS = 'M', /* filter, members, QoS: of a shared filter */
    LOG_SUBSCRIBED = 'S',    /* client, epoch, filter, options */
    LOG_UNSUBSCRIBED = 'U',  /* client, epoch, filter */
    LOG_SESSION_ENDED = 'E', /* client, epoch */
    LOG_NODE_DEAD = 'X',     /* node */
};

struct fleet_entry {
    TAILQ_ENTRY(fleet_entry) next;
    struct fleet_bytes items;
    size_t item_count;
    struct fleet_bytes
        routes; /* '+' or '-', filter; 'M', filter, members, QoS: for the node's routes */
    size_t route_count;
    size_t added; /* of them '+' */
    uint64_t number;
    bool closed; /* it was given to Redis once: nothing is added */
};

TAILQ_HEAD(fleet_entry_list, fleet_entry);

struct fleet_append_wait;
STAILQ_HEAD(fleet_append_list, fleet_append_wait);

struct fleet_append {
    struct fleet_entry_list entries; /* in order; only the last one gathers */
    struct fleet_entry scrap;        /* gathers when there is no memory for another */
    bool failed;                     /* something went there */
    bool in_flight;                  /* the first */
    uint64_t numbered;               /* number of the last entry that was begun */
    uint64_t done;                   /* number of the last entry that is in the log */
    uint64_t version;                /* of that entry */
    uint64_t retry_ms;               /* not before */
    size_t routes_added;             /* by entries that aren't in the log yet */
    struct fleet_append_list waits;  /* who asked first comes first */
    struct fleet_append_list due;    /* to be called */
};

bool fleet_append_init(struct fleet *f);
void fleet_append_free(struct fleet *f);

/* These return the number of the entry that will tell it. */
uint64_t fleet_append_route(struct fleet *f, enum fleet_log_item kind, struct mqtt_slice filter);
uint64_t fleet_append_members(struct fleet *f, struct mqtt_slice filter, uint32_t members,
                              uint8_t qos);
uint64_t fleet_append_subscribed(struct fleet *f, struct fleet_session_ref session,
                                 struct mqtt_slice filter, struct mqtt_slice options);
uint64_t fleet_append_unsubscribed(struct fleet *f, struct fleet_session_ref session,
                                   struct mqtt_slice filter);
uint64_t fleet_append_ended(struct fleet *f, struct fleet_session_ref session);

/* Calls done in a later input, once entry `number` is in the log and this node has read it there
 * (0: nothing to wait for). */
void fleet_append_wait(struct fleet *f, uint64_t number, store_done_fn *done, void *arg);
/* The same, and then one more answer of Redis later: by then the others have most likely read it,
 * too, so that their QoS 0 messages reach the client that is acknowledged now. */
void fleet_append_wait_for_others(struct fleet *f, uint64_t number, store_done_fn *done, void *arg);
/* The log was applied further. */
void fleet_append_applied(struct fleet *f);
/* Calls the waiters that are due, within the turn's box; those left go first in the next turn. */
void fleet_append_go_on(struct fleet *f);
/* An entry of this node is in the log and wasn't read there yet, and somebody may wait for that. */
bool fleet_append_waits_for_log(const struct fleet *f);
/* At a reload Redis has this version of the log: entries of this node that came later are lost. */
bool fleet_append_is_lost(const struct fleet *f, uint64_t version);
/* Their changes have just been written again: waiters for one of them wait for the new entry
 * now. */
void fleet_append_reannounced(struct fleet *f);
void fleet_append_flush(struct fleet *f);
void fleet_append_reset(struct fleet *f);

/* The entry that declares a node dead, for the kill script. */
void fleet_entry_dead(struct fleet_bytes *out, uint64_t node);

#endif
