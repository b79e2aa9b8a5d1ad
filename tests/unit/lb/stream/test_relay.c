/* One direction of a flow: over scripted streams (faults in any order), and over sockets with
 * random back-pressure on both sides at once. */
#include "lb/stream/relay.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lb/stream/pipe_pool.h"
#include "lb/stream/poller.h"
#include "lb/stream/stream.h"

/* ---- scripted streams: `state` is the script ---- */

struct script {
    const ssize_t *reads; /* bytes each read gives; 0: the end; -1: again; -2: error */
    size_t writes[16];    /* bytes each write takes at most; 0: blocks; SIZE_MAX: all */
    size_t read_at, write_at;
    size_t given, taken; /* bytes so far */
    bool shutdown_fails_once, shut_down;
    size_t taken_at_shutdown;
};

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 31 + (at >> 8));
}

static ssize_t script_read(struct stream *s, void *buf, size_t len)
{
    struct script *script = s->state;
    ssize_t n = script->reads[script->read_at++];
    if (n == -1) {
        s->readable = false;
        return STREAM_AGAIN;
    }
    if (n <= 0) {
        s->ended = true;
        s->broken = n < 0;
        return 0;
    }
    assert_true((size_t)n <= len);
    for (ssize_t i = 0; i < n; i++)
        ((uint8_t *)buf)[i] = pattern(script->given++);
    return n;
}

static size_t script_write(struct stream *s, const void *buf, size_t len)
{
    struct script *script = s->state;
    size_t n = script->writes[script->write_at++];
    if (n > len)
        n = len;
    for (size_t i = 0; i < n; i++)
        assert_int_equal(((const uint8_t *)buf)[i], pattern(script->taken++));
    if (n < len)
        s->writable = false;
    return n;
}

static bool script_shutdown(struct stream *s, bool closing)
{
    (void)closing;
    struct script *script = s->state;
    if (script->shutdown_fails_once) {
        script->shutdown_fails_once = false;
        return false;
    }
    script->shut_down = true;
    script->taken_at_shutdown = script->taken;
    return true;
}

static const struct stream_ops script_ops = {
    .read = script_read, .write = script_write, .shutdown = script_shutdown};

struct rig {
    struct pipe_pool pipes;
    struct relay_env env;
    struct relay relay;
    struct script source, sink;
    struct stream from, to;
};

static void rig_init(struct rig *r, const ssize_t *reads)
{
    memset(r, 0, sizeof(*r));
    r->env.buffer = malloc(RELAY_BUFFER);
    r->env.pipes = &r->pipes;
    r->source.reads = reads;
    for (size_t i = 0; i < 16; i++)
        r->sink.writes[i] = SIZE_MAX;
    r->from = (struct stream){.ops = &script_ops, .state = &r->source, .readable = true};
    r->to = (struct stream){.ops = &script_ops, .state = &r->sink, .writable = true};
}

static void rig_fini(struct rig *r)
{
    relay_fini(&r->relay, &r->pipes);
    pipe_pool_fini(&r->pipes);
    free(r->env.buffer);
}

static enum relay_verdict rig_pump(struct rig *r)
{
    return relay_pump(&r->relay, &r->from, &r->to, &r->env);
}

static void burst_goes_straight_through_and_leaves_nothing_behind(void **state)
{
    (void)state;
    static const ssize_t reads[] = {100, -1};
    struct rig r;
    rig_init(&r, reads);
    assert_int_equal(rig_pump(&r), RELAY_WAITING);
    assert_int_equal(r.sink.taken, 100);
    assert_int_equal(r.env.moved, 100);
    assert_int_equal(r.sink.write_at, 1);
    assert_null(r.relay.held);
    assert_null(r.relay.pipe);
    rig_fini(&r);
}

static void slow_destination_stops_the_reading_and_gets_everything(void **state)
{
    (void)state;
    static const ssize_t reads[] = {1000, 500, -1, -1};
    struct rig r;
    rig_init(&r, reads);
    r.sink.writes[0] = 300;
    assert_int_equal(rig_pump(&r), RELAY_BLOCKED);
    assert_int_equal(r.source.read_at, 1); /* not read on */
    assert_non_null(r.relay.held);
    r.to.writable = true;
    r.sink.writes[1] = 0; /* a false alarm */
    assert_int_equal(rig_pump(&r), RELAY_BLOCKED);
    r.to.writable = true;
    r.sink.writes[2] = 100;
    assert_int_equal(rig_pump(&r), RELAY_BLOCKED);
    assert_int_equal(r.source.read_at, 1);
    assert_true(relay_holds(&r.relay, &r.to));
    r.to.writable = true;
    assert_int_equal(rig_pump(&r), RELAY_WAITING);
    assert_false(relay_holds(&r.relay, &r.to));
    assert_int_equal(r.sink.taken, 1500);
    assert_null(r.relay.held);
    rig_fini(&r);
}

