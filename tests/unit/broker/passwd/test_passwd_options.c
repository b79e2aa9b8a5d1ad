/* passwd_options: what a command line means, and what doesn't go together. */
#include "broker/passwd/passwd_options.h"

#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *parse(struct passwd_options *o, const char *line)
{
    static char text[256];
    char *argv[16] = {0};
    int argc = 0;
    strcpy(text, line);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    optind = 0; /* getopt begins anew */
    opterr = 0;
    return passwd_options_parse(argc, argv, o);
}

static void words_and_letters_have_a_meaning(void **state)
{
    static const struct {
        const char *line;
        struct passwd_options expected;
        const char *password;
    } cases[] = {
        {"p f u", {.command = PASSWD_PUT, .iterations = 10000, .file = "f", .user = "u"}, NULL},
        {"p -c -b f u x",
         {.command = PASSWD_PUT, .iterations = 10000, .create = true, .file = "f", .user = "u"},
         "x"},
        {"p --stdin -H scram-sha-256 f u",
         {.command = PASSWD_PUT,
          .hash = PASSWD_HASH_SCRAM,
          .iterations = 15000,
          .from_stdin = true,
          .file = "f",
          .user = "u"},
         NULL},
        {"p -I 5000 -H scram-sha-256 f u",
         {.hash = PASSWD_HASH_SCRAM, .iterations = 5000, .file = "f", .user = "u"},
         NULL},
        {"p -H argon2id f u",
         {.hash = PASSWD_HASH_ARGON2ID, .iterations = 1, .file = "f", .user = "u"},
         NULL},
        {"p -D f u",
         {.command = PASSWD_DELETE, .iterations = 10000, .file = "f", .user = "u"},
         NULL},
        {"p -U f", {.command = PASSWD_CONVERT, .iterations = 10000, .file = "f"}, NULL},
        {"p --list f", {.command = PASSWD_LIST, .iterations = 10000, .file = "f"}, NULL},
        {"p --verify -b f u x",
         {.command = PASSWD_VERIFY, .iterations = 10000, .file = "f", .user = "u"},
         "x"},
        {"p -- -f -u", {.iterations = 10000, .file = "-f", .user = "-u"}, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct passwd_options o;
        const struct passwd_options *e = &cases[i].expected;
        const char *wrong = parse(&o, cases[i].line);
        if (wrong != NULL)
            fail_msg("%s: %s", cases[i].line, wrong);
        assert_int_equal(o.command, e->command);
        assert_int_equal(o.hash, e->hash);
        assert_int_equal(o.iterations, e->iterations);
        assert_int_equal(o.create, e->create);
        assert_int_equal(o.from_stdin, e->from_stdin);
        assert_string_equal(o.file, e->file);
        assert_int_equal(o.user != NULL, e->user != NULL);
        if (e->user != NULL)
            assert_string_equal(o.user, e->user);
        assert_int_equal(o.password != NULL, cases[i].password != NULL);
        if (o.password != NULL)
            assert_string_equal(o.password, cases[i].password);
    }
}

static void what_does_not_go_together_is_wrong(void **state)
{
    static const char *const wrong[] = {
        "p",
        "p f",
        "p f u x",
        "p -b f u",
        "p -b f u x y",
        "p -D f",
        "p -U f u",
        "p --list f u",
        "p --verify f",
        "p -D -U f",
        "p -D --list f",
        "p -c -D f u",
        "p -c --verify f u",
        "p -b -D f u",
        "p -b --list f",
        "p -b --stdin f u x",
        "p --stdin -D f u",
        "p --stdin -U f",
        "p -H md5 f u",
        "p -H",
        "p -I 0 f u",
        "p -I -1 f u",
        "p -I 1x f u",
        "p -I 1000001 f u",
        "p -H scram-sha-256 -I 4095 f u",
        "p -H argon2id -I 81 f u",
        "p -x f u",
        "p --nonsense f u",
    };
    struct passwd_options o;
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (parse(&o, wrong[i]) == NULL)
            fail_msg("taken: %s", wrong[i]);
}

static void help_needs_nothing_else(void **state)
{
    struct passwd_options o;
    (void)state;
    assert_null(parse(&o, "p --help"));
    assert_int_equal(o.command, PASSWD_HELP);
    assert_null(parse(&o, "p --version"));
    assert_int_equal(o.command, PASSWD_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_letters_have_a_meaning),
        cmocka_unit_test(what_does_not_go_together_is_wrong),
        cmocka_unit_test(help_needs_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
