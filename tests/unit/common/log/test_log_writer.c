/* Logging into a pipe that nobody empties: each test is a process of its own, as the writer lasts
 * as long as its process. */
#include "common/log/log_writer.h"

#include "common/base/clock.h"
#include "common/log/log.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char text[4 << 20];

/* Runs `body` in a child whose log is a pipe; what it logged is in `text`. `late`: the pipe is read
 * only once the child has ended. Returns its wait status. */
static int run_child(void (*body)(void), bool late)
{
    int fds[2];
    size_t used = 0;
    int status = 0;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[0]);
        log_set_fd(fds[1]);
        log_init("test", LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
        if (!log_start())
            _exit(3);
        body();
        exit(0);
    }
    close(fds[1]);
    if (late)
        waitpid(pid, &status, 0);
    for (ssize_t n; (n = read(fds[0], text + used, sizeof(text) - 1 - used)) > 0;)
        used += (size_t)n;
    text[used] = '\0';
    if (!late)
        waitpid(pid, &status, 0);
    close(fds[0]);
    return status;
}

/* Lines that say `what` behind their time stamp, and the sum of the numbers behind that. */
static unsigned count(const char *what, unsigned long *sum)
{
    unsigned found = 0;
    size_t len = strlen(what);
    for (const char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        if (end - at < 25 || strncmp(at + 25, what, len) != 0)
            continue;
        found++;
        if (sum != NULL)
            *sum += strtoul(at + 25 + len, NULL, 10);
    }
    return found;
}

static void log_some(unsigned how_many)
{
    for (unsigned i = 0; i < how_many; i++)
        LOG_INFO("line", KV_UINT("n", i),
                 KV_STR("filler", "0123456789012345678901234567890123456"));
}

static void log_ten(void)
{
    log_some(10);
}

static void all_lines_are_written_before_the_process_ends(void **state)
{
    unsigned long sum = 0;
    (void)state;
    assert_int_equal(run_child(log_ten, false), 0);
    assert_int_equal(count("INFO line n=", &sum), 10);
    assert_int_equal(sum, 45);
}

/* Far more than the pipe and the buffer hold. */
static void log_into_full_pipe(void)
{
    uint64_t start = clock_monotonic_ms();
    log_some(30000);
    if (clock_monotonic_ms() - start > 5000)
        _exit(4);
    if (log_writer_dropped() < 5000)
        _exit(5);
}

static void a_full_pipe_holds_up_neither_the_process_nor_its_end(void **state)
{
    (void)state;
    assert_int_equal(run_child(log_into_full_pipe, true), 0);
    assert_true(count("INFO line n=", NULL) > 100);
}

static void wait_for_reader(void)
{
    log_some(30000);
    while (!log_writer_flush(100)) /* the parent reads */
        ;
    LOG_INFO("after");
}

static void a_reader_that_comes_late_learns_how_much_it_missed(void **state)
{
    unsigned long missed = 0;
    (void)state;
    assert_int_equal(run_child(wait_for_reader, false), 0);
    unsigned lines = count("INFO line n=", NULL);
    count("WARN log_lines_dropped count=", &missed);
    assert_int_equal(lines + missed, 30000);
    assert_int_equal(count("INFO after", NULL), 1);
}

static void log_and_abort(void)
{
    log_some(10);
    LOG_ERROR("why");
    abort();
}

static void last_words_are_written_when_the_process_aborts(void **state)
{
    (void)state;
    int status = run_child(log_and_abort, false);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_int_equal(count("ERROR why", NULL), 1);
}

/* A signal event that also wants to read: libevent warns each time. */
static void make_libevent_complain(void)
{
    struct event_base *base = event_base_new();
    for (int i = 0; i < 1000; i++)
        event_assign(&(struct event){0}, base, -1, EV_SIGNAL | EV_READ, NULL, NULL);
    event_base_free(base);
}

static void libevents_own_messages_are_limited_log_lines(void **state)
{
    (void)state;
    assert_int_equal(run_child(make_libevent_complain, false), 0);
    assert_in_range(count("WARN libevent text=", NULL), 1, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_lines_are_written_before_the_process_ends),
        cmocka_unit_test(a_full_pipe_holds_up_neither_the_process_nor_its_end),
        cmocka_unit_test(a_reader_that_comes_late_learns_how_much_it_missed),
        cmocka_unit_test(last_words_are_written_when_the_process_aborts),
        cmocka_unit_test(libevents_own_messages_are_limited_log_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
