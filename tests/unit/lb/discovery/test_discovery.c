/* Discovery against a small name server that runs on the same event base. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <ares.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log/log.h"
#include "common/net/address.h"
#include "lb/discovery/discovery.h"

enum mode { MODE_ANSWER, MODE_SILENT, MODE_SERVFAIL, MODE_NXDOMAIN };
enum { TYPE_A = 1, TYPE_AAAA = 28, TYPE_SRV = 33 };

#define UDP_MAX 512u

struct name_server {
    struct event_base *base;
    int udp, tcp;
    struct event *udp_event, *tcp_event, *connection_event;
    int connection;
    char address[32];
    enum mode mode;
    unsigned v4, v6;      /* how many addresses: 10.0.<n / 256>.<n % 256>, ::<n> */
    unsigned srv;         /* SRV targets t<n>.test, each with v4 addresses */
    unsigned srv_from;    /* n begins behind it */
    unsigned srv_no_port; /* of this n the port is 0 */
    unsigned only;        /* `mode` is for questions of this type alone; 0: for all */
    char only_target;     /* and for names that begin with t and this alone; 0: for all */
    unsigned by_udp, by_tcp, truncated;
};

struct seen {
    struct event_base *base;
    unsigned calls;
    size_t count;
    struct discovered last[1024];
    size_t stop_at; /* leave the loop at this count */
};

/* ---- the name server ---- */

static size_t put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return 2;
}

static size_t put_record_head(uint8_t *p, unsigned type, unsigned len)
{
    size_t n = put16(p, 0xc00c); /* the question's name */
    n += put16(p + n, type);
    n += put16(p + n, 1);
    n += put16(p + n, 0);
    n += put16(p + n, 5); /* ttl */
    n += put16(p + n, len);
    return n;
}

static size_t put_record(const struct name_server *s, uint8_t *p, unsigned type, unsigned i)
{
    size_t n;
    if (type == TYPE_SRV) {
        i += s->srv_from;
        n = put_record_head(p, type, 6 + 9);
        n += put16(p + n, 0); /* priority */
        n += put16(p + n, 5); /* weight */
        n += put16(p + n, i == s->srv_no_port ? 0 : 2000 + i);
        uint8_t target[] = {2, 't', (uint8_t)('0' + i), 4, 't', 'e', 's', 't', 0};
        memcpy(p + n, target, sizeof(target));
        return n + sizeof(target);
    }
    n = put_record_head(p, type, type == TYPE_A ? 4 : 16);
    if (type == TYPE_A) {
        uint8_t a[4] = {10, 0, (uint8_t)(i / 256), (uint8_t)i};
        memcpy(p + n, a, 4);
        return n + 4;
    }
    memset(p + n, 0, 16);
    p[n + 15] = (uint8_t)i;
    return n + 16;
}

/* The answer's length; 0: none. */
static size_t make_answer(struct name_server *s, const uint8_t *q, size_t len, uint8_t *out,
                          size_t limit)
{
    size_t end = 12;
    if (len < 17)
        return 0;
    while (end < len && q[end] != 0)
        end += q[end] + 1u;
    unsigned type = (unsigned)q[end + 1] << 8 | q[end + 2];
    bool meant = (s->only == 0 || s->only == type) &&
                 (s->only_target == 0 || (q[13] == 't' && q[14] == (uint8_t)s->only_target));
    enum mode mode = meant ? s->mode : MODE_ANSWER;
    if (mode == MODE_SILENT)
        return 0;
    end += 5;
    memcpy(out, q, end);
    unsigned rcode = mode == MODE_SERVFAIL ? 2 : mode == MODE_NXDOMAIN ? 3 : 0;
    unsigned count = type == TYPE_A ? s->v4 : type == TYPE_AAAA ? s->v6 : s->srv;
    if (mode != MODE_ANSWER)
        count = 0;
    put16(out + 2, 0x8180 | rcode);
    memset(out + 8, 0, 4);
    size_t n = end;
    unsigned written = 0;
    for (; written < count && n + 40 <= limit; written++)
        n += put_record(s, out + n, type, written + 1);
    put16(out + 6, written);
    if (written < count) {
        put16(out + 2, 0x8380 | rcode);
        s->truncated++;
    }
    return n;
}

