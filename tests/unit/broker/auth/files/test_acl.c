/* ACL files as tables: who asks for what, and what a file in mosquitto's format answers. */
#include "broker/auth/files/acl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/temp_file.h"

static struct acl *try_load(const char *text, char *err, size_t errlen)
{
    temp_file_write(text, strlen(text));
    return acl_load(temp_file, err, errlen);
}

static struct acl *load(const char *text)
{
    char err[300];
    struct acl *acl = try_load(text, err, sizeof(err));
    if (acl == NULL)
        fail_msg("%s", err);
    return acl;
}

static struct mqtt_slice slice(const char *text)
{
    if (text == NULL)
        return (struct mqtt_slice){NULL, 0};
    return (struct mqtt_slice){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static bool ask(struct acl *acl, const char *user, const char *id, const char *topic,
                enum acl_access access)
{
    return acl_check(acl, slice(user), slice(id), slice(topic), access);
}

struct question {
    const char *user, *id, *topic;
    const char *may; /* of "rw": what is allowed */
};

static void assert_answers(const char *text, const struct question *questions, size_t count)
{
    struct acl *acl = load(text);
    for (size_t i = 0; i < count; i++) {
        const struct question *q = &questions[i];
        bool read = ask(acl, q->user, q->id, q->topic, ACL_READ);
        bool write = ask(acl, q->user, q->id, q->topic, ACL_WRITE);
        if (read != (strchr(q->may, 'r') != NULL) || write != (strchr(q->may, 'w') != NULL))
            fail_msg("question %zu: %s/%s on %s: read %d, write %d, expected '%s'", i,
                     q->user != NULL ? q->user : "-", q->id, q->topic, read, write, q->may);
        assert_true(ask(acl, q->user, q->id, q->topic, ACL_SUBSCRIBE));
    }
    acl_free(acl);
}
#define ASSERT_ANSWERS(text, questions)                                                            \
    assert_answers((text), (questions), sizeof(questions) / sizeof((questions)[0]))

static void without_a_file_all_is_allowed(void **state)
{
    (void)state;
    assert_true(ask(NULL, NULL, "c", "a", ACL_READ));
    assert_true(ask(NULL, "u", "c", "a", ACL_WRITE));
    assert_true(ask(NULL, "u", "c", "#", ACL_SUBSCRIBE));
    acl_free(NULL);
}

static void empty_file_denies_all_but_subscribing(void **state)
{
    static const struct question q[] = {
        {NULL, "c", "a", ""}, {"u", "c", "a/b", ""}, {"u", "c", "$SYS/x", ""}};
    (void)state;
    ASSERT_ANSWERS("# nothing\n\n", q);
}

static void access_words_mean_what_they_say(void **state)
{
    static const struct question q[] = {
        {NULL, "c", "r", "r"},          {NULL, "c", "w", "w"},      {NULL, "c", "rw", "rw"},
        {NULL, "c", "d", ""},           {NULL, "c", "plain", "rw"}, {NULL, "c", "other", ""},
        {NULL, "c", "two words", "rw"}, {NULL, "c", "tab", "r"},    {NULL, "c", "read", "rw"},
    };
    (void)state;
    ASSERT_ANSWERS("topic read r\n"
                   "topic write w\n"
                   "topic readwrite rw\n"
                   "topic deny d\n"
                   "topic plain\n"
                   "topic readwrite  two words  \r\n"
                   "\ttopic\tread\ttab\n"
                   "topic read\n", /* a topic of that name, as in mosquitto */
                   q);
}

static void users_and_anonymous_clients_have_their_own_rules(void **state)
{
    static const struct question q[] = {
        {NULL, "c", "public/x", "r"},   {"", "c", "public/x", "r"},
        {"alice", "c", "public/x", ""}, {"alice", "c", "alice/x", "rw"},
        {"alice", "c", "alice", "rw"},  {"alice", "c", "late", "w"},
        {"bob", "c", "alice/x", ""},    {"bob", "c", "bob/x", "r"},
        {"carol", "c", "bob/x", ""},    {"alic", "c", "alice/x", ""},
        {"b c", "c", "spaced", "rw"},   {NULL, "c", "alice/x", ""},
    };
    (void)state;
    ASSERT_ANSWERS("topic read public/#\n"
                   "user alice\n"
                   "topic alice/#\n"
                   "user bob\n"
                   "topic read bob/+\n"
                   "# again\n"
                   "user alice\n"
                   "topic write late\n"
                   "user  b c \n"
                   "topic spaced\n",
                   q);
}

static void deny_goes_before_every_grant(void **state)
{
    static const struct question q[] = {
        {"u", "c", "a/x", "rw"},      {"u", "c", "a/secret", ""}, {"u", "c", "a/secret/x", ""},
        {"u", "c", "b/u/x", "rw"},    {"u", "c", "b/u/no", ""},   {"v", "c", "b/v/no", ""},
        {"v", "c", "a/secret", "rw"}, {"u", "c", "all/u", ""},
    };
    (void)state;
    ASSERT_ANSWERS("pattern readwrite b/%u/#\n"
                   "pattern deny b/%u/no\n"
                   "pattern deny all/%u\n"
                   "user u\n"
                   "topic a/#\n"
                   "topic all/#\n" /* a topic's grant, but the pattern's deny goes first */
                   "topic deny a/secret/#\n"
                   "user v\n"
                   "topic a/#\n",
                   q);
}

static void patterns_take_client_id_and_user_name(void **state)
{
    static const struct question q[] = {
        {"u", "c", "dev/c/up", "w"},      {"u", "c", "dev/x/up", ""},
        {NULL, "c", "dev/c/up", "w"},     {"u", "c", "user/u/in", "r"},
        {NULL, "c", "user//in", ""},      {"u", "c", "user/x/in", ""},
        {"u", "c", "both/u/c", "rw"},     {"u", "c", "both/c/u", ""},
        {NULL, "c", "both/c", ""},        {"u", "c", "part-u-c", "r"},
        {"u", "c", "plain/for/all", "r"}, {"u", "c", "100%", "r"},
        {"%c", "%u", "both/%c/%u", "rw"}, /* names are put in once */
        {"u", "", "dev//up", ""},
    };
    (void)state;
    ASSERT_ANSWERS("user nobody\n" /* patterns go for all, wherever they stand */
                   "pattern write dev/%c/up\n"
                   "pattern read user/%u/#\n"
                   "pattern both/%u/%c\n"
                   "pattern read part-%u-%c\n"
                   "pattern read plain/#\n"
                   "pattern read 100%\n",
                   q);
}

static void names_with_wildcards_or_levels_widen_nothing(void **state)
{
    static const struct question q[] = {
        {"u", "+", "dev/other/up", ""},
        {"u", "#", "dev/other/up", ""},
        {"u", "#", "dev/#", ""},
        {"u", "a/b", "dev/a/b/up", ""},
        {"u", "a+", "dev/a+/up", ""},
        {"+", "c", "user/other/in", ""},
        {"#", "c", "user/other", ""},
        {"a/b", "c", "user/a/b/in", ""},
        {"+", "c", "dev/c/up", "w"}, /* the client id is fine, and only that is put in */
        {"u", "a/b", "plain", "r"},
        /* a deny holds all the same */
        {"u", "a/b", "open/a/b", ""},
        {"u", "a/b", "open/a", "rw"},
        {"u", "+", "open/x", ""},
        {"u", "x#", "open/x", "rw"},
    };
    (void)state;
    ASSERT_ANSWERS("pattern write dev/%c/up\n"
                   "pattern read user/%u/#\n"
                   "pattern read plain\n"
                   "pattern deny open/%c\n"
                   "user u\n"
                   "topic open/#\n",
                   q);
}

static void wildcards_match_as_in_subscriptions(void **state)
{
    static const struct question q[] = {
        {NULL, "c", "a/b/c", "r"},  {NULL, "c", "a", "r"},      {NULL, "c", "ab", ""},
        {NULL, "c", "x/1/y", "w"},  {NULL, "c", "x/1/2/y", ""}, {NULL, "c", "x//y", "w"},
        {NULL, "c", "$SYS/up", ""}, {NULL, "c", "$share", ""},
    };
    static const struct question all[] = {
        {NULL, "c", "a", "rw"}, {NULL, "c", "$SYS/up", "r"}, {NULL, "c", "$other/up", ""}};
    (void)state;
    ASSERT_ANSWERS("topic read a/#\ntopic write x/+/y\n", q);
    ASSERT_ANSWERS("topic #\ntopic read $SYS/#\n", all);
}

static void patterns_longer_than_a_topic_match_nothing(void **state)
{
    char *id = malloc(65536);
    struct acl *acl = load("pattern %c/%c/#\npattern read #\n");
    (void)state;
    assert_non_null(id);
    memset(id, 'x', 65535);
    id[65535] = '\0';
    assert_false(ask(acl, NULL, id, "xx/y", ACL_WRITE));
    assert_true(ask(acl, NULL, id, "xx/y", ACL_READ));
    assert_true(ask(acl, NULL, "i", "i/i/y", ACL_WRITE));
    free(id);
    acl_free(acl);
}

static void many_users_and_rules_are_kept_apart(void **state)
{
    size_t size = 1000 * 120;
    char *text = malloc(size);
    char *at = text;
    (void)state;
    assert_non_null(text);
    for (int i = 0; i < 1000; i++)
        at += sprintf(at, "user u%d\ntopic a/%d\ntopic read b/%d\ntopic write c/%d\ntopic deny d\n",
                      i, i, i, i);
    struct acl *acl = load(text);
    free(text);
    for (int i = 0; i < 1000; i++) {
        char user[16];
        char topic[16];
        snprintf(user, sizeof(user), "u%d", i);
        snprintf(topic, sizeof(topic), "c/%d", i);
        assert_true(ask(acl, user, "c", topic, ACL_WRITE));
        assert_false(ask(acl, user, "c", topic, ACL_READ));
        snprintf(topic, sizeof(topic), "a/%d", (i + 1) % 1000);
        assert_false(ask(acl, user, "c", topic, ACL_WRITE));
    }
    acl_free(acl);
}

static void mistakes_name_file_and_line(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *problem;
    } cases[] = {
        {"topic a\n\n# x\ntopics b\n", 4, "expected topic, pattern or user, got 'topics'"},
        {"Topic a\n", 1, "expected topic, pattern or user, got 'Topic'"},
        {"topic\n", 1, "expected a topic filter after 'topic'"},
        {"pattern  \n", 1, "expected a topic filter after 'pattern'"},
        {"user\n", 1, "expected a name after 'user'"},
        {"topic reed a\n", 1, "expected read, write, readwrite or deny, got 'reed'"},
        {"topic a b\n", 1, "expected read, write, readwrite or deny, got 'a'"},
        {"topic read a#\n", 1, "expected a topic filter, got 'a#'"},
        {"topic read #/a\n", 1, "expected a topic filter, got '#/a'"},
        {"pattern read %c+/x\n", 1, "expected a topic filter, got '%c+/x'"},
        {"topic \xff\n", 1, "expected a topic filter, got '\xff'"},
        {"ok \x1b[0m\n", 1, "expected no control characters, and lines that end with \"\\n\""},
        {"topic a\x7f\n", 1, "expected no control characters, and lines that end with \"\\n\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[300];
        char err[300];
        assert_null(try_load(cases[i].text, err, sizeof(err)));
        snprintf(expected, sizeof(expected), "%s:%u: %s", temp_file, cases[i].line,
                 cases[i].problem);
        assert_string_equal(err, expected);
    }
}

static void a_byte_order_mark_blanks_and_windows_line_ends_change_nothing(void **state)
{
    static const struct question questions[] = {
        {NULL, "c", "first", "r"}, {"anna", "c", "hers", "rw"}, {"bob", "c", "his", "w"}};
    (void)state;
    assert_answers("\xef\xbb\xbftopic\tread \t first\r\nuser\tanna \r\n\ttopic  hers\t\r\n"
                   " user bob\r\ntopic write\this",
                   questions, 3);
}

static void a_user_who_can_never_come_is_an_error(void **state)
{
    char expected[300];
    char err[300];
    (void)state;
    assert_null(try_load("user m\xf6m\ntopic a\n", err, sizeof(err)));
    snprintf(expected, sizeof(expected), "%s:1: expected a user name in UTF-8", temp_file);
    assert_string_equal(err, expected);
    assert_null(try_load("topic a\n\xef\xbb\xbfuser anna\n", err, sizeof(err)));
    snprintf(expected, sizeof(expected),
             "%s:2: expected no byte order mark but at the start of the file", temp_file);
    assert_string_equal(err, expected);
    /* With "\r" alone as the end of a line, anna's rule would be a part of her name. */
    assert_null(try_load("user anna\rtopic a\r", err, sizeof(err)));
    snprintf(expected, sizeof(expected),
             "%s:1: expected no control characters, and lines that end with \"\\n\"", temp_file);
    assert_string_equal(err, expected);
}

static void unreadable_files_are_named(void **state)
{
    char err[300];
    (void)state;
    assert_null(acl_load("/nonexistent/acl", err, sizeof(err)));
    assert_string_equal(err, "/nonexistent/acl: cannot be read: No such file or directory");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, temp_file_make, temp_file_remove)
    const struct CMUnitTest tests[] = {
        TEST(without_a_file_all_is_allowed),
        TEST(empty_file_denies_all_but_subscribing),
        TEST(access_words_mean_what_they_say),
        TEST(users_and_anonymous_clients_have_their_own_rules),
        TEST(deny_goes_before_every_grant),
        TEST(patterns_take_client_id_and_user_name),
        TEST(names_with_wildcards_or_levels_widen_nothing),
        TEST(wildcards_match_as_in_subscriptions),
        TEST(patterns_longer_than_a_topic_match_nothing),
        TEST(many_users_and_rules_are_kept_apart),
        TEST(mistakes_name_file_and_line),
        TEST(a_byte_order_mark_blanks_and_windows_line_ends_change_nothing),
        TEST(a_user_who_can_never_come_is_an_error),
        TEST(unreadable_files_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
