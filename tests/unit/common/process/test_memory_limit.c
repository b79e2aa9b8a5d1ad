/* The machine's memory, or what a control group leaves of it. */
#include "common/process/memory_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char root[64];

/* Writes a file below the root, with its folders. */
static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof(full), "%s%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/flotilla-test-limit.XXXXXX");
    assert_non_null(mkdtemp(root));
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -r '%s'", root);
    return system(command) == 0 ? 0 : -1;
}

static void without_files_there_is_a_guess(void **state)
{
    (void)state;
    assert_true(memory_limit(root) == (uint64_t)1 << 30);
}

static void the_machines_memory_counts(void **state)
{
    (void)state;
    put("/proc/meminfo", "Foo: 1 kB\nMemTotal:       2048 kB\nMemFree: 7 kB\n");
    assert_int_equal(memory_limit(root), 2048 * 1024);
}

static void every_group_of_version_2_counts(void **state)
{
    (void)state;
    put("/proc/meminfo", "MemTotal: 2048 kB\n");
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    assert_int_equal(memory_limit(root), 2048 * 1024);
    put("/sys/fs/cgroup/a/memory.max", "1000000\n");
    assert_int_equal(memory_limit(root), 1000000);
    put("/sys/fs/cgroup/a/b/memory.max", "500000\n");
    assert_int_equal(memory_limit(root), 500000);
}

static void the_mounts_top_is_the_containers_group(void **state)
{
    (void)state;
    put("/proc/meminfo", "MemTotal: 2048 kB\n");
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/memory.max", "700000\n");
    assert_int_equal(memory_limit(root), 700000);
}

static void version_1_counts(void **state)
{
    (void)state;
    put("/proc/meminfo", "MemTotal: 2048 kB\n");
    put("/proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/1\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "900000\n"); /* as the container sees it */
    assert_int_equal(memory_limit(root), 900000);
    put("/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "800000\n");
    assert_int_equal(memory_limit(root), 800000);
}

static void this_process_has_memory(void **state)
{
    (void)state;
    assert_true(memory_limit("") >= memory_resident());
    assert_true(memory_resident() > 100000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(without_files_there_is_a_guess),
        TEST(the_machines_memory_counts),
        TEST(every_group_of_version_2_counts),
        TEST(the_mounts_top_is_the_containers_group),
        TEST(version_1_counts),
        TEST(this_process_has_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
