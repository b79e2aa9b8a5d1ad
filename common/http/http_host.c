/*
 * http_admin.c asks before it looks at anything else of a request.
 */
#include "common/http/http_host.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "common/config/config_schema.h"
#include "common/net/address.h"

#define NAME_MAX_BYTES 253u /* RFC 1035, 2.3.4, as text */

/* Takes brackets and port off into `out`. False: not of this form. */
static bool split(const char *host, char out[NAME_MAX_BYTES + 1], bool *bracketed)
{
    struct address_parts p;
    if (address_split(host, strlen(host), &p) != ADDRESS_OK || p.host_len == 0 ||
        p.host_len > NAME_MAX_BYTES)
        return false;
    memcpy(out, p.host, p.host_len);
    out[p.host_len] = '\0';
    *bracketed = p.bracketed;
    return p.port == NULL || (p.port_len > 0 && strspn(p.port, "0123456789") == p.port_len);
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
