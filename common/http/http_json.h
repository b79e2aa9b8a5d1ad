/*
 * http_json - a JSON body as the answer of the HTTP port.
 */
#ifndef FLOTILLA_COMMON_HTTP_HTTP_JSON_H
#define FLOTILLA_COMMON_HTTP_HTTP_JSON_H

#include <cjson/cJSON.h>

struct evhttp_request;

/* Takes `json`; NULL (out of memory) is answered by 500. One line, ended by a newline. */
void http_json_reply(struct evhttp_request *req, int status, cJSON *json);

#endif
