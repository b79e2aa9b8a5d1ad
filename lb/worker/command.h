/*
 * command - what other threads tell a worker, in order.
 *
 * Data flow: the control thread (and, for CONNECTION, another worker) posts; the queue's eventfd
 *            wakes the worker's poller; the worker takes all of them at the end of its turn.
 * Ownership: a posted command belongs to the queue, with the references and descriptors in it;
 *            command_free gives back what is still there.
 * Limits:    as many as are posted: the control thread posts a few per second, and a worker passes
 *            connections on only while it has more of them than the receiver.
 */
#ifndef FLOTILLA_LB_WORKER_COMMAND_H
#define FLOTILLA_LB_WORKER_COMMAND_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "lb/stream/poller.h"

struct listener;
struct server;
struct snapshot;

enum command_kind {
    COMMAND_APPLY,        /* snapshot, sockets */
    COMMAND_WAKE,         /* waiting flows try again */
    COMMAND_CLOSE_SERVER, /* server */
    COMMAND_DRAIN,        /* deadline_ms */
    COMMAND_STOP,
    COMMAND_CONNECTION, /* snapshot, listener_index, listener, fd, peer: accepted elsewhere */
};

/* One for each listener of the snapshot, in its order. */
struct command_socket {
    struct listener *listener; /* reference */
    int fd;                    /* a new socket, owned; -1: the worker has one already */
};

struct command {
    STAILQ_ENTRY(command) link;
    enum command_kind kind;
    struct snapshot *snapshot; /* reference */
    struct command_socket *sockets;
    size_t socket_count;
    struct server *server; /* reference */
    uint64_t deadline_ms;
    struct listener *listener; /* reference */
    size_t listener_index;
    int fd; /* owned, with a reserved place of the listener; -1: none */
    struct sockaddr_storage peer;
};

struct command *command_new(enum command_kind kind);
void command_free(struct command *c);

struct command_queue {
    struct poll_target target; /* for the worker's poller; `ready` is set by command_queue_init */
    int event_fd;
    bool due; /* the worker's: something was posted since the last take */
    pthread_mutex_t lock;
    STAILQ_HEAD(, command) commands;
};

bool command_queue_init(struct command_queue *q);
void command_queue_fini(struct command_queue *q);
/* From any thread; takes `c`. */
void command_post(struct command_queue *q, struct command *c);
/* The oldest command, NULL: none. The caller frees it. */
struct command *command_take(struct command_queue *q);

#endif
