/*
 * websocket - the client's side of MQTT over WebSocket, as cheap as it can be: the request, the server's
 * answer, headers of our frames, and the bytes in the server's frames.
 *
 * Data flow: conn.c sends the request, and then one frame for all that is written at once; what it reads has
 *            its frame headers taken out in place.
 * Source:    RFC 6455. Our mask is 0, so that masking costs us nothing; the server takes it off all the same.
 * Errors:    an answer that doesn't grant it, and what a server may not send (masked frames, text).
 * Pure; no I/O, no allocation.
 */
#ifndef FLOTILLA_TESTS_BENCH_LOAD_WEBSOCKET_H
#define FLOTILLA_TESTS_BENCH_LOAD_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEBSOCKET_HEADER_MAX 14u
extern const char websocket_request[];

enum websocket_answer { WEBSOCKET_PART, WEBSOCKET_GRANTED, WEBSOCKET_REFUSED };
/* *used: the length of the answer when it is whole. */
enum websocket_answer websocket_answer_read(const uint8_t *bytes, size_t len, size_t *used);

/* The header of a binary frame from a client with a payload of `len` bytes; its length. */
size_t websocket_header(uint8_t out[WEBSOCKET_HEADER_MAX], size_t len);

/* The frames that a server sends: where in one its stream stands. Starts zeroed. */
struct websocket {
    uint64_t left; /* of the frame's payload */
    bool data;     /* that payload is MQTT's; else a ping's or pong's, which is passed over */
    uint8_t header[WEBSOCKET_HEADER_MAX]; /* of the next frame, as far as it has come */
    uint8_t header_len;
};

/* Takes the frame headers out of what came next: *out bytes of MQTT are left at its start. False: the server
 * closes, or sends what it may not. */
bool websocket_take(struct websocket *w, uint8_t *bytes, size_t len, size_t *out);

#endif
