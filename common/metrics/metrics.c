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

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

static const char *const type_names[] = {"counter", "gauge", "histogram"};

struct metric_histogram {
    const double *bounds;
    size_t count;
    _Atomic double sum;
    _Atomic uint64_t buckets[]; /* not cumulative; the last one is +Inf */
};

struct series {
    struct series *next;
    char *labels; /* owned; "" when none */
    metric_counter counter;
    metric_gauge gauge;
    struct metric_histogram *histogram; /* owned; METRIC_HISTOGRAM only */
};

struct family {
    struct family *next;
    const char *name, *help;
    enum metric_type type;
    struct series *series;
};

struct collector {
    struct collector *next;
    metrics_collect_fn *fn;
    void *arg;
};

struct metrics {
    struct family *families;
    struct collector *collectors;
};

/* A family's text while rendering. */
struct page {
    struct page *next;
    char *name; /* owned */
    struct evbuffer *text;
};

struct metrics_writer {
    struct page *pages;
    struct page
        *current; /* of the last metrics_emit_family; NULL: out of memory, text is dropped */
};

struct metrics *metrics_new(void)
{
    return calloc(1, sizeof(struct metrics));
}

static void series_free(struct series *s)
{
    if (s == NULL)
        return;
    free(s->labels);
    free(s->histogram);
    free(s);
}

void metrics_free(struct metrics *m)
{
    if (m == NULL)
        return;
    while (m->families != NULL) {
        struct family *f = m->families;
        m->families = f->next;
        while (f->series != NULL) {
            struct series *s = f->series;
            f->series = s->next;
            series_free(s);
        }
        free(f);
    }
    while (m->collectors != NULL) {
        struct collector *c = m->collectors;
        m->collectors = c->next;
        free(c);
    }
    free(m);
}

/* --- registration --- */

static struct family *family_get(struct metrics *m, enum metric_type type, const char *name,
                                 const char *help)
{
    struct family **at = &m->families;

    for (; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->name, name) == 0) {
            assert((*at)->type == type);
            return *at;
        }
    }
    *at = calloc(1, sizeof(**at));
    if (*at != NULL) {
        (*at)->name = name;
        (*at)->help = help;
        (*at)->type = type;
    }
    return *at;
}

/* Finds or makes a series, at the end of its family's list. */
static struct series *series_get(struct metrics *m, enum metric_type type, const char *name,
                                 const char *help, const char *labels)
{
    struct family *f = family_get(m, type, name, help);
    struct series **at;

    if (f == NULL)
        return NULL;
    labels = labels != NULL ? labels : "";
    for (at = &f->series; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->labels, labels) == 0)
            return *at;
    }
    struct series *s = calloc(1, sizeof(*s));
    if (s == NULL || (s->labels = strdup(labels)) == NULL) {
        series_free(s);
        return NULL;
    }
    *at = s;
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
    struct collector **at = &m->collectors;

    while (*at != NULL)
        at = &(*at)->next;
    *at = calloc(1, sizeof(**at));
    if (*at == NULL)
        return false;
    (*at)->fn = fn;
    (*at)->arg = arg;
    return true;
}

/* --- text --- */

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
    struct page **at = &w->pages;

    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    w->current = *at;
    if (*at != NULL)
        return;
    w->current = *at = page_new(name);
    if (*at == NULL)
        return;
    evbuffer_add_printf((*at)->text, "# HELP %s ", name);
    add_help((*at)->text, help);
    evbuffer_add_printf((*at)->text, "\n# TYPE %s %s\n", name, type);
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
    struct metrics_writer w = {NULL, NULL};

    for (struct family *f = m->families; f != NULL; f = f->next) {
        metrics_emit_family(&w, f->name, type_names[f->type], f->help);
        for (struct series *s = f->series; s != NULL; s = s->next)
            emit_series(&w, f, s);
    }
    for (struct collector *c = m->collectors; c != NULL; c = c->next) {
        w.current = NULL;
        c->fn(&w, c->arg);
    }
    while (w.pages != NULL) {
        struct page *p = w.pages;
        w.pages = p->next;
        evbuffer_add_buffer(out, p->text);
        page_free(p);
    }
}
