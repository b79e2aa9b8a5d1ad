/*
 * flow_relay.c says when to look.
 */
#include "lb/stream/stall.h"

#include <linux/sockios.h>
#include <linux/tcp.h> /* the C library's tcp_info has no byte counts */
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static uint32_t acknowledged(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return 0;
    return (uint32_t)info.tcpi_bytes_acked;
}

static uint32_t cut(uint64_t now_ms)
{
    uint32_t ms = (uint32_t)now_ms;
    return ms == 0 ? 1 : ms;
}

void stall_watch(struct stall *s, int fd, uint64_t now_ms)
{
    *s = (struct stall){.since_ms = cut(now_ms), .acked = acknowledged(fd)};
}

bool stall_judge(struct stall *s, uint32_t acked, bool waits, uint64_t now_ms, uint64_t limit_ms)
{
    if (!waits) {
        *s = (struct stall){0};
        return false;
    }
    if (!stall_is_watched(s) || acked != s->acked) {
        *s = (struct stall){.since_ms = cut(now_ms), .acked = acked};
        return false;
    }
    return limit_ms != 0 && (uint32_t)now_ms - s->since_ms >= limit_ms;
}

bool stall_check(struct stall *s, int fd, bool waits, uint64_t now_ms, uint64_t limit_ms)
{
    return stall_judge(s, waits ? acknowledged(fd) : 0, waits, now_ms, limit_ms);
}

unsigned stall_unacknowledged(int fd)
{
    int bytes = 0;
    return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (unsigned)bytes : 0;
}
