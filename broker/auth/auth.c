/*
 * Which clients may connect, and what they may do: puts sources and files together.
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
#include "broker/auth/sources/grant_terms.h"
#include "broker/auth/sources/source_certificate.h"
#include "broker/auth/sources/source_end.h"
#include "broker/auth/sources/source_file.h"
#include "broker/auth/sources/source_http.h"
#include "broker/auth/sources/source_jwt.h"
#include "broker/auth/sources/source_redis.h"
#include "broker/base/broker_config.h"
#include "common/log/log.h"

enum { THREADS_AUTO_MAX = 4 };

/* How the clients of a listener come in. */
struct door {
    const struct listener_auth_config
        *config; /* NULL: for all listeners without one of their own */
    struct chain chain;
    struct source_end end;
};

struct auth {
    struct event_base *base;
    const struct broker_config *config;
    bool anonymous; /* without asking the files */
    uint64_t hash_key;
    struct auth_files files;
    bool has_terms;        /* some clients may have */
    bool narrows;          /* there is an ACL file, or clients with terms */
    struct logins *logins; /* NULL until something is to be checked by threads */
    struct source_certificate certificate;
    struct source_file file;
    struct source_jwt jwt;
    struct source_http http;
    struct source_redis redis;
    struct door *doors; /* the first for all, then one for each listener of the configuration */
    size_t door_count;
    struct auth_reload *reload;
    auth_reload_accept_fn *accept;
    void *accept_arg;
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
static bool need_logins(struct auth *a)
{
    const struct auth_config *config = &a->config->auth;
    if (a->logins == NULL)
        a->logins =
            logins_new(a->base, a->hash_key, thread_count(config), config->max_waiting_logins);
    return a->logins != NULL;
}

static bool lets_in_anonymous(const struct auth *a, const struct door *d)
{
    bool as_auth = d->config == NULL || d->config->anonymous == ANONYMOUS_AS_AUTH;
    return as_auth ? a->anonymous || a->files.anonymous : d->config->anonymous == ANONYMOUS_YES;
}

static bool asks_service(const struct auth *a)
{
    const char *url = a->config->auth.http.url;
    return url != NULL && url[0] != '\0';
}

static bool needs_logins(const struct auth *a, const struct auth_files *files)
{
    return files->passwd != NULL || files->jwt != NULL || asks_service(a);
}

/* From now on these files count. False, and nothing has changed: no memory or no thread. */
static bool use_files(struct auth *a, const struct auth_files *files)
{
    if (needs_logins(a, files) && !need_logins(a))
        return false;
    a->files = *files;
    if (a->logins != NULL)
        login_set_table(a->logins, files->passwd);
    a->certificate.config = files->certificate;
    a->file.passwd = files->passwd;
    a->file.logins = a->logins;
    a->jwt.keys = files->jwt;
    a->jwt.logins = a->logins;
    a->has_terms = a->has_terms || files->jwt != NULL || asks_service(a);
    a->narrows = a->has_terms || files->acl != NULL;
    for (size_t i = 0; i < a->door_count; i++) {
        a->doors[i].end.logins = a->logins;
        a->doors[i].end.anonymous = lets_in_anonymous(a, &a->doors[i]);
    }
    return true;
}

/* ---- doors ------------------------------------------------------------------------------------ */

/* The source of this name, which the configuration has checked. */
static struct source *source_named(struct auth *a, const char *name)
{
    struct source *const all[] = {&a->certificate.source, &a->file.source, &a->jwt.source,
                                  &a->redis.source, &a->http.source};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(source_names[all[i]->kind], name) == 0)
            return all[i];
    return NULL;
}

/* Without names: what is configured, or may be after a reload. */
static void chain_make(struct auth *a, struct chain *chain, const struct config_strings *names)
{
    for (size_t i = 0; i < names->count; i++) {
        struct source *s = source_named(a, names->items[i]);
        if (s != NULL && chain_find(chain, s->kind) == NULL)
            chain->sources[chain->count++] = s;
    }
    if (chain->count > 0)
        return;
    chain->sources[chain->count++] = &a->certificate.source;
    chain->sources[chain->count++] = &a->file.source;
    chain->sources[chain->count++] = &a->jwt.source;
    chain->sources[chain->count++] = &a->http.source;
}

static void door_make(struct auth *a, struct door *d, const struct listener_auth_config *own)
{
    bool has_chain = own != NULL && own->chain.count > 0;
    d->config = own;
    chain_make(a, &d->chain, has_chain ? &own->chain : &a->config->auth.chain);
    source_end_init(&d->end, &d->chain);
    d->chain.sources[d->chain.count++] = &d->end.source;
}

