/* What a scraper reads: the text format 0.0.4, whatever the order of registration. */
#include "common/metrics/metrics.h"

#include <event2/buffer.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_rendered(struct metrics *m, const char *expected)
{
    struct evbuffer *out = evbuffer_new();
    metrics_render(m, out);
    evbuffer_add(out, "", 1);
    assert_string_equal((const char *)evbuffer_pullup(out, -1), expected);
    evbuffer_free(out);
}

static void empty_registry_renders_nothing(void **state)
{
    struct metrics *m = metrics_new();
    (void)state;
    assert_rendered(m, "");
    metrics_free(m);
    metrics_free(NULL);
}

static void family_has_its_header_once_and_its_series_together(void **state)
{
    struct metrics *m = metrics_new();
    (void)state;
    metric_counter *a = metrics_counter(m, "a_total", "About a.", "side=\"client\"");
    metric_gauge *g = metrics_gauge(m, "g", "About g.", NULL);
    metric_counter *b = metrics_counter(m, "a_total", "About a.", "side=\"server\"");
    metric_add(a, 3);
    metric_add_shared(b, UINT64_MAX);
    metric_set(g, 5);
    metric_move(g, -7);
    assert_rendered(m, "# HELP a_total About a.\n"
                       "# TYPE a_total counter\n"
                       "a_total{side=\"client\"} 3\n"
                       "a_total{side=\"server\"} 18446744073709551615\n"
                       "# HELP g About g.\n"
                       "# TYPE g gauge\n"
                       "g -2\n");
    metrics_free(m);
}

static void asking_again_gives_the_same_series(void **state)
{
    struct metrics *m = metrics_new();
    static const double bounds[] = {1};
    (void)state;
    assert_ptr_equal(metrics_counter(m, "c", "h", "x=\"1\""),
                     metrics_counter(m, "c", "h", "x=\"1\""));
    assert_ptr_equal(metrics_counter(m, "c", "h", NULL), metrics_counter(m, "c", "h", ""));
    assert_ptr_not_equal(metrics_counter(m, "c", "h", NULL),
                         metrics_counter(m, "c", "h", "x=\"1\""));
    assert_ptr_equal(metrics_gauge(m, "g", "h", NULL), metrics_gauge(m, "g", "h", NULL));
    assert_ptr_equal(metrics_histogram(m, "h", "h", NULL, bounds, 1),
                     metrics_histogram(m, "h", "h", NULL, bounds, 1));
    metrics_free(m);
}

static void histogram_buckets_are_cumulative_and_bounds_inclusive(void **state)
{
    static const double bounds[] = {0.001, 0.25, 1};
    struct metrics *m = metrics_new();
    struct metric_histogram *h = metrics_histogram(m, "d_seconds", "Time.", "op=\"x\"", bounds, 3);
    (void)state;
    metric_observe(h, 0.001);
    metric_observe(h, 0.0015);
    metric_observe(h, 0.25);
    metric_observe(h, 5);
    assert_rendered(m, "# HELP d_seconds Time.\n"
                       "# TYPE d_seconds histogram\n"
                       "d_seconds_bucket{op=\"x\",le=\"0.001\"} 1\n"
                       "d_seconds_bucket{op=\"x\",le=\"0.25\"} 3\n"
                       "d_seconds_bucket{op=\"x\",le=\"1\"} 3\n"
                       "d_seconds_bucket{op=\"x\",le=\"+Inf\"} 4\n"
                       "d_seconds_sum{op=\"x\"} 5.2525\n"
                       "d_seconds_count{op=\"x\"} 4\n");
    metrics_free(m);
}

static void histogram_without_labels_has_only_le(void **state)
{
    static const double bounds[] = {100};
    struct metrics *m = metrics_new();
    (void)state;
    metrics_histogram(m, "s_bytes", "Size.", NULL, bounds, 1);
    assert_rendered(m, "# HELP s_bytes Size.\n"
                       "# TYPE s_bytes histogram\n"
                       "s_bytes_bucket{le=\"100\"} 0\n"
                       "s_bytes_bucket{le=\"+Inf\"} 0\n"
                       "s_bytes_sum 0\n"
                       "s_bytes_count 0\n");
    metrics_free(m);
}

