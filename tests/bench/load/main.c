/*
 * flotilla-bench - puts one kind of MQTT load on one or several addresses and prints what came of
 * it.
 */
#include "tests/bench/load/scenario.h"

#include <sys/resource.h>

static void (*const scenarios[MODE_COUNT])(const struct options *) = {
    [MODE_PAIRS] = run_traffic,     [MODE_FAN_IN] = run_traffic,  [MODE_FAN_OUT] = run_traffic,
    [MODE_TELEMETRY] = run_traffic, [MODE_STORM] = run_storm,     [MODE_IDLE] = run_idle,
    [MODE_RETAINED] = run_retained, [MODE_DURABLE] = run_durable,
};

/* As many connections as the system allows. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    struct options o;
    options_parse(&o, argc, argv);
    raise_descriptor_limit();
    scenarios[o.mode](&o);
    return 0;
}