static void on_users_changed(void *arg)
{
    auth_changed(arg);
}

static bool doors_make(struct auth *a)
{
    const struct listener_config *items = a->config->listeners.items;
    size_t listeners = a->config->listeners.count;
    source_certificate_init(&a->certificate);
    source_file_init(&a->file);
    source_jwt_init(&a->jwt);
    source_http_init(&a->http, a->base);
    if (!source_redis_init(&a->redis, a->hash_key))
        return false;
    a->redis.changed = on_users_changed;
    a->redis.changed_arg = a;
    a->doors = calloc(listeners + 1, sizeof(*a->doors));
    if (a->doors == NULL)
        return false;
    a->door_count = listeners + 1;
    door_make(a, &a->doors[0], NULL);
    for (size_t i = 0; i < listeners; i++)
        door_make(a, &a->doors[i + 1], &items[i].auth);
    return true;
}

static const struct door *door_of(const struct auth *a, const struct listener_config *l)
{
    const struct listener_config *items = a->config->listeners.items;
    bool listed = l != NULL && a->door_count > 1 && l >= items && l < items + a->door_count - 1;
    return &a->doors[listed ? l - items + 1 : 0];
}

/* ---- files ------------------------------------------------------------------------------------ */

/* All that may fail comes first. */
static bool accept_reload(struct auth *a, const struct auth_files *fresh,
                          struct broker_config *config, char *err, size_t errlen)
{
    if (needs_logins(a, fresh) && !need_logins(a)) {
        snprintf(err, errlen, "no thread for password hashes");
        return false;
    }
    return config == NULL || a->accept == NULL || a->accept(a->accept_arg, config, err, errlen);
}

static void on_reloaded(void *arg, struct auth_files *fresh, struct broker_config *config,
                        const char *err)
{
    struct auth *a = arg;
    char refused[640];
    if (fresh == NULL) {
        LOG_ERROR("auth_reload_failed", KV_STR("err", err));
        return;
    }
    if (!accept_reload(a, fresh, config, refused, sizeof(refused))) {
        LOG_ERROR("config_rejected", KV_STR("err", refused),
                  KV_STR("in_force", "the configuration before"));
        auth_reload_dispose(a->reload, fresh);
        return;
    }
    struct auth_files old = a->files;
    (void)use_files(a, fresh);
    if (!source_http_changed(&a->http))
        LOG_ERROR("auth_reload_failed", KV_STR("err", "auth.http.authorization: out of memory"));
    auth_reload_dispose(a->reload, &old);
    LOG_INFO("auth_reloaded");
    auth_changed(a);
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
    struct auth_files files = {0};
    a->reload = auth_reload_new(base, config, hash_key, on_reloaded, a);
    if (a->reload == NULL || !doors_make(a) ||
        !auth_files_load(&config->auth, hash_key, &files, err, errlen))
        goto fail;
    bool used = use_files(a, &files);
    if (used && source_http_set(&a->http, &config->auth.http, a->logins))
        return a;
    if (used)
        files = (struct auth_files){0}; /* a's */
    snprintf(err, errlen, "auth: out of memory or threads");
fail:
    auth_files_free(&files);
    auth_free(a);
    return NULL;
}

void auth_free(struct auth *a)
{
    if (a == NULL)
        return;
    auth_reload_free(a->reload);
    source_http_fini(&a->http);
    logins_free(a->logins);
    source_redis_fini(&a->redis);
    auth_files_free(&a->files);
    free(a->doors);
    free(a);
}

void auth_reload(struct auth *a)
{
    if (!auth_reload_start(a->reload))
        LOG_ERROR("auth_reload_failed", KV_STR("err", "no thread to read the files"));
}

void auth_on_reload(struct auth *a, auth_reload_accept_fn *accept, void *arg)
{
    a->accept = accept;
    a->accept_arg = arg;
}

void auth_on_change(struct auth *a, void (*changed)(void *arg), void *arg)
{
    a->changed = changed;
    a->changed_arg = arg;
}

void auth_changed(struct auth *a)
{
    if (a->changed != NULL)
        a->changed(a->changed_arg);
}

void auth_checked(struct auth *a)
{
    source_redis_checked(&a->redis);
}

bool auth_wants_users(const struct auth *a)
{
    for (size_t i = 0; i < a->door_count; i++)
        if (chain_find(&a->doors[i].chain, SOURCE_REDIS) != NULL)
            return true;
    return false;
}

