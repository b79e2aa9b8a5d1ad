/*
 * What operators see of a broker. A collector reads the plain counters when Prometheus asks, so
 * that counting costs the hot paths nothing more.
 */
#include "broker/admin/broker_metrics.h"

#include <event2/buffer.h>
#include <event2/event.h>

#include "broker/admin/readiness.h"
#include "broker/auth/auth.h"
#include "broker/auth/sources/source_http.h"
#include "broker/base/account.h"
#include "broker/client/context.h"
#include "broker/client/paused.h"
#include "broker/routing/router.h"
#include "broker/routing/session.h"
#include "broker/store/store.h"
#include "common/http/http_admin.h"
#include "common/http/http_health.h"
#include "common/metrics/metrics.h"
#include "common/metrics/process_metrics.h"

static void by_name(struct metrics_writer *w, const char *name, const char *label,
                    const char *const *names, const uint64_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char labels[96] = "";
        metrics_label(labels, sizeof(labels), label, names[i]);
        metrics_emit(w, name, labels, (double)values[i]);
    }
}

static void one(struct metrics_writer *w, const char *name, const char *type, const char *help,
                double value)
{
    metrics_emit_family(w, name, type, help);
    metrics_emit(w, name, NULL, value);
}

static void collect_clients(struct metrics_writer *w, const struct broker *b)
{
    const struct broker_stats *s = &b->stats;
    one(w, "flotilla_broker_connections", "gauge", "Open connections.", b->client_count);
    one(w, "flotilla_broker_clients", "gauge", "Clients past their CONNACK.", (double)s->online);
    one(w, "flotilla_broker_sessions", "gauge", "Sessions known, connected or durable.",
        (double)session_table_count(b->sessions));
    one(w, "flotilla_broker_subscriptions", "gauge", "Subscriptions and routes in the topic tree.",
        (double)router_subscription_count(b->router));
    one(w, "flotilla_broker_connections_accepted_total", "counter", "Connections accepted.",
        (double)s->connections);
    one(w, "flotilla_broker_tls_handshakes_total", "counter", "TLS handshakes done.",
        (double)s->tls_handshakes);
    one(w, "flotilla_broker_tls_resumed_total", "counter", "Of these, by a session ticket.",
        (double)s->tls_resumed);
    metrics_emit_family(w, "flotilla_broker_connections_closed_total", "counter",
                        "Connections ended, by reason.");
    by_name(w, "flotilla_broker_connections_closed_total", "reason", client_end_names, s->ended,
            CLIENT_END_COUNT);
    metrics_emit_family(w, "flotilla_broker_connections_refused_total", "counter",
                        "Connections refused, by reason.");
    by_name(w, "flotilla_broker_connections_refused_total", "reason", refusal_names, s->refused,
            REFUSAL_COUNT);
}

static void collect_messages(struct metrics_writer *w, const struct broker *b)
{
    static const char *const qos_names[] = {"0", "1", "2"};
    const struct broker_stats *s = &b->stats;
    metrics_emit_family(w, "flotilla_broker_messages_received_total", "counter",
                        "PUBLISH packets from clients, by QoS.");
    by_name(w, "flotilla_broker_messages_received_total", "qos", qos_names, s->received, 3);
    metrics_emit_family(w, "flotilla_broker_messages_sent_total", "counter",
                        "PUBLISH packets to clients, by QoS.");
    by_name(w, "flotilla_broker_messages_sent_total", "qos", qos_names, s->sent, 3);
    metrics_emit_family(w, "flotilla_broker_messages_dropped_total", "counter",
                        "Messages that didn't reach someone they might have, by reason.");
    by_name(w, "flotilla_broker_messages_dropped_total", "reason", drop_names, s->dropped,
            DROP_COUNT);
    one(w, "flotilla_broker_publish_pauses_total", "counter",
        "Times that a client wasn't read for a while since it published too fast.",
        (double)s->rate_pauses);
    one(w, "flotilla_broker_payload_received_bytes_total", "counter", "Payload bytes published.",
        (double)s->received_payload);
    one(w, "flotilla_broker_payload_sent_bytes_total", "counter", "Payload bytes delivered.",
        (double)s->sent_payload);
    one(w, "flotilla_broker_retained_messages", "gauge", "Retained topics (memory store).",
        (double)s->retained);
}

static void collect_traffic(struct metrics_writer *w, const struct broker *b)
{
    const struct broker_stats *s = &b->stats;
    one(w, "flotilla_broker_received_bytes_total", "counter", "Bytes read from clients.",
        (double)s->received_bytes);
    one(w, "flotilla_broker_sent_bytes_total", "counter", "Bytes written to clients.",
        (double)s->sent_bytes);
    one(w, "flotilla_broker_packets_received_total", "counter", "Packets from clients.",
        (double)s->received_packets);
    one(w, "flotilla_broker_packets_sent_total", "counter", "Packets to clients.",
        (double)s->sent_packets);
    one(w, "flotilla_broker_output_pending_bytes", "gauge",
        "Bytes waiting in the outputs of all connections.", (double)b->chunks.pending);
    one(w, "flotilla_broker_clients_waiting_for_store", "gauge",
        "Publishers that aren't read until the store takes messages again.",
        paused_count(b->paused));
    one(w, "flotilla_broker_turns_total", "counter", "Turns of the loop.", (double)s->turns);
    one(w, "flotilla_broker_turn_longest_cpu_seconds", "gauge",
        "CPU time of the longest turn since the start, to 2 ms.",
        (double)b->clock.longest_ns / 1e9);
    metrics_emit_family(w, "flotilla_broker_turn_cut_total", "counter",
                        "Turns in which a phase left work to the next one, by phase.");
    by_name(w, "flotilla_broker_turn_cut_total", "phase", turn_phase_names, b->clock.cut,
            TURN_PHASE_COUNT);
    one(w, "flotilla_broker_ready", "gauge", "1 when it takes clients.",
        broker_not_ready(b) == NULL ? 1 : 0);
}

