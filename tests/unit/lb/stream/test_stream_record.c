/* Streams that left OpenSSL after the handshake, against a client of OpenSSL's own. What they have
 * in common with those that stay is in test_stream_tls.c. */
#include "lb/stream/stream_record.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lb/tls/tls_session.h"
#include "tests/unit/lb/tls_rig.h"

static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                     "TLS_CHACHA20_POLY1305_SHA256"};
#define SUITES (sizeof(suites) / sizeof(suites[0]))

static struct tls_crypt *crypt_;
static struct tls_keys forger; /* the client's keys, for records that OpenSSL wouldn't make */

static void on_client_secret(const SSL *ssl, const char *line)
{
    static const char label[] = "CLIENT_TRAFFIC_SECRET_0 ";
    uint8_t secret[TLS_DIGEST_MAX];
    size_t len;
    (void)ssl;
    if (strncmp(line, label, strlen(label)) == 0 &&
        OPENSSL_hexstr2buf_ex(secret, sizeof(secret), &len, strrchr(line, ' ') + 1, '\0') == 1 &&
        len == 32)
        tls_keys_init(crypt_, &forger, TLS_SUITE_AES_128_GCM, secret, 0);
}

static int setup(void **state)
{
    rig_init_taking(state);
    crypt_ = tls_crypt_new();
    SSL_CTX_set_keylog_callback(rig.client_ctx, on_client_secret);
    return 0;
}

static int teardown(void **state)
{
    tls_crypt_free(crypt_);
    return rig_fini(state);
}

static void forge(uint8_t type, const void *data, size_t len)
{
    uint8_t wire[256];
    size_t n = tls_record_seal(crypt_, &forger, type, data, len, wire);
    assert_int_equal(send(rig.client_fd, wire, n, 0), n);
}

static void client_says(const char *text)
{
    char buf[64];
    assert_int_equal(SSL_write(rig.client, text, (int)strlen(text)), (int)strlen(text));
    assert_int_equal(read_stream(buf, sizeof(buf)), (int)strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

static void client_hears(const char *text)
{
    char buf[64];
    assert_int_equal(stream_write(&rig.stream, text, strlen(text)), strlen(text));
    assert_int_equal(SSL_read(rig.client, buf, sizeof(buf)), (int)strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

/* The reason of the alert that ended the client's connection. */
static void client_sees_alert(int reason)
{
    char byte;
    ERR_clear_error();
    assert_true(SSL_read(rig.client, &byte, 1) <= 0);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), reason);
    ERR_clear_error();
}

static void all_suites_go_on_after_full_and_resumed_handshakes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SUITES; i++) {
        SSL_CTX_set_ciphersuites(rig.client_ctx, suites[i]);
        connect_tls();
        for (int resumed = 0; resumed < 3; resumed++) {
            assert_string_equal(SSL_get_cipher(rig.client), suites[i]);
            assert_null(stream_tls_ssl(&rig.stream));
            client_says("hello");
            client_hears("welcome");
            client_says("again");
            client_hears("and again");
            resume(true);
        }
        hang_up();
    }
}

static void no_ticket_means_no_record_was_written(void **state)
{
    (void)state;
    SSL_CTX_free(rig.server_ctx);
    rig.server_ctx = server_context(NULL, TLS_FROM_1_2);
    connect_tls();
    client_hears("welcome");
    client_says("hello");
}

