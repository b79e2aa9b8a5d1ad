/*
 * One server's checking loop: timer -> probe -> health -> server's atomics, log, next timer. What
 * flows report (refused connects and doubts) comes in by checker_collect_reports and moves the next
 * check forward. The rules are health.c's, the talking is probe.c's.
 */
#include "lb/health/checker.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/net/address.h"
#include "common/tls/tls_client.h"
#include "lb/health/probe.h"

static struct health_rule rule_of(const struct checker *c)
{
    struct health_rule rule = {.rise = c->config->rise,
                               .fall = c->config->fall,
                               .interval_ms = c->config->interval_ms,
                               .fast_interval_ms = c->config->fast_interval_ms};
    if (c->config->type == LB_CHECK_NONE) { /* a refused connect sets it aside for one interval */
        rule.rise = rule.fall = 1;
        rule.fast_interval_ms = rule.interval_ms;
    }
    return rule;
}

static void schedule(struct checker *c, uint64_t delay_ms)
{
    struct timeval delay = {.tv_sec = (time_t)(delay_ms / 1000),
                            .tv_usec = (suseconds_t)(delay_ms % 1000 * 1000)};
    if (event_add(c->timer, &delay) != 0)
        LOG_ERROR("check_not_scheduled", KV_STR("backend", c->server->backend),
                  KV_STR("server", c->server->name));
}

static void schedule_next(struct checker *c)
{
    struct health_rule rule = rule_of(c);
    if (c->config->type == LB_CHECK_NONE && c->health.state == SERVER_UP)
        return; /* nothing to ask: a refused connect schedules the next */
    schedule(c, health_delay_ms(&c->health, &rule, (uint32_t)rand()));
}

static void log_change(const struct checker *c, enum health_change change, const char *cause,
                       unsigned streak)
{
    const struct server *s = c->server;
    if (change == HEALTH_WENT_UP)
        LOG_INFO("server_up", KV_STR("backend", s->backend), KV_STR("server", s->name),
                 KV_STR("address", s->address), KV_UINT("took_ms", c->took_us / 1000));
    else
        LOG_WARN("server_down", KV_STR("backend", s->backend), KV_STR("server", s->name),
                 KV_STR("address", s->address), KV_STR("cause", cause), KV_UINT("streak", streak),
                 KV_UINT("connections", atomic_load(&s->connections)));
}

static void apply(struct checker *c, enum health_change change, const char *cause, unsigned streak)
{
    if (change == HEALTH_UNCHANGED)
        return;
    uint64_t now_ms = clock_monotonic_ms();
    c->changed_at_ms = now_ms;
    if (change == HEALTH_WENT_UP)
        atomic_store(&c->server->up_since_ms, now_ms);
    atomic_store(&c->server->health, (int)c->health.state);
    log_change(c, change, cause, streak);
    if (change == HEALTH_WENT_UP && c->on_up != NULL)
        c->on_up(c->arg);
}

/* Once a server, until a check is let in. */
static void note_login(struct checker *c, const struct probe_result *result)
{
    bool refused = result->verdict == PROBE_LOGIN_REFUSED;
    if (refused && !c->login_refused)
        LOG_WARN("check_login_refused", KV_STR("backend", c->server->backend),
                 KV_STR("server", c->server->name), KV_STR("err", result->error),
                 KV_STR("means", "alive; health_check.username gives the check a login"));
    if (refused || result->verdict == PROBE_PASS)
        c->login_refused = refused;
}

/* Our own trouble says nothing of the server: its health stays, and it is asked again. */
static void note_impossible(struct checker *c, const char *why)
{
    c->impossible++;
    if (!c->lacks_something)
        LOG_ERROR("check_impossible", KV_STR("backend", c->server->backend),
                  KV_STR("server", c->server->name), KV_STR("err", why));
    c->lacks_something = true;
    schedule_next(c);
}

static void note_possible(struct checker *c)
{
    if (c->lacks_something)
        LOG_INFO("check_possible_again", KV_STR("backend", c->server->backend),
                 KV_STR("server", c->server->name));
    c->lacks_something = false;
}

static void record(struct checker *c, const struct probe_result *result)
{
    struct health_rule rule = rule_of(c);
    unsigned streak = c->health.streak + 1;
    bool passed = result->verdict == PROBE_PASS || result->verdict == PROBE_LOGIN_REFUSED;
    c->checked_at_ms = clock_monotonic_ms();
    c->took_us = result->took_us;
    c->last_passed = passed;
    snprintf(c->last_error, sizeof(c->last_error), "%s", result->error);
    if (passed)
        c->passes++;
    else
        c->failures++;
    LOG_DEBUG("server_checked", KV_STR("server", c->server->name), KV_BOOL("passed", passed),
              KV_STR("err", result->error), KV_UINT("took_us", result->took_us));
    note_possible(c);
    note_login(c, result);
    apply(c, health_record(&c->health, &rule, passed), result->error, streak);
    schedule_next(c);
}

