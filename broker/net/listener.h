/*
 * listener - accepts connections on one address (or on both families of it).
 *
 * Data flow: hands each connection to its owner, which decides whether it may come in
 *            (admission.c); counts the clients that came of them.
 * Bounds: at most 64 accepts per turn, so that a storm doesn't starve connected clients. Out of
 *            file descriptors: it stops listening for a moment instead of spinning.
 */
#ifndef FLOTILLA_BROKER_NET_LISTENER_H
#define FLOTILLA_BROKER_NET_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct listener;
struct listener_config;
struct peer;

struct listener_owner {
    struct event_base *base;
    /* A connection was accepted; takes the descriptor. */
    void (*accepted)(void *arg, struct listener *l, int fd, const struct peer *peer);
    void *arg;
};

/* Binds; connections are refused until listener_open. Borrows the configuration. NULL with a sentence in
 * err. */
struct listener *listener_new(const struct listener_owner *owner,
                              const struct listener_config *config, char *err, size_t errlen);
/* Listens. False with a sentence in err. */
bool listener_open(struct listener *l, char *err, size_t errlen);
/* Stops accepting (what waits in the kernel's queue is reset); its clients stay. */
void listener_stop(struct listener *l);
void listener_free(struct listener *l);

const struct listener_config *listener_config(const struct listener *l);
/* The address may send a PROXY header. */
bool listener_trusts(const struct listener *l, const struct peer *p);
/* It has as many clients as its own limit allows. */
bool listener_is_full(const struct listener *l);
/* A client came through it; is gone. */
void listener_client_came(struct listener *l);
void listener_client_gone(struct listener *l);

/* The address is on the loopback interface. */
bool listener_is_loopback(const char *bind);

#endif
