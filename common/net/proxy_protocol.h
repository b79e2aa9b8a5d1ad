/*
 * proxy_protocol - HAProxy's PROXY header, v1 (text) and v2 (binary): writing v2, reading both.
 *
 * Source: https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt, sections 2.1 and 2.2.
 * Pure functions on bytes; no I/O. Addresses are IPv4 or IPv6; other families (AF_UNIX,
 * unspecified) count as local. TLVs are checked against CRC32c when that TLV is there, and skipped
 * otherwise, but for the TLS ones below. The client's certificate comes in a TLV of our own, 0xE0, of the range that the
 * specification leaves for that (2.2.8): DER, beside PP2_TYPE_SSL and not in it. Only believe a header from a peer that is configured as a
 * proxy.
 */
#ifndef FLOTILLA_COMMON_NET_PROXY_PROTOCOL_H
#define FLOTILLA_COMMON_NET_PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define PROXY_V1_MAX 107
#define PROXY_CERTIFICATE_MAX 4096
/* The longest header we accept: 16 + addresses + TLVs, and a certificate. */
#define PROXY_V2_MAX (536 + 3 + PROXY_CERTIFICATE_MAX)

enum proxy_result { PROXY_OK, PROXY_NEED_MORE, PROXY_NOT_PROXY, PROXY_MALFORMED };

struct proxy_info {
    bool local; /* v2 LOCAL or v1 UNKNOWN: the connection's own addresses hold */
    struct sockaddr_storage source, destination; /* ss_family 0 when local */
    bool tls;                                    /* client side was TLS (PP2_TYPE_SSL) */
    bool tls_verified;                           /* a client certificate was given and verified */
    char tls_version[16];                        /* "TLSv1.3", "" when unknown */
    char tls_common_name[128];                   /* of the client certificate, "" when none (or
                                                    longer than this, or with a NUL: never cut) */
    const uint8_t *tls_certificate;              /* of the client, DER; NULL: not told. Read: points
                                                    into the buffer. Counts if tls_verified */
    size_t tls_certificate_len;                  /* at most PROXY_CERTIFICATE_MAX */
};

/* Reads a header at the start of buf; `used` gets its length on PROXY_OK. PROXY_NOT_PROXY as soon
 * as the bytes can't be one. `out` is zeroed unless PROXY_OK. */
enum proxy_result proxy_parse(const uint8_t *buf, size_t len, struct proxy_info *out, size_t *used);

/* Whether bytes begin like a header: PROXY_OK when a whole signature of v1 or v2 is there,
 * PROXY_NEED_MORE while they may become one, else PROXY_NOT_PROXY. Whether the rest is well formed
 * doesn't matter to who lets no header pass. */
enum proxy_result proxy_peek(const uint8_t *buf, size_t len);

/* Writes a v2 header (PROXY, or LOCAL when info->local, with the TLS TLV when info->tls); returns
 * its length, 0 when `size` is too small (PROXY_V2_MAX always suffices). Mixed families are mapped
 * to IPv6, IPv4-mapped pairs to IPv4; addresses of other families are written as unspecified. */
size_t proxy_write_v2(const struct proxy_info *info, uint8_t *buf, size_t size);

#endif
