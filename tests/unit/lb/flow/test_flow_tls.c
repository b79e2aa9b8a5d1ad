/* TLS flows through real workers on loopback; the client is OpenSSL's own, blocking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/net/proxy_protocol.h"
#include "common/net/proxy_v2.h"
#include "tests/unit/lb/flow/flow_fixture.h"
#include "tests/unit/tls_fixture.h"

static struct tls_files server_files, client_files;
static SSL_CTX *client_ctx;
static SSL_SESSION *session;

static int on_session(SSL *ssl, SSL_SESSION *s)
{
    (void)ssl;
    SSL_SESSION_free(session);
    session = s;
    return 1;
}

static int setup(void **state)
{
    (void)state;
    plane_init(&plane);
    tls_files_init(&server_files, "localhost");
    tls_files_init(&client_files, "truck-17");
    client_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(client_ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(client_ctx, on_session);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    plane_fini(&plane);
    SSL_SESSION_free(session);
    session = NULL;
    SSL_CTX_free(client_ctx);
    tls_files_fini(&server_files);
    tls_files_fini(&client_files);
    return 0;
}

static void start(const char *tls, const char *backend)
{
    char listener[512];
    snprintf(listener, sizeof(listener),
             "    handshake_timeout: 300ms\n"
             "    tls: { certificate: %s, key: %s%s }\n",
             server_files.certificate, server_files.key, tls);
    plane_start(listener, backend);
}

struct client {
    int fd;
    SSL *ssl;
};

static struct client dial(void)
{
    struct timeval patience = {.tv_sec = WAIT_MS / 1000};
    struct client c = {.fd = plane_dial(&plane), .ssl = SSL_new(client_ctx)};
    setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    SSL_set_fd(c.ssl, c.fd);
    return c;
}

static struct client connect_tls(void)
{
    struct client c = dial();
    if (session != NULL)
        SSL_set_session(c.ssl, session);
    assert_int_equal(SSL_connect(c.ssl), 1);
    return c;
}

static void hang_up(struct client *c)
{
    SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(c->ssl);
    close(c->fd);
}

static void say_tls(struct client *c, const char *text)
{
    assert_int_equal(SSL_write(c->ssl, text, (int)strlen(text)), (int)strlen(text));
}

static void hear_tls(struct client *c, const char *text)
{
    char buf[256];
    assert_int_equal(SSL_read(c->ssl, buf, sizeof(buf)), (int)strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

static void bytes_and_half_close_pass_in_both_directions(void **state)
{
    (void)state;
    char byte;
    struct fake *s = plane_add_server(&plane, "s1", true);
    start("", "");
    struct client c = connect_tls();
    say_tls(&c, "hello");
    int server = fake_accept(s);
    hear(server, "hello");
    say(server, "welcome");
    hear_tls(&c, "welcome");
    SSL_shutdown(c.ssl);
    hear_end(server);
    say(server, "last");
    hear_tls(&c, "last");
    close(server);
    assert_int_equal(SSL_read(c.ssl, &byte, 1), 0);
    assert_int_equal(SSL_get_error(c.ssl, 0), SSL_ERROR_ZERO_RETURN);
    hang_up(&c);
    WAIT_UNTIL(workers_flows(plane.workers) == 0);
}

static void several_records_of_a_burst_reach_the_server_in_one_piece(void **state)
{
    (void)state;
    char buf[256];
    struct fake *s = plane_add_server(&plane, "s1", true);
    start("", "");
    struct client c = connect_tls();
    say_tls(&c, "hello");
    int server = fake_accept(s);
    hear(server, "hello");
    say(server, "welcome");
    hear_tls(&c, "welcome");
    /* the records are made at once and sent at once */
    BIO *memory = BIO_new(BIO_s_mem());
    BIO *socket = SSL_get_wbio(c.ssl);
    BIO_up_ref(socket);
    SSL_set0_wbio(c.ssl, memory);
    for (int i = 0; i < 10; i++)
        say_tls(&c, "0123456789");
    char *bytes;
    long len = BIO_get_mem_data(memory, &bytes);
    assert_int_equal(send(c.fd, bytes, (size_t)len, 0), len);
    SSL_set0_wbio(c.ssl, socket);
    wait_readable(server);
    assert_int_equal(recv(server, buf, sizeof(buf), 0), 100);
    hang_up(&c);
    close(server);
}

