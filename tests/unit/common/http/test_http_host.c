/* Which Host headers are ours. */
#include "common/http/http_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/config/config.h"

static void table_of_hosts(void **state)
{
    char *names[] = {"lb", "Fleet.Example.org"};
    const struct config_strings list = {.items = names, .count = 2};
    static const struct {
        const char *host;
        bool ours, ours_without_list;
    } cases[] = {
        {"127.0.0.1", true, true},
        {"127.0.0.1:9901", true, true},
        {"10.1.2.3:80", true, true},
        {"[::1]", true, true},
        {"[::1]:9901", true, true},
        {"[fe80::1]:1", true, true},
        {"localhost", true, true},
        {"LocalHost:9901", true, true},
        {"localhost.", true, true},
        {"lb", true, false},
        {"LB:9901", true, false},
        {"fleet.example.org", true, false},
        {"fleet.example.org.:1", true, false},
        {"lb.evil.example", false, false},
        {"evil.example", false, false},
        {"evil.example:9901", false, false},
        {"127.0.0.1.evil.example", false, false},
        {"localhost.evil.example", false, false},
        {"evil.example#127.0.0.1", false, false},
        {"user@127.0.0.1", false, false},
        {"127.0.0.1:9901:1", false, false},
        {"127.0.0.1:x", false, false},
        {"127.0.0.1:", false, false},
        {"[127.0.0.1]", false, false},
        {"[::1", false, false},
        {"[::1]x", false, false},
        {"::1", false, false},
        {"1.2.3", false, false},
        {"0x7f.0.0.1", false, false},
        {"", false, false},
        {".", false, false},
        {" localhost", false, false},
        {"localhost, evil.example", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (http_host_is_ours(cases[i].host, &list) != cases[i].ours ||
            http_host_is_ours(cases[i].host, NULL) != cases[i].ours_without_list)
            fail_msg("'%s'", cases[i].host);
    }
}

static void overlong_hosts_are_not_ours(void **state)
{
    char host[4096];
    (void)state;
    memset(host, 'a', sizeof(host));
    host[sizeof(host) - 1] = '\0';
    assert_false(http_host_is_ours(host, NULL));
}

static void configured_names_are_checked(void **state)
{
    static const char *const bad[] = {"", "lb:80", "a b", "lb.", "[::1]", "http://lb"};
    (void)state;
    assert_null(http_host_check_name("lb"));
    assert_null(http_host_check_name("my_fleet-1.example.org"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_non_null(http_host_check_name(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_of_hosts),
        cmocka_unit_test(overlong_hosts_are_not_ours),
        cmocka_unit_test(configured_names_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
