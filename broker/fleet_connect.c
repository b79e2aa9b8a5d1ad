/* Rule 7: a connection takes its client id in the whole fleet.
 *
 *     CLAIMING       the claim script raises the epoch and says who had the client
 *     -> LETTING_GO  each former owner is asked to let go; from one that doesn't answer within
 *                    LET_GO_MS, or is dead, the client is taken (fleet_cut.h)
 *     -> SEIZING     a will that its owner didn't deal with is taken and published
 *     -> SETTLING    routes are announced; the log, the inbox and the channel have been read up to
 *                    now, so that order holds when a publisher moves to its subscriber's node
 *     -> done
 *
 * fleet_let_go.c is the other side: what a node does that is asked to let go. */
#include "broker/account.h"
#include "broker/fleet_connect_op.h"

#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

enum { SEIZE_AGAIN_MS = 50, SEIZE_BUSY_MS = 1000, CONNECT_MS = 10000 };

bool fleet_connects_init(struct fleet *f)
{
    f->connects = calloc(1, sizeof(*f->connects));
    return f->connects != NULL;
}

void fleet_connects_free(struct fleet *f)
{
    free(f->connects);
    f->connects = NULL;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void leave_list(struct connect_op *op)
{
    if (op->prev != NULL)
        op->prev->next = op->next;
    else
        op->f->connects->ops = op->next;
    if (op->next != NULL)
        op->next->prev = op->prev;
    connect_pass_on_asked(op);
}

/* Whichever way it ends. When it came true, the core has told the router of the session before. */
static void release_routes(struct connect_op *op)
{
    if (!op->holds_routes)
        return;
    op->holds_routes = false;
    for (size_t i = 0; i < op->result.subscription_count; i++)
        route_release(op->f, op->subs[i].filter);
}

static void free_result(struct connect_op *op)
{
    free(op->subs);
    free(op->open_qos2);
    free(op->released);
    fleet_bytes_fini(&op->text);
    op->subs = NULL;
    op->open_qos2 = NULL;
    op->released = NULL;
    op->text = (struct fleet_bytes){0};
    op->result = (struct store_connect_result){0};
}

static void op_free(struct connect_op *op)
{
    release_routes(op);
    if (!op->over)
        leave_list(op);
    free_result(op);
    fleet_hold_unref(op->h);
    free(op);
}

/* Not connected after all: what the claim took is given back. */
static void give_back(struct connect_op *op)
{
    if (op->hold->epoch == 0 && op->h->hold != NULL) {
        fleet_hold_drop(op->h); /* it took nothing */
        return;
    }
    if (op->hold->store_data == NULL && op->h->hold != NULL)
        op->hold->store_data = op->h;
    if (op->hold->store_data != NULL)
        fleet_disconnect(op->f, op->hold, false, op->h->expiry_s, NULL, NULL);
}

static void claim(struct connect_op *op);

/* The claim that it had may be lost, and with it what it answered. If it isn't, the same answer comes
 * again: the token is the same. */
static void begin_again(struct connect_op *op)
{
    release_routes(op);
    free_result(op);
    op->again = op->failed = op->claim_lost = false;
    op->wills[0] = op->wills[1] = op->taker = 0;
    op->owner_count = 0;
    if (op->h->hold == NULL)
        connect_finish(op, STORE_UNAVAILABLE); /* the node started over meanwhile */
    else
        claim(op);
}

static bool is_fenced(const struct connect_op *op)
{
    return op->fenced_by > op->hold->epoch;
}

void connect_finish(struct connect_op *op, enum store_status status)
{
    if (status == STORE_OK && op->h->hold == NULL)
        status = STORE_UNAVAILABLE; /* the node started over meanwhile */
    LOG_DEBUG("client_connected", KV_STR("client_id", op->hold->client_id),
              KV_UINT("epoch", op->hold->epoch), KV_INT("status", status));
    if (status == STORE_OK) {
        op->hold->store_data = op->h;
        op->h->sent = op->result.next_sequence - 1;
        op->done(op->arg, STORE_OK, &op->result);
    } else {
        if (status == STORE_FENCED && op->hold->durable && op->hold->epoch != 0)
            fleet_resync(op->f, op->hold->client_id, op->hold->client_id_len);
        give_back(op);
        op->done(op->arg, status, NULL);
    }
    op_free(op);
}

/* The client isn't kept waiting for what doesn't come. */
static void give_up(struct connect_op *op)
{
    LOG_LIMITED(LOG_LEVEL_WARN, "connect_timed_out", KV_STR("client_id", op->hold->client_id),
                KV_UINT("waits_for", op->waits));
    op->over = true;
    leave_list(op);
    release_routes(op);
    give_back(op);
    op->done(op->arg, STORE_UNAVAILABLE, NULL);
}

/* ---- SETTLING -------------------------------------------------------------------------------- */

struct settle_version {
    struct fleet_version_wait wait; /* first */
    struct connect_op *op;
};

static void settled(struct connect_op *op, bool ok)
{
    if (!ok)
        op->failed = true;
    if (--op->waits > 0)
        return;
    if (op->over)
        op_free(op);
    else if (is_fenced(op))
        connect_finish(op, STORE_FENCED);
    else if (op->again)
        begin_again(op);
    else if (op->claim_lost)
        connect_finish(op, STORE_FENCED);
    else
        connect_finish(op, op->failed ? STORE_UNAVAILABLE : STORE_OK);
}

static void on_version(struct fleet_version_wait *w, bool ok)
{
    struct connect_op *op = ((struct settle_version *)w)->op;

    free(w);
    settled(op, ok);
}

static void on_barrier(void *arg, bool ok)
{
    settled(arg, ok);
}

/* The log has what the claim handed out to be said. */
static void forget_removals(struct connect_op *op)
{
    struct fleet *f = op->f;
    struct fleet_key key = fleet_key_clients(&f->keys, op->h->bucket);

    scripts_begin(&f->scripts, f->q, SCRIPT_UNSUBSCRIBE, key.text, 3);
    redis_queue_arg(f->q, op->hold->client_id, op->hold->client_id_len);
    redis_queue_u64(f->q, op->hold->epoch);
    redis_queue_str(f->q, "0");
    redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
}

static void on_appended(void *arg, enum store_status status)
{
    struct connect_op *op = arg;

    if (status == STORE_OK && op->entry != 0 && !op->over) /* over: the core's hold may be gone */
        forget_removals(op);
    settled(op, status == STORE_OK);
}

static void on_armed(void *arg, const redisReply *r)
{
    struct connect_op *op = arg;

    if (fleet_reply_status(r) == STORE_OK && r->integer == 0)
        op->claim_lost = true;
    settled(op, fleet_reply_status(r) == STORE_OK);
}

/* From here on the connection has a will. */
static void arm_will(struct connect_op *op)
{
    struct fleet *f = op->f;
    struct fleet_key key = fleet_key_clients(&f->keys, op->h->bucket);

    if (op->h->will.len == 0)
        return;
    op->waits++;
    scripts_begin(&f->scripts, f->q, SCRIPT_ARM, key.text, 4);
    redis_queue_arg(f->q, op->hold->client_id, op->hold->client_id_len);
    redis_queue_u64(f->q, op->hold->epoch);
    redis_queue_arg(f->q, op->h->will.data, op->h->will.len);
    redis_queue_u64(f->q, op->h->will_delay_s);
    redis_queue_end(f->q, REDIS_REPLAY, on_armed, op);
}

static void settle(struct connect_op *op)
{
    struct fleet *f = op->f;
    struct settle_version *version = calloc(1, sizeof(*version));
    uint64_t entry = op->entry;

    op->state = CONNECT_SETTLING;
    op->deadline_ms = f->now_ms + CONNECT_MS;
    op->holds_routes = true;
    for (size_t i = 0; i < op->result.subscription_count; i++) {
        uint64_t number = route_hold(f, op->subs[i].filter);

        if (number > entry)
            entry = number;
    }
    op->waits = 4;
    arm_will(op);
    inbox_barrier(f, on_barrier, op);
    fleet_append_wait(f, entry, on_appended, op);
    if (version != NULL) {
        version->op = op;
        fleet_version_check(f, &version->wait, on_version);
    } else {
        settled(op, false);
    }
    settled(op, true); /* the last of the four: this function */
}

/* ---- SEIZING --------------------------------------------------------------------------------- */

static void seize(struct connect_op *op);

/* The oldest will is out, or isn't there any more. */
static void next_will(struct connect_op *op)
{
    op->wills[0] = op->wills[1];
    op->wills[1] = 0;
    op->taker = 0;
    op->seize_until_ms = op->f->now_ms + SEIZE_BUSY_MS;
    seize(op);
}

/* One that failed is still this node's to publish, and must be out before the CONNACK. */
static void on_will_out(void *arg, enum store_status status)
{
    struct connect_op *op = arg;
    struct fleet *f = op->f;

    op->busy = false;
    if (status == STORE_OK)
        next_will(op);
    else if (f->freeing || !f->joined || f->now_ms >= op->give_up_ms)
        connect_finish(op, STORE_UNAVAILABLE);
    else
        op->deadline_ms = f->now_ms + SEIZE_AGAIN_MS; /* fleet_connect_tick seizes it again */
}

static struct fleet_session_ref session_of(const struct connect_op *op)
{
    return (struct fleet_session_ref){
        .client = {.data = (const uint8_t *)op->hold->client_id, .len = op->hold->client_id_len},
        .epoch = op->hold->epoch};
}

static void on_taker_cut(void *arg, enum store_status status)
{
    struct connect_op *op = arg;

    op->busy = false;
    if (status != STORE_OK)
        connect_finish(op, status);
    else
        seize(op);
}

/* Another node publishes the will. It is given a second; then the will is cut off from it first, so
 * that it can't come again behind what this client says next. */
static void wait_for_taker(struct connect_op *op, const redisReply *hex)
{
    struct fleet *f = op->f;
    uint64_t taker = 0;
    bool was_cut = false;

    fleet_hex_parse(hex->str, hex->len, &taker);
    for (size_t i = 0; i < op->owner_count; i++)
        was_cut |= op->owners[i].node == taker && op->owners[i].was_cut;
    if (!was_cut && f->now_ms < op->seize_until_ms) {
        op->deadline_ms = f->now_ms + SEIZE_AGAIN_MS; /* fleet_connect_tick asks again */
        return;
    }
    op->taker = taker;
    op->busy = true;
    if (was_cut)
        on_taker_cut(op, STORE_OK);
    else
        fleet_cut_client(f, taker, session_of(op), on_taker_cut, op);
}

static void on_seized(void *arg, const redisReply *r)
{
    struct connect_op *op = arg;
    struct fleet *f = op->f;
    const char *word;

    op->busy = false;
    if (fleet_reply_status(r) != STORE_OK || r->type != REDIS_REPLY_ARRAY) {
        connect_finish(op, fleet_reply_status(r) == STORE_OK ? STORE_UNAVAILABLE
                                                             : fleet_reply_status(r));
        return;
    }
    word = r->element[0]->str;
    op->busy = strcmp(word, "will") == 0;
    if (op->busy)
        fleet_will_publish(f, op->hold->client_id, op->hold->client_id_len, op->wills[0],
                           r->element[1]->str, r->element[1]->len, on_will_out, op);
    else if (strcmp(word, "busy") == 0)
        wait_for_taker(op, r->element[1]);
    else
        next_will(op);
}

static void seize(struct connect_op *op)
{
    struct fleet *f = op->f;
    struct fleet_key key = fleet_key_clients(&f->keys, op->h->bucket);
    char taker[FLEET_HEX_SIZE];

    if (op->state != CONNECT_SEIZING) {
        op->state = CONNECT_SEIZING;
        op->seize_until_ms = f->now_ms + SEIZE_BUSY_MS;
        op->give_up_ms = f->now_ms + CONNECT_MS;
    }
    if (is_fenced(op)) {
        connect_finish(op, STORE_FENCED);
        return;
    }
    if (op->again) {
        begin_again(op);
        return;
    }
    if (op->wills[0] == 0 && op->wills[1] != 0)
        op->wills[0] = op->wills[1], op->wills[1] = 0;
    if (op->wills[0] == 0) {
        settle(op);
        return;
    }
    op->busy = true;
    op->deadline_ms = UINT64_MAX; /* until its answer says so */
    scripts_begin(&f->scripts, f->q, SCRIPT_SEIZE, key.text, 4);
    redis_queue_arg(f->q, op->hold->client_id, op->hold->client_id_len);
    redis_queue_u64(f->q, op->wills[0]);
    redis_queue_str(f->q, f->hex);
    fleet_hex(op->taker, taker);
    redis_queue_str(f->q, taker);
    redis_queue_end(f->q, REDIS_REPLAY, on_seized, op);
}

/* ---- LETTING_GO ------------------------------------------------------------------------------ */

/* No older connection is left anywhere: the next claim needn't ask them any more. */
static void forget_owners(struct connect_op *op)
{
    struct fleet *f = op->f;
    struct fleet_key key = fleet_key_clients(&f->keys, op->h->bucket);

    scripts_begin(&f->scripts, f->q, SCRIPT_LET_GO, key.text, 2);
    redis_queue_arg(f->q, op->hold->client_id, op->hold->client_id_len);
    redis_queue_u64(f->q, op->hold->epoch);
    redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
}

static void owner_gone(struct connect_owner *o)
{
    struct connect_op *op = o->op;

    o->state = OWNER_GONE;
    for (size_t i = 0; i < op->owner_count; i++)
        if (op->owners[i].state != OWNER_GONE)
            return;
    if (op->failed) { /* an older connection may be left: the next claim asks for it again */
        connect_finish(op, STORE_UNAVAILABLE);
        return;
    }
    if (op->owner_count > 0 && !op->again)
        forget_owners(op);
    seize(op);
}

static void on_owner_cut(void *arg, enum store_status status)
{
    struct connect_owner *o = arg;
    struct connect_op *op = o->op;

    o->was_cut = true;
    if (status == STORE_OK) {
        owner_gone(o);
        return;
    }
    o->state = OWNER_GONE;
    op->failed = true;
    for (size_t i = 0; i < op->owner_count; i++)
        if (op->owners[i].state == OWNER_CUT)
            return; /* its answer refers to the op */
    connect_finish(op, status);
}

static void cut_owner(struct connect_owner *o)
{
    o->state = OWNER_CUT;
    fleet_cut_client(o->op->f, o->node, session_of(o->op), on_owner_cut, o);
}

static void ask_owner(struct connect_owner *o)
{
    struct connect_op *op = o->op;
    struct fleet *f = op->f;
    struct route_node *n;

    if (o->node == f->id) {
        connect_await_own(op);
        return;
    }
    /* A node that this one doesn't know may be new or dead: its inbox will tell. */
    n = fleet_node_get(f, o->node);
    if (n == NULL)
        cut_owner(o);
    else
        outbox_add_let_go(f, n, op->request, op->hold->epoch, session_of(op).client);
}

static void ask_owners(struct connect_op *op)
{
    size_t count = op->owner_count;

    op->state = CONNECT_LETTING_GO;
    op->deadline_ms = op->f->now_ms + LET_GO_MS;
    if (count == 0) {
        seize(op);
        return;
    }
    metric_add(op->f->metrics.takeovers, 1);
    for (size_t i = count; i-- > 0;) /* the last answer may end the op: this node's own is first */
        ask_owner(&op->owners[i]);
}

static struct connect_owner *owner_asked(struct connect_op *op, uint64_t node)
{
    for (size_t i = 0; op->state == CONNECT_LETTING_GO && i < op->owner_count; i++)
        if (op->owners[i].node == node && op->owners[i].state == OWNER_ASKED)
            return &op->owners[i];
    return NULL;
}

void fleet_connect_answered(struct fleet *f, uint64_t node, uint64_t request)
{
    for (struct connect_op *op = f->connects->ops; op != NULL; op = op->next) {
        struct connect_owner *o = op->request == request ? owner_asked(op, node) : NULL;

        if (o != NULL) {
            owner_gone(o);
            return;
        }
    }
}

void fleet_connect_node_gone(struct fleet *f, uint64_t node)
{
    struct connect_op *next;

    if (f->connects == NULL || f->freeing || !f->joined)
        return;
    for (struct connect_op *op = f->connects->ops; op != NULL; op = next) {
        struct connect_owner *o = owner_asked(op, node);

        next = op->next;
        if (o != NULL)
            cut_owner(o);
    }
}

/* Nobody waits longer for those who don't answer. */
static void pass_over_owners(struct connect_op *op)
{
    op->deadline_ms = UINT64_MAX;
    LOG_LIMITED(LOG_LEVEL_WARN, "owner_silent", KV_STR("client_id", op->hold->client_id));
    for (size_t i = op->owner_count; i-- > 0;) {
        struct connect_owner *o = &op->owners[i];

        if (o->state == OWNER_ASKED && o->node == op->f->id)
            owner_gone(o); /* the first one, so the loop's last: the op may be over */
        else if (o->state == OWNER_ASKED)
            cut_owner(o);
    }
}

void fleet_connect_taken(struct fleet *f, const char *client_id, size_t len, uint64_t epoch)
{
    struct connect_op *next;

    for (struct connect_op *op = f->connects->ops; op != NULL; op = next) {
        next = op->next;
        if (op->hold->epoch == 0 || op->hold->epoch >= epoch || op->hold->client_id_len != len ||
            memcmp(op->hold->client_id, client_id, len) != 0)
            continue;
        if (epoch > op->fenced_by)
            op->fenced_by = epoch;
        if (op->state == CONNECT_SEIZING && !op->busy)
            connect_finish(op, STORE_FENCED);
    }
}

bool fleet_connect_each_subscription(struct fleet *f, const struct store_hold *hold,
                                     store_subscription_fn *each, void *arg)
{
    for (struct connect_op *op = f->connects->ops; op != NULL; op = op->next) {
        for (size_t i = 0; op->hold == hold && i < op->result.subscription_count; i++)
            each(arg, &op->subs[i]);
        if (op->hold == hold)
            return true;
    }
    return false;
}

/* ---- CLAIMING -------------------------------------------------------------------------------- */

static uint64_t number_of(const redisReply *r)
{
    return r->str != NULL ? strtoull(r->str, NULL, 10) : 0;
}

static bool take_subscriptions(struct connect_op *op, const redisReply *r)
{
    struct fleet_reader reader;
    size_t count = r->elements / 2;

    op->subs = count > 0 ? calloc(count, sizeof(*op->subs)) : NULL;
    if (count > 0 && op->subs == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        fleet_bytes_slice(&op->text,
                          (struct mqtt_slice){.data = (const uint8_t *)r->element[2 * i]->str,
                                              .len = (uint32_t)r->element[2 * i]->len});
    if (op->text.failed)
        return false;
    reader = fleet_reader_of(op->text.data, op->text.len);
    for (size_t i = 0; i < count; i++) {
        op->subs[i].filter = fleet_reader_slice(&reader);
        fleet_options_read(r->element[2 * i + 1]->str, r->element[2 * i + 1]->len, &op->subs[i]);
    }
    op->result.subscriptions = op->subs;
    op->result.subscription_count = count;
    return true;
}

static bool take_ids(struct connect_op *op, const redisReply *open, const redisReply *released)
{
    op->open_qos2 = calloc(open->elements + 1, sizeof(*op->open_qos2));
    op->released = calloc(released->elements + 1, sizeof(*op->released));
    if (op->open_qos2 == NULL || op->released == NULL)
        return false;
    for (size_t i = 0; i < open->elements; i++)
        op->open_qos2[i] = (uint16_t)number_of(open->element[i]);
    for (size_t i = 0; i < released->elements; i++)
        op->released[i] = number_of(released->element[i]);
    op->result.open_qos2 = op->open_qos2;
    op->result.open_qos2_count = open->elements;
    op->result.released = op->released;
    op->result.released_count = released->elements;
    return true;
}

/* The node that had the client, and those before it that may not have let go: hex, with blanks. This
 * node itself comes first. */
static void take_owners(struct connect_op *op, const redisReply *r)
{
    size_t step = FLEET_HEX_SIZE;

    op->owner_count = 0;
    for (size_t at = 0; at + step - 1 <= r->len && op->owner_count < OWNERS_MAX; at += step) {
        struct connect_owner *o = &op->owners[op->owner_count];

        *o = (struct connect_owner){.op = op};
        if (!fleet_hex_parse(r->str + at, step - 1, &o->node))
            continue;
        op->owner_count++;
        if (o->node == op->f->id && o != op->owners) {
            struct connect_owner first = op->owners[0];

            op->owners[0] = *o;
            *o = first;
        }
    }
}

/* {epoch, previous owners, present, ended, last sequence, last sent, first queued, epoch of the
 * former owner's will, epoch of a will being published, subscriptions, open ids, released, filters
 * being removed} */
static bool take_claim(struct connect_op *op, const redisReply *r)
{
    struct fleet *f = op->f;
    struct redisReply **e = r->element;
    struct fleet_session_ref session;

    op->hold->epoch = op->h->behalf.epoch = number_of(e[0]);
    memcpy(op->h->run, f->run_tag, sizeof(op->h->run));
    take_owners(op, e[1]);
    op->result.session_present = e[2]->str[0] == '1';
    session = session_of(op);
    if (op->hold->durable)
        fleet_session_is_new(f, session);
    if (e[3]->str[0] == '1')
        fleet_session_ended(f, session);
    if (e[12]->elements > 0)
        op->entry = fleet_retell_removals(f, session, e[12]);
    op->result.next_sequence = e[6]->len > 0 ? number_of(e[6]) : number_of(e[4]) + 1;
    op->wills[0] = number_of(e[8]);
    op->wills[1] = number_of(e[7]);
    return take_subscriptions(op, e[9]) && take_ids(op, e[10], e[11]);
}

/* Whether the claim was granted. */
static enum store_status claim_status(const redisReply *r)
{
    enum store_status status = fleet_reply_status(r);

    if (status != STORE_OK)
        return status;
    if (r->type == REDIS_REPLY_ARRAY && r->elements == 13)
        return STORE_OK;
    if (r->type != REDIS_REPLY_ARRAY || r->elements != 1)
        return STORE_UNAVAILABLE;
    return strcmp(r->element[0]->str, "user") == 0 ? STORE_NOT_OWNER : STORE_FENCED;
}

static void on_claim(void *arg, const redisReply *r)
{
    struct connect_op *op = arg;
    enum store_status status = claim_status(r);

    if (status == STORE_OK && !take_claim(op, r))
        status = STORE_UNAVAILABLE;
    if (status != STORE_OK) {
        connect_finish(op, status);
        return;
    }
    LOG_DEBUG("client_claimed", KV_STR("client_id", op->hold->client_id),
              KV_UINT("epoch", op->hold->epoch), KV_UINT("owners", op->owner_count),
              KV_UINT("fenced_by", op->fenced_by));
    connect_pass_on_asked(op);
    ask_owners(op); /* also when fenced: who claimed next waits for this */
}

/* The last argument. */
static void retag(void *each_arg, void *arg, struct redis_args args)
{
    const struct fleet *f = each_arg;
    size_t len = 0;
    size_t tag_len = 0;
    char *tag = NULL;

    (void)arg;
    for (char *a = redis_args_next(&args, &len); a != NULL; a = redis_args_next(&args, &len)) {
        tag = a;
        tag_len = len;
    }
    if (tag != NULL && tag_len == strlen(f->run_tag))
        memcpy(tag, f->run_tag, tag_len);
}

void fleet_connects_run_changed(struct fleet *f)
{
    redis_queue_each(f->q, on_claim, retag, f);
}

static void claim(struct connect_op *op)
{
    struct fleet *f = op->f;
    struct fleet_key key = fleet_key_clients(&f->keys, op->h->bucket);

    op->state = CONNECT_CLAIMING;
    scripts_begin(&f->scripts, f->q, SCRIPT_CLAIM, key.text, 10);
    redis_queue_arg(f->q, op->hold->client_id, op->hold->client_id_len);
    redis_queue_str(f->q, f->hex);
    redis_queue_str(f->q, op->hold->durable ? "1" : "0");
    redis_queue_str(f->q, op->clean_start ? "1" : "0");
    redis_queue_u64(f->q, op->request);
    if (op->h->expiry_s == UINT32_MAX)
        redis_queue_str(f->q, "-1");
    else
        redis_queue_u64(f->q, op->h->expiry_s);
    redis_queue_u64(f->q, op->h->arrived.earliest);
    redis_queue_u64(f->q, op->h->arrived.latest);
    fleet_hold_write_user(f->q, op->hold);
    redis_queue_str(f->q, f->run_tag);
    redis_queue_end(f->q, REDIS_REPLAY, on_claim, op);
}

static struct connect_op *op_new(struct fleet *f, const struct store_connect_request *req,
                                 store_connect_fn *done, void *arg)
{
    struct connect_op *op = calloc(1, sizeof(*op));

    if (op == NULL)
        return NULL;
    op->h = fleet_hold_new(f, req->hold);
    if (op->h == NULL) {
        free(op);
        return NULL;
    }
    op->h->refs++; /* the list's and the op's */
    op->h->expiry_s = req->session_expiry_s;
    op->h->will_delay_s = req->will.delay_s;
    op->h->arrived = fleet_clock_at(&f->clock, req->hold->arrived_ms);
    if (req->will.message != NULL)
        fleet_frame_put(&op->h->will, req->will.message, true);
    account_count(ACCOUNT_CLIENTS, op->h->will.data);
    op->f = f;
    op->hold = req->hold;
    op->clean_start = req->clean_start;
    op->done = done;
    op->arg = arg;
    evutil_secure_rng_get_bytes(&op->request, sizeof(op->request));
    op->next = f->connects->ops;
    if (op->next != NULL)
        op->next->prev = op;
    f->connects->ops = op;
    return op;
}

struct connect_refused {
    store_connect_fn *done;
    void *arg;
};

static void on_refused(void *arg, enum store_status status)
{
    struct connect_refused *refused = arg;

    refused->done(refused->arg, status, NULL);
    free(refused);
}

static void refuse(struct fleet *f, store_connect_fn *done, void *arg)
{
    struct connect_refused *refused = malloc(sizeof(*refused));

    if (refused == NULL) {
        done(arg, STORE_UNAVAILABLE, NULL);
        return;
    }
    *refused = (struct connect_refused){.done = done, .arg = arg};
    fleet_defer(f, on_refused, refused, STORE_UNAVAILABLE);
}

void fleet_connect(struct fleet *f, const struct store_connect_request *req, store_connect_fn *done,
                   void *arg)
{
    struct connect_op *op = NULL;

    req->hold->store_data = NULL;
    req->hold->epoch = 0;
    if (fleet_health(f) == STORE_READY)
        op = op_new(f, req, done, arg);
    if (op == NULL)
        refuse(f, done, arg); /* Redis away: no new sessions (rule 9) */
    else
        claim(op);
}

void fleet_connect_tick(struct fleet *f)
{
    struct connect_op *next;

    for (struct connect_op *op = f->connects->ops; op != NULL; op = next) {
        next = op->next;
        if (f->now_ms < op->deadline_ms)
            continue;
        if (op->state == CONNECT_LETTING_GO) {
            pass_over_owners(op);
        } else if (op->state == CONNECT_SEIZING && !op->busy) {
            seize(op);
        } else if (op->state == CONNECT_SETTLING) {
            give_up(op);
        }
    }
}

/* The claim names those to be asked anew. True when nobody is being cut off, whose answer would come
 * in the midst of that. */
static bool leave_owners(struct connect_op *op)
{
    bool left = true;

    for (size_t i = 0; i < op->owner_count; i++) {
        if (op->owners[i].state == OWNER_ASKED)
            op->owners[i].state = OWNER_GONE;
        left &= op->owners[i].state == OWNER_GONE;
    }
    return left;
}

static bool can_begin_again_now(struct connect_op *op)
{
    switch (op->state) {
    case CONNECT_LETTING_GO:
        return leave_owners(op);
    case CONNECT_SEIZING:
        return !op->busy;
    case CONNECT_CLAIMING:
    case CONNECT_SETTLING:
        return false;
    }
    return false;
}

void fleet_connects_begin_again(struct fleet *f)
{
    struct connect_op *next;

    for (struct connect_op *op = f->connects->ops; op != NULL; op = next) {
        next = op->next;
        if (op->state == CONNECT_CLAIMING || is_fenced(op))
            continue; /* its claim comes behind the loss; or it won't be anyway */
        op->again = true;
        if (can_begin_again_now(op))
            begin_again(op);
    }
}

/* Those that wait for another node; the others were told by the link or the lists they wait in. */
void fleet_connect_reset(struct fleet *f)
{
    struct connect_op *next;

    if (f->connects == NULL)
        return;
    for (struct connect_op *op = f->connects->ops; op != NULL; op = next) {
        next = op->next;
        if (op->state == CONNECT_LETTING_GO || (op->state == CONNECT_SEIZING && !op->busy))
            connect_finish(op, STORE_UNAVAILABLE);
    }
}
