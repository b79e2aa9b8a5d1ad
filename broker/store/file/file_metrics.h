/* file_metrics - the series of the store in a file. */
#ifndef FLOTILLA_BROKER_STORE_FILE_FILE_METRICS_H
#define FLOTILLA_BROKER_STORE_FILE_FILE_METRICS_H

#include "common/metrics/metrics.h"

struct file_metrics {
    struct metrics *own; /* if there is no registry */
    struct metric_histogram *commit;
    metric_counter *bytes, *errors;
    metric_gauge *waiting, *failing;
};

/* `m` may be NULL. False when out of memory. */
bool file_metrics_init(struct file_metrics *fm, struct metrics *m);
void file_metrics_fini(struct file_metrics *fm);

#endif
