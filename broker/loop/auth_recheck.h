/*
 * auth_recheck - after a reload of users and keys, closes the connections of users who are gone or have
 * another password now, of those whose token's key is gone, and of anonymous clients if they aren't
 * allowed any more.
 *
 * They end as by a broken connection (their wills are published), with reason not_authorized.
 * Data flow: auth.c says that the files have changed; clients are only marked here, the turn closes
 *            them in the time that it has for that.
 * Bounds:    a time box each time libevent calls, until all clients of the list were looked at.
 *            Clients that connect meanwhile are checked against the new files anyway. Another
 *            change begins again.
 */
#ifndef FLOTILLA_BROKER_LOOP_AUTH_RECHECK_H
#define FLOTILLA_BROKER_LOOP_AUTH_RECHECK_H

struct auth_recheck;
struct broker;

/* NULL when out of memory. Broker and its auth are there. */
struct auth_recheck *auth_recheck_new(struct broker *b);
void auth_recheck_free(struct auth_recheck *r);

#endif
