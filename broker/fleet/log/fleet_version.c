/* "Has anything changed that I don't know yet?", asked once per turn for everybody. */
#include "broker/fleet/log/fleet_version.h"

#include <stdlib.h>

#include "broker/fleet/node/fleet.h"
#include "broker/fleet/storage/fleet_replicas.h"
#include "common/base/timebox.h"

enum { CALL_US = 4 }; /* at least: a publish may have to be matched again */

STAILQ_HEAD(fleet_version_list, fleet_version_wait);

/* One GET on its way, and all who wait for it. */
struct version_asking {
    struct fleet_replica_wait replicas; /* first */
    struct fleet *f;
    struct fleet_version_list waits;
    uint64_t applied; /* when it was sent */
    uint64_t version;
    bool failed;
};

struct fleet_versions {
    struct fleet_version_list gathered; /* for the next GET */
    struct fleet_version_list waiting;  /* answered, ahead of the log */
    struct fleet_version_list due;      /* to be called */
};

bool fleet_versions_init(struct fleet *f)
{
    f->versions = calloc(1, sizeof(*f->versions));
    if (f->versions == NULL)
        return false;
    STAILQ_INIT(&f->versions->gathered);
    STAILQ_INIT(&f->versions->waiting);
    STAILQ_INIT(&f->versions->due);
    return true;
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
    STAILQ_INSERT_TAIL(&f->versions->gathered, w, next);
}

static struct fleet_version_wait *take_first(struct fleet_version_list *list)
{
    struct fleet_version_wait *w = STAILQ_FIRST(list);
    STAILQ_REMOVE_HEAD(list, next);
    return w;
}

static void refuse_all(struct fleet_version_list *list)
{
    while (!STAILQ_EMPTY(list)) {
        struct fleet_version_wait *w = take_first(list);
        w->fn(w, false);
    }
}

static bool is_applied(const struct fleet *f, const struct fleet_version_wait *w)
{
    return fleet_log_is_valid(f) && fleet_log_applied(f) >= w->version;
}

static void wait_for_log(struct fleet *f, struct fleet_version_wait *w)
{
    STAILQ_INSERT_TAIL(&f->versions->waiting, w, next);
}

static void is_due(struct fleet *f, struct fleet_version_wait *w, bool ok)
{
    w->ok = ok;
    STAILQ_INSERT_TAIL(&f->versions->due, w, next);
}

void fleet_versions_go_on(struct fleet *f)
{
    struct fleet_version_list *due = &f->versions->due;
    while (!STAILQ_EMPTY(due)) {
        struct fleet_version_wait *w = take_first(due);
        w->fn(w, w->ok);
        if (timebox_spend(f->box, CALL_US) && !STAILQ_EMPTY(due)) {
            fleet_wake(f);
            return;
        }
    }
}

bool fleet_versions_wait(const struct fleet *f)
{
    return !STAILQ_EMPTY(&f->versions->waiting);
}

void fleet_versions_rejoined(struct fleet *f, uint64_t version)
{
    struct fleet_version_wait *w;
    STAILQ_FOREACH (w, &f->versions->waiting, next)
        if (w->version > version)
            w->version = version;
}

static void answer(struct version_asking *a, struct fleet_version_list *list)
{
    struct fleet *f = a->f;
    while (!STAILQ_EMPTY(list)) {
        struct fleet_version_wait *w = take_first(list);
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
    answer(a, &a->waits);
    free(a);
}

static void on_replicas(struct fleet_replica_wait *w, bool ok)
{
    struct version_asking *a = (struct version_asking *)w;
    a->failed = !ok;
    finish(a);
}

/* Takes out those who wrote nothing that a replica must have. */
static void take_readers(struct version_asking *a, struct fleet_version_list *readers)
{
    struct fleet_version_list writers = STAILQ_HEAD_INITIALIZER(writers);
    while (!STAILQ_EMPTY(&a->waits)) {
        struct fleet_version_wait *w = take_first(&a->waits);
        STAILQ_INSERT_TAIL(w->writes ? &writers : readers, w, next);
    }
    STAILQ_CONCAT(&a->waits, &writers);
}

static void await_replicas(struct version_asking *a)
{
    struct fleet_version_list readers = STAILQ_HEAD_INITIALIZER(readers);
    take_readers(a, &readers);
    answer(a, &readers);
    if (!STAILQ_EMPTY(&a->waits))
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

void fleet_versions_flush(struct fleet *f)
{
    if (STAILQ_EMPTY(&f->versions->gathered))
        return;
    struct version_asking *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return; /* next turn */
    a->f = f;
    STAILQ_INIT(&a->waits);
    STAILQ_CONCAT(&a->waits, &f->versions->gathered);
    a->applied = fleet_log_is_valid(f) ? fleet_log_applied(f) : 0;
    redis_queue_begin(f->q, 2);
    redis_queue_str(f->q, "GET");
    redis_queue_str(f->q, f->keys.ver);
    redis_queue_end(f->q, REDIS_REPLAY, on_version, a);
}

void fleet_versions_applied(struct fleet *f)
{
    struct fleet_version_list list = STAILQ_HEAD_INITIALIZER(list);
    STAILQ_CONCAT(&list, &f->versions->waiting);
    while (!STAILQ_EMPTY(&list)) {
        struct fleet_version_wait *w = take_first(&list);
        if (is_applied(f, w))
            is_due(f, w, true);
        else
            wait_for_log(f, w);
    }
    fleet_versions_go_on(f);
}

void fleet_versions_reset(struct fleet *f)
{
    struct fleet_version_list list = STAILQ_HEAD_INITIALIZER(list);
    STAILQ_CONCAT(&list, &f->versions->due);
    STAILQ_CONCAT(&list, &f->versions->waiting);
    refuse_all(&list);
    STAILQ_CONCAT(&list, &f->versions->gathered);
    refuse_all(&list);
}
