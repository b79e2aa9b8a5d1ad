/*
 * admin - the HTTP port: which path is answered by what.
 *
 *   GET  /                    status page
 *   GET  /healthz             200: the control thread runs (common/http/http_health.h)
 *   GET  /readyz              200: takes devices; 503 and the reason: drains, or no server is up
 *   GET  /metrics             Prometheus
 *   GET  /api/servers         all there is to know, as JSON
 *   GET  /api/servers/<backend>/<server>
 *   POST /api/servers/<backend>/<server>/state   {"state": "ready" | "drain" | "maintenance"}
 *   POST /api/servers/<backend>/<server>/weight  {"weight": 0..256}
 *
 * Ownership: admin_new/_free. A reload may move the port: admin_bind opens the new one beside the
 *            old, then admin_keep_new or admin_unbind_new decides.
 * Threads:   the control thread's.
 */
#ifndef FLOTILLA_LB_ADMIN_ADMIN_H
#define FLOTILLA_LB_ADMIN_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct admin;
struct config_strings;
struct control;

struct admin *admin_new(struct control *c);
void admin_free(struct admin *a);

/* True without doing anything when that address is in use already. */
bool admin_bind(struct admin *a, const char *bind, char *err, size_t errlen);
/* The port of the new configuration is the one in force, and answers to these names too. */
void admin_keep_new(struct admin *a, const struct config_strings *hosts);
/* The HTTP port has a part of the spare of so many descriptors. */
void admin_share_descriptors(struct admin *a, uint32_t limit);
void admin_unbind_new(struct admin *a);

#endif
