/* Publishes wills that a script has given to this node, exactly once: under the id client:epoch,
 * which queues and inboxes remember, and cleared in Redis only when it is out. */
#include "broker/fleet/session/fleet_will.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "broker/fleet/exchange/inbox.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_clock.h"
#include "broker/fleet/publish/fleet_publish.h"
#include "broker/fleet/publish/fleet_will_table.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "broker/message/publish_properties.h"
#include "common/log/log.h"

/* Callers that ask for a will that is being published already. */
struct will_wait {
    SLIST_ENTRY(will_wait) link;
    store_done_fn *done;
    void *arg;
};

SLIST_HEAD(will_waits, will_wait);

struct will_op {
    struct fleet_will_entry entry; /* first; owns a reference to the message */
    LIST_ENTRY(will_op) link;
    struct fleet *f;
    uint64_t epoch;
    bool was_here; /* it came to this node's clients before */
    store_done_fn *done;
    void *arg;
    struct will_waits waits;
    size_t client_len;
    char client[];
};

struct fleet_wills {
    LIST_HEAD(, will_op) ops;
};

bool fleet_wills_init(struct fleet *f)
{
    f->wills = calloc(1, sizeof(*f->wills));
    return f->wills != NULL;
}

static struct will_wait *take_wait(struct will_waits *waits)
{
    struct will_wait *w = SLIST_FIRST(waits);
    if (w != NULL)
        SLIST_REMOVE_HEAD(waits, link);
    return w;
}

static void op_free(struct will_op *op)
{
    LIST_REMOVE(op, link);
    fleet_will_table_remove(op->f, &op->entry);
    message_unref(op->entry.message);
    free(op);
}

void fleet_wills_free(struct fleet *f)
{
    while (f->wills != NULL && !LIST_EMPTY(&f->wills->ops)) {
        struct will_op *op = LIST_FIRST(&f->wills->ops);
        struct will_wait *w;
        while ((w = take_wait(&op->waits)) != NULL)
            free(w);
        op_free(op);
    }
    free(f->wills);
    f->wills = NULL;
}

void fleet_wills_each(struct fleet *f, void (*each)(struct fleet *, struct fleet_session_ref))
{
    const struct will_op *op;
    LIST_FOREACH (op, &f->wills->ops, link)
        each(f, (struct fleet_session_ref){.client = {.data = (const uint8_t *)op->client,
                                                      .len = (uint32_t)op->client_len},
                                           .epoch = op->epoch});
}

/* Frees it and completes all that wait for it. */
static void op_done(struct will_op *op, enum store_status status)
{
    struct will_waits waits = op->waits;
    store_done_fn *done = op->done;
    void *done_arg = op->arg;
    op_free(op);
    if (done != NULL)
        done(done_arg, status);
    struct will_wait *w;
    while ((w = take_wait(&waits)) != NULL) {
        w->done(w->arg, status);
        free(w);
    }
}

/* The will isn't published before that op is done, which may take as long as Redis is full. */
static void wait_for(struct will_op *op, store_done_fn *done, void *arg)
{
    if (done == NULL)
        return;
    struct will_wait *w = malloc(sizeof(*w));
    if (w == NULL) {
        fleet_defer(op->f, done, arg, STORE_UNAVAILABLE);
        return;
    }
    *w = (struct will_wait){.done = done, .arg = arg};
    SLIST_INSERT_HEAD(&op->waits, w, link);
}

static void on_cleared(void *arg, const redisReply *r)
{
    op_done(arg, fleet_reply_status(r));
}

/* It is out. `op` is done then, if there is one. */
static void clear(struct fleet *f, const char *client, size_t len, uint64_t epoch,
                  struct will_op *op)
{
    struct fleet_key key = fleet_key_clients(&f->keys, fleet_client_bucket(&f->keys, client, len));
    scripts_begin(&f->scripts, f->q, SCRIPT_WILL_CLEAR, key.text, 2);
    redis_queue_arg(f->q, client, len);
    redis_queue_u64(f->q, epoch);
    redis_queue_end(f->q, REDIS_REPLAY, op != NULL ? on_cleared : NULL, op);
}

/* Nobody could ever publish it. */
static void drop_unreadable(struct fleet *f, const char *client, size_t len, uint64_t epoch)
{
    LOG_LIMITED(LOG_LEVEL_ERROR, "will_unreadable", KV_BYTES("client_id", client, len));
    clear(f, client, len, epoch, NULL);
}

static void on_published(void *arg, enum store_status status)
{
    struct will_op *op = arg;
    struct fleet *f = op->f;
    if (status != STORE_OK) {
        /* It stays in `due`, from where some node tries again; this one has delivered nothing. */
        if (!op->was_here)
            inbox_forget(f, op->entry.message->id);
        op_done(op, status);
        return;
    }
    metric_add(f->metrics.wills, 1);
    clear(f, op->client, op->client_len, op->epoch, op);
}

/* This node's clients have it from a node that published it before. That one may not have come to
 * all others; those that have it know it again. */
static void publish_elsewhere(struct will_op *op)
{
    struct fleet *f = op->f;
    struct message *due =
        publish_properties_of_will(op->entry.message, fleet_clock_now_ms(f->clock));
    struct store_publish_request req = {.message = due};
    if (due == NULL) {
        on_published(op, STORE_UNAVAILABLE);
        return;
    }
    f->host.match(f->host.arg, due, &req.targets);
    fleet_publish(f, &req, on_published, op);
    message_unref(due);
}

void fleet_will_publish(struct fleet *f, const char *client, size_t client_len, uint64_t epoch,
                        const void *frame, size_t len, store_done_fn *done, void *arg)
{
    struct will_op *op = calloc(1, sizeof(*op) + client_len);
    struct fleet_reader r = fleet_reader_of(frame, len);
    bool remember;
    struct message *m = fleet_frame_get(&r, &remember);
    if (op == NULL || m == NULL) {
        free(op);
        message_unref(m);
        if (r.failed)
            drop_unreadable(f, client, client_len, epoch);
        fleet_defer(f, done, arg, r.failed ? STORE_OK : STORE_UNAVAILABLE);
        return;
    }
    m->id = (struct message_id){.node = fleet_hash(client, client_len), .sequence = epoch};
    struct will_op *under_way = (struct will_op *)fleet_will_table_find(f, m);
    if (under_way != NULL) {
        wait_for(under_way, done, arg);
        free(op);
        message_unref(m);
        return;
    }
    op->f = f;
    op->entry.message = m;
    op->epoch = epoch;
    op->done = done;
    op->arg = arg;
    op->client_len = client_len;
    memcpy(op->client, client, client_len);
    LIST_INSERT_HEAD(&f->wills->ops, op, link);
    op->entry.id = m->id;
    op->entry.behalf = fleet_behalf_of(f, client, client_len, epoch);
    fleet_will_table_add(f, &op->entry);
    op->was_here = m->qos > 0 && inbox_knows(f, m->id);
    if (op->was_here)
        publish_elsewhere(op);
    else
        f->host.publish_will(f->host.arg, m, on_published, op);
}
