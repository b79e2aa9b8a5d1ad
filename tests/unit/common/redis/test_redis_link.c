/* redis_link against a real redis-server: order, replay, timeouts, scripts, pub/sub, login. */
#include "common/base/clock.h"
#include "common/base/timebox.h"
#include "common/redis/redis_link.h"
#include "tests/unit/redis_server.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct fixture {
    struct redis_server server;
    struct event_base *base;
    struct redis_url url;
    struct redis_link *link;
    struct redis_server_info info;
    unsigned greeted, lost;
    long long replies[64];
    size_t reply_count, null_count;
    char given_up[64];
    unsigned given_up_count;
    unsigned entered;
    bool asks; /* `enter` asks something, twice, before the link is up */
    char message[64];
    struct timebox *box;                     /* NULL: none */
    uint64_t backoff_min_ms, backoff_max_ms; /* 0: the usual ones */
    redisContext *blocker; /* keeps the server busy when it has been greeted for the first time */
};

/* Runs a script that doesn't end, until SCRIPT KILL is said. */
static void block_server(struct fixture *f)
{
    redisContext *other = redis_server_connect(&f->server);
    bool is_busy = false;
    int done = 0;
    freeReplyObject(redisCommand(other, "CONFIG SET busy-reply-threshold 1"));
    redisAppendCommand(f->blocker, "EVAL %s 0", "while true do end");
    while (done == 0)
        assert_int_equal(redisBufferWrite(f->blocker, &done), REDIS_OK);
    while (!is_busy) {
        redisReply *r = redisCommand(other, "PING");
        is_busy = r->type == REDIS_REPLY_ERROR;
        freeReplyObject(r);
    }
    redisFree(other);
}

static bool on_greeted(void *arg, struct redis_link *l, const struct redis_server_info *info)
{
    struct fixture *f = arg;
    (void)l;
    f->info = *info;
    f->greeted++;
    if (f->greeted == 1 && f->blocker != NULL)
        block_server(f);
    return true;
}

static void on_entered(void *arg, const redisReply *r)
{
    struct fixture *f = arg;
    f->entered += r != NULL ? 1 : 0;
}

static bool on_enter(void *arg, struct redis_link *l)
{
    struct fixture *f = arg;
    struct redis_queue *q = redis_link_greeting(l);
    if (!f->asks || f->entered % 2 == 1)
        return true;
    redis_queue_begin(q, 2);
    redis_queue_str(q, "INCR");
    redis_queue_str(q, "k");
    redis_queue_end(q, REDIS_VOLATILE, on_entered, f);
    return true;
}

static void on_lost(void *arg, struct redis_link *l, const char *why)
{
    struct fixture *f = arg;
    (void)l, (void)why;
    f->lost++;
}

static void on_message(void *arg, const char *payload, size_t len)
{
    struct fixture *f = arg;
    snprintf(f->message, sizeof(f->message), "%.*s", (int)len, payload);
}

static void on_reply(void *arg, const redisReply *r)
{
    struct fixture *f = arg;
    if (r == NULL)
        f->null_count++;
    else
        f->replies[f->reply_count++ % 64] = r->type == REDIS_REPLY_INTEGER ? r->integer : -1;
}

static void on_given_up(void *arg, struct redis_link *l, const char *command, size_t len)
{
    struct fixture *f = arg;
    (void)l;
    snprintf(f->given_up, sizeof(f->given_up), "%.*s", (int)len, command);
    f->given_up_count++;
}

#define SCRIPT "#!lua\nreturn redis.call('INCR', KEYS[1])"
static const struct redis_script script = {SCRIPT, sizeof(SCRIPT) - 1};

static struct redis_link *new_link(struct fixture *f, bool pubsub)
{
    struct redis_link_config cfg = {
        .name = "test",
        .url = &f->url,
        .connect_timeout_ms = 1000,
        .command_timeout_ms = 300,
        .backoff_min_ms = f->backoff_min_ms != 0 ? f->backoff_min_ms : 10,
        .backoff_max_ms = f->backoff_max_ms != 0 ? f->backoff_max_ms : 50,
        .scripts = &script,
        .script_count = 1,
        .pubsub = pubsub,
        .arg = f,
        .greeted = on_greeted,
        .enter = on_enter,
        .lost = on_lost,
        .message = on_message,
        .given_up = on_given_up,
    };
    return redis_link_new(f->base, &cfg);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    if (!redis_server_start(&f->server) || redis_url_parse(f->server.url, &f->url) != NULL)
        return -1;
    f->base = event_base_new();
    f->link = new_link(f, false);
    return f->link != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    redis_link_free(f->link);
    event_base_free(f->base);
    redis_server_stop(&f->server);
    free(f);
    return 0;
}

