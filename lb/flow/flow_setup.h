/*
 * flow_setup - a flow's states before it relays; each makes what can be made now and returns the
 * state that the flow ought to be in (lb/flow/flow.h has the diagram).
 *
 * Ownership: the flow's attempt is theirs, and given up with the server's first byte.
 * Errors:    FLOW_CLOSED; why was counted, and logged where somebody can act on it.
 */
#ifndef FLOTILLA_LB_FLOW_FLOW_SETUP_H
#define FLOTILLA_LB_FLOW_FLOW_SETUP_H

#include "lb/backend/server.h"
#include "lb/flow/flow.h"

flow_run_fn flow_run_accepted, flow_run_queueing, flow_run_handshaking, flow_run_choosing,
    flow_run_connecting, flow_run_trying;

/* The chosen server failed the flow before its first byte: the state in which another one is tried, or closed. */
enum flow_state flow_server_failed(struct flow *f, enum connect_outcome outcome);

#endif
