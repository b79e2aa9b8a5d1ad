/* The keys of `auth.jwt:`. */
#include "broker/base/broker_config_parts.h"

#include <string.h>

#include "broker/base/broker_config.h"

static const char *const algorithm_names[] = {"HS256", "RS256", "ES256", NULL};
static const char *const username_names[] = {"equal", "any", NULL};

static const struct config_field key_fields[] = {
    {.key = NULL, .kind = CONFIG_STRING, FIELD(jwt_key_config, name)},
    {.key = "algorithm",
     .kind = CONFIG_ENUM,
     FIELD(jwt_key_config, algorithm),
     .names = algorithm_names,
     .required = true,
     .help = "The only algorithm that this key is for; a token that names another one is refused."},
    {.key = "file",
     .kind = CONFIG_STRING,
     FIELD(jwt_key_config, file),
     .required = true,
     .help = "HS256: the secret, at least 32 bytes. RS256 and ES256: the public key or a "
             "certificate in PEM."},
};
static const struct config_schema key_schema = CONFIG_SCHEMA(struct jwt_key_config, key_fields);

static const struct config_field jwt_fields[] = {
    {.key = "keys",
     .kind = CONFIG_MAP,
     FIELD(jwt_config, keys),
     .sub = &key_schema,
     .help = "The keys that tokens may be signed with, by name. A token's kid names one of them; "
             "without kid it is the only one of its algorithm."},
    {.key = "issuer",
     .kind = CONFIG_STRING,
     FIELD(jwt_config, issuer),
     .help = "What iss must be. Without it iss doesn't matter."},
    {.key = "audience",
     .kind = CONFIG_STRING,
     FIELD(jwt_config, audience),
     .help = "What aud must be, or contain. Without it aud doesn't matter."},
    {.key = "username_claim",
     .kind = CONFIG_STRING,
     FIELD(jwt_config, username_claim),
     .fallback = "sub",
     .help = "The claim that says who the client is: its user name in ACLs and logs."},
    {.key = "username",
     .kind = CONFIG_ENUM,
     FIELD(jwt_config, username),
     .names = username_names,
     .fallback = "equal",
     .help = "The user name in CONNECT: equal, the token's or none; any: it doesn't matter, the "
             "token's counts."},
    {.key = "acl_claim",
     .kind = CONFIG_STRING,
     FIELD(jwt_config, acl_claim),
     .fallback = "acl",
     .help = "The claim that narrows what the client may do, {\"pub\": [filters], \"sub\": "
             "[filters], \"all\": [filters]}. Empty: none does."},
    {.key = "leeway",
     .kind = CONFIG_DURATION,
     FIELD(jwt_config, leeway_ms),
     .max = 600000,
     .fallback = "30s",
     .help = "By how much clocks may differ: a token is good from nbf less this to exp plus this. "
             "Then its connection is closed."},
};
const struct config_schema jwt_schema = CONFIG_SCHEMA(struct jwt_config, jwt_fields);