/* One turn of the loop. */
static void turn(struct fixture *f)
{
    struct timeval tv = {.tv_usec = 20000};
    event_base_loopexit(f->base, &tv);
    event_base_loop(f->base, EVLOOP_ONCE);
    redis_link_input(f->link, clock_monotonic_ms(), f->box);
    redis_link_flush(f->link, clock_monotonic_ms());
}

#define TURN_UNTIL(f, condition)                                                                   \
    do {                                                                                           \
        uint64_t end_ = clock_monotonic_ms() + 5000;                                               \
        while (!(condition) && clock_monotonic_ms() < end_)                                        \
            turn(f);                                                                               \
        assert_true(condition);                                                                    \
    } while (0)

static void incr(struct fixture *f, const char *key, enum redis_command_flags flags)
{
    struct redis_queue *q = redis_link_queue(f->link);
    redis_queue_begin(q, 2);
    redis_queue_str(q, "INCR");
    redis_queue_str(q, key);
    redis_queue_end(q, flags, on_reply, f);
}

static void replies_come_in_the_order_of_commands(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 10; i++)
        incr(f, "a b\r\n}c", REDIS_REPLAY);
    TURN_UNTIL(f, f->reply_count == 10);
    for (int i = 0; i < 10; i++)
        assert_int_equal(f->replies[i], i + 1);
    assert_int_equal(f->greeted, 1);
    assert_int_equal(strlen(f->info.run_id), 40);
    assert_true(f->info.major >= 7);
    assert_string_equal(f->info.maxmemory_policy, "noeviction");
}

static void scripts_are_loaded_and_loaded_again_when_redis_forgot_them(void **state)
{
    struct fixture *f = *state;
    struct redis_queue *q = redis_link_queue(f->link);
    char sha[41] = "";
    redisContext *c = redis_server_connect(&f->server);
    redisReply *r = redisCommand(c, "SCRIPT LOAD %b", script.text, script.len);
    memcpy(sha, r->str, 40);
    freeReplyObject(r);
    TURN_UNTIL(f, redis_link_is_up(f->link));
    for (int round = 1; round <= 2; round++) {
        for (int i = 0; i < 3; i++) {
            redis_queue_begin(q, 4);
            redis_queue_str(q, "EVALSHA");
            redis_queue_str(q, sha);
            redis_queue_str(q, "1");
            redis_queue_str(q, "n");
            redis_queue_end(q, REDIS_REPLAY, on_reply, f);
        }
        TURN_UNTIL(f, f->reply_count == (size_t)round * 3);
        freeReplyObject(redisCommand(c, "SCRIPT FLUSH"));
    }
    for (int i = 0; i < 6; i++)
        assert_int_equal(f->replies[i], i + 1);
    assert_int_equal(f->lost, 1);
    redisFree(c);
}

static void unanswered_commands_are_replayed_after_a_lost_connection(void **state)
{
    struct fixture *f = *state;
    redisContext *c = redis_server_connect(&f->server);
    TURN_UNTIL(f, redis_link_is_up(f->link));
    kill(f->server.pid, SIGSTOP);
    incr(f, "k", REDIS_REPLAY);
    incr(f, "k", REDIS_VOLATILE);
    incr(f, "k", REDIS_REPLAY);
    turn(f);
    redis_link_reconnect(f->link, "test");
    kill(f->server.pid, SIGCONT);
    TURN_UNTIL(f, f->reply_count == 2);
    assert_int_equal(f->null_count, 1);
    assert_true(f->replies[0] < f->replies[1]);
    redisFree(c);
}

