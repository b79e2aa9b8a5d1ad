/* What all sources have in common. */
#include "broker/auth/sources/source.h"

#include "broker/auth/sources/grant_terms.h"
#include "broker/base/account.h"

const char *const source_names[SOURCE_KINDS] = {
    [SOURCE_NOBODY] = "anonymous",        [SOURCE_FILE] = "file",   [SOURCE_JWT] = "jwt",
    [SOURCE_CERTIFICATE] = "certificate", [SOURCE_REDIS] = "redis", [SOURCE_HTTP] = "http"};

void grant_fini(struct grant *g)
{
    account_free(ACCOUNT_CLIENTS, g->username);
    grant_terms_free(g->terms);
    *g = (struct grant){0};
}
