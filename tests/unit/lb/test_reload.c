/*
 * A configuration comes into force whole or not at all. Real workers and a real HTTP port, on
 * addresses of loopback of their own.
 */
#include "lb/reload.h"

#include "common/config/config_schema.h"
#include "common/tls/tls_tickets.h"
#include "lb/admin/admin.h"
#include "tests/unit/lb/admin/control_fixture.h"
#include "tests/unit/temp_file.h"
#include "tests/unit/tls_fixture.h"

#define HTTP "127.0.0.7"
#define OTHER_HTTP "127.0.0.8"

static int setup(void **state)
{
    (void)state;
    temp_file_make(NULL);
    control = (struct control){.base = event_base_new(),
                               .notify_fd = -1,
                               .config_path = temp_file,
                               .own_records = true,
                               .tickets = tls_tickets_new(TLS_TICKETS_PERIOD_MS)};
    TAILQ_INIT(&control.pools);
    control.admin = admin_new(&control);
    return control.admin != NULL && control.tickets != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    admin_free(control.admin);
    control_end();
    tls_tickets_free(control.tickets);
    temp_file_remove(NULL);
    return 0;
}

#define BACKEND(name)                                                                              \
    name ": { health_check: { type: none }, servers: [ { address: 127.0.0.1:9 } ] }"

static void write_file(const char *listeners, const char *backends, const char *http)
{
    char text[1024];
    int n = snprintf(text, sizeof(text),
                     "workers: 2\n"
                     "log: { level: error }\n"
                     "listeners: [ %s ]\n"
                     "backends: { %s }\n"
                     "admin: { bind: \"%s:0\" }\n",
                     listeners, backends, http);
    assert_true(n > 0 && (size_t)n < sizeof(text));
    temp_file_write(text, (size_t)n);
}

#define L "{ name: l, bind: \"127.0.0.1:0\", backend: b }"

static void start(void)
{
    write_file(L, BACKEND("b"), HTTP);
    assert_true(reload_first(&control));
}

static void the_first_configuration_starts_workers_listeners_and_the_http_port(void **state)
{
    (void)state;
    start();
    assert_int_equal(control.snapshot->generation, 1);
    assert_int_equal(workers_count(control.workers), 2);
    assert_true(workers_port(control.workers, "l") > 0);
    assert_true(listening_port(HTTP) > 0);
    assert_non_null(control_find_pool(&control, "b")->config);
    assert_true(control.loaded_at_ms > 0);
    assert_int_equal(control.reloads_ok + control.reloads_failed, 0);
}

static void a_first_file_that_is_wrong_starts_nothing(void **state)
{
    (void)state;
    temp_file_write("listeners: x\n", 13);
    assert_false(reload_first(&control));
    assert_null(control.snapshot);
    assert_null(control.workers);
    assert_int_equal(control.reloads_failed, 1);
    assert_non_null(strstr(control.last_reload_error, ":1:12: listeners: "));
    assert_int_equal(listening_port(HTTP), 0);
}

/* A port of loopback that somebody else has. */
static int take_port(char *text, size_t size, const char *format)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    snprintf(text, size, "%s%u\", backend: b }", format, ntohs(addr.sin_port));
    return fd;
}

static void a_first_listener_that_cannot_be_bound_leaves_nothing_in_force(void **state)
{
    (void)state;
    char listener[128];
    int holder = take_port(listener, sizeof(listener), "{ name: l, bind: \"127.0.0.1:");
    write_file(listener, BACKEND("b"), HTTP);
    assert_false(reload_first(&control));
    assert_null(control.snapshot);
    close(holder);
}

static void a_reload_takes_on_the_new_file_and_clears_the_last_error(void **state)
{
    (void)state;
    start();
    unsigned port = workers_port(control.workers, "l");
    strcpy(control.last_reload_error, "of the reload before");
    write_file(L ", { name: m, bind: \"127.0.0.2:0\", backend: c }", BACKEND("b") ", " BACKEND("c"),
               OTHER_HTTP);
    assert_true(reload_again(&control));
    assert_int_equal(control.snapshot->generation, 2);
    assert_int_equal(control.reloads_ok, 1);
    assert_string_equal(control.last_reload_error, "");
    assert_int_equal(workers_port(control.workers, "l"), port); /* it keeps its socket */
    assert_true(workers_port(control.workers, "m") > 0);
    assert_non_null(control_find_pool(&control, "c"));
    assert_int_equal(listening_port(HTTP), 0);
    assert_true(listening_port(OTHER_HTTP) > 0);
}

static void a_backend_that_is_in_the_file_no_more_loses_its_configuration(void **state)
{
    (void)state;
    write_file(L, BACKEND("b") ", " BACKEND("c"), HTTP);
    assert_true(reload_first(&control));
    const struct backend_config *before = control_find_pool(&control, "b")->config;
    write_file(L, BACKEND("b"), HTTP);
    assert_true(reload_again(&control));
    assert_null(control_find_pool(&control, "c")->config);
    assert_non_null(control_find_pool(&control, "b")->config);
    assert_ptr_not_equal(control_find_pool(&control, "b")->config, before); /* that one is freed */
}

