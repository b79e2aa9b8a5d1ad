/*
 * metrics - named counters, gauges and histograms, rendered as Prometheus text (0.0.4).
 *
 * Ownership: a registry owns its series; pointers returned live as long as the registry.
 *            `name`, `help` are literals; `labels` ("server=\"a\",backend=\"b\"" or NULL) is
 *            copied.
 * Threads:   registration, rendering and collectors belong to one thread. Values are atomics: a
 *            counter with one writing thread is bumped by metric_add (no locked instruction), one
 *            with several by metric_add_shared.
 * Rendering: a family's HELP and TYPE come once and its series together, whoever registers or emits
 *            them and in which order.
 * Dynamic sets (one series per server, say) are better rendered by a collector than registered.
 */
#ifndef FLOTILLA_COMMON_METRICS_METRICS_H
#define FLOTILLA_COMMON_METRICS_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evbuffer;
struct metrics;

typedef _Atomic uint64_t metric_counter; /* monotonic */
typedef _Atomic int64_t metric_gauge;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/* NULL when out of memory. Asking again for the same name and labels returns the same series. */
metric_counter *metrics_counter(struct metrics *m, const char *name, const char *help,
                                const char *labels);
metric_gauge *metrics_gauge(struct metrics *m, const char *name, const char *help,
                            const char *labels);

/* Histogram with fixed upper bounds (ascending, seconds or bytes as the name says); `bounds` is a
 * static table. */
struct metric_histogram;
struct metric_histogram *metrics_histogram(struct metrics *m, const char *name, const char *help,
                                           const char *labels, const double *bounds, size_t count);
void metric_observe(struct metric_histogram *h, double value); /* one writing thread */

/* Called at each rendering; emits its families through metrics_emit_*: first the family, then its
 * series. */
struct metrics_writer;
typedef void metrics_collect_fn(struct metrics_writer *w, void *arg);
/* False when out of memory. */
bool metrics_collector(struct metrics *m, metrics_collect_fn *fn, void *arg);
void metrics_emit_family(struct metrics_writer *w, const char *name, const char *type,
                         const char *help);
void metrics_emit(struct metrics_writer *w, const char *name, const char *labels, double value);
/* Appends key="value" (escaped) to a label text being built ("" at first); a comma is put when
 * needed. A label that doesn't fit is left out. */
void metrics_label(char *buf, size_t size, const char *key, const char *value);

void metrics_render(struct metrics *m, struct evbuffer *out);

static inline void metric_add(metric_counter *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}
static inline void metric_add_shared(metric_counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}
static inline void metric_set(metric_gauge *g, int64_t v)
{
    atomic_store_explicit(g, v, memory_order_relaxed);
}
static inline void metric_move(metric_gauge *g, int64_t by)
{
    atomic_store_explicit(g, atomic_load_explicit(g, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

#endif
