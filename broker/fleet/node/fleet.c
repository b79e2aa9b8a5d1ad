/* This node of the fleet: its links, the order of things within a turn, start and end. What the
 * rules ask for is in the other fleet_*.c files, which this one calls in order. */
#include "broker/fleet/node/fleet.h"

#include <event2/event.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/log/log.h"

enum { TICK_MS = 50, XREAD_BLOCK_MS = 2000 };

enum { DEFERRED_US = 4 }; /* about what a completion costs, at least */

struct fleet_deferred {
    struct fleet_deferred *next;
    store_done_fn *done;
    void *arg;
    enum store_status status;
};

/* ---- deferred completions -------------------------------------------------------------------- */

void fleet_wake(struct fleet *f)
{
    event_active(f->wake, 0, 0);
}

void fleet_defer(struct fleet *f, store_done_fn *done, void *arg, enum store_status status)
{
    struct fleet_deferred *d;

    if (done == NULL)
        return;
    d = calloc(1, sizeof(*d));
    if (d == NULL) {
        done(arg, STORE_UNAVAILABLE);
        return;
    }
    *d = (struct fleet_deferred){.done = done, .arg = arg, .status = status};
    if (f->deferred == NULL)
        f->deferred = d;
    else
        f->deferred_tail->next = d;
    f->deferred_tail = d;
    fleet_wake(f);
}

/* What is deferred meanwhile is for the next turn. */
void fleet_run_deferred(struct fleet *f, bool ok)
{
    struct fleet_deferred *last = f->deferred_tail;
    bool more = f->deferred != NULL;

    while (more) {
        struct fleet_deferred *d = f->deferred;

        f->deferred = d->next;
        more = d != last;
        d->done(d->arg, ok ? d->status : STORE_UNAVAILABLE);
        free(d);
        if (ok && timebox_spend(f->box, DEFERRED_US))
            break;
    }
    if (f->deferred != NULL)
        fleet_wake(f);
}

enum store_status fleet_reply_status(const redisReply *r)
{
    if (r == NULL)
        return STORE_UNAVAILABLE;
    if (r->type != REDIS_REPLY_ERROR)
        return STORE_OK;
    if (strncmp(r->str, "OOM", 3) == 0)
        return STORE_FULL;
    LOG_LIMITED(LOG_LEVEL_ERROR, "redis_error", KV_STR("err", r->str));
    return STORE_UNAVAILABLE;
}

/* ---- links ----------------------------------------------------------------------------------- */

static bool server_is_usable(const struct redis_server_info *info)
{
    if (info->major < 7) {
        LOG_ERROR("redis_too_old", KV_STR("version", info->version), KV_STR("needed", "7.0"));
        return false;
    }
    if (strcmp(info->maxmemory_policy, "noeviction") == 0)
        return true;
    if (info->maxmemory != 0) {
        LOG_ERROR("redis_evicts", KV_STR("maxmemory_policy", info->maxmemory_policy),
                  KV_STR("needed", "noeviction: an evicted session is a lost one"));
        return false;
    }
    LOG_WARN("redis_would_evict", KV_STR("maxmemory_policy", info->maxmemory_policy),
             KV_STR("advice", "set maxmemory-policy noeviction before maxmemory"));
    return true;
}

static bool on_greeted(void *arg, struct redis_link *link, const struct redis_server_info *info)
{
    struct fleet *f = arg;

    if (link == f->commands && !server_is_usable(info))
        return false;
    metric_add(f->metrics.reconnects, 1);
    if (link == f->channel)
        return fleet_channel_greeted(f);
    if (link == f->replica_link)
        fleet_replicas_greeted(f, info->run_id);
    if (link == f->commands) {
        bool other = f->run_id[0] != '\0' && strcmp(f->run_id, info->run_id) != 0;

        memcpy(f->run_id, info->run_id, sizeof(f->run_id));
        memcpy(f->run_tag, info->run_id, sizeof(f->run_tag) - 1);
        fleet_register_begin(f, info->connection, other);
        redis_link_hurry(f->inbox_link); /* who asked for clients meanwhile waits */
        if (other) {
            fleet_clock_forget(&f->clock);
            fleet_cut_run_changed(f);
            fleet_queues_run_changed(f);
            fleet_connects_run_changed(f);
            fleet_holds_run_changed(f);
            fleet_disconnects_run_changed(f);
            fleet_due_run_changed(f);
            reapers_run_changed(f);
        }
        f->runs += other ? 1 : 0;
        fleet_disk_greeted(f);
        if (other && f->joined)
            fleet_reload(f, "another run of Redis");
    }
    return true;
}

