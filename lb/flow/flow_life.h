/*
 * flow_life - a flow from its opening to its end, and the one function that changes its state.
 *
 * Data flow: acceptors open flows; streams that got ready, timers and the worker's lists call
 *            flow_handle; a drain or a removed server calls flow_close.
 * Ownership: a flow that is open belongs to its worker's list of all, a closed one to its list of
 *            closed ones, until flow_free at the end of the turn.
 */
#ifndef FLOTILLA_LB_FLOW_FLOW_LIFE_H
#define FLOTILLA_LB_FLOW_FLOW_LIFE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct flow;
struct listener;
struct snapshot;
struct worker;

/* Starts a flow of an accepted connection; takes `fd` and a reserved place of the listener, also on
 * failure (false: out of memory or watches). `index` is the listener's in the snapshot. */
bool flow_open(struct worker *w, struct listener *l, struct snapshot *snapshot, size_t index,
               int fd, const struct sockaddr_storage *peer);

/* Goes on as far as the streams' flags allow. */
void flow_handle(struct flow *f);

void flow_close(struct flow *f);

/* Releases the memory of a closed flow that is on no list. */
void flow_free(struct flow *f);

#endif
