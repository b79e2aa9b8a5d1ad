/*
 * The turn's second phase for one client: socket, decoder, handlers.
 */
#include "broker/loop/input.h"

#include <string.h>

#include "broker/auth/auth.h"
#include "broker/auth/certificate/peer_certificate.h"
#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/client/client_v5.h"
#include "broker/client/leave.h"
#include "broker/client/rest.h"
#include "broker/connection/client_life.h"
#include "broker/connection/crowd.h"
#include "broker/connection/receive.h"
#include "broker/connection/secure.h"
#include "broker/connection/upgrade.h"
#include "broker/delivery/fanout.h"
#include "broker/delivery/publish.h"
#include "broker/loop/shed.h"
#include "broker/net/listener.h"
#include "broker/protocol/claim.h"
#include "broker/protocol/connack.h"
#include "broker/protocol/handle.h"
#include "broker/protocol/publish_v5.h"
#include "broker/routing/router.h"
#include "common/log/log.h"
#include "common/net/proxy_protocol.h"

enum {
    DELIVERIES_PER_TURN = 20000, /* that one client's input may cause in a turn */
    READS_PER_TURN = 1,
    STEPS_PER_DELIVERY = 4, /* of the topic tree, that take as long as a delivery */
    DELIVERIES_PER_US = 4,
    SMALL_REST = 4096,       /* nobody needs to make room for it */
    GATHER_FROM = 32 * 1024, /* packets from this size on are read straight into their own buffer */
};

/* Bytes that are no packet. A 5.0 client is told, also if it is in its CONNECT that they are. */
static void fail(struct client *c, const struct mqtt_packet *p, const struct mqtt_decode_error *err)
{
    char peer[PEER_TEXT_MAX];
    LOG_LIMITED(LOG_LEVEL_INFO, "client_malformed", KV_STR("client_id", client_id_text(c)),
                KV_STR("peer", peer_text(&c->transport->peer, peer)), KV_STR("err", err->text));
    if (c->state == CLIENT_CONNECTING && p->type == MQTT_CONNECT &&
        p->u.connect.version == MQTT_V5) {
        c->version = MQTT_V5;
        connack_refuse(c, err->reason, REFUSED_MALFORMED, err->text);
    } else if (c->v5 != NULL) { /* a reason of CONNACK alone: it was a second CONNECT */
        bool sayable = mqtt_reason_allowed(MQTT_DISCONNECT, true, (uint8_t)err->reason);
        c->v5->end_reason = (uint8_t)(sayable ? err->reason : MQTT_R_PROTOCOL_ERROR);
        c->v5->end_text = err->text;
        client_close(c, END_PROTOCOL);
    } else {
        client_close(c, END_MALFORMED);
    }
}

/* Of a trusted proxy. False when out of memory. */
static bool take_certificate(struct client *c, const struct proxy_info *info)
{
    if (!info->tls_verified ||
        !auth_wants_certificate(c->broker->auth, listener_config(c->listener)))
        return true;
    c->certificate = peer_certificate_new(info->tls_common_name, info->tls_certificate,
                                          info->tls_certificate_len);
    return c->certificate != NULL;
}

/* Whose X-Real-IP will say who is behind it. */
static bool is_another_proxy(const struct client *c)
{
    return client_first_state(c->listener) == CLIENT_UPGRADING &&
           listener_trusts(c->listener, &c->transport->peer);
}

/* Takes the PROXY header off the start. Returns its length, or 0: more is needed, or closed. */
static size_t take_proxy_header(struct client *c, const uint8_t *buf, size_t len, uint32_t *need)
{
    struct proxy_info info;
    size_t used = 0;
    bool required = listener_config(c->listener)->proxy_protocol == PROXY_MODE_REQUIRE;
    switch (proxy_parse(buf, len, &info, &used)) {
    case PROXY_NEED_MORE:
        *need = (uint32_t)len + 1;
        return 0;
    case PROXY_NOT_PROXY:
        if (required)
            break;
        client_enter(c, client_first_state(c->listener));
        return 0;
    case PROXY_MALFORMED:
        break;
    case PROXY_OK:
        if (!info.local) {
            c->transport->peer = peer_from_sockaddr((const struct sockaddr *)&info.source);
            c->proxied = true;
            if (!is_another_proxy(c) && !crowd_admit_address(c))
                return 0;
        }
        if (!take_certificate(c, &info)) {
            client_close(c, END_NO_MEMORY);
            return 0;
        }
        client_enter(c, client_first_state(c->listener));
        return used;
    }
    client_close(c, END_PROXY);
    return 0;
}