static void on_udp(evutil_socket_t fd, short what, void *arg)
{
    struct name_server *s = arg;
    uint8_t q[512], out[UDP_MAX];
    struct sockaddr_storage from;
    socklen_t fromlen = sizeof(from);
    (void)what;
    ssize_t len = recvfrom(fd, q, sizeof(q), 0, (struct sockaddr *)&from, &fromlen);
    if (len <= 0)
        return;
    s->by_udp++;
    size_t n = make_answer(s, q, (size_t)len, out, sizeof(out));
    if (n > 0)
        sendto(fd, out, n, 0, (struct sockaddr *)&from, fromlen);
}

static void on_tcp_question(evutil_socket_t fd, short what, void *arg)
{
    struct name_server *s = arg;
    static uint8_t q[514], out[65536];
    (void)what;
    ssize_t len = recv(fd, q, sizeof(q), 0);
    if (len <= 2) {
        event_free(s->connection_event);
        s->connection_event = NULL;
        close(fd);
        return;
    }
    /* questions come one or several in a segment */
    for (size_t at = 0; at + 2 < (size_t)len;) {
        size_t qlen = (size_t)q[at] << 8 | q[at + 1];
        s->by_tcp++;
        size_t n = make_answer(s, q + at + 2, qlen, out + 2, sizeof(out) - 2);
        put16(out, (unsigned)n);
        assert_true(send(fd, out, n + 2, 0) == (ssize_t)n + 2);
        at += 2 + qlen;
    }
}

static void on_tcp(evutil_socket_t fd, short what, void *arg)
{
    struct name_server *s = arg;
    (void)what;
    int connection = accept(fd, NULL, NULL);
    if (connection < 0)
        return;
    if (s->connection_event != NULL) {
        event_free(s->connection_event);
        close(s->connection);
    }
    s->connection = connection;
    s->connection_event = event_new(s->base, connection, EV_READ | EV_PERSIST, on_tcp_question, s);
    event_add(s->connection_event, NULL);
}

static bool bind_both(struct name_server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    s->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->udp, (struct sockaddr *)&a, sizeof(a)) == 0 &&
        getsockname(s->udp, (struct sockaddr *)&a, &len) == 0 &&
        bind(s->tcp, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(s->tcp, 16) == 0) {
        snprintf(s->address, sizeof(s->address), "127.0.0.1:%u", ntohs(a.sin_port));
        return true;
    }
    close(s->udp);
    close(s->tcp);
    return false;
}

static void name_server_init(struct name_server *s, struct event_base *base)
{
    *s = (struct name_server){.base = base};
    int tries = 20;
    while (!bind_both(s))
        assert_true(--tries > 0);
    s->udp_event = event_new(base, s->udp, EV_READ | EV_PERSIST, on_udp, s);
    s->tcp_event = event_new(base, s->tcp, EV_READ | EV_PERSIST, on_tcp, s);
    event_add(s->udp_event, NULL);
    event_add(s->tcp_event, NULL);
}

static void name_server_fini(struct name_server *s)
{
    event_free(s->udp_event);
    event_free(s->tcp_event);
    if (s->connection_event != NULL) {
        event_free(s->connection_event);
        close(s->connection);
    }
    close(s->udp);
    close(s->tcp);
}

/* ---- the tests' frame ---- */

struct fixture {
    struct event_base *base;
    struct name_server server;
    struct seen seen;
    struct discover_config config;
    struct discovery *discovery;
};

static void on_found(const struct discovered *found, size_t count, void *arg)
{
    struct seen *seen = arg;
    seen->calls++;
    seen->count = count;
    memcpy(seen->last, found, count * sizeof(*found));
    if (count == seen->stop_at)
        event_base_loopbreak(seen->base);
}

static int setup(void **state)
{
    static struct fixture f;
    memset(&f, 0, sizeof(f));
    f.base = event_base_new();
    f.seen.base = f.base;
    name_server_init(&f.server, f.base);
    f.config = (struct discover_config){.dns = (char *)"broker.test:1883",
                                        .refresh_ms = 50,
                                        .hold_ms = 600,
                                        .timeout_ms = 100,
                                        .resolver = f.server.address,
                                        .weight = 1};
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    discovery_free(f->discovery);
    name_server_fini(&f->server);
    event_base_free(f->base);
    return 0;
}

