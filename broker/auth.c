/*
 * Who may come in, and what they may do: the rules around passwd.c and acl.c.
 */
#include "broker/auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/acl.h"
#include "broker/broker_config.h"
#include "broker/client.h"
#include "broker/passwd.h"
#include "broker/session.h"
#include "common/log.h"

struct auth {
    const struct auth_config *config;
    bool anonymous;
    struct passwd *passwd; /* NULL: no file */
    struct acl *acl;       /* NULL: no file */
};

/* Reads both files into `out`; it has neither or both on failure. */
static bool load_files(const struct auth_config *config, struct auth *out, char *err, size_t errlen)
{
    if (config->password_file != NULL) {
        out->passwd = passwd_load(config->password_file, err, errlen);
        if (out->passwd == NULL)
            return false;
    }
    if (config->acl_file != NULL) {
        out->acl = acl_load(config->acl_file, err, errlen);
        if (out->acl == NULL)
            return false;
    }
    return true;
}

static void free_files(struct auth *a)
{
    passwd_free(a->passwd);
    acl_free(a->acl);
    a->passwd = NULL;
    a->acl = NULL;
}

struct auth *auth_new(const struct auth_config *config, bool anonymous, char *err, size_t errlen)
{
    struct auth *a = calloc(1, sizeof(*a));
    if (a == NULL) {
        snprintf(err, errlen, "auth: out of memory");
        return NULL;
    }
    a->config = config;
    a->anonymous = anonymous;
    if (!load_files(config, a, err, errlen)) {
        auth_free(a);
        return NULL;
    }
    return a;
}

void auth_free(struct auth *a)
{
    if (a == NULL)
        return;
    free_files(a);
    free(a);
}

bool auth_reload(struct auth *a)
{
    struct auth fresh = {0};
    char err[512];
    if (!load_files(a->config, &fresh, err, sizeof(err))) {
        LOG_ERROR("auth_reload_failed", KV_STR("err", err));
        free_files(&fresh);
        return false;
    }
    free_files(a);
    a->passwd = fresh.passwd;
    a->acl = fresh.acl;
    return true;
}

enum auth_verdict auth_login(const struct auth *a, const struct mqtt_slice *username,
                             struct mqtt_slice password)
{
    if (username == NULL || a->passwd == NULL)
        return a->anonymous ? AUTH_OK : AUTH_NOT_AUTHORIZED;
    return passwd_check(a->passwd, *username, password) ? AUTH_OK : AUTH_BAD_LOGIN;
}

static struct mqtt_slice username_of(const struct client *c)
{
    if (c->username == NULL)
        return (struct mqtt_slice){0};
    return (struct mqtt_slice){.data = (const uint8_t *)c->username,
                               .len = (uint32_t)strlen(c->username)};
}

static bool begins_with(struct mqtt_slice topic, const char *prefix)
{
    size_t len = strlen(prefix);
    return topic.len >= len && memcmp(topic.data, prefix, len) == 0;
}

/* $SYS is the broker's own, but for what bridges tell of themselves there, as to mosquitto. Nobody
 * could subscribe to a topic that begins like a shared subscription. */
static bool is_reserved(struct mqtt_slice topic)
{
    if (topic.len == 0 || topic.data[0] != '$')
        return false;
    return mqtt_filter_is_shared(topic) ||
           (begins_with(topic, "$SYS/") && !begins_with(topic, "$SYS/broker/connection/"));
}

bool auth_may_write(const struct auth *a, const struct client *c, struct mqtt_slice client_id,
                    struct mqtt_slice topic)
{
    if (is_reserved(topic))
        return false;
    return a->acl == NULL || acl_check(a->acl, username_of(c), client_id, topic, ACL_WRITE);
}

bool auth_may_read(const struct auth *a, const struct client *c, struct mqtt_slice topic)
{
    return a->acl == NULL ||
           acl_check(a->acl, username_of(c), session_id(c->session), topic, ACL_READ);
}

bool auth_may_subscribe(const struct auth *a, const struct client *c, struct mqtt_slice filter)
{
    return a->acl == NULL ||
           acl_check(a->acl, username_of(c), session_id(c->session), filter, ACL_SUBSCRIBE);
}