/* What comes before MQTT. Returns how many bytes are done with. */
static size_t take_greeting(struct client *c, const uint8_t *buf, size_t len, uint32_t *need)
{
    size_t at = 0;
    if (c->state == CLIENT_PROXY)
        at = take_proxy_header(c, buf, len, need);
    if (c->state == CLIENT_SECURING)
        return at == len ? at : at + secure_take(c, buf + at, len - at);
    if (c->state == CLIENT_UPGRADING)
        at += upgrade_take(c, buf + at, len - at, need);
    return at;
}

/* A message for many while another one is handed out to many: it stays where it is, and so does what
 * follows it. */
static bool must_wait(struct client *c, const struct mqtt_packet *p)
{
    struct broker *b = c->broker;
    if (p->type != MQTT_PUBLISH)
        return false;
    struct mqtt_publish publish = p->u.publish;
    publish.topic = publish_v5_topic(c, &publish);
    if (publish.topic.len == 0 || !publish_must_wait(b, &publish))
        return false;
    fanout_hold(b->fanouts, c);
    return true;
}

static void note_packet(struct client *c, size_t size)
{
    (void)size;
    c->broker->stats.received_packets++;
}

/* What was done before a packet. */
struct done_before {
    uint64_t steps;
    uint32_t deliveries;
};

static struct done_before done_so_far(const struct broker *b)
{
    return (struct done_before){.steps = *b->steps, .deliveries = b->deliveries};
}

/* Looking for receivers counts, too: it may find none and still take long. True: no time is left. */
static bool spend(struct broker *b, struct done_before *before)
{
    uint64_t steps = *b->steps - before->steps;
    uint32_t us = 1 + (b->deliveries - before->deliveries) / DELIVERIES_PER_US;
    if (steps > 0) {
        b->deliveries += (uint32_t)(steps / STEPS_PER_DELIVERY);
        us += (uint32_t)(steps / ROUTER_STEPS_PER_US);
    }
    *before = (struct done_before){.steps = before->steps + steps, .deliveries = b->deliveries};
    return timebox_spend(&b->box, us);
}

/* Handles whole packets from the start of the bytes; returns how many bytes are done with. */
static size_t handle_bytes(struct client *c, const uint8_t *buf, size_t len, uint32_t *need,
                           uint32_t budget)
{
    struct broker *b = c->broker;
    struct done_before before = done_so_far(b);
    size_t at = 0;
    *need = 0;
    if (c->state < CLIENT_CONNECTING) {
        at = take_greeting(c, buf, len, need);
        if (c->state < CLIENT_CONNECTING)
            return at;
    }
    struct mqtt_decode_opts opts = {.version = (enum mqtt_version)c->version, /* until CONNECT */
                                    .max_packet = b->packet_limits[0],
                                    .max_by_type = b->packet_limits};
    while (at < len && client_takes_packets(c) && b->deliveries < budget) {
        struct mqtt_packet packet;
        struct mqtt_decode_error err;
        size_t size;
        switch (mqtt_decode(buf + at, len - at, &opts, &packet, &size, &err)) {
        case DECODE_NEED_MORE:
            *need = (uint32_t)size;
            return at;
        case DECODE_MALFORMED:
            fail(c, &packet, &err);
            return len;
        case DECODE_OK:
            if (fanouts_busy(b->fanouts) && must_wait(c, &packet))
                return at;
            at += size;
            note_packet(c, size);
            handle_packet(c, &packet);
            if (opts.version == MQTT_UNKNOWN)
                opts.version = (enum mqtt_version)c->version;
            break;
        }
        if (spend(b, &before))
            break;
    }
    return at;
}

