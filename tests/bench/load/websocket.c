#include "tests/bench/load/websocket.h"

#include <string.h>
#include <strings.h>

enum { CONTINUATION = 0, BINARY = 2, PING = 9, PONG = 10 };

/* The key is RFC 6455's example: whoever answers to it isn't asked for proof here. */
const char websocket_request[] = "GET /mqtt HTTP/1.1\r\n"
                                 "Host: bench\r\n"
                                 "Connection: Upgrade\r\n"
                                 "Upgrade: websocket\r\n"
                                 "Sec-WebSocket-Version: 13\r\n"
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                 "Sec-WebSocket-Protocol: mqtt\r\n\r\n";

enum websocket_answer websocket_answer_read(const uint8_t *bytes, size_t len, size_t *used)
{
    static const char granted[] = "HTTP/1.1 101";
    const uint8_t *end = memmem(bytes, len, "\r\n\r\n", 4);
    if (end == NULL)
        return WEBSOCKET_PART;
    *used = (size_t)(end - bytes) + 4;
    bool is_granted = *used > sizeof(granted) &&
                      strncasecmp((const char *)bytes, granted, sizeof(granted) - 1) == 0;
    return is_granted ? WEBSOCKET_GRANTED : WEBSOCKET_REFUSED;
}

static void put_big_endian(uint8_t *out, uint64_t value, size_t size)
{
    for (size_t i = size; i-- > 0; value >>= 8)
        out[i] = (uint8_t)value;
}

size_t websocket_header(uint8_t out[WEBSOCKET_HEADER_MAX], size_t len)
{
    size_t size = len < 126 ? 0 : len < 65536 ? 2 : 8;
    out[0] = 0x80 | BINARY;
    out[1] = (uint8_t)(0x80 | (size == 0 ? len : size == 2 ? 126u : 127u));
    put_big_endian(out + 2, len, size);
    memset(out + 2 + size, 0, 4); /* the mask */
    return 2 + size + 4;
}

/* How long the header is, as far as its first bytes tell. */
static size_t header_size(const struct websocket *w)
{
    uint8_t len = w->header_len >= 2 ? w->header[1] & 0x7f : 0;
    return len == 126 ? 4 : len == 127 ? 10 : 2;
}

static uint64_t big_endian(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* A header is whole: what its payload is. */
static bool begin_frame(struct websocket *w)
{
    unsigned opcode = w->header[0] & 0x0f;
    if ((w->header[1] & 0x80) != 0)
        return false;
    w->data = opcode == BINARY || opcode == CONTINUATION;
    size_t size = header_size(w) - 2;
    w->left = size == 0 ? w->header[1] : big_endian(w->header + 2, size);
    w->header_len = 0;
    return w->data || opcode == PING || opcode == PONG;
}

bool websocket_take(struct websocket *w, uint8_t *bytes, size_t len, size_t *out)
{
    size_t at = 0;
    *out = 0;
    while (at < len) {
        if (w->left == 0) {
            w->header[w->header_len++] = bytes[at++];
            if (w->header_len == header_size(w) && !begin_frame(w))
                return false;
            continue;
        }
        size_t n = w->left < len - at ? (size_t)w->left : len - at;
        if (w->data) {
            memmove(bytes + *out, bytes + at, n);
            *out += n;
        }
        at += n;
        w->left -= n;
    }
    return true;
}
