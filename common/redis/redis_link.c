/*
 * What a Redis connection does in a turn: redis_dial.c finds the server, redis_socket.c moves the
 * bytes, redis_greeting.c knows what is said first, redis_queue.c keeps the commands, and
 * redis_link_states.c changes the state. What needs no I/O is decided by backoff.c (when to try
 * again), redis_verdict.c (what a reply means) and redis_timing.c (whether a silence is too long).
 */
#include "common/redis/redis_link.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/util.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/timebox.h"
#include "common/redis/redis_link_states.h"
#include "common/redis/redis_verdict.h"

/* Time-outs of one command in a row, after which it is given up. */
enum { TIMEOUTS_MAX = 3 };

/* ---- getting to a connection ---- */

static void on_found(void *arg)
{
    redis_link_wake_after(arg, 0);
}

/* Opens the socket to the next of the known addresses; what comes of it is seen when it gets
 * writable. */
static void open_socket(struct redis_link *l)
{
    int fd = redis_dial_open(&l->dial, l->backoff.failures);
    if (fd < 0)
        redis_link_fail(l, strerror(errno), true);
    else if (!redis_socket_open(&l->socket, l->base, fd))
        redis_link_fail(l, "out of memory", true);
    else
        redis_link_enter(l, REDIS_LINK_CONNECTING);
}

static void find_server(struct redis_link *l)
{
    redis_link_enter(l, REDIS_LINK_RESOLVING);
    switch (redis_dial_find(&l->dial)) {
    case REDIS_DIAL_KNOWN:
        open_socket(l);
        break;
    case REDIS_DIAL_ASKED:
        break;
    case REDIS_DIAL_FAILED:
        redis_link_fail(l, "no resolver", true);
        break;
    }
}

static void begin_greeting(struct redis_link *l)
{
    redis_link_enter(l, REDIS_LINK_GREETING);
    if (!redis_socket_listen(&l->socket, true) ||
        !redis_greeting_begin(&l->greeting, l->cfg.url, l->cfg.name, l->cfg.scripts,
                              l->cfg.script_count))
        redis_link_fail(l, "out of memory", true);
}

static void shake_hands(struct redis_link *l)
{
    char why[160];
    switch (redis_socket_shake_hands(&l->socket, why, sizeof(why))) {
    case REDIS_SOCKET_SECURED:
        begin_greeting(l);
        break;
    case REDIS_SOCKET_WAITS:
        break;
    case REDIS_SOCKET_REFUSED:
        redis_link_fail(l, why, true);
        break;
    }
}

static void begin_securing(struct redis_link *l)
{
    redis_link_enter(l, REDIS_LINK_SECURING);
    if (redis_socket_listen(&l->socket, true) &&
        redis_socket_secure(&l->socket, l->cfg.tls, l->cfg.url->host))
        shake_hands(l);
    else
        redis_link_fail(l, "out of memory", true);
}

static void connected(struct redis_link *l)
{
    int err = redis_socket_error(&l->socket);
    if (err != 0)
        redis_link_fail(l, strerror(err), true);
    else if (l->cfg.tls != NULL)
        begin_securing(l);
    else
        begin_greeting(l);
}

/* All that was asked is answered: the owner decides, asks more, or the link is up. */
static void ask_owner(struct redis_link *l)
{
    unsigned connection = l->connection;
    bool usable =
        l->state == REDIS_LINK_ENTERING || l->cfg.greeted(l->cfg.arg, l, &l->greeting.info);
    if (usable && l->connection == connection) {
        redis_link_enter(l, REDIS_LINK_ENTERING);
        usable = l->cfg.enter == NULL || l->cfg.enter(l->cfg.arg, l);
    }
    if (l->connection != connection)
        return;
    if (!usable) {
        backoff_unfit(&l->backoff);
        redis_link_fail(l, "this Redis can't be used", true);
    } else if (l->greeting.out.count == 0) {
        redis_link_enter(l, REDIS_LINK_UP);
    }
}

