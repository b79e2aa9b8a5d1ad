/*
 * Which clients may connect, and what they may do: the rules around login.c and acl.c.
 */
#include "broker/auth/auth.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/auth/auth_files.h"
#include "broker/auth/auth_reload.h"
#include "broker/auth/files/acl.h"
#include "broker/auth/files/passwd.h"
#include "broker/base/broker_config.h"
#include "common/log/log.h"

enum { THREADS_AUTO_MAX = 4 };

struct auth {
    struct event_base *base;
    const struct broker_config *config;
    bool anonymous; /* without asking the files */
    uint64_t hash_key;
    struct auth_files files;
    struct logins *logins; /* NULL until there is a password file */
    struct auth_reload *reload;
    void (*changed)(void *arg);
    void *changed_arg;
};

/* Half of the cores: the broker's loop, and other brokers on this host, need the rest. */
static unsigned thread_count(const struct auth_config *config)
{
    if (config->hash_threads > 0)
        return config->hash_threads;
    cpu_set_t cores;
    unsigned n = sched_getaffinity(0, sizeof(cores), &cores) == 0 ? (unsigned)CPU_COUNT(&cores) : 1;
    n /= 2;
    if (n > THREADS_AUTO_MAX)
        return THREADS_AUTO_MAX;
    return n > 0 ? n : 1;
}

/* Threads are there once they are needed. */
static bool use_table(struct auth *a, const struct passwd *passwd)
{
    const struct auth_config *config = &a->config->auth;
    if (passwd != NULL && a->logins == NULL)
        a->logins =
            logins_new(a->base, a->hash_key, thread_count(config), config->max_waiting_logins);
    if (passwd != NULL && a->logins == NULL)
        return false;
    if (a->logins != NULL)
        login_set_table(a->logins, passwd);
    return true;
}

static void on_reloaded(void *arg, struct auth_files *fresh, const char *err)
{
    struct auth *a = arg;
    if (fresh == NULL) {
        LOG_ERROR("auth_reload_failed", KV_STR("err", err));
        return;
    }
    if (!use_table(a, fresh->passwd)) {
        LOG_ERROR("auth_reload_failed", KV_STR("err", "no thread for password hashes"));
        auth_reload_dispose(a->reload, fresh);
        return;
    }
    struct auth_files old = a->files;
    a->files = *fresh;
    auth_reload_dispose(a->reload, &old);
    LOG_INFO("auth_reloaded");
    if (a->changed != NULL)
        a->changed(a->changed_arg);
}

struct auth *auth_new(struct event_base *base, const struct broker_config *config, bool anonymous,
                      uint64_t hash_key, char *err, size_t errlen)
{
    snprintf(err, errlen, "auth: out of memory or threads");
    struct auth *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return NULL;
    a->base = base;
    a->config = config;
    a->anonymous = anonymous;
    a->hash_key = hash_key;
    a->reload = auth_reload_new(base, config, hash_key, on_reloaded, a);
    if (a->reload == NULL || !auth_files_load(&config->auth, hash_key, &a->files, err, errlen) ||
        !use_table(a, a->files.passwd)) {
        auth_free(a);
        return NULL;
    }
    return a;
}

void auth_free(struct auth *a)
{
    if (a == NULL)
        return;
    auth_reload_free(a->reload);
    logins_free(a->logins);
    auth_files_free(&a->files);
    free(a);
}

void auth_reload(struct auth *a)
{
    if (!auth_reload_start(a->reload))
        LOG_ERROR("auth_reload_failed", KV_STR("err", "no thread to read the files"));
}

void auth_on_change(struct auth *a, void (*changed)(void *arg), void *arg)
{
    a->changed = changed;
    a->changed_arg = arg;
}

bool auth_forget_some(struct auth *a, size_t *at)
{
    return a->logins != NULL && login_forget_some(a->logins, at);
}

/* ---- who comes in ---------------------------------------------------------------------------- */

static bool admits_anyone(const struct auth *a)
{
    return a->anonymous || a->files.anonymous;
}

enum login_verdict auth_login(struct auth *a, bool has_username, const struct login_request *r,
                              struct login_wait *wait)
{
    wait->job = NULL;
    wait->stamp = 0;
    if (!has_username || a->files.passwd == NULL)
        return admits_anyone(a) ? LOGIN_OK : LOGIN_NOT_AUTHORIZED;
    return login_check(a->logins, r, wait);
}

static struct mqtt_slice slice_of(const char *text)
{
    if (text == NULL)
        return (struct mqtt_slice){0};
    return (struct mqtt_slice){.data = (const uint8_t *)text, .len = (uint32_t)strlen(text)};
}

bool auth_still_admits(const struct auth *a, const char *username, uint64_t stamp)
{
    if (username == NULL || a->files.passwd == NULL)
        return admits_anyone(a);
    return stamp != 0 && passwd_stamp(a->files.passwd, slice_of(username)) == stamp;
}

bool auth_admit_user(const struct auth *a, const char *username, uint64_t *stamp)
{
    *stamp = 0;
    if (a->files.passwd == NULL)
        return admits_anyone(a);
    *stamp = passwd_stamp(a->files.passwd, slice_of(username));
    return *stamp != 0;
}

const struct logins *auth_logins(const struct auth *a)
{
    return a->logins;
}

/* ---- what they may do ------------------------------------------------------------------------ */

static bool begins_with(struct mqtt_slice topic, const char *prefix)
{
    size_t len = strlen(prefix);
    return topic.len >= len && memcmp(topic.data, prefix, len) == 0;
}

/* Of topics that begin with '$': $SYS is the broker's own, except what bridges publish about
 * themselves there, as with mosquitto. Nobody could subscribe to a topic that begins like a shared
 * subscription. */
static __attribute__((noinline)) bool is_reserved(struct mqtt_slice topic)
{
    return mqtt_filter_is_shared(topic) ||
           (begins_with(topic, "$SYS/") && !begins_with(topic, "$SYS/broker/connection/"));
}

/* Separate from the functions below, which run for each message and each receiver, so that without
 * rules they cost one compare. */
static __attribute__((noinline)) bool rules_allow(const struct auth *a, const struct identity *who,
                                                  struct mqtt_slice topic, enum acl_access access)
{
    return acl_check(a->files.acl, slice_of(who->username), who->client_id, topic, access);
}

bool auth_may_write(const struct auth *a, const struct identity *who, struct mqtt_slice topic)
{
    if (topic.len > 0 && topic.data[0] == '$' && is_reserved(topic))
        return false;
    return a->files.acl == NULL || rules_allow(a, who, topic, ACL_WRITE);
}

bool auth_may_read(const struct auth *a, const struct identity *who, struct mqtt_slice topic)
{
    return a->files.acl == NULL || rules_allow(a, who, topic, ACL_READ);
}

bool auth_may_subscribe(const struct auth *a, const struct identity *who, struct mqtt_slice filter)
{
    return a->files.acl == NULL ||
           acl_grants_filter(a->files.acl, slice_of(who->username), who->client_id, filter,
                             (enum acl_filter_rule)a->files.subscribe);
}

bool auth_has_rules(const struct auth *a)
{
    return a->files.acl != NULL;
}

bool auth_closes_denied(const struct auth *a)
{
    return a->files.closes_denied;
}
