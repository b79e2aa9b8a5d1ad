/* Registers them. store_file.c counts. */
#include "broker/store/file/file_metrics.h"

static const double commit_bounds[] = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
                                       0.1,    0.2,   0.5,   1.0,   2.0,  5.0};

bool file_metrics_init(struct file_metrics *fm, struct metrics *m)
{
    *fm = (struct file_metrics){0};
    if (m == NULL)
        m = fm->own = metrics_new();
    if (m == NULL)
        return false;
    fm->commit = metrics_histogram(m, "flotilla_store_commit_seconds",
                                   "Time to write one transaction to the store's file.", NULL,
                                   commit_bounds, sizeof(commit_bounds) / sizeof(commit_bounds[0]));
    fm->bytes = metrics_counter(m, "flotilla_store_written_bytes_total",
                                "Changes written to the store's file, before SQLite's own.", NULL);
    fm->errors = metrics_counter(
        m, "flotilla_store_errors_total",
        "Transactions that couldn't be written to the store's file, each try.", NULL);
    fm->waiting = metrics_gauge(m, "flotilla_store_waiting_bytes",
                                "Changes that aren't in the store's file yet.", NULL);
    fm->failing = metrics_gauge(m, "flotilla_store_failing",
                                "1 while the store's file can't be written.", NULL);
    return fm->commit != NULL && fm->bytes != NULL && fm->errors != NULL && fm->waiting != NULL &&
           fm->failing != NULL;
}

void file_metrics_fini(struct file_metrics *fm)
{
    if (fm->own != NULL)
        metrics_free(fm->own);
}