static void collect_servers(struct metrics_writer *w, void *arg)
{
    const char *server = arg;
    char labels[64] = "";
    metrics_label(labels, sizeof(labels), "server", server);
    metrics_emit_family(w, "up", "gauge", "Whether it is up.");
    metrics_emit(w, "up", labels, 1);
    metrics_emit_family(w, "reg_total", "counter", "Also registered.");
    metrics_emit(w, "reg_total", labels, 12345678901.0);
    metrics_emit_family(w, "up", "gauge", "Whether it is up.");
    metrics_emit(w, "up", NULL, 0.1);
}

static void collectors_share_families_with_each_other_and_the_registry(void **state)
{
    struct metrics *m = metrics_new();
    (void)state;
    metric_add(metrics_counter(m, "reg_total", "Also registered.", NULL), 1);
    assert_true(metrics_collector(m, collect_servers, (void *)(uintptr_t) "a"));
    assert_true(metrics_collector(m, collect_servers, (void *)(uintptr_t) "b"));
    assert_rendered(m, "# HELP reg_total Also registered.\n"
                       "# TYPE reg_total counter\n"
                       "reg_total 1\n"
                       "reg_total{server=\"a\"} 12345678901\n"
                       "reg_total{server=\"b\"} 12345678901\n"
                       "# HELP up Whether it is up.\n"
                       "# TYPE up gauge\n"
                       "up{server=\"a\"} 1\n"
                       "up 0.1\n"
                       "up{server=\"b\"} 1\n"
                       "up 0.1\n");
    metrics_free(m);
}

static void collect_numbers(struct metrics_writer *w, void *arg)
{
    (void)arg;
    metrics_emit(w, "dropped", NULL, 1); /* no family yet */
    metrics_emit_family(w, "n", "gauge", "a\\b\nc");
    metrics_emit(w, "n", NULL, (double)INFINITY);
    metrics_emit(w, "n", NULL, -(double)INFINITY);
    metrics_emit(w, "n", NULL, (double)NAN);
    metrics_emit(w, "n", NULL, 1.0 / 3);
    metrics_emit(w, "n", NULL, 9007199254740991.0);
    metrics_emit(w, "n", NULL, -0.5);
}

static void numbers_and_help_are_written_as_the_format_wants(void **state)
{
    struct metrics *m = metrics_new();
    (void)state;
    metrics_collector(m, collect_numbers, NULL);
    assert_rendered(m, "# HELP n a\\\\b\\nc\n"
                       "# TYPE n gauge\n"
                       "n +Inf\nn -Inf\nn NaN\nn 0.3333333333333333\nn 9007199254740991\nn -0.5\n");
    metrics_free(m);
}

static void labels_are_escaped_and_left_out_when_too_long(void **state)
{
    char buf[32] = "";
    (void)state;
    metrics_label(buf, sizeof(buf), "a", "x\"y\\z\n");
    assert_string_equal(buf, "a=\"x\\\"y\\\\z\\n\"");
    metrics_label(buf, sizeof(buf), "b", "");
    assert_string_equal(buf, "a=\"x\\\"y\\\\z\\n\",b=\"\"");
    for (size_t n = 0; n < 40; n++) {
        char value[41];
        char before[32];
        memset(value, '"', n);
        value[n] = '\0';
        strcpy(before, buf);
        metrics_label(buf, sizeof(buf), "c", value);
        if (n < 5) { /* 18 + ,c=" + 2n + " + NUL must fit in 32 */
            assert_string_not_equal(buf, before);
            strcpy(buf, before);
        } else {
            assert_string_equal(buf, before);
        }
    }
    char tiny[3] = "";
    metrics_label(tiny, sizeof(tiny), "key", "value");
    assert_string_equal(tiny, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_registry_renders_nothing),
        cmocka_unit_test(family_has_its_header_once_and_its_series_together),
        cmocka_unit_test(asking_again_gives_the_same_series),
        cmocka_unit_test(histogram_buckets_are_cumulative_and_bounds_inclusive),
        cmocka_unit_test(histogram_without_labels_has_only_le),
        cmocka_unit_test(collectors_share_families_with_each_other_and_the_registry),
        cmocka_unit_test(numbers_and_help_are_written_as_the_format_wants),
        cmocka_unit_test(labels_are_escaped_and_left_out_when_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