/* ---- reading ---- */

static void take_answer(struct redis_link *l, const redisReply *r)
{
    if (redis_timing_answered(&l->timing))
        l->cfg.round_trip(l->cfg.arg, (double)(clock_monotonic_us() - l->timing.sample_us) / 1e6);
    if (!redis_queue_answer(&l->queue, r))
        redis_link_fail(l, "a reply that nobody asked for", true);
}

static void take_greeting(struct redis_link *l, const redisReply *r)
{
    unsigned connection = l->connection;
    /* What the owner asks isn't refused, but may come too early. */
    if (l->state == REDIS_LINK_ENTERING &&
        redis_verdict_of(r, false, false) != REDIS_VERDICT_ANSWER) {
        redis_link_fail(l, r->str, true);
        return;
    }
    enum redis_greeting_result result = redis_greeting_reply(&l->greeting, r);
    if (l->connection != connection)
        return; /* the owner's function left it */
    if (result == REDIS_GREETING_DONE)
        ask_owner(l);
    else if (result == REDIS_GREETING_REFUSED)
        redis_link_fail(l, r->type == REDIS_REPLY_ERROR ? r->str : "unexpected greeting", true);
}

static void take_reply(struct redis_link *l, const redisReply *r, uint64_t now_ms)
{
    redis_timing_progress(&l->timing, now_ms);
    if (l->state != REDIS_LINK_UP) {
        take_greeting(l, r);
        return;
    }
    switch (redis_verdict_of(r, l->cfg.pubsub, l->queue.may_skip)) {
    case REDIS_VERDICT_ANSWER:
        take_answer(l, r);
        break;
    case REDIS_VERDICT_MESSAGE:
        l->cfg.message(l->cfg.arg, r->element[2]->str, r->element[2]->len);
        break;
    case REDIS_VERDICT_SCRIPTS:
        redis_link_fail(l, r->str, false);
        break;
    case REDIS_VERDICT_LATER:
        redis_link_fail(l, r->str, true);
        break;
    }
}

struct reading {
    struct redis_link *link;
    uint64_t now_ms;
};

/* One reply. False: the connection was left meanwhile. */
static bool on_reply(void *arg, redisReply *reply)
{
    const struct reading *r = arg;
    unsigned connection = r->link->connection;
    take_reply(r->link, reply, r->now_ms);
    return r->link->connection == connection;
}

static void read_socket(struct redis_link *l, uint64_t now_ms, struct timebox *box)
{
    struct reading reading = {.link = l, .now_ms = now_ms};
    const char *why = NULL;
    switch (redis_socket_read(&l->socket, box, on_reply, &reading, &why)) {
    case REDIS_SOCKET_LEFT:
        redis_timing_progress(&l->timing, now_ms);
        redis_link_wake_after(l, 0);
        break;
    case REDIS_SOCKET_CLOSED:
        redis_link_fail(l, why, false);
        break;
    case REDIS_SOCKET_BROKEN:
        redis_link_fail(l, why, true);
        break;
    case REDIS_SOCKET_DRAINED:
    case REDIS_SOCKET_STOPPED:
        break;
    }
}

/* The oldest command is what the server was busy with, again. */
static void give_up_oldest(struct redis_link *l)
{
    size_t len;
    const char *command = redis_queue_oldest(&l->queue, &len);
    if (l->cfg.given_up != NULL)
        l->cfg.given_up(l->cfg.arg, l, command, len);
    redis_queue_give_up(&l->queue);
}

static void time_out(struct redis_link *l)
{
    bool give_up = redis_queue_timed_out(&l->queue, TIMEOUTS_MAX);
    redis_link_fail(l, "a command timed out", true);
    if (give_up && l->queue.count > 0)
        give_up_oldest(l);
}

