/* scram: RFC 7677's example, and everything that isn't quite it. */
#include "broker/auth/scram/scram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CLIENT_NONCE "rOprNGfwEbeRWgbNEkqO"
#define SERVER_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define FIRST "n,,n=user,r=" CLIENT_NONCE
#define CHALLENGE "r=" CLIENT_NONCE SERVER_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define PROOF "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define FINAL "c=biws,r=" CLIENT_NONCE SERVER_NONCE ",p=" PROOF
#define SIGNATURE "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static struct mqtt_slice text(const char *s)
{
    return mqtt_slice_of(s, strlen(s));
}

static bool is(struct mqtt_slice s, const char *expected)
{
    return s.len == strlen(expected) && memcmp(s.data, expected, s.len) == 0;
}

/* The user of the example, whose password is "pencil". */
static const struct scram_secret *user(void)
{
    static struct scram_secret s;
    if (s.iterations == 0) {
        s.iterations = 4096;
        s.salt_len = (uint32_t)base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==", 24, s.salt, 64);
        assert_true(scram_keys_make(&s, text("pencil")));
    }
    return &s;
}

/* As far as the challenge. */
static void ask(struct scram *s)
{
    struct mqtt_slice out;
    assert_true(scram_begin(s, text(FIRST)));
    assert_true(scram_challenge(s, user(), SERVER_NONCE, &out));
}

/* RFC 7677, 3 */
static void the_example_of_the_rfc(void **state)
{
    struct scram s;
    struct mqtt_slice out;
    (void)state;
    assert_true(scram_begin(&s, text(FIRST)));
    assert_string_equal(s.name, "user");
    assert_true(scram_challenge(&s, user(), SERVER_NONCE, &out));
    assert_true(is(out, CHALLENGE));
    assert_true(scram_finish(&s, &user()->keys, text(FINAL), &out));
    assert_true(is(out, SIGNATURE));
}

static void first_messages_that_are_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=user",
        "n,,n=user,",
        "n,,n=user,r",
        "n,,n=user,r=",
        "n,n=user,r=abc",           /* no field for another user */
        "n,,n=,r=abc",              /* no name */
        "n,,r=abc,n=user",          /* order */
        "x,,n=user,r=abc",          /* no such flag */
        "p=tls-unique,,n=user,r=a", /* channel binding, which isn't offered */
        "p=,,n=user,r=abc",
        "n,a=other,n=user,r=abc", /* for somebody else */
        "n,a=use,n=user,r=abc",
        "n,a=,n=user,r=abc",
        "n,,m=must,n=user,r=abc", /* an extension that must be known */
        "n,,n=us=er,r=abc",
        "n,,n=user=,r=abc",
        "n,,n=user=2,r=abc",
        "n,,n=user=2c,r=abc", /* "=2C" */
        "n,,n=user=41,r=abc",
        "n,,n=user,r=a b",
        "n,,n=user,r=a\xc3\xa9",
        "n,,n=user,r=abc,",
        "n,,n=user,r=abc,x",
        "n,,n=user,r=abc,x=",
        "n,,n=user,r=abc,1=y",
        "n,,n=user,r=abc,x=y,",
        "n,,n=us\xff,r=abc",
        "n,,n=us\x07,r=abc", /* prohibited by SASLprep */
        " n,,n=user,r=abc",
        "N,,n=user,r=abc",
    };
    struct scram s;
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (scram_begin(&s, text(wrong[i])))
            fail_msg("taken: '%s'", wrong[i]);
    assert_false(scram_begin(&s, mqtt_slice_of("n,,n=us\0er,r=abc", 16)));
}

static void first_messages_that_are_taken(void **state)
{
    static const struct {
        const char *message, *name;
    } right[] = {
        {"n,,n=user,r=abc", "user"},
        {"y,,n=user,r=abc", "user"}, /* it could bind, if we could */
        {"n,a=user,n=user,r=abc", "user"},
        {"n,,n=a=2Cb=3Dc,r=abc", "a,b=c"},
        {"n,,n=user,r=abc,x=y,Z=a=b", "user"},
        {"n,,n=I\xc2\xadX,r=abc", "IX"},   /* RFC 4013, 3 */
        {"n,,n=\xe2\x85\xa8,r=abc", "IX"}, /* ROMAN NUMERAL NINE */
        {"n,,n=\xc2\xaa,r=abc", "a"},      /* FEMININE ORDINAL INDICATOR */
        {"n,,n=J\xc3\xbcrg,r=abc", "J\xc3\xbcrg"},
        {"n,,n=Ju\xcc\x88rg,r=abc", "J\xc3\xbcrg"},
    };
    struct scram s;
    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        if (!scram_begin(&s, text(right[i].message)))
            fail_msg("refused: '%s'", right[i].message);
        assert_string_equal(s.name, right[i].name);
    }
}

