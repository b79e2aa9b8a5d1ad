/* The states of redis_link, arrow by arrow, with a server that the test plays itself. */
#include "common/base/clock.h"
#include "common/redis/redis_link.h"
#include "common/redis/redis_link_states.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* Answers to CLIENT SETNAME, CLIENT REPLY, CLIENT ID and INFO twice. */
#define GREETING "+OK\r\n+OK\r\n:7\r\n$0\r\n\r\n$0\r\n\r\n"

enum { CONNECT_TIMEOUT_MS = 500, COMMAND_TIMEOUT_MS = 500, BACKOFF_MS = 20, FILLERS = 8 };

struct fixture {
    struct event_base *base;
    struct redis_url url;
    struct redis_link *link;
    int listener, peer; /* of the server; -1: none */
    uint64_t backoff_ms;
    unsigned greeted, lost;
    unsigned answers, nulls;
    unsigned questions; /* which `enter` has left to ask, one at a time */
    bool unfit;         /* `greeted` says no */
    bool unwilling;     /* `enter` says no */
    bool leaves_when_greeted, leaves_when_answered;
    enum redis_link_state told_in; /* the state in which a function was told NULL */
};

static bool on_greeted(void *arg, struct redis_link *l, const struct redis_server_info *info)
{
    struct fixture *f = arg;
    (void)info;
    f->greeted++;
    if (f->leaves_when_greeted)
        redis_link_reconnect(l, "test");
    f->leaves_when_greeted = false;
    return !f->unfit;
}

static void on_reply(void *arg, const redisReply *r)
{
    struct fixture *f = arg;
    if (r != NULL) {
        f->answers++;
        return;
    }
    f->nulls++;
    f->told_in = redis_link_state(f->link);
}

static void on_entered(void *arg, const redisReply *r)
{
    struct fixture *f = arg;
    if (r != NULL && f->leaves_when_answered)
        redis_link_reconnect(f->link, "test");
    f->leaves_when_answered = false;
}

static void ping(struct redis_queue *q, redis_reply_fn *fn, struct fixture *f)
{
    redis_queue_begin(q, 1);
    redis_queue_str(q, "PING");
    redis_queue_end(q, REDIS_REPLAY, fn, f);
}

static bool on_enter(void *arg, struct redis_link *l)
{
    struct fixture *f = arg;
    if (f->questions > 0) {
        f->questions--;
        ping(redis_link_greeting(l), on_entered, f);
    }
    return !f->unwilling;
}

static void on_lost(void *arg, struct redis_link *l, const char *why)
{
    struct fixture *f = arg;
    (void)why;
    assert_int_equal(redis_link_state(l), REDIS_LINK_WAITING);
    f->lost++;
}

static void link_to(struct fixture *f, const char *url)
{
    struct redis_link_config cfg = {
        .name = "test",
        .url = &f->url,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .command_timeout_ms = COMMAND_TIMEOUT_MS,
        .backoff_min_ms = f->backoff_ms,
        .backoff_max_ms = f->backoff_ms,
        .arg = f,
        .greeted = on_greeted,
        .enter = on_enter,
        .lost = on_lost,
    };
    redis_link_free(f->link);
    assert_null(redis_url_parse(url, &f->url));
    f->link = redis_link_new(f->base, &cfg);
    assert_non_null(f->link);
}

static void listen_at(struct fixture *f, uint16_t port, int backlog)
{
    static const int on = 1;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = port};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(f->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(bind(f->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(f->listener, backlog), 0);
}

static struct sockaddr_in address_of(const struct fixture *f)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&addr, &len), 0);
    return addr;
}

static void link_to_server(struct fixture *f, const char *host)
{
    char url[64];
    snprintf(url, sizeof(url), "redis://%s:%u", host, ntohs(address_of(f).sin_port));
    link_to(f, url);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    f->listener = f->peer = -1;
    f->backoff_ms = BACKOFF_MS;
    f->base = event_base_new();
    listen_at(f, 0, 4);
    link_to_server(f, "127.0.0.1");
    return 0;
}

static void hang_up(struct fixture *f)
{
    if (f->peer >= 0)
        close(f->peer);
    f->peer = -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    redis_link_free(f->link);
    hang_up(f);
    close(f->listener);
    event_base_free(f->base);
    free(f);
    return 0;
}

