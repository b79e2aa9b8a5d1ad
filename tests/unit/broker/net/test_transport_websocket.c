/* transport_websocket: over an inner transport that gives and takes any number of bytes at a time. */
#include "broker/net/transport.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/broker/client_frames.h"

enum { RAW_AT_ONCE = 64 * 1024 };

/* ---- the inner transport ----------------------------------------------------------------------- */

static struct inner {
    struct transport base;
    const uint8_t *in;
    size_t in_len, in_portion;
    int in_error;         /* behind the bytes; 0: the end, EAGAIN: not yet */
    uint8_t out[1 << 19]; /* what was written */
    size_t out_len, out_portion, room;
    int out_error;
    unsigned reads, writes;
    bool finished, going_away, freed;
} inner;

static ssize_t inner_read(struct transport *t, void *buf, size_t len)
{
    (void)t;
    inner.reads++;
    if (inner.in_len == 0) {
        errno = inner.in_error;
        return inner.in_error == 0 ? 0 : -1;
    }
    size_t n = inner.in_len < inner.in_portion ? inner.in_len : inner.in_portion;
    n = n < len ? n : len;
    memcpy(buf, inner.in, n);
    inner.in += n;
    inner.in_len -= n;
    return (ssize_t)n;
}

static ssize_t inner_writev(struct transport *t, const struct iovec *iov, int count)
{
    size_t most = inner.out_portion < inner.room ? inner.out_portion : inner.room;
    size_t taken = 0;
    (void)t;
    inner.writes++;
    if (most == 0 || inner.out_error != 0) {
        errno = inner.out_error != 0 ? inner.out_error : EAGAIN;
        return -1;
    }
    for (int i = 0; i < count && taken < most; i++) {
        size_t n = iov[i].iov_len < most - taken ? iov[i].iov_len : most - taken;
        assert_true(inner.out_len + n <= sizeof(inner.out));
        memcpy(inner.out + inner.out_len, iov[i].iov_base, n);
        inner.out_len += n;
        taken += n;
    }
    inner.room -= taken;
    return (ssize_t)taken;
}

static void inner_finish(struct transport *t, bool going_away)
{
    (void)t;
    inner.finished = true;
    inner.going_away = going_away;
}

static void inner_free(struct transport *t)
{
    (void)t;
    inner.freed = true;
}

static uint32_t inner_silent_ms(struct transport *t)
{
    (void)t;
    return 42;
}

static const struct transport_ops inner_ops = {.read = inner_read,
                                               .writev = inner_writev,
                                               .finish = inner_finish,
                                               .free = inner_free,
                                               .silent_ms = inner_silent_ms};

static struct client_frames sent;
static struct transport *ws;
static struct websocket_decoder *spare;
static unsigned told; /* what `ready` was told */

static void on_ready(void *arg, unsigned ready)
{
    assert_ptr_equal(arg, &told);
    told |= ready;
}

static int setup(void **state)
{
    (void)state;
    memset(&inner, 0, sizeof(inner));
    inner.base = (struct transport){.ops = &inner_ops, .ready = on_ready, .arg = &told};
    inner.base.peer.port = 7;
    inner.in_portion = SIZE_MAX;
    inner.in_error = EAGAIN;
    inner.out_portion = SIZE_MAX;
    inner.room = SIZE_MAX;
    sent.len = 0;
    told = 0;
    ws = transport_websocket_new(&inner.base, &spare);
    return ws != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    if (ws != NULL)
        ws->ops->free(ws);
    assert_true(inner.freed);
    websocket_decoder_free(spare);
    spare = NULL;
    return 0;
}

static void let_go(void)
{
    ws->ops->free(ws);
    ws = NULL;
}

static void give_all(void)
{
    inner.in = sent.bytes;
    inner.in_len = sent.len;
}

/* One read; what it says is noted as the client notes it. */
static ssize_t read_once(void *buf, size_t len, bool *more)
{
    told = 0;
    ssize_t n = ws->ops->read(ws, buf, len);
    *more = n == (ssize_t)len || (told & TRANSPORT_MORE) != 0;
    return n;
}

