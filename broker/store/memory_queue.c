/*
 * A durable session's messages in memory. store_memory.c pushes and reads.
 */
#include "broker/store/memory_queue.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"
#include "broker/store/journal.h"
#include "broker/store/share_queue.h"

void memory_queue_init(struct memory_queue *q)
{
    memset(q, 0, sizeof(*q));
    q->first = 1;
    q->after = 1;
}

static struct memory_entry *entry(const struct memory_queue *q, uint64_t sequence)
{
    return &q->ring[sequence & (q->capacity - 1)];
}

static size_t size_of(const struct memory_entry *e)
{
    return sizeof(*e) + kept_ids_bytes(&e->ids) + sizeof(*e->message) +
           message_content_size(e->message);
}

static void drop(struct memory_queue *q, uint64_t sequence)
{
    struct memory_entry *e = entry(q, sequence);
    journal_unqueued(q->journal, q->owner, sequence, e->message);
    if (e->shared != NULL)
        share_entry_finish(e->shared);
    e->shared = NULL;
    q->count--;
    q->bytes -= size_of(e);
    kept_ids_drop(&e->ids, ACCOUNT_QUEUES);
    message_unref(e->message);
    e->message = NULL;
}

/* One entry less, holes counted; the last one takes the queue along. */
static bool release(void *queue)
{
    struct memory_queue *q = queue;
    if (q->first < q->after) {
        uint64_t sequence = q->first++;
        if (entry(q, sequence)->message != NULL)
            drop(q, sequence);
    }
    if (q->first < q->after)
        return true;
    account_free(ACCOUNT_QUEUES, q->ring);
    free(q);
    return false;
}

void memory_queue_fini(struct memory_queue *q, struct leftovers *to)
{
    uint64_t entries = q->after - q->first;
    q->owner = 0;
    struct memory_queue *rest = entries > 0 ? malloc(sizeof(*rest)) : NULL;
    if (rest != NULL) {
        *rest = *q;
        leftovers_add(to, release, rest, entries, q->bytes);
        memset(q, 0, sizeof(*q));
        return;
    }
    for (uint64_t s = q->first; s < q->after; s++)
        if (entry(q, s)->message != NULL)
            drop(q, s);
    account_free(ACCOUNT_QUEUES, q->ring);
    memset(q, 0, sizeof(*q));
}

static bool grow(struct memory_queue *q)
{
    uint32_t capacity = q->capacity == 0 ? 16 : q->capacity * 2;
    struct memory_entry *ring = account_zalloc(ACCOUNT_QUEUES, capacity * sizeof(*ring));
    if (ring == NULL)
        return false;
    for (uint64_t s = q->first; s < q->after; s++)
        ring[s & (capacity - 1)] = *entry(q, s);
    account_free(ACCOUNT_QUEUES, q->ring);
    q->ring = ring;
    q->capacity = capacity;
    return true;
}

static bool put(struct memory_queue *q, struct memory_entry e, struct mqtt_ids ids)
{
    if (q->after - q->first == q->capacity && !grow(q))
        return false;
    if (!kept_ids_take(&e.ids, ids, ACCOUNT_QUEUES))
        return false;
    message_ref(e.message);
    *entry(q, q->after++) = e;
    message_keep(e.message);
    q->count++;
    q->bytes += size_of(&e);
    return true;
}

static void tell(const struct memory_queue *q, uint64_t sequence, struct mqtt_ids ids)
{
    const struct memory_entry *e = entry(q, sequence);
    bool shared = e->shared != NULL && e->shared->queue != NULL;
    struct journal_entry told = {.session = q->owner,
                                 .sequence = sequence,
                                 .message = e->message,
                                 .qos = e->qos,
                                 .retain = e->retain,
                                 .is_value = e->is_value,
                                 .ids = ids,
                                 .group = shared ? e->shared->queue->owner : 0,
                                 .group_number = shared ? e->shared->number : 0};
    journal_queued(q->journal, &told);
}

bool memory_queue_push(struct memory_queue *q, struct memory_entry e, struct mqtt_ids ids)
{
    if (!put(q, e, ids))
        return false;
    if (q->journal != NULL)
        tell(q, q->after - 1, ids);
    return true;
}

