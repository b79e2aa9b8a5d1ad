/*
 * The load balancer writes a header in front of each server connection (and LOCAL in front of its
 * checks); the broker reads it before MQTT's first byte. Whether a peer may send one is the
 * listener's decision. Here it is only found out which version the bytes are of.
 */
#include "common/net/proxy_protocol.h"

#include <string.h>

#include "common/net/proxy_v1.h"
#include "common/net/proxy_v2.h"

static bool starts_like(const uint8_t *buf, size_t len, const void *signature, size_t size)
{
    return memcmp(buf, signature, len < size ? len : size) == 0;
}

static enum proxy_result peek_signature(const uint8_t *buf, size_t len, const void *signature,
                                        size_t size)
{
    if (!starts_like(buf, len, signature, size))
        return PROXY_NOT_PROXY;
    return len < size ? PROXY_NEED_MORE : PROXY_OK;
}

enum proxy_result proxy_peek(const uint8_t *buf, size_t len)
{
    if (len == 0)
        return PROXY_NEED_MORE;
    enum proxy_result v1 = peek_signature(buf, len, proxy_v1_signature, sizeof(proxy_v1_signature));
    return v1 != PROXY_NOT_PROXY
               ? v1
               : peek_signature(buf, len, proxy_v2_signature, sizeof(proxy_v2_signature));
}

enum proxy_result proxy_parse(const uint8_t *buf, size_t len, struct proxy_info *out, size_t *used)
{
    enum proxy_result result = PROXY_NOT_PROXY;
    memset(out, 0, sizeof(*out));
    *used = 0;
    if (len == 0)
        return PROXY_NEED_MORE;
    if (starts_like(buf, len, proxy_v1_signature, sizeof(proxy_v1_signature)))
        result = len < sizeof(proxy_v1_signature) ? PROXY_NEED_MORE
                                                  : proxy_v1_parse(buf, len, out, used);
    else if (starts_like(buf, len, proxy_v2_signature, sizeof(proxy_v2_signature)))
        result = len < sizeof(proxy_v2_signature) ? PROXY_NEED_MORE
                                                  : proxy_v2_parse(buf, len, out, used);
    if (result != PROXY_OK)
        memset(out, 0, sizeof(*out));
    return result;
}
