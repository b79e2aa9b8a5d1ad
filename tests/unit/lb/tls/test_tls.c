/* What a context is made of: certificate and key, whose clients and tickets it believes, ALPN.
 * Over TLS 1.2 and 1.3, with a client of OpenSSL's own. */
#include "lb/tls/tls.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "lb/tls/tls_clients.h"
#include "lb/tls/tls_error.h"
#include "tests/unit/lb/tls_rig.h"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* ---- tickets ---- */

static int listener_alpn = LB_ALPN_MQTT;

/* Loads the listener's configuration anew, as a reload does. */
static void reload(const char *client_ca, int client_auth, int min_version)
{
    char err[256] = "";
    struct tls_config config = {.certificate = rig.files.certificate,
                                .key = rig.files.key,
                                .min_version = min_version,
                                .client_ca = (char *)client_ca,
                                .client_auth = client_auth,
                                .alpn = listener_alpn};
    SSL_CTX_free(rig.server_ctx);
    rig.server_ctx = tls_context_new(&config, rig.tickets, err, sizeof(err));
    if (rig.server_ctx == NULL)
        print_message("%s\n", err);
    assert_non_null(rig.server_ctx);
}

static void show(const struct tls_files *f)
{
    assert_int_equal(SSL_CTX_use_certificate_file(rig.client_ctx, f->certificate, SSL_FILETYPE_PEM),
                     1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(rig.client_ctx, f->key, SSL_FILETYPE_PEM), 1);
}

static void copy_file(const char *from, const char *to)
{
    char text[4096];
    FILE *in = fopen(from, "r");
    FILE *out = fopen(to, "w");
    assert_true(in != NULL && out != NULL);
    size_t len = fread(text, 1, sizeof(text), in);
    assert_true(len > 0 && fwrite(text, 1, len, out) == len);
    fclose(in);
    fclose(out);
}

/* Takes the ticket in and dials again with it. */
static void redial(void)
{
    char byte;
    SSL_read(rig.client, &byte, 1);
    hang_up();
    dial();
    assert_non_null(rig.session);
    SSL_set_session(rig.client, rig.session);
}

static void refused(void)
{
    char why[160];
    redial();
    assert_int_equal(shake(), TLS_HANDSHAKE_FAILED);
    assert_false(SSL_session_reused(rig.client));
    tls_error(why, sizeof(why));
}

static void anew(void)
{
    redial();
    assert_int_equal(shake(), TLS_HANDSHAKE_DONE);
    assert_false(SSL_session_reused(rig.client));
}

static void resumed(void)
{
    redial();
    assert_int_equal(shake(), TLS_HANDSHAKE_DONE);
    assert_true(SSL_session_reused(rig.client));
}

struct people {
    struct tls_files truck, phone; /* two authorities, each of one certificate */
    char ca[96];
};

static void people_init(struct people *p)
{
    tls_files_init(&p->truck, "truck");
    tls_files_init(&p->phone, "phone");
    snprintf(p->ca, sizeof(p->ca), "%s/ca.pem", p->truck.dir);
    copy_file(p->truck.certificate, p->ca);
    show(&p->truck);
}

static void people_fini(const struct people *p)
{
    unlink(p->ca);
    tls_files_fini(&p->truck);
    tls_files_fini(&p->phone);
}

static void each_version(void (*check)(struct people *p))
{
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        struct people p;
        people_init(&p);
        SSL_CTX_set_max_proto_version(rig.client_ctx, versions[i]);
        SSL_SESSION_free(rig.session);
        rig.session = NULL;
        check(&p);
        hang_up();
        people_fini(&p);
    }
    SSL_CTX_set_max_proto_version(rig.client_ctx, 0);
}

static void replace_authority(struct people *p)
{
    reload(p->ca, LB_CLIENT_AUTH_REQUIRED, LB_TLS_1_2);
    connect_tls();
    resumed();
    copy_file(p->truck.certificate, p->ca); /* written again, the same */
    reload(p->ca, LB_CLIENT_AUTH_REQUIRED, LB_TLS_1_2);
    resumed();
    copy_file(p->phone.certificate, p->ca);
    reload(p->ca, LB_CLIENT_AUTH_REQUIRED, LB_TLS_1_2);
    refused();
}

