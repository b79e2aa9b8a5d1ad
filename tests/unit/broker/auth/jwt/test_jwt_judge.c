/* jwt_judge: what tokens say, and what comes of it, at a time that the test chooses. */
#include "broker/auth/jwt/jwt_judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/auth/jwt/jwt_keys.h"
#include "tests/unit/broker/auth/jwt/jwt_bed.h"

enum { NOW = 1000000 };

#define ES "{\"alg\":\"ES256\"}"
#define GOOD "\"exp\":1000100,\"sub\":\"bob\""

static struct jwt_bed *bed;

static int set_up(void **state)
{
    (void)state;
    bed = jwt_bed_new();
    bed->config.leeway_ms = 30000;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    jwt_bed_free(bed);
    return 0;
}

/* Whatever a finding points to is gone afterwards: what is looked at is copied. */
static struct {
    uint64_t until_s;
    char username[32], key[8];
    bool narrowed;
    char filters[256]; /* with their uses */
} found;

static bool note_filter(void *arg, struct mqtt_slice filter, unsigned uses)
{
    size_t used = strlen(found.filters);
    snprintf(found.filters + used, sizeof(found.filters) - used, "%u:%.*s ", uses, (int)filter.len,
             (const char *)filter.data);
    return arg == NULL;
}

/* `user` NULL: the CONNECT has none. */
static enum jwt_verdict judge_for(const char *header, const char *claims, const char *user)
{
    char err[256], text[JWT_BED_TOKEN] = "";
    struct jwt_keys *keys = jwt_keys_load(&bed->config, err, sizeof(err));
    assert_non_null(keys);
    jwt_bed_encode(text, header, strlen(header));
    strcat(text, ".");
    jwt_bed_encode(text, claims, strlen(claims));
    strcat(text, ".AAAA");
    const struct jwt_asker asker = {.has_username = user != NULL, .username = jwt_bed_slice(user)};
    struct jwt_token token;
    struct jwt_finding f;
    memset(&found, 0, sizeof(found));
    enum jwt_verdict verdict = jwt_token_read(jwt_bed_slice(text), &token);
    if (verdict == JWT_OK)
        verdict = jwt_judge(keys, &token, &asker, NOW, &f);
    if (verdict == JWT_OK) {
        found.until_s = f.until_s;
        found.narrowed = f.acl != NULL;
        snprintf(found.username, sizeof(found.username), "%s", f.username);
        snprintf(found.key, sizeof(found.key), "%s", jwt_key_algorithm(f.key));
        assert_true(jwt_acl_each(f.acl, note_filter, NULL));
    }
    jwt_token_fini(&token);
    jwt_keys_free(keys);
    return verdict;
}

static enum jwt_verdict judge(const char *claims)
{
    return judge_for(ES, claims, NULL);
}

static void a_good_token_says_who_and_until_when(void **state)
{
    (void)state;
    assert_int_equal(judge("{" GOOD "}"), JWT_OK);
    assert_string_equal(found.username, "bob");
    assert_string_equal(found.key, "ES256");
    assert_true(found.until_s == 1000130);
    assert_false(found.narrowed);
}

