/* websocket_frames: a client's frames in any portions, and what isn't allowed. */
#include "tests/unit/broker/client_frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "broker/base/account.h"

static struct client_frames sent;
static uint8_t got[1 << 19];
static size_t got_len;
static struct websocket_frames frames;
static struct websocket_decoder *spare;

static int setup(void **state)
{
    (void)state;
    sent.len = 0;
    got_len = 0;
    websocket_frames_init(&frames, &spare);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    websocket_frames_fini(&frames);
    websocket_decoder_free(spare);
    spare = NULL;
    assert_int_equal(account.by_kind[ACCOUNT_BEGUN], 0);
    return 0;
}

/* All that was sent, so many bytes at a time, each in a buffer of exactly that size. */
static void decode(size_t portion)
{
    for (size_t at = 0; at < sent.len; at += portion) {
        size_t n = sent.len - at < portion ? sent.len - at : portion;
        uint8_t *buf = malloc(n);
        assert_non_null(buf);
        memcpy(buf, sent.bytes + at, n);
        size_t out = websocket_frames_decode(&frames, buf, n);
        assert_true(out <= n);
        memcpy(got + got_len, buf, out);
        got_len += out;
        free(buf);
    }
}

static void again(void)
{
    websocket_frames_fini(&frames);
    websocket_frames_init(&frames, &spare);
    got_len = 0;
}

static void expect_end(enum frames_end end, unsigned code)
{
    assert_int_equal(frames.end, end);
    assert_int_equal(frames.close_code, code);
}

static void messages_come_through_in_any_portions(void **state)
{
    (void)state;
    static uint8_t large[100000];
    static uint8_t expected[300000];
    static const size_t portions[] = {1, 2, 3, 5, 7, 13, 125, 4095, 4096, 4097, 70000, SIZE_MAX};
    static const size_t lens[] = {0, 1, 5, 125, 126, 127, 4096, 65535, 65536, 100000};
    size_t expected_len = 0;
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (uint8_t)(i * 31 + i / 256);
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        frames_add(&sent, FIN | FRAME_BINARY, large, lens[i]);
        memcpy(expected + expected_len, large, lens[i]);
        expected_len += lens[i];
    }
    for (size_t i = 0; i < sizeof(portions) / sizeof(portions[0]); i++) {
        decode(portions[i] < sent.len ? portions[i] : sent.len);
        expect_end(FRAMES_OPEN, 0);
        assert_int_equal(got_len, expected_len);
        assert_memory_equal(got, expected, expected_len);
        again();
    }
}

static void control_frames_may_come_between_fragments(void **state)
{
    (void)state;
    frames_add(&sent, FRAME_BINARY, "ab", 2);
    frames_add(&sent, FIN | FRAME_PING, "one", 3);
    frames_add(&sent, FRAME_CONTINUATION, "", 0);
    frames_add(&sent, FIN | FRAME_PONG, "unasked", 7);
    frames_add(&sent, FRAME_CONTINUATION, "c", 1);
    frames_add(&sent, FIN | FRAME_PING, "", 0);
    frames_add(&sent, FIN | FRAME_CONTINUATION, "d", 1);
    frames_add(&sent, FIN | FRAME_PING, "newest", 6);
    frames_add(&sent, FIN | FRAME_BINARY, "e", 1);
    for (size_t portion = 1; portion <= sent.len; portion++) {
        decode(portion);
        expect_end(FRAMES_OPEN, 0);
        assert_int_equal(got_len, 5);
        assert_memory_equal(got, "abcde", 5);
        assert_true(frames.pinged);
        assert_int_equal(frames.ping.len, 6);
        assert_memory_equal(frames.ping.payload, "newest", 6);
        again();
    }
}

static void a_control_frame_may_have_125_bytes(void **state)
{
    (void)state;
    uint8_t payload[126];
    memset(payload, 'p', sizeof(payload));
    frames_add(&sent, FIN | FRAME_PING, payload, 125);
    decode(sent.len);
    assert_true(frames.pinged);
    assert_int_equal(frames.ping.len, 125);
    assert_memory_equal(frames.ping.payload, payload, 125);
    sent.len = 0;
    frames_add(&sent, FIN | FRAME_PING, payload, 126);
    decode(sent.len);
    expect_end(FRAMES_VIOLATED, CLOSE_VIOLATION);
}

