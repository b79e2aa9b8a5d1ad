/*
 * Under the tables of passwd.c and login_memory.c.
 */
#include "common/process/secret_memory.h"

#include <string.h>
#include <sys/mman.h>

void *secret_memory_new(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    (void)madvise(memory, size, MADV_DONTDUMP); /* a kernel without it: they are in the dump */
    return memory;
}

void *secret_memory_grow(void *memory, size_t size, size_t new_size)
{
    void *moved = mremap(memory, size, new_size, MREMAP_MAYMOVE);
    return moved != MAP_FAILED ? moved : NULL;
}

void secret_memory_free(void *memory, size_t size)
{
    if (memory == NULL)
        return;
    explicit_bzero(memory, size);
    (void)munmap(memory, size);
}
