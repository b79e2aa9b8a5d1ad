/*
 * A flow's states before it relays: waiting, TLS, choosing a server, connecting to it (with TLS of its
 * own), and trying whether it answers. Everything here may happen again with another server.
 */
#include "lb/flow/flow_setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log/log.h"
#include "common/net/proxy_v2.h"
#include "common/tls/tls_clients.h"
#include "common/tls/tls_error.h"
#include "lb/backend/backend.h"
#include "lb/backend/server.h"
#include "lb/flow/attempt.h"
#include "lb/flow/flow_client.h"
#include "lb/flow/flow_rules.h"
#include "lb/health/own_trouble.h"
#include "lb/stream/stream_record.h"
#include "lb/stream/stream_tls.h"
#include "lb/worker/listener.h"
#include "lb/worker/snapshot.h"
#include "lb/worker/worker.h"

static const struct backend_config *config_of(const struct flow *f)
{
    return backend_config(f->settings->backend);
}

/* Stays in the state for a server to come up; closed when that took too long. */
static enum flow_state wait_for_server(struct flow *f)
{
    struct attempt *a = f->attempt;
    uint64_t now_ms = f->worker->now_ms;
    if (a->give_up_ms == 0)
        a->give_up_ms = now_ms + config_of(f)->queue_timeout_ms;
    if (now_ms >= a->give_up_ms) {
        metric_add(&f->worker->counters.queue_timeouts, 1);
        LOG_LIMITED(LOG_LEVEL_WARN, "no_server_for_flow",
                    KV_STR("listener", f->settings->config->name),
                    KV_STR("backend", backend_name(f->settings->backend)));
        return FLOW_CLOSED;
    }
    flow_place(f, FLOW_ON_WAITING);
    flow_set_timer(f, flow_queue_deadline(now_ms, a->give_up_ms));
    return f->state;
}

enum flow_state flow_run_accepted(struct flow *f)
{
    if (f->settings->tls == NULL)
        return FLOW_CHOOSING;
    return backend_is_available(f->settings->backend) ? FLOW_HANDSHAKING : FLOW_QUEUEING;
}

enum flow_state flow_run_queueing(struct flow *f)
{
    if (f->client.stream.reset)
        return FLOW_CLOSED;
    if (backend_is_available(f->settings->backend))
        return FLOW_HANDSHAKING;
    return wait_for_server(f);
}

static enum flow_state handshake_failed(struct flow *f, const char *why)
{
    char peer[ADDRESS_TEXT_MAX];
    address_format(&f->attempt->peer, peer, sizeof(peer));
    metric_add(&f->worker->counters.handshake_fails, 1);
    metric_add_shared(&f->listener->counts->handshake_fails, 1);
    LOG_LIMITED(LOG_LEVEL_INFO, "tls_handshake_failed",
                KV_STR("listener", f->settings->config->name), KV_STR("peer", peer),
                KV_STR("err", why));
    return FLOW_CLOSED;
}

/* As DER, for backend.proxy_certificate. One that is too long is left out. */
static void add_certificate(const struct flow *f, const X509 *cert, uint8_t *der,
                            struct proxy_info *info)
{
    int len = i2d_X509(cert, NULL);
    if (len <= 0 || len > PROXY_CERTIFICATE_MAX) {
        LOG_LIMITED(LOG_LEVEL_INFO, "tls_certificate_left_out",
                    KV_STR("listener", f->settings->config->name),
                    KV_STR("err", "longer than 4096 bytes"));
        return;
    }
    info->tls_certificate = der;
    info->tls_certificate_len = (size_t)i2d_X509(cert, &der);
}

/* `der` has room for a certificate. */
static void describe_tls(const struct flow *f, uint8_t *der, struct proxy_info *info)
{
    SSL *ssl = stream_tls_ssl(&f->client.stream);
    if (ssl == NULL)
        return;
    info->tls = true;
    snprintf(info->tls_version, sizeof(info->tls_version), "%s", SSL_get_version(ssl));
    X509 *cert = SSL_get0_peer_certificate(ssl);
    if (cert == NULL)
        return;
    info->tls_verified = SSL_get_verify_result(ssl) == X509_V_OK;
    if (!tls_clients_common_name(cert, info->tls_common_name, sizeof(info->tls_common_name)))
        LOG_LIMITED(LOG_LEVEL_INFO, "tls_common_name_left_out",
                    KV_STR("listener", f->settings->config->name),
                    KV_STR("err", "none, longer than 127 bytes, or with a NUL"));
    if (info->tls_verified && config_of(f)->proxy_certificate)
        add_certificate(f, cert, der, info);
}