static void end_is_passed_on_only_after_the_last_byte(void **state)
{
    (void)state;
    static const ssize_t reads[] = {1000, 0};
    struct rig r;
    rig_init(&r, reads);
    r.sink.writes[0] = 10;
    assert_int_equal(rig_pump(&r), RELAY_BLOCKED);
    assert_false(r.sink.shut_down);
    r.to.writable = true;
    r.sink.shutdown_fails_once = true; /* a close_notify that doesn't fit at once */
    assert_int_equal(rig_pump(&r), RELAY_BLOCKED);
    assert_false(r.sink.shut_down);
    assert_int_equal(rig_pump(&r), RELAY_FINISHED);
    assert_true(r.sink.shut_down);
    assert_int_equal(r.sink.taken_at_shutdown, 1000);
    assert_int_equal(rig_pump(&r), RELAY_FINISHED); /* and not twice */
    rig_fini(&r);
}

static void what_was_read_before_a_reset_is_delivered(void **state)
{
    (void)state;
    static const ssize_t reads[] = {1000, -2};
    struct rig r;
    rig_init(&r, reads);
    r.sink.writes[0] = 10;
    assert_int_equal(rig_pump(&r), RELAY_BLOCKED);
    r.to.writable = true;
    assert_int_equal(rig_pump(&r), RELAY_FINISHED);
    assert_int_equal(r.sink.taken_at_shutdown, 1000);
    assert_true(r.from.broken);
    rig_fini(&r);
}

/* The flow passes the reset on, once the last bytes have arrived: an orderly end would be a lie. */
static void reset_is_not_passed_on_as_an_orderly_end(void **state)
{
    (void)state;
    static const ssize_t reads[] = {1000, -2};
    struct rig r;
    rig_init(&r, reads);
    r.from.aborted = true;
    assert_int_equal(rig_pump(&r), RELAY_FINISHED);
    assert_int_equal(r.sink.taken, 1000);
    assert_false(r.sink.shut_down);
    rig_fini(&r);
}

static void broken_destination_swallows_until_the_source_ends(void **state)
{
    (void)state;
    static const ssize_t reads[] = {1000, 1000, -1, 70, 0};
    struct rig r;
    rig_init(&r, reads);
    r.sink.writes[0] = 10;
    assert_int_equal(rig_pump(&r), RELAY_BLOCKED);
    r.to.broken = true;
    assert_int_equal(rig_pump(&r), RELAY_WAITING);
    assert_null(r.relay.held);
    r.from.readable = true;
    assert_int_equal(rig_pump(&r), RELAY_FINISHED);
    assert_int_equal(r.sink.taken, 10);
    assert_false(r.sink.shut_down);
    rig_fini(&r);
}

static void source_that_never_ends_is_given_up_behind_a_broken_destination(void **state)
{
    (void)state;
    enum { READS = 64 };
    ssize_t reads[READS];
    for (int i = 0; i < READS; i++)
        reads[i] = (ssize_t)RELAY_BUFFER;
    struct rig r;
    rig_init(&r, reads);
    r.to.broken = true;
    enum relay_verdict verdict = RELAY_MORE;
    while (verdict == RELAY_MORE && r.source.read_at < READS - 8)
        verdict = rig_pump(&r);
    assert_int_equal(verdict, RELAY_FINISHED);
    assert_true(r.from.broken);
    assert_true(r.source.given > RELAY_DROP_MAX);
    assert_true(r.source.given <= RELAY_DROP_MAX + RELAY_BUFFER);
    rig_fini(&r);
}

static void endless_source_gives_others_their_turn(void **state)
{
    (void)state;
    static ssize_t reads[64];
    struct rig r;
    for (size_t i = 0; i < 64; i++)
        reads[i] = (ssize_t)RELAY_BUFFER;
    rig_init(&r, reads);
    assert_int_equal(rig_pump(&r), RELAY_MORE);
    assert_in_range(r.env.moved, RELAY_BUDGET, RELAY_BUDGET + RELAY_BUFFER);
    rig_fini(&r);
}

static void adopted_bytes_come_before_what_is_read(void **state)
{
    (void)state;
    static const ssize_t reads[] = {50, -1};
    struct rig r;
    rig_init(&r, reads);
    uint8_t *bytes = malloc(120);
    for (size_t i = 0; i < 100; i++)
        bytes[20 + i] = pattern(i);
    r.source.given = 100;
    relay_adopt(&r.relay, bytes, 20, 120);
    assert_int_equal(rig_pump(&r), RELAY_WAITING);
    assert_int_equal(r.sink.taken, 150);
    rig_fini(&r);
}

