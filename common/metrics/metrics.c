/*
 * The registry is a list of families, each a list of series that modules bump by pointer. Rendering
 * (for http_admin's /metrics) gives every family a text of its own, which registered series and
 * collectors add to, and joins the texts at the end. Lookups are linear: registration happens at
 * start, and a process has about a hundred series.
 */
#include "common/metrics/metrics.h"

#include <assert.h>
#include <event2/buffer.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

static const char *const type_names[] = {"counter", "gauge", "histogram"};

struct metric_histogram {
    const double *bounds;
    size_t count;
    _Atomic double sum;
    _Atomic uint64_t buckets[]; /* not cumulative; the last one is +Inf */
};

struct series {
    STAILQ_ENTRY(series) link;
    char *labels; /* owned; "" when none */
    metric_counter counter;
    metric_gauge gauge;
    struct metric_histogram *histogram; /* owned; METRIC_HISTOGRAM only */
};

struct family {
    STAILQ_ENTRY(family) link;
    const char *name, *help;
    enum metric_type type;
    STAILQ_HEAD(, series) series;
};

struct collector {
    STAILQ_ENTRY(collector) link;
    metrics_collect_fn *fn;
    void *arg;
};

struct metrics {
    STAILQ_HEAD(, family) families;
    STAILQ_HEAD(, collector) collectors;
};

/* A family's text while rendering. */
struct page {
    STAILQ_ENTRY(page) link;
    char *name; /* owned */
    struct evbuffer *text;
};

struct metrics_writer {
    STAILQ_HEAD(, page) pages;
    struct page
        *current; /* of the last metrics_emit_family; NULL: out of memory, text is dropped */
};

struct metrics *metrics_new(void)
{
    struct metrics *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return NULL;
    STAILQ_INIT(&m->families);
    STAILQ_INIT(&m->collectors);
    return m;
}

static void series_free(struct series *s)
{
    if (s == NULL)
        return;
    free(s->labels);
    free(s->histogram);
    free(s);
}

static void family_free(struct family *f)
{
    struct series *s;
    while ((s = STAILQ_FIRST(&f->series)) != NULL) {
        STAILQ_REMOVE_HEAD(&f->series, link);
        series_free(s);
    }
    free(f);
}

void metrics_free(struct metrics *m)
{
    struct family *f;
    struct collector *c;
    if (m == NULL)
        return;
    while ((f = STAILQ_FIRST(&m->families)) != NULL) {
        STAILQ_REMOVE_HEAD(&m->families, link);
        family_free(f);
    }
    while ((c = STAILQ_FIRST(&m->collectors)) != NULL) {
        STAILQ_REMOVE_HEAD(&m->collectors, link);
        free(c);
    }
    free(m);
}

/* ---- registration ---- */

static struct family *family_get(struct metrics *m, enum metric_type type, const char *name,
                                 const char *help)
{
    struct family *f;
    STAILQ_FOREACH (f, &m->families, link) {
        if (strcmp(f->name, name) == 0) {
            assert(f->type == type);
            return f;
        }
    }
    f = calloc(1, sizeof(*f));
    if (f == NULL)
        return NULL;
    f->name = name;
    f->help = help;
    f->type = type;
    STAILQ_INIT(&f->series);
    STAILQ_INSERT_TAIL(&m->families, f, link);
    return f;
}

/* Finds or makes a series, at the end of its family's list. */
static struct series *series_get(struct metrics *m, enum metric_type type, const char *name,
                                 const char *help, const char *labels)
{
    struct family *f = family_get(m, type, name, help);
    struct series *s;
    if (f == NULL)
        return NULL;
    labels = labels != NULL ? labels : "";
    STAILQ_FOREACH (s, &f->series, link) {
        if (strcmp(s->labels, labels) == 0)
            return s;
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL || (s->labels = strdup(labels)) == NULL) {
        series_free(s);
        return NULL;
    }
    STAILQ_INSERT_TAIL(&f->series, s, link);
    return s;
}

