/*
 * The keys of session tickets: when the next one is made, which of them resume, and when a client gets
 * another ticket. The first 16 bytes of a ticket name its key.
 */
#include "common/tls/tls_tickets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "tests/unit/lb/tls_rig.h"

#define HOUR_MS 3600000u
#define NAME_SIZE 16

static uint64_t made_after_ms, made_before_ms; /* of the first key */

/* As rig_init, with keys that don't rotate while a test runs. */
static int setup(void **state)
{
    rig_init(state);
    tls_tickets_free(rig.tickets);
    made_after_ms = clock_monotonic_ms();
    rig.tickets = tls_tickets_new(HOUR_MS);
    made_before_ms = clock_monotonic_ms();
    assert_non_null(rig.tickets);
    SSL_CTX_free(rig.server_ctx);
    rig.server_ctx = server_context(rig.tickets, TLS_FROM_1_2);
    return 0;
}

static void speak(int version)
{
    hang_up();
    SSL_CTX_set_max_proto_version(rig.client_ctx, version);
    SSL_SESSION_free(rig.session);
    rig.session = NULL;
}

struct ticket {
    const unsigned char *data; /* of the session */
    size_t len;
};

/* The one that the client has now. */
static struct ticket newest(void)
{
    char byte;
    struct ticket t;
    SSL_read(rig.client, &byte, 1); /* takes it in */
    SSL_SESSION_get0_ticket(SSL_get_session(rig.client), &t.data, &t.len);
    assert_true(t.len > NAME_SIZE);
    return t;
}

static void name_of_key(unsigned char name[NAME_SIZE])
{
    memcpy(name, newest().data, NAME_SIZE);
}

static void a_key_is_made_when_a_period_is_over_and_not_before(void **state)
{
    (void)state;
    unsigned char first[NAME_SIZE];
    unsigned char name[NAME_SIZE];
    connect_tls();
    name_of_key(first);
    tls_tickets_rotate(rig.tickets, made_after_ms + HOUR_MS - 1);
    hang_up();
    connect_tls();
    name_of_key(name);
    assert_memory_equal(name, first, NAME_SIZE);
    tls_tickets_rotate(rig.tickets, made_before_ms + HOUR_MS);
    hang_up();
    connect_tls();
    name_of_key(name);
    assert_memory_not_equal(name, first, NAME_SIZE);
    memcpy(first, name, NAME_SIZE);
    tls_tickets_rotate(rig.tickets, made_before_ms + 2 * HOUR_MS - 1); /* a period of the new one */
    hang_up();
    connect_tls();
    name_of_key(name);
    assert_memory_equal(name, first, NAME_SIZE);
}

static void rotate(unsigned periods)
{
    static uint64_t now_ms = UINT64_MAX / 2;
    while (periods-- > 0) {
        now_ms += HOUR_MS;
        tls_tickets_rotate(rig.tickets, now_ms);
    }
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void the_newest_key_and_two_before_it_resume(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        for (unsigned periods = 0; periods < 4; periods++) {
            unsigned char name[NAME_SIZE];
            speak(versions[i]);
            connect_tls();
            name_of_key(name);
            rotate(periods);
            resume(periods <= 2);
        }
    }
}

/* Whether a client that resumes gets another ticket; `name` is then its key's. */
static bool gets_another(unsigned char name[NAME_SIZE])
{
    struct ticket before = newest();
    SSL_SESSION *keeps_it = SSL_get1_session(rig.client);
    resume(true);
    struct ticket now = newest();
    bool other = now.len != before.len || memcmp(now.data, before.data, now.len) != 0;
    memcpy(name, now.data, NAME_SIZE);
    SSL_SESSION_free(keeps_it);
    return other;
}

static void in_tls_1_2_a_ticket_is_renewed_only_under_an_older_key(void **state)
{
    (void)state;
    unsigned char before[NAME_SIZE];
    unsigned char after[NAME_SIZE];
    speak(TLS1_2_VERSION);
    connect_tls();
    assert_false(gets_another(before));
    rotate(1);
    assert_true(gets_another(after));
    assert_memory_not_equal(before, after, NAME_SIZE);
}

static void in_tls_1_3_each_resumption_brings_another_ticket(void **state)
{
    (void)state;
    unsigned char name[NAME_SIZE];
    speak(TLS1_3_VERSION);
    connect_tls();
    assert_true(gets_another(name));
    assert_true(gets_another(name));
}

static void tickets_of_other_keys_ask_for_a_full_handshake(void **state)
{
    (void)state;
    struct tls_tickets *others = tls_tickets_new(HOUR_MS);
    unsigned char name[NAME_SIZE];
    connect_tls();
    name_of_key(name);
    SSL_CTX_free(rig.server_ctx);
    rig.server_ctx = server_context(others, TLS_FROM_1_2);
    resume(false);
    hang_up();
    SSL_CTX_free(rig.server_ctx);
    rig.server_ctx = NULL;
    tls_tickets_free(others);
}

static void a_ticket_does_not_outlive_the_keys_that_open_it(void **state)
{
    (void)state;
    assert_int_equal(SSL_CTX_get_timeout(rig.server_ctx), 2 * HOUR_MS / 1000);
    struct tls_tickets *brief = tls_tickets_new(499);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    assert_true(tls_tickets_install(brief, ctx));
    assert_int_equal(SSL_CTX_get_timeout(ctx), 1); /* 0 would mean something else */
    SSL_CTX_free(ctx);
    tls_tickets_free(brief);
    tls_tickets_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_fini)
    const struct CMUnitTest tests[] = {
        TEST(a_key_is_made_when_a_period_is_over_and_not_before),
        TEST(the_newest_key_and_two_before_it_resume),
        TEST(in_tls_1_2_a_ticket_is_renewed_only_under_an_older_key),
        TEST(in_tls_1_3_each_resumption_brings_another_ticket),
        TEST(tickets_of_other_keys_ask_for_a_full_handshake),
        TEST(a_ticket_does_not_outlive_the_keys_that_open_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
