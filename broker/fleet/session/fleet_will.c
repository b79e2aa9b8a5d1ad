/* Publishes wills that a script has given to this node, exactly once: under the id client:epoch,
 * which queues and inboxes remember, and cleared in Redis only when it is out. Also collects what
 * is due in the buckets of this node's share: delayed wills, wills whose publisher died, sessions
 * that expired, and ended ones of which the log may not have heard. */
#include "broker/fleet/node/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"

enum { DUE_MS = 100, DUE_BUCKETS = 64, DUE_AT_ONCE = 20 };

/* Who asks for a will that is being published already. */
struct will_wait {
    struct will_wait *next;
    store_done_fn *done;
    void *arg;
};

struct will_op {
    struct will_op *next, *prev;
    UT_hash_handle hh; /* by message id */
    struct message_id id;
    struct fleet *f;
    struct message *message;
    uint64_t epoch;
    bool was_here; /* it came to this node's clients before */
    store_done_fn *done;
    void *arg;
    struct will_wait *waits;
    size_t client_len;
    char client[];
};

struct fleet_wills {
    struct will_op *ops;
    struct will_op *by_id;
};

bool fleet_wills_init(struct fleet *f)
{
    f->wills = calloc(1, sizeof(*f->wills));
    return f->wills != NULL;
}

void fleet_wills_free(struct fleet *f)
{
    while (f->wills != NULL && f->wills->ops != NULL) {
        struct will_op *op = f->wills->ops;

        f->wills->ops = op->next;
        HASH_DEL(f->wills->by_id, op);
        while (op->waits != NULL) {
            struct will_wait *w = op->waits;

            op->waits = w->next;
            free(w);
        }
        message_unref(op->message);
        free(op);
    }
    free(f->wills);
    f->wills = NULL;
}

void fleet_wills_each(struct fleet *f, void (*each)(struct fleet *, struct fleet_session_ref))
{
    for (const struct will_op *op = f->wills->ops; op != NULL; op = op->next)
        each(f, (struct fleet_session_ref){.client = {.data = (const uint8_t *)op->client,
                                                      .len = (uint32_t)op->client_len},
                                           .epoch = op->epoch});
}

static struct will_op *find(struct fleet *f, const struct message *m)
{
    struct will_op *op = NULL;

    if (f->wills->by_id != NULL)
        HASH_FIND(hh, f->wills->by_id, &m->id, sizeof(m->id), op);
    return op;
}

bool fleet_will_is(struct fleet *f, const struct message *m)
{
    return find(f, m) != NULL;
}

struct fleet_behalf fleet_will_behalf(struct fleet *f, const struct message *m)
{
    const struct will_op *op = find(f, m);

    if (op == NULL)
        return (struct fleet_behalf){0};
    return fleet_behalf_of(f, op->client, op->client_len, op->epoch);
}

static void op_free(struct will_op *op)
{
    if (op->prev != NULL)
        op->prev->next = op->next;
    else
        op->f->wills->ops = op->next;
    if (op->next != NULL)
        op->next->prev = op->prev;
    HASH_DEL(op->f->wills->by_id, op);
    message_unref(op->message);
    free(op);
}

/* Frees it, and tells all who wait for it. */
static void op_done(struct will_op *op, enum store_status status)
{
    struct will_wait *waits = op->waits;
    store_done_fn *done = op->done;
    void *done_arg = op->arg;

    op_free(op);
    if (done != NULL)
        done(done_arg, status);
    while (waits != NULL) {
        struct will_wait *w = waits;

        waits = w->next;
        w->done(w->arg, status);
        free(w);
    }
}

/* It isn't out before that op is done, which may take as long as Redis is full. */
static void wait_for(struct will_op *op, store_done_fn *done, void *arg)
{
    struct will_wait *w;

    if (done == NULL)
        return;
    w = malloc(sizeof(*w));
    if (w == NULL) {
        fleet_defer(op->f, done, arg, STORE_UNAVAILABLE);
        return;
    }
    *w = (struct will_wait){.next = op->waits, .done = done, .arg = arg};
    op->waits = w;
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
            inbox_forget(f, op->message->id);
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
    struct store_publish_request req = {.message = op->message};

    router_targets(op->f->router, op->message, &req.targets);
    fleet_publish(op->f, &req, on_published, op);
}

void fleet_will_publish(struct fleet *f, const char *client, size_t client_len, uint64_t epoch,
                        const void *frame, size_t len, store_done_fn *done, void *arg)
{
    struct will_op *op = calloc(1, sizeof(*op) + client_len);
    struct fleet_reader r = fleet_reader_of(frame, len);
    struct will_op *under_way;
    struct message *m;
    bool remember;

    m = fleet_frame_get(&r, &remember);
    if (op == NULL || m == NULL) {
        free(op);
        message_unref(m);
        if (r.failed)
            drop_unreadable(f, client, client_len, epoch);
        fleet_defer(f, done, arg, r.failed ? STORE_OK : STORE_UNAVAILABLE);
        return;
    }
    m->id = (struct message_id){.node = fleet_hash(client, client_len), .sequence = epoch};
    under_way = find(f, m);
    if (under_way != NULL) {
        wait_for(under_way, done, arg);
        free(op);
        message_unref(m);
        return;
    }
    op->f = f;
    op->message = m;
    op->epoch = epoch;
    op->done = done;
    op->arg = arg;
    op->client_len = client_len;
    memcpy(op->client, client, client_len);
    op->next = f->wills->ops;
    if (op->next != NULL)
        op->next->prev = op;
    f->wills->ops = op;
    op->id = m->id;
    HASH_ADD(hh, f->wills->by_id, id, sizeof(op->id), op);
    op->was_here = m->qos > 0 && inbox_knows(f, m->id);
    if (op->was_here)
        publish_elsewhere(op);
    else
        f->host.publish_will(f->host.arg, m, on_published, op);
}

