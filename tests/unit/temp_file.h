/*
 * temp_file - for tests: one file that is there while a test runs, for the programs' loaders.
 */
#ifndef FLOTILLA_TESTS_UNIT_TEMP_FILE_H
#define FLOTILLA_TESTS_UNIT_TEMP_FILE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char temp_file[] = "/tmp/flotilla-test-XXXXXX";

static inline void temp_file_write(const void *text, size_t len)
{
    FILE *f = fopen(temp_file, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/* Group or test setup and teardown of cmocka. */
static inline int temp_file_make(void **state)
{
    (void)state;
    strcpy(temp_file + sizeof(temp_file) - sizeof("XXXXXX"), "XXXXXX");
    int fd = mkstemp(temp_file);
    return fd < 0 ? -1 : close(fd);
}

static inline int temp_file_remove(void **state)
{
    (void)state;
    return unlink(temp_file);
}

#endif
