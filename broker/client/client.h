/*
 * client - one connection and everything that lives as long as it: its state, what it sent and
 * hasn't been answered, what was sent to it and it hasn't acknowledged.
 *
 * States:    client_state.h. client_enter is the only function that changes it.
 * Data flow: the transport's readiness marks the client; the turn calls input_run, which
 *            decodes and hands packets to handle_*.c; deliver.c puts messages into its output; the
 *            turn's flush writes. client_life.c makes and ends it.
 * Ownership: the client owns its transport, buffers and window and a reference to its session. It
 *            is freed by the turn (turn.c) once it is closed and nothing of it is under way in the
 *            store (`ops`), so pointers to it stay good through a turn and in completions.
 * Size:      there are many idle ones; what only some need is behind pointers, NULL when idle.
 */
#ifndef FLOTILLA_BROKER_CLIENT_CLIENT_H
#define FLOTILLA_BROKER_CLIENT_CLIENT_H

#include <sys/queue.h>

#include "broker/auth/auth.h"
#include "broker/client/client_state.h"
#include "broker/client/context.h"
#include "broker/client/flush_rule.h"
#include "broker/message/inflight.h"
#include "broker/message/packet_ids.h"
#include "broker/net/transport.h"
#include "broker/store/store.h"

struct client_v5;
struct connect_attempt;
struct listener;
struct peer_certificate;
struct pending_queue;
struct request;
struct rest;
struct retained_delivery;
struct retained_known;
struct session;
struct shares;

/* Why a client isn't read for now. Bits beside the state: several may hold at once, and each ends by itself. */
enum client_pause {
    PAUSE_UNACKNOWLEDGED = 1, /* too many of its requests wait for the store */
    PAUSE_STORE = 2,          /* it publishes and the store takes nothing */
    PAUSE_OUTPUT = 4,         /* it doesn't read its answers */
    PAUSE_LIST = 8,           /* its SUBSCRIBE or UNSUBSCRIBE names many filters */
    PAUSE_FANOUT = 16,        /* a message is being handed out to many: fanout.h */
    PAUSE_RATE = 32,          /* it publishes faster than it may: publish_rate.h */
};

/* What the store knows of the connection: `hold`. Beside the state, because a connection may end at any time, and
 * the store's answer comes later. */
enum client_claim {
    CLAIM_NONE,
    CLAIM_ASKED, /* for the client id */
    CLAIM_HELD,  /* the session is this connection's: the store is to be told of its end */
    CLAIM_OVER,  /* it was told, or the session is another connection's */
};

enum {
    OUTPUT_HIGH = 512 * 1024, /* bytes in an output above which QoS 1/2 and retained wait */
    OUTPUT_LOW = 128 * 1024,  /* and below which they go on */
};

struct client {
    struct broker *broker;
    struct transport *transport; /* NULL once closed */
    struct listener *listener;
    struct session *session; /* from CLAIMING on */
    struct client *prev, *next;
    struct client *ready_next, *work_next, *flush_next; /* lists of the turn */
    struct client *held_next;                           /* fanout.c */

    uint8_t state;           /* enum client_state; set by client_enter only */
    uint8_t version;         /* enum mqtt_version */
    uint8_t pause;           /* enum client_pause bits */
    uint8_t end;             /* LEAVING, ANSWERING, CLOSING: enum client_end, why */
    uint8_t claim : 2;       /* enum client_claim */
    uint8_t user_source : 4; /* enum source_kind: by whom it was admitted */
    /* Which lists it is on. */
    bool on_ready : 1, on_work : 1, on_flush : 1, on_dead : 1, on_holders : 1;
    /* What the transport said last: edge-triggered, so it is noted in each state. */
    bool readable : 1;   /* it may have more */
    bool eof : 1;        /* it has announced its end */
    bool more : 1;       /* the read that is under way gets less than is there: TRANSPORT_MORE */
    bool look_again : 1; /* its end may have come with the last bytes, unannounced */
    bool blocked : 1;    /* it takes nothing now */
    /* What the connection is, from its beginning or its CONNECT on. */
    bool trusted : 1;                         /* its address may send a PROXY header */
    bool counts_address : 1, counts_user : 1; /* crowd.h */
    bool proxied : 1; /* its address is the one that the PROXY header named */
    bool
        bridge : 1; /* another broker: its subscriptions are "no local" and "retain as published" */
    /* How far delivery is, which goes on in each connected state. */
    bool wake : 1;         /* the durable session's queue may have something */
    bool fetching : 1;     /* the store is asked for it */
    bool wants_output : 1; /* something waits for the output to get below the watermark */
    struct client_v5 *v5;  /* NULL: of an earlier version */
    uint16_t keep_alive_s;
    uint16_t request_count;
    uint32_t request_bytes;
    uint32_t ops; /* calls to the store whose completion is to come, and whatever else keeps it */
    uint32_t fanouts_waiting; /* of its messages, until they can be handed out: fanout.c */
    struct flush_rule flush_rule;