static void a_decoder_is_kept_while_a_frame_has_begun(void **state)
{
    (void)state;
    struct websocket_frames other;
    static const size_t lens[] = {0, 1, 125, 126, 70000};
    uint8_t *payload = calloc(1, 70000);
    assert_non_null(payload);
    websocket_frames_init(&other, &spare);
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        sent.len = 0;
        frames_add(&sent, FIN | FRAME_BINARY, payload, lens[i]);
        for (size_t at = 0; at < sent.len; at++) {
            websocket_frames_decode(&frames, sent.bytes + at, 1);
            assert_int_equal(frames.decoder != NULL, at + 1 < sent.len);
        }
        assert_non_null(spare);
    }
    struct websocket_decoder *only = spare;
    frames_add(&sent, FIN | FRAME_PING, "ab", 2);
    websocket_frames_decode(&frames, sent.bytes + sent.len - 8, 3);
    assert_ptr_equal(frames.decoder, only);
    assert_null(spare);
    websocket_frames_decode(&other, sent.bytes + sent.len - 8, 8); /* needs a second one */
    assert_true(other.pinged);
    assert_null(other.decoder);
    websocket_frames_decode(&frames, sent.bytes + sent.len - 5, 5);
    assert_true(frames.pinged);
    assert_null(frames.decoder);
    assert_non_null(spare);
    websocket_frames_fini(&other);
    free(payload);
}

static void what_is_not_allowed_ends_the_stream(void **state)
{
    (void)state;
    static const struct {
        int before, first; /* before: a frame "x" that is allowed; 0: none */
        uint16_t code;
    } cases[] = {
        {0, FIN | FRAME_TEXT, CLOSE_NOT_BINARY},
        {FIN | FRAME_BINARY, FRAME_TEXT, CLOSE_NOT_BINARY},
        {0, FIN | FRAME_CONTINUATION, CLOSE_VIOLATION},
        {FIN | FRAME_BINARY, FIN | FRAME_CONTINUATION, CLOSE_VIOLATION},
        {FRAME_BINARY, FIN | FRAME_BINARY, CLOSE_VIOLATION},
        {FRAME_BINARY, FIN | FRAME_TEXT, CLOSE_VIOLATION},
        {0, FRAME_PING, CLOSE_VIOLATION},
        {0, FRAME_CLOSE, CLOSE_VIOLATION},
        {0, FIN | 0x40 | FRAME_BINARY, CLOSE_VIOLATION},
        {0, FIN | 0x20 | FRAME_BINARY, CLOSE_VIOLATION},
        {0, FIN | 0x10 | FRAME_PING, CLOSE_VIOLATION},
        {0, FIN | 3, CLOSE_VIOLATION},
        {0, FIN | 7, CLOSE_VIOLATION},
        {0, FIN | 11, CLOSE_VIOLATION},
        {0, FIN | 15, CLOSE_VIOLATION},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sent.len = 0;
        if (cases[i].before != 0)
            frames_add(&sent, cases[i].before, "x", 1);
        frames_add(&sent, cases[i].first, "y", 1);
        frames_add(&sent, FIN | FRAME_BINARY, "z", 1);
        decode(sent.len);
        expect_end(FRAMES_VIOLATED, cases[i].code);
        assert_int_equal(got_len, cases[i].before != 0 ? 1 : 0); /* what came before counts */
        again();
    }
}

static void a_frame_without_mask_is_not_allowed(void **state)
{
    (void)state;
    uint8_t bytes[] = {FIN | FRAME_BINARY, 1, 'a'};
    uint8_t empty[] = {FIN | FRAME_PING, 0};
    assert_int_equal(websocket_frames_decode(&frames, bytes, sizeof(bytes)), 0);
    expect_end(FRAMES_VIOLATED, CLOSE_VIOLATION);
    again();
    websocket_frames_decode(&frames, empty, sizeof(empty));
    expect_end(FRAMES_VIOLATED, CLOSE_VIOLATION);
    assert_false(frames.pinged);
}

