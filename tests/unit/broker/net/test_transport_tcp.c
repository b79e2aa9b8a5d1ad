/* A client over a real TCP connection: that its end is noticed however it comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/unit/broker/core_fixture.h"

enum { DEADLINE_MS = 5000 };

static const uint8_t connect_packet[] = "\x10\x0d\0\4MQTT\4\2\0\0\0\1c"; /* no keep alive */
static const uint8_t publish_packet[] = "\x30\x04\0\1tx";

/* A connected pair over loopback. */
static void open_pair(int *ours, int *theirs)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    *theirs = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(*theirs, (struct sockaddr *)&address, len), 0);
    *ours = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(*ours >= 0);
    close(listener);
}

static void turn(struct core *core)
{
    event_base_loop(core->broker->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    turn_pass(core->broker);
}

static int join(struct core *core)
{
    struct peer peer = {.port = 1};
    int ours;
    int theirs;
    open_pair(&ours, &theirs);
    struct transport *t = transport_tcp_new(core->broker->base, ours, &peer);
    assert_non_null(client_new(core->broker, NULL, t, false, false));
    assert_int_equal(send(theirs, connect_packet, sizeof(connect_packet) - 1, 0),
                     sizeof(connect_packet) - 1);
    uint8_t answer[4];
    do
        turn(core);
    while (recv(theirs, answer, sizeof(answer), MSG_DONTWAIT) != sizeof(answer));
    return theirs;
}

static void expect_closed_soon(struct core *core, enum client_end end)
{
    uint64_t start = clock_monotonic_ms();
    while (core->broker->clients != NULL) {
        assert_true(clock_monotonic_ms() - start < DEADLINE_MS);
        turn(core);
        usleep(1000);
    }
    assert_int_equal(core->broker->stats.ended[end], 1);
    assert_int_equal(core->broker->stats.received[0], 1);
}

static void end_is_noticed_when_it_comes_with_the_last_bytes(void **state)
{
    (void)state;
    struct core core;
    core_init(&core);
    int theirs = join(&core);
    assert_int_equal(send(theirs, publish_packet, 6, 0), 6);
    close(theirs);
    expect_closed_soon(&core, END_EOF);
    core_fini(&core);
}

/* A client that is killed while something for it is unread resets its connection. */
static void reset_is_noticed_when_it_comes_with_the_last_bytes(void **state)
{
    (void)state;
    struct linger at_once = {.l_onoff = 1};
    struct core core;
    core_init(&core);
    int theirs = join(&core);
    assert_int_equal(send(theirs, publish_packet, 6, 0), 6);
    assert_int_equal(setsockopt(theirs, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(theirs);
    expect_closed_soon(&core, END_IO_ERROR);
    core_fini(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(end_is_noticed_when_it_comes_with_the_last_bytes),
        cmocka_unit_test(reset_is_noticed_when_it_comes_with_the_last_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
