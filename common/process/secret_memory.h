/*
 * secret_memory - pages for passwords' hashes and keys: left out of core dumps, wiped when they are
 * given back.
 *
 * Whole pages, so it is for a few large tables and not for many small things.
 * Ownership: the caller remembers the size that it asked for last.
 * Errors:    NULL when out of memory; the old memory of a failed secret_memory_grow stays good.
 */
#ifndef FLOTILLA_COMMON_PROCESS_SECRET_MEMORY_H
#define FLOTILLA_COMMON_PROCESS_SECRET_MEMORY_H

#include <stddef.h>

/* All zero. */
void *secret_memory_new(size_t size);
/* May move it; what is new is zero. */
void *secret_memory_grow(void *memory, size_t size, size_t new_size);
void secret_memory_free(void *memory, size_t size);

#endif