static void turn(struct fixture *f)
{
    struct timespec nap = {.tv_nsec = 1000000};
    nanosleep(&nap, NULL);
    event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    redis_link_input(f->link, clock_monotonic_ms(), NULL);
    redis_link_flush(f->link, clock_monotonic_ms());
}

static void turn_for(struct fixture *f, uint64_t ms)
{
    for (uint64_t end = clock_monotonic_ms() + ms; clock_monotonic_ms() < end;)
        turn(f);
}

#define TURN_UNTIL(f, condition)                                                                   \
    do {                                                                                           \
        uint64_t end_ = clock_monotonic_ms() + 5000;                                               \
        while (!(condition) && clock_monotonic_ms() < end_)                                        \
            turn(f);                                                                               \
        assert_true(condition);                                                                    \
    } while (0)

static void is_in(const struct fixture *f, enum redis_link_state state)
{
    assert_int_equal(redis_link_state(f->link), state);
    assert_int_equal(redis_link_is_up(f->link), state == REDIS_LINK_UP);
}

/* What the link wrote is read whole, then answered. */
static void answer(struct fixture *f, const char *bytes)
{
    char said[4096];
    assert_true(recv(f->peer, said, sizeof(said), 0) > 0);
    assert_int_equal(send(f->peer, bytes, strlen(bytes), MSG_NOSIGNAL), strlen(bytes));
}

