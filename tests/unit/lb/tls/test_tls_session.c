/* What records mean: a session against a peer whose records are made here, byte by byte. */
#include "lb/tls/tls_session.h"

#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct tls_crypt *crypt_;
static struct tls_session ours;
static struct tls_session theirs; /* its `out` are our `in` */
static uint8_t wire[TLS_RECORD_MAX + 64];
static uint8_t out[TLS_RECORD_MAX];
static struct tls_opened opened;

static int setup(void **state)
{
    (void)state;
    struct tls_agreement a = {.suite = TLS_SUITE_AES_128_GCM,
                              .in_secret = {1},
                              .out_secret = {2},
                              .out_sequence = 1,
                              .content_max = TLS_RECORD_CONTENT_MAX};
    crypt_ = tls_crypt_new();
    assert_non_null(crypt_);
    assert_true(tls_session_init(&ours, crypt_, &a));
    theirs = ours;
    theirs.in = ours.out;
    theirs.out = ours.in;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tls_crypt_free(crypt_);
    return 0;
}

static enum tls_session_verdict take(uint8_t type, const void *data, size_t len)
{
    size_t n = tls_record_seal(crypt_, &theirs.out, type, data, len, wire);
    assert_true(n > 0);
    return tls_session_open(&ours, crypt_, wire, n, out, &opened);
}

static void takes_data(void)
{
    assert_int_equal(take(SSL3_RT_APPLICATION_DATA, "data", 4), TLS_SESSION_OK);
    assert_int_equal(opened.data_len, 4);
    assert_memory_equal(out, "data", 4);
}

static void refuses(uint8_t alert, uint8_t type, const void *data, size_t len)
{
    assert_int_equal(take(type, data, len), TLS_SESSION_BAD);
    assert_int_equal(opened.alert, alert);
    assert_int_equal(opened.data_len, 0);
}

static enum tls_session_verdict take_update(uint8_t request)
{
    const uint8_t message[] = {24, 0, 0, 1, request};
    enum tls_session_verdict verdict = take(SSL3_RT_HANDSHAKE, message, sizeof(message));
    assert_true(tls_keys_update(crypt_, &theirs.out));
    return verdict;
}

/* Opens a record of ours as the peer would. */
static size_t peer_opens(const uint8_t *data, size_t len, uint8_t type)
{
    struct tls_record record;
    assert_int_equal(tls_record_open(crypt_, &theirs.in, data, len, out, &record), TLS_RECORD_OK);
    assert_int_equal(record.type, type);
    return record.wire_len;
}

static void data_passes_both_ways_and_may_be_empty(void **state)
{
    (void)state;
    takes_data();
    assert_int_equal(take(SSL3_RT_APPLICATION_DATA, "", 0), TLS_SESSION_OK);
    assert_int_equal(opened.data_len, 0);
    takes_data();
    size_t n = tls_session_seal(&ours, crypt_, (const uint8_t *)"answer", 6, wire);
    assert_int_equal(peer_opens(wire, n, SSL3_RT_APPLICATION_DATA), n);
    assert_memory_equal(out, "answer", 6);
}

static void alerts_end_or_break_and_user_canceled_is_ignored(void **state)
{
    (void)state;
    const uint8_t canceled[] = {1, SSL_AD_USER_CANCELLED};
    const uint8_t fatal[] = {2, SSL_AD_INTERNAL_ERROR};
    const uint8_t end[] = {1, SSL_AD_CLOSE_NOTIFY};
    const uint8_t strange[] = {1,
                               SSL_AD_NO_RENEGOTIATION}; /* any other ends it, whatever its level */
    assert_int_equal(take(SSL3_RT_ALERT, canceled, 2), TLS_SESSION_OK);
    takes_data();
    assert_int_equal(take(SSL3_RT_ALERT, end, 2), TLS_SESSION_ENDED);
    assert_int_equal(take(SSL3_RT_ALERT, fatal, 2), TLS_SESSION_FAILED);
    assert_int_equal(take(SSL3_RT_ALERT, strange, 2), TLS_SESSION_FAILED);
}