/* ---- sockets ---- */

/* far.client <-> near.client  =relay=  near.server <-> far.server */
struct side {
    struct poll_target target;
    struct stream stream;
    int far_fd;
    size_t sent, received, total; /* at the far end */
    bool shut, ended;
};

struct sockets {
    struct poller poller;
    struct pipe_pool pipes;
    struct relay_env env;
    struct side client, server;
    struct relay up, down;
    size_t spliced;
    size_t most_piped; /* seen in one direction's pipe after a pump */
};

static void on_ready(struct poll_target *t, uint32_t events)
{
    stream_ready(&((struct side *)t)->stream, events);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void side_init(struct sockets *s, struct side *side, size_t total)
{
    int fds[2];
    int small = 8192;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    for (int i = 0; i < 2; i++)
        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    side->target.ready = on_ready;
    side->far_fd = fds[1];
    side->total = total;
    stream_init_plain(&side->stream, fds[0]);
    assert_true(poller_add(&s->poller, fds[0], POLLER_STREAM, &side->target));
}

static void sockets_init(struct sockets *s, size_t up, size_t down)
{
    memset(s, 0, sizeof(*s));
    assert_true(poller_init(&s->poller));
    s->env.buffer = malloc(RELAY_BUFFER);
    s->env.pipes = &s->pipes;
    side_init(s, &s->client, up);
    side_init(s, &s->server, down);
}

static void sockets_fini(struct sockets *s)
{
    relay_fini(&s->up, &s->pipes);
    relay_fini(&s->down, &s->pipes);
    stream_close(&s->client.stream, &s->poller);
    stream_close(&s->server.stream, &s->poller);
    close(s->client.far_fd);
    close(s->server.far_fd);
    assert_int_equal(s->pipes.open_count, s->pipes.idle_count);
    pipe_pool_fini(&s->pipes);
    poller_fini(&s->poller);
    free(s->env.buffer);
}

/* The far end writes a random piece of its stream, and shuts down after the last one. */
static void far_write(struct side *side, size_t most)
{
    uint8_t buf[65536];
    size_t left = side->total - side->sent;
    size_t n = (size_t)random() % most + 1;
    if (n > left)
        n = left;
    for (size_t i = 0; i < n; i++)
        buf[i] = pattern(side->sent + i);
    ssize_t sent = n == 0 ? 0 : send(side->far_fd, buf, n, MSG_NOSIGNAL);
    if (sent > 0)
        side->sent += (size_t)sent;
    if (side->sent == side->total && !side->shut && random() % 4 == 0) {
        shutdown(side->far_fd, SHUT_WR);
        side->shut = true;
    }
}

static void far_read(struct side *side, size_t most)
{
    uint8_t buf[65536];
    ssize_t n = recv(side->far_fd, buf, (size_t)random() % most + 1, 0);
    for (ssize_t i = 0; i < n; i++)
        assert_int_equal(buf[i], pattern(side->received + (size_t)i));
    if (n > 0)
        side->received += (size_t)n;
    if (n == 0)
        side->ended = true;
}

static void note_piped(struct sockets *s, const struct relay *r)
{
    if (r->pipe != NULL && r->pipe->bytes > s->most_piped)
        s->most_piped = r->pipe->bytes;
}

static void relay_turn(struct sockets *s, enum relay_verdict *up, enum relay_verdict *down)
{
    poller_wait(&s->poller, 0, nothing, NULL);
    *up = relay_pump(&s->up, &s->client.stream, &s->server.stream, &s->env);
    s->spliced += s->env.spliced;
    *down = relay_pump(&s->down, &s->server.stream, &s->client.stream, &s->env);
    s->spliced += s->env.spliced;
    note_piped(s, &s->up);
    note_piped(s, &s->down);
}

static void run_random(unsigned seed, size_t up_total, size_t down_total, size_t most,
                       bool want_splice)
{
    struct sockets s;
    enum relay_verdict up = RELAY_WAITING;
    enum relay_verdict down = RELAY_WAITING;
    srandom(seed);
    sockets_init(&s, up_total, down_total);
    for (int i = 0; i < 2000000; i++) {
        switch (random() % 6) {
        case 0:
            far_write(&s.client, most);
            break;
        case 1:
            far_write(&s.server, most);
            break;
        case 2:
            far_read(&s.client, most);
            break;
        case 3:
            far_read(&s.server, most);
            break;
        default:
            relay_turn(&s, &up, &down);
        }
        if (s.client.ended && s.server.ended)
            break;
    }
    assert_int_equal(s.server.received, up_total);
    assert_int_equal(s.client.received, down_total);
    assert_true(s.client.ended && s.server.ended);
    assert_null(s.up.held);
    assert_null(s.down.held);
    assert_null(s.up.pipe);
    assert_null(s.down.pipe);
    if (want_splice)
        assert_true(s.spliced > 0);
    sockets_fini(&s);
}

static void no_byte_is_lost_under_random_back_pressure_in_both_directions(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++)
        run_random(seed, 20000 + seed * 977, 30000 - seed * 311, 1500, false);
}