static void a_silent_server_is_left_and_found_again(void **state)
{
    struct fixture *f = *state;
    TURN_UNTIL(f, redis_link_is_up(f->link));
    kill(f->server.pid, SIGSTOP);
    incr(f, "k", REDIS_REPLAY);
    TURN_UNTIL(f, f->lost == 1);
    kill(f->server.pid, SIGCONT);
    TURN_UNTIL(f, f->reply_count == 1);
    assert_int_equal(f->greeted, 2);
}

/* A command that keeps the server busy for longer than the timeout (300 ms), but not longer than
 * the greeting waits. */
static void be_slow(struct fixture *f)
{
    struct redis_queue *q = redis_link_queue(f->link);
    redis_queue_begin(q, 3);
    redis_queue_str(q, "EVAL");
    redis_queue_str(q, "redis.call('INCR', 'slow') "
                       "local function now() "
                       "local t = redis.call('TIME') return t[1] * 1e6 + t[2] end "
                       "local e = now() + 500000 while now() < e do end return -7");
    redis_queue_str(q, "0");
    redis_queue_end(q, REDIS_REPLAY, on_reply, f);
}

static void a_command_that_never_comes_in_time_is_given_up(void **state)
{
    struct fixture *f = *state;
    incr(f, "before", REDIS_REPLAY);
    be_slow(f);
    incr(f, "after", REDIS_REPLAY);
    TURN_UNTIL(f, f->null_count == 1 && f->reply_count == 2);
    assert_int_equal(f->given_up_count, 1);
    assert_non_null(strstr(f->given_up, "EVAL"));
    incr(f, "slow", REDIS_REPLAY);
    TURN_UNTIL(f, f->reply_count == 3);
    assert_in_range(f->replies[2], 4, 6); /* written again, but not for ever */
    incr(f, "after", REDIS_REPLAY);
    TURN_UNTIL(f, f->reply_count == 4);
    assert_int_equal(f->replies[3], f->replies[1] + 1); /* and what was behind it only once */
    assert_int_equal(f->null_count, 1);
}

static void a_server_that_is_away_makes_nothing_be_given_up(void **state)
{
    struct fixture *f = *state;
    incr(f, "n", REDIS_REPLAY);
    TURN_UNTIL(f, f->reply_count == 1);
    kill(f->server.pid, SIGSTOP);
    incr(f, "n", REDIS_REPLAY);
    uint64_t end = clock_monotonic_ms() + 3000;
    while (clock_monotonic_ms() < end)
        turn(f);
    kill(f->server.pid, SIGCONT);
    TURN_UNTIL(f, f->reply_count == 2);
    assert_int_equal(f->given_up_count + f->null_count, 0);
}

static void a_restarted_server_shows_another_run_id(void **state)
{
    struct fixture *f = *state;
    char before[48];
    TURN_UNTIL(f, redis_link_is_up(f->link));
    strcpy(before, f->info.run_id);
    incr(f, "k", REDIS_REPLAY);
    TURN_UNTIL(f, f->reply_count == 1);
    redis_server_kill(&f->server);
    TURN_UNTIL(f, f->lost == 1);
    incr(f, "k", REDIS_REPLAY);
    assert_true(redis_server_run(&f->server, NULL, NULL));
    TURN_UNTIL(f, f->reply_count == 2);
    assert_int_equal(f->replies[1], 2);
    assert_string_not_equal(before, f->info.run_id);
}

static void a_held_link_writes_nothing(void **state)
{
    struct fixture *f = *state;
    TURN_UNTIL(f, redis_link_is_up(f->link));
    redis_link_hold(f->link, true);
    incr(f, "k", REDIS_REPLAY);
    for (int i = 0; i < 5; i++)
        turn(f);
    assert_int_equal(f->reply_count, 0);
    redis_link_hold(f->link, false);
    TURN_UNTIL(f, f->reply_count == 1);
}

static void a_reset_tells_every_pending_command(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++)
        incr(f, "k", REDIS_REPLAY);
    redis_link_reset(f->link, "test");
    assert_int_equal(f->null_count, 5);
    incr(f, "k", REDIS_REPLAY);
    TURN_UNTIL(f, f->reply_count == 1);
}

