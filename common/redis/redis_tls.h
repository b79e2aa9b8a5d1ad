/*
 * redis_tls - the TLS that a Redis URL and its `tls:` ask for: for the links, and for a check of the configuration.
 */
#ifndef FLOTILLA_COMMON_REDIS_REDIS_TLS_H
#define FLOTILLA_COMMON_REDIS_REDIS_TLS_H

#include <stdbool.h>
#include <stddef.h>

struct redis_url;
struct tls_client;
struct tls_client_config;

/* *out is for the links (tls_client_unref), NULL where the URL is plain. `config` NULL: all defaults. False, with a
 * sentence in `err`: a file can't be used, or `config` is for nothing. */
bool redis_tls_new(const struct redis_url *url, const struct tls_client_config *config,
                   struct tls_client **out, char *err, size_t errlen);

#endif
