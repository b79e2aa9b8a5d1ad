/*
 * stream_pair - for tests: a plain stream and the other end of its socket, a pair, or a TCP connection
 * where a reset is wanted. Nobody polls: the test gives the events.
 */
#ifndef FLOTILLA_TESTS_UNIT_LB_STREAM_STREAM_PAIR_H
#define FLOTILLA_TESTS_UNIT_LB_STREAM_STREAM_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lb/stream/poller.h"
#include "lb/stream/stream.h"

static struct stream stream;
static int peer;
static struct poller poller;

static inline int pair_setup(void **state)
{
    int fds[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    stream_init_plain(&stream, fds[0]);
    peer = fds[1];
    assert_true(poller_init(&poller));
    return 0;
}

static inline int pair_teardown(void **state)
{
    (void)state;
    stream_close(&stream, &poller);
    if (peer >= 0)
        close(peer);
    poller_fini(&poller);
    return 0;
}

static inline void use_tcp(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
    stream_close(&stream, &poller);
    close(peer);
    stream_init_plain(&stream, fd);
    peer = accept(listener, NULL, NULL);
    assert_true(peer >= 0);
    close(listener);
}

static inline void peer_says(const char *text)
{
    assert_int_equal(send(peer, text, strlen(text), 0), strlen(text));
}

static inline void peer_resets(void)
{
    static const struct linger at_once = {.l_onoff = 1};
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(peer);
    peer = -1;
}

#endif
