/*
 * A process is in one group of version 2 ("0::/path"), or in one of the memory
 * controller of version 1 ("N:memory:/path"); every group above limits it too. In a container the
 * path is often of the host, where it can't be seen: then the mount's top is the container's group.
 */
#include "common/process/memory_limit.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES 1024

static void lower_to(uint64_t *limit, uint64_t by)
{
    if (by > 0 && by < *limit)
        *limit = by;
}

/* A file with one number; "max" and what isn't there limit nothing. */
static void read_limit(const char *path, uint64_t *limit)
{
    uint64_t value = 0;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return;
    if (fscanf(f, "%" SCNu64, &value) == 1)
        lower_to(limit, value);
    fclose(f);
}

/* The group's file and those of the groups above, up to the mount's top. */
static void read_groups(const char *root, const char *mount, const char *group, const char *file,
                        uint64_t *limit)
{
    char at[PATH_BYTES];
    snprintf(at, sizeof(at), "%s", group);
    for (;;) {
        char path[2 * PATH_BYTES];
        snprintf(path, sizeof(path), "%s%s%s/%s", root, mount, strcmp(at, "/") == 0 ? "" : at,
                 file);
        read_limit(path, limit);
        char *slash = strrchr(at, '/');
        if (slash == NULL || at[0] == '\0' || strcmp(at, "/") == 0)
            return;
        *slash = '\0';
    }
}

/* "N:controllers:/path": true for the line that counts. */
static bool is_memory_line(const char *line, const char **path, bool *v2)
{
    const char *first = strchr(line, ':');
    const char *second = first != NULL ? strchr(first + 1, ':') : NULL;
    if (second == NULL)
        return false;
    *path = second + 1;
    *v2 = second == first + 1;
    return *v2 || strncmp(first, ":memory:", 8) == 0;
}

static void read_cgroup(const char *root, uint64_t *limit)
{
    char path[PATH_BYTES];
    char line[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return;
    while (fgets(line, sizeof(line), f) != NULL) {
        const char *group;
        bool v2;
        line[strcspn(line, "\n")] = '\0';
        if (!is_memory_line(line, &group, &v2))
            continue;
        if (v2)
            read_groups(root, "/sys/fs/cgroup", group, "memory.max", limit);
        else
            read_groups(root, "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes", limit);
    }
    fclose(f);
}

static void read_machine(const char *root, uint64_t *limit)
{
    char path[PATH_BYTES];
    char line[256];
    uint64_t kb = 0;
    snprintf(path, sizeof(path), "%s/proc/meminfo", root);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return;
    while (kb == 0 && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "MemTotal: %" SCNu64 " kB", &kb) == 1)
            lower_to(limit, kb * 1024);
    fclose(f);
}

uint64_t memory_limit(const char *root)
{
    uint64_t limit = UINT64_MAX;
    read_machine(root, &limit);
    read_cgroup(root, &limit);
    return limit == UINT64_MAX ? (uint64_t)1 << 30 : limit;
}

uint64_t memory_resident(void)
{
    uint64_t size = 0;
    uint64_t resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%" SCNu64 " %" SCNu64, &size, &resident) != 2)
        resident = 0;
    fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
