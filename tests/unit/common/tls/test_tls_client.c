/* tls_client: whose certificates are believed, and for which name. */
#include "common/tls/tls_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "tests/unit/tls_peer.h"

static struct tls_peer p;
static struct tls_client *client;
static struct tls_channel *c;

static int setup(void **state)
{
    (void)state;
    peer_init(&p, TLS_CLIENT_AUTH_NONE);
    return 0;
}

static void close_channel(void)
{
    tls_channel_free(c);
    c = NULL;
    tls_client_unref(client);
    client = NULL;
    peer_hang_up(&p);
}

static int teardown(void **state)
{
    (void)state;
    close_channel();
    peer_fini(&p);
    return 0;
}

/* The peer's SSL accepts here. */
static enum tls_channel_progress connect_as(const struct tls_client_config *config,
                                            const char *host)
{
    struct tls_carrier carrier = {.receive = peer_receive, .send = peer_send, .arg = &p};
    char err[256] = "";
    bool more;
    enum tls_channel_progress ours = TLS_CHANNEL_WAIT;
    client = tls_client_new(config, err, sizeof(err));
    assert_string_equal(err, "");
    assert_non_null(client);
    peer_dial(&p);
    SSL_free(p.client);
    p.client = SSL_new(p.ctx);
    SSL_set_fd(p.client, p.client_fd);
    SSL_set_accept_state(p.client);
    c = tls_client_channel(client, host, &carrier);
    assert_non_null(c);
    for (int i = 0; i < 20 && ours == TLS_CHANNEL_WAIT; i++) {
        ours = tls_channel_handshake(c, &more);
        SSL_do_handshake(p.client);
        if (ours != TLS_CHANNEL_FAILED)
            ERR_clear_error();
    }
    return ours;
}

static void fails_with(const char *reason)
{
    char why[160];
    tls_channel_failure(c, why, sizeof(why));
    if (strstr(why, reason) == NULL)
        fail_msg("'%s' has no '%s'", why, reason);
    close_channel();
}

static void the_right_certificate_for_the_name_is_believed(void **state)
{
    struct tls_client_config config = {.ca = p.files.certificate};
    (void)state;
    assert_int_equal(connect_as(&config, "localhost"), TLS_CHANNEL_DONE);
    assert_string_equal(SSL_get_servername(p.client, TLSEXT_NAMETYPE_host_name), "localhost");
    close_channel();
    config.server_name = (char *)"localhost";
    assert_int_equal(connect_as(&config, "10.0.0.1"), TLS_CHANNEL_DONE);
}

static void another_name_is_not(void **state)
{
    struct tls_client_config config = {.ca = p.files.certificate};
    (void)state;
    assert_int_equal(connect_as(&config, "redis.example"), TLS_CHANNEL_FAILED);
    fails_with("hostname mismatch");
    assert_int_equal(connect_as(&config, "127.0.0.1"), TLS_CHANNEL_FAILED);
    fails_with("IP address mismatch");
}

static void another_authority_is_not(void **state)
{
    struct tls_files theirs;
    (void)state;
    tls_files_init(&theirs, "localhost");
    struct tls_client_config config = {.ca = theirs.certificate};
    assert_int_equal(connect_as(&config, "localhost"), TLS_CHANNEL_FAILED);
    fails_with("certificate: ");
    config.ca = NULL; /* the system's */
    assert_int_equal(connect_as(&config, "localhost"), TLS_CHANNEL_FAILED);
    fails_with("certificate: ");
    tls_files_fini(&theirs);
}

static void unverified_all_are(void **state)
{
    struct tls_client_config config = {.unverified = true};
    (void)state;
    assert_int_equal(connect_as(&config, "redis.example"), TLS_CHANNEL_DONE);
    assert_string_equal(SSL_get_servername(p.client, TLSEXT_NAMETYPE_host_name), "redis.example");
    close_channel();
    assert_int_equal(connect_as(&config, "127.0.0.1"), TLS_CHANNEL_DONE);
}

static void it_shows_its_own(void **state)
{
    struct tls_client_config config = {.ca = p.files.certificate};
    (void)state;
    SSL_CTX_free(p.ctx);
    p.ctx = peer_context(&p, TLS_CLIENT_AUTH_REQUIRED);
    config.certificate = p.files.certificate;
    config.key = p.files.key;
    assert_int_equal(connect_as(&config, "localhost"), TLS_CHANNEL_DONE);
    assert_int_equal(SSL_do_handshake(p.client), 1);
    assert_non_null(SSL_get0_peer_certificate(p.client));
}

static void refused(const struct tls_client_config *config, const char *key, const char *reason)
{
    char err[512] = "";
    assert_null(tls_client_new(config, err, sizeof(err)));
    if (strstr(err, key) == NULL || strstr(err, reason) == NULL)
        fail_msg("'%s' has no '%s' or no '%s'", err, key, reason);
    assert_int_equal(ERR_peek_error(), 0);
}

static void files_that_can_not_be_used_are_named(void **state)
{
    (void)state;
    refused(&(struct tls_client_config){.ca = (char *)"/nowhere/ca.pem"}, "ca '/nowhere/ca.pem'",
            "No such file");
    refused(&(struct tls_client_config){.ca = (char *)"/tmp"}, "ca '/tmp'", "directory");
    refused(&(struct tls_client_config){.ca = p.files.key}, "ca ", "no certificate in it");
    refused(&(struct tls_client_config){.certificate = p.files.certificate}, "key",
            "need each other");
    refused(&(struct tls_client_config){.certificate = p.files.certificate,
                                        .key = (char *)"/nowhere/key.pem"},
            "key '/nowhere/key.pem'", "No such file");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_right_certificate_for_the_name_is_believed),
        T(another_name_is_not),
        T(another_authority_is_not),
        T(unverified_all_are),
        T(it_shows_its_own),
        T(files_that_can_not_be_used_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
