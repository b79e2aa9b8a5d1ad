/* redis_tls: what a URL and its settings come to. */
#include "common/redis/redis_tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/redis/redis_url.h"
#include "common/tls/tls_client.h"

static bool make(const char *text, const struct tls_client_config *config, struct tls_client **out,
                 char *err, size_t errlen)
{
    struct redis_url url;
    assert_null(redis_url_parse(text, &url));
    err[0] = '\0';
    return redis_tls_new(&url, config, out, err, errlen);
}

static void a_plain_url_has_none(void **state)
{
    struct tls_client *tls;
    char err[512];
    (void)state;
    assert_true(make("redis://h", NULL, &tls, err, sizeof(err)));
    assert_null(tls);
    assert_true(make("unix:///run/redis.sock", NULL, &tls, err, sizeof(err)));
    assert_null(tls);
}

static void settings_without_tls_are_an_error(void **state)
{
    const struct tls_client_config config = {.server_name = (char *)"redis"};
    struct tls_client *tls;
    char err[512];
    (void)state;
    assert_false(make("redis://h", &config, &tls, err, sizeof(err)));
    assert_non_null(strstr(err, "rediss://"));
    assert_null(tls);
}

static void settings_are_optional_and_checked(void **state)
{
    const struct tls_client_config config = {.ca = (char *)"/nowhere/ca.pem"};
    struct tls_client *tls;
    char err[512];
    (void)state;
    assert_true(make("rediss://h", NULL, &tls, err, sizeof(err)));
    assert_non_null(tls);
    tls_client_unref(tls);
    assert_false(make("rediss://h", &config, &tls, err, sizeof(err)));
    assert_non_null(strstr(err, "redis.tls: ca '/nowhere/ca.pem': No such file"));
    assert_null(tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_url_has_none),
        cmocka_unit_test(settings_without_tls_are_an_error),
        cmocka_unit_test(settings_are_optional_and_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
