/* The policy names exactly the style and the script of the page. */
#include "lb/admin/page_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "lb/admin/status_page.h"

static void hashes_are_of_what_stands_between_the_tags(void **state)
{
    char policy[PAGE_POLICY_MAX];
    (void)state;
    /* printf %s "alert('Hello, world.');" | openssl dgst -sha256 -binary | base64 */
    assert_true(page_policy("<style>a{}</style><script>alert('Hello, world.');</script>", policy));
    assert_non_null(
        strstr(policy, "script-src 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng=';"));
    assert_non_null(strstr(policy, "default-src 'none';"));
    assert_non_null(strstr(policy, "frame-ancestors 'none'"));
    assert_null(strstr(policy, "unsafe"));
}

static void a_page_without_script_gets_the_strictest(void **state)
{
    char policy[PAGE_POLICY_MAX];
    (void)state;
    assert_false(page_policy("<style>a{}</style>", policy));
    assert_string_equal(policy, "default-src 'none'; frame-ancestors 'none'");
}

static void the_status_page_has_one_style_and_one_script_and_no_inline_handlers(void **state)
{
    char policy[PAGE_POLICY_MAX];
    (void)state;
    assert_true(page_policy(status_page, policy));
    assert_true(strlen(policy) < PAGE_POLICY_MAX - 1);
    assert_null(strstr(strstr(status_page, "<script") + 1, "<script"));
    assert_null(strstr(strstr(status_page, "<style") + 1, "<style"));
    assert_null(strstr(status_page, " style="));
    assert_null(strstr(status_page, " onclick="));
    assert_non_null(strstr(status_page, "confirm(")); /* before it drains */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_of_what_stands_between_the_tags),
        cmocka_unit_test(a_page_without_script_gets_the_strictest),
        cmocka_unit_test(the_status_page_has_one_style_and_one_script_and_no_inline_handlers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