/* The next one gets this sequence: those between are acknowledged. */
static bool skip_to(struct memory_queue *q, uint64_t sequence)
{
    enum { MOST = 1 << 20 }; /* a hole that no queue gets, whatever its client does */
    if (q->first == q->after)
        q->first = q->after = sequence;
    if (sequence == 0 || sequence < q->after || sequence - q->after > MOST)
        return false;
    for (; q->after < sequence; q->after++) {
        if (q->after - q->first == q->capacity && !grow(q))
            return false;
        *entry(q, q->after) = (struct memory_entry){0};
    }
    return true;
}

bool memory_queue_restore(struct memory_queue *q, uint64_t sequence, struct memory_entry e,
                          struct mqtt_ids ids)
{
    return skip_to(q, sequence) && put(q, e, ids);
}

bool memory_queue_restore_fetched(struct memory_queue *q, uint64_t fetched)
{
    for (uint64_t s = q->first; s < fetched && s < q->after; s++)
        entry(q, s)->sent = true;
    q->fetched = fetched;
    q->told = fetched;
    return fetched <= q->after || skip_to(q, fetched);
}

struct memory_entry *memory_queue_at(const struct memory_queue *q, uint64_t sequence)
{
    return entry(q, sequence);
}

void memory_queue_remove(struct memory_queue *q, uint64_t sequence)
{
    if (sequence < q->first || sequence >= q->after || entry(q, sequence)->message == NULL)
        return;
    drop(q, sequence);
    while (q->first < q->after && entry(q, q->first)->message == NULL)
        q->first++;
    if (q->first == q->after) { /* an idle session keeps no ring */
        account_free(ACCOUNT_QUEUES, q->ring);
        q->ring = NULL;
        q->capacity = 0;
    }
}

uint32_t memory_queue_expire(struct memory_queue *q, uint64_t from, size_t most, uint64_t now_ms)
{
    uint32_t dropped = 0;
    for (uint64_t s = from > q->first ? from : q->first; s < q->after && most > 0; s++) {
        const struct memory_entry *e = entry(q, s);
        if (e->message == NULL || e->sent)
            continue;
        if (!message_is_expired(e->message, now_ms)) {
            most--;
            continue;
        }
        memory_queue_remove(q, s);
        dropped++;
    }
    return dropped;
}

uint64_t memory_queue_reach(const struct memory_queue *q, uint64_t from, size_t max,
                            size_t max_bytes)
{
    uint64_t reach = from;
    size_t bytes = 0;
    for (uint64_t s = from > q->first ? from : q->first;
         s < q->after && max > 0 && bytes < max_bytes; s++) {
        const struct memory_entry *e = entry(q, s);
        if (e->message == NULL)
            continue;
        bytes += size_of(e);
        reach = s + 1;
        max--;
    }
    return reach;
}

size_t memory_queue_count(const struct memory_queue *q, uint64_t from, uint64_t until, size_t max)
{
    size_t count = 0;
    uint64_t end = until < q->after ? until : q->after;
    for (uint64_t s = from > q->first ? from : q->first; s < end && count < max; s++)
        count += entry(q, s)->message != NULL;
    return count;
}

size_t memory_queue_read(struct memory_queue *q, uint64_t from, struct store_entry *out, size_t max,
                         size_t max_bytes, bool *more)
{
    size_t count = 0;
    size_t bytes = 0;
    uint64_t s = from > q->first ? from : q->first;
    for (; s < q->after && count < max && bytes < max_bytes; s++) {
        struct memory_entry *e = entry(q, s);
        if (e->message == NULL)
            continue;
        out[count++] = (struct store_entry){.sequence = s,
                                            .message = e->message,
                                            .qos = e->qos,
                                            .retain = e->retain,
                                            .is_value = e->is_value,
                                            .duplicate = e->sent,
                                            .ids = kept_ids_all(&e->ids)};
        bytes += size_of(e);
        e->sent = true;
    }
    if (s > q->fetched)
        q->fetched = s;
    *more = s < q->after;
    return count;
}