static void ticket_of_another_authority_does_not_resume(void **state)
{
    (void)state;
    each_version(replace_authority);
}

static void require_certificates(struct people *p)
{
    reload(NULL, LB_CLIENT_AUTH_NONE, LB_TLS_1_2);
    connect_tls();
    resumed();
    show(&p->phone); /* one that isn't believed, or a full handshake would take it */
    reload(p->ca, LB_CLIENT_AUTH_REQUIRED, LB_TLS_1_2);
    refused();
}

static void ticket_given_without_a_certificate_does_not_stand_in_for_one(void **state)
{
    (void)state;
    each_version(require_certificates);
}

static void relax_and_require_again(struct people *p)
{
    reload(p->ca, LB_CLIENT_AUTH_OPTIONAL, LB_TLS_1_2);
    connect_tls();
    resumed();
    reload(p->ca, LB_CLIENT_AUTH_REQUIRED, LB_TLS_1_2);
    anew();
    resumed();
}

static void other_client_auth_asks_for_a_full_handshake(void **state)
{
    (void)state;
    each_version(relax_and_require_again);
}

static void let_it_run_out(struct people *p)
{
    tls_files_write_new(&p->truck, "truck", "EC", 2);
    show(&p->truck);
    copy_file(p->truck.certificate, p->ca);
    reload(p->ca, LB_CLIENT_AUTH_REQUIRED, LB_TLS_1_2);
    time_t end = time(NULL) + 2;
    connect_tls();
    resumed();
    while (time(NULL) <= end)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    refused();
}

static void ticket_ends_with_its_clients_certificate(void **state)
{
    (void)state;
    struct people p;
    people_init(&p);
    let_it_run_out(&p); /* TLS 1.3, which would give the next ticket each time */
    hang_up();
    people_fini(&p);
}

static void renew_server_certificate(struct people *p)
{
    reload(p->ca, LB_CLIENT_AUTH_REQUIRED, LB_TLS_1_2);
    connect_tls();
    tls_files_write_new(&rig.files, "localhost", "EC", 3600);
    reload(p->ca, LB_CLIENT_AUTH_REQUIRED, LB_TLS_1_2);
    resumed();
}

static void renewed_server_certificate_keeps_tickets(void **state)
{
    (void)state;
    each_version(renew_server_certificate);
}

static void raised_minimum_version_ends_older_sessions(void **state)
{
    (void)state;
    SSL_CTX_set_max_proto_version(rig.client_ctx, TLS1_2_VERSION);
    reload(NULL, LB_CLIENT_AUTH_NONE, LB_TLS_1_2);
    connect_tls();
    resumed();
    reload(NULL, LB_CLIENT_AUTH_NONE, LB_TLS_1_3);
    refused();
    SSL_CTX_set_max_proto_version(rig.client_ctx, 0);
    hang_up();
    connect_tls(); /* a newer client isn't held back */
}

/* ---- ALPN ---- */

static void offer(const char *protocols, size_t len)
{
    dial();
    if (len > 0)
        assert_int_equal(SSL_set_alpn_protos(rig.client, (const uint8_t *)protocols, (unsigned)len),
                         0);
}

struct alpn_case {
    const char *offered;
    size_t len;
    unsigned chosen_len; /* 0: not served, unless nothing was offered */
};

static void expect_alpn(const struct alpn_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *chosen;
        unsigned len;
        char why[160];
        bool served = cases[i].chosen_len > 0 || cases[i].len == 0;
        offer(cases[i].offered, cases[i].len);
        assert_int_equal(shake(), served ? TLS_HANDSHAKE_DONE : TLS_HANDSHAKE_FAILED);
        tls_error(why, sizeof(why));
        if (!served) {
            assert_int_equal(SSL_do_handshake(rig.client), -1);
            assert_int_equal(ERR_GET_REASON(ERR_peek_error()),
                             SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
            ERR_clear_error();
        }
        SSL_get0_alpn_selected(rig.client, &chosen, &len);
        assert_int_equal(len, cases[i].chosen_len);
        hang_up();
    }
}