static bool on_enter(void *arg, struct redis_link *link)
{
    struct fleet *f = arg;

    return link != f->commands || fleet_register_enter(f);
}

/* The name of a command as Redis reads it: *3\r\n$7\r\nEVALSHA\r\n$40\r\n... */
static void command_name(const struct fleet *f, const char *command, size_t len, char *out,
                         size_t size)
{
    const char *name = memchr(command, '$', len);
    const char *end = command + len;
    const char *sha;

    evutil_snprintf(out, size, "unknown");
    if (name != NULL)
        name = memchr(name, '\n', (size_t)(end - name));
    if (name == NULL)
        return;
    name++;
    evutil_snprintf(out, size, "%.*s", (int)strcspn(name, "\r"), name);
    sha = memchr(name, '$', (size_t)(end - name));
    if (strcmp(out, "EVALSHA") != 0 || sha == NULL || end - sha < 5 + 40)
        return;
    name = scripts_name(&f->scripts, sha + 5);
    if (name != NULL)
        evutil_snprintf(out, size, "script %s", name);
}

static void on_given_up(void *arg, struct redis_link *link, const char *command, size_t len)
{
    struct fleet *f = arg;
    char name[48];

    (void)link;
    command_name(f, command, len, name, sizeof(name));
    LOG_ERROR("redis_command_given_up", KV_STR("command", name), KV_UINT("bytes", len),
              KV_STR("why", "Redis didn't answer it in time, several times"));
    metric_add(f->metrics.given_up, 1);
}

static void on_message(void *arg, const char *payload, size_t len)
{
    fleet_channel_message(arg, payload, len);
}

static void on_round_trip(void *arg, double seconds)
{
    struct fleet *f = arg;

    metric_observe(f->metrics.round_trip, seconds);
}

static bool open_links(struct fleet *f)
{
    struct redis_link_config cfg = {
        .url = &f->url,
        .connect_timeout_ms = f->cfg.connect_timeout_ms,
        .command_timeout_ms = f->cfg.command_timeout_ms,
        .backoff_min_ms = f->cfg.reconnect_min_ms,
        .backoff_max_ms = f->cfg.reconnect_max_ms,
        .scripts = f->scripts.text,
        .script_count = SCRIPT_COUNT,
        .arg = f,
        .greeted = on_greeted,
        .enter = on_enter,
        .message = on_message,
        .given_up = on_given_up,
    };

    cfg.name = "commands";
    cfg.round_trip = on_round_trip;
    f->commands = redis_link_new(f->base, &cfg);
    cfg.round_trip = NULL;
    cfg.script_count = 0;
    cfg.command_timeout_ms += XREAD_BLOCK_MS;
    cfg.name = "inbox";
    f->inbox_link = redis_link_new(f->base, &cfg);
    cfg.name = "log";
    f->log_link = redis_link_new(f->base, &cfg);
    cfg.name = "replicas";
    if (f->cfg.durability == DURABILITY_REPLICA) {
        f->replica_link = redis_link_new(f->base, &cfg);
        if (f->replica_link == NULL)
            return false;
    }
    cfg.name = "channel";
    cfg.pubsub = true;
    f->channel = redis_link_new(f->base, &cfg);
    if (f->commands == NULL || f->inbox_link == NULL || f->log_link == NULL || f->channel == NULL)
        return false;
    f->q = redis_link_queue(f->commands);
    return true;
}