static void alerts_in_pieces_or_pairs_are_refused(void **state)
{
    (void)state;
    refuses(SSL_AD_UNEXPECTED_MESSAGE, SSL3_RT_ALERT, "", 0);
    refuses(SSL_AD_UNEXPECTED_MESSAGE, SSL3_RT_ALERT, "\1", 1);
    refuses(SSL_AD_UNEXPECTED_MESSAGE, SSL3_RT_ALERT, "\1\0\1\0", 4);
}

static void other_content_types_are_refused(void **state)
{
    (void)state;
    refuses(SSL_AD_UNEXPECTED_MESSAGE, SSL3_RT_CHANGE_CIPHER_SPEC, "\1", 1);
    refuses(SSL_AD_UNEXPECTED_MESSAGE, 24, "heartbeat", 9);
    refuses(SSL_AD_UNEXPECTED_MESSAGE, 255, "", 0);
}

static void other_handshake_messages_are_refused(void **state)
{
    (void)state;
    refuses(SSL_AD_UNEXPECTED_MESSAGE, SSL3_RT_HANDSHAKE, "", 0);
    refuses(SSL_AD_UNEXPECTED_MESSAGE, SSL3_RT_HANDSHAKE, "\1\0\0\2xy", 6); /* ClientHello */
    refuses(SSL_AD_UNEXPECTED_MESSAGE, SSL3_RT_HANDSHAKE, "\4", 1);         /* NewSessionTicket */
}

static void key_updates_that_cannot_be_are_refused(void **state)
{
    (void)state;
    refuses(SSL_AD_ILLEGAL_PARAMETER, SSL3_RT_HANDSHAKE, "\30\0\0\1\2", 5);
    refuses(SSL_AD_DECODE_ERROR, SSL3_RT_HANDSHAKE, "\30\0\0\2\0\0", 6);
    ours.message_len = 0;
    refuses(SSL_AD_DECODE_ERROR, SSL3_RT_HANDSHAKE, "\30\0\0\0", 4);
    ours.message_len = 0;
    /* what follows belongs under the new keys */
    refuses(SSL_AD_UNEXPECTED_MESSAGE, SSL3_RT_HANDSHAKE, "\30\0\0\1\0\30\0\0\1\0", 10);
}

static void key_update_changes_the_peers_keys(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) { /* data between them: no limit */
        assert_int_equal(take_update(SSL_KEY_UPDATE_NOT_REQUESTED), TLS_SESSION_OK);
        assert_false(ours.owes_update);
        takes_data();
    }
}

static void key_update_may_come_in_pieces_but_nothing_between_them(void **state)
{
    (void)state;
    static const uint8_t head[] = {24, 0, 0, 1};
    for (unsigned i = 0; i < sizeof(head); i++)
        assert_int_equal(take(SSL3_RT_HANDSHAKE, &head[i], 1), TLS_SESSION_OK);
    assert_int_equal(take(SSL3_RT_HANDSHAKE, "\0", 1), TLS_SESSION_OK);
    assert_true(tls_keys_update(crypt_, &theirs.out));
    takes_data();
    assert_int_equal(take(SSL3_RT_HANDSHAKE, "\30\0", 2), TLS_SESSION_OK);
    refuses(SSL_AD_UNEXPECTED_MESSAGE, SSL3_RT_APPLICATION_DATA, "data", 4);
}

