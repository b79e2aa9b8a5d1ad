/*
 * log.c's lines go in, log_writer.c's thread takes them out.
 */
#include "common/log/log_ring.h"

#include <stdlib.h>
#include <string.h>

#define GAP_LINE_MAX 512

bool log_ring_init(struct log_ring *r, size_t capacity, log_gap_line_fn *gap_line)
{
    memset(r, 0, sizeof(*r));
    r->bytes = malloc(capacity);
    r->capacity = capacity;
    r->gap_line = gap_line;
    return r->bytes != NULL;
}

void log_ring_fini(struct log_ring *r)
{
    free(r->bytes);
    memset(r, 0, sizeof(*r));
}

static void append(struct log_ring *r, const char *bytes, size_t len)
{
    size_t at = (r->first + r->used) % r->capacity;
    size_t before_end = r->capacity - at;
    size_t head = len < before_end ? len : before_end;
    memcpy(r->bytes + at, bytes, head);
    memcpy(r->bytes, bytes + head, len - head);
    r->used += len;
}

bool log_ring_put(struct log_ring *r, const char *line, size_t len)
{
    if (r->gap > 0 || len > r->capacity - r->used) {
        r->gap++;
        r->dropped_total++;
        return false;
    }
    append(r, line, len);
    return true;
}

static char byte_at(const struct log_ring *r, size_t offset)
{
    return r->bytes[(r->first + offset) % r->capacity];
}

/* Up to the last newline within `most` bytes; all of them when there is none. */
static size_t whole_lines(const struct log_ring *r, size_t most)
{
    for (size_t len = most; len > 0; len--)
        if (byte_at(r, len - 1) == '\n')
            return len;
    return most;
}

static void end_gap(struct log_ring *r)
{
    char line[GAP_LINE_MAX];
    size_t len = r->gap_line(line, sizeof(line), r->gap);
    if (len <= r->capacity - r->used)
        append(r, line, len);
    r->gap = 0;
}

size_t log_ring_take(struct log_ring *r, char *buf, size_t size)
{
    size_t len = whole_lines(r, r->used < size ? r->used : size);
    size_t before_end = r->capacity - r->first;
    size_t head = len < before_end ? len : before_end;
    memcpy(buf, r->bytes + r->first, head);
    memcpy(buf + head, r->bytes, len - head);
    r->first = (r->first + len) % r->capacity;
    r->used -= len;
    if (r->gap > 0 && r->used <= r->capacity / 2)
        end_gap(r);
    return len;
}