/* ---- the end --------------------------------------------------------------------------------- */

void fleet_is_dead(struct fleet *f)
{
    if (f->state == FLEET_STARTING || f->state == FLEET_READY)
        f->must_start_over = true;
}

static void leave(struct fleet *f, enum store_status status)
{
    store_done_fn *done = f->shutdown_done;

    f->state = FLEET_LEFT;
    heart_end(f->heart);
    f->shutdown_done = NULL;
    if (done != NULL)
        done(f->shutdown_arg, status);
}

static void on_killed(void *arg, const redisReply *r)
{
    struct fleet *f = arg;

    if (f->state == FLEET_LEAVING)
        leave(f, r != NULL ? STORE_OK : STORE_UNAVAILABLE);
}

/* The node declares itself dead. What it still holds, others reap; if it holds nothing, it clears
 * up behind itself. */
static void send_leave(struct fleet *f)
{
    struct fleet_bytes entry = {0};
    struct fleet_key inbox = fleet_key_inbox(&f->keys, f->id);
    struct fleet_key node = fleet_key_node(&f->keys, f->id);

    f->kill_sent = true;
    fleet_entry_dead(&entry, f->id);
    scripts_begin(&f->scripts, f->q, SCRIPT_KILL, f->keys.fleet, 4);
    redis_queue_str(f->q, f->hex);
    redis_queue_str(f->q, "");
    redis_queue_str(f->q, f->hex);
    redis_queue_arg(f->q, entry.data, entry.len);
    redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
    fleet_bytes_fini(&entry);
    if (f->holds == NULL) {
        redis_queue_begin(f->q, 3);
        redis_queue_str(f->q, "HDEL");
        redis_queue_str(f->q, f->keys.reap);
        redis_queue_str(f->q, f->hex);
        redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
    }
    redis_queue_begin(f->q, 4);
    redis_queue_str(f->q, "UNLINK");
    redis_queue_str(f->q, inbox.text);
    redis_queue_arg2(f->q, node.text, strlen(node.text), "link", 4);
    redis_queue_arg2(f->q, node.text, strlen(node.text), "taken", 5);
    redis_queue_end(f->q, REDIS_REPLAY, on_killed, f);
}

static void leave_tick(struct fleet *f)
{
    if (f->state != FLEET_LEAVING)
        return;
    if (f->now_ms >= f->shutdown_deadline_ms)
        leave(f, STORE_UNAVAILABLE);
    else if (!f->kill_sent && (f->holds == NULL || f->now_ms + 1000 >= f->shutdown_deadline_ms))
        send_leave(f);
}

void fleet_shutdown(struct fleet *f, uint64_t deadline_ms, store_done_fn *done, void *arg)
{
    bool joined = f->joined;

    f->shutdown_done = done;
    f->shutdown_arg = arg;
    f->shutdown_deadline_ms = deadline_ms;
    f->state = FLEET_LEAVING;
    if (!joined || !redis_link_is_up(f->commands))
        f->shutdown_deadline_ms = 0; /* nobody to tell */
    fleet_wake(f);
}

/* ---- the turn -------------------------------------------------------------------------------- */

static void take_time(struct fleet *f)
{
    f->now_ms = clock_monotonic_ms();
    f->boot_ms = clock_boottime_ms();
}

static void run_ticks(struct fleet *f)
{
    fleet_load_tick(f);
    fleet_say_tick(f);
    fleet_clock_tick(f);
    fleet_log_tick(f);
    inbox_tick(f);
    fleet_channel_tick(f);
    route_tick(f);
    outboxes_tick(f);
    fleet_publish_tick(f);
    fleet_cut_tick(f);
    fleet_connect_tick(f);
    fleet_disconnect_tick(f);
    fleet_sweep_tick(f);
    fleet_due_tick(f);
    fleet_disk_tick(f);
    fleet_full_tick(f);
    fleet_usage_tick(f);
    fleet_retained_tick(f);
}

