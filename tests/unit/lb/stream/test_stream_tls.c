/* TLS streams against a client of OpenSSL's own, in one thread over a socket pair. What holds for
 * all kinds is checked for streams that left OpenSSL as well. */
#include "lb/stream/stream_tls.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "lb/stream/pipe_pool.h"
#include "lb/stream/relay.h"
#include "tests/unit/lb/tls_rig.h"

static void several_records_of_a_burst_come_by_one_read(void **state)
{
    (void)state;
    char buf[1024];
    connect_tls();
    while (rig.stream.readable)
        assert_int_equal(read_stream(buf, sizeof(buf)), STREAM_AGAIN);
    for (int i = 0; i < 5; i++)
        assert_int_equal(SSL_write(rig.client, "0123456789", 10), 10);
    assert_int_equal(read_stream(buf, sizeof(buf)), 50);
    assert_false(rig.stream.readable); /* drained, and known to be */
}

static void small_buffer_gets_the_rest_later_without_another_edge(void **state)
{
    (void)state;
    char buf[8];
    size_t got = 0;
    connect_tls();
    assert_int_equal(SSL_write(rig.client, "0123456789abcdefghij", 20), 20);
    poll_now();
    while (rig.stream.readable) {
        ssize_t n = stream_read(&rig.stream, buf, sizeof(buf));
        if (n > 0)
            got += (size_t)n;
    }
    assert_int_equal(got, 20);
}

static void end_with_and_without_close_notify_ends_the_reading(void **state)
{
    (void)state;
    char buf[64];
    for (int notify = 0; notify < 2; notify++) {
        connect_tls();
        assert_int_equal(SSL_write(rig.client, "last", 4), 4);
        if (notify)
            SSL_shutdown(rig.client);
        shutdown(rig.client_fd, SHUT_WR);
        assert_int_equal(read_stream(buf, sizeof(buf)), 4);
        if (!rig.stream.ended)
            assert_int_equal(read_stream(buf, sizeof(buf)), 0);
        assert_true(rig.stream.ended);
        assert_false(rig.stream.broken); /* the other direction lives on */
        assert_int_equal(stream_write(&rig.stream, "answer", 6), 6);
        assert_int_equal(SSL_read(rig.client, buf, sizeof(buf)), 6);
        hang_up();
    }
}

static void shutdown_says_close_notify_and_goes_on_reading(void **state)
{
    (void)state;
    char buf[64];
    connect_tls();
    assert_true(stream_shutdown(&rig.stream, false));
    assert_int_equal(SSL_read(rig.client, buf, sizeof(buf)), 0);
    assert_int_equal(SSL_get_error(rig.client, 0), SSL_ERROR_ZERO_RETURN);
    assert_int_equal(SSL_write(rig.client, "still", 5), 5);
    assert_int_equal(read_stream(buf, sizeof(buf)), 5);
}

static void bytes_that_are_not_tls_fail_that_handshake_only(void **state)
{
    (void)state;
    char why[160];
    dial();
    assert_int_equal(send(rig.client_fd, "GET / HTTP/1.0\r\n\r\n", 18, 0), 18);
    poll_now();
    assert_true(stream_tls_start(&rig.stream, rig.server_ctx, rig.method));
    assert_int_equal(stream_tls_handshake(&rig.stream), TLS_HANDSHAKE_FAILED);
    assert_true(strlen(tls_error(why, sizeof(why))) > 0);
    hang_up();
    connect_tls();
}

static void garbage_after_the_handshake_breaks_the_stream(void **state)
{
    (void)state;
    char buf[64];
    connect_tls();
    assert_int_equal(send(rig.client_fd, "garbage that is no record", 25, 0), 25);
    ssize_t n;
    while ((n = read_stream(buf, sizeof(buf))) == STREAM_AGAIN && rig.stream.readable)
        ;
    assert_int_equal(n, 0);
    assert_true(rig.stream.ended && rig.stream.broken);
    hang_up();
    connect_tls(); /* no error is left behind in OpenSSL's queue */
    resume(true);
}

static void client_below_the_minimum_version_is_refused(void **state)
{
    (void)state;
    SSL_CTX_free(rig.server_ctx);
    rig.server_ctx = server_context(rig.tickets, TLS_FROM_1_3);
    dial();
    SSL_set_max_proto_version(rig.client, TLS1_2_VERSION);
    assert_int_equal(shake(), TLS_HANDSHAKE_FAILED);
    char why[160];
    tls_error(why, sizeof(why));
}

static void ticket_resumes_until_its_key_has_rotated_out(void **state)
{
    (void)state;
    connect_tls();
    resume(true);
    resume(true);                                    /* a resumption brings the next ticket */
    tls_tickets_rotate(rig.tickets, UINT64_MAX / 2); /* the clock is an argument: a period later */
    resume(true);                                    /* by the older key, and renewed */
    resume(true);
    char byte;
    SSL_read(rig.client, &byte, 1);
    for (unsigned i = 1; i <= 3; i++)
        tls_tickets_rotate(rig.tickets, UINT64_MAX / 2 + i * 1000);
    resume(false);
}

static void tickets_resume_in_a_context_that_a_reload_made(void **state)
{
    (void)state;
    connect_tls();
    char byte;
    SSL_read(rig.client, &byte, 1);
    hang_up();
    SSL_CTX_free(rig.server_ctx);
    rig.server_ctx = server_context(rig.tickets, TLS_FROM_1_2);
    dial();
    SSL_set_session(rig.client, rig.session);
    assert_int_equal(shake(), TLS_HANDSHAKE_DONE);
    assert_true(SSL_session_reused(rig.client));
}

