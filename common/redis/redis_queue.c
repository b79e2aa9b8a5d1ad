/*
 * One contiguous buffer of commands in Redis' own format and a ring that says where each ends and
 * who wants its reply. Appending copies each argument once; answering moves `start`; replaying
 * moves `written` back. redis_link.c does the I/O.
 */
#include "common/redis/redis_queue.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 16384, KEEP_SIZE = 4 << 20, FIRST_RING = 64, LONGEST_NUMBER = 24 };

void redis_queue_fini(struct redis_queue *q)
{
    free(q->bytes);
    free(q->ring);
    memset(q, 0, sizeof(*q));
}

static struct redis_pending *pending_at(const struct redis_queue *q, size_t i)
{
    return &q->ring[(q->head + i) & (q->ring_size - 1)];
}

/* Makes room behind `end`: moves the unanswered to the front when that frees enough, else grows. */
static bool make_room(struct redis_queue *q, size_t len)
{
    size_t used = q->end - q->start;
    size_t size = q->size == 0 ? FIRST_SIZE : q->size;
    char *bytes;
    if (q->size - q->end >= len)
        return true;
    if (q->bytes != NULL && used + len <= q->size / 2) {
        memmove(q->bytes, q->bytes + q->start, used);
    } else {
        while (size - used < len)
            size *= 2;
        bytes = malloc(size);
        if (bytes == NULL)
            return false;
        if (used > 0)
            memcpy(bytes, q->bytes + q->start, used);
        free(q->bytes);
        q->bytes = bytes;
        q->size = size;
    }
    q->written -= q->start;
    q->building -= q->start;
    q->end = used;
    q->start = 0;
    return true;
}

/* Nothing waits: start at the front again, and give back what a burst needed. */
static void rest(struct redis_queue *q)
{
    if (q->size > KEEP_SIZE) {
        free(q->bytes);
        q->bytes = NULL;
        q->size = 0;
    }
    q->start = q->written = q->end = q->building = 0;
}

static void put(struct redis_queue *q, const void *data, size_t len)
{
    if (q->failed)
        return;
    if (!make_room(q, len)) {
        q->failed = true;
        return;
    }
    if (len > 0)
        memcpy(q->bytes + q->end, data, len);
    q->end += len;
}

