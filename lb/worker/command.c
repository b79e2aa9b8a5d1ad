/*
 * The control thread and the other workers post, the worker takes at the end of its turn. One lock for
 * a few commands a second; connections that are handed over come in while a worker has too many.
 */
#include "lb/worker/command.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lb/backend/server.h"
#include "lb/worker/listener.h"
#include "lb/worker/snapshot.h"

struct command *command_new(enum command_kind kind)
{
    struct command *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->kind = kind;
    c->fd = -1;
    return c;
}

void command_free(struct command *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->socket_count; i++) {
        listener_unref(c->sockets[i].listener);
        if (c->sockets[i].fd >= 0)
            close(c->sockets[i].fd);
    }
    free(c->sockets);
    if (c->snapshot != NULL)
        snapshot_unref(c->snapshot);
    if (c->server != NULL)
        server_unref(c->server);
    if (c->fd >= 0) {
        close(c->fd);
        listener_release(c->listener);
    }
    listener_unref(c->listener);
    free(c);
}

static void on_posted(struct poll_target *target, uint32_t events)
{
    struct command_queue *q = (struct command_queue *)target; /* its first member */
    uint64_t count;
    (void)events;
    (void)!read(q->event_fd, &count, sizeof(count));
    q->due = true;
}

bool command_queue_init(struct command_queue *q)
{
    q->target.ready = on_posted;
    STAILQ_INIT(&q->commands);
    q->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return pthread_mutex_init(&q->lock, NULL) == 0 && q->event_fd >= 0;
}

void command_queue_fini(struct command_queue *q)
{
    struct command *c;
    while ((c = command_take(q)) != NULL)
        command_free(c);
    if (q->event_fd >= 0)
        close(q->event_fd);
    pthread_mutex_destroy(&q->lock);
}

void command_post(struct command_queue *q, struct command *c)
{
    static const uint64_t one = 1;
    pthread_mutex_lock(&q->lock);
    STAILQ_INSERT_TAIL(&q->commands, c, link);
    pthread_mutex_unlock(&q->lock);
    (void)!write(q->event_fd, &one, sizeof(one));
}

struct command *command_take(struct command_queue *q)
{
    pthread_mutex_lock(&q->lock);
    struct command *c = STAILQ_FIRST(&q->commands);
    if (c != NULL)
        STAILQ_REMOVE_HEAD(&q->commands, link);
    pthread_mutex_unlock(&q->lock);
    return c;
}