bool auth_use_users(struct auth *a, const struct user_store *store)
{
    if (!need_logins(a))
        return false;
    a->redis.logins = a->logins;
    a->file.logins = a->logins;
    a->jwt.logins = a->logins;
    login_set_table(a->logins, a->files.passwd);
    for (size_t i = 0; i < a->door_count; i++)
        a->doors[i].end.logins = a->logins;
    source_redis_use(&a->redis, store);
    return true;
}

bool auth_forget_some(struct auth *a, size_t *at)
{
    return a->logins != NULL && login_forget_some(a->logins, at);
}

/* ---- who comes in ---------------------------------------------------------------------------- */

bool auth_wants_certificate(const struct auth *a, const struct listener_config *l)
{
    const struct source *s = chain_find(&door_of(a, l)->chain, SOURCE_CERTIFICATE);
    return s != NULL && s->ops->is_there(s);
}

enum login_verdict auth_login(struct auth *a, const struct listener_config *l,
                              const struct source_request *r, struct chain_wait *wait)
{
    return chain_ask(&door_of(a, l)->chain, r, wait);
}

bool auth_allows_method(const struct auth *a, const struct listener_config *l,
                        const struct peer_certificate *certificate)
{
    return !auth_wants_certificate(a, l) || !a->certificate.config.require ||
           source_certificate_knows(&a->certificate, certificate);
}

static struct mqtt_slice slice_of(const char *text)
{
    if (text == NULL)
        return (struct mqtt_slice){0};
    return (struct mqtt_slice){.data = (const uint8_t *)text, .len = (uint32_t)strlen(text)};
}

bool auth_still_admits(const struct auth *a, const struct listener_config *l,
                       enum source_kind source, const char *username, uint64_t stamp)
{
    const struct door *d = door_of(a, l);
    const struct source *s = chain_find(&d->chain, source);
    bool needs_name = source != SOURCE_HTTP; /* which may know a client by its id or address */
    if ((username == NULL && needs_name) || !chain_knows_anybody(&d->chain))
        s = &d->end.source;
    return s != NULL && s->ops->still_admits(s, slice_of(username), stamp);
}

bool auth_admit_user(const struct auth *a, const struct listener_config *l, const char *username,
                     struct grant *out)
{
    const struct door *d = door_of(a, l);
    *out = (struct grant){0};
    if (!chain_knows_anybody(&d->chain))
        return d->end.anonymous;
    out->source = SOURCE_FILE;
    if (chain_find(&d->chain, SOURCE_FILE) != NULL)
        out->stamp = passwd_stamp(a->files.passwd, slice_of(username));
    return out->stamp != 0;
}

const struct source_http_stats *auth_service_stats(const struct auth *a)
{
    return a->http.client != NULL ? &a->http.stats : NULL;
}

uint64_t auth_find_scram(const struct auth *a, struct mqtt_slice username, struct scram_secret *out)
{
    return passwd_find_scram(a->files.passwd, username, out);
}

static void on_settled(void *arg, enum login_verdict verdict)
{
    struct chain_wait *wait = arg;
    wait->source.asked = NULL;
    wait->done(wait->arg, verdict);
}

/* It waits as if the file had been asked, so it is given up in the same way. */
enum login_verdict auth_settle(struct auth *a, const struct login_request *r, bool right,
                               uint64_t stamp, struct chain_wait *wait)
{
    if (a->logins == NULL)
        return right ? LOGIN_OK : LOGIN_BAD;
    if (wait == NULL)
        return login_settle(a->logins, r, right, stamp, NULL);
    wait->source.login = (struct login_wait){.done = on_settled, .arg = wait};
    enum login_verdict verdict = login_settle(a->logins, r, right, stamp, &wait->source.login);
    if (verdict == LOGIN_PENDING)
        wait->source.asked = &a->file.source;
    return verdict;
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
    if (who->terms != NULL &&
        !grant_terms_cover(who->terms, topic,
                           access == ACL_WRITE ? GRANT_PUBLISH : GRANT_SUBSCRIBE))
        return false;
    return acl_check(a->files.acl, slice_of(who->username), who->client_id, topic, access);
}

bool auth_may_write(const struct auth *a, const struct identity *who, struct mqtt_slice topic)
{
    if (topic.len > 0 && topic.data[0] == '$' && is_reserved(topic))
        return false;
    return !a->narrows || rules_allow(a, who, topic, ACL_WRITE);
}

bool auth_may_read(const struct auth *a, const struct identity *who, struct mqtt_slice topic)
{
    return !a->narrows || rules_allow(a, who, topic, ACL_READ);
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
