/* c-ares on the event loop: against a name server that is one UDP socket of the test. */
#include "lb/discovery/dns_channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"

#define WAIT_MS 5000u
#define NOT_ANSWERED (-1)

static struct event_base *base;
static struct dns_channel channel;
static int name_server;
static char address[32];
static int status; /* of the lookup */

static int setup(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    (void)state;
    status = NOT_ANSWERED;
    base = event_base_new();
    name_server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(name_server, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(name_server, (struct sockaddr *)&a, &len), 0);
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(a.sin_port));
    return dns_channel_init(&channel, base) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    dns_channel_fini(&channel);
    close(name_server);
    event_base_free(base);
    return 0;
}

static struct rlimit before;

static void take_descriptors_away(void)
{
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit few = {.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
}

static void give_descriptors_back(void)
{
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void on_found(void *arg, int how, int timeouts, struct hostent *host)
{
    (void)timeouts;
    (void)host;
    assert_ptr_equal(arg, &channel);
    status = how;
}

static void ask(void)
{
    ares_gethostbyname(channel.ares, "broker.test", AF_INET, on_found, &channel);
    dns_channel_rearm(&channel);
}

static bool is_waiting(void)
{
    return event_pending(channel.timer, EV_TIMEOUT, NULL);
}

static size_t sockets(void)
{
    size_t n = 0;
    for (size_t i = 0; i < DNS_SOCKETS_MAX; i++)
        n += channel.sockets[i].event != NULL;
    return n;
}

/* To each question so far: there is no such name. */
static void answer_questions(void)
{
    uint8_t packet[512];
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    ssize_t n;
    while ((n = recvfrom(name_server, packet, sizeof(packet), 0, (struct sockaddr *)&from, &len)) >
           12) {
        packet[2] = 0x81;
        packet[3] = 0x83;
        assert_int_equal(sendto(name_server, packet, (size_t)n, 0, (struct sockaddr *)&from, len),
                         n);
    }
}

static void run(bool answers)
{
    uint64_t deadline_ms = clock_monotonic_ms() + WAIT_MS;
    while (status == NOT_ANSWERED && clock_monotonic_ms() < deadline_ms) {
        if (answers)
            answer_questions();
        const struct timeval soon = {.tv_usec = 5000};
        event_base_loopexit(base, &soon);
        event_base_dispatch(base);
    }
}

static void the_resolver_that_was_named_is_asked_and_its_answer_read(void **state)
{
    (void)state;
    assert_int_equal(dns_channel_open(&channel, address, 2000), ARES_SUCCESS);
    dns_channel_rearm(&channel);
    assert_false(is_waiting()); /* nothing is asked */
    ask();
    assert_true(is_waiting());
    assert_int_equal(sockets(), 1);
    run(true);
    assert_int_equal(status, ARES_ENOTFOUND);
    assert_false(is_waiting());
    assert_false(dns_channel_lacks(&channel));
    dns_channel_fini(&channel); /* c-ares closes its sockets */
    assert_int_equal(sockets(), 0);
}

static void a_resolver_that_is_silent_is_waited_for_no_longer_than_said(void **state)
{
    (void)state;
    assert_int_equal(dns_channel_open(&channel, address, 10), ARES_SUCCESS);
    ask();
    uint64_t begun_ms = clock_monotonic_ms();
    run(false);
    assert_int_equal(status, ARES_ETIMEOUT);
    assert_in_range(clock_monotonic_ms() - begun_ms, 10,
                    1900);                     /* c-ares' own time is 2 s and more */
    assert_false(dns_channel_lacks(&channel)); /* that isn't our trouble */
}

static void a_new_question_ends_the_one_under_way(void **state)
{
    (void)state;
    assert_int_equal(dns_channel_open(&channel, address, 2000), ARES_SUCCESS);
    ask();
    assert_int_equal(dns_channel_open(&channel, address, 2000), ARES_SUCCESS);
    assert_int_equal(status, ARES_EDESTRUCTION);
    status = NOT_ANSWERED;
    ask();
    dns_channel_fini(&channel);
    assert_int_equal(status, ARES_EDESTRUCTION);
}

static void a_resolver_that_is_no_address_is_an_error(void **state)
{
    (void)state;
    assert_int_not_equal(dns_channel_open(&channel, "nonsense", 2000), ARES_SUCCESS);
    assert_int_equal(dns_channel_open(&channel, NULL, 2000), ARES_SUCCESS);
}

static void without_descriptors_nothing_is_opened(void **state)
{
    (void)state;
    take_descriptors_away();
    int opened = dns_channel_open(&channel, address, 2000);
    give_descriptors_back();
    assert_int_equal(opened, ARES_EFILE);
    assert_null(channel.ares);
    assert_int_equal(channel.own_errno, EMFILE);
}

static void a_lack_is_remembered_until_the_next_question(void **state)
{
    (void)state;
    assert_int_equal(dns_channel_open(&channel, address, 2000), ARES_SUCCESS);
    assert_false(dns_channel_lacks(&channel));
    take_descriptors_away();
    bool lacks = dns_channel_lacks(&channel);
    give_descriptors_back();
    assert_true(lacks);
    assert_true(dns_channel_lacks(&channel));
    assert_int_equal(dns_channel_open(&channel, address, 2000), ARES_SUCCESS);
    assert_false(dns_channel_lacks(&channel));
}

static void a_socket_that_cannot_be_opened_is_our_trouble(void **state)
{
    (void)state;
    assert_int_equal(dns_channel_open(&channel, address, 2000), ARES_SUCCESS);
    take_descriptors_away();
    ask();
    give_descriptors_back();
    assert_int_equal(channel.own_errno, EMFILE);
    assert_true(dns_channel_lacks(&channel));
}

static void literal_addresses_and_the_hosts_file_are_known(void **state)
{
    (void)state;
    assert_int_equal(dns_channel_open(&channel, address, 2000), ARES_SUCCESS);
    assert_true(dns_channel_knows(&channel, "192.0.2.1"));
    assert_true(dns_channel_knows(&channel, "2001:db8::1"));
    assert_true(dns_channel_knows(&channel, "localhost"));
    assert_false(dns_channel_knows(&channel, "192.0.2.256"));
    assert_false(dns_channel_knows(&channel, "broker.test"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_resolver_that_was_named_is_asked_and_its_answer_read),
        TEST(a_resolver_that_is_silent_is_waited_for_no_longer_than_said),
        TEST(a_new_question_ends_the_one_under_way),
        TEST(a_resolver_that_is_no_address_is_an_error),
        TEST(without_descriptors_nothing_is_opened),
        TEST(a_lack_is_remembered_until_the_next_question),
        TEST(a_socket_that_cannot_be_opened_is_our_trouble),
        TEST(literal_addresses_and_the_hosts_file_are_known),
    };
    ares_library_init(ARES_LIB_INIT_ALL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