static void alpn_is_mqtt_or_none(void **state)
{
    (void)state;
    static const struct alpn_case cases[] = {
        {"", 0, 0},           {"\4mqtt", 5, 4},
        {"\2h2\4mqtt", 8, 4}, {"\2h2\10http/1.1", 12, 0},
        {"\4mqtx", 5, 0},     {"\16x-amzn-mqtt-ca", 15, 0},
        {"\3mqt", 4, 0},      {"\5mqtt5", 6, 0},
    };
    expect_alpn(cases, sizeof(cases) / sizeof(cases[0]));
}

static void alpn_of_a_listener_for_websocket_is_http(void **state)
{
    (void)state;
    static const struct alpn_case cases[] = {{"", 0, 0},
                                             {"\4mqtt", 5, 0},
                                             {"\10http/1.1", 9, 8},
                                             {"\2h2\10http/1.1", 12, 8},
                                             {"\2h2", 3, 0}};
    listener_alpn = LB_ALPN_HTTP;
    reload(NULL, LB_CLIENT_AUTH_NONE, LB_TLS_1_2);
    expect_alpn(cases, sizeof(cases) / sizeof(cases[0]));
    listener_alpn = LB_ALPN_MQTT;
    reload(NULL, LB_CLIENT_AUTH_NONE, LB_TLS_1_2);
}

/* ---- files ---- */

static void context_fails(struct tls_config *config, const char *file, const char *reason)
{
    char err[512] = "";
    assert_null(tls_context_new(config, NULL, err, sizeof(err)));
    if (strstr(err, file) == NULL || strstr(err, reason) == NULL)
        fail_msg("'%s' has no '%s' or no '%s'", err, file, reason);
    assert_int_equal(ERR_peek_error(), 0);
}

static void key_of_another_kind_is_named(void **state)
{
    (void)state;
    struct tls_files rsa;
    tls_files_init(&rsa, "rsa");
    tls_files_write_new(&rsa, "rsa", "RSA", 3600);
    struct tls_config config = {.certificate = rsa.certificate, .key = rig.files.key};
    context_fails(&config, rig.files.key, "is an EC key, but certificate");
    context_fails(&config, rsa.certificate, "has an RSA key");
    config = (struct tls_config){.certificate = rig.files.certificate, .key = rsa.key};
    context_fails(&config, rsa.key, "is an RSA key, but certificate");
    tls_files_fini(&rsa);
}

static void encrypt(const struct tls_files *f, bool pkcs8)
{
    FILE *in = fopen(f->key, "r");
    EVP_PKEY *key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
    fclose(in);
    FILE *out = fopen(f->key, "w");
    const EVP_CIPHER *cipher = EVP_aes_128_cbc();
    BIO *bio = BIO_new_fp(out, BIO_NOCLOSE);
    assert_int_equal(pkcs8 ? PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, "pass", 4, NULL, NULL)
                           : PEM_write_bio_PrivateKey_traditional(
                                 bio, key, cipher, (const unsigned char *)"pass", 4, NULL, NULL),
                     1);
    BIO_free(bio);
    fclose(out);
    EVP_PKEY_free(key);
}

static void encrypted_key_is_named_so(void **state)
{
    (void)state;
    for (int pkcs8 = 0; pkcs8 < 2; pkcs8++) {
        struct tls_files files;
        tls_files_init(&files, "secret");
        encrypt(&files, pkcs8);
        struct tls_config config = {.certificate = files.certificate, .key = files.key};
        context_fails(&config, files.key, "is encrypted");
        tls_files_fini(&files);
    }
}

