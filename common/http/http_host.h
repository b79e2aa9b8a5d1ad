/*
 * http_host - whether a request's Host header is one of ours.
 *
 * A web page of an attacker can make its own name resolve to this host (DNS rebinding); what it then
 * asks for counts as "same origin" to the operator's browser. The name betrays it: it is neither an
 * address, nor localhost, nor listed in admin.hosts. Pure; no I/O.
 */
#ifndef FLOTILLA_COMMON_HTTP_HTTP_HOST_H
#define FLOTILLA_COMMON_HTTP_HTTP_HOST_H

#include <stdbool.h>

struct config_strings;

/* `host` as in the header: an address or name, [v6], with or without port. Upper and lower case are
 * the same, a dot behind the name is as none. `names` may be NULL. */
bool http_host_is_ours(const char *host, const struct config_strings *names);

/* For the configuration: NULL, or what is expected instead (a name without port). */
const char *http_host_check_name(const char *text);

#endif
