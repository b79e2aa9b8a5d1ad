/*
 * Between connecting and trying, where the backend has TLS. Also this may happen again with another server.
 */
#include "lb/flow/flow_secure.h"

#include <netdb.h>
#include <netinet/in.h>

#include "common/log/log.h"
#include "common/tls/tls_client.h"
#include "common/tls/tls_error.h"
#include "lb/backend/backend.h"
#include "lb/backend/server.h"
#include "lb/flow/attempt.h"
#include "lb/flow/flow_setup.h"
#include "lb/stream/stream_tls.h"
#include "lb/worker/snapshot.h"
#include "lb/worker/worker.h"

/* The header is for the server's TCP, before its TLS. True: all of it was taken. */
static bool send_header(struct flow *f)
{
    struct attempt *a = f->attempt;
    struct stream *server = &f->server.stream;
    if (a->sent < a->header_len && server->writable)
        a->sent += stream_write(server, a->bytes + a->sent, a->header_len - a->sent);
    return a->sent >= a->header_len;
}

static bool begin_securing(struct flow *f)
{
    struct stream *server = &f->server.stream;
    char host[INET6_ADDRSTRLEN];
    if (stream_tls_ssl(server) != NULL)
        return true;
    if (getnameinfo((const struct sockaddr *)&f->chosen->addr, f->chosen->addrlen, host,
                    sizeof(host), NULL, 0, NI_NUMERICHOST) != 0)
        return false;
    server->readable = true; /* it is this side that begins */
    return stream_tls_connect(
        server, tls_client_ssl(backend_config(f->settings->backend)->tls_client, host),
        f->worker->bio_method);
}

static enum flow_state securing_failed(struct flow *f)
{
    char why[160];
    tls_handshake_error(stream_tls_ssl(&f->server.stream), why, sizeof(why));
    LOG_LIMITED(LOG_LEVEL_WARN, "server_tls_failed", KV_STR("server", f->chosen->name),
                KV_STR("err", why[0] != '\0' ? why : "closed by peer"));
    return flow_server_failed(f, CONNECT_FAILED);
}

enum flow_state flow_run_securing(struct flow *f)
{
    struct stream *server = &f->server.stream;
    if (f->client.stream.reset)
        return FLOW_CLOSED;
    if (f->expired)
        return flow_server_failed(f, CONNECT_TIMEOUT);
    if (!send_header(f))
        return server->broken ? flow_server_failed(f, CONNECT_FAILED) : FLOW_SECURING;
    if (!begin_securing(f))
        return flow_server_failed(f, CONNECT_FAILED);
    switch (stream_tls_handshake(server)) {
    case TLS_HANDSHAKE_DONE:
        return FLOW_TRYING;
    case TLS_HANDSHAKE_FAILED:
        return securing_failed(f);
    case TLS_HANDSHAKE_WAIT:
        break;
    }
    if (server->readable)
        flow_place(f, FLOW_ON_READY);
    return FLOW_SECURING;
}
