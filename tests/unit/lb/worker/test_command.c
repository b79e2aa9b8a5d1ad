/* What other threads tell a worker: in order, noticed once, and given back when nobody takes it. */
#include "lb/worker/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lb/backend/server.h"
#include "lb/worker/listener.h"
#include "lb/worker/snapshot.h"

static struct command_queue queue;

static int setup(void **state)
{
    (void)state;
    queue = (struct command_queue){.event_fd = -1};
    return command_queue_init(&queue) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    command_queue_fini(&queue);
    return 0;
}

static struct command *post(enum command_kind kind)
{
    struct command *c = command_new(kind);
    assert_non_null(c);
    command_post(&queue, c);
    return c;
}

static bool is_woken(void)
{
    struct pollfd p = {.fd = queue.event_fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void a_new_command_owns_nothing(void **state)
{
    (void)state;
    struct command *c = command_new(COMMAND_DRAIN);
    assert_int_equal(c->kind, COMMAND_DRAIN);
    assert_int_equal(c->fd, -1); /* 0 would be somebody's */
    command_free(c);
    command_free(NULL);
}

static void commands_are_taken_in_the_order_in_which_they_were_posted(void **state)
{
    (void)state;
    struct command *posted[3];
    assert_null(command_take(&queue));
    for (int i = 0; i < 3; i++)
        posted[i] = post(COMMAND_WAKE);
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(command_take(&queue), posted[i]);
        command_free(posted[i]);
    }
    assert_null(command_take(&queue));
}

static void posting_wakes_the_worker_and_the_wake_up_is_used_up_by_its_target(void **state)
{
    (void)state;
    assert_false(is_woken() || queue.due);
    post(COMMAND_WAKE);
    post(COMMAND_WAKE);
    assert_true(is_woken());
    assert_false(queue.due);
    queue.target.ready(&queue.target, EPOLLIN);
    assert_true(queue.due);
    assert_false(is_woken());
}

/* A listener with a place that is reserved for a connection on its way. */
static struct listener *make_listener(void)
{
    struct sockaddr_storage addr = {0};
    char err[128];
    int fd;
    *(struct sockaddr_in *)&addr =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct listener *l =
        listener_open(&addr, sizeof(struct sockaddr_in), 1, &fd, 1, err, sizeof(err));
    assert_non_null(l);
    close(fd);
    assert_true(listener_reserve(l, 0));
    return l;
}

static bool is_closed(int peer)
{
    char byte;
    return recv(peer, &byte, 1, MSG_DONTWAIT) == 0;
}

static void a_connection_that_nobody_takes_is_closed_and_its_place_given_back(void **state)
{
    (void)state;
    int fds[2];
    struct listener *l = make_listener();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct command *c = post(COMMAND_CONNECTION);
    c->fd = fds[0];
    c->listener = listener_ref(l);
    command_queue_fini(&queue);
    assert_true(is_closed(fds[1]));
    assert_int_equal(atomic_load(&l->flows), 0);
    assert_int_equal(atomic_load(&l->refs), 1);
    close(fds[1]);
    listener_unref(l);
    assert_true(command_queue_init(&queue));
}

static void a_connection_that_was_taken_keeps_its_place(void **state)
{
    (void)state;
    struct listener *l = make_listener();
    struct command *c = command_new(COMMAND_CONNECTION);
    c->listener = listener_ref(l);
    command_free(c); /* its descriptor is a flow's by now */
    assert_int_equal(atomic_load(&l->flows), 1);
    assert_int_equal(atomic_load(&l->refs), 1);
    listener_unref(l);
}

static void sockets_that_nobody_opened_are_closed(void **state)
{
    (void)state;
    int fds[2];
    struct listener *l = make_listener();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct command *c = command_new(COMMAND_APPLY);
    c->sockets = calloc(2, sizeof(*c->sockets));
    c->socket_count = 2;
    c->sockets[0] = (struct command_socket){.listener = listener_ref(l), .fd = fds[0]};
    c->sockets[1] = (struct command_socket){.listener = listener_ref(l), .fd = -1};
    command_free(c);
    assert_true(is_closed(fds[1]));
    assert_int_equal(atomic_load(&l->refs), 1);
    close(fds[1]);
    listener_unref(l);
}

static void the_references_in_it_go_with_it(void **state)
{
    (void)state;
    struct sockaddr_storage addr = {.ss_family = AF_INET};
    struct server *s =
        server_new("b", "s", &addr, sizeof(struct sockaddr_in), 1, SERVER_FROM_LIST, -1);
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    atomic_init(&snapshot->refs, 2);
    struct command *c = command_new(COMMAND_CLOSE_SERVER);
    c->server = server_ref(s);
    c->snapshot = snapshot;
    command_free(c);
    assert_int_equal(atomic_load(&s->refs), 1);
    assert_int_equal(atomic_load(&snapshot->refs), 1);
    server_unref(s);
    free(snapshot);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_new_command_owns_nothing),
        TEST(commands_are_taken_in_the_order_in_which_they_were_posted),
        TEST(posting_wakes_the_worker_and_the_wake_up_is_used_up_by_its_target),
        TEST(a_connection_that_nobody_takes_is_closed_and_its_place_given_back),
        TEST(a_connection_that_was_taken_keeps_its_place),
        TEST(sockets_that_nobody_opened_are_closed),
        TEST(the_references_in_it_go_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