static void published_messages_arrive_on_a_pubsub_link(void **state)
{
    struct fixture *f = *state;
    redisContext *c = redis_server_connect(&f->server);
    redis_link_free(f->link);
    f->link = new_link(f, true);
    struct redis_queue *q = redis_link_queue(f->link);
    redis_queue_begin(q, 2);
    redis_queue_str(q, "SUBSCRIBE");
    redis_queue_str(q, "ch");
    redis_queue_end(q, REDIS_REPLAY, on_reply, f);
    TURN_UNTIL(f, f->reply_count == 1);
    freeReplyObject(redisCommand(c, "PUBLISH ch hello"));
    TURN_UNTIL(f, strcmp(f->message, "hello") == 0);
    redis_queue_begin(q, 1);
    redis_queue_str(q, "PING");
    redis_queue_end(q, REDIS_REPLAY, on_reply, f);
    TURN_UNTIL(f, f->reply_count == 2);
    redisFree(c);
}

/* True when it needs no answer. */
static bool silent_incr(struct fixture *f, const char *key)
{
    struct redis_queue *q = redis_link_queue(f->link);
    enum redis_command_flags flags = redis_queue_begin_silent(q, 2);
    redis_queue_str(q, "INCR");
    redis_queue_str(q, key);
    redis_queue_end(q, flags, NULL, NULL);
    return flags == REDIS_SILENT;
}

static void silent_commands_are_done_and_not_answered(void **state)
{
    struct fixture *f = *state;
    struct redis_queue *q = redis_link_queue(f->link);
    TURN_UNTIL(f, redis_link_is_up(f->link));
    for (int i = 0; i < 100; i++) {
        assert_true(silent_incr(f, "k"));
        if (i % 10 == 9)
            incr(f, "k", REDIS_REPLAY);
        assert_true(silent_incr(f, "k"));
    }
    assert_int_equal(redis_queue_answers(q), 10);
    TURN_UNTIL(f, f->reply_count == 10);
    for (int i = 0; i < 10; i++)
        assert_int_equal(f->replies[i], 21 * i + 20);
    assert_int_equal(redis_queue_bytes(q), 0);
    assert_true(silent_incr(f, "k"));
    turn(f);
    assert_int_equal(redis_queue_bytes(q), 0); /* nothing is waited for */
    incr(f, "k", REDIS_REPLAY);
    TURN_UNTIL(f, f->reply_count == 11);
    assert_int_equal(f->replies[10], 212);
    assert_int_equal(f->lost, 0);
}

static void silent_commands_are_not_repeated(void **state)
{
    struct fixture *f = *state;
    TURN_UNTIL(f, redis_link_is_up(f->link));
    kill(f->server.pid, SIGSTOP);
    incr(f, "first", REDIS_REPLAY);
    silent_incr(f, "k");
    turn(f);
    silent_incr(f, "k"); /* not even written */
    incr(f, "second", REDIS_REPLAY);
    redis_link_reconnect(f->link, "test");
    kill(f->server.pid, SIGCONT);
    TURN_UNTIL(f, f->reply_count == 2);
    incr(f, "k", REDIS_REPLAY);
    TURN_UNTIL(f, f->reply_count == 3);
    assert_in_range(f->replies[2], 1, 2);
    assert_int_equal(redis_queue_answers(redis_link_queue(f->link)), 0);
}

/* A user who may not say CLIENT REPLY; then one who may, until it is taken away. */
static void silent_commands_are_ordinary_ones_where_they_are_not_allowed(void **state)
{
    struct fixture *f = *state;
    redisContext *c = redis_server_connect(&f->server);
    freeReplyObject(redisCommand(c, "ACL SETUSER limited on >pw ~* &* +@all -client|reply"));
    redis_link_free(f->link);
    strcpy(f->url.user, "limited");
    strcpy(f->url.password, "pw");
    f->link = new_link(f, false);
    TURN_UNTIL(f, redis_link_is_up(f->link));
    assert_false(silent_incr(f, "k"));
    incr(f, "k", REDIS_REPLAY);
    TURN_UNTIL(f, f->reply_count == 1);
    assert_int_equal(f->replies[0], 2);

    freeReplyObject(redisCommand(c, "ACL SETUSER limited +client|reply"));
    redis_link_reconnect(f->link, "test");
    TURN_UNTIL(f, redis_link_is_up(f->link));
    freeReplyObject(redisCommand(c, "ACL SETUSER limited -client|reply"));
    f->lost = 0;
    assert_true(silent_incr(f, "k"));
    incr(f, "other", REDIS_REPLAY);
    TURN_UNTIL(f, f->reply_count == 2 && f->lost == 1);
    assert_int_equal(f->replies[1], 2); /* its own answer, after a replay */
    assert_false(silent_incr(f, "k"));
    redisFree(c);
}

