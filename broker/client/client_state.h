/*
 * client_state - the states of a connection, which may follow which, and what each may do. Decides only;
 * client.c does what entering one brings with it.
 *
 *    PROXY ──header──► SECURING ──handshake──► UPGRADING, CONNECTING
 *      │
 *      ├─────header──► UPGRADING
 *      │                   │ HTTP request
 *      │                   ▼
 *      └──header──► CONNECTING ──CONNECT──► AUTHENTICATING ──login──► CLAIMING
 *                       │                                               ▲ │ the store gave it
 *                       └── a login that is known at once ──────────────┘ │ the client id
 *                                                                         ▼
 *                       │      CHALLENGED: AUTH of 5.0, until the
 *                       └──────── method is content ─────────────────► CLAIMING
 *                                 (by way of AUTHENTICATING, if its verdict has to wait)
 *
 *         all is answered     ANSWERING ◄── its socket is empty ── LEAVING ◄── ONLINE
 *                                 │        or its time is over       │  it has    │
 *                                 │                                  │  to go     │
 *                                 ▼                                  ▼            ▼
 *                              CLOSED ◄──── the turn ──── CLOSING ◄── from each state
 *
 *    A connection begins in PROXY, SECURING (on a TLS listener), UPGRADING (on a WebSocket listener) or CONNECTING,
 *    as its listener says.
 *    From each state to CLOSED, too: what its own socket or packet says is acted on at once. CLOSING is for
 *    what is found out in the midst of another's work. ONLINE goes to ANSWERING when there is no memory for
 *    LEAVING, and LEAVING to CLOSED when a newer connection of the client id waits.
 *
 *    state           reads and handles    time limit            ends by
 *    PROXY           the PROXY header     connect_timeout       the header
 *    SECURING        the TLS handshake    handshake_timeout     the handshake
 *    UPGRADING       the HTTP request     5 s at most           the answer to it
 *    CONNECTING      CONNECT              connect_timeout       CONNECT
 *    CHALLENGED      AUTH, DISCONNECT     login_timeout         the method's verdict
 *    AUTHENTICATING  keeps a little       login_timeout         the verdict
 *    CLAIMING        keeps a little       the store's           the store's answer
 *    ONLINE          all packets          keep alive            a wish to close
 *    LEAVING         all packets          LEAVE_MS, LEAVE_BYTES an empty socket
 *    ANSWERING       nothing              the store's           the last answer
 *    CLOSING         nothing              this turn             client_close
 *    CLOSED          nothing              the store's           its memory is freed by the turn
 *
 *    What "reads and handles" grants is withheld while the client is paused (enum client_pause). From ONLINE
 *    to ANSWERING it is connected: messages are delivered to it, and it counts as online.
 */
#ifndef FLOTILLA_BROKER_CLIENT_CLIENT_STATE_H
#define FLOTILLA_BROKER_CLIENT_CLIENT_STATE_H

#include <stdbool.h>

enum client_state {
    CLIENT_PROXY,
    CLIENT_SECURING,  /* TLS: connection/secure.h */
    CLIENT_UPGRADING, /* to WebSocket: connection/upgrade.h */
    CLIENT_CONNECTING,
    CLIENT_CHALLENGED, /* 5.0: its authentication method asks: handle_auth.c */
    CLIENT_AUTHENTICATING,
    CLIENT_CLAIMING,
    CLIENT_ONLINE,
    CLIENT_LEAVING,   /* leave.h: what it sent before counts, and is read */
    CLIENT_ANSWERING, /* what is under way in the store is waited for */
    CLIENT_CLOSING,   /* the turn closes it */
    CLIENT_CLOSED,
};
#define CLIENT_STATES (CLIENT_CLOSED + 1)

/* Sets of states: an OR of these. */
#define CLIENT_IN(state) (1u << (state))
#define CLIENT_CONNECTED                                                                           \
    (CLIENT_IN(CLIENT_ONLINE) | CLIENT_IN(CLIENT_LEAVING) | CLIENT_IN(CLIENT_ANSWERING))
#define CLIENT_READS                                                                               \
    (CLIENT_IN(CLIENT_PROXY) | CLIENT_IN(CLIENT_SECURING) | CLIENT_IN(CLIENT_UPGRADING) |          \
     CLIENT_IN(CLIENT_CONNECTING) | CLIENT_IN(CLIENT_CHALLENGED) | CLIENT_IN(CLIENT_ONLINE) |      \
     CLIENT_IN(CLIENT_LEAVING))

const char *client_state_name(enum client_state state);
/* Whether `to` may follow `from`. */
bool client_state_follows(enum client_state from, enum client_state to);

#endif
