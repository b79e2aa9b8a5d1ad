/*
 * Addresses of peers: from the socket or the PROXY header, to logs and to the list of trusted
 * proxies.
 */
#include "common/net/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void map_ipv4(uint8_t out[16], const void *address)
{
    memcpy(out, mapped_prefix, sizeof(mapped_prefix));
    memcpy(out + sizeof(mapped_prefix), address, 4);
}

struct peer peer_from_sockaddr(const struct sockaddr *sa)
{
    struct peer p = {.port = 0};
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        map_ipv4(p.address, &in.sin_addr);
        p.port = ntohs(in.sin_port);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, sa, sizeof(in));
        memcpy(p.address, &in.sin6_addr, sizeof(p.address));
        p.port = ntohs(in.sin6_port);
    }
    return p;
}

const char *peer_text(const struct peer *p, char buf[PEER_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN] = "?";
    bool v4 = memcmp(p->address, mapped_prefix, sizeof(mapped_prefix)) == 0;
    if (v4)
        inet_ntop(AF_INET, p->address + sizeof(mapped_prefix), host, sizeof(host));
    else
        inet_ntop(AF_INET6, p->address, host, sizeof(host));
    snprintf(buf, PEER_TEXT_MAX, v4 ? "%s:%u" : "[%s]:%u", host, (unsigned)p->port);
    return buf;
}

void peer_source(const struct peer *p, uint8_t out[16])
{
    memcpy(out, p->address, 16);
    if (memcmp(out, mapped_prefix, sizeof(mapped_prefix)) != 0)
        memset(out + 8, 0, 8);
}

bool network_parse(const char *text, struct network *out)
{
    char host[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof(host))
        return false;
    memcpy(host, text, len);
    host[len] = '\0';

    uint8_t v4[4];
    unsigned offset = 0;
    if (inet_pton(AF_INET, host, v4) == 1) {
        map_ipv4(out->address, v4);
        offset = 96;
    } else if (inet_pton(AF_INET6, host, out->address) != 1) {
        return false;
    }
    out->bits = 128;
    if (slash != NULL) {
        char *end;
        unsigned long bits = strtoul(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || bits > 128 - offset)
            return false;
        out->bits = (unsigned)bits + offset;
    }
    return true;
}

bool network_contains(const struct network *n, const struct peer *p)
{
    unsigned whole = n->bits / 8;
    unsigned rest = n->bits % 8;
    if (memcmp(n->address, p->address, whole) != 0)
        return false;
    return rest == 0 || ((n->address[whole] ^ p->address[whole]) >> (8 - rest)) == 0;
}
