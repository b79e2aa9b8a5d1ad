/*
 * proxy_protocol - HAProxy's PROXY header, whichever version it is of: proxy_v1.h (text) or proxy_v2.h
 * (binary, which we write too).
 *
 * Source: https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt, sections 2.1 and 2.2.
 * Pure functions on bytes; no I/O. Addresses are IPv4 or IPv6; other families (AF_UNIX,
 * unspecified) count as local. Only believe a header from a peer that is configured as a proxy.
 */
#ifndef FLOTILLA_COMMON_NET_PROXY_PROTOCOL_H
#define FLOTILLA_COMMON_NET_PROXY_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#include "common/net/proxy_info.h"

/* Reads a header at the start of buf; `used` gets its length on PROXY_OK. PROXY_NOT_PROXY as soon
 * as the bytes can't be one. `out` is zeroed unless PROXY_OK. */
enum proxy_result proxy_parse(const uint8_t *buf, size_t len, struct proxy_info *out, size_t *used);

/* Whether bytes begin like a header: PROXY_OK when a whole signature of v1 or v2 is there,
 * PROXY_NEED_MORE while they may become one, else PROXY_NOT_PROXY. Whether the rest is well formed
 * doesn't matter to who lets no header pass. */
enum proxy_result proxy_peek(const uint8_t *buf, size_t len);

#endif