    uint64_t last_input_ms; /* by client_ms */
    struct pace_client pace;
    struct wheel_timer timer;
    TAILQ_ENTRY(client) holder_link;
    TAILQ_ENTRY(client) paused_link; /* PAUSE_STORE */
    uint64_t looked_at_ms;           /* for a slow packet (shed.c) */
    struct output output;
    struct rest *rest; /* read and not handled yet */

    struct store_hold hold;
    struct request *requests, *requests_tail; /* unanswered, in order */
    struct request *listing;                  /* of them: a list of filters in pieces */
    struct packet_ids open_qos2;              /* incoming, published and not released */

    struct inflight inflight;
    uint64_t next_sequence;      /* of the next message sent (clean) or fetched (durable) */
    struct pending_queue *queue; /* clean session: messages for which the window has no room */
    struct retained_delivery *retained;
    struct shares *shares;                /* share_held.h; NULL: none */
    struct retained_known *known;         /* of `retained` */
    struct connect_attempt *connecting;   /* until ONLINE */
    struct peer_certificate *certificate; /* until it is let in; NULL: none, or it doesn't matter */
    struct leaving {                      /* LEAVING: leave.h */
        uint64_t until_ms;
        size_t bytes_left;
        struct client *heir; /* a newer connection of the client id, may be NULL */
    } * leaving;
    struct client *awaits;         /* whose heir this one is */
    struct identity who;           /* from CLAIMING on; name and terms are the client's own */
    uint32_t connect_bytes;        /* of user name and will, which are kept as long as it is here */
    char *will_topic;              /* NULL: no will */
    uint64_t user_stamp;           /* which secret was right: auth_still_admits */
    store_done_fn *hand_over_done; /* told when the client is gone */
    void *hand_over_arg;
};

/* `state` may follow the present one (client_state_follows; asserted). Before LEAVING: leave_begin. */
void client_enter(struct client *c, enum client_state state);
/* CONNACK was sent, and it isn't to be closed at once: messages are delivered to it. */
static inline bool client_is_connected(const struct client *c)
{
    return (CLIENT_IN(c->state) & CLIENT_CONNECTED) != 0;
}
/* Whether its packets are handled now. */
static inline bool client_takes_packets(const struct client *c)
{
    return c->pause == 0 && (CLIENT_IN(c->state) & CLIENT_READS) != 0;
}

/* Ends it later in this turn; the first reason counts. */
void client_close_later(struct client *c, enum client_end why);
/* How long its session outlives the connection. UINT32_MAX: for ever. */
uint32_t client_session_expiry_s(const struct client *c);
/* One of the client's calls to the store has completed. */
void client_op_done(struct client *c);

void client_pause(struct client *c, enum client_pause why);
void client_resume(struct client *c, enum client_pause why);

/* Puts a packet (without payload reference) into the output. */
bool client_send(struct client *c, const struct mqtt_packet *p);
void client_send_ack(struct client *c, enum mqtt_type type, uint16_t packet_id);

/* Sets the timer by the state and the keep alive. */
void client_arm_timer(struct client *c);
/* What it was admitted by is over: a token has expired. */
bool client_is_expired(const struct client *c);
/* The timer of an online client is due: whether it was silent for too long. One whose end may have
 * come unannounced is read once more. */
bool client_is_silent(struct client *c);

/* Fields for log lines. */
const char *client_id_text(const struct client *c);

/* The client is on this turn's list of the phase. */
void client_mark_ready(struct client *c);
void client_mark_work(struct client *c);
void client_mark_flush(struct client *c);
/* Closed for good: the turn frees it when it is on no list. */
void client_mark_dead(struct client *c);

/* What messages' expiry is compared with: a clock is read once per turn, and only if one expires. */
static inline uint64_t client_expiry_now_ms(const struct client *c)
{
    struct broker *b = c->broker;
    if (b->expiry_now_ms == 0)
        b->expiry_now_ms = store_now_ms(b->store);
    return b->expiry_now_ms;
}

#endif
