/*
 * log_ring - the bounded buffer between those who log and the thread that writes: what happens when
 * the reader of the log is slower than the log.
 *
 * Policy:    a line that doesn't fit is dropped and counted, and so are all further ones until the
 *            ring has drained to a half. Then the count stands at the place of the gap, as a line
 *            that `gap_line` makes. So order is kept, and a reader sees where lines are missing.
 * Ownership: embedded; log_ring_init takes the memory, log_ring_fini gives it back.
 * Threads:   none of its own: log_writer.c holds a lock around every call.
 */
#ifndef FLOTILLA_COMMON_LOG_LOG_RING_H
#define FLOTILLA_COMMON_LOG_LOG_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes the line that tells of `dropped` lines into buf (with its newline); returns its length, at
 * most `size`. */
typedef size_t log_gap_line_fn(char *buf, size_t size, uint64_t dropped);

struct log_ring {
    char *bytes;
    size_t capacity;
    size_t first, used;     /* the bytes in it: `used` from `first` on, around the end */
    uint64_t gap;           /* lines dropped and not told of yet; not 0: all are dropped */
    uint64_t dropped_total; /* since the start */
    log_gap_line_fn *gap_line;
};

/* False when out of memory. */
bool log_ring_init(struct log_ring *r, size_t capacity, log_gap_line_fn *gap_line);
void log_ring_fini(struct log_ring *r);

/* One line with its newline. False: dropped and counted. */
bool log_ring_put(struct log_ring *r, const char *line, size_t len);
/* Takes whole lines from the front, as many as fit into `size` bytes (of a line longer than that,
 * its first `size` bytes). 0: empty. */
size_t log_ring_take(struct log_ring *r, char *buf, size_t size);

#endif
