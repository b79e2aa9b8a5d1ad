/*
 * attempt - what a flow remembers until it relays: who the client is, which servers were tried, and
 * the bytes to send again should a server fail before it says anything.
 *
 *   bytes:  | PROXY header | what the client sent ............... | free |
 *           0              header_len        sent (to the server)  len
 *
 * Ownership: belongs to a flow from accepting until the server's first byte, then it is freed: an
 *            idle flow pays nothing for it. References to tried servers keep their addresses from
 *            being reused for others.
 * Limits:    ATTEMPT_HELD_MAX bytes of the client; a client that sends more before the server's
 *            first byte can't be moved any more.
 */
#ifndef FLOTILLA_LB_FLOW_ATTEMPT_H
#define FLOTILLA_LB_FLOW_ATTEMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lb/flow/flow_rules.h"

struct server;
struct stream;

#define ATTEMPT_HELD_MAX ((size_t)16 * 1024)
#define ATTEMPT_SERVERS_MAX 8

struct attempt {
    struct sockaddr_storage peer;
    struct flow_tries tries;
    const struct server *tried[ATTEMPT_SERVERS_MAX]; /* references; left out of the next choice */
    unsigned tried_count;
    uint64_t give_up_ms; /* for waiting in a queue; 0: hasn't waited yet */
    uint64_t ended_ms;   /* when the client's end was seen; 0: not yet */
    uint64_t hash;       /* of the client id, where the backend balances by it */
    bool hash_known;
    uint8_t *bytes;
    size_t size, header_len, sent, len;
    bool header_made;
    bool looked_at;     /* the client's first bytes may be sent on */
    bool header_due;    /* the client said nothing for long enough: the header goes alone */
    bool shutdown_sent; /* the client's end was passed on to the present server */
};

struct attempt *attempt_new(const struct sockaddr_storage *peer);
void attempt_free(struct attempt *a);

/* The header goes before everything; called once, before attempt_hold. False: out of memory. */
bool attempt_set_header(struct attempt *a, const uint8_t *header, size_t len);

enum attempt_hold {
    ATTEMPT_HELD, /* all that the client has sent so far is held */
    ATTEMPT_FULL, /* the limit is reached (or memory is), more is waiting */
};

/* Reads what the client sent. Its end shows in client->ended. */
enum attempt_hold attempt_hold(struct attempt *a, struct stream *client);

/* Bytes of the client that are held. */
static inline size_t attempt_held(const struct attempt *a)
{
    return a->len - a->header_len;
}

/* Leaves `s` out of further choices, and starts over with the bytes. */
void attempt_exclude(struct attempt *a, struct server *s);
/* Every server may be chosen again. */
void attempt_exclude_none(struct attempt *a);

#endif
