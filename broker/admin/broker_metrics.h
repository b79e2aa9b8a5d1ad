/*
 * broker_metrics - the broker's counters as Prometheus series (flotilla_broker_*), and the routes
 * of the admin port: /metrics, /healthz (alive), /readyz (takes clients; 503 with a sentence if
 * not).
 */
#ifndef FLOTILLA_BROKER_ADMIN_BROKER_METRICS_H
#define FLOTILLA_BROKER_ADMIN_BROKER_METRICS_H

#include <stdbool.h>
#include <stdint.h>

struct broker;

/* Registers the series with b->metrics. False when out of memory. */
bool broker_metrics_init(struct broker *b);
/* Adds the routes to b->admin. */
bool broker_metrics_serve(struct broker *b);
/* One call to the store that didn't complete at once took this long. */
void broker_metrics_store_took(struct broker *b, uint64_t us);

#endif
