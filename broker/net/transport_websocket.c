/*
 * A client's bytes in WebSocket frames, over another transport that is past the upgrade: decoded in the reader's own
 * buffer, and written as one frame per writev, header and pieces in one call of the inner transport.
 *
 * Reading:   one read of the inner transport for each read, so that pings cost no more of a turn than any input. What
 *            is decoded is shorter than what was read; where that isn't the end of it, TRANSPORT_MORE says so.
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
    uint64_t owed; /* payload of the open frame that isn't written yet */
    bool over;     /* the inner transport has ended, or failed */
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

static void open_frame(struct transport_websocket *ws, const struct iovec *iov, int count)
{
    for (int i = 0; i < count && ws->owed < FRAME_MOST; i++)
        ws->owed += iov[i].iov_len;
    if (ws->owed > FRAME_MOST)
        ws->owed = FRAME_MOST;
    add_pong(ws);
    if (ws->owed > 0)
        add_header(ws, FRAME_BINARY, ws->owed);
}

/* The head's rest, and of the payload what belongs to the open frame. */
static int gather(struct transport_websocket *ws, const struct iovec *iov, int count,
                  struct iovec out[1 + PIECES])
{
    uint64_t left = ws->owed;
    int n = 0;
    if (ws->head_len > 0)
        out[n++] = (struct iovec){.iov_base = ws->head + ws->head_sent,
                                  .iov_len = (size_t)(ws->head_len - ws->head_sent)};
    for (int i = 0; i < count && left > 0; i++) {
        out[n] = iov[i];
        if (out[n].iov_len > left)
            out[n].iov_len = (size_t)left;
        left -= out[n++].iov_len;
    }
    return n;
}

static ssize_t websocket_writev(struct transport *t, const struct iovec *iov, int count)
{
    struct transport_websocket *ws = websocket_of(t);
    struct iovec out[1 + PIECES];
    if (count > PIECES)
        count = PIECES;
    if (ws->owed == 0)
        open_frame(ws, iov, count);
    while (ws->owed > 0) {
        int pieces = gather(ws, iov, count, out);
        ssize_t n = write_inner(ws, out, pieces);
        if (n < 0)
            return n;
        size_t payload = (size_t)n - take_head(ws, (size_t)n);
        ws->owed -= payload;
        if (payload > 0)
            return (ssize_t)payload;
    }
    return 0;
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

static const struct transport_ops websocket_ops = {
    .start = websocket_start,
    .read = websocket_read,
    .writev = websocket_writev,
    .finish = websocket_finish,
    .free = websocket_free,
    .silent_ms = websocket_silent_ms,
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
