#include "tests/bench/load/conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

#define SHARED_SIZE (256u * 1024)
#define EVENTS 256

void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("flotilla-bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct conn *c = SSL_get_app_data(ssl);
    struct loop *l = c->loop;
    if (!l->keep_session)
        return 0;
    SSL_SESSION_free(l->session);
    l->session = SSL_SESSION_dup(session);
    return 0; /* the library keeps its own */
}

/* A copy: a session that one connection was given new tickets for isn't offered by others any more.
 */
static void offer_session(SSL *ssl, const SSL_SESSION *session)
{
    SSL_SESSION *copy = SSL_SESSION_dup(session);
    if (copy == NULL || SSL_set_session(ssl, copy) != 1)
        die("can't offer a TLS session");
    SSL_SESSION_free(copy);
}

struct loop *loop_new(struct loop_kind kind)
{
    struct loop *l = calloc(1, sizeof(*l));
    if (l == NULL)
        die("out of memory");
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->shared = malloc(SHARED_SIZE);
    if (l->epoll < 0 || l->shared == NULL)
        die("no event loop: %s", strerror(errno));
    l->websocket = kind.websocket;
    if (!kind.tls)
        return l;
    l->tls = SSL_CTX_new(TLS_client_method());
    if (l->tls == NULL)
        die("no TLS context");
    SSL_CTX_set_session_cache_mode(l->tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(l->tls, on_new_session);
    SSL_CTX_set_read_ahead(l->tls, 1);
    SSL_CTX_set_mode(l->tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (kind.ca_file != NULL) {
        if (SSL_CTX_load_verify_locations(l->tls, kind.ca_file, NULL) != 1)
            die("%s: no CA certificates", kind.ca_file);
        SSL_CTX_set_verify(l->tls, SSL_VERIFY_PEER, NULL);
    }
    return l;
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    close(l->epoll);
    SSL_SESSION_free(l->session);
    SSL_CTX_free(l->tls);
    free(l->shared);
    free(l);
}

static void *grow(void *p, size_t *cap, size_t wanted)
{
    size_t size = *cap == 0 ? 256 : *cap;
    while (size < wanted)
        size *= 2;
    if (size == *cap)
        return p;
    p = realloc(p, size);
    if (p == NULL)
        die("out of memory");
    *cap = size;
    return p;
}

static void mark_dirty(struct conn *c)
{
    if (c->dirty)
        return;
    c->dirty = true;
    c->next_dirty = c->loop->dirty;
    c->loop->dirty = c;
}

uint8_t *conn_reserve(struct conn *c, size_t len)
{
    c->out = grow(c->out, &c->out_cap, c->out_len + len);
    uint8_t *at = c->out + c->out_len;
    c->out_len += len;
    mark_dirty(c);
    return at;
}

void conn_send_packet(struct conn *c, const struct mqtt_packet *p, enum mqtt_version version)
{
    size_t size = mqtt_encoded_size(p, version);
    if (size == 0 || mqtt_encode(p, version, conn_reserve(c, size), size) != size)
        die("can't encode a %s", mqtt_type_name(p->type));
}

void conn_send_ack(struct conn *c, enum mqtt_type type, uint16_t packet_id)
{
    mqtt_encode_ack4(type, packet_id, conn_reserve(c, 4));
}

struct conn *conn_open(struct loop *l, const struct sockaddr_storage *to,
                       const struct conn_events *events, void *user, uint32_t index)
{
    struct conn *c = calloc(1, sizeof(*c));
    if (c == NULL)
        die("out of memory");
    c->loop = l;
    c->events = events;
    c->user = user;
    c->index = index;
    c->fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("no socket: %s", strerror(errno));
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->opened_at_ns = now_ns();
    socklen_t len =
        to->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if (connect(c->fd, (const struct sockaddr *)to, len) != 0 && errno != EINPROGRESS)
        die("can't connect: %s", strerror(errno));
    if (l->tls != NULL) {
        c->ssl = SSL_new(l->tls);
        if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
            die("no TLS connection");
        SSL_set_app_data(c->ssl, c);
        SSL_set_connect_state(c->ssl);
        if (l->session != NULL)
            offer_session(c->ssl, l->session);
    }
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
        die("epoll: %s", strerror(errno));
    return c;
}

void conn_close(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    c->state = CONN_CLOSED;
    if (c->ssl != NULL)
        SSL_shutdown(c->ssl);
    close(c->fd);
    c->next_closed = c->loop->closed;
    c->loop->closed = c;
}

static void conn_lost(struct conn *c, const char *why)
{
    if (c->state == CONN_CLOSED)
        return;
    if (c->events->closed == NULL && !c->may_fail)
        die("connection %u was lost: %s", c->index, why);
    c->loop->failed++;
    ERR_clear_error();
    conn_close(c);
    if (c->events->closed != NULL)
        c->events->closed(c);
}

/* The length of the first frame with its fixed header; 0 when it isn't whole. */
static size_t frame_at(const uint8_t *p, size_t len, struct frame *f)
{
    uint32_t remaining = 0;
    for (size_t i = 1; i < len && i <= 4; i++) {
        remaining |= (uint32_t)(p[i] & 0x7f) << (7 * (i - 1));
        if ((p[i] & 0x80) == 0) {
            size_t size = i + 1 + remaining;
            if (len < size)
                return 0;
            *f = (struct frame){
                .head = p[0], .body = p + i + 1, .start = p, .len = remaining, .size = size};
            return size;
        }
    }
    return 0;
}

static size_t take_frames(struct conn *c, const uint8_t *p, size_t len)
{
    size_t used = 0;
    struct frame f;
    while (c->state == CONN_OPEN) {
        size_t n = frame_at(p + used, len - used, &f);
        if (n == 0)
            break;
        used += n;
        c->events->frame(c, &f);
    }
    return used;
}

static void take_bytes(struct conn *c, const uint8_t *p, size_t len)
{
    if (c->in_len > 0) {
        c->in = grow(c->in, &c->in_cap, c->in_len + len);
        memcpy(c->in + c->in_len, p, len);
        c->in_len += len;
        size_t used = take_frames(c, c->in, c->in_len);
        memmove(c->in, c->in + used, c->in_len - used);
        c->in_len -= used;
        return;
    }
    size_t used = take_frames(c, p, len);
    if (used == len || c->state != CONN_OPEN)
        return;
    c->in = grow(c->in, &c->in_cap, len - used);
    memcpy(c->in, p + used, len - used);
    c->in_len = len - used;
}

static void conn_opened(struct conn *c)
{
    c->state = CONN_OPEN;
    c->loop->opened++;
    c->loop->resumed += c->ssl != NULL && SSL_session_reused(c->ssl) == 1 ? 1 : 0;
    c->events->opened(c);
}

/* >0: bytes, 0: end of stream, -1: nothing now, -2: failed. */
static ssize_t conn_recv(struct conn *c, uint8_t *buf, size_t size)
{
    if (c->ssl == NULL) {
        ssize_t n = recv(c->fd, buf, size, 0);
        return n >= 0 ? n : (errno == EAGAIN || errno == EINTR ? -1 : -2);
    }
    ERR_clear_error();
    int n = SSL_read(c->ssl, buf, (int)size);
    if (n > 0)
        return n;
    int why = SSL_get_error(c->ssl, n);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE
               ? -1
               : (why == SSL_ERROR_ZERO_RETURN ? 0 : -2);
}

/* An answer that grants the upgrade opens the connection; a server says nothing behind it before CONNECT. */
static void take_answer(struct conn *c, const uint8_t *bytes, size_t len)
{
    size_t used = 0;
    c->in = grow(c->in, &c->in_cap, c->in_len + len);
    memcpy(c->in + c->in_len, bytes, len);
    c->in_len += len;
    enum websocket_answer answer = websocket_answer_read(c->in, c->in_len, &used);
    if (answer == WEBSOCKET_PART)
        return;
    if (answer == WEBSOCKET_REFUSED || used != c->in_len) {
        conn_lost(c, "the server doesn't upgrade it to WebSocket");
        return;
    }
    c->in_len = 0;
    conn_opened(c);
}

static void take_frames_of(struct conn *c, uint8_t *bytes, size_t len)
{
    size_t n = len;
    if (c->loop->websocket && !websocket_take(&c->frames, bytes, len, &n))
        conn_lost(c, "its WebSocket ends");
    else
        take_bytes(c, bytes, n);
}

static bool is_up(const struct conn *c)
{
    return c->state == CONN_UPGRADING || c->state == CONN_OPEN;
}

static void conn_read(struct conn *c)
{
    for (;;) {
        if (!is_up(c) || c->paused)
            return;
        ssize_t n = conn_recv(c, c->loop->shared, SHARED_SIZE);
        if (n == -1)
            return;
        if (n <= 0) {
            conn_lost(c, n == 0 ? "closed by the peer" : strerror(errno));
            return;
        }
        if (c->state == CONN_UPGRADING)
            take_answer(c, c->loop->shared, (size_t)n);
        else
            take_frames_of(c, c->loop->shared, (size_t)n);
        if (c->ssl == NULL && (size_t)n < SHARED_SIZE)
            return; /* edge-triggered: what comes later raises a new event */
    }
}

/* Puts what is new in the output into one frame. */
static void frame_output(struct conn *c)
{
    uint8_t header[WEBSOCKET_HEADER_MAX];
    size_t len = c->out_len - c->framed;
    if (len == 0)
        return;
    size_t n = websocket_header(header, len);
    c->out = grow(c->out, &c->out_cap, c->out_len + n);
    memmove(c->out + c->framed + n, c->out + c->framed, len);
    memcpy(c->out + c->framed, header, n);
    c->out_len += n;
    c->framed = c->out_len;
}

static void conn_write(struct conn *c)
{
    size_t done = 0;
    if (c->loop->websocket)
        frame_output(c);
    while (is_up(c) && done < c->out_len) {
        ssize_t n = 0;
        if (c->ssl == NULL) {
            n = send(c->fd, c->out + done, c->out_len - done, MSG_NOSIGNAL);
            if (n < 0 && errno != EAGAIN) {
                conn_lost(c, strerror(errno));
                return;
            }
        } else {
            ERR_clear_error();
            n = SSL_write(c->ssl, c->out + done, (int)(c->out_len - done));
        }
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    memmove(c->out, c->out + done, c->out_len - done);
    c->out_len -= done;
    c->framed = c->out_len;
    if (c->out_len == 0 && c->out_cap > 4096) {
        free(c->out);
        c->out = NULL;
        c->out_cap = 0;
    }
}

void conn_finish(struct conn *c)
{
    conn_write(c);
    conn_close(c);
}

/* TCP and TLS stand. */
static void conn_connected(struct conn *c)
{
    size_t len = strlen(websocket_request);
    if (!c->loop->websocket) {
        conn_opened(c);
        return;
    }
    c->state = CONN_UPGRADING;
    memcpy(conn_reserve(c, len), websocket_request, len);
    c->framed = c->out_len;
}

static void conn_handshake(struct conn *c)
{
    ERR_clear_error();
    int r = SSL_do_handshake(c->ssl);
    if (r == 1) {
        conn_connected(c);
        return;
    }
    int why = SSL_get_error(c->ssl, r);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
        conn_lost(c, "TLS handshake failed");
}

static void conn_ready(struct conn *c, uint32_t what)
{
    if (c->state == CONN_CONNECTING) {
        int err = 0;
        socklen_t len = sizeof(err);
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
        if (err != 0 || (what & EPOLLHUP) != 0) {
            conn_lost(c, err != 0 ? strerror(err) : "hung up");
            return;
        }
        if ((what & EPOLLOUT) == 0)
            return;
        if (c->ssl == NULL)
            conn_connected(c);
        else
            c->state = CONN_HANDSHAKING;
    }
    if (c->state == CONN_HANDSHAKING)
        conn_handshake(c);
    if (is_up(c))
        conn_read(c);
    if (is_up(c) && c->out_len > 0)
        mark_dirty(c);
}

static void flush_dirty(struct loop *l)
{
    while (l->dirty != NULL) {
        struct conn *c = l->dirty;
        l->dirty = c->next_dirty;
        c->dirty = false;
        if (is_up(c))
            conn_write(c);
    }
}

static void free_closed(struct loop *l)
{
    while (l->closed != NULL) { /* none is on the dirty list: that was just emptied */
        struct conn *c = l->closed;
        l->closed = c->next_closed;
        SSL_free(c->ssl);
        free(c->in);
        free(c->out);
        free(c);
    }
}

void loop_turn(struct loop *l, uint64_t wait_ns)
{
    struct epoll_event events[EVENTS];
    flush_dirty(l);
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / 1000000000u),
                            .tv_nsec = (long)(wait_ns % 1000000000u)};
    int n = epoll_pwait2(l->epoll, events, EVENTS, &wait, NULL);
    l->now_ns = now_ns();
    for (int i = 0; i < n; i++)
        conn_ready(events[i].data.ptr, events[i].events);
    flush_dirty(l);
    free_closed(l);
}
