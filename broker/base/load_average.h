/*
 * load_average - how much of something there is per minute, averaged over the last 1, 5 and 15 minutes, as
 * Mosquitto computes it: an exponential moving average, in which what is older counts less and less.
 *
 * Data flow: sys_figures.c steps one per kind of load at each interval.
 * Ownership: embedded; holds no memory of its own. Zeroed it stands at no load.
 * Units:     milliseconds between steps, averages per minute.
 */
#ifndef FLOTILLA_BROKER_BASE_LOAD_AVERAGE_H
#define FLOTILLA_BROKER_BASE_LOAD_AVERAGE_H

#include <stdint.h>

enum { LOAD_1MIN, LOAD_5MIN, LOAD_15MIN, LOAD_WINDOWS };
extern const char *const load_window_names[LOAD_WINDOWS];

struct load_average {
    uint64_t total; /* at the last step */
    double per_minute[LOAD_WINDOWS];
};

/* `elapsed_ms` after the last step the total has become this. No time: nothing changes. */
void load_average_step(struct load_average *a, uint64_t total, uint64_t elapsed_ms);

#endif
