/*
 * websocket_upgrade - an HTTP request that asks for WebSocket: whether it is granted, and the answer.
 *
 * Data flow: connection/upgrade.c gives the bytes that have come, writes the answer, and acts on the
 *            verdict.
 * Source:    RFC 6455, 4.2; MQTT 3.1.1, 6.
 * Policy:    The first of the client's subprotocols that is ours is chosen: `mqtt`, or `mqttv3.1` of older
 *            clients. A client that names none of them is refused [MQTT-6.0.0-3], as EMQX does by default;
 *            Mosquitto closes its connection. No extension is ever chosen, so nothing is compressed.
 *            Only the browsers' Origin can be refused; a program may send any, or none.
 *            X-Real-IP counts when whoever sent the request is trusted, and then it must be an address.
 * Bounds:    a request has UPGRADE_MAX bytes, and nothing follows it: a client waits for the answer before
 *            it sends frames (RFC 6455, 4.1).
 * Pure; no I/O, no allocation.
 */
#ifndef FLOTILLA_BROKER_NET_WEBSOCKET_UPGRADE_H
#define FLOTILLA_BROKER_NET_WEBSOCKET_UPGRADE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/net/peer.h"

struct config_strings;

enum { UPGRADE_MAX = 8192, UPGRADE_ANSWER_MAX = 320 };

enum websocket_verdict {
    UPGRADE_NEED_MORE,
    UPGRADE_GRANTED,
    UPGRADE_MALFORMED,   /* 400 */
    UPGRADE_SUBPROTOCOL, /* 400 */
    UPGRADE_ORIGIN,      /* 403 */
    UPGRADE_PATH,        /* 404 */
    UPGRADE_METHOD,      /* 405 */
    UPGRADE_NOT_ASKED,   /* 426: it asks for no WebSocket, or for another version of it */
    UPGRADE_TOO_LARGE,   /* 431 */
    UPGRADE_FAILED,      /* 500: no SHA-1 in this OpenSSL */
};

struct websocket_rules {
    const char *path;                     /* NULL or empty: any */
    const struct config_strings *origins; /* none, or "*" among them: any */
    bool trusts_sender;                   /* X-Real-IP is believed */
};

struct websocket_upgrade {
    char answer[UPGRADE_ANSWER_MAX]; /* all but NEED_MORE */
    size_t answer_len;
    bool has_real_ip;
    struct peer real_ip; /* port 0 */
};

enum websocket_verdict websocket_upgrade_decide(const uint8_t *buf, size_t len,
                                                const struct websocket_rules *rules,
                                                struct websocket_upgrade *out);

#endif