static bool has_said_something(const struct fixture *f)
{
    struct pollfd p = {.fd = f->peer, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static bool has_peer(struct fixture *f)
{
    if (f->peer < 0)
        f->peer = accept(f->listener, NULL, NULL);
    return f->peer >= 0;
}

/* Up to a state, from the beginning or after a connection was lost. */
static void go_to(struct fixture *f, enum redis_link_state state)
{
    if (state == REDIS_LINK_WAITING)
        return;
    TURN_UNTIL(f, redis_link_state(f->link) == REDIS_LINK_CONNECTING);
    hang_up(f);
    if (state == REDIS_LINK_CONNECTING)
        return;
    TURN_UNTIL(f, has_peer(f));
    TURN_UNTIL(f, redis_link_state(f->link) == REDIS_LINK_GREETING);
    if (state == REDIS_LINK_GREETING)
        return;
    f->questions = state == REDIS_LINK_ENTERING ? 1 : 0;
    answer(f, GREETING);
    TURN_UNTIL(f, redis_link_state(f->link) == state);
}

static void falls_back(struct fixture *f, unsigned lost)
{
    TURN_UNTIL(f, redis_link_state(f->link) == REDIS_LINK_WAITING);
    assert_int_equal(f->lost, lost);
    assert_int_equal(f->nulls, 0);
}

/* ---- the diagram ---- */

static void exactly_the_arrows_of_the_diagram_are_allowed(void **state)
{
    (void)state;
    /* to waiting, resolving, connecting, securing, greeting, entering, up, closed */
    static const char *const rows[REDIS_LINK_STATES] = {
        ".x.....x", /* from waiting */
        "x.x....x", /* resolving */
        "x..xx..x", /* connecting */
        "x...x..x", /* securing */
        "x....x.x", /* greeting */
        "x....xxx", /* entering */
        "x......x", /* up */
        "........", /* closed */
    };
    for (unsigned from = 0; from < REDIS_LINK_STATES; from++)
        for (unsigned to = 0; to < REDIS_LINK_STATES; to++)
            assert_int_equal(redis_link_may_go(from, to), rows[from][to] == 'x');
}

/* ---- the way up ---- */

static void each_state_follows_the_one_before(void **state)
{
    struct fixture *f = *state;
    is_in(f, REDIS_LINK_WAITING);
    turn(f); /* numbers need no resolver */
    is_in(f, REDIS_LINK_CONNECTING);
    assert_true(has_peer(f));
    TURN_UNTIL(f, redis_link_state(f->link) != REDIS_LINK_CONNECTING);
    is_in(f, REDIS_LINK_GREETING);
    f->questions = 2;
    answer(f, GREETING);
    TURN_UNTIL(f, redis_link_state(f->link) != REDIS_LINK_GREETING);
    is_in(f, REDIS_LINK_ENTERING);
    answer(f, "+PONG\r\n");
    TURN_UNTIL(f, f->questions == 0);
    is_in(f, REDIS_LINK_ENTERING);
    answer(f, "+PONG\r\n");
    TURN_UNTIL(f, redis_link_state(f->link) != REDIS_LINK_ENTERING);
    is_in(f, REDIS_LINK_UP);
    assert_int_equal(f->greeted, 1);
}

static void a_name_is_looked_up_before_connecting(void **state)
{
    struct fixture *f = *state;
    link_to_server(f, "localhost");
    turn(f);
    is_in(f, REDIS_LINK_RESOLVING);
    go_to(f, REDIS_LINK_UP);
}

/* Each round of questions has the whole time: together they take longer than one may. */
static void each_question_has_its_own_time(void **state)
{
    struct fixture *f = *state;
    go_to(f, REDIS_LINK_ENTERING);
    f->questions = 3;
    for (int i = 0; i < 4; i++) {
        turn_for(f, COMMAND_TIMEOUT_MS / 2);
        is_in(f, REDIS_LINK_ENTERING);
        answer(f, "+PONG\r\n");
    }
    TURN_UNTIL(f, redis_link_is_up(f->link));
    assert_int_equal(f->greeted, 1);
}

static void commands_wait_for_the_state_up(void **state)
{
    struct fixture *f = *state;
    ping(redis_link_queue(f->link), on_reply, f);
    go_to(f, REDIS_LINK_ENTERING);
    answer(f, "+PONG\r\n");
    TURN_UNTIL(f, redis_link_is_up(f->link));
    assert_int_equal(f->answers, 0);
    answer(f, "+PONG\r\n");
    TURN_UNTIL(f, f->answers == 1);
}

/* ---- back to waiting ---- */

static void a_name_that_is_not_known_is_asked_again_later(void **state)
{
    struct fixture *f = *state;
    link_to_server(f, "nobody.invalid");
    turn(f);
    is_in(f, REDIS_LINK_RESOLVING);
    falls_back(f, 0);
    TURN_UNTIL(f, redis_link_state(f->link) == REDIS_LINK_RESOLVING);
    falls_back(f, 0);
    turn(f); /* the resolver forgets the question */
}

static void a_socket_that_cannot_be_opened_is_tried_again_later(void **state)
{
    struct fixture *f = *state;
    link_to(f, "unix:///nowhere/at.all");
    turn(f);
    is_in(f, REDIS_LINK_WAITING);
    falls_back(f, 0);
}

static void a_refused_connection_is_tried_again(void **state)
{
    struct fixture *f = *state;
    uint16_t port = address_of(f).sin_port;
    close(f->listener);
    turn(f);
    falls_back(f, 0);
    listen_at(f, port, 4);
    go_to(f, REDIS_LINK_UP);
}

/* The server's backlog is full: nobody answers. */
static void connecting_ends_after_its_time(void **state)
{
    struct fixture *f = *state;
    int fillers[FILLERS];
    close(f->listener);
    listen_at(f, 0, 0);
    struct sockaddr_in addr = address_of(f);
    for (int i = 0; i < FILLERS; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fillers[i], (struct sockaddr *)&addr, sizeof(addr));
    }
    link_to_server(f, "127.0.0.1");
    uint64_t from_ms = clock_monotonic_ms();
    turn(f);
    is_in(f, REDIS_LINK_CONNECTING);
    falls_back(f, 0);
    assert_in_range(clock_monotonic_ms() - from_ms, CONNECT_TIMEOUT_MS, 2500);
    for (int i = 0; i < FILLERS; i++)
        close(fillers[i]);
}

/* A connection that gets to `state`, and is answered like this there; NULL: the server hangs up,
 * "": it is silent. `lost`: it was up. */
struct ending {
    enum redis_link_state state;
    const char *bytes;
    unsigned lost;
};

static void end_connection(struct fixture *f, const struct ending *e)
{
    go_to(f, e->state);
    if (e->state == REDIS_LINK_UP) {
        ping(redis_link_queue(f->link), on_reply, f);
        turn(f);
    }
    if (e->bytes == NULL)
        hang_up(f);
    else if (e->bytes[0] != '\0')
        answer(f, e->bytes);
    TURN_UNTIL(f, redis_link_state(f->link) != e->state);
    falls_back(f, e->lost);
}

static void what_the_server_says_or_leaves_out_ends_a_connection(void **state)
{
    struct fixture *f = *state;
    static const struct ending endings[] = {
        {REDIS_LINK_GREETING, NULL, 0},
        {REDIS_LINK_GREETING, "", 0},
        {REDIS_LINK_GREETING, "+OK\r\n+OK\r\n:7\r\n-LOADING not yet\r\n", 0},
        {REDIS_LINK_GREETING, "no Redis\r\n", 0},
        {REDIS_LINK_GREETING, GREETING "+more than was asked\r\n", 1},
        {REDIS_LINK_ENTERING, NULL, 0},
        {REDIS_LINK_ENTERING, "", 0},
        {REDIS_LINK_ENTERING, "-LOADING not yet\r\n", 0},
        {REDIS_LINK_ENTERING, "-NOSCRIPT where is it\r\n", 0},
        {REDIS_LINK_UP, NULL, 1},
        {REDIS_LINK_UP, "", 1},
        {REDIS_LINK_UP, "-NOSCRIPT where is it\r\n", 1},
        {REDIS_LINK_UP, "-READONLY not here\r\n", 1},
        {REDIS_LINK_UP, "+PONG\r\n+more than was asked\r\n", 1},
    };
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        link_to_server(f, "127.0.0.1");
        f->lost = f->nulls = 0;
        end_connection(f, &endings[i]);
    }
}

