/*
 * dns_channel - c-ares on libevent: a channel for one question at a time.
 *
 * c-ares reads resolv.conf and hosts when a channel is made, so each question gets a new one: a
 * changed file is noticed, and no state of an earlier failure is carried along. Sockets are opened
 * here, because c-ares says "connection refused" when there is no descriptor, no memory or no
 * source port for one: that is our trouble, not the name server's (own_errno).
 * Ownership: embedded; dns_channel_init/_fini.
 * Threads:   those of its event base.
 */
#ifndef FLOTILLA_LB_DISCOVERY_DNS_CHANNEL_H
#define FLOTILLA_LB_DISCOVERY_DNS_CHANNEL_H

#include <ares.h>
#include <stdbool.h>
#include <stdint.h>

struct event;
struct event_base;

#define DNS_SOCKETS_MAX 16u
#define DNS_TRIES 2

struct dns_socket {
    ares_socket_t fd;
    struct event *event; /* NULL: free */
};

struct dns_channel {
    ares_channel ares; /* of the last question; NULL before the first */
    struct event_base *base;
    struct event *timer; /* what c-ares waits for */
    struct dns_socket sockets[DNS_SOCKETS_MAX];
    int own_errno; /* what we lacked during this question; 0: nothing */
};

/* False: out of memory. */
bool dns_channel_init(struct dns_channel *c, struct event_base *base);
/* The callbacks of a question under way come before this returns. Zeroed memory is fine. */
void dns_channel_fini(struct dns_channel *c);

/* A new channel for the next question; `resolver` NULL: as resolv.conf says. A status of c-ares. */
int dns_channel_open(struct dns_channel *c, const char *resolver, uint64_t timeout_ms);

/* After lookups were started or cancelled. */
void dns_channel_rearm(struct dns_channel *c);

/* A lookup failed: sees whether a descriptor can be had at all, which c-ares doesn't tell. True:
 * something of ours was missing during this question. */
bool dns_channel_lacks(struct dns_channel *c);

/* Whether /etc/hosts knows the name (or it is a literal address): then nobody is asked for it. */
bool dns_channel_knows(struct dns_channel *c, const char *host);

#endif
