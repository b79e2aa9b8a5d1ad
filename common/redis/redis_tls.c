/* Settings that would do nothing are an error: somebody believes that the connection is encrypted. */
#include "common/redis/redis_tls.h"

#include <stdio.h>

#include "common/redis/redis_url.h"
#include "common/tls/tls_client.h"

bool redis_tls_new(const struct redis_url *url, const struct tls_client_config *config,
                   struct tls_client **out, char *err, size_t errlen)
{
    static const struct tls_client_config defaults = {0};
    char reason[384];
    *out = NULL;
    if (!url->tls && config != NULL) {
        snprintf(err, errlen, "redis.tls: expected a redis.url that begins with rediss://");
        return false;
    }
    if (!url->tls)
        return true;
    *out = tls_client_new(config != NULL ? config : &defaults, reason, sizeof(reason));
    if (*out == NULL)
        snprintf(err, errlen, "redis.tls: %s", reason);
    return *out != NULL;
}
