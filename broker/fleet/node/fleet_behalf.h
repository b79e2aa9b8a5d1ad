/*
 * fleet_behalf - on whose behalf something is written: a client's connection, by the client's id
 * and the epoch of its claim.
 *
 * The later connection of a client has the higher epoch. Late entries of an older one are ignored,
 * and what is written for it can be made void.
 */
#ifndef FLOTILLA_BROKER_FLEET_NODE_FLEET_BEHALF_H
#define FLOTILLA_BROKER_FLEET_NODE_FLEET_BEHALF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mqtt/mqtt.h"

struct fleet;

/* A durable session, and the epoch of the connection that changed it: late changes of an older one
 * are ignored (fleet_epochs.h). */
struct fleet_session_ref {
    struct mqtt_slice client;
    uint64_t epoch;
};

/* On whose behalf something is written: a connection of a client, or a will. */
struct fleet_behalf {
    uint64_t client; /* keyed hash of its id; 0: nobody's */
    uint64_t epoch;
};

struct fleet_behalf fleet_behalf_of(const struct fleet *f, struct mqtt_slice client_id,
                                    uint64_t epoch);

#endif
