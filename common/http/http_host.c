/*
 * See the header; http_admin.c asks before it looks at anything else of a request.
 */
#include "common/http/http_host.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "common/config/config.h"

#define NAME_MAX_BYTES 253u /* RFC 1035, 2.3.4, as text */

static bool is_port(const char *text)
{
    return text[0] == '\0' || (text[0] == ':' && text[1] != '\0' &&
                               strspn(text + 1, "0123456789") == strlen(text + 1));
}

/* Takes brackets and port off into `out`. False: not of this form. */
static bool split(const char *host, char out[NAME_MAX_BYTES + 1], bool *bracketed)
{
    *bracketed = host[0] == '[';
    const char *start = host + *bracketed;
    size_t len = strcspn(start, *bracketed ? "]" : ":");
    const char *rest = start + len;
    if (len == 0 || len > NAME_MAX_BYTES || (*bracketed && rest[0] != ']'))
        return false;
    memcpy(out, start, len);
    out[len] = '\0';
    return is_port(rest + *bracketed);
}

static bool is_listed(const char *name, const struct config_strings *names)
{
    for (size_t i = 0; names != NULL && i < names->count; i++)
        if (strcasecmp(names->items[i], name) == 0)
            return true;
    return false;
}

bool http_host_is_ours(const char *host, const struct config_strings *names)
{
    char name[NAME_MAX_BYTES + 1];
    unsigned char address[sizeof(struct in6_addr)];
    bool bracketed;
    if (!split(host, name, &bracketed))
        return false;
    if (bracketed)
        return inet_pton(AF_INET6, name, address) == 1;
    size_t len = strlen(name);
    if (len > 1 && name[len - 1] == '.')
        name[len - 1] = '\0';
    return inet_pton(AF_INET, name, address) == 1 || strcasecmp(name, "localhost") == 0 ||
           is_listed(name, names);
}

const char *http_host_check_name(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = strlen(text);
    bool ok = len > 0 && len <= NAME_MAX_BYTES && strspn(text, allowed) == len;
    return ok && text[len - 1] != '.' ? NULL : "a host name without port, like lb.example.org";
}
