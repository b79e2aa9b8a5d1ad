/* Puts a node together and takes it apart. */
#include "broker/fleet/fleet_start.h"

#include <event2/event.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/connect/fleet_connect.h"
#include "broker/fleet/exchange/fleet_channel.h"
#include "broker/fleet/exchange/inbox.h"
#include "broker/fleet/exchange/inbox_barrier.h"
#include "broker/fleet/fence/fleet_subscriptions.h"
#include "broker/fleet/fleet_leave.h"
#include "broker/fleet/fleet_links.h"
#include "broker/fleet/fleet_over.h"
#include "broker/fleet/group/fleet_group.h"
#include "broker/fleet/group/fleet_group_done.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/log/fleet_epochs.h"
#include "broker/fleet/log/fleet_log.h"
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/log/route.h"
#include "broker/fleet/membership/fleet_beat.h"
#include "broker/fleet/membership/fleet_load.h"
#include "broker/fleet/membership/fleet_reassert.h"
#include "broker/fleet/membership/fleet_register.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_clock.h"
#include "broker/fleet/publish/fleet_gather.h"
#include "broker/fleet/publish/fleet_publish.h"
#include "broker/fleet/publish/fleet_queue.h"
#include "broker/fleet/publish/fleet_retained.h"
#include "broker/fleet/publish/fleet_retained_expiry.h"
#include "broker/fleet/publish/fleet_retained_read.h"
#include "broker/fleet/session/fleet_disconnect.h"
#include "broker/fleet/session/fleet_due.h"
#include "broker/fleet/session/fleet_will.h"
#include "broker/fleet/storage/fleet_disk.h"
#include "broker/fleet/storage/fleet_full.h"
#include "broker/fleet/storage/fleet_replicas.h"
#include "broker/fleet/storage/fleet_totals.h"
#include "broker/fleet/storage/fleet_usage.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/redis/redis_tls.h"
#include "common/tls/tls_client.h"

enum { TICK_MS = 50 };

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg; /* wakes the loop; fleet_input does the rest */
}

/* The caller's strings may go afterwards. */
static bool take_config(struct fleet *f, const struct store_redis_config *cfg, char *err,
                        size_t errlen)
{
    const char *wrong = redis_url_parse(cfg->url, &f->url);
    if (wrong != NULL) {
        evutil_snprintf(err, errlen, "redis.url: %s", wrong);
        return false;
    }
    if (cfg->password_file != NULL &&
        !redis_url_read_password(&f->url, cfg->password_file, err, errlen))
        return false;
    f->cfg = *cfg;
    fleet_keys_init(&f->keys, cfg->name);
    f->cfg.url = f->cfg.name = f->cfg.password_file = NULL; /* taken apart */
    f->cfg.tls = NULL;
    return redis_tls_new(&f->url, cfg->tls, &f->tls, err, errlen);
}

static bool start_timers(struct fleet *f)
{
    static const struct timeval period = {.tv_usec = TICK_MS * 1000};
    f->wake = event_new(f->base, -1, 0, on_event, f);
    f->tick = event_new(f->base, -1, EV_PERSIST, on_event, f);
    return f->wake != NULL && f->tick != NULL && event_add(f->tick, &period) == 0;
}

static bool init_modules(struct fleet *f, struct metrics *metrics)
{
    static bool (*const inits[])(struct fleet *) = {
        fleet_clock_init,
        fleet_replicas_init,
        fleet_full_init,
        fleet_disk_init,
        fleet_usage_init,
        fleet_totals_init,
        fleet_channel_init,
        inbox_init,
        inbox_barriers_init,
        routes_init,
        fleet_versions_init,
        fleet_append_init,
        fleet_log_init,
        fleet_subscription_reads_init,
        fleet_holds_init,
        fleet_groups_init,
        fleet_group_dones_init,
        fleet_gathering_init,
        fleet_publishing_init,
        fleet_queues_init,
        fleet_retaining_init,
        fleet_retained_reads_init,
        fleet_retained_expiry_init,
        fleet_wills_init,
        fleet_due_init,
        fleet_disconnects_init,
        fleet_connects_init,
        fleet_load_init,
        fleet_register_init,
        fleet_reassert_init,
        fleet_over_init,
        fleet_leave_init,
    };

    f->epochs = fleet_epochs_new(f->hash_key, f->now_ms);
    if (f->epochs == NULL || !scripts_init(&f->scripts) ||
        !fleet_metrics_init(&f->metrics, metrics))
        return false;
    for (size_t i = 0; i < sizeof(inits) / sizeof(inits[0]); i++)
        if (!inits[i](f))
            return false;
    return true;
}

struct fleet *fleet_new(struct event_base *base, const struct store_redis_config *cfg,
                        const struct store_host *host, struct metrics *metrics, char *err,
                        size_t errlen)
{
    struct fleet *f = calloc(1, sizeof(*f));
    if (f == NULL)
        goto no_memory;
    if (!take_config(f, cfg, err, errlen)) {
        free(f);
        return NULL;
    }
    f->base = base;
    f->host = *host;
    f->now_ms = clock_monotonic_ms();
    f->boot_ms = clock_boottime_ms();
    f->calls = 1;
    evutil_secure_rng_get_bytes(&f->hash_key, sizeof(f->hash_key));
    if (!start_timers(f) || !init_modules(f, metrics))
        goto no_memory;
    fleet_take_new_id(f);
    if (!fleet_links_open(f) || !fleet_beat_init(f))
        goto no_memory;
    LOG_INFO("node_starts", KV_STR("node", f->hex));
    inbox_start(f);
    return f;
no_memory:
    evutil_snprintf(err, errlen, "out of memory");
    fleet_free(f);
    return NULL;
}

static void free_modules(struct fleet *f)
{
    static void (*const frees[])(struct fleet *) = {
        fleet_leave_free,
        fleet_over_free,
        fleet_reassert_free,
        fleet_register_free,
        fleet_load_free,
        fleet_connects_free,
        fleet_disconnects_free,
        fleet_due_free,
        fleet_wills_free,
        fleet_retained_expiry_free,
        fleet_retained_reads_free,
        fleet_retaining_free,
        fleet_queues_free,
        fleet_publishing_free,
        fleet_gathering_free,
        fleet_groups_free,
        fleet_holds_free,
        fleet_subscription_reads_free,
        fleet_log_free,
        fleet_append_free,
        fleet_versions_free,
        routes_free,
        inbox_barriers_free,
        inbox_free,
        fleet_channel_free,
        fleet_totals_free,
        fleet_usage_free,
        fleet_disk_free,
        fleet_full_free,
        fleet_replicas_free,
        fleet_clock_free,
    };

    for (size_t i = 0; i < sizeof(frees) / sizeof(frees[0]); i++)
        frees[i](f);
    fleet_epochs_free(f->epochs);
    fleet_metrics_fini(&f->metrics);
}

void fleet_free(struct fleet *f)
{
    if (f == NULL)
        return;
    if (fleet_is_joined(f))
        fleet_lease_enter(f, FLEET_LEASE_NONE);
    fleet_beat_free(f);
    fleet_holds_detach(f);
    if (f->commands != NULL)
        fleet_drop_everything(f);
    fleet_links_free(f);
    free_modules(f);
    if (f->tick != NULL)
        event_free(f->tick);
    if (f->wake != NULL)
        event_free(f->wake);
    tls_client_unref(f->tls);
    free(f);
}