static void data_that_came_with_the_handshake_is_read(void **state)
{
    (void)state;
    char buf[6000];
    static const size_t sizes[] = {1, 100, 3000, 6000}; /* below and above what is read ahead */
    memset(buf, 'x', sizeof(buf));
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        enum tls_handshake server = TLS_HANDSHAKE_WAIT;
        dial();
        assert_true(stream_tls_start(&rig.stream, rig.server_ctx, rig.method));
        while (SSL_do_handshake(rig.client) != 1) {
            poll_now();
            server = stream_tls_handshake(&rig.stream);
        }
        assert_int_equal(server, TLS_HANDSHAKE_WAIT); /* the Finished is still on its way */
        assert_int_equal(SSL_write(rig.client, buf, (int)sizes[i]), (int)sizes[i]);
        poll_now();
        assert_int_equal(stream_tls_handshake(&rig.stream), TLS_HANDSHAKE_DONE);
        assert_true(stream_record_take(&rig.stream, rig.records));
        size_t got = 0;
        while (rig.stream.readable) {
            ssize_t n = stream_read(&rig.stream, buf, sizeof(buf));
            if (n > 0)
                got += (size_t)n;
        }
        assert_int_equal(got, sizes[i]);
        client_hears("welcome");
        hang_up();
    }
}

static void records_may_come_byte_by_byte(void **state)
{
    (void)state;
    char buf[64];
    char *bytes;
    size_t got = 0;
    connect_tls();
    BIO *memory = BIO_new(BIO_s_mem());
    SSL_set0_wbio(rig.client, memory);
    assert_int_equal(SSL_write(rig.client, "0123456789", 10), 10);
    assert_int_equal(SSL_write(rig.client, "abc", 3), 3);
    long len = BIO_get_mem_data(memory, &bytes);
    for (long i = 0; i < len; i++) {
        assert_int_equal(send(rig.client_fd, bytes + i, 1, 0), 1);
        ssize_t n = read_stream(buf, sizeof(buf));
        if (n > 0)
            got += (size_t)n;
        else
            assert_int_equal(n, STREAM_AGAIN);
        assert_false(rig.stream.readable);
    }
    assert_int_equal(got, 13);
}

