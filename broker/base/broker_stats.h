/*
 * broker_stats - what the broker counts. Plain numbers, bumped on the hot paths; broker_metrics.c
 * shows them to Prometheus and sys_topics.c as $SYS topics.
 */
#ifndef FLOTILLA_BROKER_BASE_BROKER_STATS_H
#define FLOTILLA_BROKER_BASE_BROKER_STATS_H

#include <stdint.h>

/* Why a connection ended. Names in client_end_names. */
enum client_end {
    END_DISCONNECT, /* DISCONNECT came */
    END_EOF,        /* closed by the peer without it */
    END_IO_ERROR,
    END_MALFORMED, /* bytes that aren't MQTT, or a packet that isn't allowed now */
    END_REFUSED, /* CONNECT refused, told by CONNACK; or a WebSocket upgrade, by its HTTP status */
    END_CONNECT_TIMEOUT,
    END_KEEP_ALIVE,
    END_TAKEN_OVER,   /* a newer connection of the same client id, here or elsewhere */
    END_QUEUE_FULL,   /* a clean session didn't keep up with QoS 1/2 */
    END_STORE_FAILED, /* the store couldn't take what must be acknowledged */
    END_GAP,          /* QoS 1/2 messages for this broker were lost: the client learns of it */
    END_START_OVER,   /* this node was declared dead */
    END_SHUTDOWN,
    END_NO_MEMORY,
    END_MEMORY,            /* max_memory is used up, and it held much */
    END_SLOW_PACKET,       /* a begun packet made no progress */
    END_NOT_AUTHORIZED,    /* a reload took the user away; or auth.denied_publish: close */
    END_EXPIRED,           /* what it had logged in with is over: a token */
    END_PROXY,             /* no PROXY header, or a bad one, or from an untrusted address */
    END_SUBSCRIBE_REFUSED, /* a filter that a 3.1 client can't be refused otherwise */
    END_OPEN_QOS2,         /* max_open_qos2: it publishes QoS 2 and doesn't release it */
    END_OPERATOR,          /* clients_api.h */
    END_PROTOCOL,          /* 5.0: reason_fail said why */
    END_TLS_HANDSHAKE,     /* secure.c logged why */
    END_TLS_TIMEOUT,       /* the handshake wasn't done in time */
    CLIENT_END_COUNT,
};
extern const char *const client_end_names[CLIENT_END_COUNT];

/* Why a connection was closed before or by its CONNECT. */
enum refusal {
    REFUSED_VERSION,
    REFUSED_CLIENT_ID,
    REFUSED_LOGIN,
    REFUSED_NOT_AUTHORIZED,
    REFUSED_OTHER_USER,  /* the client id belongs to another user, or isn't one for this user */
    REFUSED_LOGIN_BUSY,  /* too many wait for their password to be checked, or it took too long */
    REFUSED_STORE,       /* the store isn't ready */
    REFUSED_CONNECTIONS, /* max_connections */
    REFUSED_ADDRESS,     /* max_connections_per_address */
    REFUSED_RATE,        /* max_connect_rate */
    REFUSED_USER,        /* max_connections_per_user */
    REFUSED_DRAINING,
    REFUSED_UPGRADE,     /* not a valid request for WebSocket */
    REFUSED_PATH,        /* listeners[].path */
    REFUSED_ORIGIN,      /* listeners[].origins */
    REFUSED_SUBPROTOCOL, /* it doesn't say that it speaks MQTT */
    REFUSED_WILL,        /* its will asks for what isn't offered, or contradicts itself */
    REFUSED_AUTH_METHOD, /* 5.0: one that isn't known here */
    REFUSED_MALFORMED,   /* 5.0: bytes that are no CONNECT */
    REFUSAL_COUNT,
};
extern const char *const refusal_names[REFUSAL_COUNT];

/* Why a message wasn't delivered to a receiver. */
enum drop {
    DROP_SLOW_CONSUMER, /* QoS 0 to a connection whose output is full */
    DROP_QUEUE_FULL,    /* QoS 1/2 to a durable session whose queue is full */
    DROP_DENIED,        /* the ACL doesn't let the client publish it */
    DROP_LIMIT,         /* topic too deep or too long */
    DROP_RETAINED_FULL, /* one retained topic too many */
    DROP_NO_MEMORY,
    DROP_SHARE_NOBODY,   /* a group of shared subscriptions has no member who could get it */
    DROP_MEMORY,         /* max_memory is nearly used up by what lasts */
    DROP_EXPIRED,        /* its 5.0 message expiry was over before it could be delivered */
    DROP_PACKET_SIZE,    /* larger than its 5.0 receiver takes */
    DROP_PAYLOAD_FORMAT, /* it says that it is UTF-8, and isn't */
    DROP_COUNT,
};
extern const char *const drop_names[DROP_COUNT];

struct broker_stats {
    uint64_t connections;    /* accepted */
    uint64_t connects;       /* CONNECT packets */
    uint64_t tls_handshakes; /* done */
    uint64_t tls_resumed;    /* of them, by a ticket */
    uint64_t received_bytes, sent_bytes;
    uint64_t received_packets, sent_packets;
    uint64_t received[3], sent[3]; /* PUBLISH by QoS */
    uint64_t received_payload, sent_payload;
    uint64_t ended[CLIENT_END_COUNT];
    uint64_t refused[REFUSAL_COUNT];
    uint64_t dropped[DROP_COUNT];
    uint64_t retained;    /* topics, where known (memory store) */
    uint64_t rate_pauses; /* publishers that weren't read for a while: publish_rate.h */
    uint64_t turns;
    uint64_t online; /* clients past their CONNACK */
    uint64_t online_max;
};

#endif
