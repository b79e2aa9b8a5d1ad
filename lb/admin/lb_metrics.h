/*
 * lb_metrics - the load balancer's Prometheus families, `flotilla_lb_*`.
 *
 * A collector: nothing is registered a series at a time, since servers come and go. Servers of one
 * name (one that drains and one that came back) are told apart by their address.
 * Threads: the control thread's.
 */
#ifndef FLOTILLA_LB_ADMIN_LB_METRICS_H
#define FLOTILLA_LB_ADMIN_LB_METRICS_H

#include "common/metrics/metrics.h"

void lb_metrics_collect(struct metrics_writer *w, void *control);

#endif
