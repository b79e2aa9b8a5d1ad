/*
 * http_health - what both programs answer when they are asked how they are.
 *
 *   GET /healthz   200 {"status":"alive"}
 *   GET /readyz    200 {"status":"ready"}
 *                  503 {"status":"not ready","why":"draining"}
 *
 * `why` is one sentence for an operator, without line breaks. Status codes are for probes, the body
 * is for people and programs that want the reason.
 */
#ifndef FLOTILLA_COMMON_HTTP_HTTP_HEALTH_H
#define FLOTILLA_COMMON_HTTP_HTTP_HEALTH_H

#include "common/http/http_admin.h"

/* The route of /healthz: that it is answered says that the process runs and its loop turns. */
http_admin_fn http_health_alive;

/* The answer of /readyz. `why_not` NULL: clients may come. */
void http_health_ready(struct evhttp_request *req, const char *why_not);

#endif