/* See rest_keep. */
static void keep_rest(struct client *c, const uint8_t *from, size_t len, uint32_t need, bool same)
{
    size_t room = rest_room_for(c, from, len);
    if (room > SMALL_REST && !shed_make_room(c, room))
        client_close(c, END_MEMORY);
    else if (!rest_keep(c, from, len, need, same))
        client_close(c, END_NO_MEMORY);
}

static void handle_and_keep(struct client *c, const uint8_t *buf, size_t len, uint32_t budget)
{
    uint32_t need;
    size_t done = handle_bytes(c, buf, len, &need, budget);
    if (c->state == CLIENT_CLOSED)
        return;
    keep_rest(c, buf + done, len - done, need, done == 0);
    if (c->state == CLIENT_CLAIMING)
        claim_client_id(c); /* the shared buffer is free for a client it takes over */
}

/* A packet larger than the shared buffer: grows with what has come, not with what is announced. */
static void read_into_rest(struct client *c, uint32_t budget)
{
    struct rest *r = c->rest;
    if (r->capacity == r->len) {
        uint32_t wanted = r->len * 2 < GATHER_FROM ? GATHER_FROM : r->len * 2;
        uint32_t capacity = wanted < r->need ? wanted : r->need;
        if (!shed_make_room(c, capacity - r->capacity)) {
            client_close(c, END_MEMORY);
            return;
        }
        if (!rest_grow(c, capacity)) {
            client_close(c, END_NO_MEMORY);
            return;
        }
        r = c->rest;
    }
    size_t room = r->capacity - r->len;
    ssize_t n = c->transport->ops->read(c->transport, r->bytes + r->len, room);
    if (n <= 0) {
        receive_end(c, n);
        return;
    }
    receive_note(c, r->bytes + r->len, (size_t)n, room);
    r->len += (uint32_t)n;
    if (r->len >= r->need)
        handle_and_keep(c, r->bytes, r->len, budget);
}

static void read_shared(struct client *c, uint32_t budget)
{
    uint8_t *buf = c->broker->read_buffer;
    size_t had = 0;
    if (c->rest != NULL) {
        had = c->rest->len;
        memcpy(buf, c->rest->bytes, had);
    }
    ssize_t n = c->transport->ops->read(c->transport, buf + had, READ_SIZE);
    if (n <= 0) {
        receive_end(c, n);
        return;
    }
    receive_note(c, buf + had, (size_t)n, READ_SIZE);
    handle_and_keep(c, buf, had + (size_t)n, budget);
}

/* One step: true when something was done and more may be there. */
static bool step(struct client *c, uint32_t budget)
{
    if (!client_takes_packets(c))
        return false;
    struct rest *r = c->rest;
    if (r != NULL && r->len >= r->need) {
        handle_and_keep(c, r->bytes, r->len, budget);
        return true;
    }
    if (!c->readable)
        return false;
    if (c->state == CLIENT_SECURING && secure_is_under_way(c))
        return secure_go_on(c);
    if (r != NULL && (r->need > GATHER_FROM || r->len > REST_MAX))
        read_into_rest(c, budget);
    else
        read_shared(c, budget);
    return true;
}

static bool has_more(const struct client *c)
{
    return client_takes_packets(c) &&
           (c->readable || (c->rest != NULL && c->rest->len >= c->rest->need));
}

void input_run(struct client *c)
{
    c->broker->deliveries = 0;
    for (int i = 0; i <= READS_PER_TURN && step(c, DELIVERIES_PER_TURN); i++)
        if (c->broker->deliveries >= DELIVERIES_PER_TURN || timebox_is_over(&c->broker->box))
            break;
    receive_look_for_end(c);
    bool more = has_more(c);
    if (more)
        client_mark_ready(c);
    if (leave_is_over(c, !more))
        client_end_leaving(c);
}