static void the_key_decides_the_algorithm(void **state)
{
    static const struct {
        const char *header;
        enum jwt_verdict verdict;
    } cases[] = {
        {"{\"alg\":\"RS256\"}", JWT_OK},
        {"{\"alg\":\"HS256\"}", JWT_OK},
        {"{\"alg\":\"RS256\",\"kid\":\"rsa\"}", JWT_OK},
        {"{\"alg\":\"HS256\",\"kid\":\"rsa\"}", JWT_OTHER_ALGORITHM},
        {"{\"alg\":\"none\",\"kid\":\"rsa\"}", JWT_OTHER_ALGORITHM},
        {"{\"alg\":\"rs256\",\"kid\":\"rsa\"}", JWT_OTHER_ALGORITHM},
        {"{\"alg\":\"RS256\",\"kid\":\"secret\"}", JWT_OTHER_ALGORITHM},
        {"{\"alg\":\"none\"}", JWT_UNKNOWN_KEY},
        {"{\"alg\":\"None\"}", JWT_UNKNOWN_KEY},
        {"{\"alg\":\"\"}", JWT_UNKNOWN_KEY},
        {"{\"alg\":\"HS512\"}", JWT_UNKNOWN_KEY},
        {"{\"alg\":\"RS256\",\"kid\":\"\"}", JWT_UNKNOWN_KEY},
        {"{\"alg\":\"RS256\",\"kid\":\"other\"}", JWT_UNKNOWN_KEY},
        {"{\"alg\":\"HS256\",\"kid\":\"/dev/null\"}", JWT_UNKNOWN_KEY},
        {"{\"alg\":\"HS256\",\"kid\":\"../../../etc/hostname\"}", JWT_UNKNOWN_KEY},
        {"{\"alg\":\"HS256\",\"kid\":\"x' UNION SELECT 'k\"}", JWT_UNKNOWN_KEY},
        /* where the key is said to be doesn't matter */
        {"{\"alg\":\"RS256\",\"jku\":\"http://127.0.0.1/\",\"kid\":\"evil\"}", JWT_UNKNOWN_KEY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (judge_for(cases[i].header, "{" GOOD "}", NULL) != cases[i].verdict)
            fail_msg("%s", cases[i].header);
}

static void its_time_must_be_now(void **state)
{
    static const struct {
        const char *claims;
        enum jwt_verdict verdict;
    } cases[] = {
        {"{\"sub\":\"bob\"}", JWT_NO_EXPIRY},
        {"{\"sub\":\"bob\",\"exp\":null}", JWT_NO_EXPIRY},
        {"{\"sub\":\"bob\",\"exp\":\"1000100\"}", JWT_NO_EXPIRY},
        {"{\"sub\":\"bob\",\"exp\":-1}", JWT_NO_EXPIRY},
        {"{\"sub\":\"bob\",\"exp\":1e300}", JWT_NO_EXPIRY},
        {"{\"sub\":\"bob\",\"exp\":true}", JWT_NO_EXPIRY},
        {"{\"sub\":\"bob\",\"exp\":0}", JWT_EXPIRED},
        {"{\"sub\":\"bob\",\"exp\":999970}", JWT_EXPIRED},
        {"{\"sub\":\"bob\",\"exp\":999971}", JWT_OK},
        {"{\"sub\":\"bob\",\"exp\":999971.5}", JWT_OK},
        {"{" GOOD ",\"nbf\":1000000}", JWT_OK},
        {"{" GOOD ",\"nbf\":1000030}", JWT_OK},
        {"{" GOOD ",\"nbf\":1000031}", JWT_NOT_YET},
        {"{" GOOD ",\"nbf\":\"0\"}", JWT_NOT_YET},
        {"{" GOOD ",\"nbf\":1e300}", JWT_NOT_YET},
        {"{" GOOD ",\"iat\":2000000}", JWT_OK}, /* says nothing about validity */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (judge(cases[i].claims) != cases[i].verdict)
            fail_msg("%s", cases[i].claims);
}

static void issuer_and_audience_are_asked_for(void **state)
{
    static const struct {
        const char *claims;
        enum jwt_verdict verdict;
    } cases[] = {
        {"{" GOOD ",\"iss\":\"me\",\"aud\":\"here\"}", JWT_OK},
        {"{" GOOD ",\"iss\":\"me\",\"aud\":[\"there\",\"here\"]}", JWT_OK},
        {"{" GOOD ",\"aud\":\"here\"}", JWT_OTHER_ISSUER},
        {"{" GOOD ",\"iss\":\"Me\",\"aud\":\"here\"}", JWT_OTHER_ISSUER},
        {"{" GOOD ",\"iss\":[\"me\"],\"aud\":\"here\"}", JWT_OTHER_ISSUER},
        {"{" GOOD ",\"iss\":\"me\"}", JWT_OTHER_AUDIENCE},
        {"{" GOOD ",\"iss\":\"me\",\"aud\":\"there\"}", JWT_OTHER_AUDIENCE},
        {"{" GOOD ",\"iss\":\"me\",\"aud\":[]}", JWT_OTHER_AUDIENCE},
        {"{" GOOD ",\"iss\":\"me\",\"aud\":[\"here2\",7]}", JWT_OTHER_AUDIENCE},
    };
    (void)state;
    bed->config.issuer = (char *)(uintptr_t) "me";
    bed->config.audience = (char *)(uintptr_t) "here";
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (judge(cases[i].claims) != cases[i].verdict)
            fail_msg("%s", cases[i].claims);
}

static void the_user_name_is_the_tokens(void **state)
{
    (void)state;
    assert_int_equal(judge("{\"exp\":1000100}"), JWT_NO_USERNAME);
    assert_int_equal(judge("{\"exp\":1000100,\"sub\":\"\"}"), JWT_NO_USERNAME);
    assert_int_equal(judge("{\"exp\":1000100,\"sub\":7}"), JWT_NO_USERNAME);
    assert_int_equal(judge_for(ES, "{" GOOD "}", "bob"), JWT_OK);
    assert_int_equal(judge_for(ES, "{" GOOD "}", "eve"), JWT_OTHER_USERNAME);
    assert_int_equal(judge_for(ES, "{" GOOD "}", "bo"), JWT_OTHER_USERNAME);
    assert_int_equal(judge_for(ES, "{" GOOD "}", ""), JWT_OTHER_USERNAME);
    bed->config.username = JWT_USERNAME_ANY;
    assert_int_equal(judge_for(ES, "{" GOOD "}", "eve"), JWT_OK);
    assert_string_equal(found.username, "bob");
    bed->config.username_claim = (char *)(uintptr_t) "device";
    assert_int_equal(judge("{" GOOD "}"), JWT_NO_USERNAME);
    assert_int_equal(judge("{" GOOD ",\"device\":\"d1\"}"), JWT_OK);
    assert_string_equal(found.username, "d1");
}

static void rights_are_lists_of_filters(void **state)
{
    static const char *const bad[] = {
        "[]",
        "\"a/#\"",
        "null",
        "{\"pub\":\"a\"}",
        "{\"pub\":[7]}",
        "{\"pub\":[\"a/#/b\"]}",
        "{\"pub\":[\"\"]}",
        "{\"publish\":[\"a\"]}",
        "{\"pub\":[\"a\"],\"pub\":[\"#\"]}",
        "{\"pub\":{}}",
    };
    char claims[256];
    (void)state;
    assert_int_equal(
        judge("{" GOOD ",\"acl\":{\"pub\":[\"a\",\"b/+\"],\"sub\":[\"c/#\"],\"all\":[\"d\"]}}"),
        JWT_OK);
    assert_true(found.narrowed);
    assert_string_equal(found.filters, "1:a 1:b/+ 2:c/# 3:d ");
    assert_int_equal(judge("{" GOOD ",\"acl\":{}}"), JWT_OK);
    assert_true(found.narrowed);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(claims, sizeof(claims), "{" GOOD ",\"acl\":%s}", bad[i]);
        if (judge(claims) != JWT_BAD_ACL)
            fail_msg("%s", bad[i]);
    }
    bed->config.acl_claim = NULL;
    assert_int_equal(judge("{" GOOD ",\"acl\":7}"), JWT_OK);
    assert_false(found.narrowed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_token_says_who_and_until_when, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_key_decides_the_algorithm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_time_must_be_now, set_up, tear_down),
        cmocka_unit_test_setup_teardown(issuer_and_audience_are_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_user_name_is_the_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rights_are_lists_of_filters, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
