/*
 * proxy_v1 - version 1 of HAProxy's PROXY header: a line of text, which is only read.
 *
 * Source: https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt, section 2.1.
 */
#ifndef FLOTILLA_COMMON_NET_PROXY_V1_H
#define FLOTILLA_COMMON_NET_PROXY_V1_H

#include <stddef.h>
#include <stdint.h>

#include "common/net/proxy_info.h"

#define PROXY_V1_MAX 107

extern const char proxy_v1_signature[6];

/* Bytes that begin with the signature. On PROXY_OK `used` gets the header's length, else `out` may be
 * filled in part. */
enum proxy_result proxy_v1_parse(const uint8_t *buf, size_t len, struct proxy_info *out,
                                 size_t *used);

#endif