/* A silent server: the oldest written command has waited too long. */
static void check_progress(struct redis_link *l, uint64_t now_ms)
{
    bool awaits = redis_queue_awaits(&l->queue);
    uint64_t silent_ms = redis_timing_silent_ms(&l->timing, awaits, now_ms);
    if (silent_ms >= l->cfg.command_timeout_ms)
        time_out(l);
    else if (!evtimer_pending(l->timer, NULL))
        redis_link_wake_after(l, l->cfg.command_timeout_ms - silent_ms);
}

/* This process slept, and the server has closed the connection: answers that it gave before say
 * nothing any more. They may speak of a right that other nodes have taken since, by closing the
 * connection. */
static bool is_stale(const struct redis_link *l, bool slept)
{
    return slept && redis_socket_is_closed_by_peer(&l->socket);
}

/* ---- what the states do with a turn ---- */

static void run_waiting(struct redis_link *l, uint64_t now_ms)
{
    if (now_ms >= l->deadline_ms)
        find_server(l);
    else if (!evtimer_pending(l->timer, NULL))
        redis_link_wake_after(l, l->deadline_ms - now_ms);
}

static void run_resolving(struct redis_link *l, uint64_t now_ms)
{
    if (redis_dial_is_asking(&l->dial) && now_ms < l->deadline_ms)
        return;
    if (l->dial.address_count > 0)
        open_socket(l);
    else
        redis_link_fail(l, "the host name can't be resolved", true);
}

static void run_connecting(struct redis_link *l, uint64_t now_ms)
{
    if (!l->socket.write_blocked)
        connected(l);
    else if (now_ms >= l->deadline_ms)
        redis_link_fail(l, "connecting timed out", true);
}

static void run_securing(struct redis_link *l, uint64_t now_ms)
{
    if (l->socket.ready_to_read)
        shake_hands(l);
    else if (now_ms >= l->deadline_ms)
        redis_link_fail(l, "the TLS handshake timed out", true);
}

static void run_greeting(struct redis_link *l, uint64_t now_ms, struct timebox *box)
{
    if (l->socket.ready_to_read || l->socket.unfinished)
        read_socket(l, now_ms, box);
    else if (now_ms >= l->deadline_ms)
        redis_link_fail(l, "the greeting timed out", true);
}

static void run_up(struct redis_link *l, uint64_t now_ms, struct timebox *box, bool slept)
{
    if (is_stale(l, slept)) {
        redis_link_fail(l, "closed by Redis meanwhile", false);
        return;
    }
    if (l->held)
        return;
    read_socket(l, now_ms, box);
    if (l->state == REDIS_LINK_UP)
        check_progress(l, now_ms);
}

void redis_link_input(struct redis_link *l, uint64_t now_ms, struct timebox *box)
{
    bool slept = redis_timing_look(&l->timing, now_ms);
    redis_queue_settle(&l->queue);
    switch (l->state) {
    case REDIS_LINK_WAITING:
        run_waiting(l, now_ms);
        break;
    case REDIS_LINK_RESOLVING:
        run_resolving(l, now_ms);
        break;
    case REDIS_LINK_CONNECTING:
        run_connecting(l, now_ms);
        break;
    case REDIS_LINK_SECURING:
        run_securing(l, now_ms);
        break;
    case REDIS_LINK_GREETING:
    case REDIS_LINK_ENTERING:
        run_greeting(l, now_ms, box);
        break;
    case REDIS_LINK_UP:
        run_up(l, now_ms, box, slept);
        break;
    case REDIS_LINK_CLOSED:
        break;
    }
}

/* ---- writing ---- */

/* The number of bytes, or -1 when the connection failed: that is found when it is read. */
static ssize_t write_socket(struct redis_link *l, const char *bytes, size_t len)
{
    ssize_t n = redis_socket_write(&l->socket, bytes, len);
    if (n < 0)
        redis_link_wake_after(l, 0);
    return n;
}

static void flush_greeting(struct redis_link *l)
{
    size_t len;
    const char *bytes = redis_greeting_unwritten(&l->greeting, &len);
    ssize_t n = len > 0 ? write_socket(l, bytes, len) : 0;
    if (n > 0)
        redis_greeting_wrote(&l->greeting, (size_t)n);
}

