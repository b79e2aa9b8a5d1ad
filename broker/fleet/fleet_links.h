/*
 * fleet_links - the links of a node to Redis, and what is said first on each.
 *
 * Data flow: the links call back here when they were greeted; fleet_turn.c reads and writes them.
 * Ownership: the links are the node's.
 */
#ifndef FLOTILLA_BROKER_FLEET_FLEET_LINKS_H
#define FLOTILLA_BROKER_FLEET_FLEET_LINKS_H

#include <stdbool.h>

struct fleet;

/* False when out of memory. */
bool fleet_links_open(struct fleet *f);
/* Answers that are outstanding are told NULL. */
void fleet_links_free(struct fleet *f);

#endif
