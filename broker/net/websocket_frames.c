/* wslay tells of each piece of a frame; which frames may follow which is decided here. */
#include "broker/net/websocket_frames.h"

#include <string.h>

#include <wslay/wslay.h>

#include "broker/base/account.h"

struct websocket_decoder {
    struct wslay_frame_context *wslay;
    const uint8_t *raw; /* during a call: what wslay hasn't got yet */
    size_t raw_left;
    uint64_t begun;               /* bytes of the frame that has begun, its header with them */
    uint64_t payload_at;          /* of them, those of the payload that were told */
    struct frame_control control; /* the payload, if it is a control frame's */
};

/* ---- decoders ----------------------------------------------------------------------------------- */

/* wslay copies the bytes into a buffer of its own, and asks again when it is done with them. So what it gives can be
 * written over what it took: there is no more of it, since each frame has a header. */
static ssize_t give(uint8_t *buf, size_t len, int flags, void *arg)
{
    struct websocket_decoder *d = arg;
    size_t n = d->raw_left < len ? d->raw_left : len;
    (void)flags;
    memcpy(buf, d->raw, n);
    d->raw += n;
    d->raw_left -= n;
    d->begun += n;
    return (ssize_t)n;
}

static struct websocket_decoder *decoder_new(void)
{
    static const struct wslay_frame_callbacks callbacks = {.recv_callback = give};
    struct websocket_decoder *d = account_zalloc(ACCOUNT_BEGUN, sizeof(*d));
    if (d == NULL)
        return NULL;
    if (wslay_frame_context_init(&d->wslay, &callbacks, d) != 0) {
        account_free(ACCOUNT_BEGUN, d);
        return NULL;
    }
    account_count(ACCOUNT_BEGUN, d->wslay);
    return d;
}

void websocket_decoder_free(struct websocket_decoder *d)
{
    if (d == NULL)
        return;
    account_uncount(ACCOUNT_BEGUN, d->wslay);
    wslay_frame_context_free(d->wslay);
    account_free(ACCOUNT_BEGUN, d);
}

static bool take_decoder(struct websocket_frames *f)
{
    if (f->decoder != NULL)
        return true;
    f->decoder = *f->spare != NULL ? *f->spare : decoder_new();
    *f->spare = NULL;
    return f->decoder != NULL;
}

/* Unless it is needed: at the end of a stream it may be in the midst of a frame, too, and is of no use. */
static void return_decoder(struct websocket_frames *f)
{
    struct websocket_decoder *d = f->decoder;
    if (f->end == FRAMES_OPEN && d->begun > 0)
        return;
    f->decoder = NULL;
    if (f->end == FRAMES_OPEN && *f->spare == NULL)
        *f->spare = d;
    else
        websocket_decoder_free(d);
}

void websocket_frames_init(struct websocket_frames *f, struct websocket_decoder **spare)
{
    memset(f, 0, sizeof(*f));
    f->spare = spare;
}

void websocket_frames_fini(struct websocket_frames *f)
{
    websocket_decoder_free(f->decoder);
    f->decoder = NULL;
}

/* ---- what frames mean ------------------------------------------------------------------------- */

static void end(struct websocket_frames *f, enum frames_end how, uint16_t code)
{
    f->end = (uint8_t)how;
    f->close_code = code;
}

/* The code to end with, or 0: the frame may come now. */
static uint16_t objection(const struct websocket_frames *f, const struct wslay_frame_iocb *frame)
{
    if (frame->rsv != 0 || !frame->mask)
        return CLOSE_VIOLATION;
    switch (frame->opcode) {
    case FRAME_CONTINUATION:
        return f->in_message ? 0 : CLOSE_VIOLATION;
    case FRAME_BINARY:
        return f->in_message ? CLOSE_VIOLATION : 0;
    case FRAME_TEXT: /* [MQTT-6.0.0-1] */
        return f->in_message ? CLOSE_VIOLATION : CLOSE_NOT_BINARY;
    case FRAME_CLOSE:
    case FRAME_PING:
    case FRAME_PONG:
        return 0;
    }
    return CLOSE_VIOLATION;
}

