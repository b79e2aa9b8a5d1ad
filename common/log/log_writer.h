/*
 * log_writer - the thread that writes log lines, so that logging never waits for a reader: a pipe
 * that isn't read, a terminal that was stopped, a slow disk.
 *
 * Data flow: log.c hands each line to log_writer_put, which copies it into a bounded ring
 *            (log_ring.h); the thread takes whole lines and writes them, blocking as long as it
 *            takes. The sink's flags aren't touched: a stderr is often shared with other processes.
 * Ending:    at exit, and on a fatal signal, what is in the ring gets FLUSH_MS to be written.
 * Threads:   safe from any thread. Signals are blocked in the writer. A process that forks
 *            starts the writer afterwards: threads don't survive a fork.
 * Errors:    what the sink refuses (a full disk, a reader that has gone) counts as dropped.
 */
#ifndef FLOTILLA_COMMON_LOG_LOG_WRITER_H
#define FLOTILLA_COMMON_LOG_LOG_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/log_ring.h"

/* Once, when the process is about to serve. False: out of memory or threads. */
bool log_writer_start(log_gap_line_fn *gap_line);
/* False before log_writer_start: the caller writes the line itself. */
bool log_writer_put(int fd, const char *line, size_t len);
/* Waits until all is written, or for so long. True: all is. */
bool log_writer_flush(unsigned timeout_ms);
/* Lines that were never written. */
uint64_t log_writer_dropped(void);

#endif
