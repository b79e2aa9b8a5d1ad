/* A flow whose server speaks TLS: header, handshake, bytes; and servers that fail in it. */
#include "lb/flow/flow_secure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "tests/unit/lb/flow/flow_fixture.h"
#include "tests/unit/tls_fixture.h"

static struct tls_files files;
static SSL_CTX *ctx;

static int setup(void **state)
{
    plane_setup(state);
    tls_files_init(&files, "localhost");
    ctx = SSL_CTX_new(TLS_server_method());
    return ctx != NULL &&
                   SSL_CTX_use_certificate_file(ctx, files.certificate, SSL_FILETYPE_PEM) == 1 &&
                   SSL_CTX_use_PrivateKey_file(ctx, files.key, SSL_FILETYPE_PEM) == 1
               ? 0
               : -1;
}

static int teardown(void **state)
{
    SSL_CTX_free(ctx);
    tls_files_fini(&files);
    return plane_teardown(state);
}

static void start(const char *more)
{
    char backend[512];
    snprintf(backend, sizeof(backend),
             "    tls: { ca: \"%s\", server_name: localhost }\n"
             "    balance: roundrobin\n%s",
             files.certificate, more);
    plane_start("", backend);
}

/* The server's side, on a socket that waits. */
static SSL *accept_tls(int fd)
{
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    assert_int_equal(SSL_accept(ssl), 1);
    return ssl;
}

static void hear_tls(SSL *ssl, const char *text)
{
    char buf[256];
    int n = SSL_read(ssl, buf, sizeof(buf));
    assert_int_equal(n, (int)strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

static void answer(SSL *ssl, int client, const char *text)
{
    char buf[256];
    assert_int_equal(SSL_write(ssl, text, (int)strlen(text)), (int)strlen(text));
    wait_readable(client);
    assert_int_equal(recv(client, buf, sizeof(buf), 0), (ssize_t)strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

static void bytes_go_both_ways(void **state)
{
    (void)state;
    struct fake *server = plane_add_server(&plane, "one", true);
    start("");
    int client = plane_dial(&plane);
    say(client, "hello");
    int fd = fake_accept(server);
    SSL *ssl = accept_tls(fd);
    hear_tls(ssl, "hello");
    answer(ssl, client, "world");
    say(client, "again");
    hear_tls(ssl, "again");
    close(client);
    char byte;
    assert_int_equal(SSL_read(ssl, &byte, 1), 0);
    assert_int_equal(SSL_get_error(ssl, 0), SSL_ERROR_ZERO_RETURN); /* the end, in TLS' words */
    SSL_free(ssl);
    close(fd);
}

static void the_header_comes_before_tls(void **state)
{
    uint8_t header[28];
    (void)state;
    struct fake *server = plane_add_server(&plane, "one", true);
    start("    proxy_protocol: v2\n");
    int client = plane_dial(&plane);
    say(client, "hello");
    int fd = fake_accept(server);
    wait_readable(fd);
    assert_int_equal(recv(fd, header, sizeof(header), MSG_WAITALL), sizeof(header));
    assert_memory_equal(header, "\r\n\r\n\0\r\nQUIT\n\x21\x11", 14);
    SSL *ssl = accept_tls(fd);
    hear_tls(ssl, "hello");
    answer(ssl, client, "world");
    close(client);
    SSL_free(ssl);
    close(fd);
}

static void a_server_without_tls_is_left_for_another(void **state)
{
    (void)state;
    plane_add_server(&plane, "one", true);
    plane_add_server(&plane, "two", true);
    start("");
    int client = plane_dial(&plane);
    int bad;
    int good;
    say(client, "hello");
    struct fake *first = plane_accept(&plane, &bad);
    say(bad, "this is no TLS\n");
    fake_stop_listening(first);
    struct fake *second = first == &plane.fakes[0] ? &plane.fakes[1] : &plane.fakes[0];
    good = fake_accept(second);
    SSL *ssl = accept_tls(good);
    hear_tls(ssl, "hello");
    answer(ssl, client, "world");
    close(client);
    SSL_free(ssl);
    close(bad);
    close(good);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(bytes_go_both_ways),
        T(the_header_comes_before_tls),
        T(a_server_without_tls_is_left_for_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
