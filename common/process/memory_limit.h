/*
 * memory_limit - how much memory this process may use: the machine's, or less if a control group
 * that it is in (version 2 or 1) says so. Read from /proc and /sys/fs/cgroup once.
 */
#ifndef FLOTILLA_COMMON_PROCESS_MEMORY_LIMIT_H
#define FLOTILLA_COMMON_PROCESS_MEMORY_LIMIT_H

#include <stdint.h>

/* In bytes. `root` is put before the paths ("" but in tests). What can't be read limits nothing; 1
 * GiB if nothing can be read at all. */
uint64_t memory_limit(const char *root);

/* This process' resident memory, bytes; 0: unknown. */
uint64_t memory_resident(void);

#endif
