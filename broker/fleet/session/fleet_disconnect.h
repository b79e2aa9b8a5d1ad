/*
 * fleet_disconnect - the end of a connection: what it published goes first, then its session is nobody's,
 * and its will, if it is due, is published.
 */
#ifndef FLOTILLA_BROKER_FLEET_SESSION_FLEET_DISCONNECT_H
#define FLOTILLA_BROKER_FLEET_SESSION_FLEET_DISCONNECT_H

#include "broker/store/store.h"

struct fleet;

bool fleet_disconnects_init(struct fleet *f);
void fleet_disconnects_free(struct fleet *f);
void fleet_disconnect(struct fleet *f, struct store_hold *hold, bool publish_will,
                      uint32_t session_expiry_s, store_done_fn *done, void *arg);
/* Wills that another run of Redis may not have, of connections that were taken from this node. */
void fleet_disconnects_void(struct fleet *f);
/* Those that the former run of Redis didn't answer: their sessions may be lost, and are asserted first. */
void fleet_disconnects_run_changed(struct fleet *f);
void fleet_disconnect_tick(struct fleet *f);

#endif
