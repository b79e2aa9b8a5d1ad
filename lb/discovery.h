/*
 * discovery - asks DNS for a backend's servers, again and again (c-ares on libevent).
 *
 * Data flow: each answer is judged (discovery_rules.h); when the set may have changed, the pool's
 *            callback gets all addresses. Names are looked up as the C library would: /etc/hosts,
 *            search domains, name servers of resolv.conf (read again for each question), UDP with
 *            fallback to TCP, A and AAAA.
 * Ownership: discovery_new/_free. The configuration is borrowed from the one in force;
 *            discovery_configure gives it a new one before the old goes.
 * Errors:    logged when trouble begins and when it ends; the rules decide what it means.
 * Limits:    one question under way; 1024 addresses; four times `timeout` a question.
 * Threads:   the control thread's. ares_library_init is main's.
 */
#ifndef FLOTILLA_LB_DISCOVERY_H
#define FLOTILLA_LB_DISCOVERY_H

#include "lb/discovery_rules.h"
#include "lb/lb_config.h"

struct discovery;
struct event_base;

/* `count` addresses are the set now (0: expired). `found` is valid during the call. */
typedef void discovery_fn(const struct discovered *found, size_t count, void *arg);

/* `backend` (for logs) is copied. The first question is asked at the next turn of the loop. */
struct discovery *discovery_new(struct event_base *base, const char *backend,
                                const struct discover_config *config, discovery_fn *fn, void *arg);
void discovery_free(struct discovery *d);
/* A changed name or resolver is asked at once; the servers of the old one stay until an answer. */
void discovery_configure(struct discovery *d, const struct discover_config *config);

#endif
