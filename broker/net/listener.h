/*
 * listener - accepts connections on one address (or on both families of it), and decides whether they may come in at all:
 * connection limits, and who may send a PROXY header.
 *
 * Bounds: at most 64 accepts a turn, so that a storm doesn't starve those connected. Out of file
 *         descriptors: it stops listening for a moment instead of spinning. A connection over a
 *         limit is closed at once and counted.
 */
#ifndef FLOTILLA_BROKER_NET_LISTENER_H
#define FLOTILLA_BROKER_NET_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

struct broker;
struct listener;
struct listener_config;

/* Binds and listens. NULL with a sentence in err. */
struct listener *listener_new(struct broker *b, const struct listener_config *config, char *err,
                              size_t errlen);
/* Stops accepting (what waits in the kernel's queue is reset); its clients stay. */
void listener_stop(struct listener *l);
void listener_free(struct listener *l);

bool listener_requires_proxy(const struct listener *l);
/* A client that came through it is gone. */
void listener_client_gone(struct listener *l);

/* The address is on the loopback interface. */
bool listener_is_loopback(const char *bind);

#endif
