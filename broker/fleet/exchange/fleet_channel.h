/*
 * fleet_channel - QoS 0 to other nodes: a batch a turn and node, by PUBLISH to the node's channel.
 *
 * At most once: what can't be sent now is dropped and counted.
 */
#ifndef FLOTILLA_BROKER_FLEET_EXCHANGE_FLEET_CHANNEL_H
#define FLOTILLA_BROKER_FLEET_EXCHANGE_FLEET_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mqtt/mqtt.h"

struct fleet;
struct message;

struct fleet_bytes;
struct route_node;

bool fleet_channel_init(struct fleet *f);
void fleet_channel_free(struct fleet *f);
bool fleet_channel_greeted(struct fleet *f);
void fleet_channel_add(struct fleet *f, struct route_node *n, const struct fleet_bytes *frame);
/* For one member of a group there, at QoS 0. */
void fleet_channel_add_shared(struct fleet *f, struct route_node *n, struct mqtt_slice filter,
                              const struct message *m, bool tried);
void fleet_channel_flush(struct fleet *f, bool now_all);
void fleet_channel_tick(struct fleet *f);

#endif