/* What was read earlier goes first. Each link leaves time to those after it, so that a flood on one
 * holds up nothing else: routes first, they must be fresh before messages are routed. */
static void read_links(struct fleet *f, struct timebox *box)
{
    enum { LOG_LEAVES_US = 5000, COMMANDS_LEAVE_US = 2500 };
    struct timebox part;
    bool held;

    f->box = &part;
    timebox_before(&part, box, LOG_LEAVES_US);
    if (!f->unsure)
        fleet_log_go_on(f);
    redis_link_input(f->log_link, f->now_ms, &part);
    /* The next reading is asked for at once: what comes while none is under way is known later here
     * than elsewhere, and QoS 0 misses it. */
    redis_link_flush(f->log_link, f->now_ms);
    timebox_before(&part, box, COMMANDS_LEAVE_US);
    redis_link_input(f->commands, f->now_ms, &part);
    if (f->replica_link != NULL)
        redis_link_input(f->replica_link, f->now_ms, &part);
    f->box = box;
    /* Not before this node knows which clients it lost: a request for one of them may lie there, and is
     * none to be answered politely any more. */
    held = f->unsure || f->closing_taken || !redis_link_is_up(f->commands);
    redis_link_hold(f->inbox_link, held);
    if (!held)
        inbox_go_on(f);
    redis_link_input(f->inbox_link, f->now_ms, box);
    redis_link_input(f->channel, f->now_ms, box);
}

void fleet_input(struct fleet *f, struct timebox *box)
{
    take_time(f);
    f->box = box;
    if (f->over.step != OVER_NOT) {
        fleet_over_go_on(f, box);
        leave_tick(f);
        return;
    }
    fleet_fence(f);
    fleet_beat_input(f);
    if (!fleet_taken_close(f, box)) {
        fleet_wake(f);
        leave_tick(f);
        return;
    }
    if (!f->unsure) {
        fleet_run_deferred(f, true);
        fleet_versions_go_on(f);
        fleet_append_go_on(f);
    }
    read_links(f, box);
    if (f->closing_taken)
        fleet_wake(f);
    else if (!f->unsure && !f->must_start_over)
        run_ticks(f);
    if (f->must_start_over) {
        fleet_start_over(f);
        fleet_over_go_on(f, box);
    }
    leave_tick(f);
}

void fleet_flush(struct fleet *f)
{
    take_time(f);
    if (f->over.step != OVER_NOT)
        return;
    fleet_fence(f); /* the process may have slept since the turn began */
    if (fleet_can_act(f)) {
        fleet_acks_flush(f);
        fleet_queues_flush(f);
        outboxes_flush(f);
    }
    fleet_channel_flush(f, fleet_retaining_is_due(f));
    if (fleet_can_act(f)) {
        /* Behind the live messages: who reads a value can be sure that what is older is on its way
         * already, and wait for it (promise 5). */
        fleet_retaining_flush(f);
        fleet_append_flush(f);
        inbox_flush(f);
        fleet_versions_flush(f);
        fleet_replicas_flush(f);
    }
    metric_set(f->metrics.pending_bytes, (int64_t)redis_queue_bytes(f->q));
    redis_link_flush(f->commands, f->now_ms);
    if (f->replica_link != NULL)
        redis_link_flush(f->replica_link, f->now_ms);
    redis_link_flush(f->inbox_link, f->now_ms);
    redis_link_flush(f->log_link, f->now_ms);
    redis_link_flush(f->channel, f->now_ms);
}

enum store_health fleet_health(const struct fleet *f)
{
    if (f->state == FLEET_STARTING)
        return STORE_STARTING;
    if (f->state != FLEET_READY || !fleet_can_act(f) || f->not_durable || f->trouble != NULL)
        return STORE_TROUBLED;
    return STORE_READY;
}

const char *fleet_trouble(const struct fleet *f)
{
    if (f->trouble == NULL && f->full)
        return "Redis is full: publishes of QoS 1 and 2 are held, subscriptions are refused; "
               "clients "
               "can connect and read";
    return f->trouble;
}

