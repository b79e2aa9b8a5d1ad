/* The admin server over real sockets on loopback; the client pumps the server's event loop. */
#include "common/http/http_admin.h"

#include "common/base/clock.h"
#include "common/config/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_MS 10000

struct fixture {
    struct event_base *base;
    struct http_admin *admin;
    char response[300000];
    size_t len;
};

static void reply_hello(struct evhttp_request *req, const char *tail, void *arg)
{
    (void)arg;
    assert_string_equal(tail, "");
    http_admin_reply_text(req, 200, "hello");
}

static void reply_tail(struct evhttp_request *req, const char *tail, void *arg)
{
    struct evbuffer *body = evbuffer_new();
    evbuffer_add_printf(body, "%s:%s", (const char *)arg, tail);
    http_admin_reply(req, 200, "application/json", body);
    assert_int_equal(evbuffer_get_length(body), 0);
    evbuffer_free(body);
}

static void reply_echo(struct evhttp_request *req, const char *tail, void *arg)
{
    size_t len = 0;
    char *body = http_admin_body(req, &len);
    char *weight = http_admin_query(req, "weight");
    char *absent = http_admin_query(req, "absent");
    char text[128];
    (void)tail;
    (void)arg;
    snprintf(text, sizeof(text), "body=%s/%zu weight=%s absent=%s", body ? body : "(none)", len,
             weight ? weight : "(none)", absent ? absent : "(none)");
    http_admin_reply_text(req, 200, text);
    free(body);
    free(weight);
    free(absent);
}

static void reply_large(struct evhttp_request *req, const char *tail, void *arg)
{
    struct evbuffer *body = evbuffer_new();
    (void)tail;
    (void)arg;
    for (int i = 0; i < 25000; i++)
        evbuffer_add(body, "0123456789", 10);
    http_admin_reply(req, 200, "text/plain", body);
    evbuffer_free(body);
}

static unsigned slow_replies;

static void reply_slowly(struct evhttp_request *req, const char *tail, void *arg)
{
    uint64_t end = clock_thread_cpu_ns() + 1000 * 1000;
    (void)tail;
    (void)arg;
    while (clock_thread_cpu_ns() < end)
        ;
    slow_replies++;
    http_admin_reply_text(req, 200, "slow");
}

