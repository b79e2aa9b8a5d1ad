/*
 * redis_socket - the bytes of one connection to Redis, plain or in TLS: what was read becomes replies, what is
 * to be written goes as far as the socket takes it.
 *
 * Data flow: libevent's callbacks only note that the socket can be read or written; redis_link reads
 *            in its input and writes in its flush.
 * Ownership: embedded in the link; owns the descriptor, its events and hiredis' parser.
 * Errors:    come back from reading and writing; the link closes.
 * Limits:    a call reads READ_BOUND bytes at most, and hands out replies until its box is over, one
 *            at least.
 */
#ifndef FLOTILLA_COMMON_REDIS_REDIS_SOCKET_H
#define FLOTILLA_COMMON_REDIS_REDIS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct event;
struct event_base;
struct redisReader;
struct redisReply;
struct timebox;
struct tls_channel;
struct tls_client;

struct redis_socket {
    int fd;                            /* -1: closed */
    struct event *readable, *writable; /* of fd; writable only while a write is blocked */
    struct tls_channel *tls;           /* NULL: plain */
    char tls_error[160];               /* why it failed */
    struct redisReader *reader;
    struct redisReply *current; /* being handed out */
    bool ready_to_read, write_blocked;
    bool unfinished; /* replies that were read may not have been handed out */
    bool paused;     /* none is handed out */
};

/* Takes `fd`, which may still be connecting: it counts as blocked until it is writable. False: out
 * of memory; redis_socket_close cleans up. */
bool redis_socket_open(struct redis_socket *s, struct event_base *base, int fd);
/* Harmless when closed. In a reply's function, too. */
void redis_socket_close(struct redis_socket *s);

/* 0, or why connecting failed. */
int redis_socket_error(const struct redis_socket *s);
/* The socket is connected: TLS from now on. False: out of memory. */
bool redis_socket_secure(struct redis_socket *s, const struct tls_client *client, const char *host);
enum redis_socket_handshake {
    REDIS_SOCKET_SECURED, /* or there is no TLS */
    REDIS_SOCKET_WAITS,   /* until it can be read: ready_to_read */
    REDIS_SOCKET_REFUSED, /* `why`, of `size` bytes, says it */
};
enum redis_socket_handshake redis_socket_shake_hands(struct redis_socket *s, char *why,
                                                     size_t size);
/* Whether libevent waits for something to read. It is level-triggered: unread bytes would spin. */
bool redis_socket_listen(struct redis_socket *s, bool listen);
/* The server has closed its side, whatever lies unread before that. */
bool redis_socket_is_closed_by_peer(const struct redis_socket *s);

enum redis_socket_read {
    REDIS_SOCKET_DRAINED, /* nothing more is there, or the bound is reached */
    REDIS_SOCKET_LEFT,    /* replies are left for the next call: the box is over, or it is paused */
    REDIS_SOCKET_STOPPED, /* `take` said so */
    REDIS_SOCKET_CLOSED,  /* by the server, or by an error: `why` */
    REDIS_SOCKET_BROKEN,  /* not Redis' protocol, or out of memory: `why` */
};

/* False: the connection was closed or is of no use any more. */
typedef bool redis_socket_take_fn(void *arg, struct redisReply *reply);

enum redis_socket_read redis_socket_read(struct redis_socket *s, struct timebox *box,
                                         redis_socket_take_fn *take, void *arg, const char **why);
/* In `take`: the reply is the caller's from now on (freeReplyObject). */
struct redisReply *redis_socket_keep(struct redis_socket *s);

/* Writes what the socket takes; the number of bytes, or -1 when the connection failed: what the
 * server said before is there to be read. */
ssize_t redis_socket_write(struct redis_socket *s, const char *bytes, size_t len);

#endif
