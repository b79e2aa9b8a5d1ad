/*
 * bind_address - addresses to listen on, as configurations say them.
 *
 *   10.0.0.3:1883, [fd00::3]:1883   that address
 *   0.0.0.0:1883                    every IPv4 address of this host
 *   [::]:1883                       every IPv6 address, and no IPv4
 *   *:1883                          every address of both families
 *   localhost:1883                  loopback of both families, whatever a hosts file says
 *   name:1883                       what the name resolves to (bind_resolve only)
 *
 * Two families are two sockets: one for both would have IPv4 clients under mapped addresses.
 * Errors:    false, or -1 with errno. bind_resolve may wait for a resolver; nothing else does.
 */
#ifndef FLOTILLA_COMMON_NET_BIND_ADDRESS_H
#define FLOTILLA_COMMON_NET_BIND_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "common/config/config_error.h"

#define BIND_ADDRESSES_MAX 4u /* of a name; more are left out */

struct bind_address {
    struct sockaddr_storage addr;
    socklen_t len;
};

struct bind_addresses {
    size_t count;
    struct bind_address items[BIND_ADDRESSES_MAX]; /* IPv4 first, where both are meant */
};

/* False: a name, or not an address at all. */
bool bind_parse(const char *text, struct bind_addresses *out);
/* For configurations (config_field.check): NULL, or what was expected, as a noun. */
const char *bind_check(const char *text);
bool bind_resolve(const char *text, struct bind_addresses *out);

/* Drops what this host doesn't have (IPv6, most likely), unless nothing would be left. */
void bind_drop_missing(struct bind_addresses *a);

/* A bound socket that doesn't block, isn't inherited, and of IPv6 takes only that. */
int bind_open(const struct bind_address *a);

/* Something that is to be bound, and where the configuration says so. */
struct bind_claim {
    const char *text;
    struct config_position at; /* line 0: a default, or the command line */
    char path[64];             /* "listeners[0].bind" */
};

/* No two of them want the same address and port; one may do so by a wildcard. Port 0 is a new one
 * each time. False: `err` names the later one, and by which earlier one it is taken. */
bool bind_check_apart(const struct bind_claim *claims, size_t count, const char *file,
                      struct config_error *err);

#endif
