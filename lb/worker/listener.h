/*
 * listener - an address that accepts connections, as all workers share it: its sockets' making, its
 * counters, and its limit of flows.
 *
 * Data flow: workers.c opens a listener for each new address of a configuration and gives each
 *            worker one of its sockets (acceptor.h). It lives on over reloads while its address is
 *            the same.
 * Ownership: reference counted; the workers' table, each acceptor and each flow hold one. The
 *            sockets belong to the acceptors.
 * Threads:   counters are atomics; the rest never changes.
 */
#ifndef FLOTILLA_LB_WORKER_LISTENER_H
#define FLOTILLA_LB_WORKER_LISTENER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/metrics/metrics.h"

struct listener {
    struct sockaddr_storage addr;  /* as configured: the key; its port may be 0 */
    struct sockaddr_storage bound; /* as bound */
    socklen_t addrlen;
    bool is_wildcard;        /* the address says nothing about where a connection came in */
    struct listener *counts; /* whose counters and limit are used: itself, or the first address of
                                the same `bind` (a reference) */
    /* ---- */
    _Atomic unsigned refs;
    _Atomic unsigned flows; /* reserved places: flows, and connections on their way to one */
    metric_counter accepted;
    metric_counter handshake_fails;
    metric_counter paused;
};

/* Binds `count` sockets (non-blocking, SO_REUSEPORT, listening) into `fds`. NULL: nothing is left
 * open, and `err` says why. Another process on the address is an error. */
struct listener *listener_open(const struct sockaddr_storage *addr, socklen_t addrlen, int backlog,
                               int *fds, unsigned count, char *err, size_t errlen);
struct listener *listener_ref(struct listener *l);
void listener_unref(struct listener *l);

/* Before it is used: `l` is a further address of `first`, which counts for both. */
void listener_join(struct listener *l, struct listener *first);

/* A place among the `limit` flows (0: any number). False: all are taken. */
bool listener_reserve(struct listener *l, unsigned limit);
void listener_release(struct listener *l);

bool listener_has_address(const struct listener *l, const struct sockaddr_storage *addr);
unsigned listener_port(const struct listener *l);

/* No delay and keepalive for a socket to a server. What accepted sockets need is set on the
 * listening ones, from which they inherit it. */
void listener_tune_server_socket(int fd);
/* The handshake's last ACK was kept back for the client's first bytes, which don't come. */
void listener_hurry_server_socket(int fd);

#endif
