/* Puts a node together and takes it apart. */
#include "broker/fleet/fleet_start.h"

#include <event2/event.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/exchange/inbox.h"
#include "broker/fleet/fleet_links.h"
#include "broker/fleet/fleet_modules.h"
#include "broker/fleet/fleet_over.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/membership/fleet_beat.h"
#include "broker/fleet/node/fleet.h"
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
    if (!start_timers(f) || !fleet_modules_init(f, metrics))
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
    fleet_modules_free(f);
    if (f->tick != NULL)
        event_free(f->tick);
    if (f->wake != NULL)
        event_free(f->wake);
    tls_client_unref(f->tls);
    free(f);
}
