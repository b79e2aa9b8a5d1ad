/*
 * redis_url - takes a Redis URL apart.
 *
 * Forms: redis://[user:password@]host[:port][/database], redis://:password@host, the same with rediss://
 *        (TLS), and unix://[user:password@]/path[?db=n]. User and password may be percent-encoded;
 *        an IPv6 address stands in brackets. The user is one of Redis' ACLs.
 * Ownership: everything is copied into the struct; it holds a secret, so don't log it whole.
 */
#ifndef FLOTILLA_COMMON_REDIS_REDIS_URL_H
#define FLOTILLA_COMMON_REDIS_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REDIS_URL_PART_MAX 256

struct redis_url {
    char host[REDIS_URL_PART_MAX]; /* "" for a unix socket */
    uint16_t port;
    char path[108]; /* of a unix socket, else "" */
    char user[REDIS_URL_PART_MAX], password[REDIS_URL_PART_MAX];
    uint32_t database;
    bool tls;
};

/* NULL when it was understood, else a literal that says what was expected. */
const char *redis_url_parse(const char *text, struct redis_url *out);
/* The first line of the file becomes the password. False: `err` says why, without what is in it. */
bool redis_url_read_password(struct redis_url *url, const char *path, char *err, size_t errlen);
/* The same as redis_url_parse, for configuration checks: the noun that follows "expected". */
const char *redis_url_check(const char *text);

#endif
