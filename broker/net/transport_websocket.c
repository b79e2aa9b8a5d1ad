/*
 * A client's bytes in WebSocket frames, over another transport that is past the upgrade: decoded in the reader's own
 * buffer, and written as one frame per MQTT packet, headers and pieces of many in one call of the inner transport.
 *
 * Reading:   one read of the inner transport for each read, so that pings cost no more of a turn than any input. What
 *            is decoded is shorter than what was read; where that isn't the end of it, TRANSPORT_MORE says so.
 * Packets:   a frame may hold several (MQTT 3.1.1: 6.0.0-2), but some clients don't look for a second one in it before
 *            more bytes come.
 * Writing:   a frame whose header is out stays open until its payload is: the writer comes back with the same bytes,
 *            so nothing is copied. Between frames go the answer to the newest ping, and at the end a close frame. A
 *            browser shows its page nothing of a message before all of it is there, so frames are small enough for
 *            slow links.
 * Ending:    the peer's close frame is the end of its stream, and is answered by the last frame of ours. A violation
 *            is an error of the read (EPROTO), and so is a lack of memory (ENOMEM).
 */
#include <errno.h>
#include <string.h>

#include "broker/base/account.h"
#include "broker/net/transport.h"
#include "broker/net/websocket_frames.h"

enum {
    RAW_AT_ONCE = 64 * 1024,
    FRAME_MOST = 32 * 1024, /* payload of a frame of ours */
    PIECES = 64,
    FRAMES = 32, /* begun by one call */
    PONG_MAX = FRAME_HEADER_MAX + FRAME_CONTROL_MAX,
};

struct transport_websocket {
    struct transport base;   /* first member */
    struct transport *inner; /* owned */
    struct websocket_frames frames;
    uint8_t
        head[PONG_MAX +
             FRAME_HEADER_MAX]; /* to be written before anything else: a pong, a header, or both */
    uint8_t head_len, head_sent;
    uint64_t owed;        /* payload of the open frame that isn't written yet */
    uint64_t packet_left; /* of the MQTT packet that was begun: what is in no frame yet */
    bool over;            /* the inner transport has ended, or failed */
    bool finished;
};

static struct transport_websocket *websocket_of(struct transport *t)
{
    return (struct transport_websocket *)t;
}

/* ---- writing --------------------------------------------------------------------------------- */

static ssize_t write_inner(struct transport_websocket *ws, const struct iovec *iov, int count)
{
    ssize_t n = ws->inner->ops->writev(ws->inner, iov, count);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        ws->over = true;
    return n;
}

/* Of n bytes that were written, those of the head. */
static size_t take_head(struct transport_websocket *ws, size_t n)
{
    size_t left = (size_t)(ws->head_len - ws->head_sent);
    if (n < left) {
        ws->head_sent = (uint8_t)(ws->head_sent + n);
        return n;
    }
    ws->head_len = 0;
    ws->head_sent = 0;
    return left;
}

static void add_header(struct transport_websocket *ws, enum frame_opcode opcode, uint64_t len)
{
    uint8_t header[FRAME_HEADER_MAX];
    size_t n = websocket_frame_header(opcode, len, header);
    memcpy(ws->head + ws->head_len, header, n);
    ws->head_len = (uint8_t)(ws->head_len + n);
}

/* Only while no frame is open. One that is on its way already is finished first. */
static void add_pong(struct transport_websocket *ws)
{
    const struct frame_control *ping = &ws->frames.ping;
    if (!ws->frames.pinged || ws->head_len > 0)
        return;
    add_header(ws, FRAME_PONG, ping->len);
    memcpy(ws->head + ws->head_len, ping->payload, ping->len);
    ws->head_len = (uint8_t)(ws->head_len + ping->len);
    ws->frames.pinged = false;
}

/* What doesn't go out now goes before the next frame, or when the inner transport can be written to. */
static void write_pong(struct transport_websocket *ws)
{
    if (ws->owed > 0)
        return;
    add_pong(ws);
    if (ws->head_len == 0)
        return;
    struct iovec rest = {.iov_base = ws->head + ws->head_sent,
                         .iov_len = (size_t)(ws->head_len - ws->head_sent)};
    ssize_t n = write_inner(ws, &rest, 1);
    if (n > 0)
        take_head(ws, (size_t)n);
}

/* Bytes to be written, from a place in them on. */
struct rest {
    const struct iovec *iov;
    int count;
    size_t at; /* in the first piece */
};

static size_t rest_len(const struct rest *r)
{
    size_t len = 0;
    for (int i = 0; i < r->count; i++)
        len += r->iov[i].iov_len;
    return len - r->at;
}

