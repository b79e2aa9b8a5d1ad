/* Clients and servers that do anything at any time, while servers go up and down and configurations
 * come and go: nothing crashes, leaks or stays behind. The sanitizers watch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>

#include <openssl/err.h>

#include "tests/unit/lb/flow/flow_fixture.h"
#include "tests/unit/tls_fixture.h"

enum { PEERS_MAX = 60, STEPS = 6000, SERVERS = 3, SEEDS = 15 };

struct peers {
    int fds[PEERS_MAX];
    unsigned count;
};

static void add_peer(struct peers *p, int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    p->fds[p->count++] = fd;
}

static void remove_peer(struct peers *p, unsigned i)
{
    p->fds[i] = p->fds[--p->count];
}

static void write_some(int fd)
{
    static char buf[200000];
    size_t most = random() % 10 == 0 ? sizeof(buf) : 300;
    (void)!send(fd, buf, (size_t)random() % most + 1, MSG_NOSIGNAL);
}

static void read_some(int fd)
{
    static char buf[200000];
    (void)!recv(fd, buf, (size_t)random() % sizeof(buf) + 1, 0);
}

static void act(struct peers *p)
{
    if (p->count == 0)
        return;
    unsigned i = (unsigned)random() % p->count;
    switch (random() % 12) {
    case 0:
        close(p->fds[i]);
        remove_peer(p, i);
        break;
    case 1:
        reset_and_close(p->fds[i]);
        remove_peer(p, i);
        break;
    case 2:
        shutdown(p->fds[i], SHUT_WR);
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        write_some(p->fds[i]);
        break;
    default:
        read_some(p->fds[i]);
    }
}

static void accept_all(struct peers *servers)
{
    for (unsigned i = 0; i < SERVERS; i++) {
        while (servers->count < PEERS_MAX && is_readable_within(plane.fakes[i].listen_fd, 0))
            add_peer(servers, fake_accept(&plane.fakes[i]));
    }
}

static const char *const backends[] = {
    "    queue_timeout: 100ms\n    half_close_timeout: 100ms\n    first_byte_timeout: 30ms\n",
    "    queue_timeout: 100ms\n    half_close_timeout: 50ms\n    proxy_protocol: v2\n",
    "    queue_timeout: 50ms\n    half_close_timeout: 50ms\n    balance: hash\n",
};

static void disturb(const char *listener)
{
    struct server *s = plane.fakes[random() % SERVERS].server;
    switch (random() % 6) {
    case 0:
        plane_apply(&plane, plane_yaml(listener, backends[random() % 3]));
        break;
    case 1:
        workers_close_server(plane.workers, s);
        break;
    case 2:
        workers_wake(plane.workers);
        break;
    default:
        atomic_store(&s->health, random() % 3 == 0 ? SERVER_DOWN : SERVER_UP);
        break;
    }
}

static void start(unsigned seed, const char *listener, const char *backend)
{
    srandom(seed);
    plane_init(&plane);
    for (unsigned i = 0; i < SERVERS; i++)
        plane_add_server(&plane, (const char *const[]){"a", "b", "c"}[i], true);
    plane_start(listener, backend);
}

/* The clients are gone: so must everything else be soon. */
static void finish(struct peers *servers)
{
    uint64_t until = clock_monotonic_ms() + 2 * WAIT_MS;
    while (workers_flows(plane.workers) > 0 && clock_monotonic_ms() < until) {
        accept_all(servers);
        while (servers->count > 0) {
            close(servers->fds[0]);
            remove_peer(servers, 0);
        }
    }
    assert_int_equal(workers_flows(plane.workers), 0);
    struct worker_stats stats = plane_stats(&plane);
    assert_int_equal(stats.flows, 0);
    assert_int_equal(stats.queued, 0);
    plane_fini(&plane);
}

static void run(unsigned seed)
{
    struct peers clients = {.count = 0};
    struct peers servers = {.count = 0};
    start(seed, "", backends[0]);
    for (int step = 0; step < STEPS; step++) {
        if (random() % 8 == 0 && clients.count < PEERS_MAX)
            add_peer(&clients, plane_dial(&plane));
        if (random() % 50 == 0)
            disturb(random() % 2 == 0 ? "    idle_timeout: 60ms\n" : "");
        accept_all(&servers);
        act(&clients);
        act(&servers);
    }
    while (clients.count > 0) {
        close(clients.fds[0]);
        remove_peer(&clients, 0);
    }
    finish(&servers);
}

static void nothing_stays_behind_whatever_peers_do(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= SEEDS; seed++)
        run(seed);
}

/* ---- clients that speak TLS, and sometimes something else ---- */

struct tls_client {
    SSL *ssl;
    int fd;
};

static void hang_up(struct tls_client *c)
{
    SSL_free(c->ssl);
    if (random() % 2 == 0)
        close(c->fd);
    else
        reset_and_close(c->fd);
    *c = (struct tls_client){.fd = -1};
    ERR_clear_error();
}

static void dial_tls(struct tls_client *c, SSL_CTX *ctx)
{
    c->fd = plane_dial(&plane);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->ssl = SSL_new(ctx);
    SSL_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_set_fd(c->ssl, c->fd);
    SSL_set_connect_state(c->ssl);
}

static void act_tls(struct tls_client *c, SSL_CTX *ctx)
{
    static char buf[100000];
    if (c->ssl == NULL) {
        dial_tls(c, ctx);
        return;
    }
    switch (random() % 40) {
    case 0:
        hang_up(c);
        break;
    case 1:
        SSL_shutdown(c->ssl);
        break;
    case 2:
        shutdown(c->fd, SHUT_WR);
        break;
    case 3: /* breaks the record layer */
        (void)!send(c->fd, buf, (size_t)random() % 50 + 1, MSG_NOSIGNAL);
        break;
    case 4:
        if (SSL_is_init_finished(c->ssl))
            SSL_key_update(c->ssl, SSL_KEY_UPDATE_REQUESTED);
        break;
    default:
        if (random() % 2 == 0)
            SSL_write(c->ssl, buf, random() % 20 == 0 ? (int)sizeof(buf) : 200);
        else
            SSL_read(c->ssl, buf, sizeof(buf));
    }
    ERR_clear_error();
}

static void run_tls(unsigned seed, const struct tls_files *files)
{
    enum { CLIENTS = 20 };
    char listener[512];
    struct tls_client clients[CLIENTS] = {{0}};
    struct peers servers = {.count = 0};
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    snprintf(listener, sizeof(listener),
             "    handshake_timeout: 500ms\n    tls: { certificate: %s, key: %s }\n",
             files->certificate, files->key);
    start(seed, listener, backends[0]);
    for (int step = 0; step < STEPS; step++) {
        if (random() % 200 == 0)
            disturb(listener);
        accept_all(&servers);
        act_tls(&clients[random() % CLIENTS], ctx);
        act(&servers);
    }
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].ssl != NULL)
            hang_up(&clients[i]);
    }
    SSL_CTX_free(ctx);
    finish(&servers);
}

static void nothing_stays_behind_whatever_tls_clients_do(void **state)
{
    (void)state;
    struct tls_files files;
    tls_files_init(&files, "localhost");
    for (unsigned seed = 1; seed <= SEEDS / 3; seed++)
        run_tls(seed, &files);
    tls_files_fini(&files);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* OpenSSL's own sockets write without MSG_NOSIGNAL */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_stays_behind_whatever_peers_do),
        cmocka_unit_test(nothing_stays_behind_whatever_tls_clients_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
