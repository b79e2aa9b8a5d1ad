/*
 * address - addresses with a port as people write them: taken apart, checked, to and from what
 * sockets take.
 *
 *   host, host:port, [v6], [v6]:port, *:port
 *
 * Pure: no name is looked up. What is to be listened on may be more than one address:
 * common/net/bind_address.h.
 */
#ifndef FLOTILLA_COMMON_NET_ADDRESS_H
#define FLOTILLA_COMMON_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Room for address_format. */
#define ADDRESS_TEXT_MAX 64

/* Slices of the text; nothing is decoded or looked at but brackets and the first colon. */
struct address_parts {
    const char *host; /* without brackets */
    size_t host_len;
    const char *port; /* NULL: none is given */
    size_t port_len;
    bool bracketed;
};

enum address_form {
    ADDRESS_OK,
    ADDRESS_UNCLOSED, /* '[' without ']' */
    ADDRESS_TRAILING, /* something else than ":port" behind ']' */
};

enum address_form address_split(const char *text, size_t len, struct address_parts *out);
/* A decimal number up to 65535, and nothing else. */
bool address_parse_port(const char *text, size_t len, uint16_t *port);

/* For configurations (config_field.check): NULL, or what was expected, as a noun. A name is as good
 * as a literal address. */
const char *address_check(const char *text);

/* "10.0.0.3:1883", "[fe80::1]:1883", literally; false when it isn't one. */
bool address_parse(const char *text, struct sockaddr_storage *addr, socklen_t *len);
/* "10.0.0.3:1883" or "[fe80::1]:1883" */
void address_format(const struct sockaddr_storage *addr, char *buf, size_t size);

unsigned address_port(const struct sockaddr_storage *addr);
void address_set_port(struct sockaddr_storage *addr, unsigned port);

#endif