/* Moves the next `len` bytes to `out`; returns the number of pieces. */
static int rest_take(struct rest *r, size_t len, struct iovec *out)
{
    int n = 0;
    while (len > 0) {
        size_t here = r->iov->iov_len - r->at;
        size_t part = here < len ? here : len;
        if (part > 0)
            out[n++] =
                (struct iovec){.iov_base = (uint8_t *)r->iov->iov_base + r->at, .iov_len = part};
        r->at += part;
        len -= part;
        if (r->at == r->iov->iov_len) {
            r->iov++;
            r->count--;
            r->at = 0;
        }
    }
    return n;
}

/* Of the packet that begins here, by its fixed header (2.2.3); of one that has less than that, what is there. */
static uint64_t packet_len(struct rest r)
{
    size_t there = rest_len(&r);
    uint64_t len = 0;
    for (size_t i = 0; i < 5 && i < there; i++) {
        struct iovec byte;
        rest_take(&r, 1, &byte);
        uint8_t value = *(const uint8_t *)byte.iov_base;
        if (i == 0)
            continue;
        len |= (uint64_t)(value & 0x7f) << (7 * (i - 1));
        if (value < 0x80)
            return len + i + 1;
    }
    return there;
}

/* Frames that are to be begun by one call. */
struct batch {
    struct iovec out[1 + PIECES + 2 * FRAMES];
    int pieces;
    uint8_t headers[FRAMES][FRAME_HEADER_MAX];
    struct begun {
        size_t header;        /* bytes */
        uint64_t payload;     /* the same */
        uint64_t packet_left; /* behind it */
    } frames[FRAMES];
    int count;
};

static void add_frame(struct batch *b, struct rest *r, uint64_t packet_left)
{
    uint64_t len = packet_left < FRAME_MOST ? packet_left : FRAME_MOST;
    size_t there = rest_len(r);
    if (len > there)
        len = there;
    uint8_t *header = b->headers[b->count];
    struct begun *f = &b->frames[b->count++];
    *f = (struct begun){.header = websocket_frame_header(FRAME_BINARY, len, header),
                        .payload = len,
                        .packet_left = packet_left - len};
    b->out[b->pieces++] = (struct iovec){.iov_base = header, .iov_len = f->header};
    b->pieces += rest_take(r, (size_t)len, b->out + b->pieces);
}

static void add_frames(const struct transport_websocket *ws, struct batch *b, struct rest r)
{
    uint64_t packet_left = ws->packet_left;
    while (b->count < FRAMES && rest_len(&r) > 0) {
        add_frame(b, &r, packet_left > 0 ? packet_left : packet_len(r));
        packet_left = b->frames[b->count - 1].packet_left;
    }
}

/* So many bytes of the frames went out. Returns how many are payload. */
static size_t note_written(struct transport_websocket *ws, const struct batch *b, size_t n)
{
    size_t payload = 0;
    for (int i = 0; i < b->count && n > 0; i++) {
        const struct begun *f = &b->frames[i];
        size_t header = n < f->header ? n : f->header;
        size_t part = n - header < f->payload ? n - header : (size_t)f->payload;
        if (header < f->header) {
            ws->head_len = (uint8_t)(f->header - header);
            memcpy(ws->head, b->headers[i] + header, ws->head_len);
        }
        ws->owed = f->payload - part;
        ws->packet_left = f->packet_left;
        payload += part;
        n -= header + part;
    }
    return payload;
}

/* No frame is open. */
static ssize_t write_frames(struct transport_websocket *ws, const struct iovec *iov, int count)
{
    struct batch b;
    b.pieces = b.count = 0;
    add_pong(ws);
    if (ws->head_len > 0)
        b.out[b.pieces++] = (struct iovec){.iov_base = ws->head + ws->head_sent,
                                           .iov_len = (size_t)(ws->head_len - ws->head_sent)};
    add_frames(ws, &b, (struct rest){.iov = iov, .count = count});
    ssize_t n = write_inner(ws, b.out, b.pieces);
    if (n < 0)
        return n;
    return (ssize_t)note_written(ws, &b, (size_t)n - take_head(ws, (size_t)n));
}

/* The head's rest, and of the payload what belongs to the open frame. */
static ssize_t write_open(struct transport_websocket *ws, const struct iovec *iov, int count)
{
    struct iovec out[1 + PIECES];
    int pieces = 0;
    struct rest r = {.iov = iov, .count = count};
    size_t there = rest_len(&r);
    if (ws->head_len > 0)
        out[pieces++] = (struct iovec){.iov_base = ws->head + ws->head_sent,
                                       .iov_len = (size_t)(ws->head_len - ws->head_sent)};
    pieces += rest_take(&r, ws->owed < there ? (size_t)ws->owed : there, out + pieces);
    ssize_t n = write_inner(ws, out, pieces);
    if (n < 0)
        return n;
    size_t payload = (size_t)n - take_head(ws, (size_t)n);
    ws->owed -= payload;
    return (ssize_t)payload;
}

