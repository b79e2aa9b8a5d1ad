/*
 * Used for password, ACL, certificate and key files, by whoever loads them.
 */
#include "common/process/regular_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char byte_order_mark[] = "\xef\xbb\xbf";

static const char *trouble_of(int fd)
{
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return strerror(errno);
    if (S_ISDIR(st.st_mode))
        return strerror(EISDIR);
    return S_ISREG(st.st_mode) ? NULL : "it isn't a regular file";
}

FILE *regular_file_open(const char *path, const char **cause)
{
    /* Without O_NONBLOCK, opening a pipe would wait already. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = NULL;
    *cause = trouble_of(fd);
    if (*cause == NULL && (file = fdopen(fd, "r")) == NULL)
        *cause = strerror(errno);
    if (file == NULL && fd >= 0)
        close(fd);
    return file;
}

bool regular_file_skip_mark(FILE *file)
{
    const size_t len = sizeof(byte_order_mark) - 1;
    char start[sizeof(byte_order_mark) - 1];
    bool marked = fread(start, 1, len, file) == len && memcmp(start, byte_order_mark, len) == 0;
    return marked || fseek(file, 0, SEEK_SET) == 0;
}