static size_t write_number(char *out, char mark, uint64_t n)
{
    char digits[LONGEST_NUMBER];
    size_t count = 0;
    size_t used = 0;
    do {
        digits[count++] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    if (mark != '\0')
        out[used++] = mark;
    while (count > 0)
        out[used++] = digits[--count];
    return used;
}

static void put_head(struct redis_queue *q, char mark, uint64_t n)
{
    char text[LONGEST_NUMBER + 3];
    size_t used = write_number(text, mark, n);
    text[used++] = '\r';
    text[used++] = '\n';
    put(q, text, used);
}

void redis_queue_begin(struct redis_queue *q, size_t argc)
{
    q->building = q->end;
    q->failed = false;
    put_head(q, '*', argc);
}

enum redis_command_flags redis_queue_begin_silent(struct redis_queue *q, size_t argc)
{
    static const char skip[] = "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n";
    q->building = q->end;
    q->failed = false;
    if (q->may_skip)
        put(q, skip, sizeof(skip) - 1);
    put_head(q, '*', argc);
    return q->may_skip ? REDIS_SILENT : REDIS_VOLATILE;
}

void redis_queue_arg(struct redis_queue *q, const void *data, size_t len)
{
    put_head(q, '$', len);
    put(q, data, len);
    put(q, "\r\n", 2);
}

void redis_queue_str(struct redis_queue *q, const char *text)
{
    redis_queue_arg(q, text, strlen(text));
}

void redis_queue_u64(struct redis_queue *q, uint64_t n)
{
    char text[LONGEST_NUMBER];
    redis_queue_arg(q, text, write_number(text, '\0', n));
}

void redis_queue_arg2(struct redis_queue *q, const void *a, size_t a_len, const void *b,
                      size_t b_len)
{
    put_head(q, '$', a_len + b_len);
    put(q, a, a_len);
    put(q, b, b_len);
    put(q, "\r\n", 2);
}

char *redis_queue_room(struct redis_queue *q, size_t len)
{
    put_head(q, '$', len);
    if (q->failed || !make_room(q, len + 2)) {
        q->failed = true;
        return NULL;
    }
    char *room = q->bytes + q->end;
    room[len] = '\r';
    room[len + 1] = '\n';
    q->end += len + 2;
    return room;
}

static bool grow_ring(struct redis_queue *q)
{
    size_t size = q->ring_size == 0 ? FIRST_RING : q->ring_size * 2;
    struct redis_pending *ring = malloc(size * sizeof(*ring));
    if (ring == NULL)
        return false;
    for (size_t i = 0; i < q->count; i++)
        ring[i] = *pending_at(q, i);
    free(q->ring);
    q->ring = ring;
    q->ring_size = size;
    q->head = 0;
    return true;
}

void redis_queue_end(struct redis_queue *q, enum redis_command_flags flags, redis_reply_fn *fn,
                     void *arg)
{
    struct redis_pending p = {
        .fn = fn, .arg = arg, .bytes = (uint32_t)(q->end - q->building), .flags = (uint8_t)flags};
    if (!q->failed && q->count == q->ring_size && !grow_ring(q))
        q->failed = true;
    if (q->failed) {
        q->end = q->building;
        q->failed = false;
        if (fn != NULL && q->lost_count < sizeof(q->lost) / sizeof(q->lost[0]))
            q->lost[q->lost_count++] = p;
        return;
    }
    q->count++;
    q->silent += (flags & REDIS_SILENT) != 0;
    *pending_at(q, q->count - 1) = p;
}

static struct redis_pending take_oldest(struct redis_queue *q)
{
    struct redis_pending p = *pending_at(q, 0);
    q->head = (q->head + 1) & (q->ring_size - 1);
    q->count--;
    q->silent -= (p.flags & REDIS_SILENT) != 0;
    q->careful -= q->careful > 0 ? 1 : 0;
    q->start += p.bytes;
    if (q->count == 0 && q->start == q->end)
        rest(q);
    return p;
}

static bool oldest_is_silent(const struct redis_queue *q)
{
    return q->count > 0 && (pending_at(q, 0)->flags & REDIS_SILENT) != 0;
}

/* Silent commands are done with when they are written and nothing before them waits. */
static bool drop_silent(struct redis_queue *q)
{
    bool any = false;
    while (oldest_is_silent(q) && q->written - q->start >= pending_at(q, 0)->bytes) {
        take_oldest(q);
        any = true;
    }
    return any;
}

bool redis_queue_wrote(struct redis_queue *q, size_t len)
{
    q->written += len;
    return drop_silent(q);
}

bool redis_queue_awaits(const struct redis_queue *q)
{
    return q->written > q->start;
}

bool redis_queue_answer(struct redis_queue *q, const struct redisReply *reply)
{
    if (q->count == 0 || !redis_queue_awaits(q) || oldest_is_silent(q))
        return false;
    struct redis_pending p = take_oldest(q);
    drop_silent(q);
    if (p.fn != NULL)
        p.fn(p.arg, reply);
    return true;
}

void redis_queue_rewind(struct redis_queue *q)
{
    size_t written = q->written;
    size_t from = q->start; /* of the command looked at */
    size_t to = q->start;   /* where it goes */
    size_t count = q->count;
    size_t kept = 0;
    size_t careful = q->careful; /* the first so many */
    struct redis_pending *lost = NULL;
    size_t lost_count = 0;
    if (count > 0)
        lost = malloc(count * sizeof(*lost));
    for (size_t i = 0; i < count; i++) {
        struct redis_pending p = *pending_at(q, i);
        if ((p.flags & REDIS_SILENT) != 0) {
            q->silent--;
        } else if ((p.flags & REDIS_VOLATILE) != 0 && from < written && lost != NULL) {
            lost[lost_count++] = p;
        } else {
            memmove(q->bytes + to, q->bytes + from, p.bytes);
            *pending_at(q, kept++) = p;
            to += p.bytes;
        }
        from += p.bytes;
        if (i + 1 == careful)
            q->careful = kept;
    }
    q->end = to;
    q->count = kept;
    q->written = q->start;
    for (size_t i = 0; i < lost_count; i++)
        if (lost[i].fn != NULL)
            lost[i].fn(lost[i].arg, NULL);
    free(lost);
}

static size_t count_written(const struct redis_queue *q)
{
    size_t at = q->start;
    size_t count = 0;
    while (count < q->count && at < q->written)
        at += pending_at(q, count++)->bytes;
    return count;
}

bool redis_queue_timed_out(struct redis_queue *q, unsigned most)
{
    if (q->careful == 0) {
        q->careful = count_written(q);
        return false;
    }
    if (q->count == 0 || (pending_at(q, 0)->flags & REDIS_VOLATILE) != 0)
        return false;
    struct redis_pending *oldest = pending_at(q, 0);
    return ++oldest->timeouts >= most;
}

void redis_queue_give_up(struct redis_queue *q)
{
    struct redis_pending p = take_oldest(q);
    q->written = q->start;
    if (p.fn != NULL)
        p.fn(p.arg, NULL);
}

void redis_queue_reset(struct redis_queue *q)
{
    struct redis_pending *ring = q->ring;
    size_t size = q->ring_size;
    size_t head = q->head;
    size_t count = q->count;
    q->ring = NULL; /* what the functions append stays */
    q->ring_size = q->head = q->count = q->silent = q->careful = 0;
    rest(q);
    for (size_t i = 0; i < count; i++) {
        struct redis_pending *p = &ring[(head + i) & (size - 1)];
        if (p->fn != NULL)
            p->fn(p->arg, NULL);
    }
    free(ring);
    redis_queue_settle(q);
}

void redis_queue_settle(struct redis_queue *q)
{
    while (q->lost_count > 0) {
        struct redis_pending p = q->lost[--q->lost_count];
        p.fn(p.arg, NULL);
    }
}

char *redis_args_next(struct redis_args *a, size_t *len)
{
    char *digits_end;
    if (a->at >= a->end || *a->at != '$')
        return NULL;
    *len = strtoul(a->at + 1, &digits_end, 10);
    char *arg = digits_end + 2;
    a->at = arg + *len + 2;
    return arg;
}

void redis_queue_each(struct redis_queue *q, redis_reply_fn *fn, redis_each_fn *each,
                      void *each_arg)
{
    char *at = q->bytes + q->start;
    for (size_t i = 0; i < q->count; i++) {
        const struct redis_pending *p = pending_at(q, i);
        if (p->fn == fn) {
            char *args = memchr(at, '$', p->bytes); /* behind the head, *<count> */
            each(each_arg, p->arg,
                 (struct redis_args){.at = args != NULL ? args : at + p->bytes,
                                     .end = at + p->bytes});
        }
        at += p->bytes;
    }
}