static void login_and_database_are_used(void **state)
{
    struct fixture *f = *state;
    redisContext *c = redis_server_connect(&f->server);
    freeReplyObject(redisCommand(c, "CONFIG SET requirepass s3cret"));
    redis_link_free(f->link);
    f->link = new_link(f, false);
    for (int i = 0; i < 10; i++)
        turn(f);
    assert_false(redis_link_is_up(f->link));
    strcpy(f->url.password, "s3cret");
    f->url.database = 3;
    incr(f, "k", REDIS_REPLAY);
    TURN_UNTIL(f, f->reply_count == 1);
    freeReplyObject(redisCommand(c, "AUTH s3cret"));
    freeReplyObject(redisCommand(c, "SELECT 3"));
    redisReply *r = redisCommand(c, "GET k");
    assert_string_equal(r->str, "1");
    freeReplyObject(r);
    redisFree(c);
}

static void a_host_name_is_resolved(void **state)
{
    struct fixture *f = *state;
    redisContext *c = redis_server_connect(&f->server);
    redisReply *r = NULL;
    char command[64];
    for (unsigned port = 20000 + (unsigned)getpid() % 30000; r == NULL; port++) {
        snprintf(command, sizeof(command), "CONFIG SET port %u", port);
        r = redisCommand(c, command);
        if (r->type == REDIS_REPLY_ERROR) {
            freeReplyObject(r);
            r = NULL;
            continue;
        }
        snprintf(command, sizeof(command), "redis://localhost:%u", port);
    }
    freeReplyObject(r);
    redis_link_free(f->link);
    assert_null(redis_url_parse(command, &f->url));
    f->link = new_link(f, false);
    incr(f, "k", REDIS_REPLAY);
    TURN_UNTIL(f, f->reply_count == 1);
    redisFree(c);
}

static void the_owner_asks_before_anything_is_replayed(void **state)
{
    struct fixture *f = *state;
    f->asks = true;
    incr(f, "k", REDIS_REPLAY);
    TURN_UNTIL(f, f->reply_count == 1);
    assert_int_equal(f->entered, 1);
    assert_int_equal(f->replies[0], 2); /* behind what `enter` asked */
    assert_true(f->info.connection > 0);
    f->entered = 0;
    incr(f, "k", REDIS_REPLAY);
    redis_link_reconnect(f->link, "test");
    TURN_UNTIL(f, f->reply_count == 2);
    assert_int_equal(f->greeted, 2);
    assert_int_equal(f->entered, 1);
    assert_int_equal(f->replies[1], 4);
}

/* It isn't a server that can't be used. */
static void a_server_that_is_busy_with_the_owners_question_is_soon_asked_again(void **state)
{
    struct fixture *f = *state;
    redisContext *other = redis_server_connect(&f->server);
    redis_link_free(f->link);
    f->backoff_min_ms = 50;
    f->backoff_max_ms = 60000;
    f->asks = true;
    f->blocker = redis_server_connect(&f->server);
    f->link = new_link(f, false);
    TURN_UNTIL(f, f->greeted == 1 && redis_link_state(f->link) == REDIS_LINK_WAITING);
    uint64_t from_ms = clock_monotonic_ms();
    freeReplyObject(redisCommand(other, "SCRIPT KILL"));
    TURN_UNTIL(f, redis_link_is_up(f->link));
    assert_in_range(clock_monotonic_ms() - from_ms, 0, 300); /* 400 to 800 for one that is unfit */
    assert_int_equal(f->entered, 1);
    redisFree(f->blocker);
    redisFree(other);
}

static void change_key(void *each_arg, void *arg, struct redis_args args)
{
    size_t len;
    (void)arg;
    redis_args_next(&args, &len);
    char *key = redis_args_next(&args, &len);
    assert_int_equal(len, 1);
    *key = *(const char *)each_arg;
    assert_null(redis_args_next(&args, &len));
}

