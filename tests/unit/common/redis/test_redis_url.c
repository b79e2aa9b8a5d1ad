/* redis_url: what it understands and what it refuses. */
#include "common/redis/redis_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void short_forms_get_defaults(void **state)
{
    struct redis_url u;
    (void)state;
    assert_null(redis_url_parse("redis://redis", &u));
    assert_string_equal(u.host, "redis");
    assert_int_equal(u.port, 6379);
    assert_int_equal(u.database, 0);
    assert_null(redis_url_parse("redis://", &u));
    assert_string_equal(u.host, "127.0.0.1");
    assert_null(redis_url_parse("redis://10.0.0.1:7000/", &u));
    assert_int_equal(u.port, 7000);
}

static void login_port_and_database_are_taken(void **state)
{
    struct redis_url u;
    (void)state;
    assert_null(redis_url_parse("redis://me:s%40cr:t@[::1]:7001/3", &u));
    assert_string_equal(u.user, "me");
    assert_string_equal(u.password, "s@cr:t");
    assert_string_equal(u.host, "::1");
    assert_int_equal(u.port, 7001);
    assert_int_equal(u.database, 3);
    assert_null(redis_url_parse("redis://:only@h", &u));
    assert_string_equal(u.user, "");
    assert_string_equal(u.password, "only");
}

static void unix_sockets_are_taken(void **state)
{
    struct redis_url u;
    (void)state;
    assert_null(redis_url_parse("unix:///run/r.sock", &u));
    assert_string_equal(u.path, "/run/r.sock");
    assert_string_equal(u.host, "");
    assert_null(redis_url_parse("unix://:pw@/run/r.sock?db=4", &u));
    assert_string_equal(u.path, "/run/r.sock");
    assert_string_equal(u.password, "pw");
    assert_int_equal(u.database, 4);
}

static void what_cannot_work_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "http://x",
        "redis//x",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:x",
        "redis://h:",
        "redis://h/x",
        "redis://h/1/2",
        "redis://[::1",
        "redis://[::1]x",
        "redis://user@h",
        "redis://a%4:b@h",
        "redis://a%00:b@h",
        "unix://",
        "unix://relative/path",
        "unix:///p?x=1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_non_null(redis_url_check(bad[i]));
}

static void password_comes_from_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/flotilla-password-XXXXXX";
    char err[128] = "";
    struct redis_url url;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_null(redis_url_parse("redis://redis:6379/0", &url));
    assert_false(redis_url_read_password(&url, path, err, sizeof(err)));
    assert_non_null(strstr(err, "expected a password"));
    assert_int_equal(write(fd, "#se cret\r\nmore\n", 15), 15);
    assert_true(redis_url_read_password(&url, path, err, sizeof(err)));
    assert_string_equal(url.password, "#se cret");
    assert_int_equal(pwrite(fd,
                            "\xef\xbb\xbf"
                            "secret\r\nmore\n",
                            16, 0),
                     16);
    assert_true(redis_url_read_password(&url, path, err, sizeof(err)));
    assert_string_equal(url.password, "secret");
    char long_line[300];
    memset(long_line, 'x', sizeof(long_line));
    assert_int_equal(pwrite(fd, long_line, sizeof(long_line), 0), sizeof(long_line));
    assert_false(redis_url_read_password(&url, path, err, sizeof(err)));
    assert_non_null(strstr(err, "at most 255 bytes"));
    close(fd);
    unlink(path);
    assert_false(redis_url_read_password(&url, path, err, sizeof(err)));
    assert_non_null(strstr(err, "No such file"));
    assert_false(redis_url_read_password(&url, "/tmp", err, sizeof(err)));
    assert_non_null(strstr(err, "Is a directory"));
}

static void tls_is_another_scheme_of_the_same_form(void **state)
{
    struct redis_url u;
    (void)state;
    assert_null(redis_url_parse("rediss://me:s%40crt@h:7001/3", &u));
    assert_true(u.tls);
    assert_string_equal(u.host, "h");
    assert_string_equal(u.user, "me");
    assert_string_equal(u.password, "s@crt");
    assert_int_equal(u.port, 7001);
    assert_int_equal(u.database, 3);
    assert_null(redis_url_parse("redis://h", &u));
    assert_false(u.tls);
    assert_non_null(redis_url_parse("redisss://h", &u));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_forms_get_defaults),
        cmocka_unit_test(login_port_and_database_are_taken),
        cmocka_unit_test(unix_sockets_are_taken),
        cmocka_unit_test(what_cannot_work_is_refused),
        cmocka_unit_test(password_comes_from_a_file),
        cmocka_unit_test(tls_is_another_scheme_of_the_same_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
