/*
 * proxy_v2 - version 2 of HAProxy's PROXY header: binary, read and written.
 *
 * Source: https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt, section 2.2. TLVs are checked
 * against CRC32c when that TLV is there, and skipped otherwise, but for the TLS ones.
 * The client's certificate comes in a TLV of our own, 0xE0, of the range that the specification leaves for that (2.2.8):
 * DER, beside PP2_TYPE_SSL and not in it.
 */
#ifndef FLOTILLA_COMMON_NET_PROXY_V2_H
#define FLOTILLA_COMMON_NET_PROXY_V2_H

#include <stddef.h>
#include <stdint.h>

#include "common/net/proxy_info.h"

/* The longest header we accept: 16 + addresses + TLVs, and a certificate. */
#define PROXY_V2_MAX (536 + 3 + PROXY_CERTIFICATE_MAX)

extern const uint8_t proxy_v2_signature[12];

/* Bytes that begin with the signature. On PROXY_OK `used` gets the header's length, else `out` may be
 * filled in part. */
enum proxy_result proxy_v2_parse(const uint8_t *buf, size_t len, struct proxy_info *out,
                                 size_t *used);

/* Writes a v2 header (PROXY, or LOCAL when info->local, with the TLS TLV when info->tls); returns
 * its length, 0 when `size` is too small (PROXY_V2_MAX always suffices). Mixed families are mapped
 * to IPv6, IPv4-mapped pairs to IPv4; addresses of other families are written as unspecified. */
size_t proxy_v2_write(const struct proxy_info *info, uint8_t *buf, size_t size);

#endif
