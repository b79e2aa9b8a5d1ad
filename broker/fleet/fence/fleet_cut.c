/* One cut of a node at a time:
 *
 *     NOTING     cut.lua notes what the node loses and names its connections
 *     -> KILLING they are closed at Redis; a lost answer begins again with NOTING
 *     -> WAITING (only without the right to kill) the node's lease runs out
 *     -> done, or NOTING again for those who asked meanwhile
 */
#include "broker/fleet/fence/fleet_cut.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/node/fleet.h"
#include "common/log/log.h"

enum { NOTED_BYTES = 64 * 1024 }; /* of one cut; the rest is for the next one */

enum cut_state { CUT_IDLE, CUT_NOTING, CUT_KILLING, CUT_WAITING };

struct cut_wait {
    STAILQ_ENTRY(cut_wait) link;
    store_done_fn *done;
    void *arg;
    bool dead;
    struct fleet_bytes session; /* client, epoch; empty: none */
};

STAILQ_HEAD(cut_list, cut_wait);

struct fleet_cutting {
    struct fleet_cutting *next;
    struct fleet *f;
    uint64_t node;
    enum cut_state state;
    struct cut_list asked, served; /* for the next cut; by the one under way */
    unsigned kills;                /* not answered yet */
    bool again;                    /* a kill's answer was lost */
    bool open;                     /* a connection may be left that can't be closed */
    uint64_t since_ms;             /* CUT_WAITING */
};

static void note(struct fleet_cutting *c);

static struct cut_wait *pop(struct cut_list *list)
{
    struct cut_wait *w = STAILQ_FIRST(list);
    STAILQ_REMOVE_HEAD(list, link);
    return w;
}

static void tell_all(struct cut_list *list, enum store_status status)
{
    struct cut_list due = STAILQ_HEAD_INITIALIZER(due);
    STAILQ_CONCAT(&due, list);
    while (!STAILQ_EMPTY(&due)) {
        struct cut_wait *w = pop(&due);
        w->done(w->arg, status);
        fleet_bytes_fini(&w->session);
        free(w);
    }
}

static void cutting_free(struct fleet_cutting *c)
{
    struct fleet_cutting **at = &c->f->cuttings;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    free(c);
}

/* This node starts over or ends: nobody goes on. */
static bool is_over(const struct fleet *f)
{
    return !fleet_is_joined(f);
}

static void finish(struct fleet_cutting *c, enum store_status status)
{
    tell_all(&c->served, status);
    if (is_over(c->f))
        tell_all(&c->asked, STORE_UNAVAILABLE);
    c->state = CUT_IDLE;
    if (!STAILQ_EMPTY(&c->asked))
        note(c);
    else
        cutting_free(c);
}

/* ---- KILLING --------------------------------------------------------------------------------- */

static void killed(struct fleet_cutting *c)
{
    if (--c->kills > 0)
        return;
    if (is_over(c->f)) {
        finish(c, STORE_UNAVAILABLE);
    } else if (c->again) {
        note(c);
    } else if (c->open) {
        c->state = CUT_WAITING;
        c->since_ms = c->f->boot_ms;
    } else {
        finish(c, STORE_OK);
    }
}

static void on_killed(void *arg, const redisReply *r)
{
    struct fleet_cutting *c = arg;
    if (r == NULL)
        c->again = true;
    else if (r->type == REDIS_REPLY_ERROR)
        c->open = true;
    killed(c);
}

/* "<run>:<id>": of this run, or nothing's any more. */
static const char *id_of(const struct fleet *f, const redisReply *connection)
{
    size_t run = strlen(f->run_tag);
    if (connection->len <= run || memcmp(connection->str, f->run_tag, run) != 0 ||
        connection->str[run] != ':')
        return NULL;
    return connection->str + run + 1;
}

static void kill_connection(struct fleet_cutting *c, const char *id, const redisReply *connection)
{
    struct fleet *f = c->f;
    struct fleet_key key = fleet_key_node(&f->keys, c->node);
    if (!f->may_kill || strcmp(id, "0") == 0) { /* 0: its user may not ask for its id */
        c->open = true;
        return;
    }
    c->kills++;
    redis_queue_begin(f->q, 4);
    redis_queue_str(f->q, "CLIENT");
    redis_queue_str(f->q, "KILL");
    redis_queue_str(f->q, "ID");
    redis_queue_str(f->q, id);
    redis_queue_end(f->q, REDIS_VOLATILE, on_killed, c);
    redis_queue_begin(f->q, 3);
    redis_queue_str(f->q, "HDEL");
    redis_queue_arg2(f->q, key.text, strlen(key.text), "link", 4);
    redis_queue_arg2(f->q, "c:", 2, connection->str, connection->len);
    redis_queue_end(f->q, REDIS_VOLATILE, NULL, NULL);
}

/* ---- NOTING ---------------------------------------------------------------------------------- */

static void on_noted(void *arg, const redisReply *r)
{
    struct fleet_cutting *c = arg;
    struct fleet *f = c->f;
    enum store_status status = fleet_reply_status(r);
    if (status == STORE_OK && r->type != REDIS_REPLY_ARRAY)
        status = STORE_UNAVAILABLE;
    if (status != STORE_OK) {
        finish(c, status);
        return;
    }
    c->state = CUT_KILLING;
    c->again = c->open = false;
    c->kills = 1; /* this function */
    for (size_t i = 0; i < r->elements; i++) {
        const char *id = id_of(f, r->element[i]);
        if (id != NULL)
            kill_connection(c, id, r->element[i]);
    }
    LOG_DEBUG("node_cut", KV_UINT("node", c->node), KV_UINT("connections", c->kills - 1));
    if (r->elements > 0)
        metric_add(f->metrics.cuts, 1);
    killed(c);
}

