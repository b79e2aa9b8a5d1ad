/*
 * Used by what the HTTP port shows to programs: the API and the health routes.
 */
#include "common/http/http_json.h"

#include <event2/buffer.h>

#include "common/http/http_admin.h"

void http_json_reply(struct evhttp_request *req, int status, cJSON *json)
{
    char *text = json == NULL ? NULL : cJSON_PrintUnformatted(json);
    struct evbuffer *body = evbuffer_new();
    cJSON_Delete(json);
    if (text == NULL || body == NULL || evbuffer_add_printf(body, "%s\n", text) < 0)
        http_admin_reply_text(req, 500, "out of memory");
    else
        http_admin_reply(req, status, "application/json", body);
    cJSON_free(text);
    if (body != NULL)
        evbuffer_free(body);
}