/* After a reload that was refused everything is as start() left it. */
static void assert_unchanged(const struct snapshot *before, unsigned port)
{
    assert_ptr_equal(control.snapshot, before);
    assert_int_equal(control.reloads_ok, 0);
    assert_int_equal(control.reloads_failed, 1);
    assert_int_equal(workers_port(control.workers, "l"), port);
    assert_int_equal(workers_port(control.workers, "m"), 0);
    assert_true(listening_port(HTTP) > 0);
    assert_int_equal(listening_port(OTHER_HTTP), 0);
    assert_int_equal(listening_port("127.0.0.2"), 0);
}

static void a_file_that_is_wrong_changes_nothing_and_is_told(void **state)
{
    (void)state;
    start();
    const struct snapshot *before = control.snapshot;
    unsigned port = workers_port(control.workers, "l");
    write_file("{ name: m, bind: \"127.0.0.2:0\", backend: nobody }", BACKEND("b"), OTHER_HTTP);
    assert_false(reload_again(&control));
    assert_non_null(strstr(control.last_reload_error, "nobody"));
    assert_unchanged(before, port);
}

static void a_listener_that_cannot_be_bound_closes_the_new_http_port_again(void **state)
{
    (void)state;
    char listeners[256] = "{ name: m, bind: \"127.0.0.2:0\", backend: b }, ";
    start();
    const struct snapshot *before = control.snapshot;
    unsigned port = workers_port(control.workers, "l");
    int holder = take_port(listeners + strlen(listeners), sizeof(listeners) - strlen(listeners),
                           "{ name: taken, bind: \"127.0.0.1:");
    write_file(listeners, BACKEND("b"), OTHER_HTTP);
    assert_false(reload_again(&control));
    assert_non_null(strstr(control.last_reload_error, "listener 'taken'"));
    assert_unchanged(before, port);
    close(holder);
}

static void an_http_port_that_cannot_be_bound_opens_no_listener(void **state)
{
    (void)state;
    start();
    const struct snapshot *before = control.snapshot;
    unsigned port = workers_port(control.workers, "l");
    write_file("{ name: m, bind: \"127.0.0.2:0\", backend: b }", BACKEND("b"), "192.0.2.1");
    assert_false(reload_again(&control));
    assert_non_null(strstr(control.last_reload_error, "192.0.2.1"));
    assert_unchanged(before, port);
}

static void without_records_of_our_own_openssl_has_all_of_tls(void **state)
{
    (void)state;
    struct tls_files files;
    char listener[512];
    tls_files_init(&files, "localhost");
    snprintf(listener, sizeof(listener),
             "{ name: l, bind: \"127.0.0.1:0\", backend: b, tls: { certificate: %s, key: %s } }",
             files.certificate, files.key);
    write_file(listener, BACKEND("b"), HTTP);
    assert_true(reload_first(&control));
    assert_int_equal(control.snapshot->listeners[0].config->tls->records, TLS_RECORDS_OWN);
    control.own_records = false; /* its check at the start has failed */
    assert_true(reload_again(&control));
    assert_int_equal(control.snapshot->listeners[0].config->tls->records, TLS_RECORDS_OPENSSL);
    tls_files_fini(&files);
}

static void a_check_tells_right_from_wrong_and_opens_nothing(void **state)
{
    (void)state;
    write_file(L, BACKEND("b"), HTTP);
    assert_true(reload_check(temp_file));
    assert_int_equal(listening_port(HTTP), 0);
    write_file("{ name: l, bind: \"127.0.0.1:0\", backend: nobody }", BACKEND("b"), HTTP);
    assert_false(reload_check(temp_file));
    write_file("{ name: l, bind: \"127.0.0.1:0\", backend: b, tls: { certificate: /nowhere/c, key: "
               "/nowhere/k } }",
               BACKEND("b"), HTTP); /* well-formed, but it can't be built */
    assert_false(reload_check(temp_file));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_first_configuration_starts_workers_listeners_and_the_http_port),
        TEST(a_first_file_that_is_wrong_starts_nothing),
        TEST(a_first_listener_that_cannot_be_bound_leaves_nothing_in_force),
        TEST(a_reload_takes_on_the_new_file_and_clears_the_last_error),
        TEST(a_backend_that_is_in_the_file_no_more_loses_its_configuration),
        TEST(a_file_that_is_wrong_changes_nothing_and_is_told),
        TEST(a_listener_that_cannot_be_bound_closes_the_new_http_port_again),
        TEST(an_http_port_that_cannot_be_bound_opens_no_listener),
        TEST(without_records_of_our_own_openssl_has_all_of_tls),
        TEST(a_check_tells_right_from_wrong_and_opens_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
