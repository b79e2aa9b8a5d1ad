/*
 * Every module reports here through the macros of log.h, and libevent too; a line is formatted on
 * the stack and handed to log_writer.c. Where lines go from there (journal, container engine,
 * Logstash) is not our job.
 */
#include "common/log/log.h"

#include <errno.h>
#include <event2/event.h>
#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/log/log_writer.h"

#define LINE_MAX_BYTES 4096
#define VALUE_MAX_BYTES 1024 /* of one value, escaped */
#define TAIL_RESERVE 96 /* room kept for `truncated`, `suppressed`, the brace and the newline */
#define LIMIT_BURST 10
#define LIMIT_PER_MS 10000

const char *const log_level_names[] = {"debug", "info", "warn", "error", NULL};
const char *const log_format_names[] = {"text", "json", NULL};

static const char *const level_upper[] = {"DEBUG", "INFO", "WARN", "ERROR"};

/* The logger's sink: the one piece of state that isn't handed down from main. */
static struct {
    const char *program;
    _Atomic int level;
    _Atomic int format;
    _Atomic int fd;
} sink = {.program = "flotilla", .level = LOG_LEVEL_INFO, .format = LOG_FORMAT_TEXT, .fd = 2};

/* A line being built. Writing past `limit` fails and leaves `used` where it was. */
struct line {
    char buf[LINE_MAX_BYTES];
    size_t used, limit;
    bool truncated;
};

void log_init(const char *program, enum log_level level, enum log_format format)
{
    sink.program = program;
    atomic_store(&sink.level, (int)level);
    atomic_store(&sink.format, (int)format);
}

void log_set_fd(int fd)
{
    atomic_store(&sink.fd, fd);
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&sink.level, memory_order_relaxed);
}

static bool put(struct line *l, const char *bytes, size_t n)
{
    if (n > l->limit - l->used)
        return false;
    memcpy(l->buf + l->used, bytes, n);
    l->used += n;
    return true;
}

__attribute__((format(printf, 2, 3))) static bool putf(struct line *l, const char *format, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    return n >= 0 && (size_t)n < sizeof(text) && put(l, text, (size_t)n);
}

/* What a reader of the log would obey rather than show: C1 controls, ends of line and paragraph, and
 * what turns the direction of the text around, so that it says something else. */
static bool is_obeyed(uint32_t code)
{
    return code < 0xa0 || code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

/* Length of the printable UTF-8 sequence at s, 0 when there is none. */
static size_t printable_utf8(const unsigned char *s, size_t len)
{
    uint32_t code;
    size_t n;
    if (s[0] >= 0x20 && s[0] < 0x7f)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        n = 2;
        code = s[0] & 0x1fu;
    } else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        n = 3;
        code = s[0] & 0x0fu;
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        n = 4;
        code = s[0] & 0x07u;
    } else {
        return 0;
    }
    if (n > len)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3fu);
    }
    bool overlong = (n == 3 && code < 0x800) || (n == 4 && code < 0x10000);
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return overlong || surrogate || code > 0x10ffff || is_obeyed(code) ? 0 : n;
}

/* Escapes the character at s into out (at most 8 bytes); returns how many bytes of s it took. */
static size_t escape_one(const unsigned char *s, size_t len, bool json, char *out, size_t *out_len)
{
    size_t n = printable_utf8(s, len);
    const char *named = NULL;
    switch (s[0]) {
    case '"':
        named = "\\\"";
        break;
    case '\\':
        named = "\\\\";
        break;
    case '\n':
        named = "\\n";
        break;
    case '\r':
        named = "\\r";
        break;
    case '\t':
        named = "\\t";
        break;
    default:
        break;
    }
    if (named != NULL) {
        memcpy(out, named, 2);
        *out_len = 2;
        return 1;
    }
    if (n > 0) {
        memcpy(out, s, n);
        *out_len = n;
        return n;
    }
    /* In JSON the backslash of \xNN is itself escaped, so both formats show the same text. */
    *out_len = (size_t)snprintf(out, 8, json ? "\\\\x%02x" : "\\x%02x", s[0]);
    return 1;
}

static bool put_escaped(struct line *l, const char *text, size_t len, bool json)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t written = 0;
    while (len > 0) {
        char piece[8];
        size_t piece_len = 0;
        size_t took = escape_one(s, len, json, piece, &piece_len);
        if (written + piece_len > VALUE_MAX_BYTES)
            return put(l, "...", 3);
        if (!put(l, piece, piece_len))
            return false;
        written += piece_len;
        s += took;
        len -= took;
    }
    return true;
}

static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return len > 0;
}

static bool put_text(struct line *l, const char *text, size_t len, bool json)
{
    if (text == NULL) {
        text = "-";
        len = 1;
    }
    if (!json && is_plain(text, len))
        return put_escaped(l, text, len, false);
    return put(l, "\"", 1) && put_escaped(l, text, len, json) && put(l, "\"", 1);
}

static bool put_double(struct line *l, double d, bool json)
{
    if (json && !isfinite(d))
        return putf(l, "null");
    return putf(l, "%.9g", d);
}

static bool put_value(struct line *l, const struct log_kv *kv, bool json)
{
    switch (kv->kind) {
    case LOG_KIND_STR:
        return put_text(l, kv->v.str, kv->v.str != NULL ? strlen(kv->v.str) : 0, json);
    case LOG_KIND_BYTES:
        return put_text(l, kv->v.str != NULL ? kv->v.str : "", kv->v.str != NULL ? kv->len : 0,
                        json);
    case LOG_KIND_UINT:
        return putf(l, "%llu", (unsigned long long)kv->v.u);
    case LOG_KIND_INT:
        return putf(l, "%lld", (long long)kv->v.i);
    case LOG_KIND_BOOL:
        return putf(l, "%s", kv->v.b ? "true" : "false");
    case LOG_KIND_DOUBLE:
        return put_double(l, kv->v.d, json);
    case LOG_KIND_END:
        break;
    }
    return false;
}