static void handshakes_take_no_server_and_time_out(void **state)
{
    (void)state;
    struct fake *s = plane_add_server(&plane, "s1", true);
    int fds[20];
    start("", "");
    for (int i = 0; i < 20; i++)
        fds[i] = plane_dial(&plane);
    WAIT_UNTIL(workers_flows(plane.workers) == 20);
    assert_int_equal(atomic_load(&s->server->connections), 0);
    for (int i = 0; i < 20; i++) {
        hear_closed(fds[i]);
        close(fds[i]);
    }
    assert_int_equal(plane_stats(&plane).handshake_fails, 20);
    assert_false(is_readable_within(s->listen_fd, 0));
}

static void bytes_that_are_not_tls_end_that_connection_only(void **state)
{
    (void)state;
    struct fake *s = plane_add_server(&plane, "s1", true);
    start("", "");
    struct client c = connect_tls();
    say_tls(&c, "hello");
    int server = fake_accept(s);
    hear(server, "hello");
    srandom(7);
    for (int i = 0; i < 200; i++) {
        unsigned char junk[300];
        size_t len = (size_t)random() % sizeof(junk) + 1;
        for (size_t k = 0; k < len; k++)
            junk[k] = (unsigned char)random();
        if (i % 3 == 0) /* looks like a handshake for a while */
            memcpy(junk, "\x16\x03\x01\x00\x40\x01", len < 6 ? len : 6);
        int fd = plane_dial(&plane);
        (void)!send(fd, junk, len, MSG_NOSIGNAL);
        close(fd);
    }
    WAIT_UNTIL(workers_flows(plane.workers) == 1);
    say(server, "unharmed");
    hear_tls(&c, "unharmed");
    hang_up(&c);
    close(server);
}

static void ticket_of_one_worker_resumes_on_any(void **state)
{
    (void)state;
    plane_add_server(&plane, "s1", true);
    start("", "");
    for (int i = 0; i < 12; i++) { /* the kernel spreads them over both workers */
        int server;
        struct client c = connect_tls();
        assert_int_equal(SSL_session_reused(c.ssl), i > 0);
        say_tls(&c, "x");
        plane_accept(&plane, &server);
        hear(server, "x");
        say(server, "y");
        hear_tls(&c, "y"); /* and the next ticket before it */
        hang_up(&c);
        hear_end(server);
        close(server);
    }
}

static void read_header(int server, struct proxy_info *info)
{
    uint8_t buf[PROXY_V2_MAX];
    size_t used;
    wait_readable(server);
    ssize_t n = recv(server, buf, sizeof(buf), 0);
    assert_true(n > 0);
    assert_int_equal(proxy_parse(buf, (size_t)n, info, &used), PROXY_OK);
    assert_int_equal((size_t)n - used, 5);
}

static void server_learns_of_tls_and_the_clients_certificate(void **state)
{
    (void)state;
    struct proxy_info info;
    char tls[256];
    struct fake *s = plane_add_server(&plane, "s1", true);
    snprintf(tls, sizeof(tls), ", client_ca: %s, client_auth: optional", client_files.certificate);
    start(tls, "    proxy_protocol: v2\n");
    for (int with = 0; with < 2; with++) {
        if (with) {
            SSL_CTX_use_certificate_file(client_ctx, client_files.certificate, SSL_FILETYPE_PEM);
            SSL_CTX_use_PrivateKey_file(client_ctx, client_files.key, SSL_FILETYPE_PEM);
        }
        SSL_SESSION_free(session);
        session = NULL;
        struct client c = connect_tls();
        say_tls(&c, "hello");
        int server = fake_accept(s);
        read_header(server, &info);
        assert_true(info.tls);
        assert_string_equal(info.tls_version, "TLSv1.3");
        assert_int_equal(info.tls_verified, with);
        assert_string_equal(info.tls_common_name, with ? "truck-17" : "");
        hang_up(&c);
        hear_closed(server); /* by a reset: the client hasn't read its ticket */
        close(server);
    }
}

