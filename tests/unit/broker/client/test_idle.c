/* An idle client: how much memory it takes, over TCP and with the memory store. Each of its blocks is counted as
 * glibc takes it, whatever allocator the test runs with; docs/performance.md has what a process was measured to take. */
#include <sys/socket.h>

#include "broker/base/account.h"
#include "tests/unit/broker/core_bed.h"

/* Beside its blocks: libevent's entry for its descriptor, and its places in tables, as measured. */
enum { ELSEWHERE = 32 + 22 };

/* What a bench's client has. */
static const char *const ids[] = {"idle1233-12345", "idle1234-12345"};

struct parts {
    uint64_t transport, record, terms, session;
};

static uint64_t of_connections(void)
{
    return account.by_kind[ACCOUNT_CLIENTS];
}

static void say(int fd, const char *id, enum mqtt_version version)
{
    struct mqtt_packet p = {.type = MQTT_CONNECT,
                            .u.connect = {.version = version,
                                          .level = (uint8_t)version,
                                          .clean_start = true,
                                          .keep_alive_s = 600,
                                          .client_id = bed_text(id)}};
    uint8_t bytes[128];
    size_t n = mqtt_encode(&p, version, bytes, sizeof(bytes));
    assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

static void await_connack(struct core_bed *b, int fd)
{
    uint8_t bytes[128];
    while (recv(fd, bytes, sizeof(bytes), 0) < 4) {
        event_base_loop(bed_broker(b)->base, EVLOOP_NONBLOCK);
        core_settle(&b->core);
    }
    assert_int_equal(bytes[0], MQTT_CONNACK << 4);
    assert_int_equal(bytes[3], 0);
}

/* Connects and stays silent; `fd` is the other end. */
static struct parts join(struct core_bed *b, const char *id, enum mqtt_version version, int *fd)
{
    const struct peer peer = {.port = 4711};
    struct parts parts;
    struct account before = account;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    *fd = fds[1];
    struct transport *t = transport_tcp_new(bed_broker(b)->base, fds[0], &peer);
    assert_non_null(t);
    parts.transport = of_connections() - before.by_kind[ACCOUNT_CLIENTS];
    assert_non_null(client_new(bed_broker(b), NULL, t, false, false));
    uint64_t connected = of_connections();
    parts.record = connected - before.by_kind[ACCOUNT_CLIENTS] - parts.transport;
    say(fds[1], id, version);
    await_connack(b, fds[1]);
    parts.terms = of_connections() - connected;
    parts.session = account.by_kind[ACCOUNT_SESSIONS] - before.by_kind[ACCOUNT_SESSIONS];
    return parts;
}

static uint64_t block(uint64_t bytes)
{
    return bytes > 0 ? account_block((size_t)bytes) : 0;
}

/* Of the second one: the first one brought what is there once. */
static void assert_within(struct core_bed *b, enum mqtt_version version, uint64_t bound)
{
    int fds[2];
    join(b, ids[0], version, &fds[0]);
    uint64_t total = account.total;
    struct parts p = join(b, ids[1], version, &fds[1]);
    assert_int_equal(account.total - total, p.transport + p.record + p.terms + p.session);
    assert_int_equal(p.terms > 0, version == MQTT_V5);
    uint64_t takes =
        block(p.transport) + block(p.record) + block(p.terms) + block(p.session) + ELSEWHERE;
    if (takes > bound)
        fail_msg("%llu bytes: transport %llu, client %llu, terms of 5.0 %llu, session %llu",
                 (unsigned long long)takes, (unsigned long long)block(p.transport),
                 (unsigned long long)block(p.record), (unsigned long long)block(p.terms),
                 (unsigned long long)block(p.session));
    while (bed_broker(b)->clients != NULL)
        client_close(bed_broker(b)->clients, END_EOF);
    core_settle(&b->core);
    close(fds[0]);
    close(fds[1]);
}

static void one_of_3_1_1_is_within_720_bytes(void **state)
{
    assert_within(*state, MQTT_V311, 720);
}

static void one_of_5_0_is_within_800_bytes(void **state)
{
    assert_within(*state, MQTT_V5, 800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(one_of_3_1_1_is_within_720_bytes),
        BED_TEST(one_of_5_0_is_within_800_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