static void flush_commands(struct redis_link *l, uint64_t now_ms)
{
    size_t len;
    const char *bytes = redis_queue_unwritten(&l->queue, &len);
    if (len == 0)
        return;
    if (!redis_queue_awaits(&l->queue))
        redis_timing_progress(&l->timing, now_ms);
    if (l->cfg.round_trip != NULL && !redis_timing_is_sampling(&l->timing))
        redis_timing_sample(&l->timing, redis_queue_answers(&l->queue), clock_monotonic_us());
    ssize_t n = write_socket(l, bytes, len);
    if (n > 0 && redis_queue_wrote(&l->queue, (size_t)n))
        redis_timing_progress(&l->timing, now_ms);
}

void redis_link_flush(struct redis_link *l, uint64_t now_ms)
{
    if (l->socket.write_blocked)
        return;
    if (l->state == REDIS_LINK_GREETING || l->state == REDIS_LINK_ENTERING)
        flush_greeting(l);
    else if (l->state == REDIS_LINK_UP && !l->held)
        flush_commands(l, now_ms);
}

/* ---- the owner's side ---- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg; /* redis_link_input looks at the clock */
}

struct redis_link *redis_link_new(struct event_base *base, const struct redis_link_config *cfg)
{
    struct redis_link *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return NULL;
    l->cfg = *cfg;
    l->base = base;
    l->socket.fd = -1;
    l->dial = (struct redis_dial){.base = base, .url = cfg->url, .found = on_found, .arg = l};
    l->backoff = (struct backoff){.min_ms = cfg->backoff_min_ms, .max_ms = cfg->backoff_max_ms};
    redis_timing_look(&l->timing, clock_monotonic_ms());
    l->timer = evtimer_new(base, on_timer, l);
    if (l->timer == NULL) {
        redis_link_free(l);
        return NULL;
    }
    redis_link_wake_after(l, 0);
    return l;
}

void redis_link_free(struct redis_link *l)
{
    if (l == NULL)
        return;
    redis_link_enter(l, REDIS_LINK_CLOSED);
    free(l);
}

struct redis_queue *redis_link_queue(struct redis_link *l)
{
    return &l->queue;
}

struct redis_queue *redis_link_greeting(struct redis_link *l)
{
    return &l->greeting.out;
}

redisReply *redis_link_keep_reply(struct redis_link *l)
{
    return redis_socket_keep(&l->socket);
}

void redis_link_pause(struct redis_link *l, bool paused)
{
    l->socket.paused = paused;
}

void redis_link_hold(struct redis_link *l, bool held)
{
    bool changes = l->held != held;
    l->held = held;
    if (!changes || l->state != REDIS_LINK_UP)
        return;
    redis_socket_listen(&l->socket, !held);
    if (held)
        return;
    redis_timing_resume(&l->timing, clock_monotonic_ms()); /* silence while held was ours */
    l->socket.ready_to_read = true;
    redis_link_wake_after(l, 0);
}

void redis_link_reconnect(struct redis_link *l, const char *why)
{
    if (l->socket.fd >= 0)
        redis_link_fail(l, why, false);
}

void redis_link_hurry(struct redis_link *l)
{
    if (l->state == REDIS_LINK_WAITING) {
        l->deadline_ms = 0;
        redis_link_wake_after(l, 0);
    }
}

size_t redis_link_leave(struct redis_link *l, const char *why)
{
    if (l->socket.fd >= 0)
        redis_link_lose(l, LOG_LEVEL_DEBUG, why, false);
    return l->queue.count;
}

void redis_link_reset(struct redis_link *l, const char *why)
{
    redis_link_leave(l, why);
    redis_queue_reset(&l->queue);
}

bool redis_link_is_up(const struct redis_link *l)
{
    return l->state == REDIS_LINK_UP;
}

enum redis_link_state redis_link_state(const struct redis_link *l)
{
    return l->state;
}
