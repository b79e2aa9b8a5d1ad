/* The keys of `auth:`. */
#include "broker/base/broker_config_parts.h"

#include <string.h>

#include "broker/base/broker_config.h"

static const char *const hash_threads_names[] = {"auto", NULL};

static const char *const client_id_names[] = {"any", "equals_username", "begins_with_username",
                                              NULL};

static const char *const subscribe_names[] = {"overlap", "covered", "always", NULL};
static const char *const denied_publish_names[] = {"drop", "close", NULL};

static const char *check_method(const char *text)
{
    if (strcmp(text, "SCRAM-SHA-256") == 0 || strcmp(text, "X-MIRROR") == 0)
        return NULL;
    return "must be an authentication method: SCRAM-SHA-256 or X-MIRROR";
}

const char *config_check_source(const char *text)
{
    static const char *const sources[] = {"certificate", "file", "jwt", "redis", "http"};
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
        if (strcmp(text, sources[i]) == 0)
            return NULL;
    return "a source of identities: certificate, file, jwt, redis or http";
}

static const char *const identity_names[] = {"off", "cn", "san_dns", "san_uri", "san_email", NULL};

static const struct config_field certificate_fields[] = {
    {.key = "identity",
     .kind = CONFIG_ENUM,
     FIELD(certificate_config, identity),
     .names = identity_names,
     .fallback = "off",
     .help = "Which name of a client's verified certificate is its user name: the common name, or "
             "the first DNS name, URI or e-mail address of the subject's alternative names. Those "
             "need proxy_certificate at the load balancer. Read again on SIGHUP."},
    {.key = "require",
     .kind = CONFIG_BOOL,
     FIELD(certificate_config, require),
     .fallback = "false",
     .help = "A client without a certificate that has such a name is refused, instead of the next "
             "source being asked. Read again on SIGHUP."},
};
static const struct config_schema certificate_schema =
    CONFIG_SCHEMA(struct certificate_config, certificate_fields);

static const struct config_field auth_fields[] = {
    {.key = "anonymous",
     .kind = CONFIG_BOOL,
     FIELD(auth_config, anonymous),
     .fallback = "false",
     .help = "Whether clients without a user name may connect."},
    {.key = "chain",
     .kind = CONFIG_STRINGS,
     FIELD(auth_config, chain),
     .fixed = true,
     .check = config_check_source,
     .help = "Who is asked about a client, in this order; the first answer counts: "
             "certificate, file (password_file), jwt, redis (users in redis.url, which "
             "flotilla-passwd --redis writes), http. Without it all but redis, in this order, as "
             "far as they are configured."},
    {.key = "chain", .kind = CONFIG_POSITION, FIELD(auth_config, chain_at)},
    {.key = "jwt",
     .kind = CONFIG_STRUCT,
     FIELD(auth_config, jwt),
     .sub = &jwt_schema,
     .help = "Signed tokens (JSON Web Tokens) as passwords."},
    {.key = "http",
     .kind = CONFIG_STRUCT,
     FIELD(auth_config, http),
     .sub = &http_auth_schema,
     .help = "A service that is asked who a client is."},
    {.key = "certificate",
     .kind = CONFIG_STRUCT,
     FIELD(auth_config, certificate),
     .sub = &certificate_schema,
     .help = "Client certificates, which the load balancer has verified, as identities."},
    {.key = "password_file",
     .kind = CONFIG_STRING,
     FIELD(auth_config, password_file),
     .help = "Users and password hashes as mosquitto_passwd writes them (SHA-512, PBKDF2, "
             "Argon2id)."},
    {.key = "acl_file",
     .kind = CONFIG_STRING,
     FIELD(auth_config, acl_file),
     .help = "Which clients may read and write which topics, in mosquitto's format. Read again on "
             "SIGHUP. Without it every client may use every topic but $SYS."},
    {.key = "subscribe",
     .kind = CONFIG_ENUM,
     FIELD(auth_config, subscribe),
     .names = subscribe_names,
     .fallback = "overlap",
     .help =
         "Which topic filters are granted to a client with an acl_file: overlap: those of which "
         "something may be read; covered: those that one rule covers as a whole; always: all. "
         "The others get 0x80, or 0x87 of 5.0 (clients of 3.1, which has no such answer, are "
         "granted all). Each message is checked again when it is delivered. Read again on "
         "SIGHUP."},
    {.key = "denied_publish",
     .kind = CONFIG_ENUM,
     FIELD(auth_config, denied_publish),
     .names = denied_publish_names,
     .fallback = "drop",
     .help = "What happens to a message that its client may not publish: drop: it is acknowledged "
             "and dropped; close: the connection is closed. 5.0 at QoS 1 and 2 is answered with "
             "0x87 in both cases. Read again on SIGHUP."},
    {.key = "bad_login",
     .kind = CONFIG_UINT,
     FIELD(auth_config, bad_login),
     .min = 4,
     .max = 5,
     .fallback = "5",
     .unit = "return code",
     .help =
         "What a client with a wrong user name or password is answered: 5 (not authorized; 5.0: "
         "0x87), as Mosquitto does, or 4 (bad user name or password; 5.0: 0x86)."},
    {.key = "methods",
     .kind = CONFIG_STRINGS,
     FIELD(auth_config, methods),
     .check = check_method,
     .help = "5.0: authentication methods that clients may use instead of a password. "
             "SCRAM-SHA-256: for users of the password file whose line has its keys "
             "(flotilla-passwd -H scram-sha-256). X-MIRROR, which proves nothing, is for tests of "
             "clients."},
    {.key = "client_id",
     .kind = CONFIG_ENUM,
     FIELD(auth_config, client_id),
     .names = client_id_names,
     .fallback = "any",
     .help = "Which client ids a user may use: any; equals_username: the user name itself; "
             "begins_with_username: that, or the user name followed by one of - _ . / : and more. "
             "Other ids, and every id of a client without user name, are refused with return code "
             "5. A client "
             "that leaves its id to the broker gets one in any case."},
    {.key = "shared_client_ids",
     .kind = CONFIG_BOOL,
     FIELD(auth_config, shared_client_ids),
     .fallback = "false",
     .help = "A client id, with its connection and its session, belongs to the user who uses it, "
             "and another user's CONNECT with it is refused with return code 5. True: any user may "
             "take over a client id. Clients without a user name count as one user."},
    {.key = "hash_threads",
     .kind = CONFIG_UINT,
     FIELD(auth_config, hash_threads),
     .min = 1,
     .max = 64,
     .names = hash_threads_names,
     .fallback = "auto",
     .unit = "threads",
     .fixed = true,
     .help = "Threads that hash passwords; auto: half of the cores, one to four. They yield to the "
             "broker's loop (nice)."},
    {.key = "max_waiting_logins",
     .kind = CONFIG_UINT,
     FIELD(auth_config, max_waiting_logins),
     .min = 1,
     .max = 10000,
     .fallback = "1000",
     .unit = "logins",
     .fixed = true,
     .help = "Passwords that wait to be hashed. One more is refused with return code 3, or takes "
             "the place of one whose user name or address had more wrong passwords lately."},
    {.key = "login_timeout",
     .kind = CONFIG_DURATION,
     FIELD(auth_config, login_timeout_ms),
     .min = 100,
     .max = 60000,
     .fallback = "2500ms",
     .help = "A client whose password isn't checked after this long is refused with return code "
             "3. Shorter than the load balancer's first_byte_timeout, or the login is tried at "
             "the next broker as well."},
};
const struct config_schema auth_schema = CONFIG_SCHEMA(struct auth_config, auth_fields);
