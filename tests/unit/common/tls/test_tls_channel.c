/* tls_channel: bytes both ways, carriers that take nothing, ends, and what isn't TLS. */
#include "common/tls/tls_channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "tests/unit/tls_peer.h"

static struct tls_peer p;
static struct tls_channel *c;
static bool more;

static int setup(void **state)
{
    (void)state;
    peer_init(&p, TLS_CLIENT_AUTH_NONE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tls_channel_free(c);
    c = NULL;
    peer_fini(&p);
    return 0;
}

static void open_channel(void)
{
    struct tls_carrier carrier = {.receive = peer_receive, .send = peer_send, .arg = &p};
    peer_dial(&p);
    SSL *ssl = SSL_new(p.ctx);
    SSL_set_accept_state(ssl);
    c = tls_channel_new(ssl, p.method, &carrier);
    assert_non_null(c);
}

static enum tls_channel_progress shake_hands(void)
{
    enum tls_channel_progress ours = TLS_CHANNEL_WAIT;
    for (int i = 0; i < 20 && ours == TLS_CHANNEL_WAIT; i++) {
        SSL_do_handshake(p.client);
        ERR_clear_error();
        ours = tls_channel_handshake(c, &more);
    }
    SSL_do_handshake(p.client);
    return ours;
}

static void open_secured(int version)
{
    SSL_CTX_set_max_proto_version(p.client_ctx, version);
    open_channel();
    assert_int_equal(shake_hands(), TLS_CHANNEL_DONE);
    assert_int_equal(SSL_version(p.client), version);
}

static ssize_t write_one(const void *data, size_t len)
{
    struct iovec iov = {.iov_base = (void *)data, .iov_len = len};
    return tls_channel_writev(c, &iov, 1);
}

static void both_versions_carry_bytes_both_ways(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    char buf[64];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        open_secured(versions[i]);
        assert_int_equal(SSL_write(p.client, "hello", 5), 5);
        assert_int_equal(tls_channel_read(c, buf, sizeof(buf), &more), 5);
        assert_memory_equal(buf, "hello", 5);
        assert_int_equal(tls_channel_read(c, buf, sizeof(buf), &more), -1);
        assert_int_equal(errno, EAGAIN);
        assert_false(more);
        struct iovec iov[] = {{.iov_base = (void *)"wo", .iov_len = 2},
                              {.iov_base = (void *)"rld", .iov_len = 3}};
        assert_int_equal(tls_channel_writev(c, iov, 2), 5);
        assert_int_equal(SSL_read(p.client, buf, sizeof(buf)), 5); /* one record */
        assert_memory_equal(buf, "world", 5);
        tls_channel_free(c);
        c = NULL;
        peer_hang_up(&p);
    }
}

static void bytes_that_were_read_before_come_first(void **state)
{
    uint8_t hello[2048];
    (void)state;
    open_channel();
    SSL_do_handshake(p.client);
    ssize_t n = recv(p.fd, hello, sizeof(hello), 0);
    assert_true(n > 100);
    assert_true(tls_channel_feed(c, hello, (size_t)n));
    assert_int_equal(shake_hands(), TLS_CHANNEL_DONE);
}

static void a_burst_is_one_receive(void **state)
{
    char buf[4096];
    (void)state;
    open_secured(TLS1_3_VERSION);
    for (int i = 0; i < 20; i++)
        assert_int_equal(SSL_write(p.client, "0123456789", 10), 10);
    p.receives = 0;
    assert_int_equal(tls_channel_read(c, buf, sizeof(buf), &more), 200);
    assert_int_equal(p.receives, 1);
    assert_false(more);
}

static void what_is_longer_than_the_buffer_stays_for_the_next_read(void **state)
{
    char buf[300];
    (void)state;
    open_secured(TLS1_3_VERSION);
    memset(buf, 'x', sizeof(buf));
    assert_int_equal(SSL_write(p.client, buf, 300), 300);
    assert_int_equal(tls_channel_read(c, buf, 200, &more),
                     200); /* all that was asked: read again */
    assert_int_equal(tls_channel_read(c, buf, 200, &more), 100);
}

