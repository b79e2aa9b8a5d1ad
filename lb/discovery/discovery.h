/*
 * discovery - asks DNS for a backend's servers, again and again (c-ares on libevent).
 *
 * Data flow: a question is one name, or an SRV query and then its targets, each by A and AAAA;
 *            what is answered goes into the discovery_set, which judges each name and family alone;
 *            then the pool's callback gets all addresses that hold. Names are looked up as the C
 *            library would: /etc/hosts, search domains, name servers of resolv.conf (read again for
 *            each question), UDP with fallback to TCP.
 * Ownership: discovery_new/_free. The configuration is borrowed from the one in force;
 *            discovery_configure gives it a new one before the old goes.
 * Errors:    logged when trouble with a name begins and when it ends; the rules decide what it
 *            means. What we lack ourselves (descriptors, memory, source ports) is told apart.
 * Limits:    one question under way; DISCOVERY_ADDRESSES_MAX addresses, more are left out with a
 *            line in the log and a metric; four times `timeout` per question.
 * Threads:   the control thread's. ares_library_init is main's.
 */
#ifndef FLOTILLA_LB_DISCOVERY_DISCOVERY_H
#define FLOTILLA_LB_DISCOVERY_DISCOVERY_H

#include "lb/config/lb_config.h"
#include "lb/discovery/discovery_rules.h"

#define DISCOVERY_ADDRESSES_MAX 1024u

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

struct discovery_stats {
    uint64_t questions;
    uint64_t failures;            /* questions with a name that didn't resolve */
    uint64_t own_troubles;        /* questions that lacked something of ours */
    uint64_t names_failing;       /* now */
    uint64_t addresses, left_out; /* now; left_out: over the limit */
};

const struct discovery_stats *discovery_stats(const struct discovery *d);

#endif
