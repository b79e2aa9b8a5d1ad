/* Blocks rather than a ring that doubles: one publish may fill those of thousands of clients. */
#include "broker/delivery/pending_queue.h"

#include <stddef.h>

#include "broker/base/account.h"
#include "broker/message/message.h"

enum { PENDING_BLOCK = 32 };

struct pending_block {
    struct pending_block *next;
    struct pending items[PENDING_BLOCK];
};

static size_t pending_size(const struct pending *p)
{
    return sizeof(*p) + kept_ids_bytes(&p->ids) + sizeof(*p->message) +
           message_content_size(p->message);
}

static struct pending_block *block_new(void)
{
    struct pending_block *block = account_alloc(ACCOUNT_WINDOWS, sizeof(*block));
    if (block != NULL)
        block->next = NULL;
    return block;
}

struct pending_queue *pending_queue_new(void)
{
    struct pending_queue *q = account_zalloc(ACCOUNT_WINDOWS, sizeof(*q));
    struct pending_block *block = block_new();
    if (q == NULL || block == NULL) {
        account_free(ACCOUNT_WINDOWS, block);
        account_free(ACCOUNT_WINDOWS, q);
        return NULL;
    }
    q->first = q->last = block;
    return q;
}

/* Where the next item belongs; NULL when out of memory. */
static struct pending *next_place(struct pending_queue *q)
{
    uint32_t at = (q->head + q->count) % PENDING_BLOCK;
    if (at == 0 && q->count > 0) {
        struct pending_block *block = block_new();
        if (block == NULL)
            return NULL;
        q->last->next = block;
        q->last = block;
    }
    return &q->last->items[at];
}

bool pending_queue_push(struct pending_queue *q, struct message *m, uint8_t qos, bool retain,
                        struct mqtt_ids ids)
{
    struct pending p = {.message = m, .qos = qos, .retain = retain};
    if (!kept_ids_take(&p.ids, ids, ACCOUNT_WINDOWS))
        return false;
    struct pending *place = next_place(q);
    if (place == NULL) {
        kept_ids_drop(&p.ids, ACCOUNT_WINDOWS);
        return false;
    }
    *place = p;
    message_ref(m);
    q->count++;
    q->bytes += pending_size(place);
    return true;
}

struct pending pending_queue_pop(struct pending_queue *q)
{
    struct pending_block *block = q->first;
    struct pending p = block->items[q->head++];
    q->count--;
    q->bytes -= pending_size(&p);
    if (q->head == PENDING_BLOCK) {
        q->head = 0;
        if (block->next != NULL) {
            q->first = block->next;
            account_free(ACCOUNT_WINDOWS, block);
        }
    }
    return p;
}

void pending_drop(struct pending p)
{
    kept_ids_drop(&p.ids, ACCOUNT_WINDOWS);
    message_unref(p.message);
}

bool pending_queue_release(void *queue)
{
    struct pending_queue *q = queue;
    if (q->count > 0)
        pending_drop(pending_queue_pop(q));
    if (q->count > 0)
        return true;
    account_free(ACCOUNT_WINDOWS, q->first);
    account_free(ACCOUNT_WINDOWS, q);
    return false;
}
