/*
 * The server object: its references, its state as others see it, and passive health. Flows (on the
 * workers) hand it connect outcomes; the control thread is woken through an eventfd and looks at
 * the marks left here. Choosing among servers is server_set.c's; checks are checker.c's.
 */
#include "lb/backend/server.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/net/address.h"
#include "lb/backend/balance.h"

static uint64_t identity(const struct server *s)
{
    uint64_t parts[3] = {
        balance_hash(s->backend, strlen(s->backend)),
        balance_hash(s->name, strlen(s->name)),
        balance_hash(s->address, strlen(s->address)),
    };
    return balance_hash(parts, sizeof(parts));
}

static void server_free(struct server *s)
{
    if (s == NULL)
        return;
    free(s->name);
    free(s->backend);
    free(s);
}

struct server *server_new(const char *backend, const char *name,
                          const struct sockaddr_storage *addr, socklen_t addrlen, unsigned weight,
                          enum server_source source, int notify_fd)
{
    struct server *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->name = strdup(name);
    s->backend = strdup(backend);
    if (s->name == NULL || s->backend == NULL) {
        server_free(s);
        return NULL;
    }
    s->addr = *addr;
    s->addrlen = addrlen;
    address_format(addr, s->address, sizeof(s->address));
    s->source = source;
    s->key = identity(s);
    s->notify_fd = notify_fd;
    atomic_init(&s->refs, 1);
    atomic_init(&s->weight, weight);
    atomic_init(&s->health, SERVER_CHECKING);
    atomic_init(&s->admin, SERVER_READY);
    return s;
}

struct server *server_ref(struct server *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void server_unref(struct server *s)
{
    if (s != NULL && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
        server_free(s);
}

void server_leave(struct server *s)
{
    atomic_fetch_sub_explicit(&s->connections, 1, memory_order_relaxed);
}

void server_release(struct server *s)
{
    server_leave(s);
    server_unref(s);
}

/* The mark is made first: the control thread reads the eventfd before it looks for marks. */
static void notify(const struct server *s)
{
    uint64_t one = 1;
    if (s->notify_fd >= 0) {
        ssize_t n = write(s->notify_fd, &one, sizeof(one));
        (void)n; /* EAGAIN: the counter is full, so the control thread is being woken anyway */
    }
}

void server_report(struct server *s, enum connect_outcome outcome)
{
    int up = SERVER_UP;
    switch (outcome) {
    case CONNECT_OK:
        return;
    case CONNECT_REFUSED:
        atomic_compare_exchange_strong(&s->health, &up, SERVER_DOWN);
        atomic_fetch_add(&s->refused, 1);
        break;
    case CONNECT_TIMEOUT:
    case CONNECT_FAILED:
        atomic_fetch_add(&s->doubts, 1);
        break;
    }
    metric_add_shared(&s->counters.connect_errors, 1);
    notify(s);
}

enum server_state server_state(const struct server *s)
{
    if (atomic_load(&s->removed))
        return SERVER_STATE_DRAINING;
    switch ((enum server_admin)atomic_load(&s->admin)) {
    case SERVER_MAINTENANCE:
        return SERVER_STATE_MAINTENANCE;
    case SERVER_DRAIN:
        return SERVER_STATE_DRAINING;
    case SERVER_READY:
        break;
    }
    switch ((enum server_health)atomic_load(&s->health)) {
    case SERVER_CHECKING:
        return SERVER_STATE_CHECKING;
    case SERVER_DOWN:
        return SERVER_STATE_DOWN;
    case SERVER_UP:
        break;
    }
    return SERVER_STATE_UP;
}

const char *server_state_name(enum server_state state)
{
    static const char *const names[] = {
        [SERVER_STATE_CHECKING] = "checking",
        [SERVER_STATE_UP] = "up",
        [SERVER_STATE_DOWN] = "down",
        [SERVER_STATE_DRAINING] = "draining",
        [SERVER_STATE_MAINTENANCE] = "maintenance",
    };
    return names[state];
}

bool server_takes_flows(const struct server *s)
{
    return server_state(s) == SERVER_STATE_UP && atomic_load(&s->weight) > 0;
}
