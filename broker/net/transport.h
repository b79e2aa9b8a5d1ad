/*
 * transport - how a client's bytes come and go: a small table of operations, so that protocol code
 * never sees a socket. TCP (transport_tcp.c), TLS over it (transport_tls.c), and WebSocket over
 * either (transport_websocket.c); the load balancer's trunk fits in.
 *
 * Data flow: a transport reports readiness through `ready` (which only marks the client); the turn
 *            then reads and writes through the operations.
 * Readiness: edge-triggered. After READABLE the client reads until the transport says EAGAIN or
 *            gives less than was asked for (with TRANSPORT_EOF seen: until the end); after EAGAIN
 *            on writing, WRITABLE tells when to go on. A transport that gives less, or EAGAIN, and
 *            may have more all the same says MORE before that read returns.
 * Ownership: the client owns its transport. free closes.
 */
#ifndef FLOTILLA_BROKER_NET_TRANSPORT_H
#define FLOTILLA_BROKER_NET_TRANSPORT_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "common/net/peer.h"

struct event_base;
struct tls_channel;
struct transport;
struct websocket_decoder;

enum transport_ready {
    TRANSPORT_READABLE = 1,
    TRANSPORT_WRITABLE = 2,
    TRANSPORT_EOF = 4,
    TRANSPORT_MORE = 8, /* of the read that is under way */
};
typedef void transport_ready_fn(void *arg, unsigned ready);

struct transport_ops {
    /* From now on `ready` is called. False when out of memory. */
    bool (*start)(struct transport *t);
    /* As recv: bytes, 0 at the end, or -1 with errno; EPROTO when what came isn't allowed in the transport's
     * protocol. */
    ssize_t (*read)(struct transport *t, void *buf, size_t len);
    /* As writev; may take a part. */
    ssize_t (*writev)(struct transport *t, const struct iovec *iov, int count);
    /* No more bytes will be written: the peer reads its last ones and then the end. `going_away`: not for anything
     * that the peer did, but because this process ends. */
    void (*finish)(struct transport *t, bool going_away);
    void (*free)(struct transport *t);
    /* For how many ms no byte has arrived at this host, by the kernel's count: what lay in the socket
     * while this process stood still is as old as that. 0 when it isn't known. May be NULL. */
    uint32_t (*silent_ms)(struct transport *t);
    /* See transport_peer_certificate. NULL: there can't be one. */
    const X509 *(*peer_certificate)(const struct transport *t);
};

struct transport {
    const struct transport_ops *ops;
    transport_ready_fn *ready;
    void *arg;
    struct peer peer;
};

static inline bool transport_start(struct transport *t, transport_ready_fn *ready, void *arg)
{
    t->ready = ready;
    t->arg = arg;
    return t->ops->start(t);
}

/* The certificate whose key the peer has proved to have, and which the listener's client_ca vouches for (verified by the
 * handshake, or by the one whose session goes on). NULL: none; also on a plain connection. Good until the transport
 * is freed, whatever is put around it. */
static inline const X509 *transport_peer_certificate(const struct transport *t)
{
    return t->ops->peer_certificate != NULL ? t->ops->peer_certificate(t) : NULL;
}

/* Takes the connected, non-blocking socket. NULL when out of memory (fd is closed). `ready` isn't
 * called before transport_start. */
struct transport *transport_tcp_new(struct event_base *base, int fd, const struct peer *peer);

/* Takes a transport that was started, and the first bytes that were read from it; the new one reports to the same `ready`
 * and has the same peer. Its handshake is the owner's to make (tls_channel_handshake), before anything is read or
 * written. NULL when out of memory: `inner` is as before. */
struct transport *transport_tls_new(struct transport *inner, SSL_CTX *ctx, BIO_METHOD *method,
                                    const uint8_t *first, size_t len);
bool transport_is_tls(const struct transport *t);
/* Of a TLS transport. */
struct tls_channel *transport_tls_channel(struct transport *t);

/* Takes a transport that was started, between the answer to a WebSocket upgrade and the first byte behind it; the
 * new one reports to the same `ready` and has the same peer. `spare` is as in websocket_frames.h. NULL when out of memory: `inner` is
 * as before. */
struct transport *transport_websocket_new(struct transport *inner,
                                          struct websocket_decoder **spare);

#endif
