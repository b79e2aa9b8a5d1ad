/*
 * Fuzzes the PROXY header reader. What it accepts must be written as v2 and read back the same, and
 * every beginning of an accepted header must ask for more.
 */
#include "common/net/proxy_protocol.h"
#include "common/net/proxy_v2.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool condition)
{
    if (!condition)
        abort();
}

/* Address and port as IPv6: the writer is free to turn ::ffff:a.b.c.d into a.b.c.d and back. */
static struct sockaddr_in6 as_ipv6(const struct sockaddr_storage *a)
{
    struct sockaddr_in6 out = {.sin6_family = AF_INET6};
    if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;
        out.sin6_port = in6->sin6_port;
        out.sin6_addr = in6->sin6_addr;
        return out;
    }
    demand(a->ss_family == AF_INET);
    const struct sockaddr_in *in = (const struct sockaddr_in *)a;
    out.sin6_port = in->sin_port;
    out.sin6_addr.s6_addr[10] = out.sin6_addr.s6_addr[11] = 0xff;
    memcpy(&out.sin6_addr.s6_addr[12], &in->sin_addr, 4);
    return out;
}

static bool addresses_equal(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    struct sockaddr_in6 x = as_ipv6(a);
    struct sockaddr_in6 y = as_ipv6(b);
    return x.sin6_port == y.sin6_port && memcmp(&x.sin6_addr, &y.sin6_addr, 16) == 0;
}

static void demand_same(const struct proxy_info *a, const struct proxy_info *b)
{
    demand(a->local == b->local);
    if (a->local)
        return;
    demand(addresses_equal(&a->source, &b->source));
    demand(addresses_equal(&a->destination, &b->destination));
    demand(a->tls == b->tls);
    if (!a->tls)
        return;
    demand(a->tls_verified == b->tls_verified);
    demand(strcmp(a->tls_version, b->tls_version) == 0);
    demand(strcmp(a->tls_common_name, b->tls_common_name) == 0);
    demand(a->tls_certificate_len == b->tls_certificate_len);
    demand(a->tls_certificate_len == 0 ||
           memcmp(a->tls_certificate, b->tls_certificate, a->tls_certificate_len) == 0);
}

static void write_and_read_back(const struct proxy_info *info)
{
    uint8_t buf[PROXY_V2_MAX];
    struct proxy_info again;
    size_t used = 0;
    size_t n = proxy_v2_write(info, buf, sizeof(buf));
    demand(n != 0);
    demand(proxy_parse(buf, n, &again, &used) == PROXY_OK && used == n);
    demand_same(info, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_info info;
    struct proxy_info part;
    size_t used = 0;
    if (proxy_parse(data, size, &info, &used) != PROXY_OK)
        return 0;
    demand(used > 0 && used <= size && used <= PROXY_V2_MAX);
    demand(memchr(info.tls_version, 0, sizeof(info.tls_version)) != NULL);
    demand(memchr(info.tls_common_name, 0, sizeof(info.tls_common_name)) != NULL);
    size_t whole = used;
    demand(proxy_peek(data, size) == PROXY_OK);
    for (size_t n = 0; n < whole; n++)
        demand(proxy_peek(data, n) != PROXY_NOT_PROXY);
    for (size_t n = 0; n < whole; n++)
        demand(proxy_parse(data, n, &part, &used) == PROXY_NEED_MORE);
    write_and_read_back(&info);
    return 0;
}
