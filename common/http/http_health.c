/*
 * Whether a program is ready is its own to decide; how it says so is here.
 */
#include "common/http/http_health.h"

#include <cjson/cJSON.h>
#include <stddef.h>

#include "common/http/http_json.h"

/* NULL: out of memory. */
static cJSON *body_of(const char *status, const char *why)
{
    cJSON *json = cJSON_CreateObject();
    if (cJSON_AddStringToObject(json, "status", status) != NULL &&
        (why == NULL || cJSON_AddStringToObject(json, "why", why) != NULL))
        return json;
    cJSON_Delete(json);
    return NULL;
}

void http_health_alive(struct evhttp_request *req, const char *tail, void *arg)
{
    (void)tail;
    (void)arg;
    http_json_reply(req, 200, body_of("alive", NULL));
}

void http_health_ready(struct evhttp_request *req, const char *why_not)
{
    if (why_not == NULL)
        http_json_reply(req, 200, body_of("ready", NULL));
    else
        http_json_reply(req, 503, body_of("not ready", why_not));
}
