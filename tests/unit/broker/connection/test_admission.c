/* admission: which accepted connections become clients, and which of those may send a PROXY header. */
#include "broker/connection/admission.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/net/listener.h"
#include "tests/unit/broker/core_bed.h"

struct bed {
    struct core_bed *core;
    struct listener_config config;
    struct listener *listener;
    int theirs[8];
    size_t count;
};

static int set_up(void **state)
{
    static char *trusted[] = {(char *)"10.0.0.0/8"};
    struct bed *b = calloc(1, sizeof(*b));
    void *core;
    char err[128];
    bed_set_up(&core);
    b->core = core;
    b->config = (struct listener_config){.bind = (char *)"127.0.0.1:0",
                                         .trusted_proxies = {.items = trusted, .count = 1},
                                         .max_connections = 2};
    struct listener_owner owner = {
        .base = bed_broker(core)->base, .accepted = admission_accepted, .arg = bed_broker(core)};
    b->listener = listener_new(&owner, &b->config, err, sizeof(err));
    if (b->listener == NULL)
        fail_msg("%s", err);
    bed_broker(core)->client_limit = 100;
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *b = *state;
    struct broker *broker = bed_broker(b->core);
    void *core = b->core;
    while (broker->clients != NULL)
        client_close(broker->clients, END_EOF);
    listener_free(b->listener);
    for (size_t i = 0; i < b->count; i++)
        close(b->theirs[i]);
    free(b);
    return bed_tear_down(&core);
}

/* A connection from there. Returns the client's state, -1: it wasn't admitted, and is closed. */
static int connect_from(struct bed *b, const char *address)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(4711)};
    int fds[2];
    char byte;
    struct broker *broker = bed_broker(b->core);
    uint32_t before = broker->client_count;
    inet_pton(AF_INET, address, &from.sin_addr);
    struct peer peer = peer_from_sockaddr((struct sockaddr *)&from);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    b->theirs[b->count++] = fds[1];
    admission_accepted(broker, b->listener, fds[0], &peer);
    bool closed = recv(fds[1], &byte, 1, 0) == 0;
    assert_int_equal(closed, broker->client_count == before);
    return closed ? -1 : broker->clients->state;
}

static uint64_t refused(const struct bed *b)
{
    return bed_broker(b->core)->stats.refused[REFUSED_CONNECTIONS];
}

static void a_listener_has_so_many_clients(void **state)
{
    struct bed *b = *state;
    assert_int_equal(connect_from(b, "1.2.3.4"), CLIENT_CONNECTING);
    assert_int_equal(connect_from(b, "1.2.3.4"), CLIENT_CONNECTING);
    assert_int_equal(connect_from(b, "1.2.3.4"), -1);
    assert_int_equal(refused(b), 1);
    client_close(bed_broker(b->core)->clients, END_EOF);
    assert_int_equal(connect_from(b, "1.2.3.4"), CLIENT_CONNECTING);
    assert_int_equal(bed_broker(b->core)->stats.connections, 4);
}

static void a_broker_has_so_many_clients(void **state)
{
    struct bed *b = *state;
    b->core->core.config.limits.max_connections = 1;
    assert_int_equal(connect_from(b, "1.2.3.4"), CLIENT_CONNECTING);
    assert_int_equal(connect_from(b, "1.2.3.4"), -1);
    assert_int_equal(refused(b), 1);
}

static void a_process_has_so_many_descriptors(void **state)
{
    struct bed *b = *state;
    bed_broker(b->core)->client_limit = 1;
    assert_int_equal(connect_from(b, "1.2.3.4"), CLIENT_CONNECTING);
    assert_int_equal(connect_from(b, "1.2.3.4"), -1);
    assert_int_equal(refused(b), 1);
}

static void only_a_trusted_proxy_may_send_its_header(void **state)
{
    struct bed *b = *state;
    b->config.max_connections = 8;
    b->config.proxy_protocol = PROXY_MODE_OFF;
    assert_int_equal(connect_from(b, "10.1.2.3"), CLIENT_CONNECTING);
    b->config.proxy_protocol = PROXY_MODE_ACCEPT;
    assert_int_equal(connect_from(b, "10.1.2.3"), CLIENT_PROXY);
    assert_int_equal(connect_from(b, "1.2.3.4"), CLIENT_CONNECTING);
    assert_false(bed_broker(b->core)->clients->trusted);
    b->config.proxy_protocol = PROXY_MODE_REQUIRE;
    assert_int_equal(connect_from(b, "10.1.2.3"), CLIENT_PROXY);
    assert_true(bed_broker(b->core)->clients->trusted);
    assert_int_equal(connect_from(b, "1.2.3.4"), -1);
    assert_int_equal(bed_broker(b->core)->stats.ended[END_PROXY], 1);
    assert_int_equal(refused(b), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_listener_has_so_many_clients),
        TEST(a_broker_has_so_many_clients),
        TEST(a_process_has_so_many_descriptors),
        TEST(only_a_trusted_proxy_may_send_its_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
