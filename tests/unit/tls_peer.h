/*
 * For tests: a context of ours with a certificate that signs itself, and a client of OpenSSL's own at the other end of
 * a socket pair.
 */
#ifndef FLOTILLA_TESTS_UNIT_TLS_PEER_H
#define FLOTILLA_TESTS_UNIT_TLS_PEER_H

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/tls/tls.h"
#include "common/tls/tls_channel.h"
#include "common/tls/tls_tickets.h"
#include "tests/unit/tls_fixture.h"

struct tls_peer {
    struct tls_files files;
    struct tls_tickets *tickets;
    SSL_CTX *ctx, *client_ctx;
    BIO_METHOD *method;
    SSL *client;
    int fd, client_fd; /* ours, the client's */
    bool blocked;      /* our socket takes nothing */
    int send_errno;    /* or fails so; 0: it doesn't */
    size_t receives;   /* calls of peer_receive */
};

static inline ssize_t peer_receive(void *arg, void *buf, size_t len)
{
    struct tls_peer *p = arg;
    p->receives++;
    return recv(p->fd, buf, len, 0);
}

static inline ssize_t peer_send(void *arg, const void *buf, size_t len)
{
    struct tls_peer *p = arg;
    if (p->send_errno != 0 || p->blocked) {
        errno = p->send_errno != 0 ? p->send_errno : EAGAIN;
        return -1;
    }
    return send(p->fd, buf, len, MSG_NOSIGNAL);
}

static inline SSL_CTX *peer_context(struct tls_peer *p, int client_auth)
{
    char err[256] = "";
    struct tls_config config = {.certificate = p->files.certificate,
                                .key = p->files.key,
                                .client_ca = p->files.certificate,
                                .client_auth = client_auth};
    SSL_CTX *ctx = tls_context_new(&config, p->tickets, NULL, err, sizeof(err));
    assert_string_equal(err, "");
    assert_non_null(ctx);
    return ctx;
}

static inline void peer_dial(struct tls_peer *p)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    p->fd = fds[0];
    p->client_fd = fds[1];
    p->client = SSL_new(p->client_ctx);
    assert_non_null(p->client);
    SSL_set_fd(p->client, p->client_fd);
    SSL_set_connect_state(p->client);
}

static inline void peer_hang_up(struct tls_peer *p)
{
    if (p->client != NULL)
        SSL_set_shutdown(p->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(p->client);
    p->client = NULL;
    if (p->client_fd >= 0)
        close(p->client_fd);
    if (p->fd >= 0)
        close(p->fd);
    p->fd = p->client_fd = -1;
    p->blocked = false;
    p->send_errno = 0;
}

static inline void peer_init(struct tls_peer *p, int client_auth)
{
    memset(p, 0, sizeof(*p));
    p->fd = p->client_fd = -1;
    tls_files_init(&p->files, "localhost");
    p->tickets = tls_tickets_new(60000);
    p->method = tls_channel_method_new();
    p->ctx = peer_context(p, client_auth);
    p->client_ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(p->client_ctx);
    SSL_CTX_set_options(p->client_ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
}

static inline void peer_fini(struct tls_peer *p)
{
    peer_hang_up(p);
    SSL_CTX_free(p->ctx);
    SSL_CTX_free(p->client_ctx);
    BIO_meth_free(p->method);
    tls_tickets_free(p->tickets);
    tls_files_fini(&p->files);
}

#endif
