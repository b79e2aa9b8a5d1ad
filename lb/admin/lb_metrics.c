/*
 * One table per kind of object: family, type, help, and a function that reads the value. Prometheus
 * wants all series of a family in a row, so the loops go family by family.
 */
#include "lb/admin/lb_metrics.h"

#include <stdio.h>

#include "lb/admin/control.h"
#include "lb/discovery/discovery.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define LABELS_MAX 640
#define WORKERS_SHOWN 256u

/* ---- servers ---- */

static double server_up(const struct member *m)
{
    return server_state(m->server) == SERVER_STATE_UP;
}
static double server_weight(const struct member *m)
{
    return atomic_load(&m->server->weight);
}
static double server_flows(const struct member *m)
{
    return atomic_load(&m->server->connections);
}
static double server_flows_total(const struct member *m)
{
    return (double)atomic_load(&m->server->counters.flows);
}
static double server_bytes_in(const struct member *m)
{
    return (double)atomic_load(&m->server->counters.bytes_in);
}
static double server_bytes_out(const struct member *m)
{
    return (double)atomic_load(&m->server->counters.bytes_out);
}
static double server_connect_errors(const struct member *m)
{
    return (double)atomic_load(&m->server->counters.connect_errors);
}
static double server_retries(const struct member *m)
{
    return (double)atomic_load(&m->server->counters.retries);
}
static double server_checks_passed(const struct member *m)
{
    return (double)m->checker.passes;
}
static double server_checks_failed(const struct member *m)
{
    return (double)m->checker.failures;
}
static double server_checks_impossible(const struct member *m)
{
    return (double)m->checker.impossible;
}
static double server_check_login_refused(const struct member *m)
{
    return m->checker.login_refused;
}
static double server_check_duration(const struct member *m)
{
    return (double)m->checker.took_us / 1e6;
}

static const struct {
    const char *name, *type, *help;
    double (*value)(const struct member *m);
} server_families[] = {
    {"flotilla_lb_server_up", "gauge", "1 when the server takes new flows", server_up},
    {"flotilla_lb_server_weight", "gauge", "Weight in balancing", server_weight},
    {"flotilla_lb_server_current_flows", "gauge", "Flows on the server, connecting ones included",
     server_flows},
    {"flotilla_lb_server_flows_total", "counter", "Flows whose connect to the server began",
     server_flows_total},
    {"flotilla_lb_server_bytes_in_total", "counter", "Bytes from clients to the server",
     server_bytes_in},
    {"flotilla_lb_server_bytes_out_total", "counter", "Bytes from the server to clients",
     server_bytes_out},
    {"flotilla_lb_server_connection_errors_total", "counter",
     "Connects refused, timed out, or lost before the first byte", server_connect_errors},
    {"flotilla_lb_server_retries_total", "counter", "Flows that left it for another server",
     server_retries},
    {"flotilla_lb_server_checks_passed_total", "counter", "Health checks passed",
     server_checks_passed},
    {"flotilla_lb_server_check_failures_total", "counter", "Health checks failed",
     server_checks_failed},
    {"flotilla_lb_server_checks_impossible_total", "counter",
     "Health checks that lacked descriptors, memory or source ports; they don't count",
     server_checks_impossible},
    {"flotilla_lb_server_check_login_refused", "gauge",
     "1 when the server is alive and lets no check without a login in", server_check_login_refused},
    {"flotilla_lb_server_check_duration_seconds", "gauge", "Duration of the last health check",
     server_check_duration},
};

static void server_labels(const struct member *m, char *labels, size_t size)
{
    labels[0] = '\0';
    metrics_label(labels, size, "backend", m->server->backend);
    metrics_label(labels, size, "server", m->server->name);
    metrics_label(labels, size, "address", m->server->address);
}

