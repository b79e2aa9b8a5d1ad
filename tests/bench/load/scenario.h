/*
 * scenario - one function a kind of load; each runs from first connection to printed report.
 */
#ifndef FLOTILLA_TESTS_BENCH_LOAD_SCENARIO_H
#define FLOTILLA_TESTS_BENCH_LOAD_SCENARIO_H

#include "tests/bench/load/options.h"

void run_traffic(const struct options *o);  /* pairs, fan-in, fan-out, telemetry */
void run_storm(const struct options *o);    /* storm */
void run_idle(const struct options *o);     /* idle */
void run_retained(const struct options *o); /* retained */
void run_durable(const struct options *o);  /* durable */

#endif