static void an_owner_that_takes_no_such_server_waits(void **state)
{
    struct fixture *f = *state;
    go_to(f, REDIS_LINK_GREETING);
    f->unfit = true;
    answer(f, GREETING);
    falls_back(f, 0);
    f->unfit = false;
    go_to(f, REDIS_LINK_UP);
    assert_int_equal(f->greeted, 2);
}

static void an_owner_that_does_not_enter_waits(void **state)
{
    struct fixture *f = *state;
    go_to(f, REDIS_LINK_ENTERING);
    f->unwilling = true;
    answer(f, "+PONG\r\n");
    falls_back(f, 0);
    f->unwilling = false;
    go_to(f, REDIS_LINK_UP);
    assert_int_equal(f->greeted, 2);
}

static void a_connection_that_its_owner_leaves_is_greeted_anew(void **state)
{
    struct fixture *f = *state;
    static const enum redis_link_state states[] = {REDIS_LINK_CONNECTING, REDIS_LINK_GREETING,
                                                   REDIS_LINK_ENTERING, REDIS_LINK_UP};
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        go_to(f, states[i]);
        unsigned greeted = f->greeted;
        redis_link_reconnect(f->link, "test");
        is_in(f, REDIS_LINK_WAITING);
        hang_up(f);
        if (states[i] == REDIS_LINK_CONNECTING)
            assert_true(has_peer(f)); /* the one that was left */
        go_to(f, REDIS_LINK_UP);
        assert_int_equal(f->greeted, greeted + 1);
        redis_link_reconnect(f->link, "test");
    }
}

static void an_owner_may_leave_while_it_is_told_of_the_greeting(void **state)
{
    struct fixture *f = *state;
    go_to(f, REDIS_LINK_GREETING);
    f->leaves_when_greeted = true;
    answer(f, GREETING);
    falls_back(f, 0);
    go_to(f, REDIS_LINK_UP);
    assert_int_equal(f->greeted, 2);
}

static void an_owner_may_leave_when_what_it_asked_is_answered(void **state)
{
    struct fixture *f = *state;
    go_to(f, REDIS_LINK_ENTERING);
    f->leaves_when_answered = true;
    answer(f, "+PONG\r\n");
    falls_back(f, 0);
    go_to(f, REDIS_LINK_UP);
    assert_int_equal(f->greeted, 2);
}

/* ---- beside the states ---- */

