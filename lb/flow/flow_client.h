/*
 * flow_client - what a flow learns from the first bytes of its client, before they are sent on.
 */
#ifndef FLOTILLA_LB_FLOW_FLOW_CLIENT_H
#define FLOTILLA_LB_FLOW_FLOW_CLIENT_H

#include <stdbool.h>

#include "lb/flow/flow.h"

/* False: more of the client's first bytes is needed to choose a server. */
bool flow_knows_client(struct flow *f);
/* FLOW_CLOSED: what the client sent may not be sent on. Until attempt.looked_at is set, the bytes
 * that are held must wait. */
enum flow_state flow_look_at_client(struct flow *f);

#endif