static void requests_are_answered_once_before_the_next_data(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(take_update(SSL_KEY_UPDATE_REQUESTED), TLS_SESSION_OK);
    size_t n = tls_session_seal(&ours, crypt_, (const uint8_t *)"data", 4, wire);
    assert_int_equal(n, 4 + TLS_RECORD_OVERHEAD + TLS_UPDATE_WIRE);
    size_t at = peer_opens(wire, n, SSL3_RT_HANDSHAKE);
    assert_memory_equal(out, "\30\0\0\1\0", 5);
    assert_true(tls_keys_update(crypt_, &theirs.in));
    assert_int_equal(at + peer_opens(wire + at, n - at, SSL3_RT_APPLICATION_DATA), n);
    assert_int_equal(tls_session_seal(&ours, crypt_, (const uint8_t *)"data", 4, wire),
                     4 + TLS_RECORD_OVERHEAD);
}

static void a_flood_of_key_updates_ends_the_connection(void **state)
{
    (void)state;
    for (int i = 0; i < TLS_UPDATES_MAX; i++)
        assert_int_equal(take_update(SSL_KEY_UPDATE_REQUESTED), TLS_SESSION_OK);
    assert_int_equal(take_update(SSL_KEY_UPDATE_REQUESTED), TLS_SESSION_BAD);
    assert_int_equal(opened.alert, SSL_AD_UNEXPECTED_MESSAGE);
}

static void own_keys_are_changed_in_time(void **state)
{
    (void)state;
    uint8_t data[10] = {0};
    ours.update_after = 3; /* the ticket was the first record under these keys */
    assert_int_equal(ours.out.sequence, 1);
    for (unsigned i = 0; i < 20; i++) {
        size_t n = tls_session_seal(&ours, crypt_, data, sizeof(data), wire);
        size_t at = 0;
        if (n > sizeof(data) + TLS_RECORD_OVERHEAD) {
            assert_int_equal(i % 3, 2);
            at = peer_opens(wire, n, SSL3_RT_HANDSHAKE);
            assert_true(tls_keys_update(crypt_, &theirs.in));
        }
        assert_int_equal(at + peer_opens(wire + at, n - at, SSL3_RT_APPLICATION_DATA), n);
        assert_true(ours.out.sequence <= 3);
    }
}

static void negotiated_fragment_length_holds_both_ways(void **state)
{
    (void)state;
    uint8_t data[1025] = {0};
    ours.content_max = 512;
    size_t n = tls_session_seal(&ours, crypt_, data, sizeof(data), wire);
    assert_int_equal(n, sizeof(data) + 3 * TLS_RECORD_OVERHEAD);
    for (size_t at = 0; at < n;)
        at += peer_opens(wire + at, n - at, SSL3_RT_APPLICATION_DATA);
    assert_int_equal(take(SSL3_RT_APPLICATION_DATA, data, 512), TLS_SESSION_OK);
    refuses(SSL_AD_RECORD_OVERFLOW, SSL3_RT_APPLICATION_DATA, data, 513);
}

static void room_for_sealing_is_enough_in_the_worst_case(void **state)
{
    (void)state;
    static uint8_t data[65536];
    static uint8_t big[2 * sizeof(data)];
    ours.content_max = TLS_RECORD_CONTENT_MIN;
    ours.update_after = 0; /* a key update before each record */
    size_t n = tls_session_seal(&ours, crypt_, data, sizeof(data), big);
    assert_true(n > 0 && n <= tls_session_wire(sizeof(data)));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(data_passes_both_ways_and_may_be_empty),
        TEST(alerts_end_or_break_and_user_canceled_is_ignored),
        TEST(alerts_in_pieces_or_pairs_are_refused),
        TEST(other_content_types_are_refused),
        TEST(other_handshake_messages_are_refused),
        TEST(key_updates_that_cannot_be_are_refused),
        TEST(key_update_changes_the_peers_keys),
        TEST(key_update_may_come_in_pieces_but_nothing_between_them),
        TEST(requests_are_answered_once_before_the_next_data),
        TEST(a_flood_of_key_updates_ends_the_connection),
        TEST(own_keys_are_changed_in_time),
        TEST(negotiated_fragment_length_holds_both_ways),
        TEST(room_for_sealing_is_enough_in_the_worst_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
