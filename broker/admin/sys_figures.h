/*
 * sys_figures - what each $SYS topic says: Mosquitto's names and formats for this broker, and $SYS/fleet for
 * all brokers together.
 *
 * Data flow: sys_topics.c steps them at each interval, gives them what the store answers, and publishes the
 *            rows. Rows of one kind come from this broker and are known at once; the others come from the
 *            store.
 * Ownership: embedded; holds no memory of its own.
 * Cost:      each row is a few reads of counters; nothing is walked.
 */
#ifndef FLOTILLA_BROKER_ADMIN_SYS_FIGURES_H
#define FLOTILLA_BROKER_ADMIN_SYS_FIGURES_H

#include "broker/base/load_average.h"
#include "broker/store/store.h"

struct broker;

enum { SYS_LOADS = 9, SYS_TEXT_MAX = 64 };

struct sys_figures {
    const struct broker *broker;
    uint64_t started_ms, stepped_ms; /* CLOCK_MONOTONIC */
    uint64_t heap, heap_max;         /* memory that clients cause (account.h), at the last steps */
    struct load_average loads[SYS_LOADS];
    bool has_totals; /* the store has answered */
    struct store_totals totals;
};

void sys_figures_init(struct sys_figures *f, const struct broker *b, uint64_t now_ms);
/* An interval is over: averages and maxima. */
void sys_figures_step(struct sys_figures *f, uint64_t now_ms);
/* What this broker tells the others. */
void sys_figures_mine(const struct sys_figures *f, uint64_t mine[STORE_TOTAL_COUNT]);
/* What the store answered. */
void sys_figures_take(struct sys_figures *f, const struct store_totals *totals);

size_t sys_figures_rows(void);
struct sys_row {
    bool of_store; /* it changes with what the store answers, not at the interval */
    char topic[SYS_TEXT_MAX], value[SYS_TEXT_MAX];
};
/* False: there is no such figure here, or it isn't known yet. */
bool sys_figures_row(const struct sys_figures *f, size_t row, struct sys_row *out);

#endif
