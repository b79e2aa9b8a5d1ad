/* Password files: fixed ones that mosquitto_passwd 2.0.11 wrote, new ones where it is installed. */
#include "broker/auth/files/passwd.h"

#include "broker/auth/scram/scram_keys.h"
#include "common/base/hash.h"

#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "tests/unit/temp_file.h"

extern char **environ;

enum { KEY = 7 };

#define ALICE                                                                                      \
    "alice:$6$6b6crkICA6K11Zv2$Y2nU2aqf5isZLuHD4iPOLhbdVl3cmPnM9qZU8aILKLOJrGzEte0yldsnYV/"        \
    "4RvBsVlH1igwDtZZsOxXV8hpKaw==\n" /* wonderland */
#define BOB                                                                                        \
    "bob:$7$101$Ptfbf+/UilUk4JMs$ydlQabaPjb0+npFzHtU/"                                             \
    "4PYdOTDjX3OlejCxbCIG2TmRlCxHF26LkMAV1PTuTy6Xz"                                                \
    "ZNrXsaK6obQzf2tBrXizQ==\n" /* builder */
#define CAROL                                                                                      \
    "carol:$7$5000$KKG8bEhLpoMgEben$IhccV3ZKMCRlZjhXdFd++yDdXNq4FzhLgLYMymq+8V/"                   \
    "ZbO7fhqorDWd6NVfxAHwkowcl4xbwDjBFR3JRMAYe+g==\n" /* "pass word:" and an accented e */

#define KEY32 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static struct passwd *load(const char *text)
{
    char err[300];
    temp_file_write(text, strlen(text));
    struct passwd *p = passwd_load(temp_file, KEY, err, sizeof(err));
    if (p == NULL)
        fail_msg("%s", err);
    return p;
}

