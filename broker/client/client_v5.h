/*
 * client_v5 - what a 5.0 connection has agreed on, beside what all connections have.
 *
 * Data flow: handle_connect.c makes it from the CONNECT's properties; deliver.c, request.c and the handlers
 *            ask; DISCONNECT may change it.
 * Ownership: its client's; NULL for clients of earlier versions, which so cost nothing.
 */
#ifndef FLOTILLA_BROKER_CLIENT_CLIENT_V5_H
#define FLOTILLA_BROKER_CLIENT_CLIENT_V5_H

#include "broker/message/alias_in.h"
#include "common/mqtt/mqtt.h"

struct alias_out;
struct auth_exchange;
struct auth_method;
struct client;

struct client_v5 {
    uint32_t session_expiry_s; /* STORE_EXPIRES_NEVER; within limits.session_expiry */
    uint32_t max_packet;       /* that the client takes */
    uint16_t receive_maximum;  /* of the client: QoS 1 and 2 on their way to it */
    uint16_t alias_maximum;    /* of those that we may use to it */
    /* Its own QoS 1 and 2 messages that aren't answered by PUBACK, a PUBREC that refuses, or released. */
    uint16_t unanswered;
    bool problem_info;        /* it wants reasons in words */
    bool response_info;       /* it asked for response information */
    bool expiry_differs;      /* from what it asked for: CONNACK says so */
    bool keep_alive_cut;      /* the same */
    bool accepted;            /* CONNACK said so, and a DISCONNECT may follow */
    bool will_stays;          /* DISCONNECT came, with a reason for which the will is published */
    uint8_t end_reason;       /* of END_PROTOCOL: enum mqtt_reason */
    const char *end_text;     /* literal, for END_PROTOCOL; NULL: none */
    struct alias_in alias_in; /* used by the client */
    struct alias_out *alias_out;
    struct client_auth {
        const struct auth_method *method;
        struct auth_exchange *exchange; /* under way; NULL: none */
        uint64_t until_ms;              /* one that began while it is online */
        struct mqtt_slice data;         /* of the exchange, for CONNACK */
    } * auth;                           /* NULL: it authenticates by a password, or not at all */
};

/* From the CONNECT's properties, within limits.session_expiry (0: none) and
 * mqtt.outgoing_topic_alias_maximum. NULL when out of memory. */
struct client_v5 *client_v5_new(const struct mqtt_connect *p, uint64_t expiry_limit_ms,
                                uint16_t alias_limit);
void client_v5_free(struct client_v5 *v);
/* It authenticates by this method. False when out of memory. */
bool client_v5_use_method(struct client_v5 *v, const struct auth_method *method);
/* An exchange that was under way is over, and what it said was said. */
void client_v5_end_exchange(struct client_v5 *v);
/* Of the table of its aliases and the topics that they stand for. `v` may be NULL. */
static inline size_t client_v5_bytes(const struct client_v5 *v)
{
    return v != NULL ? v->alias_in.bytes : 0;
}
/* One of its messages was answered for good. */
static inline void client_v5_answered(struct client_v5 *v)
{
    if (v->unanswered > 0)
        v->unanswered--;
}
/* DISCONNECT names another session expiry. False: the session was to end with the connection, which
 * can't be changed any more (3.14.2.2.2). */
bool client_v5_change_expiry(struct client_v5 *v, uint32_t expiry_s, uint64_t limit_ms);

#endif
