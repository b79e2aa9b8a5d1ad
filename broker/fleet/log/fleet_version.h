/*
 * fleet_version - waits until this node has applied every change that Redis had at a moment (rule
 * 5): one GET of `ver` per turn for all who ask in it, sent behind all other commands of the turn.
 *
 * Ownership: a waiter is embedded in whoever waits, and belongs to the list until it is called.
 */
#ifndef FLOTILLA_BROKER_FLEET_LOG_FLEET_VERSION_H
#define FLOTILLA_BROKER_FLEET_LOG_FLEET_VERSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct fleet;
struct fleet_version_wait;

/* `version` of the waiter is what Redis had. Not ok: the node starts over or ends. */
typedef void fleet_version_fn(struct fleet_version_wait *w, bool ok);
struct fleet_version_wait {
    STAILQ_ENTRY(fleet_version_wait) next;
    fleet_version_fn *fn;
    uint64_t version;
    bool ok;     /* once it is due */
    bool writes; /* with durability `replica`: a replica must have what was written before */
};

bool fleet_versions_init(struct fleet *f);
void fleet_versions_free(struct fleet *f);
void fleet_version_check(struct fleet *f, struct fleet_version_wait *w, fleet_version_fn *fn);
void fleet_versions_flush(struct fleet *f);
/* Somebody waits for a version that the log has to bring. */
bool fleet_versions_wait(const struct fleet *f);
/* At a reload Redis has this version. Who waits for a later one was told it by Redis before, and
 * Redis has lost it since: it will never come, and the load brings all that is left of it. */
void fleet_versions_rejoined(struct fleet *f, uint64_t version);
/* The log moved on, or loading ended. */
void fleet_versions_applied(struct fleet *f);
/* Calls the waiters that are due, within the turn's box; those left go first in the next turn. */
void fleet_versions_go_on(struct fleet *f);
void fleet_versions_reset(struct fleet *f);

#endif
