/*
 * fleet_will_table - the wills that this node is publishing, for who must tell them from other messages.
 *
 * A will may come again from another node, so its id is remembered wherever it goes; and it is published on
 * behalf of a connection that has ended.
 *
 * Data flow: fleet_will.c enters them, fleet_publish.c asks.
 * Ownership: an entry is embedded in what publishes the will.
 */
#ifndef FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_WILL_TABLE_H
#define FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_WILL_TABLE_H

#include <uthash.h>

#include "broker/fleet/node/fleet_behalf.h"
#include "broker/message/message.h"

struct fleet;

struct fleet_will_entry {
    UT_hash_handle hh;
    struct message_id id;
    struct message *message;
    struct fleet_behalf behalf;
};

/* `id` of the entry is set, and isn't there yet. */
void fleet_will_table_add(struct fleet *f, struct fleet_will_entry *e);
void fleet_will_table_remove(struct fleet *f, struct fleet_will_entry *e);
/* NULL: there is none. */
struct fleet_will_entry *fleet_will_table_find(const struct fleet *f, const struct message *m);
/* This message is a will being published: queues and inboxes must remember its id. */
bool fleet_will_is(const struct fleet *f, const struct message *m);
/* On whose behalf it is published; nobody's when it isn't one. */
struct fleet_behalf fleet_will_behalf(const struct fleet *f, const struct message *m);

#endif
