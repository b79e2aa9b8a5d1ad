/*
 * client_frames - WebSocket frames as a client sends them, written one after another into a buffer.
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_CLIENT_FRAMES_H
#define FLOTILLA_TESTS_UNIT_BROKER_CLIENT_FRAMES_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "broker/net/websocket_frames.h"

struct client_frames {
    uint8_t bytes[1 << 19];
    size_t len;
};

enum { FIN = 0x80 };

/* `first`: FIN, reserved bits and opcode. Masked, with another key for each frame. */
static inline void frames_add(struct client_frames *f, int first, const void *payload, size_t len)
{
    uint8_t header[FRAME_HEADER_MAX];
    size_t n = websocket_frame_header(FRAME_BINARY, len, header);
    uint8_t *out = f->bytes + f->len;
    if (f->len + n + 4 + len > sizeof(f->bytes))
        abort();
    header[0] = (uint8_t)first;
    header[1] |= 0x80;
    for (size_t i = 0; i < n; i++)
        *out++ = header[i];
    uint8_t mask[4] = {0x37, (uint8_t)len, 0xa1, (uint8_t)f->len};
    for (size_t i = 0; i < 4; i++)
        *out++ = mask[i];
    for (size_t i = 0; i < len; i++)
        *out++ = ((const uint8_t *)payload)[i] ^ mask[i % 4];
    f->len += n + 4 + len;
}

#endif