static void reply_nothing(struct evhttp_request *req, const char *tail, void *arg)
{
    (void)tail;
    (void)arg;
    http_admin_reply(req, 204, NULL, NULL);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    char err[200];
    assert_non_null(f);
    f->base = event_base_new();
    f->admin = http_admin_new(f->base, "127.0.0.1:0", err, sizeof(err));
    assert_non_null(f->admin);
    assert_true(http_admin_port(f->admin) > 0);
    http_admin_route(f->admin, HTTP_GET, "/", reply_hello, NULL);
    http_admin_route(f->admin, HTTP_GET, "/api/", reply_tail, (void *)(uintptr_t) "api");
    http_admin_route(f->admin, HTTP_GET, "/api/servers/", reply_tail,
                     (void *)(uintptr_t) "servers");
    http_admin_route(f->admin, HTTP_GET, "/api/servers/exact", reply_hello, NULL);
    http_admin_route(f->admin, HTTP_POST, "/api/servers/", reply_echo, NULL);
    http_admin_route(f->admin, HTTP_PUT | HTTP_DELETE, "/put", reply_nothing, NULL);
    http_admin_route(f->admin, HTTP_GET, "/large", reply_large, NULL);
    http_admin_route(f->admin, HTTP_GET, "/slow", reply_slowly, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    http_admin_free(f->admin);
    event_base_free(f->base);
    free(f);
    return 0;
}

static int dial(const struct fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_admin_port(f->admin)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void pump(const struct fixture *f)
{
    event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void send_all(const struct fixture *f, int fd, const char *text)
{
    uint64_t deadline = clock_monotonic_ms() + DEADLINE_MS;
    size_t len = strlen(text);
    while (len > 0 && clock_monotonic_ms() < deadline) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return; /* the server has refused and closed */
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
        pump(f);
    }
}

/* Reads until the peer closes, or (until not NULL) until the text ends so. True when that came. */
static bool receive(struct fixture *f, int fd, const char *until)
{
    uint64_t deadline = clock_monotonic_ms() + DEADLINE_MS;
    f->len = 0;
    while (clock_monotonic_ms() < deadline) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        pump(f);
        if (poll(&p, 1, 5) <= 0)
            continue;
        ssize_t n = recv(fd, f->response + f->len, sizeof(f->response) - 1 - f->len, 0);
        if (n <= 0)
            return until == NULL;
        f->len += (size_t)n;
        f->response[f->len] = '\0';
        size_t want = until != NULL ? strlen(until) : 0;
        if (until != NULL && f->len >= want && strcmp(f->response + f->len - want, until) == 0)
            return true;
    }
    return false;
}

/* One request on a connection that the server closes. */
static const char *ask(struct fixture *f, const char *method, const char *path, const char *more)
{
    char request[1024];
    int fd = dial(f);
    snprintf(request, sizeof(request),
             "%s %s HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n%s%s", method, path, more,
             strstr(more, "\r\n\r\n") != NULL ? "" : "\r\n");
    f->response[0] = '\0';
    send_all(f, fd, request);
    assert_true(receive(f, fd, NULL));
    close(fd);
    return f->response;
}

static void assert_has(const char *response, const char *part)
{
    if (strstr(response, part) == NULL)
        fail_msg("no '%s' in:\n%s", part, response);
}

static void assert_status(const char *response, int status)
{
    char line[32];
    snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
    assert_memory_equal(response, line, strlen(line));
}

static void route_answers_with_type_and_no_store(void **state)
{
    const char *r = ask(*state, "GET", "/", "");
    assert_status(r, 200);
    assert_has(r, "Content-Type: text/plain; charset=utf-8\r\n");
    assert_has(r, "Cache-Control: no-store\r\n");
    assert_has(r, "\r\n\r\nhello\n");
}

static void head_gets_no_body(void **state)
{
    const char *r = ask(*state, "HEAD", "/", "");
    assert_status(r, 200);
    assert_has(r, "Content-Length: 6\r\n");
    assert_null(strstr(r, "hello"));
}

static void unknown_paths_are_404(void **state)
{
    static const char *const paths[] = {"/x", "/ap", "/api", "/put/"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const char *r = ask(*state, "GET", paths[i], "");
        assert_status(r, 404);
        assert_has(r, "\r\n\r\nnot found\n");
    }
}

static void wrong_methods_are_405_and_say_which_are_right(void **state)
{
    static const struct {
        const char *method, *path, *allow;
    } cases[] = {
        {"POST", "/", "Allow: GET, HEAD\r\n"},
        {"GET", "/put", "Allow: PUT, DELETE\r\n"},
        {"DELETE", "/api/servers/a", "Allow: GET, HEAD, POST\r\n"},
        {"OPTIONS", "/put", "Allow: PUT, DELETE\r\n"},
        {"PATCH", "/put", "Allow: PUT, DELETE\r\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *r = ask(*state, cases[i].method, cases[i].path, "");
        assert_status(r, 405);
        assert_has(r, cases[i].allow);
        assert_has(r, "\r\n\r\nmethod not allowed\n");
    }
}

static void exact_path_goes_before_longest_prefix(void **state)
{
    assert_has(ask(*state, "GET", "/api/servers/exact", ""), "\r\n\r\nhello\n");
    assert_has(ask(*state, "GET", "/api/servers/b1", ""), "\r\n\r\nservers:b1");
    assert_has(ask(*state, "GET", "/api/servers/", ""), "\r\n\r\nservers:");
    assert_has(ask(*state, "GET", "/api/other", ""), "\r\n\r\napi:other");
    assert_has(ask(*state, "GET", "/api/other", ""), "Content-Type: application/json\r\n");
}

static void paths_are_percent_decoded(void **state)
{
    assert_has(ask(*state, "GET", "/api/a%20b%3A1?x=y", ""), "\r\n\r\napi:a b:1");
    assert_status(ask(*state, "GET", "/api/a%00b", ""), 400);
}

static void body_and_query_reach_the_handler(void **state)
{
    assert_has(
        ask(*state, "POST", "/api/servers/b1?weight=a%20b&z=1", "Content-Length: 4\r\n\r\nbody"),
        "\r\n\r\nbody=body/4 weight=a b absent=(none)\n");
    assert_has(ask(*state, "POST", "/api/servers/b1", "Content-Length: 0\r\n"),
               "\r\n\r\nbody=(none)/0 weight=(none) absent=(none)\n");
}

static void reply_without_body_is_complete(void **state)
{
    assert_status(ask(*state, "PUT", "/put", "Content-Length: 0\r\n"), 204);
}

static void large_reply_arrives_whole_before_the_close(void **state)
{
    struct fixture *f = *state;
    const char *body = strstr(ask(f, "GET", "/large", ""), "\r\n\r\n") + 4;
    assert_int_equal(f->len - (size_t)(body - f->response), 250000);
}

static void writes_from_foreign_pages_are_refused(void **state)
{
    assert_status(
        ask(*state, "PUT", "/put", "Origin: http://evil.example\r\nContent-Length: 0\r\n"), 403);
    assert_status(ask(*state, "PUT", "/put", "Origin: null\r\nContent-Length: 0\r\n"), 403);
    assert_status(ask(*state, "PUT", "/put", "Origin: http://127.0.0.1:1\r\nContent-Length: 0\r\n"),
                  204);
    assert_status(ask(*state, "PUT", "/put", "Sec-Fetch-Site: cross-site\r\nContent-Length: 0\r\n"),
                  403);
    assert_status(ask(*state, "PUT", "/put", "Sec-Fetch-Site: same-site\r\nContent-Length: 0\r\n"),
                  403);
    assert_status(
        ask(*state, "PUT", "/put", "Sec-Fetch-Site: same-origin\r\nContent-Length: 0\r\n"), 204);
    assert_status(ask(*state, "GET", "/", "Origin: http://evil.example\r\n"), 200);
    assert_status(ask(*state, "PUT", "/put",
                      "Origin: http://127.0.0.1:1\r\nOrigin: http://evil.example\r\n"
                      "Content-Length: 0\r\n"),
                  403);
    assert_status(ask(*state, "PUT", "/put",
                      "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n"
                      "Content-Length: 0\r\n"),
                  403);
}

static void too_large_requests_are_refused(void **state)
{
    struct fixture *f = *state;
    char *request = malloc(200000);
    int fd = dial(f);
    assert_non_null(request);
    strcpy(request,
           "POST /api/servers/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 70000\r\n\r\n");
    size_t head = strlen(request);
    memset(request + head, 'b', 70000);
    request[head + 70000] = '\0';
    send_all(f, fd, request);
    receive(f, fd, NULL);
    assert_null(strstr(f->response, " 200 "));
    close(fd);

    fd = dial(f);
    strcpy(request, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ");
    head = strlen(request);
    memset(request + head, 'h', 20000);
    strcpy(request + head + 20000, "\r\n\r\n");
    f->response[0] = '\0';
    send_all(f, fd, request);
    receive(f, fd, NULL);
    assert_null(strstr(f->response, " 200 "));
    close(fd);
    free(request);
    assert_status(ask(f, "GET", "/", ""), 200);
}

static void connection_is_kept_for_further_requests(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    for (int i = 0; i < 3; i++) {
        send_all(f, fd, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        assert_true(receive(f, fd, "hello\n"));
        assert_status(f->response, 200);
    }
    close(fd);
}

static void slow_connections_make_room_for_one_that_asks(void **state)
{
    struct fixture *f = *state;
    int fds[200];
    for (size_t i = 0; i < 200; i++) { /* more than there are places */
        fds[i] = dial(f);
        send_all(f, fds[i], "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ");
    }
    for (int i = 0; i < 20; i++)
        assert_status(ask(f, "GET", "/", ""), 200);
    send_all(f, fds[199], "y\r\n\r\n"); /* the youngest still has its place */
    assert_true(receive(f, fds[199], "hello\n"));
    for (size_t i = 0; i < 200; i++)
        close(fds[i]);
    for (int i = 0; i < 300; i++) /* more than the bound, one after the other */
        assert_status(ask(f, "GET", "/", ""), 200);
}

/* All of them before the server has looked at anything. */
static void a_crowd_that_comes_at_once_drives_out_nobody_who_asks(void **state)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct fixture *f = *state;
    int fds[400];
    int asking = dial(f);
    assert_int_equal(send(asking, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
    for (size_t i = 0; i < 400; i++)
        fds[i] = dial(f);
    assert_true(receive(f, asking, "hello\n"));
    close(asking);
    for (size_t i = 0; i < 400; i++)
        close(fds[i]);
}

/* Connections on which so many requests are sent in one go; the server hasn't looked at any. */
static void dial_many(struct fixture *f, int *fds, size_t count, unsigned requests)
{
    static const char request[] = "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n";
    slow_replies = 0;
    for (size_t i = 0; i < count; i++) {
        fds[i] = dial(f);
        for (unsigned n = 0; n < requests; n++)
            assert_int_equal(send(fds[i], request, sizeof(request) - 1, MSG_NOSIGNAL),
                             sizeof(request) - 1);
    }
}

/* As a program's loop makes one; pump() goes on as long as there is anything to do. */
static void turn(const struct fixture *f)
{
    event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void a_turn_has_a_bound_however_much_is_asked(void **state)
{
    struct fixture *f = *state;
    uint64_t deadline = clock_monotonic_ms() + DEADLINE_MS;
    uint64_t longest_ns = 0;
    int fds[100];
    dial_many(f, fds, 100, 4);
    while (slow_replies < 400 && clock_monotonic_ms() < deadline) {
        uint64_t began_ns = clock_thread_cpu_ns();
        turn(f);
        uint64_t took_ns = clock_thread_cpu_ns() - began_ns;
        longest_ns = took_ns > longest_ns ? took_ns : longest_ns;
    }
    assert_int_equal(slow_replies, 400);
    assert_in_range(longest_ns, 0, 50 * 1000 * 1000);
    for (size_t i = 0; i < 100; i++)
        close(fds[i]);
}

static void who_leaves_while_his_request_waits_is_forgotten(void **state)
{
    static const struct linger at_once = {.l_onoff = 1};
    struct fixture *f = *state;
    int fds[40];
    int crowd[200];
    dial_many(f, fds, 40, 20);
    while (slow_replies < 40)
        turn(f);
    for (size_t i = 0; i < 20; i++) { /* some reset, some end */
        if (i % 2 == 0)
            setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        close(fds[i]);
    }
    for (size_t i = 0; i < 200; i++) { /* drives out those that are left */
        crowd[i] = dial(f);
        turn(f);
    }
    assert_in_range(slow_replies, 40, 799);
    assert_status(ask(f, "GET", "/", ""), 200);
    for (size_t i = 0; i < 200; i++)
        close(crowd[i]);
    for (size_t i = 20; i < 40; i++)
        close(fds[i]);
    dial_many(f, fds, 40, 20); /* the server is freed while they wait */
    while (slow_replies < 40)
        turn(f);
    for (size_t i = 0; i < 40; i++)
        close(fds[i]);
    turn(f);
}

static void a_request_has_a_deadline_however_it_trickles(void **state)
{
    struct fixture *f = *state;
    uint64_t start = clock_monotonic_ms();
    int silent = dial(f);
    int slow = dial(f);
    struct pollfd p[2] = {{.fd = silent, .events = POLLIN}, {.fd = slow, .events = POLLIN}};
    send_all(f, slow, "GET / HTTP/1.1\r\nX: ");
    while (clock_monotonic_ms() - start < 7000) {
        pump(f);
        send(slow, "y", 1, MSG_NOSIGNAL);
        if (poll(p, 2, 20) == 2)
            break;
    }
    assert_in_range(clock_monotonic_ms() - start, 4500, 6900);
    assert_true(recv(silent, f->response, 1, 0) <= 0);
    assert_true(recv(slow, f->response, 1, 0) <= 0);
    close(silent);
    close(slow);
}

static void requests_to_other_names_are_refused_on_every_method(void **state)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: evil.example\r\n", 403},
        {"HEAD / HTTP/1.1\r\nHost: evil.example\r\n", 403},
        {"PUT /put HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n", 403},
        {"GET /none HTTP/1.1\r\nHost: evil.example\r\n", 403},
        {"OPTIONS / HTTP/1.1\r\nHost: evil.example\r\n", 403},
        {"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n", 403},
        {"GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n", 403},
        {"GET http://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1\r\n", 200},
        {"GET / HTTP/1.1\r\nHost: broker\r\n", 200}, /* listed below */
        {"GET / HTTP/1.1\r\nHost: [::1]:9901\r\n", 200},
        {"GET / HTTP/1.0\r\n", 200}, /* no browser */
        {"GET / HTTP/1.1\r\n", 400},
        {"GET / HTTP/1.1\r\nHost : evil.example\r\n", 400},
        {"GET http://127.0.0.1/ HTTP/1.1\r\n", 400},
    };
    struct fixture *f = *state;
    char *names[] = {"lb", "broker"};

    assert_true(
        http_admin_set_hosts(f->admin, &(struct config_strings){.items = names, .count = 2}));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd = dial(f);
        send_all(f, fd, cases[i].request);
        send_all(f, fd, "Connection: close\r\n\r\n");
        assert_true(receive(f, fd, NULL));
        if (strtol(f->response + 9, NULL, 10) != cases[i].status)
            fail_msg("%s: %.20s", cases[i].request, f->response);
        close(fd);
    }
}

static void replies_forbid_framing_sniffing_and_loading(void **state)
{
    const char *r = ask(*state, "GET", "/none", "");
    assert_has(r, "X-Frame-Options: DENY\r\n");
    assert_has(r, "X-Content-Type-Options: nosniff\r\n");
    assert_has(r, "Referrer-Policy: no-referrer\r\n");
    assert_has(r, "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n");
}

static void out_of_descriptors_the_listener_pauses_and_recovers(void **state)
{
    struct fixture *f = *state;
    struct rlimit before;
    int fd = dial(f);
    int highest = dup(fd);
    close(highest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {.rlim_cur = (rlim_t)highest, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct timespec cpu_before;
    struct timespec cpu_after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_before);
    const struct timeval second = {1, 0};
    event_base_loopexit(f->base, &second);
    event_base_dispatch(f->base); /* would turn as fast as it can */
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_after);
    double used = (double)(cpu_after.tv_sec - cpu_before.tv_sec) +
                  (double)(cpu_after.tv_nsec - cpu_before.tv_nsec) / 1e9;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(used < 0.3);
    send_all(f, fd, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert_true(receive(f, fd, "hello\n"));
    close(fd);
}

static void bind_errors_name_address_and_cause(void **state)
{
    struct fixture *f = *state;
    char taken[32];
    char expected[128];
    char err[200];
    snprintf(taken, sizeof(taken), "127.0.0.1:%d", http_admin_port(f->admin));
    assert_null(http_admin_new(f->base, taken, err, sizeof(err)));
    snprintf(expected, sizeof(expected),
             "cannot serve the admin interface on %s: Address already in use", taken);
    assert_string_equal(err, expected);
    assert_null(http_admin_new(f->base, "nonsense", err, sizeof(err)));
    assert_string_equal(err, "cannot serve the admin interface on nonsense: "
                             "not an address like host:port");
    assert_null(http_admin_new(f->base, "192.0.2.1:0", err, sizeof(err)));
    assert_has(err, "on 192.0.2.1:0: Cannot assign requested address");
    http_admin_free(NULL);
}

static void every_form_of_address_binds(void **state)
{
    static const char *const forms[] = {"*:0", "0.0.0.0:0", "localhost:0"};
    struct fixture *f = *state;
    char err[200];
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct http_admin *a = http_admin_new(f->base, forms[i], err, sizeof(err));
        assert_non_null(a);
        assert_true(http_admin_port(a) > 0);
        http_admin_free(a);
    }
}

static void garbage_ends_the_connection_only(void **state)
{
    struct fixture *f = *state;
    static const char *const garbage[] = {"\x16\x03\x01\x02\x01\x01", "\r\n\r\n\r\n", "GET\r\n\r\n",
                                          "GET / HTTP/9.9\r\n\r\n", "\xff\xfe\r\n\r\n"};
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        int fd = dial(f);
        send_all(f, fd, garbage[i]);
        shutdown(fd, SHUT_WR);
        receive(f, fd, NULL);
        close(fd);
    }
    assert_status(ask(f, "GET", "/", ""), 200);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(route_answers_with_type_and_no_store),
        TEST(head_gets_no_body),
        TEST(unknown_paths_are_404),
        TEST(wrong_methods_are_405_and_say_which_are_right),
        TEST(exact_path_goes_before_longest_prefix),
        TEST(paths_are_percent_decoded),
        TEST(body_and_query_reach_the_handler),
        TEST(reply_without_body_is_complete),
        TEST(large_reply_arrives_whole_before_the_close),
        TEST(writes_from_foreign_pages_are_refused),
        TEST(too_large_requests_are_refused),
        TEST(connection_is_kept_for_further_requests),
        TEST(slow_connections_make_room_for_one_that_asks),
        TEST(a_crowd_that_comes_at_once_drives_out_nobody_who_asks),
        TEST(a_turn_has_a_bound_however_much_is_asked),
        TEST(who_leaves_while_his_request_waits_is_forgotten),
        TEST(a_request_has_a_deadline_however_it_trickles),
        TEST(requests_to_other_names_are_refused_on_every_method),
        TEST(replies_forbid_framing_sniffing_and_loading),
        TEST(out_of_descriptors_the_listener_pauses_and_recovers),
        TEST(bind_errors_name_address_and_cause),
        TEST(every_form_of_address_binds),
        TEST(garbage_ends_the_connection_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
