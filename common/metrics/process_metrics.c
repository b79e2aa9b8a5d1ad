/*
 * A figure that can't be read is left out rather than shown as zero.
 */
#include "common/metrics/process_metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log/log_writer.h"
#include "common/metrics/metrics.h"

enum { LISTED_MAX = 10000 };

static void emit(struct metrics_writer *w, const char *name, const char *type, const char *help,
                 double value)
{
    metrics_emit_family(w, name, type, help);
    metrics_emit(w, name, NULL, value);
}

static void emit_cpu(struct metrics_writer *w)
{
    struct rusage use;
    if (getrusage(RUSAGE_SELF, &use) != 0)
        return;
    double seconds = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                     (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    emit(w, "process_cpu_seconds_total", "counter", "CPU time used, user and system, in seconds.",
         seconds);
}

static void emit_memory(struct metrics_writer *w)
{
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL)
        return;
    uint64_t size = 0;
    uint64_t resident = 0;
    if (fscanf(f, "%" SCNu64 " %" SCNu64, &size, &resident) == 2)
        emit(w, "process_resident_memory_bytes", "gauge", "Resident memory, in bytes.",
             (double)resident * (double)sysconf(_SC_PAGESIZE));
    fclose(f);
}

/* One by one, which takes 1 to 2 us each: -1 when there are so many that others would wait. */
static long count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return -1;
    long count = -1; /* the folder's own */
    for (struct dirent *e = readdir(dir); e != NULL && count <= LISTED_MAX; e = readdir(dir))
        count += e->d_name[0] != '.' ? 1 : 0;
    closedir(dir);
    return count <= LISTED_MAX ? count : -1;
}

static void emit_descriptors(struct metrics_writer *w)
{
    struct rlimit limit;
    struct stat folder;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        emit(w, "process_max_fds", "gauge", "File descriptors this process may open.",
             (double)limit.rlim_cur);
    /* Linux tells their number as the folder's size, since 6.2. */
    long count = stat("/proc/self/fd", &folder) == 0 ? (long)folder.st_size : 0;
    if (count == 0)
        count = count_descriptors();
    if (count >= 0)
        emit(w, "process_open_fds", "gauge", "File descriptors open now.", (double)count);
}

/* Field 22 of /proc/self/stat, in clock ticks since boot (proc(5)); the name before may hold blanks
 * and parentheses. */
static bool read_start_ticks(uint64_t *ticks)
{
    char text[1024];
    FILE *f = fopen("/proc/self/stat", "re");
    if (f == NULL)
        return false;
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at != NULL && sscanf(at, " %" SCNu64, ticks) == 1;
}

static bool read_boot_time(uint64_t *seconds)
{
    char line[256];
    bool found = false;
    FILE *f = fopen("/proc/stat", "re");
    if (f == NULL)
        return false;
    while (!found && fgets(line, sizeof(line), f) != NULL)
        found = sscanf(line, "btime %" SCNu64, seconds) == 1;
    fclose(f);
    return found;
}

static void emit_start(struct metrics_writer *w)
{
    uint64_t ticks = 0;
    uint64_t boot = 0;
    if (read_start_ticks(&ticks) && read_boot_time(&boot))
        emit(w, "process_start_time_seconds", "gauge", "Start of the process, in Unix time.",
             (double)boot + (double)ticks / (double)sysconf(_SC_CLK_TCK));
}

static void emit_log(struct metrics_writer *w)
{
    emit(w, "flotilla_log_lines_dropped_total", "counter",
         "Log lines that were never written, since their reader was too slow or refused them.",
         (double)log_writer_dropped());
}

static void collect(struct metrics_writer *w, void *arg)
{
    (void)arg;
    emit_cpu(w);
    emit_memory(w);
    emit_descriptors(w);
    emit_start(w);
    emit_log(w);
}

bool process_metrics_register(struct metrics *m)
{
    return metrics_collector(m, collect, NULL);
}
