/*
 * peer - who is at the other end of a connection, in 20 bytes; and the networks that are trusted.
 *
 * IPv4 addresses are kept as IPv4-mapped IPv6, so that one compare serves both.
 */
#ifndef FLOTILLA_COMMON_NET_PEER_H
#define FLOTILLA_COMMON_NET_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

struct peer {
    uint8_t address[16];
    uint16_t port; /* host order */
};

/* "[2001:db8::1]:65535" and the NUL */
enum { PEER_TEXT_MAX = 56 };

struct peer peer_from_sockaddr(const struct sockaddr *sa);
/* Writes "1.2.3.4:567" and returns buf. */
const char *peer_text(const struct peer *p, char buf[PEER_TEXT_MAX]);
/* Who its owner may be, for counting by it: the IPv4 address, or the /64 that an IPv6 address is
 * in, since whoever has one address there has them all. */
void peer_source(const struct peer *p, uint8_t out[16]);

/* A network such as 10.0.0.0/8, ::1/128 or 192.0.2.1. */
struct network {
    uint8_t address[16];
    unsigned bits;
};
bool network_parse(const char *text, struct network *out);
bool network_contains(const struct network *n, const struct peer *p);

#endif
