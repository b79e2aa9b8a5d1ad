/* password_hash: what is read and what isn't, and Argon2's own test vectors. mosquitto_passwd's lines are in
 * test_passwd.c. */
#include "broker/auth/files/password_hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <argon2.h>
#include <cmocka.h>

/* Of the Argon2 project's own tests (version 0x13, "password", "somesalt"). */
#define VECTOR                                                                                     \
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
#define TWO_LANES                                                                                  \
    "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"

static struct mqtt_slice slice(const char *text)
{
    return mqtt_slice_of(text, strlen(text));
}

static const char *parse(const char *text, struct passwd_secret *out)
{
    char copy[512];
    snprintf(copy, sizeof(copy), "%s", text);
    *out = (struct passwd_secret){0};
    return password_hash_parse(copy, out);
}

static void argon2s_own_vectors_are_right(void **state)
{
    static const char *const vectors[] = {VECTOR, TWO_LANES};
    struct passwd_secret s;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_null(parse(vectors[i], &s));
        assert_int_equal(s.memory_kib, 256);
        assert_int_equal(s.iterations, 2);
        assert_int_equal(s.lanes, i + 1);
        assert_true(passwd_secret_matches(&s, slice("password")));
        assert_false(passwd_secret_matches(&s, slice("Password")));
        assert_false(passwd_secret_matches(&s, slice("password ")));
        assert_false(passwd_secret_matches(&s, slice("")));
    }
}

/* 64 bytes of salt and of hash, 46 MiB, one pass. */
static void what_mosquitto_2_1_writes_is_right(void **state)
{
    uint8_t salt[64];
    char encoded[256];
    struct passwd_secret s;
    (void)state;
    for (size_t i = 0; i < sizeof(salt); i++)
        salt[i] = (uint8_t)(i * 37);
    assert_int_equal(argon2id_hash_encoded(1, 47104, 1, "builder", 7, salt, sizeof(salt), 64,
                                           encoded, sizeof(encoded)),
                     ARGON2_OK);
    assert_null(parse(encoded, &s));
    assert_int_equal(passwd_secret_cost(&s), 47104);
    assert_true(passwd_secret_matches(&s, slice("builder")));
    assert_false(passwd_secret_matches(&s, slice("builde")));
}

/* PBKDF2's short form would be another password to Argon2. */
static void a_long_password_is_not_its_hash(void **state)
{
    char encoded[256], password[300];
    uint8_t buf[PASSWD_HASH_BYTES];
    struct passwd_secret s;
    (void)state;
    memset(password, 'x', sizeof(password));
    assert_int_equal(argon2id_hash_encoded(1, 64, 1, password, sizeof(password), "saltsalt", 8, 32,
                                           encoded, sizeof(encoded)),
                     ARGON2_OK);
    assert_null(parse(encoded, &s));
    struct mqtt_slice whole = mqtt_slice_of(password, sizeof(password));
    assert_true(passwd_secret_matches(&s, whole));
    assert_false(passwd_secret_matches(&s, passwd_shorten(whole, buf)));
}

static void costs_are_compared(void **state)
{
    struct passwd_secret s;
    (void)state;
    assert_null(parse(VECTOR, &s));
    assert_int_equal(passwd_secret_cost(&s), 512);
    s = (struct passwd_secret){.iterations = 101};
    assert_int_equal(passwd_secret_cost(&s), 101);
    s = (struct passwd_secret){0};
    assert_int_equal(passwd_secret_cost(&s), 0);
}

#define SALT_AND_HASH "$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"

static void what_costs_too_much_or_is_unclear_is_not_read(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"$argon2i$v=19$m=256,t=2,p=1" SALT_AND_HASH, "other kinds of Argon2"},
        {"$argon2d$v=19$m=256,t=2,p=1" SALT_AND_HASH, "other kinds of Argon2"},
        {"$argon2id$v=16$m=256,t=2,p=1" SALT_AND_HASH, "expected $argon2id$v=19$"},
        {"$argon2id$m=256,t=2,p=1" SALT_AND_HASH, "expected $argon2id$v=19$"},
        {"$argon2id$v=19$", "expected m=8"},
        {"$argon2id$v=19$t=2,m=256,p=1" SALT_AND_HASH, "expected m=8"},
        {"$argon2id$v=19$m=262145,t=1,p=1" SALT_AND_HASH, "at most 256 MiB"},
        {"$argon2id$v=19$m=4294967297,t=1,p=1" SALT_AND_HASH, "at most 256 MiB"},
        {"$argon2id$v=19$m=-8,t=1,p=1" SALT_AND_HASH, "at most 256 MiB"},
        {"$argon2id$v=19$m=256,t=0,p=1" SALT_AND_HASH, "expected t=1"},
        {"$argon2id$v=19$m=262144,t=17,p=1" SALT_AND_HASH, "m times t"},
        {"$argon2id$v=19$m=256,t=4294967295,p=1" SALT_AND_HASH, "m times t"},
        {"$argon2id$v=19$m=256,t=2" SALT_AND_HASH, "expected p=1"},
        {"$argon2id$v=19$m=256,t=2,p=17" SALT_AND_HASH, "expected p=1"},
        {"$argon2id$v=19$m=256,t=2,p=1,data=AAAA" SALT_AND_HASH, "nothing behind it"},
        {"$argon2id$v=19$m=15,t=2,p=2" SALT_AND_HASH, "at least 8 times p"},
        {"$argon2id$v=19$m=7,t=2,p=1" SALT_AND_HASH, "at least 8 times p"},
        {"$argon2id$v=19$m=256,t=2,p=1", "a salt of 8"},
        {"$argon2id$v=19$m=256,t=2,p=1$c29t$AAAA", "a salt of 8"},
        {"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ=$AAAA", "a salt of 8"},
        {"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ", "a hash of 16"},
        {"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$AAAA", "a hash of 16"},
        {VECTOR "$", "a hash of 16"},
        {VECTOR "=", "a hash of 16"},
        {"plain", "$argon2id$"},
    };
    struct passwd_secret s;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *problem = parse(cases[i].text, &s);
        if (problem == NULL || strstr(problem, cases[i].problem) == NULL)
            fail_msg("%s: %s", cases[i].text, problem != NULL ? problem : "taken");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(argon2s_own_vectors_are_right),
        cmocka_unit_test(what_mosquitto_2_1_writes_is_right),
        cmocka_unit_test(a_long_password_is_not_its_hash),
        cmocka_unit_test(costs_are_compared),
        cmocka_unit_test(what_costs_too_much_or_is_unclear_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
