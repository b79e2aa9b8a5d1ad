/*
 * log - structured log lines: an event name plus typed fields, one event per line.
 *
 * Formats:   text for people (`2026-11-24T06:39:48.123Z WARN server_down server=broker1 streak=3`),
 *            json for machines (Elastic Common Schema names: @timestamp, log.level, message,
 *            event.action, service.name; own fields under `flotilla.`).
 * Ownership: keeps no pointer given to it but `program` (a literal). Values are copied at once.
 * Threads:   safe from any thread; lines reach the sink whole and in order.
 * Waiting:   after log_start nobody who logs waits for the sink: lines go through a bounded buffer
 *            to a thread (log_writer.h). What doesn't fit is dropped; a line `log_lines_dropped`
 *            with the count stands where they are missing, and a metric counts them. Before
 *            log_start (command line, --check) a line is written at once.
 * Errors:    none reported; a line that can't be written is lost and counted.
 * Escaping:  control bytes and bytes that aren't UTF-8 are written as \xNN; a text value with
 *            anything but plain characters is quoted; a JSON line is always valid JSON.
 * Size:      a line is at most 4 KiB. A value is cut after 1 KiB and ends in "..."; a field that
 *            doesn't fit any more is left out and `truncated=true` says so.
 * Limits:    LOG_LIMITED(...) lets through a burst per call site, then counts what it left out and
 *            says so in a field `suppressed` of the next line it lets through.
 */
#ifndef FLOTILLA_COMMON_LOG_LOG_H
#define FLOTILLA_COMMON_LOG_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

enum log_kind {
    LOG_KIND_END,
    LOG_KIND_STR,
    LOG_KIND_BYTES,
    LOG_KIND_UINT,
    LOG_KIND_INT,
    LOG_KIND_BOOL,
    LOG_KIND_DOUBLE
};

struct log_kv {
    const char *key;
    enum log_kind kind;
    size_t len; /* LOG_KIND_BYTES only */
    union {
        const char *str; /* NULL is written as "-" */
        uint64_t u;
        int64_t i;
        double d;
        bool b;
    } v;
};

#define KV_STR(k, x)                                                                               \
    {                                                                                              \
        .key = (k), .kind = LOG_KIND_STR, .v.str = (x)                                             \
    }
#define KV_BYTES(k, p, n)                                                                          \
    {                                                                                              \
        .key = (k), .kind = LOG_KIND_BYTES, .len = (n), .v.str = (const char *)(p)                 \
    }
#define KV_UINT(k, x)                                                                              \
    {                                                                                              \
        .key = (k), .kind = LOG_KIND_UINT, .v.u = (uint64_t)(x)                                    \
    }
#define KV_INT(k, x)                                                                               \
    {                                                                                              \
        .key = (k), .kind = LOG_KIND_INT, .v.i = (int64_t)(x)                                      \
    }
#define KV_BOOL(k, x)                                                                              \
    {                                                                                              \
        .key = (k), .kind = LOG_KIND_BOOL, .v.b = (x)                                              \
    }
#define KV_DOUBLE(k, x)                                                                            \
    {                                                                                              \
        .key = (k), .kind = LOG_KIND_DOUBLE, .v.d = (x)                                            \
    }

/* Words of the two enums in their order, NULL-terminated (for CONFIG_ENUM). */
extern const char *const log_level_names[];
extern const char *const log_format_names[];

/* Rate limit of one call site: 10 lines in 10 s. Zero-initialised. */
struct log_limit {
    uint64_t window_start_ms;
    uint32_t in_window;
    uint32_t suppressed;
};

/* Called once by main before anything logs. Sink is stderr (fd 2) unless log_set_fd is called. */
void log_init(const char *program, enum log_level level, enum log_format format);
/* Called by main before it serves: from now on a thread writes, and libevent's own messages are
 * log lines (rate-limited) too. False: out of memory or threads; logging goes on as before. */
bool log_start(void);
void log_set_fd(int fd);
bool log_enabled(enum log_level level);

/* Writes one line. `kvs` ends with an element of kind LOG_KIND_END. */
void log_event(enum log_level level, const char *event, const struct log_kv *kvs);
void log_event_limited(struct log_limit *limit, enum log_level level, const char *event,
                       const struct log_kv *kvs);

#define LOG_AT(level, event, ...)                                                                  \
    do {                                                                                           \
        if (log_enabled(level))                                                                    \
            log_event((level), (event),                                                            \
                      (const struct log_kv[]){__VA_ARGS__ __VA_OPT__(, ){.kind = LOG_KIND_END}});  \
    } while (0)
#define LOG_DEBUG(event, ...) LOG_AT(LOG_LEVEL_DEBUG, event __VA_OPT__(, ) __VA_ARGS__)
#define LOG_INFO(event, ...) LOG_AT(LOG_LEVEL_INFO, event __VA_OPT__(, ) __VA_ARGS__)
#define LOG_WARN(event, ...) LOG_AT(LOG_LEVEL_WARN, event __VA_OPT__(, ) __VA_ARGS__)
#define LOG_ERROR(event, ...) LOG_AT(LOG_LEVEL_ERROR, event __VA_OPT__(, ) __VA_ARGS__)

/* With a limit of the caller's: one for each reason, say, so that a flood of one hides no other. */
#define LOG_LIMITED_BY(limit, level, event, ...)                                                   \
    do {                                                                                           \
        if (log_enabled(level))                                                                    \
            log_event_limited(                                                                     \
                (limit), (level), (event),                                                         \
                (const struct log_kv[]){__VA_ARGS__ __VA_OPT__(, ){.kind = LOG_KIND_END}});        \
    } while (0)

/* For what peers can cause at will: at most 10 lines in 10 s from one call site (and thread). */
#define LOG_LIMITED(level, event, ...)                                                             \
    do {                                                                                           \
        static _Thread_local struct log_limit log_limit_;                                          \
        LOG_LIMITED_BY(&log_limit_, level, event __VA_OPT__(, ) __VA_ARGS__);                      \
    } while (0)

#endif