static bool put_taken(struct fleet_bytes *taken, const struct cut_wait *w)
{
    fleet_bytes_put(taken, w->session.data, w->session.len);
    taken->failed |= w->session.failed;
    return w->dead;
}

/* What those who are served take from the node: whom a cut that begins again served, then those who asked. */
static bool gather(struct fleet_cutting *c, struct fleet_bytes *taken)
{
    bool dead = false;
    struct cut_wait *w;
    STAILQ_FOREACH (w, &c->served, link)
        dead |= put_taken(taken, w);
    while (!STAILQ_EMPTY(&c->asked) && taken->len < NOTED_BYTES) {
        w = pop(&c->asked);
        STAILQ_INSERT_TAIL(&c->served, w, link);
        dead |= put_taken(taken, w);
    }
    return dead;
}

static void note(struct fleet_cutting *c)
{
    struct fleet *f = c->f;
    struct fleet_key key = fleet_key_node(&f->keys, c->node);
    struct fleet_bytes taken = {0};
    bool dead = gather(c, &taken);
    c->state = CUT_NOTING;
    if (taken.failed) {
        fleet_bytes_fini(&taken);
        finish(c, STORE_UNAVAILABLE);
        return;
    }
    scripts_begin(&f->scripts, f->q, SCRIPT_CUT, key.text, 2);
    redis_queue_arg(f->q, taken.data, taken.len);
    redis_queue_str(f->q, dead ? "1" : "0");
    redis_queue_end(f->q, REDIS_REPLAY, on_noted, c);
    fleet_bytes_fini(&taken);
}

/* ---- the calls ------------------------------------------------------------------------------- */

static struct fleet_cutting *cutting_of(struct fleet *f, uint64_t node)
{
    struct fleet_cutting *c = f->cuttings;
    while (c != NULL && c->node != node)
        c = c->next;
    if (c != NULL)
        return c;
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->f = f;
    c->node = node;
    STAILQ_INIT(&c->asked);
    STAILQ_INIT(&c->served);
    c->next = f->cuttings;
    f->cuttings = c;
    return c;
}

static void cut(struct fleet *f, uint64_t node, bool dead, const struct fleet_session_ref *session,
                store_done_fn *done, void *arg)
{
    struct fleet_cutting *c = cutting_of(f, node);
    struct cut_wait *w = c != NULL ? calloc(1, sizeof(*w)) : NULL;
    if (w == NULL) {
        if (c != NULL && c->state == CUT_IDLE)
            cutting_free(c);
        fleet_defer(f, done, arg, STORE_UNAVAILABLE);
        return;
    }
    w->done = done;
    w->arg = arg;
    w->dead = dead;
    if (session != NULL) {
        fleet_bytes_slice(&w->session, session->client);
        fleet_bytes_varint(&w->session, session->epoch);
    }
    STAILQ_INSERT_TAIL(&c->asked, w, link);
    if (c->state == CUT_IDLE)
        note(c);
}

void fleet_cut_client(struct fleet *f, uint64_t node, struct fleet_session_ref session,
                      store_done_fn *done, void *arg)
{
    cut(f, node, false, &session, done, arg);
}

void fleet_cut_node(struct fleet *f, uint64_t node, store_done_fn *done, void *arg)
{
    cut(f, node, false, NULL, done, arg);
}

void fleet_cut_dead(struct fleet *f, uint64_t node, store_done_fn *done, void *arg)
{
    cut(f, node, true, NULL, done, arg);
}

/* Without the right to kill: a node that stands still is unsure by then, or it is dead. */
static bool has_waited(const struct fleet_cutting *c)
{
    const struct fleet *f = c->f;
    uint64_t unsure_ms = f->cfg.lease_ms * 4 / 5 + f->cfg.beat_interval_ms;
    return fleet_node_find(c->f, c->node) == NULL || f->boot_ms - c->since_ms > unsure_ms;
}

void fleet_cut_tick(struct fleet *f)
{
    struct fleet_cutting *next;
    for (struct fleet_cutting *c = f->cuttings; c != NULL; c = next) {
        next = c->next;
        if (c->state == CUT_WAITING && has_waited(c))
            finish(c, STORE_OK);
    }
}

/* An id below 1: Redis refuses it, and `again` notes anew. */
static void void_id(void *each_arg, void *arg, struct redis_args args)
{
    char *last = NULL;
    (void)each_arg, (void)arg;
    size_t len;
    for (char *a = redis_args_next(&args, &len); a != NULL; a = redis_args_next(&args, &len))
        last = a;
    if (last != NULL)
        memset(last, '0', len);
}

void fleet_cut_run_changed(struct fleet *f)
{
    redis_queue_each(f->q, on_killed, void_id, NULL);
    for (struct fleet_cutting *c = f->cuttings; c != NULL; c = c->next)
        c->again |= c->state == CUT_KILLING;
}

void fleet_cut_reset(struct fleet *f)
{
    while (f->cuttings != NULL) {
        tell_all(&f->cuttings->asked, STORE_UNAVAILABLE);
        finish(f->cuttings, STORE_UNAVAILABLE);
    }
}
