/* Two lists. memory_shares.c decides who takes. */
#include "broker/store/share_queue.h"

#include <string.h>

#include "broker/base/account.h"
#include "broker/base/id_set.h"
#include "broker/store/journal.h"

void share_queue_init(struct share_queue *q)
{
    memset(q, 0, sizeof(*q));
    TAILQ_INIT(&q->waiting);
    TAILQ_INIT(&q->taken);
}

static size_t size_of(const struct message *m)
{
    return sizeof(struct share_entry) + sizeof(*m) + message_content_size(m);
}

static void forget_denied(struct share_entry *e)
{
    if (e->denied == NULL)
        return;
    if (e->queue != NULL)
        e->queue->denied--;
    id_set_fini(e->denied);
    account_free(ACCOUNT_QUEUES, e->denied);
}

static void entry_free(struct share_entry *e)
{
    forget_denied(e);
    message_unref(e->message);
    account_free(ACCOUNT_QUEUES, e);
}

static void uncount(struct share_queue *q, const struct share_entry *e)
{
    journal_shared_gone(q->journal, q->owner, e->number, e->message);
    q->count--;
    q->bytes -= size_of(e->message);
}

static void drop_first(struct share_queue *q)
{
    struct share_entry *e = TAILQ_FIRST(&q->waiting);
    TAILQ_REMOVE(&q->waiting, e, link);
    q->waiting_count--;
    uncount(q, e);
    entry_free(e);
}

void share_queue_fini(struct share_queue *q)
{
    struct share_entry *e;
    while (!TAILQ_EMPTY(&q->waiting))
        drop_first(q);
    while ((e = TAILQ_FIRST(&q->taken)) != NULL) {
        TAILQ_REMOVE(&q->taken, e, link);
        uncount(q, e);
        e->queue = NULL;
    }
}

/* The last of those that wait. NULL: out of memory. */
static struct share_entry *add(struct share_queue *q, struct message *m,
                               const struct share_entry *as)
{
    struct share_entry *e = account_alloc(ACCOUNT_QUEUES, sizeof(*e));
    if (e == NULL)
        return NULL;
    *e = (struct share_entry){.queue = q,
                              .message = message_ref(m),
                              .number = as->number,
                              .since_ms = as->since_ms,
                              .partition = as->partition};
    message_keep(m);
    TAILQ_INSERT_TAIL(&q->waiting, e, link);
    q->waiting_count++;
    q->count++;
    q->bytes += size_of(m);
    return e;
}

bool share_queue_push(struct share_queue *q, struct message *m, uint8_t partition, uint64_t now_ms)
{
    struct share_entry as = {.number = q->numbered + 1, .since_ms = now_ms, .partition = partition};
    const struct share_entry *e = add(q, m, &as);
    if (e == NULL)
        return false;
    q->numbered++;
    journal_shared(q->journal, q->owner, e);
    return true;
}

bool share_queue_restore(struct share_queue *q, struct message *m, const struct share_entry *as)
{
    if (as->number <= q->numbered || add(q, m, as) == NULL)
        return false;
    q->numbered = as->number;
    return true;
}

static void count_open(struct share_queue *q, const struct share_entry *e, int by)
{
    if (q->open != NULL)
        q->open[e->partition] += (uint32_t)by;
}

static struct share_entry *take(struct share_queue *q, struct share_entry *e)
{
    if (e == NULL)
        return NULL;
    TAILQ_REMOVE(&q->waiting, e, link);
    q->waiting_count--;
    TAILQ_INSERT_TAIL(&q->taken, e, link);
    count_open(q, e, 1);
    return e;
}

struct share_entry *share_queue_take_number(struct share_queue *q, uint64_t number)
{
    struct share_entry *e = TAILQ_FIRST(&q->waiting);
    while (e != NULL && e->number < number)
        e = TAILQ_NEXT(e, link);
    return take(q, e != NULL && e->number == number ? e : NULL);
}

struct share_entry *share_queue_take(struct share_queue *q)
{
    return take(q, TAILQ_FIRST(&q->waiting));
}

static struct share_entry *find_fit(const struct share_queue *q, share_fits_fn *fits,
                                    const void *arg)
{
    struct share_entry *e;
    TAILQ_FOREACH (e, &q->waiting, link)
        if (fits(arg, e))
            return e;
    return NULL;
}

struct share_entry *share_queue_take_fit(struct share_queue *q, share_fits_fn *fits,
                                         const void *arg)
{
    return take(q, find_fit(q, fits, arg));
}

bool share_queue_has_fit(const struct share_queue *q, share_fits_fn *fits, const void *arg)
{
    return find_fit(q, fits, arg) != NULL;
}

void share_entry_take_for_good(struct share_entry *e)
{
    if (e->queue == NULL || e->queue->journal == NULL)
        return;
    e->for_good = true;
    journal_shared_taken(e->queue->journal, e->queue->owner, e->number, true);
}

void share_entry_finish(struct share_entry *e)
{
    if (e->queue != NULL) {
        TAILQ_REMOVE(&e->queue->taken, e, link);
        count_open(e->queue, e, -1);
        uncount(e->queue, e);
    }
    entry_free(e);
}

bool share_entry_put_back(struct share_entry *e)
{
    struct share_queue *q = e->queue;
    if (q == NULL) {
        entry_free(e);
        return false;
    }
    TAILQ_REMOVE(&q->taken, e, link);
    count_open(q, e, -1);
    if (e->for_good)
        journal_shared_taken(q->journal, q->owner, e->number, false);
    e->for_good = false;
    struct share_entry *later = TAILQ_FIRST(&q->waiting);
    while (later != NULL && later->number < e->number)
        later = TAILQ_NEXT(later, link);
    if (later != NULL)
        TAILQ_INSERT_BEFORE(later, e, link);
    else
        TAILQ_INSERT_TAIL(&q->waiting, e, link);
    q->waiting_count++;
    return true;
}

bool share_entry_is_denied(const struct share_entry *e, uint64_t client)
{
    return e->denied != NULL && id_set_has(e->denied, client);
}

static bool note_denied(struct share_entry *e, uint64_t client)
{
    if (e->denied == NULL) {
        e->denied = account_zalloc(ACCOUNT_QUEUES, sizeof(*e->denied));
        if (e->denied == NULL)
            return false;
        e->queue->denied++;
    }
    return id_set_add(e->denied, client);
}

bool share_entry_deny(struct share_entry *e, uint64_t client)
{
    return e->queue != NULL && note_denied(e, client) && share_entry_put_back(e);
}

uint32_t share_queue_drop_old(struct share_queue *q, uint64_t before_ms)
{
    uint32_t dropped = 0;
    for (struct share_entry *e; (e = TAILQ_FIRST(&q->waiting)) != NULL; dropped++) {
        if (e->since_ms >= before_ms)
            break;
        drop_first(q);
    }
    return dropped;
}
