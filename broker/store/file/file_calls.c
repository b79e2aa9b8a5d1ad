/*
 * The functions of store.h for a broker whose state is in a file: each lets the memory store do it, and completes when
 * that is safe.
 */
#include "broker/store/file/store_file.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "broker/base/account.h"
#include "broker/base/drop_log.h"
#include "broker/store/file/file_sync.h"
#include "broker/store/memory_groups.h"
#include "broker/store/memory_read.h"
#include "broker/store/memory_sessions.h"
#include "common/base/timebox.h"

enum { FETCHED_AHEAD = 1000 }; /* sequences that are marked at once, with `second` */

static struct store_file *file_of(struct store *s)
{
    return (struct store_file *)s;
}

static struct file_wait wait_for(const struct store_file *f, enum wait_kind kind, void *arg)
{
    return (struct file_wait){.batch = file_sync_newest(f), .kind = kind, .arg = arg};
}

/* The call is done with, once it is safe. `deliver` and `reached` may be NULL: see file_waits.h. */
static void finish(struct store_file *f, store_done_fn *done, void *arg, struct message *deliver,
                   bool *reached)
{
    if (file_sync_is_safe(f)) {
        bool by_delivery = deliver != NULL && f->host.deliver(f->host.arg, deliver);
        if (reached != NULL)
            *reached |= by_delivery;
        if (done != NULL)
            done(arg, STORE_OK);
        return;
    }
    struct file_wait wait = wait_for(f, WAIT_DONE, arg);
    wait.u.call.done = done;
    wait.u.call.deliver = deliver != NULL ? message_ref(deliver) : NULL;
    wait.u.call.reached = reached;
    if (file_waits_add(&f->waits, &wait) != NULL)
        return;
    message_unref(deliver);
    if (done != NULL)
        done(arg, STORE_UNAVAILABLE);
}

/* The memory store completes before it returns: this keeps what it says. */
static void keep_status(void *arg, enum store_status status)
{
    *(enum store_status *)arg = status;
}

/* ---- sessions -------------------------------------------------------------------------------- */

struct connected {
    enum store_status status;
    struct store_connect_result result;
};

static void keep_connected(void *arg, enum store_status status,
                           const struct store_connect_result *result)
{
    struct connected *c = arg;
    c->status = status;
    if (result != NULL)
        c->result = *result;
}

static void file_connect(struct store *store, const struct store_connect_request *req,
                         store_connect_fn *done, void *arg)
{
    struct store_file *f = file_of(store);
    struct connected c = {.status = STORE_UNAVAILABLE};
    bool adds = req->hold->durable || req->will.message != NULL;
    if (!adds || !file_sync_refuses(f))
        memory_connect(&f->memory->base, req, keep_connected, &c);
    if (c.status != STORE_OK) {
        done(arg, c.status, NULL);
        return;
    }
    if (req->hold->store_data == NULL || file_sync_is_safe(f)) {
        done(arg, STORE_OK, &c.result);
        return;
    }
    struct file_wait wait = wait_for(f, WAIT_CONNECT, arg);
    wait.u.connect.done = done;
    wait.u.connect.hold = req->hold;
    wait.u.connect.session_present = c.result.session_present;
    if (file_waits_add(&f->waits, &wait) != NULL)
        return;
    enum store_status status;
    memory_disconnect(&f->memory->base, req->hold, false, req->session_expiry_s, keep_status,
                      &status);
    done(arg, STORE_UNAVAILABLE, NULL);
}

/* What was marked ahead and not fetched. */
static void mark_exactly(struct store_file *f, struct memory_session *m)
{
    struct memory_queue *q = &m->queue;
    if (q->told <= q->fetched)
        return;
    q->told = q->fetched;
    journal_sent(&f->journal.base, m->number, q->told);
}

