/* The check at the start passes with what is there, and fails when anything that it leans on isn't as
 * expected. */
#include "lb/stream/tls_selfcheck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "lb/stream/stream_record.h"
#include "lb/stream/stream_tls.h"
#include "lb/tls/records/tls_provider.h"
#include "lb/tls/tls_session.h"

static OSSL_PROVIDER *provider;
static unsigned taken;

static int load(void **state)
{
    (void)state;
    provider = tls_provider_load();
    taken = 0;
    return provider == NULL;
}

static int unload(void **state)
{
    (void)state;
    tls_provider_unload(provider);
    return 0;
}

static bool take_and_count(struct stream *s, struct record_env *env)
{
    taken++;
    return stream_record_take(s, env);
}

static void each_suite_passes_in_full_and_resumed_handshakes(void **state)
{
    (void)state;
    char err[160] = "";
    assert_true(tls_selfcheck(take_and_count, err, sizeof(err)));
    assert_string_equal(err, "");
    assert_int_equal(taken, 2 * TLS_SUITES);
    assert_int_equal(ERR_peek_error(), 0);
}

/* A libssl that hands something else to its KDF, or seals a record more. */
static bool take_changed(struct stream *s, struct record_env *env,
                         void (*change)(struct tls_agreement *a))
{
    struct tls_agreement a;
    const uint8_t *ahead;
    size_t ahead_len;
    assert_true(stream_tls_agreement(s, &a, &ahead, &ahead_len));
    change(&a);
    return stream_record_take_agreed(s, env, &a, ahead, ahead_len);
}

static void other_client_secret(struct tls_agreement *a)
{
    a->in_secret[0] ^= 1;
}

static void other_server_secret(struct tls_agreement *a)
{
    a->out_secret[31] ^= 0x80;
}

static void exchanged_secrets(struct tls_agreement *a)
{
    uint8_t in[TLS_DIGEST_MAX];
    memcpy(in, a->in_secret, sizeof(in));
    memcpy(a->in_secret, a->out_secret, sizeof(in));
    memcpy(a->out_secret, in, sizeof(in));
}

static void record_not_counted(struct tls_agreement *a)
{
    a->out_sequence--;
}

#define FAULT(name)                                                                                \
    static bool take_##name(struct stream *s, struct record_env *env)                              \
    {                                                                                              \
        return take_changed(s, env, name);                                                         \
    }
FAULT(other_client_secret)
FAULT(other_server_secret)
FAULT(exchanged_secrets)
FAULT(record_not_counted)

static bool stay(struct stream *s, struct record_env *env)
{
    (void)s;
    (void)env;
    return false;
}

/* The last suite, resumed. */
static bool fail_late(struct stream *s, struct record_env *env)
{
    return ++taken < 2 * TLS_SUITES ? stream_record_take(s, env)
                                    : take_changed(s, env, other_client_secret);
}

static void any_fault_is_found(void **state)
{
    (void)state;
    static const struct {
        tls_take_fn *take;
        const char *err;
    } cases[] = {
        {stay, "TLS_AES_128_GCM_SHA256: leaving OpenSSL"},
        {take_other_client_secret, "TLS_AES_128_GCM_SHA256: echo"},
        {take_other_server_secret, "TLS_AES_128_GCM_SHA256: echo"},
        {take_exchanged_secrets, "TLS_AES_128_GCM_SHA256: echo"},
        {take_record_not_counted, "TLS_AES_128_GCM_SHA256: echo"},
        {fail_late, "TLS_CHACHA20_POLY1305_SHA256: echo"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char err[160] = "";
        taken = 0;
        assert_false(tls_selfcheck(cases[i].take, err, sizeof(err)));
        assert_string_equal(err, cases[i].err);
        assert_int_equal(ERR_peek_error(), 0);
    }
}

static void without_the_provider_nothing_can_be_taken(void **state)
{
    (void)state;
    char err[160] = "";
    tls_provider_unload(provider);
    provider = NULL;
    assert_false(tls_selfcheck(stream_record_take, err, sizeof(err)));
    assert_string_equal(err, "TLS_AES_128_GCM_SHA256: leaving OpenSSL");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, load, unload)
    const struct CMUnitTest tests[] = {
        TEST(each_suite_passes_in_full_and_resumed_handshakes),
        TEST(any_fault_is_found),
        TEST(without_the_provider_nothing_can_be_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
