/*
 * connect_attempt - what a CONNECT asked for, from when it came until it is answered.
 *
 * Data flow: handle_connect.c makes it and asks auth.c; claim.c asks the store for the
 *            client id, and ends it.
 * Rivals:    connections of other users for the same client id wait for the first one's answer,
 *            which decides whose the client id is.
 * Ownership: the client's, with the will and the name until the client has them itself.
 */
#ifndef FLOTILLA_BROKER_CLIENT_CONNECT_ATTEMPT_H
#define FLOTILLA_BROKER_CLIENT_CONNECT_ATTEMPT_H

#include <sys/queue.h>

#include "broker/auth/sources/chain.h"

struct client;
struct message;

struct connect_attempt {
    struct client *client;
    LIST_HEAD(rival_list, connect_attempt) rivals; /* of other users, whom its answer decides */
    LIST_ENTRY(connect_attempt) rival_link;
    bool is_rival;
    bool clean;   /* a session of before ends */
    bool waits;   /* the store didn't answer at once */
    bool made_id; /* the client left its id to us */
    struct message *will;
    uint32_t will_delay_s;
    char *username;          /* NULL: none given */
    struct chain_wait login; /* and what it was granted */
    enum login_verdict verdict;
    uint64_t arrived_ms;         /* CLOCK_BOOTTIME */
    struct mqtt_slice client_id; /* points into text */
    char text[];
};

/* The client's from now on; NULL when out of memory. Copies the client id. */
struct connect_attempt *connect_attempt_new(struct client *c, struct mqtt_slice client_id);
/* The client has none any more; rivals look again what has become of the client id. */
void connect_attempt_free(struct client *c);
/* Waits until the other one is answered. */
void connect_attempt_await(struct connect_attempt *a, struct connect_attempt *other);

/* The verdict on the client's login: chain_wait.done. Only marks the client for work: it may come in
 * the middle of another client's turn. */
void connect_attempt_judged(void *arg, enum login_verdict verdict);
/* The verdict didn't come in time. */
void connect_attempt_late(struct client *c);

#endif