static void server_gets_the_certificate_where_it_is_asked_for(void **state)
{
    (void)state;
    struct proxy_info info;
    char tls[256];
    struct fake *s = plane_add_server(&plane, "s1", true);
    snprintf(tls, sizeof(tls), ", client_ca: %s, client_auth: optional", client_files.certificate);
    start(tls, "    proxy_protocol: v2\n    proxy_certificate: true\n");
    SSL_CTX_use_certificate_file(client_ctx, client_files.certificate, SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(client_ctx, client_files.key, SSL_FILETYPE_PEM);
    SSL_SESSION_free(session);
    session = NULL;
    struct client c = connect_tls();
    say_tls(&c, "hello");
    int server = fake_accept(s);
    uint8_t buf[PROXY_V2_MAX];
    size_t used;
    wait_readable(server);
    ssize_t n = recv(server, buf, sizeof(buf), 0);
    assert_true(n > 0);
    assert_int_equal(proxy_parse(buf, (size_t)n, &info, &used), PROXY_OK);
    assert_true(info.tls_verified);
    const unsigned char *at = info.tls_certificate;
    X509 *given = d2i_X509(NULL, &at, (long)info.tls_certificate_len);
    assert_non_null(given);
    assert_int_equal(X509_cmp(given, SSL_CTX_get0_certificate(client_ctx)), 0);
    X509_free(given);
    hang_up(&c);
    hear_closed(server);
    close(server);
}

static void client_without_a_required_certificate_is_refused(void **state)
{
    (void)state;
    char tls[256];
    char byte;
    struct fake *s = plane_add_server(&plane, "s1", true);
    snprintf(tls, sizeof(tls), ", client_ca: %s, client_auth: required", client_files.certificate);
    start(tls, "");
    struct client c = dial();
    /* TLS 1.3: the client learns of it with its first read */
    assert_true(SSL_connect(c.ssl) != 1 || SSL_read(c.ssl, &byte, 1) <= 0);
    hang_up(&c);
    WAIT_UNTIL(plane_stats(&plane).handshake_fails == 1);
    assert_false(is_readable_within(s->listen_fd, 0));
}

static void handshake_waits_while_no_server_is_up(void **state)
{
    (void)state;
    struct fake *s = plane_add_server(&plane, "s1", false);
    start("", "    queue_timeout: 10s\n");
    struct client c = dial();
    WAIT_UNTIL(plane_stats(&plane).queued == 1);
    assert_int_equal(plane_stats(&plane).handshakes, 0);
    atomic_store(&s->server->health, SERVER_UP);
    workers_wake(plane.workers);
    assert_int_equal(SSL_connect(c.ssl), 1);
    int server = fake_accept(s);
    say_tls(&c, "hello");
    hear(server, "hello");
    hang_up(&c);
    close(server);
}

static bool serves_certificate_of(const char *common_name)
{
    char name[64] = "";
    struct client c = dial();
    assert_int_equal(SSL_connect(c.ssl), 1);
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(c.ssl)),
                              NID_commonName, name, sizeof(name));
    hang_up(&c);
    return strcmp(name, common_name) == 0;
}

static void renewed_certificate_is_served_after_a_reload(void **state)
{
    (void)state;
    plane_add_server(&plane, "s1", true);
    start("", "");
    tls_files_fini(&server_files);
    tls_files_init(&server_files, "renewed");
    start("", "");
    WAIT_UNTIL(serves_certificate_of("renewed"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(bytes_and_half_close_pass_in_both_directions),
        TEST(several_records_of_a_burst_reach_the_server_in_one_piece),
        TEST(handshakes_take_no_server_and_time_out),
        TEST(bytes_that_are_not_tls_end_that_connection_only),
        TEST(ticket_of_one_worker_resumes_on_any),
        TEST(server_learns_of_tls_and_the_clients_certificate),
        TEST(server_gets_the_certificate_where_it_is_asked_for),
        TEST(client_without_a_required_certificate_is_refused),
        TEST(handshake_waits_while_no_server_is_up),
        TEST(renewed_certificate_is_served_after_a_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
