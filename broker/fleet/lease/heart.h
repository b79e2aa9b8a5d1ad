/*
 * heart - a thread that sends this node's heartbeats, however busy clients keep the loop (fleet
 * protocol, rules 1 and 2).
 *
 * The loop's thread starts and stops the heartbeats and takes their answers (fleet_beat.c acts on
 * them); everything else - the connection to Redis, the lease, who stands still - belongs to the
 * heart's own thread. The two share one mutex for these hand-overs and two atomics: until when this
 * node may be sure to be alive, and how often the loop has turned.
 *
 * A busy loop is alive: beats go on. A process that sleeps stops both threads, so its lease runs
 * out. A loop that doesn't turn for hang_ms isn't busy but lost: its node stops beating, and others
 * take its clients over.
 *
 * Ownership: the heart owns its thread, event base and link. A report's lists are the heart's until
 *            it is taken, then the taker's (heart_report_fini).
 * Bound:     one report waits at most; a newer one is merged into it.
 */
#ifndef FLOTILLA_BROKER_FLEET_LEASE_HEART_H
#define FLOTILLA_BROKER_FLEET_LEASE_HEART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/fleet/lease/heart_report.h"
#include "broker/fleet/wire/scripts.h"

struct heart;

struct heart_config {
    struct redis_link_config link; /* of the beats: its callbacks and names are set by the heart */
    const struct scripts *scripts;
    const char *prefix; /* of the fleet's keys; lives as long as the heart */
    uint64_t lease_ms, interval_ms, hang_ms;
    int wake_fd; /* an eventfd of the loop: a report is there */
};

/* NULL when out of memory or threads. */
struct heart *heart_new(const struct heart_config *cfg);
void heart_free(struct heart *h);

/* Beats for this node from now on; it has entered the fleet with a command sent at `sent_ms`. */
void heart_begin(struct heart *h, uint64_t node, uint64_t sent_ms);
void heart_end(struct heart *h);
/* The loop turns; it has applied the log that far (0: it has no log). */
void heart_turned(struct heart *h, uint64_t applied);
/* More than 0.8 lease since the last answered beat was sent, or none is being sent. */
bool heart_is_unsure(const struct heart *h, uint64_t now_ms);
/* When the last answered beat was sent. */
uint64_t heart_alive_ms(const struct heart *h);
/* How often a connection was greeted. */
unsigned heart_connects(const struct heart *h);
/* False: there is none. The caller frees what it took. */
bool heart_take(struct heart *h, struct heart_report *out);

#endif
