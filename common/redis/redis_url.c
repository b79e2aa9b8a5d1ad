/*
 * A strict parser for the one string that says where Redis is; used by the configuration check and
 * by redis_link.
 */
#include "common/redis/redis_url.h"

#include <stdio.h>
#include <string.h>

#include "common/net/address.h"
#include "common/process/regular_file.h"

#define DEFAULT_PORT 6379

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Copies text[0..len) with %XX decoded; false when it is too long or badly encoded. */
static bool copy_decoded(const char *text, size_t len, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            if (len - i < 3 || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0)
                return false;
            c = (char)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            i += 2;
        }
        if (c == '\0' || used + 1 >= size)
            return false;
        out[used++] = c;
    }
    out[used] = '\0';
    return true;
}

/* A decimal number that is the whole text, at most `max`. */
static bool parse_number(const char *text, size_t len, uint32_t max, uint32_t *out)
{
    uint64_t n = 0;
    if (len == 0 || len > 9)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(text[i] - '0');
    }
    if (n > max)
        return false;
    *out = (uint32_t)n;
    return true;
}

/* `user:password@`, `:password@`, `password-less user@`; moves *at behind it. */
static const char *parse_login(const char **at, const char *end, struct redis_url *out)
{
    const char *sign = NULL;
    for (const char *p = *at; p < end; p++)
        if (*p == '@')
            sign = p;
    if (sign == NULL)
        return NULL;
    const char *colon = memchr(*at, ':', (size_t)(sign - *at));
    if (colon == NULL)
        return "expected user:password or :password before '@' in the Redis URL";
    if (!copy_decoded(*at, (size_t)(colon - *at), out->user, sizeof(out->user)) ||
        !copy_decoded(colon + 1, (size_t)(sign - colon - 1), out->password, sizeof(out->password)))
        return "expected a user and password of at most 255 bytes, percent-encoded";
    *at = sign + 1;
    return NULL;
}

static const char *parse_unix(const char *at, struct redis_url *out)
{
    const char *end = at + strlen(at);
    const char *slash = strchr(at, '/');
    const char *query = strchr(at, '?');
    if (slash == NULL)
        return "expected a path: unix:///run/redis.sock";
    const char *err = parse_login(&at, slash, out);
    if (err != NULL)
        return err;
    if (at != slash)
        return "expected a path: unix:///run/redis.sock";
    if (query != NULL) {
        if (strncmp(query, "?db=", 4) != 0 ||
            !parse_number(query + 4, (size_t)(end - query - 4), 1000000, &out->database))
            return "expected ?db=number after the socket's path";
        end = query;
    }
    if (!copy_decoded(slash, (size_t)(end - slash), out->path, sizeof(out->path)))
        return "expected a socket path of at most 107 bytes";
    return NULL;
}

static const char *parse_host(const char *at, const char *end, struct redis_url *out)
{
    struct address_parts p;
    switch (address_split(at, (size_t)(end - at), &p)) {
    case ADDRESS_UNCLOSED:
        return "expected ']' behind the IPv6 address";
    case ADDRESS_TRAILING:
        return "expected ':port' behind the IPv6 address";
    case ADDRESS_OK:
        break;
    }
    out->port = DEFAULT_PORT;
    if (p.port != NULL && (!address_parse_port(p.port, p.port_len, &out->port) || out->port == 0))
        return "expected a port from 1 to 65535";
    if (!copy_decoded(p.host, p.host_len, out->host, sizeof(out->host)))
        return "expected a host name of at most 255 bytes";
    if (out->host[0] == '\0')
        strcpy(out->host, "127.0.0.1");
    return NULL;
}

const char *redis_url_parse(const char *text, struct redis_url *out)
{
    memset(out, 0, sizeof(*out));
    if (strncmp(text, "unix://", 7) == 0)
        return parse_unix(text + 7, out);
    out->tls = strncmp(text, "rediss://", 9) == 0;
    if (!out->tls && strncmp(text, "redis://", 8) != 0)
        return "expected redis://[user:password@]host[:port][/database], rediss:// (TLS) or "
               "unix:///path";
    const char *at = strstr(text, "://") + 3;
    const char *slash = strchr(at, '/');
    const char *end = slash != NULL ? slash : at + strlen(at);
    const char *err = parse_login(&at, end, out);
    if (err != NULL)
        return err;
    if (slash != NULL && slash[1] != '\0' &&
        !parse_number(slash + 1, strlen(slash + 1), 1000000, &out->database))
        return "expected a database number behind the '/'";
    return parse_host(at, end, out);
}

const char *redis_url_check(const char *text)
{
    static const char prefix[] = "expected ";
    struct redis_url ignored;
    const char *wrong = redis_url_parse(text, &ignored);
    if (wrong != NULL && strncmp(wrong, prefix, sizeof(prefix) - 1) == 0)
        return wrong + sizeof(prefix) - 1; /* config.h says "expected" itself */
    return wrong;
}

bool redis_url_read_password(struct redis_url *url, const char *path, char *err, size_t errlen)
{
    const char *wrong = NULL;
    char line[REDIS_URL_PART_MAX + 1];
    FILE *in = regular_file_open(path, &wrong);
    if (in == NULL) {
        snprintf(err, errlen, "%s: %s", path, wrong);
        return false;
    }
    if (!regular_file_skip_mark(in) || fgets(line, sizeof(line), in) == NULL)
        line[0] = '\0';
    fclose(in);
    line[strcspn(line, "\r\n")] = '\0';
    if (line[0] == '\0')
        wrong = "expected a password in its first line";
    else if (strlen(line) >= sizeof(url->password))
        wrong = "expected a password of at most 255 bytes";
    else
        memcpy(url->password, line, strlen(line) + 1);
    memset(line, 0, sizeof(line));
    if (wrong != NULL)
        snprintf(err, errlen, "%s: %s", path, wrong);
    return wrong == NULL;
}
