/*
 * api - the state of the load balancer as JSON (docs/lb.md lists every field).
 *
 * Ownership: the caller gets a tree and frees it with cJSON_Delete. NULL: out of memory.
 * Units:     names end in their unit; rates are per second over the last second.
 * Threads:   the control thread's.
 */
#ifndef FLOTILLA_LB_ADMIN_API_H
#define FLOTILLA_LB_ADMIN_API_H

#include <cjson/cJSON.h>
#include <stdint.h>

struct control;
struct member;

/* {"lb": {...}, "listeners": [...], "servers": [...]} */
cJSON *api_servers(const struct control *c, uint64_t now_ms);
cJSON *api_server(const struct member *m, uint64_t now_ms);

#endif
