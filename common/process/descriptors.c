/*
 * Both programs ask for the limit at their start; acceptors and listeners keep to the share.
 */
#include "common/process/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SPARE_MAX = 256, SPARE_MIN = 8, SPARE_SHARE = 8 };

void descriptors_take_standard(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR); /* gets the lowest free number */
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

uint32_t descriptors_raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024; /* what there is at least, nearly everywhere */
    if (limit.rlim_cur != limit.rlim_max) {
        struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur < INT32_MAX ? (uint32_t)limit.rlim_cur : INT32_MAX;
}

uint32_t descriptors_open(void)
{
    int fd = open("/", O_RDONLY | O_CLOEXEC); /* gets the lowest free number */
    if (fd < 0)
        return 0;
    close(fd);
    return (uint32_t)fd;
}

uint32_t descriptors_spare(uint32_t limit)
{
    uint32_t share = limit / SPARE_SHARE;
    if (share > SPARE_MAX)
        return SPARE_MAX;
    return share < SPARE_MIN ? SPARE_MIN : share;
}

uint32_t descriptors_for_clients(uint32_t limit, uint32_t open)
{
    uint32_t taken = open + descriptors_spare(limit);
    return taken < limit ? limit - taken : 1;
}

uint32_t descriptors_for_http(uint32_t limit)
{
    return descriptors_spare(limit) / 2;
}