static void file_disconnect(struct store *store, struct store_hold *hold, bool will,
                            uint32_t session_expiry_s, store_done_fn *done, void *arg)
{
    struct store_file *f = file_of(store);
    enum store_status status;
    if (hold->store_data == NULL) {
        done(arg, STORE_OK);
        return;
    }
    mark_exactly(f, hold->store_data);
    memory_disconnect(&f->memory->base, hold, will, session_expiry_s, keep_status, &status);
    finish(f, done, arg, NULL, NULL);
}

static bool is_durable(const struct store_hold *hold)
{
    return hold->durable && hold->store_data != NULL;
}

static void file_subscribe(struct store *store, struct store_hold *hold,
                           const struct store_subscription *subs, size_t count, store_done_fn *done,
                           void *arg)
{
    struct store_file *f = file_of(store);
    enum store_status status;
    if (!is_durable(hold)) {
        done(arg, STORE_OK);
        return;
    }
    if (file_sync_refuses(f)) {
        done(arg, STORE_UNAVAILABLE);
        return;
    }
    f->memory->base.ops->subscribe(&f->memory->base, hold, subs, count, keep_status, &status);
    finish(f, done, arg, NULL, NULL);
}

static void file_unsubscribe(struct store *store, struct store_hold *hold,
                             const struct mqtt_slice *filters, size_t count, store_done_fn *done,
                             void *arg)
{
    struct store_file *f = file_of(store);
    enum store_status status;
    if (!is_durable(hold)) {
        done(arg, STORE_OK);
        return;
    }
    f->memory->base.ops->unsubscribe(&f->memory->base, hold, filters, count, keep_status, &status);
    finish(f, done, arg, NULL, NULL);
}

/* ---- publishing ------------------------------------------------------------------------------ */

static void file_publish(struct store *store, const struct store_publish_request *req,
                         store_done_fn *done, void *arg)
{
    struct store_file *f = file_of(store);
    const struct message *m = req->message;
    enum store_status status;
    if (file_sync_refuses(f)) {
        if (done != NULL)
            done(arg, STORE_UNAVAILABLE);
        else if (m->retain)
            drop_note(f->stats, DROP_MEMORY, m->publisher, m->topic);
        return;
    }
    f->memory->base.ops->publish(&f->memory->base, req, keep_status, &status);
    struct message *deliver = f->memory->to_deliver;
    if (done != NULL || deliver != NULL)
        finish(f, done, arg, deliver, req->reached);
}

static void file_enqueue(struct store *store, struct message *m,
                         const struct store_queue_target *target, store_done_fn *done, void *arg)
{
    struct store_file *f = file_of(store);
    enum store_status status;
    if (file_sync_refuses(f)) {
        done(arg, STORE_UNAVAILABLE);
        return;
    }
    f->memory->base.ops->enqueue(&f->memory->base, m, target, keep_status, &status);
    finish(f, done, arg, NULL, NULL);
}

static void file_qos2_end(struct store *store, struct store_hold *hold, uint16_t packet_id,
                          store_done_fn *done, void *arg)
{
    struct store_file *f = file_of(store);
    enum store_status status;
    f->memory->base.ops->qos2_end(&f->memory->base, hold, packet_id, keep_status, &status);
    if (hold->store_data != NULL)
        finish(f, done, arg, NULL, NULL);
    else
        done(arg, STORE_OK);
}

/* ---- delivering ------------------------------------------------------------------------------ */

/* Marks what is about to be read. True: the mark has to be on the disk first. */
static bool mark_fetched(struct store_file *f, struct memory_session *m, uint64_t until)
{
    struct memory_queue *q = &m->queue;
    if (until <= q->told)
        return false;
    q->told = until + (f->always ? 0 : FETCHED_AHEAD);
    journal_sent(&f->journal.base, m->number, q->told);
    return true;
}