static void other_mistakes_name_their_file(void **state)
{
    (void)state;
    struct tls_files other;
    tls_files_init(&other, "other");
    struct tls_config config = {.certificate = rig.files.certificate, .key = other.key};
    context_fails(&config, other.key, "is not the key of certificate");
    config.key = (char *)"/nowhere/key.pem";
    context_fails(&config, "key '/nowhere/key.pem'", "No such file");
    config.key = other.certificate; /* the two exchanged */
    context_fails(&config, other.certificate, "");
    config = (struct tls_config){.certificate = (char *)"/nowhere/cert.pem", .key = other.key};
    context_fails(&config, "certificate '/nowhere/cert.pem'", "No such file");
    config = (struct tls_config){.certificate = rig.files.certificate,
                                 .key = rig.files.key,
                                 .client_auth = LB_CLIENT_AUTH_REQUIRED,
                                 .client_ca = (char *)"/nowhere/ca.pem"};
    context_fails(&config, "client_ca '/nowhere/ca.pem'", "No such file");
    config.client_ca = other.key;
    context_fails(&config, other.key, "no certificate in it");
    config.client_auth = LB_CLIENT_AUTH_NONE; /* read as well */
    context_fails(&config, other.key, "no certificate in it");
    config = (struct tls_config){.certificate = other.key, .key = rig.files.key};
    context_fails(&config, other.key, "no certificate in it");
    config =
        (struct tls_config){.certificate = rig.files.certificate, .key = rig.files.certificate};
    context_fails(&config, rig.files.certificate, "no private key in it");
    tls_files_fini(&other);
}

/* A reload would wait for a pipe's other end, and the control thread with it. */
static void what_is_no_file_is_named(void **state)
{
    (void)state;
    char pipe_name[] = "/tmp/flotilla-test-pipe-XXXXXX";
    assert_non_null(mkdtemp(pipe_name));
    assert_int_equal(rmdir(pipe_name), 0);
    assert_int_equal(mkfifo(pipe_name, 0600), 0);
    char *const bad[][2] = {{(char *)"/tmp", (char *)"Is a directory"},
                            {pipe_name, (char *)"isn't a regular file"}};
    alarm(20); /* one that waits ends the test */
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct tls_config config = {.certificate = bad[i][0], .key = rig.files.key};
        context_fails(&config, "certificate '/tmp", bad[i][1]);
        config = (struct tls_config){.certificate = rig.files.certificate, .key = bad[i][0]};
        context_fails(&config, "key '/tmp", bad[i][1]);
        config.key = rig.files.key;
        config.client_ca = bad[i][0];
        context_fails(&config, "client_ca '/tmp", bad[i][1]);
    }
    alarm(0);
    unlink(pipe_name);
}

/* ---- the client's name ---- */

static bool common_name(const char *text, int len, int type, char *out, size_t size)
{
    X509 *cert = X509_new();
    if (text != NULL)
        assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", type,
                                                    (const unsigned char *)text, len, -1, 0),
                         1);
    bool found = tls_clients_common_name(cert, out, size);
    X509_free(cert);
    return found;
}

static void common_name_is_whole_or_absent(void **state)
{
    (void)state;
    char out[17] = "";
    assert_true(common_name("truck-17", -1, MBSTRING_ASC, out, sizeof(out)));
    assert_string_equal(out, "truck-17");
    assert_true(common_name("sixteen-letters!", -1, MBSTRING_ASC, out, sizeof(out)));
    assert_string_equal(out, "sixteen-letters!");
    assert_false(common_name("seventeen-letters", -1, MBSTRING_ASC, out, sizeof(out)));
    assert_false(common_name("admin\0.example", 14, V_ASN1_UTF8STRING, out, sizeof(out)));
    assert_false(common_name(NULL, 0, 0, out, sizeof(out)));
    assert_true(common_name("\0t\0r\0\xfc", 6, V_ASN1_BMPSTRING, out, sizeof(out)));
    assert_string_equal(out, "tr\xc3\xbc");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_init, rig_fini)
    const struct CMUnitTest tests[] = {
        TEST(ticket_of_another_authority_does_not_resume),
        TEST(ticket_given_without_a_certificate_does_not_stand_in_for_one),
        TEST(other_client_auth_asks_for_a_full_handshake),
        TEST(ticket_ends_with_its_clients_certificate),
        TEST(renewed_server_certificate_keeps_tickets),
        TEST(raised_minimum_version_ends_older_sessions),
        TEST(alpn_is_mqtt_or_none),
        TEST(alpn_of_a_listener_for_websocket_is_http),
        TEST(key_of_another_kind_is_named),
        TEST(encrypted_key_is_named_so),
        TEST(other_mistakes_name_their_file),
        TEST(what_is_no_file_is_named),
        TEST(common_name_is_whole_or_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