static void key_updates_of_the_client_are_followed_and_answered(void **state)
{
    (void)state;
    char byte;
    for (unsigned i = 0; i < SUITES; i++) {
        SSL_CTX_set_ciphersuites(rig.client_ctx, suites[i]);
        connect_tls();
        for (int k = 0; k < 10; k++) {
            SSL_key_update(rig.client,
                           k % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
            assert_int_equal(SSL_do_handshake(rig.client), 1);
            if (k % 3 == 0) /* the answer doesn't wait for data */
                assert_int_equal(read_stream(&byte, 1), STREAM_AGAIN);
            client_says("under new keys");
            client_hears("as well");
        }
        hang_up();
    }
}

static void own_keys_are_changed_after_so_many_records(void **state)
{
    (void)state;
    connect_tls();
    stream_record_update_after(&rig.stream, 5);
    for (int i = 0; i < 40; i++)
        client_hears("record");
    client_says("still in step");
}

static void negotiated_fragment_length_is_kept(void **state)
{
    (void)state;
    char buf[4000];
    memset(buf, 'x', sizeof(buf));
    dial();
    SSL_set_tlsext_max_fragment_length(rig.client, TLSEXT_max_fragment_length_512);
    assert_int_equal(shake(), TLS_HANDSHAKE_DONE);
    assert_int_equal(stream_write(&rig.stream, buf, sizeof(buf)), sizeof(buf));
    for (size_t got = 0; got < sizeof(buf);) { /* OpenSSL refuses larger records */
        int n = SSL_read(rig.client, buf, sizeof(buf));
        assert_true(n > 0 && n <= 512);
        got += (size_t)n;
    }
    client_says("hello");
}

static void bad_records_are_answered_by_their_alert(void **state)
{
    (void)state;
    static const struct {
        uint8_t type;
        const char *data;
        size_t len;
        int reason;
    } cases[] = {
        {SSL3_RT_HANDSHAKE, "\1\0\0\1x", 5, SSL_R_SSLV3_ALERT_UNEXPECTED_MESSAGE},
        {SSL3_RT_HANDSHAKE, "\30\0\0\1\7", 5, SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER},
        {SSL3_RT_HANDSHAKE, "\30\0\0\2\0", 5, SSL_R_TLSV1_ALERT_DECODE_ERROR},
        {SSL3_RT_CHANGE_CIPHER_SPEC, "\1", 1, SSL_R_SSLV3_ALERT_UNEXPECTED_MESSAGE},
    };
    char buf[64];
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        connect_tls();
        forge(SSL3_RT_APPLICATION_DATA, "good", 4);
        forge(cases[i].type, cases[i].data, cases[i].len);
        assert_int_equal(read_stream(buf, sizeof(buf)), 4); /* what came before is delivered */
        assert_true(rig.stream.ended && rig.stream.broken);
        client_sees_alert(cases[i].reason);
        hang_up();
    }
    connect_tls();
    assert_int_equal(send(rig.client_fd, "\x17\3\3\0\x19nobody has encrypted this", 30, 0), 30);
    assert_int_equal(read_stream(buf, sizeof(buf)), 0);
    assert_true(rig.stream.ended && rig.stream.broken);
    client_sees_alert(SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    hang_up();
    connect_tls();
    assert_int_equal(send(rig.client_fd, "\x17\3\3\x42\0", 5, 0), 5);
    assert_int_equal(read_stream(buf, sizeof(buf)), 0);
    client_sees_alert(SSL_R_TLSV1_ALERT_RECORD_OVERFLOW);
}

static void an_alert_of_the_client_ends_and_breaks(void **state)
{
    (void)state;
    char buf[64];
    connect_tls();
    forge(SSL3_RT_ALERT, "\1\x5a", 2); /* user_canceled */
    forge(SSL3_RT_APPLICATION_DATA, "data", 4);
    assert_int_equal(read_stream(buf, sizeof(buf)), 4);
    assert_false(rig.stream.ended);
    forge(SSL3_RT_ALERT, "\2\x50", 2);
    assert_int_equal(read_stream(buf, sizeof(buf)), 0);
    assert_true(rig.stream.ended && rig.stream.broken);
}

static void close_notify_with_the_last_data_ends_the_reading_only(void **state)
{
    (void)state;
    char buf[64];
    for (size_t room = 2; room <= sizeof(buf); room += sizeof(buf) - 2) {
        size_t got = 0;
        connect_tls();
        forge(SSL3_RT_APPLICATION_DATA, "last", 4);
        forge(SSL3_RT_ALERT, "\1\0", 2);
        forge(SSL3_RT_APPLICATION_DATA, "nobody reads this", 17);
        poll_now();
        while (!rig.stream.ended) {
            assert_true(rig.stream.readable);
            ssize_t n = stream_read(&rig.stream, buf, room);
            assert_true(n > 0);
            got += (size_t)n;
        }
        assert_int_equal(got, 4);
        assert_false(rig.stream.broken);
        client_hears("answer");
        hang_up();
    }
}

static void flood_of_empty_records_lets_others_have_their_turn(void **state)
{
    (void)state;
    enum { RECORDS = 3000 };
    static uint8_t wire[RECORDS * TLS_RECORD_OVERHEAD];
    static char buf[65536];
    size_t len = 0;
    connect_tls();
    for (int i = 0; i < RECORDS; i++)
        len += tls_record_seal(crypt_, &forger, SSL3_RT_APPLICATION_DATA, NULL, 0, wire + len);
    poll_now();
    unsigned calls = 0;
    for (size_t sent = 0; sent < len || rig.stream.readable; calls++) {
        ssize_t n = send(rig.client_fd, wire + sent, len - sent, 0);
        sent += n > 0 ? (size_t)n : 0;
        assert_int_equal(read_stream(buf, sizeof(buf)), STREAM_AGAIN);
        assert_true(calls < 100);
    }
    assert_true(calls > 1);
    client_hears("still here");
}

/* Fills the way to the client; returns the bytes that the stream took. */
static size_t stuff(void)
{
    static uint8_t data[65536];
    size_t taken = 0;
    size_t n;
    poll_now();
    do {
        n = stream_write(&rig.stream, data, sizeof(data));
        taken += n;
    } while (n > 0);
    return taken;
}

static size_t client_reads_all(void)
{
    static char buf[65536];
    size_t got = 0;
    int n;
    do {
        n = SSL_read(rig.client, buf, sizeof(buf));
        got += n > 0 ? (size_t)n : 0;
        poll_now();
        stream_flush(&rig.stream);
    } while (n > 0);
    return got;
}

static void what_the_socket_does_not_take_is_kept_and_bounded(void **state)
{
    (void)state;
    char byte = 'x';
    connect_tls();
    size_t taken = stuff();
    assert_true(rig.stream.unsent);
    assert_false(rig.stream.writable);
    assert_false(stream_flush(&rig.stream));
    for (int i = 0; i < 100; i++)
        assert_int_equal(stream_write(&rig.stream, &byte, 1), 0);
    assert_int_equal(client_reads_all(), taken);
    assert_false(rig.stream.unsent);
    client_hears("in order");
}

static void shutdown_waits_for_what_is_kept(void **state)
{
    (void)state;
    connect_tls();
    size_t taken = stuff();
    assert_false(stream_shutdown(&rig.stream, false));
    assert_false(stream_shutdown(&rig.stream, false));
    assert_int_equal(client_reads_all(), taken);
    assert_true(stream_shutdown(&rig.stream, false));
    assert_int_equal(SSL_get_shutdown(rig.client) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    client_says("the other way is open");
}

static void abrupt_end_drops_what_is_kept(void **state)
{
    (void)state;
    char buf[64];
    connect_tls();
    stuff();
    close(rig.client_fd);
    rig.client_fd = 0;
    while (!rig.stream.ended)
        read_stream(buf, sizeof(buf));
    assert_true(stream_flush(&rig.stream));
    assert_true(rig.stream.broken);
    assert_true(stream_shutdown(&rig.stream, true));
}

static void plain_and_tls12_streams_are_left_alone(void **state)
{
    (void)state;
    dial();
    assert_false(stream_record_take(&rig.stream, rig.records));
    assert_ptr_equal(rig.stream.ops, &stream_plain_ops);
    SSL_set_max_proto_version(rig.client, TLS1_2_VERSION);
    assert_int_equal(shake(), TLS_HANDSHAKE_DONE);
    assert_ptr_equal(rig.stream.ops, &stream_tls_ops);
    client_says("hello");
    client_hears("welcome");
}

static void streams_stay_with_openssl_where_it_keeps_the_secrets(void **state)
{
    (void)state;
    SSL_CTX_free(rig.server_ctx);
    tls_provider_unload(rig.provider);
    rig.provider = NULL; /* as where FIPS is asked for */
    rig.server_ctx = server_context(rig.tickets, TLS_FROM_1_2);
    rig.take = false;
    connect_tls();
    assert_false(stream_record_take(&rig.stream, rig.records));
    assert_non_null(stream_tls_ssl(&rig.stream));
    client_says("hello");
    client_hears("welcome");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_suites_go_on_after_full_and_resumed_handshakes),
        TEST(no_ticket_means_no_record_was_written),
        TEST(data_that_came_with_the_handshake_is_read),
        TEST(records_may_come_byte_by_byte),
        TEST(key_updates_of_the_client_are_followed_and_answered),
        TEST(own_keys_are_changed_after_so_many_records),
        TEST(negotiated_fragment_length_is_kept),
        TEST(bad_records_are_answered_by_their_alert),
        TEST(an_alert_of_the_client_ends_and_breaks),
        TEST(close_notify_with_the_last_data_ends_the_reading_only),
        TEST(flood_of_empty_records_lets_others_have_their_turn),
        TEST(what_the_socket_does_not_take_is_kept_and_bounded),
        TEST(shutdown_waits_for_what_is_kept),
        TEST(abrupt_end_drops_what_is_kept),
        TEST(plain_and_tls12_streams_are_left_alone),
        TEST(streams_stay_with_openssl_where_it_keeps_the_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