/* ---- a will whose publisher is silent -------------------------------------------------------- */

struct will_taking {
    struct fleet *f;
    uint64_t epoch, taker;
    size_t client_len;
    char client[];
};

static void on_seized(void *arg, const redisReply *r)
{
    struct will_taking *t = arg;

    if (fleet_reply_status(r) == STORE_OK && r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
        strcmp(r->element[0]->str, "will") == 0)
        fleet_will_publish(t->f, t->client, t->client_len, t->epoch, r->element[1]->str,
                           r->element[1]->len, NULL, NULL);
    free(t);
}

static void on_taker_cut(void *arg, enum store_status status)
{
    struct will_taking *t = arg;
    struct fleet *f = t->f;
    struct fleet_key key =
        fleet_key_clients(&f->keys, fleet_client_bucket(&f->keys, t->client, t->client_len));
    char taker[FLEET_HEX_SIZE];

    if (status != STORE_OK) {
        free(t); /* it stays due */
        return;
    }
    fleet_hex(t->taker, taker);
    scripts_begin(&f->scripts, f->q, SCRIPT_SEIZE, key.text, 4);
    redis_queue_arg(f->q, t->client, t->client_len);
    redis_queue_u64(f->q, t->epoch);
    redis_queue_str(f->q, f->hex);
    redis_queue_str(f->q, taker);
    redis_queue_end(f->q, REDIS_REPLAY, on_seized, t);
}

static void on_room(void *arg, enum store_status status)
{
    struct will_taking *t = arg;
    struct fleet_session_ref session = {
        .client = {.data = (const uint8_t *)t->client, .len = (uint32_t)t->client_len},
        .epoch = t->epoch};

    if (status == STORE_OK)
        fleet_cut_client(t->f, t->taker, session, on_taker_cut, t);
    else
        free(t); /* it stays due */
}

/* It is cut off from it first, or it would publish it once more when it goes on. Unless it is well, and
 * only waits for Redis to have room. */
static void take_from(struct fleet *f, struct fleet_session_ref session, const redisReply *taker)
{
    struct will_taking *t = calloc(1, sizeof(*t) + session.client.len);

    if (t == NULL || !fleet_hex_parse(taker->str, taker->len, &t->taker)) {
        free(t);
        return;
    }
    t->f = f;
    t->epoch = session.epoch;
    t->client_len = session.client.len;
    memcpy(t->client, session.client.data, session.client.len);
    fleet_full_ask(f, on_room, t);
}

/* ---- what is due ----------------------------------------------------------------------------- */

struct due_asked {
    struct fleet *f;
    unsigned bucket;
};

static void on_due(void *arg, const redisReply *r)
{
    struct due_asked *asked = arg;
    struct fleet *f = asked->f;
    unsigned bucket = asked->bucket;

    free(asked);
    if (r == NULL || r->type != REDIS_REPLY_ARRAY)
        return;
    fleet_usage_count(f, bucket, (uint32_t)r->element[0]->integer);
    for (size_t i = 1; i + 3 < r->elements; i += 4) {
        const redisReply *client = r->element[i + 1];
        const redisReply *third = r->element[i + 2];
        const redisReply *fourth = r->element[i + 3];
        struct fleet_session_ref session = {
            .client = {.data = (const uint8_t *)client->str, .len = (uint32_t)client->len},
            .epoch = strtoull(third->str, NULL, 10)};

        if (r->element[i]->str[0] == 'w')
            fleet_will_publish(f, client->str, client->len, session.epoch, fourth->str, fourth->len,
                               NULL, NULL);
        else if (r->element[i]->str[0] == 'b')
            take_from(f, session, fourth);
        else
            fleet_retell_end(f, session, fourth);
    }
}

static void ask_due(struct fleet *f, unsigned bucket)
{
    struct fleet_key key = fleet_key_clients(&f->keys, bucket);
    struct due_asked *asked = malloc(sizeof(*asked));

    if (asked == NULL)
        return;
    *asked = (struct due_asked){.f = f, .bucket = bucket};
    scripts_begin(&f->scripts, f->q, SCRIPT_DUE, key.text, 2);
    redis_queue_str(f->q, f->hex);
    redis_queue_u64(f->q, DUE_AT_ONCE);
    redis_queue_end(f->q, REDIS_REPLAY, on_due, asked);
}

/* EVALSHA sha 1 key · node, most: none. */
static void void_due(void *each_arg, void *arg, struct redis_args args)
{
    size_t len = 0;
    char *most = NULL;

    (void)each_arg, (void)arg;
    for (size_t i = 0; i < 4 + 2; i++)
        most = redis_args_next(&args, &len);
    if (most != NULL)
        memset(most, '0', len);
}

void fleet_due_run_changed(struct fleet *f)
{
    redis_queue_each(f->q, on_due, void_due, NULL);
}

/* Each bucket is looked at by one node about every 1.6 s; which one, the nodes' order says. */
void fleet_due_tick(struct fleet *f)
{
    unsigned rank;
    unsigned count;

    if (f->now_ms < f->due_next_ms || f->state != FLEET_READY || !fleet_can_act(f) ||
        fleet_may_be_lost(f))
        return;
    f->due_next_ms = f->now_ms + DUE_MS;
    fleet_nodes_rank(f, &rank, &count);
    for (unsigned i = 0; i < DUE_BUCKETS; i++) {
        f->due_bucket = (f->due_bucket + 1) % FLEET_CLIENT_BUCKETS;
        if (f->due_bucket % count == rank)
            ask_due(f, f->due_bucket);
    }
}
