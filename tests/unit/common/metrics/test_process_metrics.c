/*
 * process_metrics: each figure is there and is this process's.
 */
#include "common/metrics/process_metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/buffer.h>

#include "common/base/clock.h"
#include "common/metrics/metrics.h"

static double value_of(const char *name)
{
    struct metrics *m = metrics_new();
    assert_non_null(m);
    assert_true(process_metrics_register(m));
    struct evbuffer *out = evbuffer_new();
    metrics_render(m, out);
    evbuffer_add(out, "", 1);
    const char *text = (const char *)evbuffer_pullup(out, -1);
    char line[128];
    snprintf(line, sizeof(line), "\n%s ", name);
    const char *at = strstr(text, line);
    assert_non_null(at);
    double value = strtod(at + strlen(line), NULL);
    evbuffer_free(out);
    metrics_free(m);
    return value;
}

static void start_time_is_a_moment_ago(void **state)
{
    (void)state;
    double start = value_of("process_start_time_seconds");
    assert_true(start > (double)time(NULL) - 600 && start < (double)time(NULL) + 5);
}

static void open_descriptors_are_counted(void **state)
{
    (void)state;
    double before = value_of("process_open_fds");
    int fd = dup(2);
    assert_true(fd >= 0);
    double after = value_of("process_open_fds");
    close(fd);
    assert_true(after == before + 1);
    assert_true(value_of("process_max_fds") >= after);
}

/* A scrape with a hundred thousand clients mustn't read the name of each descriptor. */
static void many_descriptors_cost_a_scrape_nothing(void **state)
{
    enum { MANY = 4000 };
    struct stat folder;
    struct rlimit limit;
    int *fds = calloc(MANY, sizeof(*fds));
    (void)state;
    assert_int_equal(stat("/proc/self/fd", &folder), 0);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (folder.st_size == 0 || limit.rlim_max < MANY + 100) {
        free(fds);
        skip(); /* Linux before 6.2 */
    }
    double few_fds = value_of("process_open_fds");
    uint64_t few_ns = UINT64_MAX;
    uint64_t many_ns = UINT64_MAX;
    for (int i = 0; i < MANY; i++)
        fds[i] = dup(2);
    for (int i = 0; i < 5; i++) {
        uint64_t begun_ns = clock_thread_cpu_ns();
        assert_true(value_of("process_open_fds") == few_fds + MANY);
        uint64_t took_ns = clock_thread_cpu_ns() - begun_ns;
        many_ns = took_ns < many_ns ? took_ns : many_ns;
    }
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    for (int i = 0; i < 5; i++) {
        uint64_t begun_ns = clock_thread_cpu_ns();
        value_of("process_open_fds");
        uint64_t took_ns = clock_thread_cpu_ns() - begun_ns;
        few_ns = took_ns < few_ns ? took_ns : few_ns;
    }
    assert_true(many_ns < few_ns * 4);
    free(fds);
}

static void memory_and_cpu_are_in_range(void **state)
{
    (void)state;
    assert_true(value_of("process_resident_memory_bytes") > 100000);
    clock_t began = clock();
    double before = value_of("process_cpu_seconds_total");
    while (clock() - began < CLOCKS_PER_SEC / 20)
        ;
    assert_true(value_of("process_cpu_seconds_total") >= before + 0.04);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_time_is_a_moment_ago),
        cmocka_unit_test(open_descriptors_are_counted),
        cmocka_unit_test(many_descriptors_cost_a_scrape_nothing),
        cmocka_unit_test(memory_and_cpu_are_in_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
