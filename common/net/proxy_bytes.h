/*
 * proxy_bytes - the bytes of a PROXY header, read within their bounds; for proxy_v1.c and proxy_v2.c.
 */
#ifndef FLOTILLA_COMMON_NET_PROXY_BYTES_H
#define FLOTILLA_COMMON_NET_PROXY_BYTES_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

struct proxy_reader {
    const uint8_t *at;
    size_t left;
};

/* The next n bytes, NULL when there are fewer. */
static inline const uint8_t *proxy_take(struct proxy_reader *r, size_t n)
{
    const uint8_t *p = r->at;
    if (n > r->left)
        return NULL;
    r->at += n;
    r->left -= n;
    return p;
}

static inline void proxy_set_ipv4(struct sockaddr_storage *out, const uint8_t *addr,
                                  const uint8_t *port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    in->sin_family = AF_INET;
    memcpy(&in->sin_addr, addr, 4);
    memcpy(&in->sin_port, port, 2);
}

static inline void proxy_set_ipv6(struct sockaddr_storage *out, const uint8_t *addr,
                                  const uint8_t *port)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    in6->sin6_family = AF_INET6;
    memcpy(&in6->sin6_addr, addr, 16);
    memcpy(&in6->sin6_port, port, 2);
}

#endif
