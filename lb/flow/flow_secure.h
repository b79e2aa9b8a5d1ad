/*
 * flow_secure - the state in which a flow makes its server's connection TLS: the PROXY header in the clear, then the
 * handshake as a client. From then on the server's stream is one of stream_tls.h, and whoever relays needn't know.
 *
 * Errors:    a server whose handshake fails, or takes longer than connect_timeout, is one that failed the flow: another
 *            one is tried.
 */
#ifndef FLOTILLA_LB_FLOW_FLOW_SECURE_H
#define FLOTILLA_LB_FLOW_FLOW_SECURE_H

#include "lb/flow/flow.h"

flow_run_fn flow_run_securing;

#endif
