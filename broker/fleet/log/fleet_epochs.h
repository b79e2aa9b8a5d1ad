/*
 * fleet_epochs - how new the last entry about a durable session is, so that late entries are
 * recognised and ignored.
 *
 * Every entry of the log about a session carries the epoch of the connection that it comes from. A
 * former owner that stood still writes its entry after the new owner did: its epoch is lower, and
 * no node may act on it. Ended sessions are remembered like others. Data flow: fleet_reading.c notes
 * what it reads, fleet_log.c and fleet_reannounce.c ask before they act. Bounds: a session is forgotten
 * when nothing was said of it for FLEET_EPOCHS_KEEP_MS to twice
 *            that, or when FLEET_EPOCHS_MAX others were noted since; what is said of it then counts
 *            as new. Late words come within a lease: their node is dead after it, and the dead can't
 *            write. 16 bytes per place in two tables, at most three quarters full.
 * Ownership: the tables are its own. Out of memory: nothing is noted.
 */
#ifndef FLOTILLA_BROKER_FLEET_LOG_FLEET_EPOCHS_H
#define FLOTILLA_BROKER_FLEET_LOG_FLEET_EPOCHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/fleet/node/fleet_behalf.h"

enum { FLEET_EPOCHS_KEEP_MS = 10 * 60 * 1000, FLEET_EPOCHS_MAX = 1 << 19 };

struct fleet;

struct fleet_epoch {
    uint64_t client; /* keyed hash of its id; 0: a free place */
    uint64_t epoch;
};

struct fleet_epoch_table {
    struct fleet_epoch *places;
    size_t size, count; /* size is a power of two */
};

struct fleet_epochs {
    uint64_t key; /* of the hash, drawn at start */
    struct fleet_epoch_table young, old;
    uint64_t turned_ms; /* when young became what it is */
};

/* NULL when out of memory. */
struct fleet_epochs *fleet_epochs_new(uint64_t key, uint64_t now_ms);
void fleet_epochs_free(struct fleet_epochs *e);
/* False when a newer epoch of this client was noted: the entry is late. Notes the epoch
 * otherwise. */
bool fleet_epochs_pass(struct fleet_epochs *e, struct mqtt_slice client, uint64_t epoch,
                       uint64_t now_ms);
/* The same of a session at this node. False: of this session something newer is known. */
bool fleet_session_is_new(struct fleet *f, struct fleet_session_ref session);

#endif
