/*
 * conn - many MQTT client connections on one epoll loop, plain, TLS or WebSocket, cheap enough not to disturb
 * what is measured: one read and one write a burst, packets framed in place.
 *
 * Threads:   a loop and its connections belong to one thread.
 * Ownership: a loop owns its connections; conn_close frees one at the end of the turn.
 * Errors:    trouble with a connection ends the program with a sentence (a bench that lost a
 *            connection has no result), but for connections with `may_fail`, which are counted.
 */
#ifndef FLOTILLA_TESTS_BENCH_LOAD_CONN_H
#define FLOTILLA_TESTS_BENCH_LOAD_CONN_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mqtt/mqtt.h"
#include "tests/bench/load/websocket.h"

struct conn;
struct loop;

/* One packet: its first byte, what follows the fixed header, and all of it. */
struct frame {
    uint8_t head;
    const uint8_t *body, *start;
    uint32_t len; /* of the body */
    size_t size;  /* of the whole */
};

struct conn_events {
    void (*opened)(struct conn *c); /* TCP (and TLS, WebSocket) stand: send CONNECT */
    void (*frame)(struct conn *c, const struct frame *f);
    void (*closed)(struct conn *c); /* by the peer; frees itself afterwards */
};

enum conn_state { CONN_CONNECTING, CONN_HANDSHAKING, CONN_UPGRADING, CONN_OPEN, CONN_CLOSED };

struct conn {
    struct loop *loop;
    const struct conn_events *events;
    void *user;
    uint32_t index;
    int fd;
    enum conn_state state;
    bool dirty, may_fail, paused;
    uint64_t opened_at_ns; /* when connect(2) was called */
    SSL *ssl;
    uint8_t *in; /* a partial frame */
    size_t in_len, in_cap;
    uint8_t *out;
    size_t out_len, out_cap;
    size_t framed; /* bytes of `out` that are in WebSocket frames */
    struct websocket frames;
    struct conn *next_dirty, *next_closed;
};

struct loop {
    int epoll;
    SSL_CTX *tls;         /* NULL: plain */
    SSL_SESSION *session; /* offered to new connections when set */
    bool keep_session;    /* store the newest session here */
    bool websocket;
    struct conn *dirty, *closed;
    uint64_t opened, failed, resumed;
    uint64_t now_ns; /* of this turn */
    uint8_t *shared;
};

uint64_t now_ns(void);
struct loop_kind {
    bool tls, websocket;
    const char *ca_file; /* NULL: certificates aren't checked */
};
struct loop *loop_new(struct loop_kind kind);
void loop_free(struct loop *l);
/* One turn: waits at most wait_ns, reads, calls back, writes what was gathered. */
void loop_turn(struct loop *l, uint64_t wait_ns);
#define MILLISECONDS(n) ((uint64_t)(n)*1000000u)

struct conn *conn_open(struct loop *l, const struct sockaddr_storage *to,
                       const struct conn_events *events, void *user, uint32_t index);
/* Appends to the connection's output, which goes out at the end of the turn. */
uint8_t *conn_reserve(struct conn *c, size_t len);
void conn_send_packet(struct conn *c, const struct mqtt_packet *p, enum mqtt_version version);
void conn_send_ack(struct conn *c, enum mqtt_type type, uint16_t packet_id);
void conn_close(struct conn *c);
/* Writes what it can of the output now, then closes. */
void conn_finish(struct conn *c);

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
