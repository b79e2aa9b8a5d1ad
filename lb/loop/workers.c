/*
 * The control thread's side of the workers: it opens the sockets, so that a configuration that
 * can't be bound is refused whole, and posts commands. What the workers do with them is in
 * worker_loop.c.
 */
#include "lb/loop/workers.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "lb/backend/server.h"
#include "lb/loop/worker_loop.h"
#include "lb/worker/listener.h"
#include "lb/worker/snapshot.h"
#include "lb/worker/worker.h"
#include "lb/worker/worker_set.h"

struct workers {
    struct snapshot *snapshot;   /* in force; NULL before the first */
    struct listener **listeners; /* references, in the snapshot's order */
    struct worker_set *set;
};

/* A configuration being prepared: for each listener, whether it is new, and its sockets then. */
struct plan {
    size_t count;
    struct listener **listeners; /* references */
    int *fds;                    /* count × workers; -1: the listener isn't new */
};

struct workers *workers_new(unsigned count)
{
    struct workers *w = calloc(1, sizeof(*w));
    struct worker_set *set = calloc(1, sizeof(*set) + count * sizeof(set->items[0]));
    if (w == NULL || set == NULL) {
        free(w);
        free(set);
        return NULL;
    }
    w->set = set;
    for (; set->count < count; set->count++) {
        set->items[set->count] = worker_loop_start(set, set->count);
        if (set->items[set->count] == NULL) {
            workers_free(w);
            return NULL;
        }
    }
    return w;
}

static void forget_listeners(struct workers *w)
{
    for (size_t i = 0; w->snapshot != NULL && i < w->snapshot->listener_count; i++)
        listener_unref(w->listeners[i]);
    free(w->listeners);
    w->listeners = NULL;
    if (w->snapshot != NULL)
        snapshot_unref(w->snapshot);
    w->snapshot = NULL;
}

void workers_free(struct workers *w)
{
    if (w == NULL)
        return;
    for (unsigned i = 0; i < w->set->count; i++)
        worker_loop_stop(w->set->items[i]);
    for (unsigned i = 0; i < w->set->count; i++)
        worker_loop_free(w->set->items[i]);
    free(w->set);
    forget_listeners(w);
    free(w);
}

static void plan_fini(struct plan *p, unsigned workers)
{
    for (size_t i = 0; i < p->count && p->listeners != NULL; i++)
        listener_unref(p->listeners[i]);
    for (size_t i = 0; i < p->count * workers && p->fds != NULL; i++) {
        if (p->fds[i] >= 0)
            close(p->fds[i]);
    }
    free(p->listeners);
    free(p->fds);
}

static bool plan_init(struct plan *p, size_t count, unsigned workers)
{
    *p = (struct plan){.count = count};
    p->listeners = calloc(count + 1, sizeof(struct listener *));
    p->fds = malloc((count * workers + 1) * sizeof(int));
    for (size_t i = 0; i < count * workers && p->fds != NULL; i++)
        p->fds[i] = -1;
    return p->listeners != NULL && p->fds != NULL;
}

static struct listener *find_listener(const struct workers *w, const struct sockaddr_storage *addr)
{
    for (size_t i = 0; w->snapshot != NULL && i < w->snapshot->listener_count; i++) {
        if (listener_has_address(w->listeners[i], addr))
            return w->listeners[i];
    }
    return NULL;
}

/* Finds or opens each listener of `next`. */
static bool plan_fill(struct plan *p, const struct workers *w, const struct snapshot *next,
                      char *err, size_t errlen)
{
    char reason[160];
    for (size_t i = 0; i < p->count; i++) {
        const struct snapshot_listener *s = &next->listeners[i];
        struct listener *known = find_listener(w, &s->addr);
        p->listeners[i] =
            known != NULL
                ? listener_ref(known)
                : listener_open(&s->addr, s->addrlen, (int)s->config->backlog,
                                &p->fds[i * w->set->count], w->set->count, reason, sizeof(reason));
        if (p->listeners[i] == NULL) {
            snprintf(err, errlen, "listener '%s': can't bind %s: %s", s->config->name,
                     s->config->bind, reason);
            for (unsigned k = 0; k < w->set->count; k++)
                p->fds[i * w->set->count + k] = -1;
            return false;
        }
        if (s->is_second && known == NULL)
            listener_join(p->listeners[i], p->listeners[i - 1]);
    }
    return true;
}

/* The command for worker `index`; it takes that worker's sockets out of the plan when `take`. */
static struct command *apply_command(const struct plan *p, struct snapshot *next)
{
    struct command *c = command_new(COMMAND_APPLY);
    if (c == NULL)
        return NULL;
    c->sockets = calloc(p->count + 1, sizeof(*c->sockets));
    if (c->sockets == NULL) {
        command_free(c);
        return NULL;
    }
    c->socket_count = p->count;
    c->snapshot = snapshot_ref(next);
    for (size_t i = 0; i < p->count; i++) {
        c->sockets[i].listener = listener_ref(p->listeners[i]);
        c->sockets[i].fd = -1;
    }
    return c;
}

