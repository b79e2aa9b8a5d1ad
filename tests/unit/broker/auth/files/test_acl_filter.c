/* acl_filter: which filters a client may subscribe to. test_acl_matrix.c asks about hundreds more. */
#include "broker/auth/files/acl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/temp_file.h"

static struct acl *load(const char *text)
{
    char err[300];
    temp_file_write(text, strlen(text));
    struct acl *acl = acl_load(temp_file, err, sizeof(err));
    if (acl == NULL)
        fail_msg("%s", err);
    return acl;
}

static struct mqtt_slice slice(const char *text)
{
    return mqtt_slice_of(text, text != NULL ? strlen(text) : 0);
}

struct wish {
    const char *user, *id, *filter;
    const char *granted; /* of "oc": with overlap, with covered */
};

static void assert_grants(const char *text, const struct wish *wishes, size_t count)
{
    struct acl *acl = load(text);

    for (size_t i = 0; i < count; i++) {
        const struct wish *w = &wishes[i];
        struct mqtt_slice user = slice(w->user);
        struct mqtt_slice id = slice(w->id);
        struct mqtt_slice filter = slice(w->filter);
        bool overlap = acl_grants_filter(acl, user, id, filter, ACL_FILTER_OVERLAP);
        bool covered = acl_grants_filter(acl, user, id, filter, ACL_FILTER_COVERED);
        if (overlap != (strchr(w->granted, 'o') != NULL) ||
            covered != (strchr(w->granted, 'c') != NULL))
            fail_msg("wish %zu: '%s': overlap %d, covered %d, expected '%s'", i, w->filter, overlap,
                     covered, w->granted);
        assert_true(acl_grants_filter(acl, user, id, filter, ACL_FILTER_ALWAYS));
    }
    acl_free(acl);
}
#define ASSERT_GRANTS(text, wishes)                                                                \
    assert_grants((text), (wishes), sizeof(wishes) / sizeof((wishes)[0]))

static void filters_are_granted_by_what_of_them_may_be_read(void **state)
{
    static const struct wish w[] = {
        {"u", "c", "a/b", "oc"}, {"u", "c", "a/#", "oc"},    {"u", "c", "a", "oc"},
        {"u", "c", "#", "o"},    {"u", "c", "+/b", "o"},     {"u", "c", "+", "o"},
        {"u", "c", "b", ""},     {"u", "c", "b/#", ""},      {"u", "c", "x/+/y", "oc"},
        {"u", "c", "x/#", "o"},  {"u", "c", "x/1/z", ""},    {"u", "c", "out", ""},
        {"u", "c", "out/#", ""}, {"u", "c", "$SYS/#", "o"},  {"u", "c", "$SYS/up", "oc"},
        {"v", "c", "a/#", ""},   {NULL, "c", "a/#", ""},     {NULL, "c", "open/+", "oc"},
        {"v", "c", "open", ""},  {"u", "c", "+/+/+/+", "o"}, {"u", "c", "+/#", "o"},
    };

    (void)state;
    ASSERT_GRANTS("topic read open/#\n"
                  "user u\n"
                  "topic a/#\n"
                  "topic read x/+/y\n"
                  "topic write out\n"
                  "topic read $SYS/up\n",
                  w);
}

static void what_a_deny_covers_is_refused(void **state)
{
    static const struct wish w[] = {
        {"u", "c", "a/secret", ""},    {"u", "c", "a/secret/#", ""}, {"u", "c", "a/secret/x", ""},
        {"u", "c", "a/#", "oc"},       {"u", "c", "a/+", "oc"},      {"u", "c", "b/x", ""},
        {"u", "c", "+/x", "o"},        {"u", "c", "b/+", ""},        {"u", "c", "#", "o"},
        {"u", "c", "c/d/#", ""},       {"u", "c", "c/+/e", ""},      {"u", "c", "c/#", ""},
        {"u", "c", "own/u/x", ""},     {"u", "c", "own/#", "oc"},    {"v", "c", "own/v/x", ""},
        {"u", "c", "+/secret/x", "o"}, /* of own/# */
    };

    (void)state;
    ASSERT_GRANTS("pattern deny own/%u/x\n"
                  "user u\n"
                  "topic a/#\n"
                  "topic deny a/secret/#\n"
                  "topic b/x\n"
                  "topic deny b/#\n"
                  "topic c/d/e\n" /* all that may be read of it is denied */
                  "topic deny c/d/#\n"
                  "topic own/#\n",
                  w);
}

static void patterns_grant_filters_to_whom_they_are_for(void **state)
{
    static const struct wish w[] = {
        {"u", "c", "dev/c/#", "oc"}, {"u", "c", "dev/d/#", ""},   {"u", "c", "dev/#", "o"},
        {"u", "+", "dev/#", ""},     {"u", "#", "#", "o"},        {NULL, "c", "dev/c/x", "oc"},
        {"u", "a/b", "dev/#", ""},   {"", "c", "user/#", ""},     {NULL, "c", "user/#", ""},
        {"u", "c", "user/u", "oc"},  {"$SYS", "c", "$SYS/#", ""}, {"u", "", "dev/#", ""},
    };

    (void)state;
    ASSERT_GRANTS("pattern read dev/%c/#\n"
                  "pattern read user/%u\n"
                  "pattern read %u/in\n"
                  "pattern write all/#\n",
                  w);
}

/* Thousands of grants and denies: the work is bounded, and what can't be decided is granted. */
static void very_many_rules_are_not_all_compared(void **state)
{
    size_t size = 4000 * 40;
    char *text = malloc(size);
    char *at = text;

    (void)state;
    assert_non_null(text);
    for (int i = 0; i < 2000; i++)
        at += sprintf(at, "topic read a/%d/x\ntopic deny a/%d/#\n", i, 1999 - i);
    struct acl *acl = load(text);
    free(text);
    assert_true(acl_grants_filter(acl, slice(NULL), slice("c"), slice("a/#"), ACL_FILTER_OVERLAP));
    assert_false(
        acl_grants_filter(acl, slice(NULL), slice("c"), slice("a/7/#"), ACL_FILTER_OVERLAP));
    assert_false(acl_grants_filter(acl, slice(NULL), slice("c"), slice("b"), ACL_FILTER_OVERLAP));
    assert_false(acl_check(acl, slice(NULL), slice("c"), slice("a/7/x"), ACL_READ));
    acl_free(acl);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, temp_file_make, temp_file_remove)
    const struct CMUnitTest tests[] = {
        TEST(filters_are_granted_by_what_of_them_may_be_read),
        TEST(what_a_deny_covers_is_refused),
        TEST(patterns_grant_filters_to_whom_they_are_for),
        TEST(very_many_rules_are_not_all_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
