/*
 * One lock, two lists (to do, done), one condition for the threads and one eventfd for the loop.
 */
#include "common/process/work_pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <event2/event.h>

STAILQ_HEAD(work_list, work);

struct work_pool {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct work_list todo, done;
    bool stopping;
    int wake_fd;
    struct event *wake;
    struct work_pool_config config;
    unsigned thread_count;
    pthread_t threads[];
};

/* ---- in the threads ---- */

static void wake_loop(const struct work_pool *p)
{
    const uint64_t one = 1;
    ssize_t n = write(p->wake_fd, &one, sizeof(one));
    (void)n; /* can only fail when the loop has 2^64 wake-ups to go */
}

static void *run_thread(void *arg)
{
    struct work_pool *p = arg;
    const id_t self = (id_t)gettid(); /* Linux: priorities are each thread's own */
    (void)setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + p->config.nice);
    pthread_mutex_lock(&p->lock);
    while (true) {
        while (STAILQ_EMPTY(&p->todo) && !p->stopping)
            pthread_cond_wait(&p->more, &p->lock);
        if (p->stopping)
            break;
        struct work *w = STAILQ_FIRST(&p->todo);
        STAILQ_REMOVE_HEAD(&p->todo, link);
        pthread_mutex_unlock(&p->lock);
        w->run(w);
        w->ran = true;
        pthread_mutex_lock(&p->lock);
        if (STAILQ_EMPTY(&p->done))
            wake_loop(p);
        STAILQ_INSERT_TAIL(&p->done, w, link);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- in the loop's thread ---- */

/* What is on the list now. Work that is done with may be submitted again, or freed. */
static void finish(struct work_pool *p, struct work_list *list)
{
    struct work_list now = STAILQ_HEAD_INITIALIZER(now);
    struct work *w;
    pthread_mutex_lock(&p->lock);
    STAILQ_CONCAT(&now, list);
    pthread_mutex_unlock(&p->lock);
    while ((w = STAILQ_FIRST(&now)) != NULL) {
        STAILQ_REMOVE_HEAD(&now, link);
        w->done(w);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct work_pool *p = arg;
    uint64_t count;
    (void)what;
    if (read(fd, &count, sizeof(count)) < 0)
        return;
    finish(p, &p->done);
}

void work_pool_submit(struct work_pool *p, struct work *w)
{
    w->ran = false;
    pthread_mutex_lock(&p->lock);
    STAILQ_INSERT_TAIL(&p->todo, w, link);
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->lock);
}

/* Signals are the loop's. */
static bool start_threads(struct work_pool *p)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (p->thread_count < p->config.threads &&
           pthread_create(&p->threads[p->thread_count], NULL, run_thread, p) == 0) {
        pthread_setname_np(p->threads[p->thread_count], p->config.name);
        p->thread_count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return p->thread_count == p->config.threads;
}

struct work_pool *work_pool_new(struct event_base *base, const struct work_pool_config *config)
{
    struct work_pool *p = calloc(1, sizeof(*p) + config->threads * sizeof(p->threads[0]));
    if (p == NULL)
        return NULL;
    p->config = *config;
    STAILQ_INIT(&p->todo);
    STAILQ_INIT(&p->done);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    p->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (p->wake_fd < 0)
        goto fail;
    p->wake = event_new(base, p->wake_fd, EV_READ | EV_PERSIST, on_wake, p);
    if (p->wake == NULL || event_add(p->wake, NULL) != 0 || !start_threads(p))
        goto fail;
    return p;
fail:
    work_pool_free(p);
    return NULL;
}

static void join_threads(struct work_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->thread_count; i++)
        pthread_join(p->threads[i], NULL);
}

void work_pool_free(struct work_pool *p)
{
    if (p == NULL)
        return;
    join_threads(p);
    finish(p, &p->done);
    finish(p, &p->todo);
    if (p->wake != NULL)
        event_free(p->wake);
    if (p->wake_fd >= 0)
        close(p->wake_fd);
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
