/*
 * Reads pools, servers and workers and writes them down as JSON. Decides nothing.
 */
#include "lb/admin/api.h"

#include "lb/admin/control.h"

static const char *const check_names[] = {
    [LB_CHECK_TCP] = "tcp",
    [LB_CHECK_MQTT] = "mqtt",
    [LB_CHECK_HTTP] = "http",
    [LB_CHECK_NONE] = "none",
};

static double round_to_tenth(double x)
{
    return (double)(int64_t)(x * 10 + 0.5) / 10;
}

static double seconds_since(uint64_t then_ms, uint64_t now_ms)
{
    return now_ms > then_ms ? round_to_tenth((double)(now_ms - then_ms) / 1000.0) : 0;
}

static void add_number(cJSON *object, const char *key, uint64_t value)
{
    cJSON_AddNumberToObject(object, key, (double)value);
}

static void add_totals(cJSON *server, const struct server_counters *c)
{
    cJSON *totals = cJSON_AddObjectToObject(server, "totals");
    add_number(totals, "flows", atomic_load(&c->flows));
    add_number(totals, "bytes_in", atomic_load(&c->bytes_in));
    add_number(totals, "bytes_out", atomic_load(&c->bytes_out));
    add_number(totals, "connect_errors", atomic_load(&c->connect_errors));
    add_number(totals, "retries", atomic_load(&c->retries));
}

static void add_rates(cJSON *server, const struct member_rates *r)
{
    cJSON *rates = cJSON_AddObjectToObject(server, "rates");
    cJSON_AddNumberToObject(rates, "flows_per_s", round_to_tenth(r->flows_per_s));
    cJSON_AddNumberToObject(rates, "bytes_in_per_s", round_to_tenth(r->bytes_in_per_s));
    cJSON_AddNumberToObject(rates, "bytes_out_per_s", round_to_tenth(r->bytes_out_per_s));
}

static const char *last_result(const struct checker *c)
{
    if (c->checked_at_ms == 0)
        return "none";
    return c->last_passed ? "passed" : "failed";
}

static void add_check(cJSON *server, const struct checker *c, uint64_t now_ms)
{
    cJSON *check = cJSON_AddObjectToObject(server, "check");
    cJSON_AddStringToObject(check, "type",
                            c->config == NULL ? "none" : check_names[c->config->type]);
    cJSON_AddStringToObject(check, "status", last_result(c));
    cJSON_AddBoolToObject(check, "login_refused", c->login_refused);
    cJSON_AddStringToObject(check, "error", c->last_error);
    cJSON_AddNumberToObject(check, "latency_ms", (double)(c->took_us / 10) / 100.0);
    if (c->checked_at_ms != 0)
        cJSON_AddNumberToObject(check, "age_s", seconds_since(c->checked_at_ms, now_ms));
    add_number(check, "streak", c->health.streak);
    add_number(check, "passes", c->passes);
    add_number(check, "failures", c->failures);
    add_number(check, "impossible", c->impossible);
}

cJSON *api_server(const struct member *m, uint64_t now_ms)
{
    const struct server *s = m->server;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "backend", s->backend);
    cJSON_AddStringToObject(o, "name", s->name);
    cJSON_AddStringToObject(o, "address", s->address);
    cJSON_AddStringToObject(o, "source", s->source == SERVER_FROM_DNS ? "dns" : "list");
    cJSON_AddStringToObject(o, "state", server_state_name(server_state(s)));
    cJSON_AddBoolToObject(o, "removed", m->removed);
    cJSON_AddNumberToObject(o, "state_since_s", seconds_since(m->checker.changed_at_ms, now_ms));
    add_number(o, "weight", atomic_load(&s->weight));
    add_number(o, "connections", atomic_load(&s->connections));
    add_totals(o, &s->counters);
    add_rates(o, &m->rates);
    add_check(o, &m->checker, now_ms);
    return o;
}

static void add_lb(cJSON *root, const struct control *c, uint64_t now_ms)
{
    char why[256] = "";
    cJSON *lb = cJSON_AddObjectToObject(root, "lb");
    cJSON_AddStringToObject(lb, "version", FLOTILLA_VERSION);
    cJSON_AddBoolToObject(lb, "ready", control_is_ready(c, why, sizeof(why)));
    cJSON_AddStringToObject(lb, "not_ready_because", why);
    cJSON_AddBoolToObject(lb, "draining", c->draining);
    cJSON_AddNumberToObject(lb, "uptime_s", seconds_since(c->started_at_ms, now_ms));
    add_number(lb, "workers", workers_count(c->workers));
    add_number(lb, "flows", workers_flows(c->workers));
    uint64_t queued = 0;
    for (unsigned i = 0; i < workers_count(c->workers); i++) {
        struct worker_stats stats;
        workers_stats(c->workers, i, &stats);
        queued += stats.queued;
    }
    add_number(lb, "queued", queued);
    add_number(lb, "config_generation", c->snapshot->generation);
    cJSON_AddNumberToObject(lb, "config_age_s", seconds_since(c->loaded_at_ms, now_ms));
    cJSON_AddStringToObject(lb, "config_error", c->last_reload_error);
}

static void add_listeners(cJSON *root, const struct control *c)
{
    cJSON *list = cJSON_AddArrayToObject(root, "listeners");
    for (size_t i = 0; i < c->snapshot->listener_count; i++) {
        const struct snapshot_listener *l = &c->snapshot->listeners[i];
        if (l->is_second)
            continue;
        struct listener_stats stats = {0};
        workers_listener_stats(c->workers, l->config->name, &stats);
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", l->config->name);
        cJSON_AddStringToObject(o, "bind", l->config->bind);
        add_number(o, "port", workers_port(c->workers, l->config->name));
        cJSON_AddStringToObject(o, "backend", l->config->backend);
        cJSON_AddBoolToObject(o, "tls", l->tls != NULL);
        add_number(o, "flows", stats.flows);
        add_number(o, "accepted", stats.accepted);
        add_number(o, "handshake_fails", stats.handshake_fails);
        cJSON_AddItemToArray(list, o);
    }
}

cJSON *api_servers(const struct control *c, uint64_t now_ms)
{
    cJSON *root = cJSON_CreateObject();
    add_lb(root, c, now_ms);
    add_listeners(root, c);
    cJSON *list = cJSON_AddArrayToObject(root, "servers");
    const struct pool *p;
    TAILQ_FOREACH (p, &c->pools, link) {
        const struct member *m;
        TAILQ_FOREACH (m, &p->members, link)
            cJSON_AddItemToArray(list, api_server(m, now_ms));
    }
    return root;
}