/* Codes that may be sent (RFC 6455, 7.4, and what IANA has registered since). */
static bool is_close_code(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

/* It is answered with its own code. Its reason is neither shown nor kept, so it isn't looked at either. */
static void take_close(struct websocket_frames *f, const struct frame_control *c)
{
    unsigned code = c->len >= 2 ? (unsigned)c->payload[0] << 8 | c->payload[1] : CLOSE_EMPTY;
    if (c->len == 0)
        end(f, FRAMES_CLOSED, CLOSE_EMPTY);
    else if (is_close_code(code))
        end(f, FRAMES_CLOSED, (uint16_t)code);
    else
        end(f, FRAMES_VIOLATED, CLOSE_VIOLATION);
}

static void take_control(struct websocket_frames *f, enum frame_opcode opcode)
{
    if (opcode == FRAME_CLOSE)
        take_close(f, &f->decoder->control);
    if (opcode == FRAME_PING) {
        f->ping = f->decoder->control;
        f->pinged = true;
    }
}

static bool begin_frame(struct websocket_frames *f, const struct wslay_frame_iocb *frame)
{
    uint16_t code = objection(f, frame);
    if (code != 0) {
        end(f, FRAMES_VIOLATED, code);
        return false;
    }
    if (wslay_is_ctrl_frame(frame->opcode))
        f->decoder->control.len = 0;
    else
        f->in_message = !frame->fin;
    return true;
}

/* wslay lets no length pass that could be written shorter. */
static uint64_t size_of_frame(const struct wslay_frame_iocb *frame)
{
    uint8_t ours[FRAME_HEADER_MAX];
    return websocket_frame_header(FRAME_BINARY, frame->payload_length, ours) + 4 +
           frame->payload_length;
}

/* A piece of a frame, perhaps all of it. Returns how many bytes of a message it wrote to `out`. */
static size_t take(struct websocket_frames *f, const struct wslay_frame_iocb *piece, uint8_t *out)
{
    struct websocket_decoder *d = f->decoder;
    struct frame_control *c = &d->control;
    if (d->payload_at == 0 && !begin_frame(f, piece))
        return 0;
    d->payload_at += piece->data_length;
    bool is_whole = d->payload_at == piece->payload_length;
    if (is_whole) {
        d->payload_at = 0;
        d->begun -= size_of_frame(piece);
    }
    if (!wslay_is_ctrl_frame(piece->opcode)) {
        memcpy(out, piece->data, piece->data_length);
        return piece->data_length;
    }
    memcpy(c->payload + c->len, piece->data, piece->data_length);
    c->len = (uint8_t)(c->len + piece->data_length);
    if (is_whole)
        take_control(f, (enum frame_opcode)piece->opcode);
    return 0;
}

size_t websocket_frames_decode(struct websocket_frames *f, uint8_t *buf, size_t len)
{
    size_t out = 0;
    if (f->end != FRAMES_OPEN)
        return 0;
    if (!take_decoder(f)) {
        end(f, FRAMES_NO_MEMORY, CLOSE_INTERNAL);
        return 0;
    }
    struct websocket_decoder *d = f->decoder;
    d->raw = buf;
    d->raw_left = len;
    while (f->end == FRAMES_OPEN) {
        struct wslay_frame_iocb piece;
        ssize_t n = wslay_frame_recv(d->wslay, &piece);
        if (n == WSLAY_ERR_WANT_READ) /* it has all that there is */
            break;
        if (n >= 0)
            out += take(f, &piece, buf + out);
        else /* a length, or a control frame, that can't be */
            end(f, FRAMES_VIOLATED, CLOSE_VIOLATION);
    }
    return_decoder(f);
    return out;
}

/* ---- ours ------------------------------------------------------------------------------------ */

size_t websocket_frame_header(enum frame_opcode opcode, uint64_t payload_len,
                              uint8_t out[FRAME_HEADER_MAX])
{
    size_t bytes_of_len = payload_len < 126 ? 0 : payload_len <= UINT16_MAX ? 2 : 8;
    out[0] = (uint8_t)(0x80 | opcode);
    out[1] = bytes_of_len == 0 ? (uint8_t)payload_len : bytes_of_len == 2 ? 126 : 127;
    for (size_t i = 0; i < bytes_of_len; i++)
        out[2 + i] = (uint8_t)(payload_len >> (8 * (bytes_of_len - 1 - i)));
    return 2 + bytes_of_len;
}
