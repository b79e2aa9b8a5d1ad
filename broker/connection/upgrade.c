/* The doing; what is decided about a request, and why, is in net/websocket_upgrade.c. */
#include "broker/connection/upgrade.h"

#include "broker/auth/certificate/peer_certificate.h"
#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/connection/client_life.h"
#include "broker/connection/crowd.h"
#include "broker/net/listener.h"
#include "broker/net/websocket_upgrade.h"
#include "common/log/log.h"

static enum refusal refusal_of(enum websocket_verdict verdict)
{
    switch (verdict) {
    case UPGRADE_PATH:
        return REFUSED_PATH;
    case UPGRADE_ORIGIN:
        return REFUSED_ORIGIN;
    case UPGRADE_SUBPROTOCOL:
        return REFUSED_SUBPROTOCOL;
    case UPGRADE_NEED_MORE:
    case UPGRADE_GRANTED:
    case UPGRADE_MALFORMED:
    case UPGRADE_METHOD:
    case UPGRADE_NOT_ASKED:
    case UPGRADE_TOO_LARGE:
    case UPGRADE_FAILED:
        break;
    }
    return REFUSED_UPGRADE;
}

static void refuse(struct client *c, enum refusal why, const struct websocket_upgrade *u)
{
    static _Thread_local struct log_limit limits[REFUSAL_COUNT];
    static const size_t status_at = sizeof("HTTP/1.1 ") - 1;
    c->broker->stats.refused[why]++;
    char peer[PEER_TEXT_MAX];
    LOG_LIMITED_BY(&limits[why], LOG_LEVEL_INFO, "upgrade_refused",
                   KV_STR("listener", listener_config(c->listener)->bind),
                   KV_STR("peer", peer_text(&c->transport->peer, peer)),
                   KV_STR("reason", refusal_names[why]),
                   KV_BYTES("status", u->answer + status_at, 3));
    client_close(c, END_REFUSED);
}

/* It fits into an empty socket, whose buffer is never smaller. */
static bool write_answer(struct client *c, const struct websocket_upgrade *u)
{
    struct iovec all = {.iov_base = (void *)u->answer, .iov_len = u->answer_len};
    return c->transport->ops->writev(c->transport, &all, 1) == (ssize_t)u->answer_len;
}

/* `trusted`: another proxy sent the request, whose own address says nothing about who is behind it. */
static void go_on(struct client *c, struct transport *t, bool trusted,
                  const struct websocket_upgrade *u)
{
    if (u->has_real_ip) { /* what is known so far is of another proxy */
        crowd_leave(c);
        peer_certificate_free(c->certificate);
        c->certificate = NULL;
    }
    c->transport = t;
    if (trusted)
        c->proxied = u->has_real_ip;
    if (u->has_real_ip)
        t->peer = u->real_ip;
    if (u->has_real_ip && !crowd_admit_address(c))
        return;
    client_enter(c, CLIENT_CONNECTING);
}

size_t upgrade_take(struct client *c, const uint8_t *buf, size_t len, uint32_t *need)
{
    const struct listener_config *config = listener_config(c->listener);
    struct websocket_rules rules = {.path = config->path,
                                    .origins = &config->origins,
                                    .trusts_sender =
                                        listener_trusts(c->listener, &c->transport->peer)};
    struct websocket_upgrade u;
    enum websocket_verdict verdict = websocket_upgrade_decide(buf, len, &rules, &u);
    if (verdict == UPGRADE_NEED_MORE) {
        *need = (uint32_t)len + 1;
        return 0;
    }
    if (!write_answer(c, &u)) {
        client_close(c, END_IO_ERROR);
        return 0;
    }
    if (verdict != UPGRADE_GRANTED) {
        refuse(c, refusal_of(verdict), &u);
        return 0;
    }
    struct transport *t = transport_websocket_new(c->transport, &c->broker->spare_decoder);
    if (t == NULL) {
        client_close(c, END_NO_MEMORY);
        return 0;
    }
    go_on(c, t, rules.trusts_sender, &u);
    return len;
}
