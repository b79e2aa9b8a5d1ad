/*
 * The one place that knows where the host of an address ends. Configurations, Redis URLs and Host
 * headers all come here; what may stand for a host differs, and is theirs to say.
 */
#include "common/net/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 253u /* RFC 1035, 2.3.4, as text */

enum address_form address_split(const char *text, size_t len, struct address_parts *out)
{
    const char *end = text + len;
    *out = (struct address_parts){.host = text, .host_len = len};
    if (len > 0 && text[0] == '[') {
        const char *close = memchr(text, ']', len);
        if (close == NULL)
            return ADDRESS_UNCLOSED;
        out->bracketed = true;
        out->host = text + 1;
        out->host_len = (size_t)(close - out->host);
        if (close + 1 == end)
            return ADDRESS_OK;
        if (close[1] != ':')
            return ADDRESS_TRAILING;
        out->port = close + 2;
    } else {
        const char *colon = memchr(text, ':', len);
        if (colon == NULL)
            return ADDRESS_OK;
        out->host_len = (size_t)(colon - text);
        out->port = colon + 1;
    }
    out->port_len = (size_t)(end - out->port);
    return ADDRESS_OK;
}

bool address_parse_port(const char *text, size_t len, uint16_t *port)
{
    unsigned n = 0;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        n = n * 10 + (unsigned)(text[i] - '0');
        if (n > UINT16_MAX)
            return false;
    }
    *port = (uint16_t)n;
    return len > 0;
}

/* Host and port, both there. */
static bool split_whole(const char *text, struct address_parts *parts, uint16_t *port)
{
    return address_split(text, strlen(text), parts) == ADDRESS_OK && parts->port != NULL &&
           address_parse_port(parts->port, parts->port_len, port);
}

static bool is_name(const char *host, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)host[i]) && strchr("._-", host[i]) == NULL)
            return false;
    }
    return len > 0 && len <= NAME_MAX_BYTES;
}

/* Not more than a literal address: inet_pton wants its text to end. */
static bool parse_host(int family, const char *host, size_t len, void *out)
{
    char text[INET6_ADDRSTRLEN];
    if (len >= sizeof(text))
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    return inet_pton(family, text, out) == 1;
}

/* A zone ("%eth0") may follow, which isn't looked at. */
static bool is_ipv6(const char *host, size_t len)
{
    struct in6_addr addr;
    const char *zone = memchr(host, '%', len);
    return parse_host(AF_INET6, host, zone != NULL ? (size_t)(zone - host) : len, &addr);
}

const char *address_check(const char *text)
{
    struct address_parts p;
    uint16_t port;
    bool ok = split_whole(text, &p, &port);
    if (ok && p.bracketed)
        ok = is_ipv6(p.host, p.host_len);
    else if (ok)
        ok = (p.host_len == 1 && p.host[0] == '*') || is_name(p.host, p.host_len);
    return ok ? NULL : "an address like host:port, [v6]:port or *:port";
}

bool address_parse(const char *text, struct sockaddr_storage *addr, socklen_t *len)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)addr;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)addr;
    struct address_parts p;
    uint16_t port;
    memset(addr, 0, sizeof(*addr));
    if (!split_whole(text, &p, &port))
        return false;
    if (p.bracketed) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *len = sizeof(*v6);
        return parse_host(AF_INET6, p.host, p.host_len, &v6->sin6_addr);
    }
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    *len = sizeof(*v4);
    return parse_host(AF_INET, p.host, p.host_len, &v4->sin_addr);
}

void address_format(const struct sockaddr_storage *addr, char *buf, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (addr->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)addr;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(buf, size, "[%s]:%u", host, ntohs(v6->sin6_port));
        return;
    }
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)addr;
    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
    snprintf(buf, size, "%s:%u", host, ntohs(v4->sin_port));
}

unsigned address_port(const struct sockaddr_storage *addr)
{
    return addr->ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)addr)->sin6_port)
                                       : ntohs(((const struct sockaddr_in *)addr)->sin_port);
}

void address_set_port(struct sockaddr_storage *addr, unsigned port)
{
    if (addr->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)addr)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)addr)->sin_port = htons((uint16_t)port);
}
