/*
 * What a flow learns from its client's first bytes, which are held until the server has answered:
 * its client id, where servers are chosen by that, and that it sends no PROXY header of its own.
 * The bytes are read by common/mqtt/decode/mqtt_peek.h and common/net/proxy_protocol.h;
 * flow_setup.c asks.
 */
#include "lb/flow/flow_client.h"

#include "common/log/log.h"
#include "common/mqtt/decode/mqtt_peek.h"
#include "common/net/address.h"
#include "common/net/proxy_protocol.h"
#include "lb/backend/backend.h"
#include "lb/flow/attempt.h"
#include "lb/worker/snapshot.h"
#include "lb/worker/worker.h"

#define HASHED_ID_MAX 1024u /* of a longer client id the beginning counts */

/* For `balance: hash`: the client id, read from what is held of the CONNECT and sent on later.
 * False: it isn't all there yet. */
bool flow_knows_client(struct flow *f)
{
    struct attempt *a = f->attempt;
    struct mqtt_slice id;
    if (a->hash_known || !backend_wants_hash(f->settings->backend))
        return true;
    bool full = attempt_hold(a, &f->client.stream) == ATTEMPT_FULL;
    enum mqtt_peek peek = MQTT_PEEK_MORE;
    if (attempt_held(a) > 0)
        peek = mqtt_peek_client_id(a->bytes + a->header_len, attempt_held(a), HASHED_ID_MAX, &id);
    if (peek == MQTT_PEEK_MORE && !full && !f->client.stream.ended)
        return false;
    a->hash_known = true;
    if (peek == MQTT_PEEK_FOUND)
        a->hash = backend_hash(id.data, id.len);
    else /* no id, or not MQTT (the broker decides that): spread over all servers */
        a->hash = backend_hash(&a->peer, sizeof(a->peer));
    return true;
}

static enum flow_state refuse_proxy_header(struct flow *f)
{
    char peer[ADDRESS_TEXT_MAX];
    address_format(&f->attempt->peer, peer, sizeof(peer));
    metric_add(&f->worker->counters.proxy_headers_refused, 1);
    LOG_LIMITED(LOG_LEVEL_WARN, "proxy_header_refused",
                KV_STR("listener", f->settings->config->name), KV_STR("peer", peer));
    return FLOW_CLOSED;
}

/* A backend whose flows get no PROXY header from us must get none from a client either: the server
 * would believe it, because it comes from our address. While the held bytes may become such a
 * header, nothing is sent. A server that sends first doesn't wait for a header. */
enum flow_state flow_look_at_client(struct flow *f)
{
    struct attempt *a = f->attempt;
    uint64_t deadline_ms = f->since_ms + f->settings->config->handshake_timeout_ms;
    if (a->looked_at || attempt_held(a) == 0)
        return FLOW_TRYING;
    enum proxy_result looks = PROXY_NOT_PROXY;
    if (backend_config(f->settings->backend)->proxy_protocol == LB_PROXY_NONE)
        looks = proxy_peek(a->bytes + a->header_len, attempt_held(a));
    if (looks == PROXY_OK)
        return refuse_proxy_header(f);
    if (looks == PROXY_NEED_MORE && !f->client.stream.ended) {
        if (f->client.stream.reset || f->worker->now_ms >= deadline_ms)
            return FLOW_CLOSED;
        flow_set_timer_by(f, deadline_ms);
        return FLOW_TRYING;
    }
    a->looked_at = true;
    return FLOW_TRYING;
}