metric_counter *metrics_counter(struct metrics *m, const char *name, const char *help,
                                const char *labels)
{
    struct series *s = series_get(m, METRIC_COUNTER, name, help, labels);
    return s != NULL ? &s->counter : NULL;
}

metric_gauge *metrics_gauge(struct metrics *m, const char *name, const char *help,
                            const char *labels)
{
    struct series *s = series_get(m, METRIC_GAUGE, name, help, labels);
    return s != NULL ? &s->gauge : NULL;
}

struct metric_histogram *metrics_histogram(struct metrics *m, const char *name, const char *help,
                                           const char *labels, const double *bounds, size_t count)
{
    struct series *s = series_get(m, METRIC_HISTOGRAM, name, help, labels);
    if (s == NULL)
        return NULL;
    if (s->histogram == NULL) {
        s->histogram =
            calloc(1, sizeof(*s->histogram) + (count + 1) * sizeof(s->histogram->buckets[0]));
        if (s->histogram == NULL)
            return NULL;
        s->histogram->bounds = bounds;
        s->histogram->count = count;
    }
    return s->histogram;
}

void metric_observe(struct metric_histogram *h, double value)
{
    size_t i = 0;
    while (i < h->count && value > h->bounds[i])
        i++;
    metric_add(&h->buckets[i], 1);
    double sum = atomic_load_explicit(&h->sum, memory_order_relaxed);
    atomic_store_explicit(&h->sum, sum + value, memory_order_relaxed);
}

bool metrics_collector(struct metrics *m, metrics_collect_fn *fn, void *arg)
{
    struct collector *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return false;
    c->fn = fn;
    c->arg = arg;
    STAILQ_INSERT_TAIL(&m->collectors, c, link);
    return true;
}

/* ---- text ---- */

static size_t escape_label_char(char c, char out[2])
{
    switch (c) {
    case '\\':
    case '"':
        out[0] = '\\';
        out[1] = c;
        return 2;
    case '\n':
        out[0] = '\\';
        out[1] = 'n';
        return 2;
    default:
        out[0] = c;
        return 1;
    }
}

void metrics_label(char *buf, size_t size, const char *key, const char *value)
{
    size_t start = strlen(buf);
    int head = snprintf(buf + start, size - start, "%s%s=\"", start > 0 ? "," : "", key);
    size_t used = start + (size_t)head;
    for (const char *p = value; *p != '\0' && used < size; p++) {
        char escaped[2];
        size_t n = escape_label_char(*p, escaped);
        if (used + n < size)
            memcpy(buf + used, escaped, n);
        used += n;
    }
    if (used + 1 < size) {
        buf[used] = '"';
        buf[used + 1] = '\0';
    } else {
        buf[start] = '\0';
    }
}

static void add_help(struct evbuffer *out, const char *help)
{
    for (const char *p = help; *p != '\0'; p++) {
        if (*p == '\n')
            evbuffer_add(out, "\\n", 2);
        else if (*p == '\\')
            evbuffer_add(out, "\\\\", 2);
        else
            evbuffer_add(out, p, 1);
    }
}

/* The shortest decimal that reads back as the same number. */
static void format_double(double value, char *buf, size_t size)
{
    if (isnan(value)) {
        (void)snprintf(buf, size, "NaN");
    } else if (isinf(value)) {
        (void)snprintf(buf, size, value > 0 ? "+Inf" : "-Inf");
    } else {
        for (int digits = 6; digits <= 17; digits++) {
            (void)snprintf(buf, size, "%.*g", digits, value);
            if (strtod(buf, NULL) == value)
                return;
        }
    }
}

static void page_free(struct page *p)
{
    if (p == NULL)
        return;
    free(p->name);
    if (p->text != NULL)
        evbuffer_free(p->text);
    free(p);
}

static struct page *page_new(const char *name)
{
    struct page *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    p->name = strdup(name);
    p->text = evbuffer_new();
    if (p->name == NULL || p->text == NULL) {
        page_free(p);
        return NULL;
    }
    return p;
}