/* Reads on as a client would, until nothing more may be there. Returns what it got in all. */
static size_t read_all(uint8_t *to, size_t len)
{
    size_t got = 0;
    bool more = true;
    while (more) {
        ssize_t n = read_once(to + got, len, &more);
        if (n > 0)
            got += (size_t)n;
        else
            assert_true(n < 0 && errno == EAGAIN);
    }
    return got;
}

static void expect_out(const void *bytes, size_t len)
{
    assert_int_equal(inner.out_len, len);
    assert_memory_equal(inner.out, bytes, len);
    inner.out_len = 0;
}

static ssize_t write_text(const char *text)
{
    struct iovec iov = {.iov_base = (void *)text, .iov_len = strlen(text)};
    return ws->ops->writev(ws, &iov, 1);
}

/* ---- reading ----------------------------------------------------------------------------------- */

static void nothing_is_left_behind_in_any_portions(void **state)
{
    (void)state;
    static uint8_t got[20000];
    static uint8_t payload[3000];
    static const size_t lens[] = {1, 2, 3, 7, 100, 4096, 1 << 17};
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 7);
    for (size_t len = 0; len < sizeof(lens) / sizeof(lens[0]); len++) {
        for (size_t portion = 1; portion < 5000; portion = portion * 3 + 1) {
            sent.len = 0;
            for (size_t i = 0; i < 3; i++) {
                frames_add(&sent, FIN | FRAME_BINARY, payload, 1);
                frames_add(&sent, FIN | FRAME_PING, "?", 1);
                frames_add(&sent, FIN | FRAME_BINARY, payload + 1, sizeof(payload) - 1);
            }
            give_all();
            /* the inner transport's edge comes with each portion */
            inner.in_portion = portion;
            size_t n = 0;
            while (inner.in_len > 0)
                n += read_all(got + n, lens[len]);
            assert_int_equal(n, 3 * sizeof(payload));
            for (size_t i = 0; i < 3; i++)
                assert_memory_equal(got + i * sizeof(payload), payload, sizeof(payload));
        }
    }
}

/* As TCP gives it: all that is there, up to what was asked for. Then one edge has to do. */
static void one_edge_is_enough(void **state)
{
    (void)state;
    static uint8_t got[1 << 19];
    static const size_t lens[] = {1, 5, 300, 1 << 17};
    for (size_t len = 0; len < sizeof(lens) / sizeof(lens[0]); len++) {
        sent.len = 0;
        size_t bytes = lens[len] < 100 ? 500 : 200000;
        for (size_t i = 0; i < bytes / 4; i++) {
            frames_add(&sent, FIN | FRAME_BINARY, "abc", 3);
            if (sent.len > sizeof(sent.bytes) - 100)
                break;
        }
        give_all();
        size_t frames = sent.len / 9;
        assert_int_equal(read_all(got, lens[len]), 3 * frames);
        assert_int_equal(inner.in_len, 0);
    }
}

static void a_read_costs_one_read_of_64_kb(void **state)
{
    (void)state;
    static uint8_t buf[1 << 17];
    bool more;
    for (size_t i = 0; i < 50000; i++)
        frames_add(&sent, FIN | FRAME_PING, "", 0);
    give_all();
    size_t before = inner.in_len;
    assert_int_equal(read_once(buf, sizeof(buf), &more), -1);
    assert_int_equal(errno, EAGAIN);
    assert_true(more);
    assert_int_equal(inner.reads, 1);
    assert_int_equal(before - inner.in_len, RAW_AT_ONCE);
    assert_int_equal(inner.writes, 1); /* one pong */
    expect_out("\x8a\0", 2);
}

static void an_empty_read_says_so(void **state)
{
    (void)state;
    uint8_t buf[16];
    bool more;
    assert_int_equal(read_once(buf, sizeof(buf), &more), -1);
    assert_int_equal(errno, EAGAIN);
    assert_false(more);
    assert_false(inner.finished);
}

