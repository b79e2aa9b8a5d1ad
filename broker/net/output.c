/*
 * Per-connection write queue. The pool keeps chunks of three sizes: most turns put a few packets
 * into a connection's first, small chunk; a busy connection goes on with larger ones.
 */
#include "broker/net/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"
#include "broker/net/transport.h"

enum { CLASSES = 3, POOL_CLASS_BYTES = 8 << 20, WRITE_PIECES = 64 };

/* Capacities. A connection's first chunk is small and the next ones grow with what waits in it, so
 * that many slow connections don't each hold a large one. */
static const uint32_t class_sizes[CLASSES] = {4096, 16384, 65536};

struct chunk {
    struct chunk *next;
    struct message *message; /* referenced; NULL: the bytes are the chunk's own */
    const uint8_t *data;
    uint32_t len, sent;
    uint32_t capacity; /* of bytes */
    uint8_t bytes[];
};

/* The class with exactly this capacity, NULL when there is none. */
static struct chunk_class *class_of(struct chunk_pool *pool, uint32_t capacity)
{
    for (int i = 0; i < CLASSES; i++)
        if (class_sizes[i] == capacity)
            return &pool->classes[i];
    return NULL;
}

static uint32_t next_capacity(const struct output *o, size_t len)
{
    for (int i = 0; i < CLASSES - 1; i++)
        if (len <= class_sizes[i] && o->pending < class_sizes[i])
            return class_sizes[i];
    return len <= class_sizes[CLASSES - 1] ? class_sizes[CLASSES - 1] : (uint32_t)len;
}

static struct chunk *chunk_new(struct chunk_pool *pool, uint32_t capacity)
{
    struct chunk_class *class = class_of(pool, capacity);
    struct chunk *c;
    if (class != NULL && class->free != NULL) {
        c = class->free;
        class->free = c->next;
        class->count--;
    } else {
        c = account_alloc(ACCOUNT_OUTPUT, sizeof(*c) + capacity);
        if (c == NULL)
            return NULL;
        c->capacity = capacity;
    }
    c->message = NULL;
    c->data = c->bytes;
    c->len = 0;
    c->sent = 0;
    return c;
}

static void chunk_free(struct chunk_pool *pool, struct chunk *c)
{
    struct chunk_class *class = class_of(pool, c->capacity);
    message_unref(c->message);
    if (class != NULL && class->count < POOL_CLASS_BYTES / c->capacity) {
        c->next = class->free;
        class->free = c;
        class->count++;
    } else {
        account_free(ACCOUNT_OUTPUT, c);
    }
}

void chunk_pool_trim(struct chunk_pool *p)
{
    for (int i = 0; i < CLASSES; i++) {
        while (p->classes[i].free != NULL) {
            struct chunk *c = p->classes[i].free;
            p->classes[i].free = c->next;
            account_free(ACCOUNT_OUTPUT, c);
        }
        p->classes[i].count = 0;
    }
}

void chunk_pool_fini(struct chunk_pool *p)
{
    chunk_pool_trim(p);
    memset(p, 0, sizeof(*p));
}

static void append(struct output *o, struct chunk *c)
{
    c->next = c;
    if (o->last != NULL) {
        c->next = o->last->next;
        o->last->next = c;
    }
    o->last = c;
}

static void drop_first(struct output *o, struct chunk_pool *pool)
{
    struct chunk *first = o->last->next;
    if (first == o->last)
        o->last = NULL;
    else
        o->last->next = first->next;
    chunk_free(pool, first);
}

static void note_bytes(struct output *o, struct chunk_pool *pool, size_t len)
{
    o->pending += len;
    pool->pending += len;
}

static uint8_t *take_room(struct output *o, struct chunk_pool *pool, struct chunk *c, size_t len)
{
    uint8_t *at = c->bytes + c->len;
    c->len += (uint32_t)len;
    note_bytes(o, pool, len);
    return at;
}

static __attribute__((noinline)) uint8_t *put_in_new(struct output *o, struct chunk_pool *pool,
                                                     size_t len)
{
    struct chunk *c = chunk_new(pool, next_capacity(o, len));
    if (c == NULL)
        return NULL;
    append(o, c);
    return take_room(o, pool, c, len);
}

uint8_t *output_put(struct output *o, struct chunk_pool *pool, size_t len)
{
    struct chunk *c = o->last;
    if (c == NULL || c->message != NULL || c->capacity - c->len < len)
        return put_in_new(o, pool, len);
    return take_room(o, pool, c, len);
}

bool output_put_message(struct output *o, struct chunk_pool *pool, struct message *m,
                        struct mqtt_slice bytes)
{
    struct chunk *c = chunk_new(pool, 0);
    if (c == NULL)
        return false;
    c->message = message_ref(m);
    c->data = bytes.data;
    c->len = bytes.len;
    append(o, c);
    note_bytes(o, pool, bytes.len);
    return true;
}

/* There is one at least. */
static int gather(const struct output *o, struct iovec iov[WRITE_PIECES], size_t *total)
{
    int count = 0;
    const struct chunk *c = o->last;
    *total = 0;
    do {
        c = c->next;
        iov[count].iov_base = (void *)(c->data + c->sent);
        iov[count].iov_len = c->len - c->sent;
        *total += c->len - c->sent;
        count++;
    } while (c != o->last && count < WRITE_PIECES);
    return count;
}

static void consume(struct output *o, struct chunk_pool *pool, size_t n)
{
    o->pending -= n;
    pool->pending -= n;
    while (o->last != NULL) {
        struct chunk *c = o->last->next;
        uint32_t left = c->len - c->sent;
        if (n < left) {
            c->sent += (uint32_t)n;
            return;
        }
        n -= left;
        drop_first(o, pool);
    }
}

enum output_result output_write(struct output *o, struct chunk_pool *pool, struct transport *t,
                                size_t *written)
{
    *written = 0;
    while (o->last != NULL) {
        struct iovec iov[WRITE_PIECES];
        size_t total;
        int count = gather(o, iov, &total);
        ssize_t n = t->ops->writev(t, iov, count);
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? OUTPUT_BLOCKED : OUTPUT_FAILED;
        *written += (size_t)n;
        consume(o, pool, (size_t)n);
    }
    return OUTPUT_EMPTY;
}

void output_clear(struct output *o, struct chunk_pool *pool)
{
    pool->pending -= o->pending;
    while (o->last != NULL)
        drop_first(o, pool);
    o->pending = 0;
}
