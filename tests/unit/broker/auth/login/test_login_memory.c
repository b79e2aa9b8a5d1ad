/* login_memory: what was checked is known again, for that user's line and that password only. */
#include "broker/auth/login/login_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { STAMP = 11, OTHER_STAMP = 13, NAME_HASH = 17 };

static struct mqtt_slice slice(const char *text)
{
    return (struct mqtt_slice){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static struct login_memory *fresh(void)
{
    struct login_memory *m = login_memory_new();
    assert_non_null(m);
    return m;
}

static struct login_proof prove(const struct login_memory *m, const char *user, uint64_t stamp,
                                const char *password)
{
    struct login_proof proof;
    assert_true(login_memory_prove(m, slice(user), stamp, slice(password), &proof));
    return proof;
}

static enum login_known ask(const struct login_memory *m, const char *user, uint64_t stamp,
                            const char *password)
{
    struct login_proof proof = prove(m, user, stamp, password);
    return login_memory_ask(m, &proof);
}

static void note(struct login_memory *m, const char *user, const char *password, bool right)
{
    struct login_proof proof = prove(m, user, STAMP, password);
    login_memory_note(m, &proof, right, NAME_HASH, STAMP);
}

static void what_was_checked_is_known_again(void **state)
{
    struct login_memory *m = fresh();
    (void)state;
    assert_int_equal(ask(m, "anna", STAMP, "secret"), LOGIN_UNKNOWN);
    note(m, "anna", "secret", true);
    note(m, "anna", "guess", false);
    assert_int_equal(ask(m, "anna", STAMP, "secret"), LOGIN_RIGHT);
    assert_int_equal(ask(m, "anna", STAMP, "guess"), LOGIN_WRONG);
    assert_int_equal(ask(m, "anna", STAMP, "secre"), LOGIN_UNKNOWN);
    assert_int_equal(ask(m, "annas", STAMP, "ecret"), LOGIN_UNKNOWN);
    assert_int_equal(ask(m, "bob", STAMP, "secret"), LOGIN_UNKNOWN);
    login_memory_free(m);
}

static void another_line_or_another_process_knows_nothing(void **state)
{
    struct login_memory *m = fresh();
    struct login_memory *other = fresh();
    (void)state;
    note(m, "anna", "secret", true);
    assert_int_equal(ask(m, "anna", OTHER_STAMP, "secret"), LOGIN_UNKNOWN);
    struct login_proof proof = prove(m, "anna", STAMP, "secret");
    struct login_proof foreign = prove(other, "anna", STAMP, "secret");
    assert_memory_not_equal(&proof, &foreign, sizeof(proof));
    login_memory_free(m);
    login_memory_free(other);
}

static void a_fleet_is_remembered_and_guesses_push_out_guesses_only(void **state)
{
    enum { FLEET = 10000, GUESSES = 40000 };
    struct login_memory *m = fresh();
    char text[32];
    unsigned known = 0;
    (void)state;
    for (int i = 0; i < FLEET; i++) {
        snprintf(text, sizeof(text), "device-%d", i);
        note(m, text, "secret", true);
    }
    for (int i = 0; i < GUESSES; i++) {
        snprintf(text, sizeof(text), "guess-%d", i);
        note(m, "anna", text, false);
    }
    for (int i = 0; i < FLEET; i++) {
        snprintf(text, sizeof(text), "device-%d", i);
        known += ask(m, text, STAMP, "secret") == LOGIN_RIGHT;
    }
    assert_int_equal(known, FLEET);
    assert_int_equal(ask(m, "anna", STAMP, "guess-39999"), LOGIN_WRONG);
    login_memory_free(m);
}

static bool keeps_even(void *arg, uint64_t name_hash, uint64_t stamp)
{
    (*(unsigned *)arg)++;
    assert_int_equal(stamp, STAMP);
    return name_hash % 2 == 0;
}

static void who_is_no_more_is_forgotten(void **state)
{
    enum { USERS = 1000 };
    struct login_memory *m = fresh();
    char text[32];
    unsigned asked = 0;
    size_t at = 0;
    (void)state;
    for (unsigned i = 0; i < USERS; i++) {
        snprintf(text, sizeof(text), "user-%u", i);
        struct login_proof proof = prove(m, text, STAMP, "secret");
        login_memory_note(m, &proof, true, i, STAMP);
    }
    while (login_memory_forget(m, &at, keeps_even, &asked))
        ;
    assert_int_equal(asked, USERS);
    for (unsigned i = 0; i < USERS; i++) {
        snprintf(text, sizeof(text), "user-%u", i);
        assert_int_equal(ask(m, text, STAMP, "secret"), i % 2 == 0 ? LOGIN_RIGHT : LOGIN_UNKNOWN);
    }
    login_memory_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_checked_is_known_again),
        cmocka_unit_test(another_line_or_another_process_knows_nothing),
        cmocka_unit_test(a_fleet_is_remembered_and_guesses_push_out_guesses_only),
        cmocka_unit_test(who_is_no_more_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
