#include "tests/bench/load/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static uint64_t thread_cpu_ns(pid_t pid, const char *thread)
{
    char path[300];
    snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, thread);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return 0;
    uint64_t ns = 0;
    if (fscanf(f, "%" SCNu64, &ns) != 1)
        ns = 0;
    fclose(f);
    return ns;
}

static uint64_t process_cpu_ns(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return 0;
    uint64_t sum = 0;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (e->d_name[0] != '.')
            sum += thread_cpu_ns(pid, e->d_name);
    }
    closedir(dir);
    return sum;
}

static uint64_t process_resident(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return 0;
    uint64_t size = 0;
    uint64_t resident = 0;
    if (fscanf(f, "%" SCNu64 " %" SCNu64, &size, &resident) != 2)
        resident = 0;
    fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t own_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void usage_take(struct usage *u, const pid_t *pids, size_t count)
{
    *u = (struct usage){.own_cpu_ns = own_cpu_ns()};
    for (size_t i = 0; i < count && i < MAX_PIDS; i++) {
        u->each[i] = (struct process_use){.cpu_ns = process_cpu_ns(pids[i]),
                                          .resident = process_resident(pids[i])};
        u->all.cpu_ns += u->each[i].cpu_ns;
        u->all.resident += u->each[i].resident;
    }
}