/* Made once: it is the same for each server that is tried. */
static bool make_header(struct flow *f)
{
    uint8_t header[PROXY_V2_MAX];
    uint8_t der[PROXY_CERTIFICATE_MAX];
    struct proxy_info info = {.source = f->attempt->peer, .destination = f->listener->bound};
    if (f->attempt->header_made)
        return true;
    if (config_of(f)->proxy_protocol != LB_PROXY_V2)
        return attempt_set_header(f->attempt, NULL, 0);
    socklen_t len = sizeof(info.destination);
    if (f->listener->is_wildcard)
        getsockname(f->client.stream.fd, (struct sockaddr *)&info.destination, &len);
    describe_tls(f, der, &info);
    return attempt_set_header(f->attempt, header, proxy_v2_write(&info, header, sizeof(header)));
}

/* The connection is OpenSSL's no longer, if it can be (TLS 1.3): the header needed it last. */
static enum flow_state handshake_done(struct flow *f)
{
    struct stream *client = &f->client.stream;
    metric_add(&f->worker->counters.handshakes, 1);
    if (SSL_session_reused(stream_tls_ssl(client)))
        metric_add(&f->worker->counters.resumed, 1);
    if (!make_header(f))
        return FLOW_CLOSED;
    if (f->settings->config->tls->records == TLS_RECORDS_OWN)
        (void)stream_record_take(client, f->worker->records);
    f->secured = true;
    metric_move(flow_records_gauge(f), 1);
    return FLOW_CHOOSING;
}

enum flow_state flow_run_handshaking(struct flow *f)
{
    struct stream *client = &f->client.stream;
    char why[160];
    if (f->expired)
        return handshake_failed(f, "timeout");
    if (!client->readable)
        return FLOW_HANDSHAKING;
    /* Only now that there is something to read: connections that say nothing stay cheap. */
    if (stream_tls_ssl(client) == NULL &&
        !stream_tls_start(client, f->settings->tls, f->worker->bio_method))
        return handshake_failed(f, "out of memory");
    switch (stream_tls_handshake(client)) {
    case TLS_HANDSHAKE_DONE:
        return handshake_done(f);
    case TLS_HANDSHAKE_FAILED:
        tls_error(why, sizeof(why));
        return handshake_failed(f, why[0] != '\0' ? why : "closed by peer");
    case TLS_HANDSHAKE_WAIT:
        break;
    }
    if (client->readable)
        flow_place(f, FLOW_ON_READY);
    return FLOW_HANDSHAKING;
}

static const char *const outcome_names[] = {
    [CONNECT_OK] = "ok",
    [CONNECT_REFUSED] = "connect refused",
    [CONNECT_TIMEOUT] = "connect timed out",
    [CONNECT_FAILED] = "lost before its first byte",
};

static enum connect_outcome outcome_of(int err)
{
    switch (err) {
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return CONNECT_REFUSED;
    case ETIMEDOUT:
        return CONNECT_TIMEOUT;
    default:
        return CONNECT_FAILED;
    }
}

/* Brings the facts up to date that the rules look at. */
static const struct flow_tries *tries_of(struct flow *f)
{
    struct attempt *a = f->attempt;
    a->tries.retries = config_of(f)->retries;
    a->tries.sent = a->sent > a->header_len;
    a->tries.client_ended = f->client.stream.ended;
    a->tries.client_reset = f->client.stream.reset;
    a->tries.both_ended = a->shutdown_sent && !f->server.stream.broken;
    return &a->tries;
}

static void leave_for_another(struct flow *f)
{
    struct attempt *a = f->attempt;
    if (a->tries.sent)
        a->tries.replays++;
    metric_add(&f->worker->counters.retries, 1);
    metric_add_shared(&f->chosen->counters.retries, 1);
    attempt_exclude(a, f->chosen);
    flow_leave_server(f);
}

enum flow_state flow_server_failed(struct flow *f, enum connect_outcome outcome)
{
    const struct flow_tries *tries = tries_of(f);
    if (tries->both_ended)
        return FLOW_CLOSED;
    metric_add(&f->worker->counters.connect_fails, 1);
    server_report(f->chosen, outcome);
    LOG_LIMITED(LOG_LEVEL_WARN, "server_failed_flow", KV_STR("server", f->chosen->name),
                KV_STR("err", outcome_names[outcome]), KV_UINT("tried", tries->servers));
    if (flow_after_failure(tries) == FLOW_NEXT_CLOSE)
        return FLOW_CLOSED;
    leave_for_another(f);
    return FLOW_CHOOSING;
}

/* Reserves a server that wasn't tried and isn't the present one; NULL: none may take the flow now.
 */