static void tls12_client_is_served_and_resumed(void **state)
{
    (void)state;
    SSL_CTX_set_max_proto_version(rig.client_ctx, TLS1_2_VERSION);
    connect_tls();
    resume(true);
    SSL_CTX_set_max_proto_version(rig.client_ctx, 0);
}

/* A TLS stream relayed to a plain one under random back-pressure: records, partial writes, ends. */
struct peer {
    size_t sent, got, total;
    size_t retry; /* length of a write that OpenSSL wants to see again */
    bool ended;
};

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 7 + (at >> 9));
}

static void client_turn(struct peer *p)
{
    uint8_t buf[20000];
    size_t n = p->retry != 0 ? p->retry : (size_t)random() % sizeof(buf) + 1;
    if (n > p->total - p->sent)
        n = p->total - p->sent;
    for (size_t i = 0; i < n; i++)
        buf[i] = pattern(p->sent + i);
    int done = n == 0 ? 0 : SSL_write(rig.client, buf, (int)n);
    if (done > 0)
        p->sent += (size_t)done;
    p->retry = done > 0 ? 0 : n;
    int got = SSL_read(rig.client, buf, (int)(random() % (long)sizeof(buf) + 1));
    for (int i = 0; i < got; i++)
        assert_int_equal(buf[i], pattern(p->got + (size_t)i));
    if (got > 0)
        p->got += (size_t)got;
    else if (SSL_get_error(rig.client, got) == SSL_ERROR_ZERO_RETURN)
        p->ended = true;
}

static void server_turn(struct peer *p, int fd)
{
    uint8_t buf[20000];
    size_t n = (size_t)random() % sizeof(buf) + 1;
    if (n > p->total - p->sent)
        n = p->total - p->sent;
    for (size_t i = 0; i < n; i++)
        buf[i] = pattern(p->sent + i);
    ssize_t done = n == 0 ? 0 : send(fd, buf, n, MSG_NOSIGNAL);
    if (done > 0)
        p->sent += (size_t)done;
    if (p->sent == p->total)
        shutdown(fd, SHUT_WR);
    ssize_t got = recv(fd, buf, (size_t)random() % sizeof(buf) + 1, 0);
    for (ssize_t i = 0; i < got; i++)
        assert_int_equal(buf[i], pattern(p->got + (size_t)i));
    if (got > 0)
        p->got += (size_t)got;
}

static struct stream plain;

static void on_plain_ready(struct poll_target *t, uint32_t events)
{
    (void)t;
    stream_ready(&plain, events);
}

static void relay_keeps_all_bytes_between_tls_and_plain(void **state)
{
    (void)state;
    int fds[2];
    int small = 8192;
    struct pipe_pool pipes = {0};
    struct relay_env env = {.buffer = malloc(RELAY_BUFFER), .pipes = &pipes};
    struct relay up = {0};
    struct relay down = {0};
    struct peer client = {.total = 1500000};
    struct peer server = {.total = 1700000};
    struct poll_target target = {.ready = on_plain_ready};
    srandom(3);
    connect_tls();
    setsockopt(rig.client_fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    setsockopt(rig.stream.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    SSL_set_mode(rig.client, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    stream_init_plain(&plain, fds[0]);
    assert_true(poller_add(&rig.poller, fds[0], POLLER_STREAM, &target));
    for (int i = 0; i < 1000000 && !(client.ended && server.got == client.total); i++) {
        switch (random() % 3) {
        case 0:
            client_turn(&client);
            break;
        case 1:
            server_turn(&server, fds[1]);
            break;
        default:
            poll_now();
            relay_pump(&up, &rig.stream, &plain, &env);
            relay_pump(&down, &plain, &rig.stream, &env);
        }
    }
    assert_int_equal(server.got, client.total);
    assert_int_equal(client.got, server.total);
    assert_true(client.ended);
    relay_fini(&up, &pipes);
    relay_fini(&down, &pipes);
    stream_close(&plain, &rig.poller);
    close(fds[1]);
    free(env.buffer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_init, rig_fini)
#define TAKEN(name)                                                                                \
    {                                                                                              \
        "record_stream_" #name, name, rig_init_taking, rig_fini, NULL                              \
    }
    const struct CMUnitTest tests[] = {
        TEST(several_records_of_a_burst_come_by_one_read),
        TEST(small_buffer_gets_the_rest_later_without_another_edge),
        TEST(end_with_and_without_close_notify_ends_the_reading),
        TEST(shutdown_says_close_notify_and_goes_on_reading),
        TEST(bytes_that_are_not_tls_fail_that_handshake_only),
        TEST(garbage_after_the_handshake_breaks_the_stream),
        TEST(client_below_the_minimum_version_is_refused),
        TEST(ticket_resumes_until_its_key_has_rotated_out),
        TEST(tickets_resume_in_a_context_that_a_reload_made),
        TEST(tls12_client_is_served_and_resumed),
        TEST(relay_keeps_all_bytes_between_tls_and_plain),
        TAKEN(several_records_of_a_burst_come_by_one_read),
        TAKEN(small_buffer_gets_the_rest_later_without_another_edge),
        TAKEN(end_with_and_without_close_notify_ends_the_reading),
        TAKEN(shutdown_says_close_notify_and_goes_on_reading),
        TAKEN(garbage_after_the_handshake_breaks_the_stream),
        TAKEN(ticket_resumes_until_its_key_has_rotated_out),
        TAKEN(tls12_client_is_served_and_resumed),
        TAKEN(relay_keeps_all_bytes_between_tls_and_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