static void lengths_have_bounds(void **state)
{
    char message[2048];
    struct scram s;
    struct mqtt_slice out;
    (void)state;
    for (int len = 250; len < 260; len++) {
        snprintf(message, sizeof(message), "n,,n=%0*d,r=abc", len, 0);
        assert_int_equal(scram_begin(&s, text(message)), len <= SASLPREP_NAME_MAX_BYTES);
        snprintf(message, sizeof(message), "n,,n=user,r=%0*d", len, 0);
        assert_int_equal(scram_begin(&s, text(message)), len <= SCRAM_NONCE_MAX_BYTES);
    }
    for (int len = SCRAM_MESSAGE_MAX_BYTES - 3; len <= SCRAM_MESSAGE_MAX_BYTES + 3; len++) {
        snprintf(message, sizeof(message), "n,,n=user,r=abc,x=%0*d", len - 18, 0);
        assert_int_equal(strlen(message), len);
        assert_int_equal(scram_begin(&s, text(message)), len <= SCRAM_MESSAGE_MAX_BYTES);
    }
    ask(&s);
    snprintf(message, sizeof(message), "c=biws,r=%s,x=%0*d,p=" PROOF, CLIENT_NONCE SERVER_NONCE,
             1000, 0);
    assert_false(scram_finish(&s, &user()->keys, text(message), &out));
}

/* The longest that may come fit into what is kept of them. */
static void the_longest_exchange_fits(void **state)
{
    char message[2048];
    char nonce[SCRAM_OUR_NONCE_MAX_BYTES + 1];
    struct scram s;
    struct mqtt_slice out;
    struct scram_secret secret = *user();
    (void)state;
    secret.iterations = SCRAM_ITERATIONS_MAX;
    secret.salt_len = SCRAM_SALT_MAX_BYTES;
    snprintf(message, sizeof(message), "n,a=%0*d,n=%0*d,r=%0*d", 256, 0, 256, 0, 256, 0);
    snprintf(nonce, sizeof(nonce), "%0*d", SCRAM_OUR_NONCE_MAX_BYTES, 0);
    assert_true(scram_begin(&s, text(message)));
    assert_true(scram_challenge(&s, &secret, nonce, &out));
    assert_int_equal(out.len, 2 + 256 + 64 + 3 + 88 + 3 + 7);
    snprintf(message, sizeof(message), "c=%s,r=%s,p=" PROOF, s.binding, s.nonce);
    assert_false(scram_finish(&s, &user()->keys, text(message), &out)); /* wrong, and no overrun */
}

static void final_messages_that_are_refused(void **state)
{
#define NONCES "r=" CLIENT_NONCE SERVER_NONCE
    static const char *const wrong[] = {
        "",
        "p=" PROOF,
        ",p=" PROOF,
        "c=biws,p=" PROOF,
        NONCES ",p=" PROOF,
        "c=biws," NONCES,
        "c=biws," NONCES ",",
        "c=biws," NONCES ",p=",
        "c=biws," NONCES ",p=AAAA",
        "c=biws," NONCES ",p=" PROOF "AAAA",
        "c=biws," NONCES ",p=" PROOF ",x=y", /* behind the proof */
        "c=biws," NONCES ",x=y,p=" PROOF,    /* the proof isn't about it */
        "c=eSws," NONCES ",p=" PROOF,        /* the flag was n */
        "c=biwsAAAA," NONCES ",p=" PROOF,
        "c=," NONCES ",p=" PROOF,
        "c=biws," NONCES "x,p=" PROOF,
        "c=biws,r=" CLIENT_NONCE ",p=" PROOF,
        "c=biws,r=" CLIENT_NONCE "other,p=" PROOF,
        "c=biws,r=,p=" PROOF,
        "c=biws," NONCES ",p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "c=biws," NONCES ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVU=",
        "c=biws," NONCES ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    };
    struct scram s;
    struct mqtt_slice out;
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ask(&s);
        if (scram_finish(&s, &user()->keys, text(wrong[i]), &out))
            fail_msg("taken: '%s'", wrong[i]);
        assert_int_equal(out.len, 0);
    }
    assert_true(scram_begin(&s, text(FIRST))); /* and without a challenge */
    assert_false(scram_finish(&s, &user()->keys, text(FINAL), &out));
}

static void other_keys_or_another_nonce_make_the_proof_wrong(void **state)
{
    struct scram s;
    struct mqtt_slice out;
    struct scram_secret other = *user();
    (void)state;
    ask(&s);
    other.keys.stored[31] ^= 1;
    assert_false(scram_finish(&s, &other.keys, text(FINAL), &out));
    ask(&s);
    assert_true(scram_finish(&s, &user()->keys, text(FINAL), &out));
    assert_true(scram_begin(&s, text(FIRST)));
    assert_true(scram_challenge(&s, user(), "another", &out));
    assert_false(scram_finish(&s, &user()->keys, text(FINAL), &out));
}

/* A changed first message is noticed, too: the proof is about all of it. */
static void the_proof_is_about_the_first_message(void **state)
{
    struct scram s;
    struct mqtt_slice out;
    (void)state;
    assert_true(scram_begin(&s, text(FIRST ",x=y")));
    assert_true(scram_challenge(&s, user(), SERVER_NONCE, &out));
    assert_false(scram_finish(&s, &user()->keys, text(FINAL), &out));
    assert_true(scram_begin(&s, text("y,,n=user,r=" CLIENT_NONCE)));
    assert_true(scram_challenge(&s, user(), SERVER_NONCE, &out));
    assert_false(scram_finish(&s, &user()->keys, text(FINAL), &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_rfc),
        cmocka_unit_test(first_messages_that_are_refused),
        cmocka_unit_test(first_messages_that_are_taken),
        cmocka_unit_test(lengths_have_bounds),
        cmocka_unit_test(the_longest_exchange_fits),
        cmocka_unit_test(final_messages_that_are_refused),
        cmocka_unit_test(other_keys_or_another_nonce_make_the_proof_wrong),
        cmocka_unit_test(the_proof_is_about_the_first_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