static struct server *choose(struct flow *f)
{
    const struct attempt *a = f->attempt;
    const struct server *exclude[ATTEMPT_SERVERS_MAX + 1];
    size_t count = a->tried_count;
    memcpy(exclude, a->tried, count * sizeof(exclude[0]));
    if (f->chosen != NULL)
        exclude[count++] = f->chosen;
    struct choose_request request = {
        .exclude = exclude, .exclude_count = count, .hash = a->hash, .now_ms = f->worker->now_ms};
    return backend_choose(f->settings->backend, &request);
}

static enum flow_state wait_for_connect(struct flow *f)
{
    if (f->expired)
        return FLOW_CLOSED;
    flow_set_timer(f, f->since_ms + f->settings->config->handshake_timeout_ms);
    if (f->client.stream.readable)
        flow_place(f, FLOW_ON_READY);
    return FLOW_CHOOSING;
}

enum dial {
    DIAL_STARTED,
    DIAL_FAILED,
    DIAL_NO_PORTS,   /* towards this server; another one may do */
    DIAL_IMPOSSIBLE, /* out of descriptors or memory: no server would do */
};

static enum dial dial_failed(struct flow *f, int err)
{
    if (!is_own_trouble(err))
        return DIAL_FAILED;
    metric_add(&f->worker->counters.connects_impossible, 1);
    LOG_LIMITED(LOG_LEVEL_ERROR, "connect_impossible", KV_STR("server", f->chosen->name),
                KV_STR("err", strerror(err)));
    if (!is_lack_of_ports(err))
        return DIAL_IMPOSSIBLE;
    atomic_store_explicit(&f->chosen->no_ports_until_ms, f->worker->now_ms + FLOW_NO_PORTS_MS,
                          memory_order_relaxed);
    return DIAL_NO_PORTS;
}

static enum dial dial(struct flow *f, int *err)
{
    const struct server *s = f->chosen;
    if (f->worker->now_ms < atomic_load_explicit(&s->no_ports_until_ms, memory_order_relaxed))
        return DIAL_NO_PORTS;
    int fd = socket(s->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *err = errno;
        return dial_failed(f, *err);
    }
    listener_tune_server_socket(fd);
    if ((connect(fd, (const struct sockaddr *)&s->addr, s->addrlen) != 0 && errno != EINPROGRESS) ||
        !poller_add(&f->worker->poller, fd, POLLER_STREAM, &f->server.target)) {
        *err = errno;
        close(fd);
        return dial_failed(f, *err);
    }
    stream_init_plain(&f->server.stream, fd);
    return DIAL_STARTED;
}

/* The flow leaves its server, whose health isn't affected. */
static void leave_blameless(struct flow *f, bool exclude)
{
    f->attempt->tries.servers--;
    if (exclude)
        attempt_exclude(f->attempt, f->chosen);
    flow_leave_server(f);
}

/* Nothing to connect with, or nothing to connect to: waits for either. */
static enum flow_state wait_for_any_server(struct flow *f)
{
    attempt_exclude_none(f->attempt);
    return wait_for_server(f);
}

enum flow_state flow_run_choosing(struct flow *f)
{
    int err = 0;
    if (f->client.stream.reset || !make_header(f))
        return FLOW_CLOSED;
    if (!flow_knows_client(f))
        return wait_for_connect(f);
    for (unsigned without_ports = 0; without_ports < ATTEMPT_SERVERS_MAX;) {
        if (f->chosen == NULL && (f->chosen = choose(f)) == NULL)
            return wait_for_any_server(f);
        f->attempt->tries.servers++;
        switch (dial(f, &err)) {
        case DIAL_STARTED:
            metric_add_shared(&f->chosen->counters.flows, 1);
            return FLOW_CONNECTING;
        case DIAL_NO_PORTS:
            without_ports++;
            leave_blameless(f, true);
            break;
        case DIAL_IMPOSSIBLE:
            leave_blameless(f, false);
            return wait_for_any_server(f);
        case DIAL_FAILED:
            metric_add_shared(&f->chosen->counters.flows, 1);
            if (flow_server_failed(f, outcome_of(err)) == FLOW_CLOSED)
                return FLOW_CLOSED;
            break;
        }
    }
    return wait_for_any_server(f);
}

