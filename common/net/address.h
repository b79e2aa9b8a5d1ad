/*
 * address - literal IPv4 and IPv6 addresses with port, as text and as socket addresses.
 *
 * Pure. "10.0.0.3:1883", "[fe80::1]:1883". What is to be listened on may be more than one address:
 * common/net/bind_address.h.
 */
#ifndef FLOTILLA_COMMON_NET_ADDRESS_H
#define FLOTILLA_COMMON_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* "host:port", "[v6]:port", literally; false when it isn't one. */
bool lb_address_parse(const char *text, struct sockaddr_storage *addr, socklen_t *len);
/* "10.0.0.3:1883" or "[fe80::1]:1883" */
void lb_address_format(const struct sockaddr_storage *addr, char *buf, size_t size);

unsigned lb_address_port(const struct sockaddr_storage *addr);
void lb_address_set_port(struct sockaddr_storage *addr, unsigned port);

#define LB_ADDRESS_MAX 64

#endif
