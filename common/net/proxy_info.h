/*
 * proxy_info - what a PROXY header says of a connection, and what can come of reading one.
 */
#ifndef FLOTILLA_COMMON_NET_PROXY_INFO_H
#define FLOTILLA_COMMON_NET_PROXY_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define PROXY_CERTIFICATE_MAX 4096

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

#endif