static void no_byte_is_lost_when_a_bulk_direction_is_spliced(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 5; seed++)
        run_random(seed, 3000000, seed % 2 == 0 ? 10 : 2000000, 65536, true);
}

/* A reader that takes nothing: the pipe holds one piece, the rest stays with the sender. */
static void stalled_reader_of_bulk_makes_the_relay_hold_one_piece(void **state)
{
    (void)state;
    struct sockets s;
    enum relay_verdict up = RELAY_WAITING;
    enum relay_verdict down = RELAY_WAITING;
    sockets_init(&s, 0, 0);
    int large = 1024 * 1024;
    setsockopt(s.client.far_fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
    setsockopt(s.server.stream.fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
    s.client.total = s.server.total = SIZE_MAX;
    for (int i = 0; i < 2000; i++) {
        far_write(&s.client, 65536);
        relay_turn(&s, &up, &down);
        relay_turn(&s, &up, &down);
    }
    assert_true(s.spliced > 0);
    assert_non_null(s.up.pipe);
    assert_in_range(s.most_piped, 1, RELAY_SPLICE);
    assert_null(s.up.held);
    while (s.server.received < s.client.sent) {
        far_read(&s.server, 65536);
        relay_turn(&s, &up, &down);
    }
    assert_null(s.up.pipe);
    sockets_fini(&s);
}

static void one_direction_ends_long_before_the_other(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 5; seed++) {
        run_random(seed, 0, 50000, 4000, false);
        run_random(seed, 50000, 0, 4000, false);
    }
}

/* What an edge-triggered relay gets wrong if a short read is taken as "drained" in any case. */
static void end_that_came_together_with_the_last_bytes_is_noticed(void **state)
{
    (void)state;
    struct sockets s;
    enum relay_verdict up;
    enum relay_verdict down;
    sockets_init(&s, 0, 0);
    assert_int_equal(send(s.client.far_fd, "bye", 3, 0), 3);
    shutdown(s.client.far_fd, SHUT_WR);
    relay_turn(&s, &up, &down);
    assert_int_equal(up, RELAY_FINISHED);
    char buf[8];
    assert_int_equal(recv(s.server.far_fd, buf, sizeof(buf), 0), 3);
    assert_int_equal(recv(s.server.far_fd, buf, sizeof(buf), 0), 0);
    sockets_fini(&s);
}

static void vanished_destination_ends_neither_loop_nor_process(void **state)
{
    (void)state;
    struct sockets s;
    enum relay_verdict up;
    enum relay_verdict down;
    sockets_init(&s, 0, 0);
    assert_int_equal(send(s.client.far_fd, "anybody", 7, 0), 7);
    close(s.server.far_fd);
    s.server.far_fd = -1;
    relay_turn(&s, &up, &down);
    assert_true(s.server.stream.broken);
    assert_int_equal(down, RELAY_FINISHED); /* its end went to the client */
    char buf[8];
    assert_int_equal(recv(s.client.far_fd, buf, sizeof(buf), 0), 0);
    sockets_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(burst_goes_straight_through_and_leaves_nothing_behind),
        cmocka_unit_test(slow_destination_stops_the_reading_and_gets_everything),
        cmocka_unit_test(end_is_passed_on_only_after_the_last_byte),
        cmocka_unit_test(what_was_read_before_a_reset_is_delivered),
        cmocka_unit_test(reset_is_not_passed_on_as_an_orderly_end),
        cmocka_unit_test(broken_destination_swallows_until_the_source_ends),
        cmocka_unit_test(source_that_never_ends_is_given_up_behind_a_broken_destination),
        cmocka_unit_test(endless_source_gives_others_their_turn),
        cmocka_unit_test(adopted_bytes_come_before_what_is_read),
        cmocka_unit_test(no_byte_is_lost_under_random_back_pressure_in_both_directions),
        cmocka_unit_test(no_byte_is_lost_when_a_bulk_direction_is_spliced),
        cmocka_unit_test(stalled_reader_of_bulk_makes_the_relay_hold_one_piece),
        cmocka_unit_test(one_direction_ends_long_before_the_other),
        cmocka_unit_test(end_that_came_together_with_the_last_bytes_is_noticed),
        cmocka_unit_test(vanished_destination_ends_neither_loop_nor_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
