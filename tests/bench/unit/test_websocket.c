/* The generator's side of WebSocket: answers, headers, and frames in any pieces. */
#include "tests/bench/load/websocket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum websocket_answer answer(const char *text, size_t *used)
{
    return websocket_answer_read((const uint8_t *)text, strlen(text), used);
}

static void an_answer_counts_when_it_is_whole(void **state)
{
    (void)state;
    static const char whole[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    size_t used = 0;
    for (size_t len = 0; len < sizeof(whole) - 1; len++)
        assert_int_equal(websocket_answer_read((const uint8_t *)whole, len, &used), WEBSOCKET_PART);
    assert_int_equal(answer(whole, &used), WEBSOCKET_GRANTED);
    assert_int_equal(used, sizeof(whole) - 1);
}

static void any_other_answer_refuses_it(void **state)
{
    (void)state;
    static const char *const refusals[] = {"HTTP/1.1 400 Bad Request\r\n\r\n",
                                           "HTTP/1.1 200 OK\r\nX: HTTP/1.1 101\r\n\r\n",
                                           "\r\n\r\n"};
    size_t used = 0;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        assert_int_equal(answer(refusals[i], &used), WEBSOCKET_REFUSED);
}

/* RFC 6455, 5.2: the shortest form, and a mask. */
static void a_header_has_the_shortest_length(void **state)
{
    static const struct {
        size_t len;
        const char *bytes;
        size_t size;
    } cases[] = {
        {1, "\x82\x81\0\0\0\0", 6},
        {125, "\x82\xfd\0\0\0\0", 6},
        {126, "\x82\xfe\0\x7e\0\0\0\0", 8},
        {65535, "\x82\xfe\xff\xff\0\0\0\0", 8},
        {65536, "\x82\xff\0\0\0\0\0\1\0\0\0\0\0\0", 14},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t out[WEBSOCKET_HEADER_MAX];
        assert_int_equal(websocket_header(out, cases[i].len), cases[i].size);
        assert_memory_equal(out, cases[i].bytes, cases[i].size);
    }
}

/* ---- frames ----------------------------------------------------------------------------------- */

/* A frame of a server's with `len` bytes that follow from *next. */
static size_t put_frame(uint8_t *out, uint8_t first, size_t len, uint8_t *next)
{
    size_t n = 0;
    out[n++] = first;
    if (len < 126) {
        out[n++] = (uint8_t)len;
    } else if (len < 65536) {
        out[n++] = 126;
        out[n++] = (uint8_t)(len >> 8);
        out[n++] = (uint8_t)len;
    } else {
        out[n++] = 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            out[n++] = (uint8_t)((uint64_t)len >> shift);
    }
    for (size_t i = 0; i < len; i++)
        out[n++] = (*next)++;
    return n;
}

/* Frames of all sizes, a message in two, an empty one, a ping and a pong. */
static size_t make_stream(uint8_t *out, size_t *payload)
{
    static const struct {
        uint8_t first;
        size_t len;
    } frames[] = {{0x82, 5},   {0x82, 0}, {0x02, 125},  {0x80, 126},
                  {0x82, 300}, {0x82, 1}, {0x82, 70000}};
    uint8_t next = 0;
    uint8_t other = 77;
    size_t n = 0;
    *payload = 0;
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        n += put_frame(out + n, frames[i].first, frames[i].len, &next);
        n += put_frame(out + n, i % 2 == 0 ? 0x89 : 0x8a, i, &other);
        *payload += frames[i].len;
    }
    return n;
}

static void check_in_pieces(const uint8_t *stream, size_t len, size_t payload, size_t piece)
{
    struct websocket w = {0};
    uint8_t *bytes = malloc(piece);
    uint8_t expected = 0;
    size_t got = 0;
    assert_non_null(bytes);
    for (size_t at = 0; at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        size_t out = 0;
        memcpy(bytes, stream + at, n);
        assert_true(websocket_take(&w, bytes, n, &out));
        for (size_t i = 0; i < out; i++)
            assert_int_equal(bytes[i], expected++);
        got += out;
    }
    assert_int_equal(got, payload);
    free(bytes);
}

static void what_is_in_frames_is_the_same_in_any_pieces(void **state)
{
    static const size_t pieces[] = {1, 2, 3, 7, 100, 4096, 100000};
    static uint8_t stream[72000];
    size_t payload = 0;
    (void)state;
    size_t len = make_stream(stream, &payload);
    assert_true(len <= sizeof(stream));
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
        check_in_pieces(stream, len, payload, pieces[i]);
}

static void what_a_server_may_not_send_ends_it(void **state)
{
    static const char *const wrong[] = {
        "\x88\x02\x03\xe8", /* it closes */
        "\x81\x01x",        /* text */
        "\x82\x81zzzzx",    /* masked */
        "\x83\x01x",        /* no such opcode */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct websocket w = {0};
        uint8_t bytes[8];
        size_t out = 0;
        size_t len = strlen(wrong[i]);
        memcpy(bytes, wrong[i], len);
        assert_false(websocket_take(&w, bytes, len, &out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_counts_when_it_is_whole),
        cmocka_unit_test(any_other_answer_refuses_it),
        cmocka_unit_test(a_header_has_the_shortest_length),
        cmocka_unit_test(what_is_in_frames_is_the_same_in_any_pieces),
        cmocka_unit_test(what_a_server_may_not_send_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
