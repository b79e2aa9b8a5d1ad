/*
 * Who may come in, and what they may do.
 */
#include "broker/auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/broker_config.h"

struct auth {
    const struct auth_config *config;
    bool anonymous;
};

struct auth *auth_new(const struct auth_config *config, bool anonymous, char *err, size_t errlen)
{
    struct auth *a = calloc(1, sizeof(*a));
    if (a == NULL) {
        snprintf(err, errlen, "auth: out of memory");
        return NULL;
    }
    a->config = config;
    a->anonymous = anonymous;
    return a;
}

void auth_free(struct auth *a)
{
    free(a);
}

bool auth_reload(struct auth *a)
{
    (void)a;
    return true;
}

enum auth_verdict auth_login(const struct auth *a, const struct mqtt_slice *username,
                             struct mqtt_slice password)
{
    (void)username;
    (void)password;
    return a->anonymous ? AUTH_OK : AUTH_NOT_AUTHORIZED;
}

bool auth_may_write(const struct auth *a, const struct client *c, struct mqtt_slice client_id,
                    struct mqtt_slice topic)
{
    (void)a;
    (void)c;
    (void)client_id;
    return topic.len < 5 || memcmp(topic.data, "$SYS/", 5) != 0;
}

bool auth_may_read(const struct auth *a, const struct client *c, struct mqtt_slice topic)
{
    (void)a;
    (void)c;
    (void)topic;
    return true;
}

bool auth_may_subscribe(const struct auth *a, const struct client *c, struct mqtt_slice filter)
{
    (void)a;
    (void)c;
    (void)filter;
    return true;
}
