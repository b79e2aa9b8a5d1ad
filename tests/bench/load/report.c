#include "tests/bench/load/report.h"

#include <inttypes.h>
#include <stdio.h>

static double micro(uint64_t ns)
{
    return (double)ns / 1000.0;
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

static void print_load(const struct options *o)
{
    printf("{\"mode\":\"%s\",\"label\":\"%s\",\"clients\":%u,\"subscribers\":%u,\"qos\":%u,"
           "\"payload\":%u,\"protocol\":%d,\"tls\":%s,\"threads\":%u,\"websocket\":%s,"
           "\"properties\":%s,\"aliases\":%s,\"share\":\"%s\",",
           mode_name(o->mode), o->label, o->clients, o->subscribers, o->qos, o->payload,
           (int)o->version, truth(o->tls), o->threads, truth(o->websocket), truth(o->properties),
           truth(o->aliases), o->share != NULL ? o->share : "");
}

static void print_cpu(const struct options *o, const struct report *r)
{
    double done = (double)r->done;
    if (o->pid_count > 0 && r->setup_count > 0)
        printf("\"setup_cpu_us_each\":%.3f,",
               micro(r->began->all.cpu_ns - r->setup_before->all.cpu_ns) / (double)r->setup_count);
    if (r->done == 0)
        return;
    printf("\"own_cpu_us_each\":%.3f,", micro(r->ended->own_cpu_ns - r->began->own_cpu_ns) / done);
    if (o->pid_count == 0)
        return;
    printf("\"cpu_us_each\":%.4f,\"cpu_us_each_by_pid\":[",
           micro(r->ended->all.cpu_ns - r->began->all.cpu_ns) / done);
    for (unsigned i = 0; i < o->pid_count; i++)
        printf("%s%.4f", i == 0 ? "" : ",",
               micro(r->ended->each[i].cpu_ns - r->began->each[i].cpu_ns) / done);
    printf("],");
}

static double grown(const struct process_use *before, const struct process_use *after, double count)
{
    return ((double)after->resident - (double)before->resident) / count;
}

static void print_memory(const struct options *o, const struct report *r)
{
    if (r->memory_before == NULL || o->pid_count == 0)
        return;
    printf("\"bytes_each\":%.0f,\"bytes_each_by_pid\":[",
           grown(&r->memory_before->all, &r->memory_after->all, r->memory_count));
    for (unsigned i = 0; i < o->pid_count; i++)
        printf("%s%.0f", i == 0 ? "" : ",",
               grown(&r->memory_before->each[i], &r->memory_after->each[i], r->memory_count));
    printf("],");
}

static void print_latency(const struct histogram *h)
{
    if (h == NULL || h->total == 0)
        return;
    printf("\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,",
           micro(histogram_quantile(h, 0.50)), micro(histogram_quantile(h, 0.99)),
           micro(histogram_quantile(h, 0.999)), micro(h->max));
}

void report_print(const struct options *o, const struct report *r)
{
    print_load(o);
    printf("\"unit\":\"%s\",\"done\":%" PRIu64 ",\"seconds\":%.3f,\"per_second\":%.0f,", r->unit,
           r->done, r->seconds, r->seconds > 0 ? (double)r->done / r->seconds : 0.0);
    print_cpu(o, r);
    print_memory(o, r);
    print_latency(r->latency);
    if (o->tls)
        printf("\"resumed\":%" PRIu64 ",", r->resumed);
    const struct tally *t = &r->tally;
    bool exact = t->delivered == r->expected && t->duplicates == 0 && t->reordered == 0;
    printf("\"sent\":%" PRIu64 ",\"expected\":%" PRIu64 ",\"received\":%" PRIu64
           ",\"duplicates\":%" PRIu64 ",\"reordered\":%" PRIu64 ",\"failed\":%" PRIu64
           ",\"exact\":%s}\n",
           r->sent, r->expected, t->delivered, t->duplicates, t->reordered, r->failed,
           exact && r->failed == 0 ? "true" : "false");
}
