/*
 * turn.c says when a turn and its phases begin and end; broker_metrics.c shows what was counted.
 */
#include "broker/base/turn_clock.h"

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/metrics/metrics.h"

enum { READ_EVERY_US = 2000, LONG_MS = 50 };

const char *const turn_phase_names[TURN_PHASE_COUNT] = {
    [TURN_STORE_INPUT] = "store_input",
    [TURN_CLIENTS] = "clients",
    [TURN_TIMERS] = "timers",
    [TURN_WORK] = "work",
    [TURN_FLUSH] = "flush",
    [TURN_FREE] = "free",
    [TURN_DRAIN] = "drain",
};

/* From the turn's begin. Draining has a timer, and so a box, of its own. */
static const uint32_t ends_us[TURN_PHASE_COUNT] = {
    [TURN_STORE_INPUT] = 8000, [TURN_CLIENTS] = 16000, [TURN_TIMERS] = 18000, [TURN_WORK] = 22000,
    [TURN_FLUSH] = 28000,      [TURN_FREE] = 30000,    [TURN_DRAIN] = 5000,
};

bool turn_clock_init(struct turn_clock *c, struct metrics *m)
{
    static const double bounds[] = {0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                    0.025,  0.05,   0.1,   0.25,   1,     5};
    enum { COUNT = sizeof(bounds) / sizeof(bounds[0]) };
    turn_clock_start(c);
    if (m == NULL)
        return true;
    c->cpu = metrics_histogram(m, "flotilla_broker_turn_cpu_seconds",
                               "CPU time of a turn of the loop, to 2 ms.", NULL, bounds, COUNT);
    c->wall = metrics_histogram(m, "flotilla_broker_turn_seconds",
                                "A turn of the loop, from when its wait for events ended.", NULL,
                                bounds, COUNT);
    return c->cpu != NULL && c->wall != NULL;
}

void turn_clock_start(struct turn_clock *c)
{
    c->began_ns = c->cpu_read_ns = clock_monotonic_ns();
    c->cpu_ns = clock_thread_cpu_ns();
}

void turn_clock_begin(struct turn_clock *c)
{
    c->began_ns = clock_monotonic_ns();
}

uint32_t turn_clock_budget_us(enum turn_phase phase)
{
    return ends_us[phase];
}

void turn_clock_open(const struct turn_clock *c, struct timebox *box, enum turn_phase phase)
{
    timebox_open_at(box, c->began_ns, c->cpu_ns, ends_us[phase]);
}

void turn_clock_cut(struct turn_clock *c, enum turn_phase phase)
{
    c->cut[phase]++;
}

static void observe(struct metric_histogram *h, uint64_t ns)
{
    if (h != NULL)
        metric_observe(h, (double)ns / 1e9);
}

/* CPU time since it was last read. */
static uint64_t read_cpu(struct turn_clock *c, uint64_t now_ns)
{
    uint64_t before = c->cpu_ns;
    c->cpu_ns = clock_thread_cpu_ns();
    c->cpu_read_ns = now_ns;
    return c->cpu_ns - before;
}

void turn_clock_end(struct turn_clock *c)
{
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t wall_ns = now_ns - c->began_ns;
    uint64_t cpu_ns = wall_ns;
    if (now_ns - c->cpu_read_ns >= READ_EVERY_US * 1000u)
        cpu_ns = read_cpu(c, now_ns);
    observe(c->wall, wall_ns);
    observe(c->cpu, cpu_ns);
    if (cpu_ns > c->longest_ns)
        c->longest_ns = cpu_ns;
    if (cpu_ns > LONG_MS * 1000000u)
        LOG_LIMITED(LOG_LEVEL_WARN, "turn_long", KV_UINT("cpu_ms", cpu_ns / 1000000),
                    KV_UINT("took_ms", wall_ns / 1000000));
}
