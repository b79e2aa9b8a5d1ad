/* jwt_token: what is taken apart, and what isn't a token at all. */
#include "broker/auth/jwt/jwt_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/broker/auth/jwt/jwt_bed.h"

/* Header and claims, and a signature that is none. */
static enum jwt_verdict read_both(const char *header, const char *claims, struct jwt_token *out)
{
    char text[JWT_BED_TOKEN] = "";
    jwt_bed_encode(text, header, strlen(header));
    strcat(text, ".");
    jwt_bed_encode(text, claims, strlen(claims));
    strcat(text, ".AAAA");
    return jwt_token_read(jwt_bed_slice(text), out);
}

static enum jwt_verdict verdict_of(const char *header, const char *claims)
{
    struct jwt_token t;
    enum jwt_verdict verdict = read_both(header, claims, &t);
    jwt_token_fini(&t);
    return verdict;
}

static void a_token_is_taken_apart(void **state)
{
    struct jwt_token t;
    (void)state;
    assert_int_equal(
        read_both("{\"alg\":\"RS256\",\"kid\":\"a\",\"typ\":\"JWT\"}", "{\"sub\":\"b\"}", &t),
        JWT_OK);
    assert_string_equal(t.algorithm, "RS256");
    assert_string_equal(t.key_name, "a");
    jwt_token_fini(&t);
    assert_int_equal(read_both("{\"alg\":\"none\"}", "{}", &t), JWT_OK);
    assert_null(t.key_name);
    jwt_token_fini(&t);
}

static void parts_point_into_the_text(void **state)
{
    struct jwt_parts p;
    (void)state;
    assert_true(jwt_split(jwt_bed_slice("ab.cde.f"), &p));
    assert_int_equal(p.header.len, 2);
    assert_int_equal(p.claims.len, 3);
    assert_int_equal(p.signature.len, 1);
    assert_int_equal(p.signed_text.len, 6);
    assert_true(jwt_split(jwt_bed_slice(".."), &p));
    assert_int_equal(p.signature.len, 0);
    assert_false(jwt_split(jwt_bed_slice("a.b"), &p));
    assert_false(jwt_split(jwt_bed_slice("a.b.c.d"), &p));
    assert_false(jwt_split(jwt_bed_slice(""), &p));
}

static void a_password_is_not_meant_as_a_token(void **state)
{
    (void)state;
    assert_true(jwt_is_meant(jwt_bed_slice("eyJhbGciOiJub25lIn0.e30.")));
    assert_true(jwt_is_meant(jwt_bed_slice("ewogIm.x.y")));
    assert_true(jwt_is_meant(jwt_bed_slice("ey..")));
    assert_false(jwt_is_meant(jwt_bed_slice("")));
    assert_false(jwt_is_meant(jwt_bed_slice("ey")));
    assert_false(jwt_is_meant(jwt_bed_slice("builder")));
    assert_false(jwt_is_meant(jwt_bed_slice("every.word.counts")));
    assert_false(jwt_is_meant(jwt_bed_slice("eyJ.a.b.c.d"))); /* encrypted */
}

static void what_is_unclear_is_malformed(void **state)
{
    static const struct {
        const char *header, *claims;
    } cases[] = {
        {"", "{}"},
        {"[]", "{}"},
        {"{", "{}"},
        {"{\"alg\":\"HS256\"", "{}"},
        {"{}", "{}"},
        {"{\"alg\":1}", "{}"},
        {"{\"Alg\":\"HS256\"}", "{}"},
        {"{\"alg\":\"HS256\"} x", "{}"},
        {"{\"alg\":\"HS256\",\"alg\":\"none\"}", "{}"},
        {"{\"alg\":\"HS256\",\"kid\":1}", "{}"},
        {"{\"alg\":\"HS256\",\"kid\":\"a\",\"kid\":\"b\"}", "{}"},
        {"{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}", "{}"},
        {"{\"alg\":\"HS256\\u0000x\"}", "{}"},
        {"{\"alg\":\"HS256\"}", ""},
        {"{\"alg\":\"HS256\"}", "\"sub\""},
        {"{\"alg\":\"HS256\"}", "null"},
        {"{\"alg\":\"HS256\"}", "{\"sub\":\"admin\\u0000x\"}"},
        {"{\"alg\":\"HS256\"}", "{\"sub\":\"a\",\"sub\":\"b\"}"},
        {"{\"alg\":\"HS256\"}", "{\"exp\":1,\"exp\":9999999999}"},
        {"{\"alg\":\"HS256\"}", "{\"sub\":\"\xff\xfe\"}"},
        {"{\"alg\":\"HS256\"}", "{}{}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (verdict_of(cases[i].header, cases[i].claims) != JWT_MALFORMED)
            fail_msg("%s %s", cases[i].header, cases[i].claims);
    assert_int_equal(verdict_of("{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", "{}"),
                     JWT_CRITICAL);
}

static void texts_that_are_no_tokens_are_malformed(void **state)
{
    static const char *const texts[] = {
        "",
        ".",
        "..",
        "eyJhbGciOiJIUzI1NiJ9",
        "eyJhbGciOiJIUzI1NiJ9.e30",
        "eyJhbGciOiJIUzI1NiJ9=.e30.AAAA",
        "eyJhbGciOiJIUzI1NiJ9.e30=.AAAA",
        "eyJhbGciOiJIUzI1NiJ9.e3 0.AAAA",
        "eyJhbGciOiJIUzI1NiJ9.e30.A.A",
    };
    struct jwt_token t;
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(jwt_token_read(jwt_bed_slice(texts[i]), &t), JWT_MALFORMED);
        jwt_token_fini(&t);
    }
}

static void there_are_bounds(void **state)
{
    char claims[9000] = "{\"sub\":\"";
    (void)state;
    memset(claims + 8, 'x', 6000);
    strcpy(claims + 6008, "\"}");
    assert_int_equal(verdict_of("{\"alg\":\"HS256\"}", claims), JWT_OK);
    memset(claims + 8, 'x', 6200);
    strcpy(claims + 6208, "\"}");
    assert_int_equal(verdict_of("{\"alg\":\"HS256\"}", claims), JWT_TOO_LONG);
    char *at = claims;
    *at++ = '{';
    for (int i = 0; i <= JWT_MEMBERS_MAX; i++)
        at += sprintf(at, "%s\"m%d\":0", i > 0 ? "," : "", i);
    strcpy(at, "}");
    assert_int_equal(verdict_of("{\"alg\":\"HS256\"}", claims), JWT_MALFORMED);
    memset(claims, '[', 3000);
    claims[3000] = '\0';
    assert_int_equal(verdict_of("{\"alg\":\"HS256\"}", claims), JWT_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_taken_apart),
        cmocka_unit_test(parts_point_into_the_text),
        cmocka_unit_test(a_password_is_not_meant_as_a_token),
        cmocka_unit_test(what_is_unclear_is_malformed),
        cmocka_unit_test(texts_that_are_no_tokens_are_malformed),
        cmocka_unit_test(there_are_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
