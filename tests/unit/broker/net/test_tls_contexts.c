/* tls_contexts: one for each listener with TLS; a reload is all or nothing. */
#include "broker/net/tls_contexts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/base/broker_config.h"
#include "tests/unit/tls_fixture.h"

enum { PLAIN, FIRST, SECOND, LISTENERS };

static struct tls_files files[LISTENERS];
static struct tls_config configs[LISTENERS];
static struct listener_config listeners[LISTENERS];
static const struct config_list list = {.items = listeners, .count = LISTENERS};
static struct tls_contexts *t;

static int setup(void **state)
{
    char err[512] = "";
    (void)state;
    memset(listeners, 0, sizeof(listeners));
    listeners[PLAIN].bind = (char *)"127.0.0.1:1883";
    for (int i = FIRST; i < LISTENERS; i++) {
        tls_files_init(&files[i], "localhost");
        configs[i] = (struct tls_config){.certificate = files[i].certificate, .key = files[i].key};
        listeners[i].bind = (char *)(i == FIRST ? "127.0.0.1:8883" : "127.0.0.1:8884");
        listeners[i].tls = &configs[i];
    }
    t = tls_contexts_new(&list, err, sizeof(err));
    assert_string_equal(err + (t != NULL ? strlen(err) : 0), "");
    return t != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    tls_contexts_free(t);
    for (int i = FIRST; i < LISTENERS; i++)
        tls_files_fini(&files[i]);
    return 0;
}

static const X509 *shown_by(int i)
{
    return SSL_CTX_get0_certificate(tls_contexts_of(t, &listeners[i]));
}

static void each_listener_with_tls_has_its_own(void **state)
{
    (void)state;
    assert_null(tls_contexts_of(t, &listeners[PLAIN]));
    assert_int_equal(tls_contexts_count(t), 2);
    assert_int_not_equal(X509_cmp(shown_by(FIRST), shown_by(SECOND)), 0);
}

static void a_reload_takes_what_is_in_the_files_now(void **state)
{
    char err[512] = "";
    (void)state;
    X509 *before = X509_dup(shown_by(FIRST));
    SSL *old = SSL_new(tls_contexts_of(t, &listeners[FIRST]));
    tls_files_write_new(&files[FIRST], "localhost", "EC", 3600);
    assert_true(tls_contexts_prepare(t, &list, err, sizeof(err)));
    assert_int_equal(X509_cmp(shown_by(FIRST), before), 0); /* not in force yet */
    tls_contexts_commit(t);
    assert_int_not_equal(X509_cmp(shown_by(FIRST), before), 0);
    assert_int_equal(X509_cmp(SSL_get_certificate(old), before), 0); /* it goes on */
    SSL_free(old);
    X509_free(before);
}

static void one_bad_file_keeps_all_as_they_were(void **state)
{
    char err[512] = "";
    (void)state;
    X509 *first = X509_dup(shown_by(FIRST));
    X509 *second = X509_dup(shown_by(SECOND));
    tls_files_write_new(&files[FIRST], "localhost", "EC", 3600); /* good, and yet not taken */
    unlink(files[SECOND].key);
    assert_false(tls_contexts_prepare(t, &list, err, sizeof(err)));
    assert_non_null(strstr(err, "listener 127.0.0.1:8884: tls: key '"));
    assert_non_null(strstr(err, files[SECOND].key));
    assert_int_equal(X509_cmp(shown_by(FIRST), first), 0);
    assert_int_equal(X509_cmp(shown_by(SECOND), second), 0);
    X509_free(first);
    X509_free(second);
}

static void without_tls_there_is_nothing(void **state)
{
    const struct config_list plain = {.items = listeners, .count = 1};
    char err[512];
    (void)state;
    struct tls_contexts *none = tls_contexts_new(&plain, err, sizeof(err));
    assert_non_null(none);
    assert_int_equal(tls_contexts_count(none), 0);
    tls_contexts_free(none);
    tls_contexts_free(NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(each_listener_with_tls_has_its_own),
        T(a_reload_takes_what_is_in_the_files_now),
        T(one_bad_file_keeps_all_as_they_were),
        T(without_tls_there_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
