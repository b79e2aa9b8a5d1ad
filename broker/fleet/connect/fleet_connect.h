/*
 * fleet_connect - rule 7: a connection takes its client id in the whole fleet.
 *
 * Data flow: store_redis.c begins it. fleet_connect_op.h has the states; this is what others see of it.
 */
#ifndef FLOTILLA_BROKER_FLEET_CONNECT_FLEET_CONNECT_H
#define FLOTILLA_BROKER_FLEET_CONNECT_FLEET_CONNECT_H

#include "broker/store/store.h"

struct fleet;

bool fleet_connects_init(struct fleet *f);
void fleet_connects_free(struct fleet *f);
/* See store_connect. */
void fleet_connect(struct fleet *f, const struct store_connect_request *req, store_connect_fn *done,
                   void *arg);
void fleet_connect_tick(struct fleet *f);
/* Redis came back with less than it had: the claims of those that aren't connected yet may be lost
 * and are made again (rule 9). */
void fleet_connects_begin_again(struct fleet *f);
void fleet_connect_reset(struct fleet *f);
void fleet_connects_run_changed(struct fleet *f);
/* Connecting attempts of this client up to this epoch were taken from this node. */
void fleet_connect_taken(struct fleet *f, struct mqtt_slice client_id, uint64_t epoch);

#endif
