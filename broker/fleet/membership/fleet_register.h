/*
 * fleet_register - this node's writing connection registers at Redis before anything is replayed on
 * it, and learns what others took from this node meanwhile.
 *
 * A node that goes on without this one closes the registered connection (fleet_cut.h). So what
 * was on it can't come any more, and at the next registration the cuts since the last one say which
 * clients are somebody else's: their connections here are closed, as taken over, and what is pending
 * for them is made void in the unanswered commands (fleet_taken.h). Only then the rest is replayed.
 * An earlier connection of this node that Redis still has is closed first: its bytes may be on their
 * way, and would come behind what is replayed.
 * Data flow: redis_link calls fleet_register_enter while it greets the `commands` connection.
 */
#ifndef FLOTILLA_BROKER_FLEET_MEMBERSHIP_FLEET_REGISTER_H
#define FLOTILLA_BROKER_FLEET_MEMBERSHIP_FLEET_REGISTER_H

#include <stdbool.h>
#include <stdint.h>

struct fleet;

bool fleet_register_init(struct fleet *f);
void fleet_register_free(struct fleet *f);
/* The node has another id: nothing is registered. */
void fleet_register_new_id(struct fleet *f);
/* A new connection, with this id at Redis (0: it doesn't say). `other_run`: Redis may have lost what was
 * taken from this node, so it is asked whose the clients are that publish. */
void fleet_register_begin(struct fleet *f, uint64_t connection, bool other_run);
/* See redis_link_config.enter. */
bool fleet_register_enter(struct fleet *f);
/* The node has joined: its registration lasts as long as the node. Redis may have lost it, too. */
void fleet_register_keep(struct fleet *f);

#endif