static struct mqtt_slice slice(const char *text)
{
    return (struct mqtt_slice){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static bool check(struct passwd *p, const char *user, const char *password)
{
    struct passwd_secret secret;
    return passwd_find(p, slice(user), &secret) && passwd_secret_matches(&secret, slice(password));
}

static void passwords_of_a_written_file_are_right(void **state)
{
    struct passwd *p = load("# users\n\n" ALICE "  \n" BOB CAROL);
    (void)state;
    assert_true(check(p, "alice", "wonderland"));
    assert_true(check(p, "bob", "builder"));
    assert_true(check(p, "carol", "pass word:\xc3\xa9"));
    passwd_free(p);
    passwd_free(NULL);
}

static void everything_else_is_wrong(void **state)
{
    static const struct {
        const char *user, *password;
    } wrong[] = {
        {"alice", "builder"},     {"alice", "Wonderland"},
        {"alice", "wonderland "}, {"alice", ""},
        {"bob", "wonderland"},    {"bob", "builde"},
        {"Alice", "wonderland"},  {"alic", "wonderland"},
        {"alicew", "onderland"},  {"nobody", "wonderland"},
        {"", "wonderland"},       {"", ""},
        {"carol", "pass word:e"}, {"nobody", ""},
    };
    struct passwd *p = load(ALICE BOB CAROL);

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(check(p, wrong[i].user, wrong[i].password));
    struct passwd_secret secret;
    assert_false(passwd_find(p, (struct mqtt_slice){NULL, 0}, &secret));
    assert_true(passwd_find(p, slice("alice"), &secret));
    assert_false(passwd_secret_matches(&secret, (struct mqtt_slice){NULL, 0}));
    assert_false(
        passwd_secret_matches(&secret, (struct mqtt_slice){(const uint8_t *)"wonderland\0", 11}));
    passwd_free(p);
}

/* RFC 7677's user */
#define SCRAM_USER                                                                                 \
    "user:$scram-sha-256$4096$W22ZaJ0SNY7soEsUEjb6gQ==$"                                           \
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=$wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n"

static void keys_for_scram_are_good_for_plain_passwords(void **state)
{
    struct passwd *p = load(BOB SCRAM_USER);
    struct passwd_secret secret;

    (void)state;
    assert_true(check(p, "user", "pencil"));
    assert_false(check(p, "user", "Pencil"));
    assert_false(check(p, "user", ""));
    assert_true(passwd_find(p, slice("user"), &secret));
    assert_true(password_hash_needs_whole(&secret));
    assert_int_equal(passwd_most_iterations(p), 4096);
    passwd_free(p);
}

static void who_has_no_keys_for_scram_gets_some_made_up(void **state)
{
    struct passwd *p = load(BOB SCRAM_USER);
    struct passwd *same = load(BOB SCRAM_USER);
    struct passwd *other = load(SCRAM_USER ALICE);
    struct scram_secret user;
    struct scram_secret bob;
    struct scram_secret again;

    (void)state;
    assert_true(passwd_find_scram(p, slice("user"), &user) == passwd_stamp(p, slice("user")));
    assert_int_equal(user.iterations, 4096);
    assert_int_equal(user.salt_len, 16);
    assert_true(scram_keys_match(&user, slice("pencil")));
    assert_int_equal(passwd_find_scram(p, slice("bob"), &bob), 0);
    assert_int_equal(bob.iterations, 4096);
    assert_int_equal(bob.salt_len, 16);
    assert_int_equal(passwd_find_scram(p, slice("nobody"), &again), 0);
    assert_memory_not_equal(bob.salt, again.salt, 16);
    assert_int_equal(passwd_find_scram(same, slice("bob"), &again), 0);
    assert_memory_equal(bob.salt, again.salt, 16);
    assert_memory_equal(&bob.keys, &again.keys, sizeof(again.keys));
    assert_int_equal(passwd_find_scram(other, slice("bob"), &again), 0);
    assert_memory_not_equal(bob.salt, again.salt, 16);
    assert_int_equal(passwd_find_scram(NULL, slice("bob"), &again), 0);
    assert_int_equal(again.salt_len, 16);
    passwd_free(p);
    passwd_free(same);
    passwd_free(other);
}

static void file_without_users_lets_nobody_in(void **state)
{
    struct passwd *p = load("# nobody yet\n");
    (void)state;
    assert_false(check(p, "alice", "wonderland"));
    passwd_free(p);
}

static void windows_line_ends_and_a_missing_last_one_are_fine(void **state)
{
    struct passwd *p =
        load("bob:$7$101$Ptfbf+/UilUk4JMs$ydlQabaPjb0+npFzHtU/"
             "4PYdOTDjX3OlejCxbCIG2TmRlCxHF26LkMAV1PTuTy6XzZNrXsaK6obQzf2tBrXizQ==\r\n"
             "alice:$6$6b6crkICA6K11Zv2$Y2nU2aqf5isZLuHD4iPOLhbdVl3cmPnM9qZU8aILKLOJr"
             "GzEte0yldsnYV/4RvBsVlH1igwDtZZsOxXV8hpKaw==");
    (void)state;
    assert_true(check(p, "alice", "wonderland"));
    assert_true(check(p, "bob", "builder"));
    passwd_free(p);
}

static void mistakes_name_file_line_and_user(void **state)
{
    static const char hashed[] =
        "expected a password that mosquitto_passwd has hashed ($6$, $7$ "
        "or $argon2id$; -U converts), or flotilla-passwd ($scram-sha-256$)";
    static const char few[] = "expected 4096 to 1000000 iterations";
    static const char keys[] = "expected StoredKey and ServerKey, 32 bytes each in base64";
    static const struct {
        const char *text;
        unsigned line;
        const char *user, *problem;
    } cases[] = {
        {ALICE "bob\n", 2, NULL, "expected user:password"},
        {":x\n", 1, NULL, "expected user:password"},
        {"\n\nbob:\n", 3, "bob", hashed},
        {"bob:plain\n", 1, "bob", hashed},
        {"bob:$1$abc$def\n", 1, "bob", hashed},
        {"bob:$7\n", 1, "bob", hashed},
        {"bob:$7$\n", 1, "bob", "expected 1 to 1000000 iterations"},
        {"bob:$7$0$AAAA$AAAA\n", 1, "bob", "expected 1 to 1000000 iterations"},
        {"bob:$7$-1$AAAA$AAAA\n", 1, "bob", "expected 1 to 1000000 iterations"},
        {"bob:$7$1000001$AAAA$AAAA\n", 1, "bob", "expected 1 to 1000000 iterations"},
        {"bob:$7$99999999999999999999$AAAA$AAAA\n", 1, "bob", "expected 1 to 1000000 iterations"},
        {"bob:$7$101x$AAAA$AAAA\n", 1, "bob", "expected 1 to 1000000 iterations"},
        {"bob:$7$101\n", 1, "bob", "expected a salt in base64"},
        {"bob:$7$101$$AAAA\n", 1, "bob", "expected a salt in base64"},
        {"bob:$6$A*AA$AAAA\n", 1, "bob", "expected a salt in base64"},
        {"bob:$6$AAA$AAAA\n", 1, "bob", "expected a salt in base64"},
        {"bob:$6$ AAA$AAAA\n", 1, "bob", "expected a salt in base64"},
        {"bob:$6$====$AAAA\n", 1, "bob", "expected a salt in base64"},
        {"bob:$6$AAAA\n", 1, "bob", "expected a hash of 64 bytes in base64"},
        {"bob:$6$AAAA$AAAA\n", 1, "bob", "expected a hash of 64 bytes in base64"},
        {"bob:$6$AAAA$AAAA$AAAA\n", 1, "bob", "expected a hash of 64 bytes in base64"},
        {"bob:$scram-sha-256\n", 1, "bob", hashed},
        {"bob:$scram-sha-256$\n", 1, "bob", few},
        {"bob:$scram-sha-256$4095$AAAA$AAAA$AAAA\n", 1, "bob", few},
        {"bob:$scram-sha-256$1000001$AAAA$AAAA$AAAA\n", 1, "bob", few},
        {"bob:$scram-sha-256$4096\n", 1, "bob", "expected a salt in base64"},
        {"bob:$scram-sha-256$4096$A$AAAA$AAAA\n", 1, "bob", "expected a salt in base64"},
        {"bob:$scram-sha-256$4096$AAAA\n", 1, "bob", keys},
        {"bob:$scram-sha-256$4096$AAAA$AAAA$AAAA\n", 1, "bob", keys},
        {"bob:$scram-sha-256$4096$AAAA$" KEY32 "\n", 1, "bob", keys},
        {"bob:$scram-sha-256$4096$AAAA$" KEY32 "$AAAA\n", 1, "bob", keys},
        {"bob:$scram-sha-256$4096$AAAA$" KEY32 "$" KEY32 "$\n", 1, "bob", keys},
        {"Ju\xcc\x88rg:$scram-sha-256$4096$AAAA$" KEY32 "$" KEY32 "\n", 1, "Ju\xcc\x88rg",
         "expected a name as SASLprep (RFC 4013) leaves it, of at most 256 bytes: no client that "
         "uses SCRAM could say another one"},
        {ALICE "# again\n" ALICE, 3, NULL, "user 'alice' is already in line 1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[300];
        char err[300];
        temp_file_write(cases[i].text, strlen(cases[i].text));
        assert_null(passwd_load(temp_file, KEY, err, sizeof(err)));
        if (cases[i].user != NULL)
            snprintf(expected, sizeof(expected), "%s:%u: user '%s': %s", temp_file, cases[i].line,
                     cases[i].user, cases[i].problem);
        else
            snprintf(expected, sizeof(expected), "%s:%u: %s", temp_file, cases[i].line,
                     cases[i].problem);
        assert_string_equal(err, expected);
    }
}

static void unreadable_files_are_named(void **state)
{
    char expected[200];
    char err[300];
    (void)state;
    assert_null(passwd_load("/nonexistent/passwd", KEY, err, sizeof(err)));
    assert_string_equal(err, "/nonexistent/passwd: cannot be read: No such file or directory");
    assert_null(passwd_load("/tmp", KEY, err, sizeof(err)));
    assert_string_equal(err, "/tmp: cannot be read: Is a directory");
    temp_file_write("a\0b\n", 4);
    assert_null(passwd_load(temp_file, KEY, err, sizeof(err)));
    snprintf(expected, sizeof(expected), "%s:1: expected text in UTF-8, got a NUL character",
             temp_file);
    assert_string_equal(err, expected);
    char small[12];
    assert_null(passwd_load(temp_file, KEY, small, sizeof(small)));
    assert_true(strlen(small) < sizeof(small));
}

#define HASH_OF_BOB                                                                                \
    "$7$101$Ptfbf+/UilUk4JMs$ydlQabaPjb0+npFzHtU/4PYdOTDjX3OlejCxbCIG2TmRlCxHF26LkMAV1PTuTy6Xz"    \
    "ZNrXsaK6obQzf2tBrXizQ=="

static void a_byte_order_mark_and_blanks_lose_nobody(void **state)
{
    static const char *const files[] = {
        "\xef\xbb\xbf" BOB,           "\xef\xbb\xbf# users\r\n" BOB, "bob :" HASH_OF_BOB "\n",
        "  bob\t: " HASH_OF_BOB "\n", "\tbob:" HASH_OF_BOB " \r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct passwd *p = load(files[i]);
        assert_true(check(p, "bob", "builder"));
        passwd_free(p);
    }
}

/* Names that no client can send would be users that can't log in, without a word. */
static void who_could_never_log_in_is_an_error(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {ALICE "\xef\xbb\xbf" BOB, ":2: expected no byte order mark but at the start of the file"},
        {"m\xf6m:" HASH_OF_BOB "\n", ":1: user 'm\xf6m': expected a name of at most 65535 bytes "
                                     "in UTF-8"},
        {" : " HASH_OF_BOB "\n", ":1: expected user:password"},
        {BOB "bob :" HASH_OF_BOB "\n", ":2: user 'bob' is already in line 1"},
        {"bob:" HASH_OF_BOB "x\n", ":1: user 'bob': expected a hash of 64 bytes in base64"},
        {"bob\v:" HASH_OF_BOB "\n", ":1: expected no control characters, and lines that end with "
                                    "\"\\n\""},
        {"bob:" HASH_OF_BOB ":1000\n", ":1: user 'bob': expected a hash of 64 bytes in base64"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[300];
        char err[300];
        temp_file_write(cases[i].text, strlen(cases[i].text));
        assert_null(passwd_load(temp_file, KEY, err, sizeof(err)));
        snprintf(expected, sizeof(expected), "%s%s", temp_file, cases[i].problem);
        assert_string_equal(err, expected);
    }
}

static void a_pipe_is_refused_rather_than_waited_for(void **state)
{
    char expected[300];
    char err[300];
    (void)state;
    assert_int_equal(unlink(temp_file), 0);
    assert_int_equal(mkfifo(temp_file, 0600), 0);
    assert_null(passwd_load(temp_file, KEY, err, sizeof(err)));
    snprintf(expected, sizeof(expected), "%s: cannot be read: it isn't a regular file", temp_file);
    assert_string_equal(err, expected);
}

static void a_stamp_is_of_user_and_line(void **state)
{
    struct passwd *p = load(ALICE BOB);
    struct passwd *again = load(CAROL BOB "alice:" HASH_OF_BOB "\n");
    uint64_t bob = passwd_stamp(p, slice("bob"));
    (void)state;
    assert_true(bob != 0);
    assert_true(passwd_stamp(again, slice("bob")) == bob);
    assert_true(passwd_stamp(p, slice("alice")) != passwd_stamp(again, slice("alice")));
    assert_true(passwd_stamp(p, slice("carol")) == 0);
    assert_true(passwd_stamp(NULL, slice("bob")) == 0);
    assert_true(passwd_stamp_of_hash(p, hash_bytes(KEY, "bob", 3)) == bob);
    assert_true(passwd_stamp_of_hash(p, hash_bytes(KEY, "carol", 5)) == 0);
    passwd_free(p);
    passwd_free(again);
}

static void a_long_password_may_be_kept_short(void **state)
{
    struct passwd_secret secret = {.iterations = 7, .salt_len = 12};
    uint8_t text[1000];
    uint8_t buf[PASSWD_HASH_BYTES];
    (void)state;
    memset(text, 'x', sizeof(text));
    for (uint32_t len = 120; len < 140; len++) {
        struct mqtt_slice password = {text, len};
        assert_int_equal(PKCS5_PBKDF2_HMAC((const char *)text, (int)len, secret.salt, 12, 7,
                                           EVP_sha512(), sizeof(secret.hash), secret.hash),
                         1);
        struct mqtt_slice kept = passwd_shorten(password, buf);
        assert_true(kept.len <= PASSWD_SHORT_BYTES);
        assert_true(passwd_secret_matches(&secret, kept));
        assert_true(passwd_secret_matches(&secret, password));
    }
}

static void many_users_are_found(void **state)
{
    enum { USERS = 20000 };
    char *text = malloc(USERS * 128);
    char *at = text;

    (void)state;
    assert_non_null(text);
    for (int i = 0; i < USERS; i++)
        at += sprintf(at, "u%d:%s\n", i, HASH_OF_BOB);
    struct passwd *p = load(text);
    free(text);
    for (int i = 0; i < USERS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "u%d", i);
        assert_true(passwd_stamp(p, slice(name)) != 0);
    }
    assert_true(passwd_stamp(p, slice("u20000")) == 0);
    assert_true(check(p, "u777", "builder"));
    assert_int_equal(passwd_most_iterations(p), 101);
    passwd_free(p);
}

/* Runs mosquitto_passwd; false when it isn't there. */
static bool run_tool(const char *const *argv)
{
    posix_spawn_file_actions_t quiet;
    int status = 0;
    pid_t pid;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
    int rc = posix_spawnp(&pid, argv[0], &quiet, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&quiet);
    if (rc != 0)
        return false;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 0;
}

static void file_of_the_real_tool_is_read(void **state)
{
    static const char *const kinds[] = {"sha512", "sha512-pbkdf2"};
    char err[300];
    (void)state;
    temp_file_write("", 0);
    for (size_t i = 0; i < 2; i++) {
        const char *const argv[] = {"mosquitto_passwd", "-H",     kinds[i],    "-b",
                                    temp_file,          kinds[i], "se$cret:1", NULL};
        if (!run_tool(argv))
            skip();
    }
    struct passwd *p = passwd_load(temp_file, KEY, err, sizeof(err));
    if (p == NULL)
        fail_msg("%s", err);
    for (size_t i = 0; i < 2; i++) {
        assert_true(check(p, kinds[i], "se$cret:1"));
        assert_false(check(p, kinds[i], "se$cret:2"));
    }
    passwd_free(p);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, temp_file_make, temp_file_remove)
    const struct CMUnitTest tests[] = {
        TEST(passwords_of_a_written_file_are_right),
        TEST(everything_else_is_wrong),
        TEST(keys_for_scram_are_good_for_plain_passwords),
        TEST(who_has_no_keys_for_scram_gets_some_made_up),
        TEST(file_without_users_lets_nobody_in),
        TEST(windows_line_ends_and_a_missing_last_one_are_fine),
        TEST(mistakes_name_file_line_and_user),
        TEST(unreadable_files_are_named),
        TEST(a_byte_order_mark_and_blanks_lose_nobody),
        TEST(who_could_never_log_in_is_an_error),
        TEST(a_pipe_is_refused_rather_than_waited_for),
        TEST(a_stamp_is_of_user_and_line),
        TEST(a_long_password_may_be_kept_short),
        TEST(many_users_are_found),
        TEST(file_of_the_real_tool_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
