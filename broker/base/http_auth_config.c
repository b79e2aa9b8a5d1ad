/* The keys of `auth.http:`. */
#include "broker/base/broker_config_parts.h"

#include "broker/base/broker_config.h"
#include "common/http/http_client.h"

static const char *const failure_names[] = {"refuse", "ignore", NULL};

static const struct config_field http_fields[] = {
    {.key = "url",
     .kind = CONFIG_STRING,
     FIELD(http_auth_config, url),
     .check = http_client_check_url,
     .fixed = true,
     .help = "A service that is asked by POST who a client is (docs/broker.md has question and "
             "answers): https, or http on this machine. Redirects aren't followed."},
    {.key = "authorization",
     .kind = CONFIG_STRING,
     FIELD(http_auth_config, authorization),
     .secret = true,
     .help = "The Authorization header of its requests, such as \"Bearer ...\"; may be \"@FILE\"."},
    {.key = "ca_file",
     .kind = CONFIG_STRING,
     FIELD(http_auth_config, ca_file),
     .fixed = true,
     .help = "PEM file with the authorities that its certificate is verified against, instead of "
             "the system's."},
    {.key = "timeout",
     .kind = CONFIG_DURATION,
     FIELD(http_auth_config, timeout_ms),
     .min = 100,
     .max = 60000,
     .fallback = "2s",
     .fixed = true,
     .help = "How long it may take to answer; then it has failed. Below auth.login_timeout."},
    {.key = "max_requests",
     .kind = CONFIG_UINT,
     FIELD(http_auth_config, max_requests),
     .min = 1,
     .max = 10000,
     .fallback = "256",
     .unit = "requests",
     .fixed = true,
     .help = "Questions under way at once; one more login counts as a failure of the service."},
    {.key = "remember",
     .kind = CONFIG_DURATION,
     FIELD(http_auth_config, remember_ms),
     .max = 86400000,
     .fallback = "60s",
     .help = "A login that it let in is let in again without a question for so long. Refusals "
             "aren't remembered. 0: each is asked."},
    {.key = "on_failure",
     .kind = CONFIG_ENUM,
     FIELD(http_auth_config, on_failure),
     .names = failure_names,
     .fallback = "refuse",
     .help = "A login that it can't tell about now: refuse (return code 3; 5.0: 0x89), or ignore, "
             "so that the next source is asked."},
};
const struct config_schema http_auth_schema = CONFIG_SCHEMA(struct http_auth_config, http_fields);
