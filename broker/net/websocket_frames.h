/*
 * websocket_frames - from a client's WebSocket frames to the bytes in them, and the headers of ours.
 *
 * Data flow: transport_websocket.c decodes what it has read, in place, and answers pings and closes.
 * Source:    RFC 6455, 5 and 7.4; MQTT 3.1.1, 6: MQTT's packets are in binary messages, and may begin and end
 *            anywhere in them. wslay reads headers and takes the mask off; no message is ever assembled.
 * Errors:    what isn't allowed ends the stream, and so does a lack of memory: `end` and `close_code` say so; the
 *            bytes before it count.
 * Bounds:    of pings that weren't answered yet only the newest is kept (RFC 6455, 5.5.3). Frames and messages may
 *            be as long as they like, since nothing waits for their end.
 * Memory:    wslay needs 4 kB, but only while it is between a frame's first byte and its last. So a stream has a
 *            decoder while a frame has come in part; otherwise it borrows the spare one for a call.
 */
#ifndef FLOTILLA_BROKER_NET_WEBSOCKET_FRAMES_H
#define FLOTILLA_BROKER_NET_WEBSOCKET_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_CONTROL_MAX = 125, /* payload of a control frame */
    FRAME_HEADER_MAX = 10,   /* of ours: they have no mask */
};

enum frame_opcode {
    FRAME_CONTINUATION = 0,
    FRAME_TEXT = 1,
    FRAME_BINARY = 2,
    FRAME_CLOSE = 8,
    FRAME_PING = 9,
    FRAME_PONG = 10,
};

enum {
    CLOSE_EMPTY = 0, /* without a code */
    CLOSE_NORMAL = 1000,
    CLOSE_GOING_AWAY = 1001,
    CLOSE_VIOLATION = 1002,
    CLOSE_NOT_BINARY = 1003,
    CLOSE_INTERNAL = 1011,
};

enum frames_end {
    FRAMES_OPEN,
    FRAMES_CLOSED, /* the peer has sent a close frame */
    FRAMES_VIOLATED,
    FRAMES_NO_MEMORY,
};

struct websocket_decoder;

struct frame_control {
    uint8_t len;
    uint8_t payload[FRAME_CONTROL_MAX];
};

struct websocket_frames {
    struct websocket_decoder **spare;  /* borrowed: where the spare one lies, if there is one */
    struct websocket_decoder *decoder; /* owned; NULL: no frame has begun */
    struct frame_control ping;         /* the newest one, to be answered when `pinged` */
    bool pinged;
    bool in_message;     /* the next data frame is a continuation */
    uint8_t end;         /* enum frames_end */
    uint16_t close_code; /* when it isn't open: what a close frame of ours says */
};

/* `spare` is shared by all streams of a thread, which leave a decoder there; who made it frees what is left. */
void websocket_frames_init(struct websocket_frames *f, struct websocket_decoder **spare);
void websocket_frames_fini(struct websocket_frames *f);
void websocket_decoder_free(struct websocket_decoder *d);

/* Decodes the next bytes of the stream in place, while it is open. Returns how many bytes of messages are at the
 * buffer's start then. */
size_t websocket_frames_decode(struct websocket_frames *f, uint8_t *buf, size_t len);

/* Writes the header of an unmasked, final frame; returns its length. */
size_t websocket_frame_header(enum frame_opcode opcode, uint64_t payload_len,
                              uint8_t out[FRAME_HEADER_MAX]);

#endif
