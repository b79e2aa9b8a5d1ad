/*
 * redis_dial - finds where a Redis server is, and opens a socket to it.
 *
 * Data flow: redis_link asks for the addresses of its URL, waits while the resolver is asked, and
 *            opens a socket to one after the other, a try each. The resolver's callback notes what it
 *            found and calls `found`; nothing else happens in it.
 * Ownership: embedded in the link; the resolver is made when the first name is looked up.
 * Errors:    -1 with errno from redis_dial_open; no address known after the resolver has answered.
 */
#ifndef FLOTILLA_COMMON_REDIS_REDIS_DIAL_H
#define FLOTILLA_COMMON_REDIS_REDIS_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct evdns_base;
struct evdns_getaddrinfo_request;
struct event_base;
struct redis_url;

struct redis_question;

#define REDIS_DIAL_ADDRESSES_MAX 8 /* of a name; more are left out */

struct redis_dial {
    struct event_base *base;
    const struct redis_url *url; /* lives as long as this */
    void (*found)(void *arg);    /* the resolver has answered */
    void *arg;
    struct evdns_base *dns;
    struct redis_question *asked; /* of the resolver; NULL: isn't */
    struct sockaddr_storage addresses[REDIS_DIAL_ADDRESSES_MAX];
    socklen_t address_lens[REDIS_DIAL_ADDRESSES_MAX];
    size_t address_count;
};

enum redis_dial_find {
    REDIS_DIAL_KNOWN,  /* a unix socket, or numbers */
    REDIS_DIAL_ASKED,  /* the resolver, which calls `found`, maybe before this returns */
    REDIS_DIAL_FAILED, /* there is no resolver */
};

/* Copes with a zeroed struct. */
void redis_dial_fini(struct redis_dial *d);

enum redis_dial_find redis_dial_find(struct redis_dial *d);
static inline bool redis_dial_is_asking(const struct redis_dial *d)
{
    return d->asked != NULL;
}
/* Forgets the question to the resolver, if there is one. What the resolver has of it is freed in the next
 * turn of the loop, which may come after the dial's end. */
void redis_dial_cancel(struct redis_dial *d);

/* A socket that connects to one of the addresses, by turns; connected or not shows when it gets
 * writable. -1: errno. */
int redis_dial_open(const struct redis_dial *d, unsigned turn);

#endif