static void on_probe_done(const struct probe_result *result, void *arg)
{
    struct checker *c = arg;
    c->probe = NULL;
    if (result->verdict == PROBE_IMPOSSIBLE)
        note_impossible(c, result->error);
    else
        record(c, result);
}

static struct probe_spec spec_of(const struct checker *c)
{
    struct probe_spec spec = {
        .type = (enum lb_check_type)c->config->type,
        .addr = c->server->addr,
        .addrlen = c->server->addrlen,
        .proxy_v2 = c->proxy_v2,
        .timeout_ms = c->config->timeout_ms,
        .path = c->config->path,
        .username = c->config->username,
        .password = c->config->password,
    };
    uint32_t port = c->check_port != 0 ? c->check_port : c->config->port;
    if (port != 0)
        address_set_port(&spec.addr, port);
    else
        spec.tls = c->tls;
    return spec;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct checker *c = arg;
    (void)fd;
    (void)what;
    if (c->config->type == LB_CHECK_NONE) {
        record(c, &(struct probe_result){.verdict = PROBE_PASS});
        return;
    }
    struct probe_spec spec = spec_of(c);
    c->probe = probe_start(c->base, &spec, on_probe_done, c);
    if (c->probe == NULL)
        note_impossible(c, "out of memory");
}

bool checker_init(struct checker *c, struct event_base *base, struct server *server,
                  void (*on_up)(void *arg), void *arg)
{
    c->timer = event_new(base, -1, 0, on_timer, c);
    if (c->timer == NULL)
        return false;
    c->base = base;
    c->server = server_ref(server);
    c->on_up = on_up;
    c->arg = arg;
    c->changed_at_ms = clock_monotonic_ms();
    health_init(&c->health);
    return true;
}

void checker_fini(struct checker *c)
{
    checker_stop(c);
    if (c->timer != NULL)
        event_free(c->timer);
    c->timer = NULL;
    server_unref(c->server);
    c->server = NULL;
}

static bool text_differs(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a != b : strcmp(a, b) != 0;
}

static bool asks_differently(const struct check_config *a, const struct check_config *b)
{
    return a->type != b->type || a->port != b->port || text_differs(a->path, b->path) ||
           text_differs(a->username, b->username) || text_differs(a->password, b->password) ||
           a->interval_ms != b->interval_ms || a->timeout_ms != b->timeout_ms;
}

void checker_use_tls(struct checker *c, struct tls_client *tls)
{
    struct tls_client *before = c->tls;
    c->tls = tls_client_ref(tls);
    c->tls_changed = before != tls;
    tls_client_unref(before);
}

void checker_configure(struct checker *c, const struct check_config *config, bool proxy_v2,
                       uint32_t check_port)
{
    bool again = c->config == NULL || asks_differently(c->config, config) ||
                 c->proxy_v2 != proxy_v2 || c->check_port != check_port || c->tls_changed;
    c->tls_changed = false;
    c->config = config;
    c->proxy_v2 = proxy_v2;
    c->check_port = check_port;
    if (again && atomic_load(&c->server->admin) != SERVER_MAINTENANCE)
        checker_resume(c);
}

void checker_pause(struct checker *c)
{
    if (c->timer != NULL)
        event_del(c->timer);
    if (c->probe != NULL)
        probe_cancel(c->probe);
    c->probe = NULL;
}

void checker_stop(struct checker *c)
{
    checker_pause(c);
    checker_use_tls(c, NULL);
    c->config = NULL;
}

void checker_resume(struct checker *c)
{
    checker_pause(c);
    schedule(c, 0);
}

/* A doubt brings the next check forward, but checks never come faster than the fast interval: a
 * client can cause doubts at will. */
static void check_soon(struct checker *c)
{
    uint64_t since_ms = clock_monotonic_ms() - c->checked_at_ms;
    uint64_t fast_ms = c->config->fast_interval_ms;
    if (c->probe != NULL || c->config->type == LB_CHECK_NONE)
        return;
    uint64_t wait_ms = since_ms >= fast_ms ? 0 : fast_ms - since_ms;
    struct timeval due;
    struct timeval now;
    if (event_pending(c->timer, EV_TIMEOUT, &due)) {
        evutil_gettimeofday(&now, NULL);
        int64_t left_ms =
            (int64_t)(due.tv_sec - now.tv_sec) * 1000 + (int64_t)(due.tv_usec - now.tv_usec) / 1000;
        if (left_ms <= (int64_t)wait_ms)
            return;
    }
    schedule(c, wait_ms);
}

void checker_collect_reports(struct checker *c)
{
    unsigned refused = atomic_exchange(&c->server->refused, 0);
    unsigned doubts = atomic_exchange(&c->server->doubts, 0);
    if (refused == 0 && doubts == 0)
        return;
    if (refused > 0) {
        enum health_change change = health_refused(&c->health);
        apply(c, change, "a flow's connect was refused", refused);
        if (change == HEALTH_WENT_DOWN && c->config->type == LB_CHECK_NONE)
            schedule_next(c);
    }
    if (atomic_load(&c->server->admin) != SERVER_MAINTENANCE)
        check_soon(c);
}