bool fleet_accepts(const struct fleet *f)
{
    enum {
        PENDING_BOUND = 1 << 20, /* some ten ms of Redis: all that comes stands behind it */
        HELD_BOUND = 8 << 20,
    };

    return redis_queue_bytes(f->q) + outboxes_bytes(f) < PENDING_BOUND &&
           f->held_bytes < HELD_BOUND;
}

/* ---- new, free ------------------------------------------------------------------------------- */

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg; /* wakes the loop; fleet_input does the rest */
}

struct fleet *fleet_new(struct event_base *base, const struct store_redis_config *cfg,
                        const struct store_host *host, struct router *router,
                        struct metrics *metrics, char *err, size_t errlen)
{
    static const struct timeval period = {.tv_usec = TICK_MS * 1000};
    struct fleet *f = calloc(1, sizeof(*f));
    const char *wrong;

    if (f == NULL)
        goto no_memory;
    f->base = base;
    f->cfg = *cfg;
    f->host = *host;
    f->router = router;
    wrong = redis_url_parse(cfg->url, &f->url);
    if (wrong != NULL) {
        evutil_snprintf(err, errlen, "redis.url: %s", wrong);
        free(f);
        return NULL;
    }
    if (cfg->password_file != NULL &&
        !redis_url_read_password(&f->url, cfg->password_file, err, errlen)) {
        free(f);
        return NULL;
    }
    fleet_keys_init(&f->keys, cfg->name);
    f->cfg.url = f->cfg.name = f->cfg.password_file =
        NULL; /* taken apart; the caller's strings may go */
    fleet_take_new_id(f);
    take_time(f);
    f->calls = 1;
    f->usage.limits = (struct fleet_usage_limits){.sessions = cfg->session_limit,
                                                  .stored_bytes = cfg->stored_limit_bytes,
                                                  .queue_messages = cfg->queue_limit,
                                                  .queue_bytes = cfg->queue_limit_bytes};
    evutil_secure_rng_get_bytes(&f->hash_key, sizeof(f->hash_key));
    fleet_epochs_init(&f->epochs, f->hash_key, f->now_ms);
    f->heart_fd = -1;
    TAILQ_INIT(&f->disconnects);
    f->wake = event_new(base, -1, 0, on_event, f);
    f->tick = event_new(base, -1, EV_PERSIST, on_event, f);
    if (f->wake == NULL || f->tick == NULL || event_add(f->tick, &period) != 0 ||
        !routes_init(&f->routes, f->hash_key) || !scripts_init(&f->scripts) ||
        !fleet_metrics_init(&f->metrics, metrics) || !fleet_load_init(f) || !fleet_log_init(f) ||
        !inbox_init(f) || !fleet_publishing_init(f) || !fleet_queues_init(f) ||
        !fleet_retaining_init(f) || !fleet_connects_init(f) || !fleet_wills_init(f) ||
        !open_links(f) || !fleet_beat_init(f))
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
    struct redis_link *links[5];

    if (f == NULL)
        return;
    f->freeing = true;
    fleet_beat_free(f);
    fleet_holds_detach(f);
    if (f->commands != NULL)
        fleet_drop_everything(f);
    memcpy(links,
           (struct redis_link *[]){f->commands, f->inbox_link, f->log_link, f->channel,
                                   f->replica_link},
           sizeof(links));
    for (size_t i = 0; i < 5; i++)
        redis_link_free(links[i]);
    fleet_wills_free(f);
    fleet_connects_free(f);
    fleet_retaining_free(f);
    fleet_queues_free(f);
    fleet_publishing_free(f);
    inbox_free(f);
    fleet_log_free(f);
    fleet_load_free(f);
    fleet_append_free(f);
    fleet_epochs_fini(&f->epochs);
    routes_fini(&f->routes);
    fleet_metrics_fini(&f->metrics);
    if (f->tick != NULL)
        event_free(f->tick);
    if (f->wake != NULL)
        event_free(f->wake);
    free(f);
}
