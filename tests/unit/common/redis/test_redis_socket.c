/* redis_socket: replies come out whole, in pieces of a turn, and not while paused; ends are told. */
#include "common/redis/redis_socket.h"

#include <event2/event.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct event_base *base;
static struct redis_socket s;
static int server;
static long long taken[8];
static unsigned taken_count, stop_after;

static int setup(void **state)
{
    int fds[2];
    (void)state;
    base = event_base_new();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    server = fds[1];
    assert_true(redis_socket_open(&s, base, fds[0]));
    assert_true(redis_socket_listen(&s, true));
    taken_count = 0;
    stop_after = 8;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    redis_socket_close(&s);
    redis_socket_close(&s); /* harmless */
    if (server >= 0)
        close(server);
    event_base_free(base);
    s = (struct redis_socket){0};
    return 0;
}

static bool take(void *arg, redisReply *reply)
{
    (void)arg;
    assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
    taken[taken_count++] = reply->integer;
    return taken_count < stop_after;
}

static enum redis_socket_read read_now(const char **why)
{
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    return redis_socket_read(&s, NULL, take, NULL, why);
}

static void say(const char *text)
{
    assert_int_equal(write(server, text, strlen(text)), (ssize_t)strlen(text));
}

static void replies_come_out_when_they_are_whole(void **state)
{
    const char *why = NULL;
    (void)state;
    say(":1\r\n:2");
    assert_int_equal(read_now(&why), REDIS_SOCKET_DRAINED);
    assert_int_equal(taken_count, 1);
    say("3\r\n");
    assert_int_equal(read_now(&why), REDIS_SOCKET_DRAINED);
    assert_int_equal(taken_count, 2);
    assert_int_equal(taken[1], 23);
    assert_int_equal(read_now(&why), REDIS_SOCKET_DRAINED);
}

static void paused_it_keeps_them(void **state)
{
    const char *why = NULL;
    (void)state;
    s.paused = true;
    say(":1\r\n:2\r\n");
    assert_int_equal(read_now(&why), REDIS_SOCKET_LEFT);
    assert_int_equal(taken_count, 0);
    s.paused = false;
    assert_int_equal(read_now(&why), REDIS_SOCKET_DRAINED);
    assert_int_equal(taken_count, 2);
}

static void who_takes_may_stop_it(void **state)
{
    const char *why = NULL;
    (void)state;
    stop_after = 1;
    say(":1\r\n:2\r\n");
    assert_int_equal(read_now(&why), REDIS_SOCKET_STOPPED);
    assert_int_equal(taken_count, 1);
}

static void an_end_comes_after_what_was_said(void **state)
{
    const char *why = NULL;
    (void)state;
    say(":1\r\n");
    assert_false(redis_socket_is_closed_by_peer(&s));
    close(server);
    server = -1;
    assert_true(redis_socket_is_closed_by_peer(&s));
    assert_int_equal(read_now(&why), REDIS_SOCKET_DRAINED);
    assert_int_equal(taken_count, 1);
    assert_int_equal(read_now(&why), REDIS_SOCKET_CLOSED);
    assert_string_equal(why, "closed by Redis");
    assert_int_equal(redis_socket_write(&s, "x", 1), -1);
    assert_true(s.ready_to_read);
}

static void what_is_no_reply_is_told(void **state)
{
    const char *why = NULL;
    (void)state;
    say("HTTP/1.1 400 Bad Request\r\n");
    assert_int_equal(read_now(&why), REDIS_SOCKET_BROKEN);
    assert_non_null(strstr(why, "Protocol error"));
}

static void what_does_not_fit_waits_until_it_can_be_written(void **state)
{
    static char much[1 << 20];
    const char *why = NULL;
    (void)state;
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_false(s.write_blocked); /* it is connected */
    ssize_t n = redis_socket_write(&s, much, sizeof(much));
    assert_in_range(n, 1, sizeof(much) - 1);
    assert_true(s.write_blocked);
    while (read(server, much, sizeof(much)) > 0)
        ;
    assert_int_equal(read_now(&why), REDIS_SOCKET_DRAINED);
    assert_false(s.write_blocked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(replies_come_out_when_they_are_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(paused_it_keeps_them, setup, teardown),
        cmocka_unit_test_setup_teardown(who_takes_may_stop_it, setup, teardown),
        cmocka_unit_test_setup_teardown(an_end_comes_after_what_was_said, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_reply_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_waits_until_it_can_be_written, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
