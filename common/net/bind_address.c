/*
 * Used by the listeners and the HTTP ports of both programs, and by their checks of a configuration.
 */
#include "common/net/bind_address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/net/address.h"

#define HOST_MAX 256

/* Host (without brackets) and port of "host:port". */
static bool split(const char *text, char host[HOST_MAX], const char **port)
{
    struct address_parts parts;
    if (address_check(text) != NULL || address_split(text, strlen(text), &parts) != ADDRESS_OK ||
        parts.host_len >= HOST_MAX)
        return false;
    snprintf(host, HOST_MAX, "%.*s", (int)parts.host_len, parts.host);
    *port = parts.port;
    return true;
}

static bool has_address(const struct bind_addresses *list, const struct bind_address *b)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].len == b->len && memcmp(&list->items[i].addr, &b->addr, b->len) == 0)
            return true;
    return false;
}

/* An IPv4 address in the form of IPv6 (::ffff:10.0.0.3) is one of IPv4: a socket that takes IPv6 alone
 * can't be bound to it. */
static void take(struct bind_address *b, const struct addrinfo *a)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a->ai_addr;
    memset(b, 0, sizeof(*b));
    if (a->ai_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        memcpy(&b->addr, a->ai_addr, a->ai_addrlen);
        b->len = a->ai_addrlen;
        return;
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)&b->addr;
    v4->sin_family = AF_INET;
    v4->sin_port = v6->sin6_port;
    memcpy(&v4->sin_addr, &v6->sin6_addr.s6_addr[12], sizeof(v4->sin_addr));
    b->len = sizeof(*v4);
}

static bool look_up(const char *host, const char *port, int flags, struct bind_addresses *out)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV | flags};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return false;
    for (const struct addrinfo *a = found; a != NULL && out->count < BIND_ADDRESSES_MAX;
         a = a->ai_next) {
        struct bind_address *b = &out->items[out->count];
        take(b, a);
        if (!has_address(out, b))
            out->count++;
    }
    freeaddrinfo(found);
    return out->count > 0;
}

static bool parse(const char *text, struct bind_addresses *out, int flags)
{
    static const struct {
        const char *host, *v4, *v6;
    } both[] = {{"*", "0.0.0.0", "::"}, {"localhost", "127.0.0.1", "::1"}};
    char host[HOST_MAX];
    const char *port;
    memset(out, 0, sizeof(*out));
    if (!split(text, host, &port))
        return false;
    for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++)
        if (strcasecmp(host, both[i].host) == 0)
            return look_up(both[i].v4, port, AI_NUMERICHOST, out) &&
                   look_up(both[i].v6, port, AI_NUMERICHOST, out);
    return look_up(host, port, flags, out);
}

bool bind_parse(const char *text, struct bind_addresses *out)
{
    return parse(text, out, AI_NUMERICHOST);
}

const char *bind_check(const char *text)
{
    struct bind_addresses addresses;
    return bind_parse(text, &addresses)
               ? NULL
               : "an IP address and port, as 127.0.0.1:1883, *:1883 or localhost:1883";
}

bool bind_resolve(const char *text, struct bind_addresses *out)
{
    return parse(text, out, 0);
}

/* ---- sockets ---- */

int bind_open(const struct bind_address *a)
{
    static const int on = 1;
    int fd = socket(a->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    bool ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
    if (ok && a->addr.ss_family == AF_INET6)
        ok = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0;
    if (ok && bind(fd, (const struct sockaddr *)&a->addr, a->len) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static in_port_t *port_of(struct sockaddr_storage *addr)
{
    return addr->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)addr)->sin6_port
                                       : &((struct sockaddr_in *)addr)->sin_port;
}

static bool is_missing(struct bind_address a)
{
    *port_of(&a.addr) = 0;
    int fd = bind_open(&a);
    if (fd >= 0)
        close(fd);
    return fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
}

void bind_drop_missing(struct bind_addresses *a)
{
    size_t kept = 0;
    if (a->count < 2)
        return;
    struct bind_addresses all = *a;
    for (size_t i = 0; i < all.count; i++)
        if (!is_missing(all.items[i]))
            a->items[kept++] = all.items[i];
    if (kept > 0)
        a->count = kept;
}

/* ---- whether two of them are the same ---- */

static bool is_any(const struct sockaddr_storage *addr)
{
    if (addr->ss_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)addr)->sin6_addr);
    return ((const struct sockaddr_in *)addr)->sin_addr.s_addr == htonl(INADDR_ANY);
}

static bool is_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (a->ss_family == AF_INET)
        return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)b)->sin_addr.s_addr;
    const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)a;
    const struct sockaddr_in6 *y = (const struct sockaddr_in6 *)b;
    return memcmp(&x->sin6_addr, &y->sin6_addr, sizeof(x->sin6_addr)) == 0 &&
           x->sin6_scope_id == y->sin6_scope_id;
}

static bool clashes(struct sockaddr_storage a, struct sockaddr_storage b)
{
    return a.ss_family == b.ss_family && *port_of(&a) == *port_of(&b) && *port_of(&a) != 0 &&
           (is_any(&a) || is_any(&b) || is_same_host(&a, &b));
}

/* Of names only the text is compared: nobody is asked. */
static bool want_the_same(const char *a, const char *b)
{
    struct bind_addresses x;
    struct bind_addresses y;
    if (!bind_parse(a, &x) || !bind_parse(b, &y))
        return strcasecmp(a, b) == 0;
    for (size_t i = 0; i < x.count; i++)
        for (size_t j = 0; j < y.count; j++)
            if (clashes(x.items[i].addr, y.items[j].addr))
                return true;
    return false;
}

static bool fail(const struct bind_claim *claim, const struct bind_claim *by, const char *file,
                 struct config_error *err)
{
    if (by->at.line > 0)
        return config_fail(err, file, claim->at, claim->path, "%s is taken by %s (%s) in line %d",
                           claim->text, by->path, by->text, by->at.line);
    return config_fail(err, file, claim->at, claim->path, "%s is taken by %s (%s)", claim->text,
                       by->path, by->text);
}

bool bind_check_apart(const struct bind_claim *claims, size_t count, const char *file,
                      struct config_error *err)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++) {
            if (!want_the_same(claims[i].text, claims[j].text))
                continue;
            /* What the file doesn't say can't be pointed at. */
            bool later = claims[i].at.line > 0 || claims[j].at.line == 0;
            return later ? fail(&claims[i], &claims[j], file, err)
                         : fail(&claims[j], &claims[i], file, err);
        }
    return true;
}