static void start(struct fixture *f)
{
    f->discovery = discovery_new(f->base, "b", &f->config, on_found, &f->seen);
    assert_non_null(f->discovery);
}

/* Until that many addresses are found, or the time is over. */
static bool run_until_count(struct fixture *f, size_t count, long limit_ms)
{
    struct timeval limit = {.tv_sec = limit_ms / 1000, .tv_usec = limit_ms % 1000 * 1000};
    f->seen.stop_at = count;
    event_base_loopexit(f->base, &limit);
    event_base_dispatch(f->base);
    f->seen.stop_at = SIZE_MAX;
    return event_base_got_break(f->base);
}

static void all_a_and_aaaa_records_are_found_with_the_port(void **state)
{
    struct fixture *f = *state;
    f->server.v4 = 3;
    f->server.v6 = 2;
    start(f);
    assert_true(run_until_count(f, 5, 5000));
    char text[ADDRESS_TEXT_MAX];
    address_format(&f->seen.last[0].addr, text, sizeof(text));
    assert_string_equal(text, "10.0.0.1:1883");
    address_format(&f->seen.last[4].addr, text, sizeof(text));
    assert_string_equal(text, "[::2]:1883");
}

static void a_hundred_addresses_come_by_tcp(void **state)
{
    struct fixture *f = *state;
    f->server.v4 = 100;
    start(f);
    assert_true(run_until_count(f, 100, 5000));
    assert_true(f->server.truncated > 0);
    assert_true(f->server.by_tcp > 0);
}

static void an_address_more_or_less_is_noticed_within_a_refresh(void **state)
{
    struct fixture *f = *state;
    f->server.v4 = 3;
    start(f);
    assert_true(run_until_count(f, 3, 5000));
    f->server.v4 = 5;
    assert_true(run_until_count(f, 5, 5000));
    f->server.v4 = 2;
    assert_true(run_until_count(f, 2, 5000));
}

static void trouble_is_held_then_expires(struct fixture *f, enum mode mode, unsigned v4)
{
    f->server.v4 = 3;
    start(f);
    assert_true(run_until_count(f, 3, 5000));
    f->server.mode = mode;
    f->server.v4 = v4;
    assert_false(run_until_count(f, 0, 350)); /* hold is 600 ms from the last good answer */
    assert_int_equal(f->seen.count, 3);
    assert_true(run_until_count(f, 0, 5000));
    f->server.mode = MODE_ANSWER;
    f->server.v4 = 2;
    assert_true(run_until_count(f, 2, 5000));
}

static void an_answer_without_addresses_is_held(void **state)
{
    trouble_is_held_then_expires(*state, MODE_ANSWER, 0);
}

static void a_name_that_is_gone_is_held(void **state)
{
    trouble_is_held_then_expires(*state, MODE_NXDOMAIN, 3);
}

static void a_failing_name_server_is_held(void **state)
{
    trouble_is_held_then_expires(*state, MODE_SERVFAIL, 3);
}

static void a_silent_name_server_is_held(void **state)
{
    trouble_is_held_then_expires(*state, MODE_SILENT, 3);
}

static void srv_records_bring_targets_ports_and_weights(void **state)
{
    struct fixture *f = *state;
    f->config.dns = (char *)"_mqtt._tcp.test";
    f->config.srv = true;
    f->server.srv = 3;
    f->server.v4 = 2;
    start(f);
    assert_true(run_until_count(f, 6, 5000));
    assert_int_equal(address_port(&f->seen.last[0].addr), 2001);
    assert_int_equal(address_port(&f->seen.last[2].addr), 2003);
    assert_int_equal(f->seen.last[0].weight, 5);
}

/* One of three targets isn't resolved any more: it goes after its own hold, the others stay. */
static void one_target_fails(struct fixture *f, enum mode mode)
{
    f->config.dns = (char *)"_mqtt._tcp.test";
    f->config.srv = true;
    f->server.srv = 3;
    f->server.v4 = 2;
    start(f);
    assert_true(run_until_count(f, 6, 5000));
    f->server.mode = mode;
    f->server.only_target = '2';
    assert_false(run_until_count(f, 4, 300));
    assert_int_equal(f->seen.count, 6);
    assert_true(run_until_count(f, 4, 5000));
    for (size_t i = 0; i < 4; i++)
        assert_int_not_equal(address_port(&f->seen.last[i].addr), 2002);
    assert_false(run_until_count(f, 0, 1500));
    assert_int_equal(f->seen.count, 4);
    assert_int_equal(discovery_stats(f->discovery)->names_failing, 1);
    f->server.only_target = 'x';
    assert_true(run_until_count(f, 6, 5000));
}