static void collect_servers(struct metrics_writer *w, const struct control *c)
{
    const struct pool *p;
    const struct member *m;
    char labels[LABELS_MAX];
    for (size_t i = 0; i < COUNT(server_families); i++) {
        metrics_emit_family(w, server_families[i].name, server_families[i].type,
                            server_families[i].help);
        TAILQ_FOREACH (p, &c->pools, link)
            TAILQ_FOREACH (m, &p->members, link) {
                server_labels(m, labels, sizeof(labels));
                metrics_emit(w, server_families[i].name, labels, server_families[i].value(m));
            }
    }
}

static void collect_server_states(struct metrics_writer *w, const struct control *c)
{
    static const char name[] = "flotilla_lb_server_state";
    const struct pool *p;
    const struct member *m;
    char labels[LABELS_MAX];
    metrics_emit_family(w, name, "gauge", "1 for the state that the server is in");
    TAILQ_FOREACH (p, &c->pools, link)
        TAILQ_FOREACH (m, &p->members, link) {
            server_labels(m, labels, sizeof(labels));
            metrics_label(labels, sizeof(labels), "state",
                          server_state_name(server_state(m->server)));
            metrics_emit(w, name, labels, 1);
        }
}

static void collect_backends(struct metrics_writer *w, const struct control *c)
{
    static const char name[] = "flotilla_lb_backend_active_servers";
    const struct pool *p;
    const struct member *m;
    metrics_emit_family(w, name, "gauge", "Servers that take new flows");
    TAILQ_FOREACH (p, &c->pools, link) {
        char labels[LABELS_MAX] = "";
        unsigned active = 0;
        TAILQ_FOREACH (m, &p->members, link)
            active += server_takes_flows(m->server);
        metrics_label(labels, sizeof(labels), "backend", p->name);
        metrics_emit(w, name, labels, active);
    }
}

/* ---- discovery ---- */

static const struct {
    const char *name, *type, *help;
    size_t at;
} discovery_families[] = {
    {"flotilla_lb_discovery_questions_total", "counter", "Questions to DNS",
     offsetof(struct discovery_stats, questions)},
    {"flotilla_lb_discovery_failures_total", "counter", "Questions with a name that didn't resolve",
     offsetof(struct discovery_stats, failures)},
    {"flotilla_lb_discovery_impossible_total", "counter",
     "Questions that lacked descriptors, memory or source ports",
     offsetof(struct discovery_stats, own_troubles)},
    {"flotilla_lb_discovery_failing_names", "gauge", "Names that don't resolve now",
     offsetof(struct discovery_stats, names_failing)},
    {"flotilla_lb_discovery_addresses", "gauge", "Addresses that hold now",
     offsetof(struct discovery_stats, addresses)},
    {"flotilla_lb_discovery_left_out_addresses", "gauge",
     "Addresses that were found and are over the limit of 1024",
     offsetof(struct discovery_stats, left_out)},
};

static void collect_discovery(struct metrics_writer *w, const struct control *c)
{
    const struct pool *p;
    for (size_t i = 0; i < COUNT(discovery_families); i++) {
        metrics_emit_family(w, discovery_families[i].name, discovery_families[i].type,
                            discovery_families[i].help);
        TAILQ_FOREACH (p, &c->pools, link) {
            char labels[LABELS_MAX] = "";
            if (p->discovery == NULL)
                continue;
            const char *stats = (const char *)discovery_stats(p->discovery);
            metrics_label(labels, sizeof(labels), "backend", p->name);
            metrics_emit(w, discovery_families[i].name, labels,
                         (double)*(const uint64_t *)(stats + discovery_families[i].at));
        }
    }
}

/* ---- workers and listeners: a member of a struct of uint64_t a family ---- */

struct stat_family {
    const char *name, *type, *help;
    size_t at;
};

