/*
 * broker_metrics - the broker's counters as Prometheus series (flotilla_broker_*), and the routes
 * of the admin port: /metrics, /healthz (alive), /readyz (takes clients; 503 with a sentence if
 * not).
 */
#ifndef FLOTILLA_BROKER_ADMIN_BROKER_METRICS_H
#define FLOTILLA_BROKER_ADMIN_BROKER_METRICS_H

#include <stdbool.h>

struct broker;

/* Registers the series with b->metrics. False when out of memory. */
bool broker_metrics_init(struct broker *b);
/* Adds the routes to b->admin. */
bool broker_metrics_serve(struct broker *b);

#endif
