/*
 * lease - whether this node may act, and whether another one is dead (fleet protocol, rules 1, 2).
 *
 * A node beats; each answered beat renews its lease as from the moment the beat was sent. After 0.8
 * lease without one it is unsure. Another node is suspected when its counter stood still for a
 * whole lease during which all our own beats were answered in time: so neither an absent Redis nor
 * our own sleep makes a suspect.
 *
 * Pure: time (CLOCK_BOOTTIME, ms) is an argument; fleet_beat.c does the sending.
 */
#ifndef FLOTILLA_BROKER_FLEET_LEASE_LEASE_H
#define FLOTILLA_BROKER_FLEET_LEASE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

struct lease {
    uint64_t lease_ms, interval_ms;
    uint64_t alive_ms;  /* when the last answered beat was sent */
    uint64_t window_ms; /* since when our own beats are all answered */
    uint64_t sent_ms, next_ms;
    bool awaiting; /* a beat is under way */
    bool broken;   /* a beat was missed: the window begins at the next answer */
};

/* The node has just entered the fleet with a command sent at `sent_ms`. */
void lease_start(struct lease *l, uint64_t lease_ms, uint64_t interval_ms, uint64_t sent_ms);
/* More than 0.8 lease since the last answered beat was sent. */
bool lease_is_unsure(const struct lease *l, uint64_t now_ms);
/* A beat is to be sent now. Notices a missed one. */
bool lease_beat_is_due(struct lease *l, uint64_t now_ms);
void lease_beat_sent(struct lease *l, uint64_t now_ms);
void lease_beat_answered(struct lease *l, uint64_t now_ms);
/* The beat's connection was lost. */
void lease_beat_lost(struct lease *l);
/* The node whose counter stands still since `since_ms` is dead, as far as one can tell. */
bool lease_suspects(const struct lease *l, uint64_t since_ms, uint64_t now_ms);

#endif