static void a_target_that_fails_goes_alone(void **state)
{
    one_target_fails(*state, MODE_SERVFAIL);
}

static void a_target_that_is_not_answered_goes_alone(void **state)
{
    one_target_fails(*state, MODE_SILENT);
}

static void a_target_that_has_no_name_goes_alone(void **state)
{
    one_target_fails(*state, MODE_NXDOMAIN);
}

static void a_target_that_the_answer_leaves_out_goes_at_once(void **state)
{
    struct fixture *f = *state;
    f->config.dns = (char *)"_mqtt._tcp.test";
    f->config.srv = true;
    f->config.hold_ms = 60000;
    f->server.srv = 3;
    f->server.v4 = 2;
    start(f);
    assert_true(run_until_count(f, 6, 5000));
    f->server.srv = 1;
    assert_true(run_until_count(f, 2, 5000));
}

/* The SRV answer names others than before, and none of them has an address. */
static void targets_without_addresses_drive_nobody_out(void **state)
{
    struct fixture *f = *state;
    f->config.dns = (char *)"_mqtt._tcp.test";
    f->config.srv = true;
    f->server.srv = 3;
    f->server.v4 = 1;
    start(f);
    assert_true(run_until_count(f, 3, 5000));
    f->server.srv_from = 3;
    f->server.only = TYPE_A;
    f->server.mode = MODE_NXDOMAIN;
    assert_false(run_until_count(f, 0, 350));
    assert_int_equal(f->seen.count, 3);
    assert_true(run_until_count(f, 0, 5000));
}

static void a_target_without_a_port_is_none(void **state)
{
    struct fixture *f = *state;
    f->config.dns = (char *)"_mqtt._tcp.test";
    f->config.srv = true;
    f->config.hold_ms = 60000;
    f->server.srv = 3;
    f->server.srv_no_port = 2;
    f->server.v4 = 1;
    start(f);
    assert_true(run_until_count(f, 2, 5000));
    f->server.srv = 1;
    f->server.srv_no_port = 1;
    assert_false(run_until_count(f, 1, 300));
    assert_int_equal(f->seen.count, 2);
}

static void a_failing_srv_question_is_held(void **state)
{
    struct fixture *f = *state;
    f->config.dns = (char *)"_mqtt._tcp.test";
    f->config.srv = true;
    f->server.srv = 3;
    f->server.v4 = 1;
    start(f);
    assert_true(run_until_count(f, 3, 5000));
    f->server.only = TYPE_SRV;
    f->server.mode = MODE_SERVFAIL;
    assert_false(run_until_count(f, 0, 350));
    assert_int_equal(f->seen.count, 3);
    assert_true(run_until_count(f, 0, 5000));
}

/* One family is answered, the other one isn't: it keeps what it had for its hold, then goes alone.
 */
static void one_family_fails(struct fixture *f, unsigned type, enum mode mode)
{
    f->server.v4 = 3;
    f->server.v6 = 2;
    start(f);
    assert_true(run_until_count(f, 5, 5000));
    f->server.only = type;
    f->server.mode = mode;
    size_t left = type == TYPE_A ? 2 : 3;
    assert_false(run_until_count(f, left, 300));
    assert_int_equal(f->seen.count, 5);
    assert_true(run_until_count(f, left, 5000));
    assert_false(run_until_count(f, 0, 1000));
    assert_int_equal(f->seen.count, left);
}

static void aaaa_that_fails_takes_no_a_along(void **state)
{
    one_family_fails(*state, TYPE_AAAA, MODE_SERVFAIL);
}

static void a_that_is_silent_takes_no_aaaa_along(void **state)
{
    one_family_fails(*state, TYPE_A, MODE_SILENT);
}