static void what_is_unanswered_can_be_changed_before_it_is_replayed(void **state)
{
    struct fixture *f = *state;
    redisContext *c = redis_server_connect(&f->server);
    char other[] = "o";
    incr(f, "k", REDIS_REPLAY);
    incr(f, "k", REDIS_REPLAY);
    redis_queue_each(redis_link_queue(f->link), on_reply, change_key, other);
    TURN_UNTIL(f, f->reply_count == 2);
    redisReply *r = redisCommand(c, "GET o");
    assert_string_equal(r->str, "2");
    freeReplyObject(r);
    redisFree(c);
}

static void replies_for_which_there_is_no_time_come_next_time(void **state)
{
    struct fixture *f = *state;
    struct timebox none;
    TURN_UNTIL(f, redis_link_is_up(f->link));
    timebox_open_at(&none, 0, 0, 0);
    none.over = true;
    f->box = &none;
    for (int i = 0; i < 5; i++)
        incr(f, "left", REDIS_REPLAY);
    for (size_t had = 0; f->reply_count < 5; had = f->reply_count) {
        turn(f);
        assert_in_range(f->reply_count - had, 0, 1); /* one is always taken */
    }
    for (int i = 0; i < 5; i++)
        assert_int_equal(f->replies[i], i + 1);
    f->box = NULL;
}

struct keeper {
    struct fixture *f;
    redisReply *kept;
};

static void on_kept(void *arg, const redisReply *r)
{
    struct keeper *k = arg;
    (void)r;
    k->kept = redis_link_keep_reply(k->f->link);
    redis_link_pause(k->f->link, true);
}

static void a_paused_link_waits_while_a_reply_is_worked_through(void **state)
{
    struct fixture *f = *state;
    struct keeper k = {.f = f};
    struct redis_queue *q = redis_link_queue(f->link);
    redis_queue_begin(q, 2);
    redis_queue_str(q, "INCR");
    redis_queue_str(q, "kept");
    redis_queue_end(q, REDIS_REPLAY, on_kept, &k);
    incr(f, "kept", REDIS_REPLAY);
    TURN_UNTIL(f, k.kept != NULL);
    for (uint64_t end = clock_monotonic_ms() + 500; clock_monotonic_ms() < end;)
        turn(f); /* longer than a command's time-out: the silence is our own */
    assert_int_equal(f->reply_count, 0);
    assert_int_equal(f->lost, 0);
    assert_int_equal(k.kept->integer, 1);
    freeReplyObject(k.kept);
    redis_link_pause(f->link, false);
    TURN_UNTIL(f, f->reply_count == 1);
    assert_int_equal(f->replies[0], 2);
}

int main(void)
{
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_SERVER(replies_come_in_the_order_of_commands),
        WITH_SERVER(scripts_are_loaded_and_loaded_again_when_redis_forgot_them),
        WITH_SERVER(unanswered_commands_are_replayed_after_a_lost_connection),
        WITH_SERVER(a_silent_server_is_left_and_found_again),
        WITH_SERVER(a_command_that_never_comes_in_time_is_given_up),
        WITH_SERVER(a_server_that_is_away_makes_nothing_be_given_up),
        WITH_SERVER(a_restarted_server_shows_another_run_id),
        WITH_SERVER(a_held_link_writes_nothing),
        WITH_SERVER(a_reset_tells_every_pending_command),
        WITH_SERVER(replies_for_which_there_is_no_time_come_next_time),
        WITH_SERVER(a_paused_link_waits_while_a_reply_is_worked_through),
        WITH_SERVER(published_messages_arrive_on_a_pubsub_link),
        WITH_SERVER(silent_commands_are_done_and_not_answered),
        WITH_SERVER(silent_commands_are_not_repeated),
        WITH_SERVER(silent_commands_are_ordinary_ones_where_they_are_not_allowed),
        WITH_SERVER(login_and_database_are_used),
        WITH_SERVER(a_host_name_is_resolved),
        WITH_SERVER(the_owner_asks_before_anything_is_replayed),
        WITH_SERVER(a_server_that_is_busy_with_the_owners_question_is_soon_asked_again),
        WITH_SERVER(what_is_unanswered_can_be_changed_before_it_is_replayed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