static const struct stat_family worker_families[] = {
    {"flotilla_lb_worker_current_flows", "gauge", "Flows of the worker",
     offsetof(struct worker_stats, flows)},
    {"flotilla_lb_worker_queued_flows", "gauge", "Flows that wait for a server",
     offsetof(struct worker_stats, queued)},
    {"flotilla_lb_worker_accepted_total", "counter", "Connections accepted",
     offsetof(struct worker_stats, accepted)},
    {"flotilla_lb_worker_queue_timeouts_total", "counter",
     "Flows closed because no server came up in time",
     offsetof(struct worker_stats, queue_timeouts)},
    {"flotilla_lb_worker_handshakes_total", "counter", "TLS handshakes completed",
     offsetof(struct worker_stats, handshakes)},
    {"flotilla_lb_worker_resumed_handshakes_total", "counter",
     "TLS handshakes resumed from a ticket", offsetof(struct worker_stats, resumed)},
    {"flotilla_lb_worker_own_records_flows", "gauge",
     "TLS flows whose records the load balancer makes itself",
     offsetof(struct worker_stats, own_records)},
    {"flotilla_lb_worker_openssl_records_flows", "gauge", "TLS flows whose records OpenSSL makes",
     offsetof(struct worker_stats, openssl_records)},
    {"flotilla_lb_worker_handshake_failures_total", "counter",
     "TLS handshakes that failed or timed out", offsetof(struct worker_stats, handshake_fails)},
    {"flotilla_lb_worker_connects_total", "counter", "Connections to servers established",
     offsetof(struct worker_stats, connects)},
    {"flotilla_lb_worker_connect_failures_total", "counter",
     "Connections to servers refused, timed out, or lost before the first byte",
     offsetof(struct worker_stats, connect_fails)},
    {"flotilla_lb_worker_impossible_connects_total", "counter",
     "Connects that lacked descriptors, memory or source ports",
     offsetof(struct worker_stats, connects_impossible)},
    {"flotilla_lb_worker_retries_total", "counter", "Flows that went to another server",
     offsetof(struct worker_stats, retries)},
    {"flotilla_lb_worker_bytes_in_total", "counter", "Bytes from clients to servers",
     offsetof(struct worker_stats, bytes_in)},
    {"flotilla_lb_worker_bytes_out_total", "counter", "Bytes from servers to clients",
     offsetof(struct worker_stats, bytes_out)},
    {"flotilla_lb_worker_spliced_bytes_total", "counter", "Bytes that went through a pipe",
     offsetof(struct worker_stats, spliced)},
    {"flotilla_lb_worker_refused_proxy_headers_total", "counter",
     "Clients closed because they sent a PROXY header of their own",
     offsetof(struct worker_stats, proxy_headers_refused)},
    {"flotilla_lb_worker_half_close_timeouts_total", "counter",
     "Flows closed in the middle of their end", offsetof(struct worker_stats, half_close_timeouts)},
    {"flotilla_lb_worker_stall_timeouts_total", "counter",
     "Flows closed because a peer took nothing of what waited for it",
     offsetof(struct worker_stats, stall_timeouts)},
    {"flotilla_lb_worker_idle_timeouts_total", "counter", "Flows closed by idle_timeout",
     offsetof(struct worker_stats, idle_timeouts)},
    {"flotilla_lb_worker_accept_pauses_total", "counter",
     "Times that accepting paused: out of descriptors, or max_flows",
     offsetof(struct worker_stats, accept_pauses)},
    {"flotilla_lb_worker_handed_over_total", "counter",
     "Connections passed on to a worker with fewer", offsetof(struct worker_stats, handed_over)},
};

static const struct stat_family listener_families[] = {
    {"flotilla_lb_listener_current_flows", "gauge", "Flows of the listener",
     offsetof(struct listener_stats, flows)},
    {"flotilla_lb_listener_accepted_total", "counter", "Connections accepted",
     offsetof(struct listener_stats, accepted)},
    {"flotilla_lb_listener_handshake_failures_total", "counter",
     "TLS handshakes that failed or timed out", offsetof(struct listener_stats, handshake_fails)},
    {"flotilla_lb_listener_pauses_total", "counter", "Times that accepting paused at max_flows",
     offsetof(struct listener_stats, paused)},
};

