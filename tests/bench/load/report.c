#include "tests/bench/load/report.h"

#include <inttypes.h>
#include <stdio.h>

static double micro(uint64_t ns)
{
    return (double)ns / 1000.0;
}

void report_print(const struct options *o, const struct report *r)
{
    printf("{\"mode\":\"%s\",\"label\":\"%s\",\"clients\":%u,\"subscribers\":%u,\"qos\":%u,"
           "\"payload\":%u,"
           "\"protocol\":%d,\"tls\":%s,\"unit\":\"%s\",\"done\":%" PRIu64
           ",\"seconds\":%.3f,\"per_second\":%.0f,",
           mode_name(o->mode), o->label, o->clients, o->subscribers, o->qos, o->payload,
           (int)o->version, o->tls ? "true" : "false", r->unit, r->done, r->seconds,
           r->seconds > 0 ? (double)r->done / r->seconds : 0.0);
    if (o->pid_count > 0 && r->done > 0)
        printf("\"cpu_us_each\":%.3f,", micro(r->cpu_ns) / (double)r->done);
    if (r->bytes_each >= 0)
        printf("\"bytes_each\":%.0f,", r->bytes_each);
    if (r->latency != NULL && r->latency->total > 0)
        printf("\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,",
               micro(histogram_quantile(r->latency, 0.50)),
               micro(histogram_quantile(r->latency, 0.99)),
               micro(histogram_quantile(r->latency, 0.999)), micro(r->latency->max));
    printf("\"sent\":%" PRIu64 ",\"expected\":%" PRIu64 ",\"received\":%" PRIu64
           ",\"duplicates\":%" PRIu64 ",\"reordered\":%" PRIu64 ",\"failed\":%" PRIu64 "}\n",
           r->sent, r->expected, r->received, r->duplicates, r->reordered, r->failed);
}
