/*
 * receive - what each read of a client's transport shows: that the client is alive, how it sends,
 * that it has ended.
 *
 * Data flow: input.c reads and tells here; claim.c has a client looked at that waits for its CONNACK.
 */
#ifndef FLOTILLA_BROKER_CONNECTION_RECEIVE_H
#define FLOTILLA_BROKER_CONNECTION_RECEIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct client;

/* So many bytes came, of those asked for. */
void receive_note(struct client *c, const uint8_t *bytes, size_t n, size_t asked);
/* A read gave nothing: `n` is what it returned, with errno. May close the client. */
void receive_end(struct client *c, ssize_t n);

/* Its password is being checked, or the store was asked. A client that has left isn't waited for,
 * and takes its client id from no other connection. What it sent behind its CONNECT is taken off
 * the socket once; if it ends after that, it still counts. */
void receive_look_for_end(struct client *c);
/* Looks, while the client waits for its CONNACK, whether it has gone: then closes it. False also for
 * one that sent more than its CONNECT before it ended: that still counts. Uses the shared buffer. */
bool receive_has_left(struct client *c);

#endif
