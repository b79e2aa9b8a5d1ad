/* See the header. */
#include "broker/base/load_average.h"

#include <math.h>

const char *const load_window_names[LOAD_WINDOWS] = {"1min", "5min", "15min"};

void load_average_step(struct load_average *a, uint64_t total, uint64_t elapsed_ms)
{
    static const double window_ms[LOAD_WINDOWS] = {60e3, 300e3, 900e3};
    if (elapsed_ms == 0)
        return;
    double now = (double)(total - a->total) * 60e3 / (double)elapsed_ms;
    for (int i = 0; i < LOAD_WINDOWS; i++)
        a->per_minute[i] = now + exp(-(double)elapsed_ms / window_ms[i]) * (a->per_minute[i] - now);
    a->total = total;
}
