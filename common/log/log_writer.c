/*
 * The one thread that may block on the log's sink. One writer a process, as there is one log.
 */
#include "common/log/log_writer.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define RING_BYTES (1u << 20) /* some seconds of a busy log, some thousand lines */
#define FLUSH_MS 500u
#define CRASH_STEP_MS 10u

static struct {
    _Atomic bool started;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t filled, drained;
    struct log_ring ring;
    int fd;              /* of the lines in the ring */
    _Atomic size_t left; /* bytes taken in and not written yet */
    _Atomic uint64_t refused;
} writer = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .filled = PTHREAD_COND_INITIALIZER,
};

static const int fatal_signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
#define FATAL_COUNT (sizeof(fatal_signals) / sizeof(fatal_signals[0]))
static struct sigaction before[FATAL_COUNT];

/* Also to a sink that others made non-blocking. False: the sink refuses. */
static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n >= 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

static uint64_t count_lines(const char *bytes, size_t len)
{
    uint64_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += bytes[i] == '\n';
    return count;
}

/* With the lock held, which it gives away while it writes. */
static void write_some(void)
{
    char lines[PIPE_BUF]; /* so much goes into a pipe in one piece: lines of processes don't mix */
    size_t len = log_ring_take(&writer.ring, lines, sizeof(lines));
    int fd = writer.fd;
    pthread_mutex_unlock(&writer.lock);
    if (!write_all(fd, lines, len))
        atomic_fetch_add(&writer.refused, count_lines(lines, len));
    pthread_mutex_lock(&writer.lock);
    atomic_store(&writer.left, writer.ring.used);
    if (writer.ring.used == 0)
        pthread_cond_broadcast(&writer.drained);
}

static void *run(void *arg)
{
    pthread_mutex_lock(&writer.lock);
    for (;;) {
        while (writer.ring.used == 0)
            pthread_cond_wait(&writer.filled, &writer.lock);
        write_some();
    }
    return arg;
}

bool log_writer_put(int fd, const char *line, size_t len)
{
    if (!atomic_load_explicit(&writer.started, memory_order_acquire))
        return false;
    pthread_mutex_lock(&writer.lock);
    bool was_empty = writer.ring.used == 0;
    writer.fd = fd;
    if (log_ring_put(&writer.ring, line, len))
        atomic_fetch_add(&writer.left, len);
    pthread_mutex_unlock(&writer.lock);
    if (was_empty)
        pthread_cond_signal(&writer.filled);
    return true;
}

bool log_writer_flush(unsigned timeout_ms)
{
    struct timespec until;
    int rc = 0;
    if (!atomic_load(&writer.started))
        return true;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&writer.lock);
    while (rc == 0 && atomic_load(&writer.left) > 0)
        rc = pthread_cond_timedwait(&writer.drained, &writer.lock, &until);
    bool all = atomic_load(&writer.left) == 0;
    pthread_mutex_unlock(&writer.lock);
    return all;
}

uint64_t log_writer_dropped(void)
{
    if (!atomic_load(&writer.started))
        return 0;
    pthread_mutex_lock(&writer.lock);
    uint64_t dropped = writer.ring.dropped_total;
    pthread_mutex_unlock(&writer.lock);
    return dropped + atomic_load(&writer.refused);
}

static void flush_at_exit(void)
{
    log_writer_flush(FLUSH_MS);
}

static void give_back(int signo)
{
    for (size_t i = 0; i < FATAL_COUNT; i++)
        if (fatal_signals[i] == signo)
            sigaction(signo, &before[i], NULL);
}

/* The last lines are those that tell why. Only what a signal handler may do: wait for the thread,
 * which goes on; then the signal has its way with whoever handled it before. */
static void on_fatal(int signo, siginfo_t *info, void *context)
{
    struct timespec step = {.tv_nsec = CRASH_STEP_MS * 1000000L};
    int saved_errno = errno;
    (void)context;
    for (unsigned waited = 0; waited < FLUSH_MS && atomic_load(&writer.left) > 0;
         waited += CRASH_STEP_MS)
        nanosleep(&step, NULL);
    give_back(signo);
    if (info->si_code <= 0) /* sent by someone; else the instruction faults again */
        raise(signo);
    errno = saved_errno;
}

static void handle_fatal_signals(void)
{
    struct sigaction action = {.sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    for (size_t i = 0; i < FATAL_COUNT; i++)
        sigaction(fatal_signals[i], &action, &before[i]);
}

static bool start_thread(void)
{
    pthread_condattr_t attributes;
    sigset_t all;
    sigset_t mask;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer.drained, &attributes);
    pthread_condattr_destroy(&attributes);
    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    bool ok = pthread_create(&writer.thread, NULL, run, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    if (ok)
        pthread_setname_np(writer.thread, "log");
    return ok;
}

bool log_writer_start(log_gap_line_fn *gap_line)
{
    if (atomic_load(&writer.started))
        return true;
    if (!log_ring_init(&writer.ring, RING_BYTES, gap_line) || !start_thread()) {
        log_ring_fini(&writer.ring);
        return false;
    }
    handle_fatal_signals();
    atexit(flush_at_exit);
    atomic_store_explicit(&writer.started, true, memory_order_release);
    return true;
}