static void a_wish_to_hold_outlives_states_and_connections(void **state)
{
    struct fixture *f = *state;
    redis_link_hold(f->link, true);
    ping(redis_link_queue(f->link), on_reply, f);
    for (int i = 0; i < 2; i++) {
        go_to(f, REDIS_LINK_ENTERING); /* greetings go on */
        answer(f, "+PONG\r\n");
        TURN_UNTIL(f, redis_link_is_up(f->link));
        turn_for(f, COMMAND_TIMEOUT_MS * 5 / 4);
        assert_false(has_said_something(f));
        is_in(f, REDIS_LINK_UP); /* the silence is its own */
        if (i == 0)
            redis_link_reconnect(f->link, "test");
    }
    redis_link_hold(f->link, false);
    turn(f);
    answer(f, "+PONG\r\n");
    TURN_UNTIL(f, f->answers == 1);
}

static void a_hold_that_ends_before_the_link_is_up_changes_nothing(void **state)
{
    struct fixture *f = *state;
    ping(redis_link_queue(f->link), on_reply, f);
    redis_link_hold(f->link, true);
    go_to(f, REDIS_LINK_GREETING);
    redis_link_hold(f->link, false);
    is_in(f, REDIS_LINK_GREETING);
    answer(f, GREETING);
    TURN_UNTIL(f, redis_link_is_up(f->link));
    answer(f, "+PONG\r\n");
    TURN_UNTIL(f, f->answers == 1);
}

static void waiting_ends_when_the_owner_is_in_a_hurry(void **state)
{
    struct fixture *f = *state;
    f->backoff_ms = 60000;
    link_to_server(f, "127.0.0.1");
    go_to(f, REDIS_LINK_UP);
    redis_link_reconnect(f->link, "test"); /* so soon that it waits */
    turn(f);
    is_in(f, REDIS_LINK_WAITING);
    redis_link_hurry(f->link);
    turn(f);
    is_in(f, REDIS_LINK_CONNECTING);
    redis_link_hurry(f->link); /* nothing waits */
    is_in(f, REDIS_LINK_CONNECTING);
}

static void freeing_tells_what_is_pending_in_each_state(void **state)
{
    struct fixture *f = *state;
    static const enum redis_link_state states[] = {REDIS_LINK_WAITING, REDIS_LINK_CONNECTING,
                                                   REDIS_LINK_GREETING, REDIS_LINK_ENTERING,
                                                   REDIS_LINK_UP};
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        close(f->listener);
        listen_at(f, 0, 4);
        link_to_server(f, "127.0.0.1");
        go_to(f, states[i]);
        ping(redis_link_queue(f->link), on_reply, f);
        f->nulls = f->lost = 0;
        redis_link_free(f->link);
        f->link = NULL;
        assert_int_equal(f->nulls, 1);
        assert_int_equal(f->told_in, REDIS_LINK_CLOSED);
        assert_int_equal(f->lost, 0);
        hang_up(f);
    }
    redis_link_free(NULL);
}

int main(void)
{
#define WITH_LINK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_the_arrows_of_the_diagram_are_allowed),
        WITH_LINK(each_state_follows_the_one_before),
        WITH_LINK(a_name_is_looked_up_before_connecting),
        WITH_LINK(each_question_has_its_own_time),
        WITH_LINK(commands_wait_for_the_state_up),
        WITH_LINK(a_name_that_is_not_known_is_asked_again_later),
        WITH_LINK(a_socket_that_cannot_be_opened_is_tried_again_later),
        WITH_LINK(a_refused_connection_is_tried_again),
        WITH_LINK(connecting_ends_after_its_time),
        WITH_LINK(what_the_server_says_or_leaves_out_ends_a_connection),
        WITH_LINK(an_owner_that_takes_no_such_server_waits),
        WITH_LINK(an_owner_that_does_not_enter_waits),
        WITH_LINK(a_connection_that_its_owner_leaves_is_greeted_anew),
        WITH_LINK(an_owner_may_leave_while_it_is_told_of_the_greeting),
        WITH_LINK(an_owner_may_leave_when_what_it_asked_is_answered),
        WITH_LINK(a_wish_to_hold_outlives_states_and_connections),
        WITH_LINK(a_hold_that_ends_before_the_link_is_up_changes_nothing),
        WITH_LINK(waiting_ends_when_the_owner_is_in_a_hurry),
        WITH_LINK(freeing_tells_what_is_pending_in_each_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