enum flow_state flow_run_connecting(struct flow *f)
{
    struct stream *server = &f->server.stream;
    int err = 0;
    socklen_t len = sizeof(err);
    if (f->client.stream.reset)
        return FLOW_CLOSED;
    if (server->reset && getsockopt(server->fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err != 0)
        return flow_server_failed(f, outcome_of(err));
    if (server->writable) {
        metric_add(&f->worker->counters.connects, 1);
        return config_of(f)->tls_client != NULL ? FLOW_SECURING : FLOW_TRYING;
    }
    return f->expired ? flow_server_failed(f, CONNECT_TIMEOUT) : FLOW_CONNECTING;
}

/* From here on the flow stays with its server. What that hasn't got yet is the relay's to deliver.
 */
static enum flow_state commit(struct flow *f)
{
    struct attempt *a = f->attempt;
    metric_add(&f->worker->counters.bytes_in, attempt_held(a));
    metric_add_shared(&f->chosen->counters.bytes_in, attempt_held(a));
    relay_adopt(&f->up, a->bytes, a->sent, a->len);
    f->up.finished = a->shutdown_sent;
    a->bytes = NULL;
    attempt_free(a);
    f->attempt = NULL;
    return FLOW_RELAYING;
}

/* The server's first byte, or its failure before that. */
static enum flow_state hear_server(struct flow *f)
{
    struct worker *w = f->worker;
    ssize_t n = stream_read(&f->server.stream, w->relay.buffer, RELAY_BUFFER);
    if (n == STREAM_AGAIN)
        return FLOW_TRYING;
    if (n == 0)
        return flow_server_failed(f, CONNECT_FAILED);
    server_report(f->chosen, CONNECT_OK);
    metric_add(&w->counters.bytes_out, (size_t)n);
    metric_add_shared(&f->chosen->counters.bytes_out, (size_t)n);
    enum flow_state next = commit(f);
    relay_feed(&f->down, &f->client.stream, w->relay.buffer, (size_t)n);
    return next;
}

/* Sends what is held. The header waits a moment for the client's first bytes. */
static void send_held(struct flow *f)
{
    struct attempt *a = f->attempt;
    struct stream *server = &f->server.stream;
    if (attempt_held(a) == 0 && !a->header_due && !f->client.stream.ended)
        return;
    if (a->sent < a->len && server->writable)
        a->sent += stream_write(server, a->bytes + a->sent, a->len - a->sent);
    if (f->client.stream.ended && a->sent == a->len && !a->shutdown_sent)
        a->shutdown_sent = stream_shutdown(server, false);
}

/* The server keeps silent. It is left only for one that takes its place. */
static enum flow_state leave_silent(struct flow *f)
{
    struct server *silent = f->chosen;
    server_report(silent, CONNECT_FAILED);
    struct server *other = choose(f);
    if (other == NULL)
        return FLOW_TRYING;
    LOG_LIMITED(LOG_LEVEL_WARN, "server_silent", KV_STR("server", silent->name));
    leave_for_another(f);
    f->chosen = other;
    return FLOW_CHOOSING;
}

static enum flow_state trying_expired(struct flow *f)
{
    struct attempt *a = f->attempt;
    if (!a->header_due && attempt_held(a) == 0) {
        a->header_due = true;
        if (a->len == 0)
            listener_hurry_server_socket(f->server.stream.fd);
        return FLOW_TRYING;
    }
    return flow_may_leave_silent(tries_of(f)) ? leave_silent(f) : FLOW_TRYING;
}

/* A client that has closed its side gets as much time for an answer as one direction may go on
 * alone. True: the flow ends. */
static bool answer_is_overdue(struct flow *f)
{
    struct attempt *a = f->attempt;
    uint64_t limit_ms = config_of(f)->half_close_timeout_ms;
    uint64_t now_ms = f->worker->now_ms;
    if (!f->client.stream.ended || limit_ms == 0)
        return false;
    if (a->ended_ms == 0)
        a->ended_ms = now_ms;
    if (now_ms >= a->ended_ms + limit_ms) {
        metric_add(&f->worker->counters.half_close_timeouts, 1);
        return true;
    }
    flow_set_timer_by(f, a->ended_ms + limit_ms);
    return false;
}

enum flow_state flow_run_trying(struct flow *f)
{
    struct attempt *a = f->attempt;
    struct stream *client = &f->client.stream;
    if (f->server.stream.readable) {
        enum flow_state next = hear_server(f);
        if (next != FLOW_TRYING)
            return next;
    }
    if (f->expired) {
        enum flow_state next = trying_expired(f);
        if (next != FLOW_TRYING)
            return next;
    }
    bool was_sent = a->sent > a->header_len;
    bool full = attempt_hold(a, client) == ATTEMPT_FULL;
    if (flow_look_at_client(f) == FLOW_CLOSED)
        return FLOW_CLOSED;
    if (full || client->reset)
        return commit(f);
    if (client->readable)
        flow_place(f, FLOW_ON_READY);
    if (a->looked_at || attempt_held(a) == 0)
        send_held(f);
    if (f->server.stream.broken)
        return flow_server_failed(f, CONNECT_FAILED);
    if (!was_sent && flow_may_leave_silent(tries_of(f))) {
        uint64_t silence_ms = config_of(f)->first_byte_timeout_ms;
        flow_set_timer(f, silence_ms == 0 ? 0 : f->worker->now_ms + silence_ms);
    }
    return answer_is_overdue(f) ? FLOW_CLOSED : FLOW_TRYING;
}
