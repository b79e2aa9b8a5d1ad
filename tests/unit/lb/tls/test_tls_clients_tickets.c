/*
 * Which tickets a listener resumes, by how its clients are verified. Over TLS 1.2 and 1.3, with a
 * client of OpenSSL's own. Which files and certificates it takes: test_tls_clients.c.
 */
#include "common/tls/tls_clients.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "tests/unit/lb/tls_rig.h"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* Loads the listener's configuration anew, as a reload does. */
static void reload(const char *client_ca, int client_auth, int min_version)
{
    char err[256] = "";
    struct tls_config config = {.certificate = rig.files.certificate,
                                .key = rig.files.key,
                                .min_version = min_version,
                                .client_ca = (char *)client_ca,
                                .client_auth = client_auth};
    SSL_CTX_free(rig.server_ctx);
    rig.server_ctx = tls_context_new(&config, rig.tickets, TLS_PROVIDER_FIRST, err, sizeof(err));
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
    reload(p->ca, TLS_CLIENT_AUTH_REQUIRED, TLS_FROM_1_2);
    connect_tls();
    resumed();
    copy_file(p->truck.certificate, p->ca); /* written again, the same */
    reload(p->ca, TLS_CLIENT_AUTH_REQUIRED, TLS_FROM_1_2);
    resumed();
    copy_file(p->phone.certificate, p->ca);
    reload(p->ca, TLS_CLIENT_AUTH_REQUIRED, TLS_FROM_1_2);
    refused();
}

static void ticket_of_another_authority_does_not_resume(void **state)
{
    (void)state;
    each_version(replace_authority);
}

static void require_certificates(struct people *p)
{
    reload(NULL, TLS_CLIENT_AUTH_NONE, TLS_FROM_1_2);
    connect_tls();
    resumed();
    show(&p->phone); /* one that isn't believed, or a full handshake would take it */
    reload(p->ca, TLS_CLIENT_AUTH_REQUIRED, TLS_FROM_1_2);
    refused();
}

static void ticket_given_without_a_certificate_does_not_stand_in_for_one(void **state)
{
    (void)state;
    each_version(require_certificates);
}

static void relax_and_require_again(struct people *p)
{
    reload(p->ca, TLS_CLIENT_AUTH_OPTIONAL, TLS_FROM_1_2);
    connect_tls();
    resumed();
    reload(p->ca, TLS_CLIENT_AUTH_REQUIRED, TLS_FROM_1_2);
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
    reload(p->ca, TLS_CLIENT_AUTH_REQUIRED, TLS_FROM_1_2);
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
    reload(p->ca, TLS_CLIENT_AUTH_REQUIRED, TLS_FROM_1_2);
    connect_tls();
    tls_files_write_new(&rig.files, "localhost", "EC", 3600);
    reload(p->ca, TLS_CLIENT_AUTH_REQUIRED, TLS_FROM_1_2);
    resumed();
}

static void renewed_server_certificate_keeps_tickets(void **state)
{
    (void)state;
    each_version(renew_server_certificate);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
