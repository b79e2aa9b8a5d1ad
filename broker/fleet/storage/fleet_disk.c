/* `durability: disk` promises what only an append-only file keeps that is synced at every write.
 * Whether Redis has one is asked at each connection and every few seconds; without it the broker
 * isn't ready and takes no clients. */
#include "broker/fleet/storage/fleet_disk.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/node/fleet.h"
#include "common/log/log.h"

enum { ASK_MS = 2000 };

struct fleet_disk {
    uint64_t ask_ms;
};

bool fleet_disk_init(struct fleet *f)
{
    f->disk = calloc(1, sizeof(*f->disk));
    return f->disk != NULL;
}

void fleet_disk_free(struct fleet *f)
{
    free(f->disk);
    f->disk = NULL;
}

/* The value of a setting in CONFIG GET's answer, "" when it isn't there. */
static const char *setting(const redisReply *r, const char *name)
{
    if (r->type != REDIS_REPLY_ARRAY)
        return "";
    for (size_t i = 0; i + 1 < r->elements; i += 2)
        if (strcmp(r->element[i]->str, name) == 0)
            return r->element[i + 1]->str;
    return "";
}

static void on_settings(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    const char *needed = NULL;
    if (r == NULL)
        return; /* asked again */
    if (r->type == REDIS_REPLY_ERROR)
        needed = "CONFIG GET to be allowed";
    else if (strcmp(setting(r, "appendonly"), "yes") != 0)
        needed = "appendonly yes";
    else if (strcmp(setting(r, "appendfsync"), "always") != 0)
        needed = "appendfsync always";
    if (needed != NULL)
        LOG_LIMITED(LOG_LEVEL_ERROR, "redis_not_durable", KV_STR("durability", "disk"),
                    KV_STR("needed", needed), KV_STR("effect", "no clients are accepted"));
    else if (f->not_durable)
        LOG_INFO("redis_durable", KV_STR("durability", "disk"));
    f->not_durable = needed != NULL;
}

static void ask(struct fleet *f)
{
    f->disk->ask_ms = f->now_ms + ASK_MS;
    redis_queue_begin(f->q, 4);
    redis_queue_str(f->q, "CONFIG");
    redis_queue_str(f->q, "GET");
    redis_queue_str(f->q, "appendonly");
    redis_queue_str(f->q, "appendfsync");
    redis_queue_end(f->q, REDIS_VOLATILE, on_settings, f);
}

void fleet_disk_greeted(struct fleet *f)
{
    if (f->cfg.durability == DURABILITY_DISK)
        ask(f);
}

void fleet_disk_tick(struct fleet *f)
{
    if (f->cfg.durability == DURABILITY_DISK && f->now_ms >= f->disk->ask_ms && fleet_can_act(f))
        ask(f);
}