static double stat_value(const void *stats, const struct stat_family *f)
{
    return (double)*(const uint64_t *)((const char *)stats + f->at);
}

static void collect_workers(struct metrics_writer *w, const struct control *c)
{
    struct worker_stats stats[WORKERS_SHOWN];
    unsigned count = workers_count(c->workers);
    count = count < WORKERS_SHOWN ? count : WORKERS_SHOWN;
    for (unsigned i = 0; i < count; i++)
        workers_stats(c->workers, i, &stats[i]);
    for (size_t f = 0; f < COUNT(worker_families); f++) {
        metrics_emit_family(w, worker_families[f].name, worker_families[f].type,
                            worker_families[f].help);
        for (unsigned i = 0; i < count; i++) {
            char labels[32];
            char number[12];
            labels[0] = '\0';
            snprintf(number, sizeof(number), "%u", i);
            metrics_label(labels, sizeof(labels), "worker", number);
            metrics_emit(w, worker_families[f].name, labels,
                         stat_value(&stats[i], &worker_families[f]));
        }
    }
}

static void collect_listeners(struct metrics_writer *w, const struct control *c)
{
    for (size_t f = 0; f < COUNT(listener_families); f++) {
        metrics_emit_family(w, listener_families[f].name, listener_families[f].type,
                            listener_families[f].help);
        for (size_t i = 0; i < c->snapshot->listener_count; i++) {
            const struct listener_config *config = c->snapshot->listeners[i].config;
            if (c->snapshot->listeners[i].is_second)
                continue;
            struct listener_stats stats = {0};
            char labels[LABELS_MAX] = "";
            workers_listener_stats(c->workers, config->name, &stats);
            metrics_label(labels, sizeof(labels), "listener", config->name);
            metrics_emit(w, listener_families[f].name, labels,
                         stat_value(&stats, &listener_families[f]));
        }
    }
}

/* ---- the process ---- */

static void emit_one(struct metrics_writer *w, const char *name, const char *type, const char *help,
                     const char *labels, double value)
{
    metrics_emit_family(w, name, type, help);
    metrics_emit(w, name, labels, value);
}

static void collect_process(struct metrics_writer *w, const struct control *c)
{
    char why[256];
    emit_one(w, "flotilla_lb_info", "gauge", "Version", "version=\"" FLOTILLA_VERSION "\"", 1);
    emit_one(w, "flotilla_lb_ready", "gauge", "1 when devices may be sent here (as /readyz)", NULL,
             control_is_ready(c, why, sizeof(why)));
    emit_one(w, "flotilla_lb_own_records_usable", "gauge",
             "1 when TLS 1.3 without OpenSSL's records passed its check at the start", NULL,
             c->own_records);
    emit_one(w, "flotilla_lb_current_flows", "gauge", "Flows of all workers", NULL,
             (double)workers_flows(c->workers));
    emit_one(w, "flotilla_lb_config_generation", "gauge",
             "How many configurations have been in force", NULL, c->snapshot->generation);
    metrics_emit_family(w, "flotilla_lb_reloads_total", "counter", "Reloads by result");
    metrics_emit(w, "flotilla_lb_reloads_total", "result=\"ok\"", (double)c->reloads_ok);
    metrics_emit(w, "flotilla_lb_reloads_total", "result=\"rejected\"", (double)c->reloads_failed);
}

void lb_metrics_collect(struct metrics_writer *w, void *control)
{
    const struct control *c = control;
    if (c->snapshot == NULL)
        return;
    collect_process(w, c);
    collect_backends(w, c);
    collect_servers(w, c);
    collect_server_states(w, c);
    collect_discovery(w, c);
    collect_listeners(w, c);
    collect_workers(w, c);
}
