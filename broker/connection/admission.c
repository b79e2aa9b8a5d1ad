/* From an accepted connection to a client. */
#include "broker/connection/admission.h"

#include <unistd.h>

#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/client/context.h"
#include "broker/connection/client_life.h"
#include "broker/connection/crowd.h"
#include "broker/net/listener.h"
#include "broker/net/transport.h"
#include "common/log/log.h"

/* NULL: there is room for one more. Else what forbids it. */
static const char *full_by(const struct broker *b, const struct listener *l)
{
    if (listener_is_full(l) || b->client_count >= b->config->limits.max_connections)
        return "max_connections";
    return b->client_count >= b->client_limit ? "file descriptors" : NULL;
}

static void refuse(const struct listener *l, int fd, const struct peer *peer, const char *why)
{
    char text[PEER_TEXT_MAX];
    LOG_LIMITED(LOG_LEVEL_WARN, "connection_refused", KV_STR("listener", listener_config(l)->bind),
                KV_STR("peer", peer_text(peer, text)), KV_STR("reason", why));
    close(fd);
}

void admission_accepted(void *arg, struct listener *l, int fd, const struct peer *peer)
{
    struct broker *b = arg;
    int proxy_mode = listener_config(l)->proxy_protocol;
    bool trusted = listener_trusts(l, peer);
    b->stats.connections++;
    const char *full = full_by(b, l);
    if (full != NULL) {
        b->stats.refused[REFUSED_CONNECTIONS]++;
        refuse(l, fd, peer, full);
        return;
    }
    if (proxy_mode == PROXY_MODE_REQUIRE && !trusted) {
        b->stats.ended[END_PROXY]++;
        refuse(l, fd, peer, "not a trusted proxy");
        return;
    }
    bool counted = false;
    enum refusal crowded = trusted ? REFUSAL_COUNT : crowd_take_address(b, peer, &counted);
    if (crowded != REFUSAL_COUNT) {
        b->stats.refused[crowded]++;
        refuse(l, fd, peer, refusal_names[crowded]);
        return;
    }
    struct transport *t = transport_tcp_new(b->base, fd, peer);
    struct client *c =
        t != NULL ? client_new(b, l, t, trusted, trusted && proxy_mode != PROXY_MODE_OFF) : NULL;
    if (c == NULL) {
        crowd_give_back(b, peer, counted);
        return;
    }
    c->counts_address = counted;
    listener_client_came(l);
}

bool admission_open(struct broker *b, char *err, size_t errlen)
{
    for (size_t i = 0; i < b->listener_count; i++) {
        if (!listener_open(b->listeners[i], err, errlen))
            return false;
        LOG_INFO("listening", KV_STR("listener", listener_config(b->listeners[i])->bind));
    }
    b->listening = true;
    return true;
}
