/*
 * fleet_bed - a fleet in one process: several redis stores with a real redis-server under them and
 * the simplest possible core above each. For inclusion by one test program.
 *
 * A bed's node keeps what the store told it: routes and durable subscriptions (from which it
 * computes targets, standing in for the router), messages delivered, wake-ups, wills. A node that
 * is `stopped` gets no turns, as a process under SIGSTOP. One that `keeps_wills` is publishing them
 * until bed_end_wills.
 *
 * What is what: bed_types.h; the core's part: bed_host.h; beds and nodes: bed_node.h; connections:
 * bed_client.h.
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_FLEET_FLEET_BED_H
#define FLOTILLA_TESTS_UNIT_BROKER_FLEET_FLEET_BED_H

#include "tests/unit/broker/fleet/bed_client.h"

#endif