static ssize_t websocket_writev(struct transport *t, const struct iovec *iov, int count)
{
    struct transport_websocket *ws = websocket_of(t);
    if (count > PIECES)
        count = PIECES;
    struct rest all = {.iov = iov, .count = count};
    ssize_t n = 0;
    while (n == 0 && rest_len(&all) > 0)
        n = ws->owed > 0 ? write_open(ws, iov, count) : write_frames(ws, iov, count);
    return n;
}

/* ---- reading --------------------------------------------------------------------------------- */

static ssize_t say_end(const struct transport_websocket *ws)
{
    if (ws->frames.end == FRAMES_CLOSED)
        return 0;
    errno = ws->frames.end == FRAMES_NO_MEMORY ? ENOMEM : EPROTO;
    return -1;
}

static ssize_t websocket_read(struct transport *t, void *buf, size_t len)
{
    struct transport_websocket *ws = websocket_of(t);
    size_t asked = len < RAW_AT_ONCE ? len : RAW_AT_ONCE;
    if (ws->frames.end != FRAMES_OPEN)
        return say_end(ws);
    ssize_t raw = ws->inner->ops->read(ws->inner, buf, asked);
    if (raw <= 0) {
        if (raw == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
            ws->over = true;
        return raw;
    }
    size_t n = websocket_frames_decode(&ws->frames, buf, (size_t)raw);
    write_pong(ws);
    bool ended = ws->frames.end != FRAMES_OPEN;
    if (n == 0 && ended)
        return say_end(ws);
    /* Also after a read that brought none of the client's bytes: it doesn't count as one that got less. */
    if (n < len && ((size_t)raw == asked || n == 0 || ended))
        t->ready(t->arg, TRANSPORT_MORE);
    if (n > 0)
        return (ssize_t)n;
    errno = EAGAIN;
    return -1;
}

static void on_inner_ready(void *arg, unsigned ready)
{
    struct transport_websocket *ws = arg;
    if (ready & TRANSPORT_WRITABLE)
        write_pong(ws);
    ws->base.ready(ws->base.arg, ready);
}

static bool websocket_start(struct transport *t)
{
    (void)t; /* the inner transport was started before the upgrade */
    return true;
}

/* ---- ending ---------------------------------------------------------------------------------- */

/* Not into an open frame: there the end of the connection has to do. */
static void write_close(struct transport_websocket *ws, uint16_t code)
{
    uint8_t frame[FRAME_HEADER_MAX + 2];
    if (ws->over || ws->owed > 0 || ws->head_len > 0)
        return;
    size_t n = websocket_frame_header(FRAME_CLOSE, code == CLOSE_EMPTY ? 0 : 2, frame);
    if (code != CLOSE_EMPTY) {
        frame[n++] = (uint8_t)(code >> 8);
        frame[n++] = (uint8_t)code;
    }
    (void)write_inner(ws, &(struct iovec){.iov_base = frame, .iov_len = n}, 1);
}

static void websocket_finish(struct transport *t, bool going_away)
{
    struct transport_websocket *ws = websocket_of(t);
    uint16_t code = ws->frames.close_code;
    if (ws->frames.end == FRAMES_OPEN)
        code = going_away ? CLOSE_GOING_AWAY : CLOSE_NORMAL;
    ws->finished = true;
    write_close(ws, code);
    ws->inner->ops->finish(ws->inner, going_away);
}

/* A client that has said its last word in MQTT's way, or by a close frame, still gets ours. */
static void websocket_free(struct transport *t)
{
    struct transport_websocket *ws = websocket_of(t);
    if (!ws->finished && !ws->over)
        websocket_finish(t, false);
    ws->inner->ops->free(ws->inner);
    websocket_frames_fini(&ws->frames);
    account_free(ACCOUNT_CLIENTS, ws);
}

static uint32_t websocket_silent_ms(struct transport *t)
{
    struct transport *inner = websocket_of(t)->inner;
    return inner->ops->silent_ms != NULL ? inner->ops->silent_ms(inner) : 0;
}

static const X509 *websocket_peer_certificate(const struct transport *t)
{
    return transport_peer_certificate(((const struct transport_websocket *)t)->inner);
}

static const struct transport_ops websocket_ops = {
    .start = websocket_start,
    .read = websocket_read,
    .writev = websocket_writev,
    .finish = websocket_finish,
    .free = websocket_free,
    .silent_ms = websocket_silent_ms,
    .peer_certificate = websocket_peer_certificate,
};

struct transport *transport_websocket_new(struct transport *inner, struct websocket_decoder **spare)
{
    struct transport_websocket *ws = account_zalloc(ACCOUNT_CLIENTS, sizeof(*ws));
    if (ws == NULL)
        return NULL;
    websocket_frames_init(&ws->frames, spare);
    ws->base = *inner;
    ws->base.ops = &websocket_ops;
    ws->inner = inner;
    inner->ready = on_inner_ready;
    inner->arg = ws;
    return &ws->base;
}
