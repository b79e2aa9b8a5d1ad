/*
 * fleet_reannounce - changes that must get into the log although the node that made them may die first.
 *
 * A durable session's end is noted in its bucket's `due` (member e<client>, and its epoch in `de`) by
 * the script that ends it. The note goes when the log has it. Until then the next claim of that
 * client announces it again, and so does the node that finds the note due (fleet_will.c). Removals
 * of subscriptions that the log may not have are in the session's `pu`; the next claim, or the
 * reaper of their node, announces them again. Ownership: `subs` is a reply that lives until the
 * caller's function returns.
 */
#ifndef FLOTILLA_BROKER_FLEET_LOG_FLEET_REANNOUNCE_H
#define FLOTILLA_BROKER_FLEET_LOG_FLEET_REANNOUNCE_H

#include "broker/fleet/log/fleet_append.h"

struct fleet;
struct redisReply;

/* A script ended the session: the log says so, then the note goes. Returns the entry's number. */
uint64_t fleet_session_ended(struct fleet *f, struct fleet_session_ref session);
/* {filter, options, ...}: again to the log, and to the core. */
void fleet_reannounce_subscriptions(struct fleet *f, struct fleet_session_ref session,
                                    const struct redisReply *subs);
/* {filter, ...}: removed. Returns the number of the entry, 0 when there are none. */
uint64_t fleet_reannounce_removals(struct fleet *f, struct fleet_session_ref session,
                                   const struct redisReply *filters);
/* Nobody has the client now, and its former session's end may not be in the log. `later`: epoch of
 * the session that it has since or '', then its subscriptions. */
void fleet_reannounce_end(struct fleet *f, struct fleet_session_ref session,
                          const struct redisReply *later);
/* Another node wrote an entry about a session that is connected here, at this or an older epoch.
 * Nodes that don't know this connection believe it, so its subscriptions are announced again. False
 * when the session isn't held here, or is newer elsewhere. */
bool fleet_reannounce_own(struct fleet *f, struct fleet_session_ref session);

#endif