static bool put_key(struct line *l, const char *key, bool json)
{
    if (!json)
        return putf(l, " %s=", key);
    return put(l, ",\"flotilla.", 11) && put_escaped(l, key, strlen(key), true) && put(l, "\":", 2);
}

/* A field is written whole or not at all, so a full line still ends well-formed. */
static void put_field(struct line *l, const struct log_kv *kv, bool json)
{
    size_t before = l->used;
    if (put_key(l, kv->key, json) && put_value(l, kv, json))
        return;
    l->used = before;
    l->truncated = true;
}

static void put_head(struct line *l, enum log_level level, const char *event, bool json)
{
    uint64_t now_ms = clock_realtime_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm = {0};
    char stamp[32];
    gmtime_r(&seconds, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    if (!json) {
        putf(l, "%s.%03uZ %s ", stamp, (unsigned)(now_ms % 1000), level_upper[level]);
        put_escaped(l, event, strlen(event), false);
        return;
    }
    putf(l, "{\"@timestamp\":\"%s.%03uZ\",\"log.level\":\"%s\",\"message\":\"", stamp,
         (unsigned)(now_ms % 1000), log_level_names[level]);
    put_escaped(l, event, strlen(event), true);
    putf(l, "\",\"ecs.version\":\"1.6.0\",\"event.action\":\"");
    put_escaped(l, event, strlen(event), true);
    putf(l, "\",\"service.name\":\"");
    put_escaped(l, sink.program, strlen(sink.program), true);
    putf(l, "\",\"process.pid\":%ld", (long)getpid());
}

/* Its buffer holds the whole line. */
static void format_line(struct line *l, enum log_level level, const char *event,
                        const struct log_kv *kvs, uint32_t suppressed)
{
    bool json = atomic_load_explicit(&sink.format, memory_order_relaxed) == LOG_FORMAT_JSON;
    l->used = 0;
    l->limit = sizeof(l->buf) - TAIL_RESERVE;
    l->truncated = false;
    put_head(l, level, event, json);
    for (; kvs->kind != LOG_KIND_END; kvs++)
        put_field(l, kvs, json);

    l->limit = sizeof(l->buf);
    if (suppressed > 0)
        put_field(l, &(struct log_kv)KV_UINT("suppressed", suppressed), json);
    if (l->truncated)
        put_field(l, &(struct log_kv)KV_BOOL("truncated", true), json);
    put(l, json ? "}\n" : "\n", json ? 2 : 1);
}

static void write_now(int fd, const struct line *l)
{
    ssize_t n;
    do {
        n = write(fd, l->buf, l->used);
    } while (n < 0 && errno == EINTR);
}

static void emit(enum log_level level, const char *event, const struct log_kv *kvs,
                 uint32_t suppressed)
{
    int fd = atomic_load_explicit(&sink.fd, memory_order_relaxed);
    struct line l;
    format_line(&l, level, event, kvs, suppressed);
    if (!log_writer_put(fd, l.buf, l.used))
        write_now(fd, &l);
}

void log_event(enum log_level level, const char *event, const struct log_kv *kvs)
{
    int saved_errno = errno; /* logging must not disturb the caller's error handling */
    if (log_enabled(level))
        emit(level, event, kvs, 0);
    errno = saved_errno;
}

void log_event_limited(struct log_limit *limit, enum log_level level, const char *event,
                       const struct log_kv *kvs)
{
    int saved_errno = errno;
    if (!log_enabled(level))
        return;
    uint64_t now_ms = clock_monotonic_ms();
    if (limit->window_start_ms == 0 || now_ms - limit->window_start_ms >= LIMIT_PER_MS) {
        limit->window_start_ms = now_ms;
        limit->in_window = 0;
    }
    if (limit->in_window >= LIMIT_BURST) {
        limit->suppressed++;
    } else {
        limit->in_window++;
        emit(level, event, kvs, limit->suppressed);
        limit->suppressed = 0;
    }
    errno = saved_errno;
}

/* ---- the writer, and libevent's own messages ---- */

static size_t gap_line(char *buf, size_t size, uint64_t dropped)
{
    struct line l;
    format_line(&l, LOG_LEVEL_WARN, "log_lines_dropped",
                (const struct log_kv[]){KV_UINT("count", dropped), {.kind = LOG_KIND_END}}, 0);
    if (l.used > size)
        return 0;
    memcpy(buf, l.buf, l.used);
    return l.used;
}

/* libevent would write to stderr at once and without a limit: a listener without descriptors says
 * so for every connection that waits, as fast as the loop turns. */
static void on_libevent(int severity, const char *text)
{
    static const enum log_level levels[] = {
        [EVENT_LOG_DEBUG] = LOG_LEVEL_DEBUG,
        [EVENT_LOG_MSG] = LOG_LEVEL_INFO,
        [EVENT_LOG_WARN] = LOG_LEVEL_WARN,
        [EVENT_LOG_ERR] = LOG_LEVEL_ERROR,
    };
    bool known = severity >= EVENT_LOG_DEBUG && severity <= EVENT_LOG_ERR;
    LOG_LIMITED(known ? levels[severity] : LOG_LEVEL_WARN, "libevent", KV_STR("text", text));
}

bool log_start(void)
{
    event_set_log_callback(on_libevent);
    return log_writer_start(gap_line);
}