static void file_fetch(struct store *store, struct store_hold *hold, uint64_t from, size_t max,
                       size_t max_bytes, store_fetch_fn *done, void *arg)
{
    struct store_file *f = file_of(store);
    struct memory_session *m = hold->store_data;
    uint64_t until = from;
    if (m != NULL)
        until = memory_queue_reach(&m->queue, from, max, max_bytes);
    if (until == from) { /* there is nothing */
        memory_fetch_until(f->memory, hold, from, UINT64_MAX, max, max_bytes, done, arg);
        return;
    }
    if (!mark_fetched(f, m, until) && file_sync_is_safe(f)) {
        memory_fetch_until(f->memory, hold, from, until, max, max_bytes, done, arg);
        return;
    }
    struct file_wait wait = wait_for(f, WAIT_FETCH, arg);
    wait.u.fetch.done = done;
    wait.u.fetch.hold = hold;
    wait.u.fetch.from = from;
    wait.u.fetch.until = until;
    wait.u.fetch.max = max;
    wait.u.fetch.max_bytes = max_bytes;
    if (file_waits_add(&f->waits, &wait) == NULL)
        done(arg, STORE_UNAVAILABLE, NULL, 0, STORE_MORE_NONE);
}

static void file_ack(struct store *store, struct store_hold *hold, uint64_t sequence)
{
    struct store *memory = &file_of(store)->memory->base;
    memory->ops->ack(memory, hold, sequence);
}

static void file_release(struct store *store, struct store_hold *hold, uint64_t sequence,
                         store_done_fn *done, void *arg)
{
    struct store_file *f = file_of(store);
    enum store_status status;
    f->memory->base.ops->release(&f->memory->base, hold, sequence, keep_status, &status);
    if (status == STORE_OK)
        finish(f, done, arg, NULL, NULL);
    else
        done(arg, status);
}

static void file_complete(struct store *store, struct store_hold *hold, uint64_t sequence)
{
    struct store *memory = &file_of(store)->memory->base;
    memory->ops->complete(memory, hold, sequence);
}

/* ---- shared subscriptions -------------------------------------------------------------------- */

static void file_share_join(struct store *store, const struct store_member *m)
{
    memory_share_join(&file_of(store)->memory->base, m);
}

static void file_share_leave(struct store *store, struct store_hold *hold, struct mqtt_slice filter,
                             enum store_leave why)
{
    memory_share_leave(&file_of(store)->memory->base, hold, filter, why);
}

struct taken {
    enum store_status status;
    const struct store_share_entry *entries;
    size_t count;
    enum store_more more;
};

static void keep_taken(void *arg, enum store_status status, const struct store_share_entry *entries,
                       size_t count, enum store_more more)
{
    *(struct taken *)arg =
        (struct taken){.status = status, .entries = entries, .count = count, .more = more};
}

static void file_share_take(struct store *store, const struct store_member *m, size_t max,
                            store_take_fn *done, void *arg)
{
    struct store_file *f = file_of(store);
    struct taken t;
    memory_share_take(&f->memory->base, m, max, keep_taken, &t);
    if (t.count == 0 || file_sync_is_safe(f)) {
        done(arg, t.status, t.entries, t.count, t.more);
        return;
    }
    struct file_wait wait = wait_for(f, WAIT_TAKE, arg);
    wait.u.take.done = done;
    wait.u.take.count = t.count;
    wait.u.take.more = t.more;
    wait.u.take.entries = malloc(t.count * sizeof(*t.entries));
    if (wait.u.take.entries != NULL) {
        memcpy(wait.u.take.entries, t.entries, t.count * sizeof(*t.entries));
        if (file_waits_add(&f->waits, &wait) != NULL)
            return;
    }
    free(wait.u.take.entries);
    for (size_t i = 0; i < t.count; i++)
        memory_share_put_back(&f->memory->base, m->hold, t.entries[i].taken);
    done(arg, STORE_UNAVAILABLE, NULL, 0, STORE_MORE_NONE);
}

static void file_share_finish(struct store *store, struct store_hold *hold,
                              struct store_taken *taken)
{
    memory_share_finish(&file_of(store)->memory->base, hold, taken);
}

static void file_share_put_back(struct store *store, struct store_hold *hold,
                                struct store_taken *taken)
{
    memory_share_put_back(&file_of(store)->memory->base, hold, taken);
}

