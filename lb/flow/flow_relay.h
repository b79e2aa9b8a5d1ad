/*
 * flow_relay - a flow's states from the server's first byte on: both directions move, stall, end.
 *
 * Errors:    FLOW_CLOSED; a peer that stalled or ended by a reset has its counter.
 */
#ifndef FLOTILLA_LB_FLOW_FLOW_RELAY_H
#define FLOTILLA_LB_FLOW_FLOW_RELAY_H

#include "lb/flow/flow.h"

flow_run_fn flow_run_relaying, flow_run_half_closed;
/* On entering FLOW_HALF_CLOSED: a peer that is watched for a stall has its time anew. */
void flow_enter_half_closed(struct flow *f);

#endif