static void a_family_without_records_goes_at_once(void **state)
{
    struct fixture *f = *state;
    f->config.hold_ms = 60000;
    f->server.v4 = 3;
    f->server.v6 = 2;
    start(f);
    assert_true(run_until_count(f, 5, 5000));
    f->server.v6 = 0;
    assert_true(run_until_count(f, 3, 5000));
}

/* Without descriptors nobody can be asked: that isn't the resolver's fault, however long. */
static void out_of_descriptors_nothing_expires(void **state)
{
    struct fixture *f = *state;
    struct rlimit before;
    f->server.v4 = 3;
    start(f);
    assert_true(run_until_count(f, 3, 5000));
    /* Between two questions c-ares may hold a socket open: the limit is below all that are. */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit few = before;
    few.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    bool emptied = run_until_count(f, 0, 2000); /* hold is 600 ms */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_false(emptied);
    assert_int_equal(f->seen.count, 3);
    assert_true(discovery_stats(f->discovery)->own_troubles > 2);
    f->server.v4 = 2;
    assert_true(run_until_count(f, 2, 5000)); /* and goes on when there are some */
}

static void more_addresses_than_the_limit_are_counted(void **state)
{
    struct fixture *f = *state;
    f->server.v4 = DISCOVERY_ADDRESSES_MAX + 7;
    start(f);
    assert_true(run_until_count(f, DISCOVERY_ADDRESSES_MAX, 5000));
    assert_int_equal(discovery_stats(f->discovery)->left_out, 7);
}

static void a_name_of_the_hosts_file_is_found(void **state)
{
    struct fixture *f = *state;
    f->config.dns = (char *)"localhost:1883";
    f->server.mode = MODE_SILENT;
    f->discovery = discovery_new(f->base, "b", &f->config, on_found, &f->seen);
    f->seen.stop_at = SIZE_MAX;
    struct timeval limit = {.tv_sec = 0, .tv_usec = 300000};
    event_base_loopexit(f->base, &limit);
    event_base_dispatch(f->base);
    assert_true(f->seen.count >= 1);
}

static void a_new_name_is_asked_at_once(void **state)
{
    struct fixture *f = *state;
    f->config.refresh_ms = 60000;
    f->server.v4 = 1;
    start(f);
    assert_true(run_until_count(f, 1, 5000));
    f->server.v4 = 4;
    struct discover_config next = f->config;
    next.dns = (char *)"other.test:1883";
    discovery_configure(f->discovery, &next);
    assert_true(run_until_count(f, 4, 5000));
    discovery_free(f->discovery); /* it borrows `next` */
    f->discovery = NULL;
}

static void it_can_be_freed_amid_a_question(void **state)
{
    struct fixture *f = *state;
    f->server.mode = MODE_SILENT;
    start(f);
    assert_false(run_until_count(f, 0, 30));
    discovery_free(f->discovery);
    f->discovery = NULL;
    assert_int_equal(f->seen.calls, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_a_and_aaaa_records_are_found_with_the_port),
        TEST(a_hundred_addresses_come_by_tcp),
        TEST(an_address_more_or_less_is_noticed_within_a_refresh),
        TEST(an_answer_without_addresses_is_held),
        TEST(a_name_that_is_gone_is_held),
        TEST(a_failing_name_server_is_held),
        TEST(a_silent_name_server_is_held),
        TEST(srv_records_bring_targets_ports_and_weights),
        TEST(a_target_that_fails_goes_alone),
        TEST(a_target_that_is_not_answered_goes_alone),
        TEST(a_target_that_has_no_name_goes_alone),
        TEST(a_target_that_the_answer_leaves_out_goes_at_once),
        TEST(targets_without_addresses_drive_nobody_out),
        TEST(a_target_without_a_port_is_none),
        TEST(a_failing_srv_question_is_held),
        TEST(aaaa_that_fails_takes_no_a_along),
        TEST(a_that_is_silent_takes_no_aaaa_along),
        TEST(a_family_without_records_goes_at_once),
        TEST(out_of_descriptors_nothing_expires),
        TEST(more_addresses_than_the_limit_are_counted),
        TEST(a_name_of_the_hosts_file_is_found),
        TEST(a_new_name_is_asked_at_once),
        TEST(it_can_be_freed_amid_a_question),
    };
    log_init("test_discovery", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    ares_library_init(ARES_LIB_INIT_ALL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ares_library_cleanup();
    return failed;
}