static void a_call_ends_while_more_comes(void **state)
{
    static char data[16 * 1024];
    static char buf[512 * 1024];
    size_t sent = 0;
    size_t got = 0;
    int rounds = 0;
    (void)state;
    open_secured(TLS1_3_VERSION);
    int size = 1 << 20;
    setsockopt(p.client_fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    for (int i = 0; i < 12; i++)
        sent += (size_t)SSL_write(p.client, data, sizeof(data));
    do {
        ssize_t n = tls_channel_read(c, buf, sizeof(buf), &more);
        assert_true(n > 0);
        got += (size_t)n;
        rounds++;
    } while (more);
    assert_int_equal(got, sent);
    assert_true(rounds > 1);
}

static void what_the_carrier_does_not_take_goes_out_first(void **state)
{
    char buf[64];
    (void)state;
    open_secured(TLS1_3_VERSION);
    SSL_read(p.client, buf, sizeof(buf)); /* the ticket */
    p.blocked = true;
    assert_int_equal(write_one("one", 3), 3); /* kept */
    assert_false(tls_channel_flush(c));
    assert_int_equal(write_one("other", 5), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(SSL_read(p.client, buf, sizeof(buf)), -1);
    p.blocked = false;
    assert_int_equal(write_one("two", 3), 3); /* other bytes than those that weren't taken */
    assert_int_equal(SSL_read(p.client, buf, sizeof(buf)), 3);
    assert_memory_equal(buf, "one", 3);
    assert_int_equal(SSL_read(p.client, buf, sizeof(buf)), 3);
    assert_memory_equal(buf, "two", 3);
    assert_true(tls_channel_flush(c));
}

static void a_peer_that_takes_nothing_is_bounded(void **state)
{
    char buf[64];
    (void)state;
    SSL_CTX_set_max_proto_version(p.client_ctx, TLS1_2_VERSION);
    open_channel();
    assert_int_equal(shake_hands(), TLS_CHANNEL_DONE);
    p.blocked = true;
    /* Each attempt at a renegotiation is answered by an alert. */
    ssize_t n = -1;
    int err = EAGAIN;
    for (int i = 0; i < 20000 && n < 0 && err == EAGAIN; i++) {
        if (SSL_renegotiate(p.client) != 1)
            break;
        SSL_do_handshake(p.client);
        ERR_clear_error();
        n = tls_channel_read(c, buf, sizeof(buf), &more);
        err = errno;
    }
    assert_true(n <= 0); /* it came to nothing, or the connection is over */
    p.blocked = false;
}

static void after_a_failed_send_what_came_before_is_read(void **state)
{
    char buf[64];
    (void)state;
    open_secured(TLS1_3_VERSION);
    assert_int_equal(SSL_write(p.client, "bye", 3), 3);
    p.send_errno = ECONNRESET;
    assert_int_equal(write_one("x", 1), -1);
    assert_int_equal(errno, ECONNRESET);
    assert_int_equal(tls_channel_read(c, buf, sizeof(buf), &more), 3);
    assert_memory_equal(buf, "bye", 3);
    assert_int_equal(write_one("x", 1), -1);
    assert_true(tls_channel_flush(c));
}

static void ends_are_told(void **state)
{
    char buf[64];
    (void)state;
    open_secured(TLS1_3_VERSION);
    assert_int_equal(SSL_write(p.client, "bye", 3), 3);
    SSL_shutdown(p.client);
    assert_int_equal(tls_channel_read(c, buf, sizeof(buf), &more), 3);
    assert_true(more); /* the end, which no edge announces */
    assert_int_equal(tls_channel_read(c, buf, sizeof(buf), &more), 0);
    assert_int_equal(tls_channel_read(c, buf, sizeof(buf), &more), 0);
    tls_channel_close(c);
    assert_int_equal(SSL_read(p.client, buf, sizeof(buf)), 0);
    assert_int_equal(SSL_get_shutdown(p.client) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
}

static void an_end_without_words_is_one(void **state)
{
    char buf[64];
    (void)state;
    open_secured(TLS1_3_VERSION);
    shutdown(p.client_fd, SHUT_WR);
    assert_int_equal(tls_channel_read(c, buf, sizeof(buf), &more), 0);
}

static void the_begin_of_a_record_and_the_end_are_told(void **state)
{
    static const uint8_t part[] = {SSL3_RT_APPLICATION_DATA, 3, 3, 1, 0, 'x'};
    char buf[64];
    (void)state;
    open_secured(TLS1_3_VERSION);
    assert_int_equal(send(p.client_fd, part, sizeof(part), 0), sizeof(part));
    shutdown(p.client_fd, SHUT_WR);
    assert_int_equal(tls_channel_read(c, buf, sizeof(buf), &more), -1);
    assert_int_equal(errno, EAGAIN);
    assert_true(more);
    assert_int_equal(tls_channel_read(c, buf, sizeof(buf), &more), 0);
}

static void failed_with(const char *reason)
{
    char why[160];
    tls_channel_failure(c, why, sizeof(why));
    if (strstr(why, reason) == NULL)
        fail_msg("'%s' has no '%s'", why, reason);
    assert_int_equal(ERR_peek_error(), 0);
    tls_channel_free(c);
    c = NULL;
    peer_hang_up(&p);
}

static void bad_bytes_end_it(void **state)
{
    char buf[64];
    (void)state;
    open_secured(TLS1_3_VERSION);
    assert_int_equal(send(p.client_fd, "garbage in place of a record", 28, 0), 28);
    assert_int_equal(tls_channel_read(c, buf, sizeof(buf), &more), -1);
    assert_int_equal(errno, EPROTO);
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(tls_channel_read(c, buf, sizeof(buf), &more), -1);
    assert_int_equal(errno, EPROTO);
    assert_int_equal(write_one("x", 1), -1);
    tls_channel_close(c); /* harmless */
    failed_with("wrong version number");
}

static void a_plain_client_is_named_so(void **state)
{
    static const char *const first[] = {"\x10\x0c\0\4MQTT\4\2\0\0\0\0", "GET / HTTP/1.1\r\n\r\n"};
    static const size_t lens[] = {14, 18};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        open_channel();
        assert_int_equal(send(p.client_fd, first[i], lens[i], 0), (ssize_t)lens[i]);
        assert_int_equal(tls_channel_handshake(c, &more), TLS_CHANNEL_FAILED);
        failed_with("isn't TLS");
    }
}

static void half_a_hello_waits_and_its_end_is_a_failure(void **state)
{
    uint8_t hello[2048];
    (void)state;
    open_channel();
    SSL_do_handshake(p.client);
    ssize_t n = recv(p.fd, hello, sizeof(hello), 0);
    assert_int_equal(send(p.client_fd, hello, (size_t)n / 2, 0), n / 2);
    assert_int_equal(tls_channel_handshake(c, &more), TLS_CHANNEL_WAIT);
    assert_false(more);
    shutdown(p.client_fd, SHUT_WR);
    assert_int_equal(tls_channel_handshake(c, &more), TLS_CHANNEL_FAILED);
    failed_with("closed by peer");
}

static void a_wrong_certificate_is_named_so(void **state)
{
    struct tls_files theirs;
    (void)state;
    SSL_CTX_free(p.ctx);
    p.ctx = peer_context(&p, TLS_CLIENT_AUTH_REQUIRED);
    open_channel();
    assert_int_equal(shake_hands(), TLS_CHANNEL_FAILED);
    failed_with("did not return a certificate");
    tls_files_init(&theirs, "theirs");
    SSL_CTX_use_certificate_file(p.client_ctx, theirs.certificate, SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(p.client_ctx, theirs.key, SSL_FILETYPE_PEM);
    open_channel();
    assert_int_equal(shake_hands(), TLS_CHANNEL_FAILED);
    failed_with("certificate: ");
    tls_files_fini(&theirs);
}

static void errors_that_others_left_do_no_harm(void **state)
{
    char buf[64];
    (void)state;
    open_secured(TLS1_3_VERSION);
    ERR_raise(ERR_LIB_USER, 1);
    assert_int_equal(tls_channel_read(c, buf, sizeof(buf), &more), -1);
    assert_int_equal(errno, EAGAIN);
    ERR_raise(ERR_LIB_USER, 1);
    assert_int_equal(write_one("x", 1), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(both_versions_carry_bytes_both_ways),
        T(bytes_that_were_read_before_come_first),
        T(a_burst_is_one_receive),
        T(what_is_longer_than_the_buffer_stays_for_the_next_read),
        T(a_call_ends_while_more_comes),
        T(what_the_carrier_does_not_take_goes_out_first),
        T(a_peer_that_takes_nothing_is_bounded),
        T(after_a_failed_send_what_came_before_is_read),
        T(ends_are_told),
        T(an_end_without_words_is_one),
        T(the_begin_of_a_record_and_the_end_are_told),
        T(bad_bytes_end_it),
        T(a_plain_client_is_named_so),
        T(half_a_hello_waits_and_its_end_is_a_failure),
        T(a_wrong_certificate_is_named_so),
        T(errors_that_others_left_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
