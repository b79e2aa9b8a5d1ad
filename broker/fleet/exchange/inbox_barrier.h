/*
 * inbox_barrier - waits until this node has read everything that other nodes sent to it before a moment.
 *
 * Data flow: who asks in a turn shares one barrier, which goes out at its end, behind the turn's other commands;
 *            the inbox hands in those that it met.
 */
#ifndef FLOTILLA_BROKER_FLEET_EXCHANGE_INBOX_BARRIER_H
#define FLOTILLA_BROKER_FLEET_EXCHANGE_INBOX_BARRIER_H

#include <stdbool.h>
#include <stdint.h>

struct fleet;

bool inbox_barriers_init(struct fleet *f);
void inbox_barriers_free(struct fleet *f);
/* Calls when everything was read that was in the inbox and on the channel at this moment. What isn't
 * known of the channel after a second, isn't waited for. */
typedef void inbox_barrier_fn(void *arg, bool ok);
void inbox_barrier(struct fleet *f, inbox_barrier_fn *fn, void *arg);
/* This one came out of the channel, or of the stream. */
void inbox_barrier_met(struct fleet *f, uint64_t token, bool from_channel);
void inbox_barriers_tick(struct fleet *f);
void inbox_barriers_flush(struct fleet *f);
void inbox_barriers_reset(struct fleet *f);

#endif
