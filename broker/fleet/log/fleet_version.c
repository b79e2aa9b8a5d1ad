/* "Has anything changed that I don't know yet?", asked once per turn for everybody. */
#include "broker/fleet/log/fleet_version.h"

#include <stdlib.h>

#include "broker/fleet/node/fleet.h"
#include "broker/fleet/storage/fleet_replicas.h"
#include "common/base/timebox.h"

enum { CALL_US = 4 }; /* at least: a publish may have to be matched again */

/* One GET on its way, and all who wait for it. */
struct version_asking {
    struct fleet_replica_wait replicas; /* first */
    struct fleet *f;
    struct fleet_version_wait *waits;
    uint64_t applied; /* when it was sent */
    uint64_t version;
    bool failed;
};

struct fleet_versions {
    struct fleet_version_wait *gathered;               /* for the next GET */
    struct fleet_version_wait *waiting, *waiting_tail; /* answered, ahead of the log */
    struct fleet_version_wait *due, *due_tail;         /* to be called */
};

bool fleet_versions_init(struct fleet *f)
{
    f->versions = calloc(1, sizeof(*f->versions));
    return f->versions != NULL;
}

void fleet_versions_free(struct fleet *f)
{
    free(f->versions);
    f->versions = NULL;
}

void fleet_version_check(struct fleet *f, struct fleet_version_wait *w, fleet_version_fn *fn)
{
    w->fn = fn;
    w->version = 0;
    w->next = f->versions->gathered;
    f->versions->gathered = w;
}

static void call_all(struct fleet_version_wait *list, bool ok)
{
    while (list != NULL) {
        struct fleet_version_wait *w = list;
        list = w->next;
        w->fn(w, ok);
    }
}

static bool is_applied(const struct fleet *f, const struct fleet_version_wait *w)
{
    return fleet_log_is_valid(f) && fleet_log_applied(f) >= w->version;
}

static void append(struct fleet_version_wait **head, struct fleet_version_wait **tail,
                   struct fleet_version_wait *w)
{
    w->next = NULL;
    if (*head == NULL)
        *head = w;
    else
        (*tail)->next = w;
    *tail = w;
}

static void wait_for_log(struct fleet *f, struct fleet_version_wait *w)
{
    append(&f->versions->waiting, &f->versions->waiting_tail, w);
}

static void is_due(struct fleet *f, struct fleet_version_wait *w, bool ok)
{
    w->ok = ok;
    append(&f->versions->due, &f->versions->due_tail, w);
}

void fleet_versions_go_on(struct fleet *f)
{
    for (struct fleet_version_wait *w; (w = f->versions->due) != NULL;) {
        f->versions->due = w->next;
        w->fn(w, w->ok);
        if (timebox_spend(f->box, CALL_US) && f->versions->due != NULL) {
            fleet_wake(f);
            return;
        }
    }
}

bool fleet_versions_wait(const struct fleet *f)
{
    return f->versions->waiting != NULL;
}

void fleet_versions_rejoined(struct fleet *f, uint64_t version)
{
    for (struct fleet_version_wait *w = f->versions->waiting; w != NULL; w = w->next)
        if (w->version > version)
            w->version = version;
}

static void answer(struct version_asking *a, struct fleet_version_wait *list)
{
    struct fleet *f = a->f;
    while (list != NULL) {
        struct fleet_version_wait *w = list;
        list = w->next;
        w->version = a->version;
        if (a->failed || is_applied(f, w))
            is_due(f, w, !a->failed);
        else
            wait_for_log(f, w);
    }
    fleet_versions_go_on(f); /* who waits for the log has it read by this turn's tick */
}

static void finish(struct version_asking *a)
{
    answer(a, a->waits);
    free(a);
}

static void on_replicas(struct fleet_replica_wait *w, bool ok)
{
    struct version_asking *a = (struct version_asking *)w;
    a->failed = !ok;
    finish(a);
}

/* Takes out those who wrote nothing that a replica must have. */
static struct fleet_version_wait *take_readers(struct version_asking *a)
{
    struct fleet_version_wait *readers = NULL;
    struct fleet_version_wait **reader = &readers;
    struct fleet_version_wait **at = &a->waits;
    while (*at != NULL) {
        struct fleet_version_wait *w = *at;
        if (w->writes) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->next = NULL;
        *reader = w;
        reader = &w->next;
    }
    return readers;
}

static void await_replicas(struct version_asking *a)
{
    answer(a, take_readers(a));
    if (a->waits != NULL)
        fleet_replicas_wait(a->f, &a->replicas, on_replicas);
    else
        free(a);
}

static void on_version(void *arg, const redisReply *r)
{
    struct version_asking *a = arg;
    struct fleet *f = a->f;
    if (r == NULL || r->type == REDIS_REPLY_ERROR)
        a->failed = true;
    else if (r->type == REDIS_REPLY_STRING)
        a->version = strtoull(r->str, NULL, 10);
    else
        a->version = 0; /* lost */
    if (!a->failed && fleet_log_is_valid(f) && a->version < a->applied)
        fleet_reload(f, "Redis has an older version of the log");
    if (f->cfg.durability == DURABILITY_REPLICA && !a->failed)
        await_replicas(a);
    else
        finish(a);
}

/* gathered is a stack; those who asked first are called first. */
static struct fleet_version_wait *take_gathered(struct fleet *f)
{
    struct fleet_version_wait *list = NULL;
    while (f->versions->gathered != NULL) {
        struct fleet_version_wait *w = f->versions->gathered;
        f->versions->gathered = w->next;
        w->next = list;
        list = w;
    }
    return list;
}

void fleet_versions_flush(struct fleet *f)
{
    if (f->versions->gathered == NULL)
        return;
    struct version_asking *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return; /* next turn */
    a->f = f;
    a->waits = take_gathered(f);
    a->applied = fleet_log_is_valid(f) ? fleet_log_applied(f) : 0;
    redis_queue_begin(f->q, 2);
    redis_queue_str(f->q, "GET");
    redis_queue_str(f->q, f->keys.ver);
    redis_queue_end(f->q, REDIS_REPLAY, on_version, a);
}

void fleet_versions_applied(struct fleet *f)
{
    struct fleet_version_wait *list = f->versions->waiting;
    f->versions->waiting = f->versions->waiting_tail = NULL;
    while (list != NULL) {
        struct fleet_version_wait *w = list;
        list = w->next;
        if (is_applied(f, w))
            is_due(f, w, true);
        else
            wait_for_log(f, w);
    }
    fleet_versions_go_on(f);
}

void fleet_versions_reset(struct fleet *f)
{
    struct fleet_version_wait *due = f->versions->due;
    struct fleet_version_wait *waiting = f->versions->waiting;
    f->versions->due = f->versions->due_tail = NULL;
    f->versions->waiting = f->versions->waiting_tail = NULL;
    call_all(due, false);
    call_all(waiting, false);
    call_all(take_gathered(f), false);
}