static void collect_logins(struct metrics_writer *w, const struct broker *b)
{
    static const char *const names[] = {"hashed", "remembered", "repeated", "unknown_user",
                                        "busy",   "refused",    "settled"};
    const struct logins *logins = auth_logins(b->auth);
    if (logins == NULL)
        return;
    const struct login_stats *s = login_stats(logins);
    const uint64_t values[] = {s->hashed, s->remembered, s->repeated, s->unknown_user,
                               s->busy,   s->refused,    s->settled};
    metrics_emit_family(w, "flotilla_broker_logins_total", "counter",
                        "Logins with a password, by what they cost: hashed, or known to be right "
                        "(remembered) or wrong (repeated) without; and unknown users, too many, "
                        "refused tokens; and proofs without a password (settled).");
    by_name(w, "flotilla_broker_logins_total", "how", names, values, 7);
    one(w, "flotilla_broker_login_hash_seconds_total", "counter",
        "Time that threads have spent on hashing passwords.", (double)s->hash_ns / 1e9);
    one(w, "flotilla_broker_logins_waiting", "gauge", "Passwords that wait to be hashed, or are.",
        (double)login_waiting(logins));
}

static void collect_service(struct metrics_writer *w, const struct broker *b)
{
    static const char *const names[] = {"asked",  "remembered", "allowed",
                                        "denied", "ignored",    "failed"};
    const struct source_http_stats *s = auth_service_stats(b->auth);
    if (s == NULL)
        return;
    const uint64_t values[] = {s->asked,  s->remembered, s->allowed,
                               s->denied, s->ignored,    s->failed};
    metrics_emit_family(
        w, "flotilla_broker_auth_service_total", "counter",
        "Logins that auth.http was asked about, or remembered for, and what came of it.");
    by_name(w, "flotilla_broker_auth_service_total", "how", names, values, 6);
}

static void collect_memory(struct metrics_writer *w, const struct broker *b)
{
    metrics_emit_family(w, "flotilla_broker_memory_bytes", "gauge",
                        "Memory that clients cause, by what it is for.");
    by_name(w, "flotilla_broker_memory_bytes", "kind", account_names, account.by_kind,
            ACCOUNT_KIND_COUNT);
    one(w, "flotilla_broker_memory_limit_bytes", "gauge", "The budget for it (max_memory).",
        (double)b->memory.limit);
    one(w, "flotilla_broker_memory_level", "gauge",
        "0: calm, 1: tight, 2: full, clients are closed.", b->memory.level);
}

static void collect(struct metrics_writer *w, void *arg)
{
    const struct broker *b = arg;
    collect_clients(w, b);
    collect_messages(w, b);
    collect_traffic(w, b);
    collect_memory(w, b);
    collect_logins(w, b);
    collect_service(w, b);
}

bool broker_metrics_init(struct broker *b)
{
    static const double bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                    0.025,  0.05,    0.1,    0.25,  1,      5};
    if (!metrics_collector(b->metrics, collect, b) || !process_metrics_register(b->metrics))
        return false;
    b->store_latency = metrics_histogram(b->metrics, "flotilla_broker_store_seconds",
                                         "From a packet that needs the store to its completion.",
                                         NULL, bounds, sizeof(bounds) / sizeof(bounds[0]));
    return b->store_latency != NULL;
}

/* ---- routes ---------------------------------------------------------------------------------- */

static void get_metrics(struct evhttp_request *req, const char *tail, void *arg)
{
    struct broker *b = arg;
    (void)tail;
    struct evbuffer *body = evbuffer_new();
    if (body == NULL) {
        http_admin_reply_text(req, 503, "out of memory\n");
        return;
    }
    metrics_render(b->metrics, body);
    http_admin_reply(req, 200, "text/plain; version=0.0.4; charset=utf-8", body);
    evbuffer_free(body);
}

static void get_ready(struct evhttp_request *req, const char *tail, void *arg)
{
    (void)tail;
    http_health_ready(req, broker_not_ready(arg));
}

bool broker_metrics_serve(struct broker *b)
{
    return http_admin_route(b->admin, HTTP_GET, "/metrics", get_metrics, b) &&
           http_admin_route(b->admin, HTTP_GET, "/healthz", http_health_alive, NULL) &&
           http_admin_route(b->admin, HTTP_GET, "/readyz", get_ready, b);
}