void metrics_emit_family(struct metrics_writer *w, const char *name, const char *type,
                         const char *help)
{
    struct page *p;
    STAILQ_FOREACH (p, &w->pages, link) {
        if (strcmp(p->name, name) == 0)
            break;
    }
    w->current = p;
    if (p != NULL)
        return;
    w->current = p = page_new(name);
    if (p == NULL)
        return;
    STAILQ_INSERT_TAIL(&w->pages, p, link);
    evbuffer_add_printf(p->text, "# HELP %s ", name);
    add_help(p->text, help);
    evbuffer_add_printf(p->text, "\n# TYPE %s %s\n", name, type);
}

/* name{labels,extra} value */
static void emit_text(struct metrics_writer *w, const char *name, const char *suffix,
                      const char *labels, const char *extra, const char *value)
{
    bool has_labels = labels != NULL && labels[0] != '\0';
    bool has_extra = extra[0] != '\0';
    if (w->current == NULL)
        return;
    evbuffer_add_printf(w->current->text, "%s%s", name, suffix);
    if (has_labels || has_extra)
        evbuffer_add_printf(w->current->text, "{%s%s%s}", has_labels ? labels : "",
                            has_labels && has_extra ? "," : "", extra);
    evbuffer_add_printf(w->current->text, " %s\n", value);
}

void metrics_emit(struct metrics_writer *w, const char *name, const char *labels, double value)
{
    char text[32];
    format_double(value, text, sizeof(text));
    emit_text(w, name, "", labels, "", text);
}

static void emit_count(struct metrics_writer *w, const char *name, const char *suffix,
                       const char *labels, const char *extra, uint64_t value)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    emit_text(w, name, suffix, labels, extra, text);
}

static void emit_histogram(struct metrics_writer *w, const char *name, const char *labels,
                           struct metric_histogram *h)
{
    uint64_t total = 0;
    char number[32];
    char le[48];
    for (size_t i = 0; i <= h->count; i++) {
        total += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        format_double(i < h->count ? h->bounds[i] : (double)INFINITY, number, sizeof(number));
        (void)snprintf(le, sizeof(le), "le=\"%s\"", number);
        emit_count(w, name, "_bucket", labels, le, total);
    }
    format_double(atomic_load_explicit(&h->sum, memory_order_relaxed), number, sizeof(number));
    emit_text(w, name, "_sum", labels, "", number);
    emit_count(w, name, "_count", labels, "", total);
}

static void emit_series(struct metrics_writer *w, const struct family *f, struct series *s)
{
    char text[32];
    switch (f->type) {
    case METRIC_COUNTER:
        emit_count(w, f->name, "", s->labels, "",
                   atomic_load_explicit(&s->counter, memory_order_relaxed));
        break;
    case METRIC_GAUGE:
        (void)snprintf(text, sizeof(text), "%lld",
                       (long long)atomic_load_explicit(&s->gauge, memory_order_relaxed));
        emit_text(w, f->name, "", s->labels, "", text);
        break;
    case METRIC_HISTOGRAM:
        if (s->histogram != NULL)
            emit_histogram(w, f->name, s->labels, s->histogram);
        break;
    }
}

void metrics_render(struct metrics *m, struct evbuffer *out)
{
    struct metrics_writer w = {.pages = STAILQ_HEAD_INITIALIZER(w.pages)};
    struct family *f;
    struct series *s;
    struct collector *c;
    struct page *p;
    STAILQ_FOREACH (f, &m->families, link) {
        metrics_emit_family(&w, f->name, type_names[f->type], f->help);
        STAILQ_FOREACH (s, &f->series, link)
            emit_series(&w, f, s);
    }
    STAILQ_FOREACH (c, &m->collectors, link) {
        w.current = NULL;
        c->fn(&w, c->arg);
    }
    while ((p = STAILQ_FIRST(&w.pages)) != NULL) {
        STAILQ_REMOVE_HEAD(&w.pages, link);
        evbuffer_add_buffer(out, p->text);
        page_free(p);
    }
}