static void readiness_and_peer_are_the_inner_ones(void **state)
{
    (void)state;
    inner.base.ready(inner.base.arg, TRANSPORT_READABLE | TRANSPORT_EOF);
    assert_int_equal(told, TRANSPORT_READABLE | TRANSPORT_EOF);
    assert_int_equal(ws->peer.port, 7);
    assert_int_equal(ws->ops->silent_ms(ws), 42);
}

/* ---- ends -------------------------------------------------------------------------------------- */

static void bytes_before_a_close_count(void **state)
{
    (void)state;
    uint8_t buf[64];
    bool more;
    frames_add(&sent, FIN | FRAME_BINARY, "last", 4);
    frames_add(&sent, FIN | FRAME_CLOSE, "\x0f\xa1why", 5);
    give_all();
    assert_int_equal(read_once(buf, sizeof(buf), &more), 4);
    assert_true(more);
    assert_int_equal(write_text("answer"), 6); /* what it says may still be answered */
    assert_int_equal(read_once(buf, sizeof(buf), &more), 0);
    assert_int_equal(read_once(buf, sizeof(buf), &more), 0);
    let_go(); /* the client ends as at any end of the stream: without finish */
    expect_out("\x82\6answer\x88\2\x0f\xa1", 12);
    assert_true(inner.finished);
}

static void an_empty_close_is_answered_by_one(void **state)
{
    (void)state;
    uint8_t buf[16];
    bool more;
    frames_add(&sent, FIN | FRAME_CLOSE, "", 0);
    give_all();
    assert_int_equal(read_once(buf, sizeof(buf), &more), 0);
    ws->ops->finish(ws, false);
    let_go();
    expect_out("\x88\0", 2);
}

static void a_violation_is_an_error_behind_the_bytes_before_it(void **state)
{
    (void)state;
    uint8_t buf[64];
    bool more;
    frames_add(&sent, FIN | FRAME_BINARY, "good", 4);
    frames_add(&sent, FIN | FRAME_TEXT, "text", 4);
    give_all();
    assert_int_equal(read_once(buf, sizeof(buf), &more), 4);
    assert_true(more);
    assert_int_equal(read_once(buf, sizeof(buf), &more), -1);
    assert_int_equal(errno, EPROTO);
    ws->ops->finish(ws, false);
    expect_out("\x88\2\x03\xeb", 4); /* 1003 */
    assert_true(inner.finished);
}

static void our_own_end_says_whether_we_are_going_away(void **state)
{
    (void)state;
    ws->ops->finish(ws, false);
    expect_out("\x88\2\x03\xe8", 4);
    assert_true(inner.finished && !inner.going_away);
    ws->ops->free(ws);
    assert_int_equal(inner.out_len, 0); /* not twice */
    setup(state);
    ws->ops->finish(ws, true);
    expect_out("\x88\2\x03\xe9", 4);
    assert_true(inner.going_away);
}

static void nothing_is_written_behind_the_inner_end(void **state)
{
    (void)state;
    static const int errors[] = {0, ECONNRESET};
    for (size_t i = 0; i < 2; i++) {
        uint8_t buf[16];
        bool more;
        inner.in_error = errors[i];
        assert_int_equal(read_once(buf, sizeof(buf), &more), errors[i] == 0 ? 0 : -1);
        if (errors[i] != 0)
            ws->ops->finish(ws, false);
        ws->ops->free(ws);
        assert_int_equal(inner.finished, errors[i] != 0); /* not by free alone */
        assert_int_equal(inner.writes, 0);
        setup(state);
    }
    inner.out_error = EPIPE;
    assert_int_equal(write_text("a"), -1);
    ws->ops->finish(ws, false);
    assert_int_equal(inner.writes, 1);
    assert_true(inner.finished);
}

/* ---- writing ------------------------------------------------------------------------------------ */

