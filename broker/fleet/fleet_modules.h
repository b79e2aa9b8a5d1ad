/*
 * fleet_modules - the list of the modules that a node is put together from.
 *
 * Ownership: each module owns its part of the node, a pointer in struct fleet, allocated here once.
 * Order:     a module comes behind those that it uses. They are freed the other way round, also those
 *            of a node that is half made.
 * Errors:    false: out of memory, or a script that isn't in the program. fleet_modules_free follows.
 */
#ifndef FLOTILLA_BROKER_FLEET_FLEET_MODULES_H
#define FLOTILLA_BROKER_FLEET_FLEET_MODULES_H

#include <stdbool.h>

struct fleet;
struct metrics;

/* `metrics` may be NULL: counted, and shown nowhere. */
bool fleet_modules_init(struct fleet *f, struct metrics *metrics);
void fleet_modules_free(struct fleet *f);

#endif
