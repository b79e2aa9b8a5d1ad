/* redis_dial: which addresses need no resolver, and sockets to them by turns. */
#include "common/redis/redis_dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/redis/redis_url.h"

static void numbers_need_no_resolver(void **state)
{
    (void)state;
    struct redis_url url;
    struct redis_dial d = {.url = &url};
    assert_null(redis_url_parse("redis://10.1.2.3:7000", &url));
    assert_int_equal(redis_dial_find(&d), REDIS_DIAL_KNOWN);
    assert_int_equal(d.address_count, 1);
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)&d.addresses[0];
    assert_int_equal(in4->sin_family, AF_INET);
    assert_int_equal(in4->sin_addr.s_addr, htonl(0x0a010203));
    assert_int_equal(in4->sin_port, htons(7000));

    assert_null(redis_url_parse("redis://[::1]:7001", &url));
    assert_int_equal(redis_dial_find(&d), REDIS_DIAL_KNOWN);
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&d.addresses[0];
    assert_int_equal(in6->sin6_family, AF_INET6);
    assert_true(IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr));
    assert_int_equal(in6->sin6_port, htons(7001));
    redis_dial_fini(&d);
}

static void a_unix_socket_needs_no_resolver(void **state)
{
    (void)state;
    struct redis_url url;
    struct redis_dial d = {.url = &url};
    assert_null(redis_url_parse("unix:///run/nobody.is.here", &url));
    assert_int_equal(redis_dial_find(&d), REDIS_DIAL_KNOWN);
    const struct sockaddr_un *un = (const struct sockaddr_un *)&d.addresses[0];
    assert_int_equal(un->sun_family, AF_UNIX);
    assert_string_equal(un->sun_path, "/run/nobody.is.here");
    assert_int_equal(redis_dial_open(&d, 0), -1);
    assert_int_equal(errno, ENOENT);
    redis_dial_fini(&d);
}

static int listen_somewhere(struct redis_dial *d)
{
    struct sockaddr_in *addr = (struct sockaddr_in *)&d->addresses[d->address_count];
    socklen_t len = sizeof(*addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    addr->sin_family = AF_INET;
    addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)addr, len), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)addr, &len), 0);
    d->address_lens[d->address_count++] = len;
    return fd;
}

static void addresses_take_turns(void **state)
{
    (void)state;
    struct redis_dial d = {0};
    int listeners[2] = {listen_somewhere(&d), listen_somewhere(&d)};
    for (unsigned turn = 0; turn < 4; turn++) {
        struct sockaddr_in peer;
        socklen_t len = sizeof(peer);
        int fd = redis_dial_open(&d, turn);
        int other = accept(listeners[turn % 2], NULL, NULL);
        assert_true(fd >= 0 && other >= 0);
        assert_int_equal(getpeername(fd, (struct sockaddr *)&peer, &len), 0);
        assert_int_equal(peer.sin_port,
                         ((const struct sockaddr_in *)&d.addresses[turn % 2])->sin_port);
        close(fd);
        close(other);
    }
    close(listeners[0]);
    close(listeners[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_need_no_resolver),
        cmocka_unit_test(a_unix_socket_needs_no_resolver),
        cmocka_unit_test(addresses_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