/* Takes frames off what was written; returns the bytes of messages and counts pongs. */
static size_t unframe(uint8_t *to, unsigned *pongs)
{
    size_t at = 0;
    size_t n = 0;
    *pongs = 0;
    while (at < inner.out_len) {
        const uint8_t *h = inner.out + at;
        size_t header = h[1] < 126 ? 2 : h[1] == 126 ? 4 : 10;
        uint64_t len = h[1] < 126 ? h[1] : 0;
        for (size_t i = 2; i < header; i++)
            len = len << 8 | h[i];
        at += header;
        assert_true(at + len <= inner.out_len);
        if (h[0] == (FIN | FRAME_PONG)) {
            ++*pongs;
        } else {
            assert_int_equal(h[0], FIN | FRAME_BINARY);
            memcpy(to + n, inner.out + at, len);
            n += len;
        }
        at += len;
    }
    inner.out_len = 0;
    return n;
}

static void pieces_become_one_frame_in_one_write(void **state)
{
    (void)state;
    struct iovec iov[] = {{(void *)"ab", 2}, {(void *)"cde", 3}, {(void *)"f", 1}};
    assert_int_equal(ws->ops->writev(ws, iov, 3), 6);
    assert_int_equal(inner.writes, 1);
    expect_out("\x82\6abcdef", 8);
}

/* Some clients look for a second packet in a frame only when more bytes come. */
static void each_packet_has_a_frame_of_its_own_in_one_write(void **state)
{
    (void)state;
    struct iovec iov[] = {
        {(void *)"\xd0\0\x40", 3}, {(void *)"\2\0\1\x30", 4}, {(void *)"\5\0\1txy", 6}};
    assert_int_equal(ws->ops->writev(ws, iov, 3), 13);
    assert_int_equal(inner.writes, 1);
    expect_out("\x82\2\xd0\0\x82\4\x40\2\0\1\x82\7\x30\5\0\1txy", 19);
}

static void packets_keep_their_frames_wherever_a_write_is_cut(void **state)
{
    (void)state;
    static const char packets[] = "\xd0\0\x40\2\0\1\x30\5\0\1txy\xd0\0";
    size_t len = sizeof(packets) - 1;
    for (size_t portion = 1; portion < 24; portion++) {
        inner.out_portion = portion;
        for (size_t done = 0; done < len;) {
            struct iovec rest = {(void *)(packets + done), len - done};
            ssize_t n = ws->ops->writev(ws, &rest, 1);
            assert_true(n > 0);
            done += (size_t)n;
        }
        expect_out("\x82\2\xd0\0\x82\4\x40\2\0\1\x82\7\x30\5\0\1txy\x82\2\xd0\0", 23);
    }
}

/* As output.c writes: it comes back with what wasn't taken, and with more behind it. */
static void frames_stay_whole_whatever_is_taken(void **state)
{
    (void)state;
    static uint8_t payload[70000];
    static uint8_t got[1 << 19];
    static const size_t portions[] = {1, 2, 3, 9, 11, 1000, 65536, SIZE_MAX};
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 11);
    for (size_t p = 0; p < sizeof(portions) / sizeof(portions[0]); p++) {
        size_t done = 0;
        size_t end = 0;
        unsigned pongs;
        inner.out_portion = portions[p];
        inner.room = 0;
        while (done < sizeof(payload)) {
            end = end + 997 < sizeof(payload) ? end + 997 : sizeof(payload);
            struct iovec iov[] = {
                {payload + done, (end - done) / 2},
                {payload + done + (end - done) / 2, end - done - (end - done) / 2}};
            ssize_t n = ws->ops->writev(ws, iov, 2);
            if (n < 0) {
                assert_int_equal(errno, EAGAIN);
                inner.room = 600 + p;
            } else {
                assert_true(n > 0);
                done += (size_t)n;
            }
        }
        assert_int_equal(unframe(got, &pongs), sizeof(payload));
        assert_memory_equal(got, payload, sizeof(payload));
    }
}

