/* The doing; what is accepted is decided by the context (common/tls/tls.h). */
#include "broker/connection/secure.h"

#include <openssl/ssl.h>

#include "broker/auth/auth.h"
#include "broker/auth/certificate/peer_certificate.h"
#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/connection/client_life.h"
#include "broker/net/listener.h"
#include "broker/net/tls_contexts.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/tls/tls_channel.h"
#include "common/tls/tls_clients.h"

enum { SECURING_NS = 5000000 }; /* a turn's handshakes */

bool secure_is_under_way(const struct client *c)
{
    return c->state == CLIENT_SECURING && transport_is_tls(c->transport);
}

size_t secure_take(struct client *c, const uint8_t *buf, size_t len)
{
    const struct tls_contexts *contexts = c->broker->tls;
    struct transport *t =
        transport_tls_new(c->transport, tls_contexts_of(contexts, listener_config(c->listener)),
                          tls_contexts_method(contexts), buf, len);
    if (t == NULL) {
        client_close(c, END_NO_MEMORY);
        return 0;
    }
    c->transport = t;
    c->readable = true; /* these bytes */
    return len;
}

static void refuse(struct client *c)
{
    char peer[PEER_TEXT_MAX];
    char why[160];
    LOG_LIMITED(
        LOG_LEVEL_INFO, "tls_handshake_failed",
        KV_STR("listener", listener_config(c->listener)->bind),
        KV_STR("peer", peer_text(&c->transport->peer, peer)),
        KV_STR("err", tls_channel_failure(transport_tls_channel(c->transport), why, sizeof(why))));
    client_close(c, END_TLS_HANDSHAKE);
}

/* Of the client, if identities are taken from it. False when out of memory. */
static bool take_certificate(struct client *c)
{
    char name[128];
    const X509 *shown = transport_peer_certificate(c->transport);
    if (c->proxied) /* it is the proxy's own: who is behind it stands in the PROXY header, or nowhere */
        return true;
    if (shown == NULL || !auth_wants_certificate(c->broker->auth, listener_config(c->listener)))
        return true;
    unsigned char *der = NULL;
    int len = i2d_X509(shown, &der);
    if (len < 0)
        return false;
    if (!tls_clients_common_name(shown, name, sizeof(name)))
        name[0] = '\0';
    c->certificate = peer_certificate_new(name, der, (size_t)len);
    OPENSSL_free(der);
    return c->certificate != NULL;
}

static void finish(struct client *c)
{
    struct broker_stats *stats = &c->broker->stats;
    if (!take_certificate(c)) {
        client_close_later(c, END_NO_MEMORY);
        return;
    }
    stats->tls_handshakes++;
    if (SSL_session_reused(tls_channel_ssl(transport_tls_channel(c->transport))))
        stats->tls_resumed++;
    c->last_input_ms = c->broker->client_ms;
    client_enter(c, client_secured_state(c->listener));
    c->readable = true; /* what follows the handshake may have come with it */
}

bool secure_go_on(struct client *c)
{
    struct broker *b = c->broker;
    bool more;
    if (b->securing_ns >= SECURING_NS)
        return false;
    uint64_t began_ns = clock_monotonic_ns();
    enum tls_channel_progress progress =
        tls_channel_handshake(transport_tls_channel(c->transport), &more);
    b->securing_ns += clock_monotonic_ns() - began_ns;
    switch (progress) {
    case TLS_CHANNEL_DONE:
        finish(c);
        return true;
    case TLS_CHANNEL_WAIT:
        c->readable = more || c->eof; /* no edge tells of an end that came with other bytes */
        return c->readable;
    case TLS_CHANNEL_FAILED:
        refuse(c);
        break;
    }
    return false;
}