static void a_length_is_as_short_as_it_can_be(void **state)
{
    (void)state;
    uint8_t two[] = {FIN | FRAME_BINARY, 0x80 | 126, 0, 125, 0, 0, 0, 0, 'a'};
    uint8_t eight[] = {
        FIN | FRAME_BINARY, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 'a'};
    uint8_t negative[] = {
        FIN | FRAME_BINARY, 0x80 | 127, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 'a'};
    websocket_frames_decode(&frames, two, sizeof(two));
    expect_end(FRAMES_VIOLATED, CLOSE_VIOLATION);
    again();
    websocket_frames_decode(&frames, eight, sizeof(eight));
    expect_end(FRAMES_VIOLATED, CLOSE_VIOLATION);
    again();
    websocket_frames_decode(&frames, negative, sizeof(negative));
    expect_end(FRAMES_VIOLATED, CLOSE_VIOLATION);
}

static void a_close_is_answered_with_its_code(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        size_t len;
        enum frames_end end;
        uint16_t answer;
    } cases[] = {
        {"", 0, FRAMES_CLOSED, CLOSE_EMPTY},
        {"\x03\xe8", 2, FRAMES_CLOSED, 1000},
        {"\x03\xe9going", 7, FRAMES_CLOSED, 1001},
        {"\x03\xeb", 2, FRAMES_CLOSED, 1003},
        {"\x03\xef", 2, FRAMES_CLOSED, 1007},
        {"\x03\xf6", 2, FRAMES_CLOSED, 1014},
        {"\x0b\xb8", 2, FRAMES_CLOSED, 3000},
        {"\x13\x87", 2, FRAMES_CLOSED, 4999},
        {"\x03", 1, FRAMES_VIOLATED, CLOSE_VIOLATION},
        {"\0\0", 2, FRAMES_VIOLATED, CLOSE_VIOLATION},
        {"\x03\xe7", 2, FRAMES_VIOLATED, CLOSE_VIOLATION}, /* 999 */
        {"\x03\xec", 2, FRAMES_VIOLATED, CLOSE_VIOLATION}, /* 1004 */
        {"\x03\xed", 2, FRAMES_VIOLATED, CLOSE_VIOLATION}, /* 1005 */
        {"\x03\xee", 2, FRAMES_VIOLATED, CLOSE_VIOLATION}, /* 1006 */
        {"\x03\xf7", 2, FRAMES_VIOLATED, CLOSE_VIOLATION}, /* 1015 */
        {"\x0b\xb7", 2, FRAMES_VIOLATED, CLOSE_VIOLATION}, /* 2999 */
        {"\x13\x88", 2, FRAMES_VIOLATED, CLOSE_VIOLATION}, /* 5000 */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t portion = 1; portion < 20; portion += 6) {
            sent.len = 0;
            frames_add(&sent, FIN | FRAME_BINARY, "a", 1);
            frames_add(&sent, FIN | FRAME_CLOSE, cases[i].payload, cases[i].len);
            frames_add(&sent, FIN | FRAME_BINARY, "late", 4);
            decode(portion);
            expect_end(cases[i].end, cases[i].answer);
            assert_int_equal(got_len, 1);
            again();
        }
    }
}

static void our_headers_say_how_long_a_frame_is(void **state)
{
    (void)state;
    static const struct {
        uint64_t len;
        size_t header_len;
        const char *header;
    } cases[] = {
        {0, 2, "\x82\x00"},
        {125, 2, "\x82\x7d"},
        {126, 4, "\x82\x7e\x00\x7e"},
        {65535, 4, "\x82\x7e\xff\xff"},
        {65536, 10, "\x82\x7f\0\0\0\0\0\1\0\0"},
        {0x0102030405060708, 10, "\x82\x7f\1\2\3\4\5\6\7\x8"},
    };
    uint8_t out[FRAME_HEADER_MAX];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(websocket_frame_header(FRAME_BINARY, cases[i].len, out),
                         cases[i].header_len);
        assert_memory_equal(out, cases[i].header, cases[i].header_len);
    }
    assert_int_equal(websocket_frame_header(FRAME_CLOSE, 2, out), 2);
    assert_memory_equal(out, "\x88\x02", 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_come_through_in_any_portions),
        TEST(control_frames_may_come_between_fragments),
        TEST(a_control_frame_may_have_125_bytes),
        TEST(a_decoder_is_kept_while_a_frame_has_begun),
        TEST(what_is_not_allowed_ends_the_stream),
        TEST(a_frame_without_mask_is_not_allowed),
        TEST(a_length_is_as_short_as_it_can_be),
        TEST(a_close_is_answered_with_its_code),
        TEST(our_headers_say_how_long_a_frame_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