/* All commands are made before any is posted: it is all or nothing. */
static bool post_plan(struct workers *w, struct plan *p, struct snapshot *next)
{
    struct command **commands = calloc(w->set->count + 1, sizeof(*commands));
    bool ok = commands != NULL;
    for (unsigned k = 0; ok && k < w->set->count; k++) {
        commands[k] = apply_command(p, next);
        ok = commands[k] != NULL;
    }
    for (unsigned k = 0; commands != NULL && k < w->set->count; k++) {
        if (!ok) {
            command_free(commands[k]);
            continue;
        }
        for (size_t i = 0; i < p->count; i++) {
            commands[k]->sockets[i].fd = p->fds[i * w->set->count + k];
            p->fds[i * w->set->count + k] = -1;
        }
        command_post(&w->set->items[k]->commands, commands[k]);
    }
    free(commands);
    return ok;
}

bool workers_apply(struct workers *w, struct snapshot *next, char *err, size_t errlen)
{
    struct plan plan;
    bool ok = plan_init(&plan, next->listener_count, w->set->count);
    snprintf(err, errlen, "out of memory");
    ok = ok && plan_fill(&plan, w, next, err, errlen);
    ok = ok && post_plan(w, &plan, next);
    if (ok) {
        forget_listeners(w);
        w->snapshot = snapshot_ref(next);
        w->listeners = plan.listeners;
        plan.listeners = NULL;
    }
    plan_fini(&plan, w->set->count);
    return ok;
}

/* To every worker; what can't be posted for lack of memory is lost, and the caller's next one
 * isn't. */
static void post_all(struct workers *w, enum command_kind kind, struct server *s,
                     uint64_t deadline_ms)
{
    for (unsigned i = 0; i < w->set->count; i++) {
        struct command *c = command_new(kind);
        if (c == NULL)
            continue;
        c->server = s == NULL ? NULL : server_ref(s);
        c->deadline_ms = deadline_ms;
        command_post(&w->set->items[i]->commands, c);
    }
}

void workers_wake(struct workers *w)
{
    post_all(w, COMMAND_WAKE, NULL, 0);
}

void workers_close_server(struct workers *w, struct server *s)
{
    post_all(w, COMMAND_CLOSE_SERVER, s, 0);
}

void workers_drain(struct workers *w, uint64_t timeout_ms)
{
    post_all(w, COMMAND_DRAIN, NULL, clock_monotonic_ms() + timeout_ms);
}

size_t workers_flows(const struct workers *w)
{
    return worker_set_flows(w->set);
}

void workers_share_descriptors(struct workers *w, size_t flows, int spare_from)
{
    atomic_store(&w->set->flow_limit, flows);
    for (unsigned i = 0; i < w->set->count; i++)
        atomic_store(&w->set->items[i]->pipes.spare_from, spare_from);
}

static const struct listener *listener_named(const struct workers *w, const char *name)
{
    for (size_t i = 0; w->snapshot != NULL && i < w->snapshot->listener_count; i++) {
        if (strcmp(w->snapshot->listeners[i].config->name, name) == 0)
            return w->listeners[i];
    }
    return NULL;
}

unsigned workers_port(const struct workers *w, const char *listener)
{
    const struct listener *l = listener_named(w, listener);
    return l == NULL ? 0 : listener_port(l);
}

unsigned workers_count(const struct workers *w)
{
    return w->set->count;
}

static uint64_t value_of(const metric_counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

static uint64_t gauge_of(const metric_gauge *g)
{
    return (uint64_t)atomic_load_explicit(g, memory_order_relaxed);
}

void workers_stats(const struct workers *w, unsigned index, struct worker_stats *out)
{
    const struct worker_counters *c = &w->set->items[index]->counters;
    *out = (struct worker_stats){
        .accepted = value_of(&c->accepted),
        .flows = gauge_of(&c->flows),
        .queued = gauge_of(&c->queued),
        .queue_timeouts = value_of(&c->queue_timeouts),
        .handshakes = value_of(&c->handshakes),
        .resumed = value_of(&c->resumed),
        .own_records = gauge_of(&c->own_records),
        .openssl_records = gauge_of(&c->openssl_records),
        .handshake_fails = value_of(&c->handshake_fails),
        .connects = value_of(&c->connects),
        .connect_fails = value_of(&c->connect_fails),
        .connects_impossible = value_of(&c->connects_impossible),
        .retries = value_of(&c->retries),
        .bytes_in = value_of(&c->bytes_in),
        .bytes_out = value_of(&c->bytes_out),
        .spliced = value_of(&c->spliced),
        .proxy_headers_refused = value_of(&c->proxy_headers_refused),
        .half_close_timeouts = value_of(&c->half_close_timeouts),
        .stall_timeouts = value_of(&c->stall_timeouts),
        .idle_timeouts = value_of(&c->idle_timeouts),
        .accept_pauses = value_of(&c->accept_pauses),
        .handed_over = value_of(&c->handed_over),
    };
}

/* The addresses of one `bind` share counters, unless a reload has brought them together. */
bool workers_listener_stats(const struct workers *w, const char *listener,
                            struct listener_stats *out)
{
    const struct listener *before = NULL;
    *out = (struct listener_stats){0};
    for (size_t i = 0; w->snapshot != NULL && i < w->snapshot->listener_count; i++) {
        const struct listener *l = w->listeners[i]->counts;
        if (strcmp(w->snapshot->listeners[i].config->name, listener) != 0 || l == before)
            continue;
        out->accepted += value_of(&l->accepted);
        out->flows += atomic_load_explicit(&l->flows, memory_order_relaxed);
        out->handshake_fails += value_of(&l->handshake_fails);
        out->paused += value_of(&l->paused);
        before = l;
    }
    return before != NULL;
}