static void a_frame_has_32_kb_at_most(void **state)
{
    (void)state;
    static uint8_t bytes[40000] = {0x30, 0xff, 0xff, 0xff, 0x7f};
    struct iovec iov[] = {{bytes, 30000}, {bytes, 20000}};
    assert_int_equal(ws->ops->writev(ws, iov, 2), 50000);
    assert_int_equal(inner.out_len, 4 + 32768 + 4 + 50000 - 32768);
    assert_memory_equal(inner.out, "\x82\x7e\x80\0", 4);
    assert_memory_equal(inner.out + 4 + 32768, "\x82\x7e\x43\x50", 4);
}

static void more_pieces_than_it_takes_are_written_in_turn(void **state)
{
    (void)state;
    struct iovec iov[70];
    for (size_t i = 0; i < 70; i++)
        iov[i] = (struct iovec){(void *)"x", 1};
    assert_int_equal(ws->ops->writev(ws, iov, 70), 64);
    assert_int_equal(ws->ops->writev(ws, iov, 6), 6);
    assert_int_equal(inner.out_len, 70 + 4);
}

static void a_pong_waits_for_the_open_frame(void **state)
{
    (void)state;
    uint8_t buf[16];
    bool more;
    inner.room = 4;
    assert_int_equal(write_text("abcdef"), 2);
    frames_add(&sent, FIN | FRAME_PING, "1", 1);
    frames_add(&sent, FIN | FRAME_PING, "2", 1);
    give_all();
    read_once(buf, sizeof(buf), &more);
    inner.room = SIZE_MAX;
    inner.base.ready(inner.base.arg, TRANSPORT_WRITABLE);
    assert_int_equal(inner.out_len, 4); /* the client goes on first */
    assert_int_equal(write_text("cdefgh"), 4);
    assert_int_equal(write_text("gh"), 2);
    expect_out("\x82\6abcdef\x8a\1\x32\x82\2gh", 15);
}

static void a_pong_that_was_cut_goes_on(void **state)
{
    (void)state;
    uint8_t buf[16];
    bool more;
    frames_add(&sent, FIN | FRAME_PING, "ping", 4);
    give_all();
    inner.room = 3;
    read_once(buf, sizeof(buf), &more);
    assert_int_equal(inner.out_len, 3);
    give_all(); /* another ping: its answer doesn't cut the first one */
    read_once(buf, sizeof(buf), &more);
    inner.room = 1;
    inner.base.ready(inner.base.arg, TRANSPORT_WRITABLE);
    assert_int_equal(inner.out_len, 4);
    inner.room = SIZE_MAX;
    assert_int_equal(write_text("x"), 1);
    assert_int_equal(write_text("y"), 1);
    expect_out("\x8a\4ping\x82\1x\x8a\4ping\x82\1y", 18);
    inner.base.ready(inner.base.arg, TRANSPORT_WRITABLE);
    assert_int_equal(inner.out_len, 0);
}

static void an_open_frame_gets_no_close(void **state)
{
    (void)state;
    inner.room = 4;
    assert_int_equal(write_text("abcdef"), 2);
    inner.room = SIZE_MAX;
    ws->ops->finish(ws, false);
    assert_int_equal(inner.out_len, 4);
    assert_true(inner.finished);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_left_behind_in_any_portions),
        TEST(one_edge_is_enough),
        TEST(a_read_costs_one_read_of_64_kb),
        TEST(an_empty_read_says_so),
        TEST(readiness_and_peer_are_the_inner_ones),
        TEST(bytes_before_a_close_count),
        TEST(an_empty_close_is_answered_by_one),
        TEST(a_violation_is_an_error_behind_the_bytes_before_it),
        TEST(our_own_end_says_whether_we_are_going_away),
        TEST(nothing_is_written_behind_the_inner_end),
        TEST(pieces_become_one_frame_in_one_write),
        TEST(each_packet_has_a_frame_of_its_own_in_one_write),
        TEST(packets_keep_their_frames_wherever_a_write_is_cut),
        TEST(frames_stay_whole_whatever_is_taken),
        TEST(a_frame_has_32_kb_at_most),
        TEST(more_pieces_than_it_takes_are_written_in_turn),
        TEST(a_pong_waits_for_the_open_frame),
        TEST(a_pong_that_was_cut_goes_on),
        TEST(an_open_frame_gets_no_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
