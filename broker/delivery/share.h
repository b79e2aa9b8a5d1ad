/*
 * share - shared subscriptions: gives each message of a group to one of its members.
 *
 * Data flow: publish.c hands over what goes by the way of QoS 0: one member is drawn, here or at
 *            another node. QoS 1 and 2 wait in the group's queue in the store, which says when there
 *            is something (share_wake); members with room take from it, and what they took is given
 *            back or finished here. handle_subscribe.c and claim.c say who becomes a member.
 * Strategy:  `shared.strategy`. It says who is asked first; a member without room is passed over.
 * Bounds:    a member takes no more than its window has room for.
 * Ownership: struct shares belongs to its client, there only for a member of a group. It holds what
 *            was taken and isn't finished.
 */
#ifndef FLOTILLA_BROKER_DELIVERY_SHARE_H
#define FLOTILLA_BROKER_DELIVERY_SHARE_H

#include "broker/message/encode.h"
#include "broker/routing/match_cache.h"
#include "broker/store/store.h"

struct broker;
struct client;
struct match_entry;

/* ---- members --------------------------------------------------------------------------------- */

/* The router has the client's subscription to a shared filter: it is new, has changed, or its durable
 * session has come back. Before the store is told of the subscription. */
void share_joined(struct client *c, struct mqtt_slice filter);
/* Its SUBACK was sent: it takes messages from now on. */
void share_answered(struct client *c, struct mqtt_slice filter);
/* All of a session that has come back. */
void share_joined_all(struct client *c);
/* It has unsubscribed. */
void share_left(struct client *c, struct mqtt_slice filter);
/* The connection ends: what wasn't sent, or not acknowledged at QoS 1, goes to other members. Not
 * `tell`: the store knows. */
void share_end(struct client *c, bool tell);
/* Takes and sends what there is room for. */
void share_pump(struct client *c);
/* PUBACK, or PUBREC, of a clean session: nothing if the sequence isn't a group's. */
void share_acked(struct client *c, uint64_t sequence);

/* ---- messages -------------------------------------------------------------------------------- */

/* Draws a member for each matching group that gets the message by the way of QoS 0. */
void share_draw(struct broker *b, const struct match_entry *e, struct delivery *d);
static inline void share_publish(struct broker *b, const struct match_entry *e, struct delivery *d)
{
    if (e->group_count > 0)
        share_draw(b, e, d);
}
/* The broker's own ($SYS): each broker has its own, and gives it to a member that it has. */
void share_sys(struct broker *b, const struct match_entry *e, struct delivery *d);
/* See struct store_host. */
enum store_reader share_reader(struct broker *b, const struct client *c, struct mqtt_slice filter,
                               struct mqtt_slice topic);
bool share_wake(struct broker *b, struct mqtt_slice filter, uint32_t messages);
void share_look(struct broker *b, bool join);
void share_deliver(struct broker *b, struct mqtt_slice filter, struct message *m, bool tried);

/* The groups of the configuration, once store and router are there. False: out of memory. */
bool share_declare_groups(struct broker *b);

#endif