static void file_share_declare(struct store *store, struct mqtt_slice filter, uint64_t keep_ms)
{
    memory_share_declare(&file_of(store)->memory->base, filter, keep_ms);
}

static void file_share_ended(struct store *store, struct mqtt_slice filter)
{
    memory_share_ended(&file_of(store)->memory->base, filter);
}

/* ---- retained values, totals ----------------------------------------------------------------- */

static struct store_retained_read *
file_retained_start(struct store *store, struct mqtt_slice filter, store_retained_fn *each,
                    store_retained_chunk_fn *chunk, store_done_fn *done, void *arg)
{
    return store_retained_start(&file_of(store)->memory->base, filter, each, chunk, done, arg);
}

static void file_totals(struct store *store, const uint64_t *mine, store_totals_fn *done, void *arg)
{
    store_totals(&file_of(store)->memory->base, mine, done, arg);
}

/* ---- the turn -------------------------------------------------------------------------------- */

static void file_flush(struct store *store)
{
    file_sync_flush(file_of(store));
}

static void end_if_written(struct store_file *f)
{
    store_done_fn *done = f->shutdown_done;
    if (done == NULL || file_sync_newest(f) > f->written || !file_waits_is_empty(&f->waits))
        return;
    f->shutdown_done = NULL;
    done(f->shutdown_arg, STORE_OK);
}

static void file_input(struct store *store, struct timebox *box)
{
    struct store_file *f = file_of(store);
    if (!file_waits_run(&f->waits, f->lost ? 0 : f->written, box))
        event_active(f->again, 0, 0);
    store_input(&f->memory->base, box);
    if (file_sync_newest(f) <= f->written) {
        metric_set(f->metrics.waiting, 0);
        account_set(ACCOUNT_STORE, 0);
    }
    end_if_written(f);
}

static uint64_t file_now_ms(const struct store *store)
{
    return store_now_ms(&((const struct store_file *)store)->memory->base);
}

static bool is_troubled(const struct store *store)
{
    const struct store_file *f = (const struct store_file *)store;
    return f->failing || f->lost;
}

static enum store_health file_health(const struct store *store)
{
    return is_troubled(store) ? STORE_TROUBLED : STORE_READY;
}

static const char *file_trouble(const struct store *store)
{
    return is_troubled(store) ? ((const struct store_file *)store)->trouble : NULL;
}

static bool file_accepts(const struct store *store)
{
    const struct store_file *f = (const struct store_file *)store;
    return !is_troubled(store) && file_sync_pending(f) < BYTES_MOST;
}

static void file_shutdown(struct store *store, uint64_t deadline_ms, store_done_fn *done, void *arg)
{
    struct store_file *f = file_of(store);
    (void)deadline_ms; /* the caller gives up by itself */
    f->shutdown_done = done;
    f->shutdown_arg = arg;
    end_if_written(f);
}

const struct store_ops store_file_ops = {
    .name = "file",
    .untargeted_is_done = true,
    .delivers_late = true,
    .connect = file_connect,
    .disconnect = file_disconnect,
    .subscribe = file_subscribe,
    .unsubscribe = file_unsubscribe,
    .publish = file_publish,
    .enqueue = file_enqueue,
    .qos2_end = file_qos2_end,
    .fetch = file_fetch,
    .ack = file_ack,
    .release = file_release,
    .complete = file_complete,
    .share_join = file_share_join,
    .share_leave = file_share_leave,
    .share_take = file_share_take,
    .share_finish = file_share_finish,
    .share_put_back = file_share_put_back,
    .share_declare = file_share_declare,
    .share_ended = file_share_ended,
    .retained_start = file_retained_start,
    .retained_continue = memory_read_continue,
    .retained_cancel = memory_read_cancel,
    .totals = file_totals,
    .input = file_input,
    .flush = file_flush,
    .now_ms = file_now_ms,
    .health = file_health,
    .trouble = file_trouble,
    .accepts = file_accepts,
    .shutdown = file_shutdown,
    .free = store_file_free,
};
