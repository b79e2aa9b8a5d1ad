/* The heart's thread: its loop, its link, and the hand-overs to the broker's loop. Whether a beat is
 * due and what its answer means is decided by lease.c and watch.c; heart_report.c puts the answer
 * into what the loop gets. */
#include "broker/fleet/lease/heart.h"

#include <errno.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "broker/fleet/lease/lease.h"
#include "broker/fleet/lease/watch.h"
#include "broker/fleet/wire/fleet_keys.h"
#include "common/base/clock.h"
#include "common/log/log.h"

enum { STANDS_MS = 1000 }; /* a loop that doesn't turn for so long is worth a line */

/* What the loop wants, and what it is left. Under the mutex. */
struct heart_orders {
    uint64_t node; /* 0: don't beat */
    uint64_t sent_ms;
    unsigned number; /* counts orders */
};

struct heart {
    struct heart_config cfg;
    pthread_t thread;
    bool has_thread, has_mutex;
    int wake_fd; /* wakes the heart */
    _Atomic bool ends;
    _Atomic uint64_t alive_ms; /* 0: not beating */
    _Atomic uint64_t turns, applied;
    _Atomic unsigned connects;

    pthread_mutex_t mutex;
    struct heart_orders orders;
    struct heart_report waiting; /* HEART_NOTHING: none */

    /* The thread's own. */
    struct event_base *base;
    struct event *woken, *timer;
    struct redis_link *link;
    struct heart_orders at; /* the orders that it follows */
    char hex[FLEET_HEX_SIZE];
    struct lease lease;
    struct watch watch;
    char run_id[48];
    char generation[24];   /* of the list of nodes that the loop got; "" none */
    uint64_t applied_then; /* when the beat under way was sent */
    uint64_t boot_ms, ticked_ms;
    uint64_t seen_turns, stood_ms;
    bool said_stands, said_hangs;
};

/* ---- the loop's side ------------------------------------------------------------------------- */

static void poke(int fd)
{
    uint64_t one = 1;
    while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

static void order(struct heart *h, uint64_t node, uint64_t sent_ms)
{
    pthread_mutex_lock(&h->mutex);
    h->orders.node = node;
    h->orders.sent_ms = sent_ms;
    h->orders.number++;
    heart_report_fini(&h->waiting); /* it was another node's */
    atomic_store(&h->alive_ms, node != 0 ? sent_ms : 0);
    pthread_mutex_unlock(&h->mutex);
    poke(h->wake_fd);
}

void heart_begin(struct heart *h, uint64_t node, uint64_t sent_ms)
{
    order(h, node, sent_ms);
}

void heart_end(struct heart *h)
{
    order(h, 0, 0);
}

void heart_turned(struct heart *h, uint64_t applied)
{
    atomic_store_explicit(&h->applied, applied, memory_order_relaxed);
    atomic_store_explicit(&h->turns, atomic_load_explicit(&h->turns, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

uint64_t heart_alive_ms(const struct heart *h)
{
    return atomic_load(&h->alive_ms);
}

bool heart_is_unsure(const struct heart *h, uint64_t now_ms)
{
    struct lease l = {.lease_ms = h->cfg.lease_ms, .alive_ms = heart_alive_ms(h)};
    return lease_is_unsure(&l, now_ms);
}

unsigned heart_connects(const struct heart *h)
{
    return atomic_load(&h->connects);
}

bool heart_take(struct heart *h, struct heart_report *out)
{
    pthread_mutex_lock(&h->mutex);
    *out = h->waiting;
    h->waiting = (struct heart_report){0};
    pthread_mutex_unlock(&h->mutex);
    return out->word != HEART_NOTHING;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Leaves the report for the loop, unless the loop has given other orders meanwhile. */
static void leave_report(struct heart *h, struct heart_report *r)
{
    bool left = false;
    pthread_mutex_lock(&h->mutex);
    if (h->orders.number == h->at.number) {
        if (r->word != HEART_DEAD)
            atomic_store(&h->alive_ms, h->lease.alive_ms);
        heart_report_merge(&h->waiting, r);
        left = true;
    }
    pthread_mutex_unlock(&h->mutex);
    heart_report_fini(r);
    if (left)
        poke(h->cfg.wake_fd);
}

static bool take_alive(struct heart *h, const redisReply *r, struct heart_report *out)
{
    uint64_t redis_ms = strtoull(r->element[2]->str, NULL, 10);
    watch_begin(&h->watch, h->boot_ms, redis_ms);
    if (!heart_report_see(out, r->element[4], &h->watch, &h->lease, h->boot_ms) ||
        !heart_report_take(out, r->element[5], r->element[6]))
        return false;
    watch_end(&h->watch);
    if (out->listed)
        snprintf(h->generation, sizeof(h->generation), "%s", r->element[3]->str);
    return true;
}

static bool is_alive_answer(const redisReply *r)
{
    return strcmp(r->element[0]->str, "alive") == 0 && r->elements == 7 &&
           r->element[4]->type == REDIS_REPLY_ARRAY && r->element[5]->type == REDIS_REPLY_ARRAY;
}

/* The beats in a row aren't whole any more. */
static void lose_beat(struct heart *h)
{
    lease_beat_lost(&h->lease);
    watch_forget(&h->watch);
}

static void on_beat(void *arg, const redisReply *r)
{
    struct heart *h = arg;
    struct heart_report out = {.node = h->at.node, .applied = h->applied_then};
    if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements == 0) {
        lose_beat(h);
        h->lease.next_ms = h->boot_ms + h->cfg.interval_ms / 4;
        return;
    }
    h->boot_ms = clock_boottime_ms();
    memcpy(out.run_id, h->run_id, sizeof(out.run_id));
    if (r->elements > 1)
        out.ver = strtoull(r->element[1]->str, NULL, 10);
    out.sent_ms = h->lease.sent_ms;
    if (strcmp(r->element[0]->str, "dead") == 0) {
        out.word = HEART_DEAD;
        leave_report(h, &out);
        return;
    }
    lease_beat_answered(&h->lease, h->boot_ms);
    if (lease_is_unsure(&h->lease, h->boot_ms)) {
        h->lease.next_ms = h->boot_ms; /* an old answer that was read late: it may be outdated */
        watch_forget(&h->watch);
        return;
    }
    out.word = is_alive_answer(r) ? HEART_ALIVE : HEART_UNKNOWN;
    if (out.word == HEART_ALIVE && !take_alive(h, r, &out)) {
        heart_report_fini(&out);
        return; /* no memory; the next beat tells it again */
    }
    leave_report(h, &out);
}

/* ---- beats ----------------------------------------------------------------------------------- */

static void follow_orders(struct heart *h)
{
    pthread_mutex_lock(&h->mutex);
    struct heart_orders now = h->orders;
    pthread_mutex_unlock(&h->mutex);
    if (now.number == h->at.number)
        return;
    if (h->at.node != 0) /* an answer may be on its way */
        redis_link_reset(h->link, "the heart beats for another node");
    h->at = now;
    watch_forget(&h->watch);
    h->generation[0] = '\0';
    h->stood_ms = 0;
    if (now.node == 0)
        return;
    fleet_hex(now.node, h->hex);
    lease_start(&h->lease, h->cfg.lease_ms, h->cfg.interval_ms, now.sent_ms);
}

/* Counts how long the loop stood while this thread ran: a process that slept is another matter. */
static void look_at_loop(struct heart *h, uint64_t ran_ms)
{
    uint64_t turns = atomic_load_explicit(&h->turns, memory_order_relaxed);
    if (turns != h->seen_turns) {
        if (h->said_stands)
            LOG_WARN("loop_turns_again", KV_UINT("stood_ms", h->stood_ms));
        h->seen_turns = turns;
        h->stood_ms = 0;
        h->said_stands = h->said_hangs = false;
        return;
    }
    h->stood_ms += ran_ms;
    if (h->stood_ms >= STANDS_MS && !h->said_stands) {
        h->said_stands = true;
        LOG_WARN("loop_stands", KV_UINT("stood_ms", h->stood_ms),
                 KV_STR("note", "one turn of the broker's loop takes long; beats go on"));
    }
    if (h->stood_ms >= h->cfg.hang_ms && h->said_stands && !h->said_hangs) {
        h->said_hangs = true;
        LOG_ERROR("loop_hangs", KV_UINT("stood_ms", h->stood_ms),
                  KV_STR("note", "beats end, other brokers take this one's clients"));
    }
}

static void beat(struct heart *h)
{
    struct redis_queue *q = redis_link_queue(h->link);
    if (h->at.node == 0 || h->stood_ms >= h->cfg.hang_ms || !redis_link_is_up(h->link) ||
        !lease_beat_is_due(&h->lease, h->boot_ms))
        return;
    scripts_begin(h->cfg.scripts, q, SCRIPT_BEAT, h->cfg.prefix, 3);
    redis_queue_str(q, h->hex);
    redis_queue_u64(q, h->cfg.interval_ms * 3 / 2);
    redis_queue_str(q, h->generation);
    redis_queue_end(q, REDIS_VOLATILE, on_beat, h);
    h->applied_then = atomic_load_explicit(&h->applied, memory_order_relaxed);
    lease_beat_sent(&h->lease, h->boot_ms);
    if (h->lease.broken)
        watch_forget(&h->watch);
}

static bool on_greeted(void *arg, struct redis_link *link, const struct redis_server_info *info)
{
    struct heart *h = arg;
    (void)link;
    memcpy(h->run_id, info->run_id, sizeof(h->run_id));
    h->generation[0] = '\0';
    atomic_fetch_add(&h->connects, 1);
    return true;
}

static void on_lost(void *arg, struct redis_link *link, const char *why)
{
    (void)link, (void)why;
    lose_beat(arg);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static uint64_t tick_ms(const struct heart *h)
{
    uint64_t ms = h->cfg.interval_ms < h->cfg.hang_ms ? h->cfg.interval_ms : h->cfg.hang_ms;
    return ms / 4 > 0 ? ms / 4 : 1;
}

static void wait_for_events(struct heart *h)
{
    uint64_t ms = tick_ms(h);
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    if (h->at.node != 0)
        evtimer_add(h->timer, &tv);
    event_base_loop(h->base, EVLOOP_ONCE);
}

static void turn(struct heart *h)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t ran_ms = now_ms - h->ticked_ms;
    h->boot_ms = clock_boottime_ms();
    h->ticked_ms = now_ms;
    follow_orders(h);
    look_at_loop(h, ran_ms < 2 * tick_ms(h) ? ran_ms : 2 * tick_ms(h));
    redis_link_input(h->link, now_ms, NULL);
    beat(h);
    redis_link_flush(h->link, now_ms);
}

static void *run(void *arg)
{
    struct heart *h = arg;
    h->ticked_ms = clock_monotonic_ms();
    while (!atomic_load(&h->ends)) {
        wait_for_events(h);
        turn(h);
    }
    return NULL;
}

static void on_woken(evutil_socket_t fd, short what, void *arg)
{
    (void)what, (void)arg;
    uint64_t count;
    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg; /* turn() looks at the clock */
}

/* Signals are the broker's loop's. */
static bool start_thread(struct heart *h)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    h->has_thread = pthread_create(&h->thread, NULL, run, h) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return h->has_thread;
}

struct heart *heart_new(const struct heart_config *cfg)
{
    struct heart *h = calloc(1, sizeof(*h));
    if (h == NULL)
        return NULL;
    h->cfg = *cfg;
    h->cfg.link.name = "beats";
    h->cfg.link.scripts = &cfg->scripts->text[SCRIPT_BEAT];
    h->cfg.link.script_count = 1;
    h->cfg.link.arg = h;
    h->cfg.link.greeted = on_greeted;
    h->cfg.link.lost = on_lost;
    h->has_mutex = pthread_mutex_init(&h->mutex, NULL) == 0;
    h->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    h->base = event_base_new();
    if (!h->has_mutex || h->wake_fd < 0 || h->base == NULL)
        goto fail;
    h->woken = event_new(h->base, h->wake_fd, EV_READ | EV_PERSIST, on_woken, h);
    h->timer = evtimer_new(h->base, on_timer, h);
    h->link = redis_link_new(h->base, &h->cfg.link);
    if (h->woken == NULL || h->timer == NULL || h->link == NULL || event_add(h->woken, NULL) != 0 ||
        !start_thread(h))
        goto fail;
    return h;
fail:
    heart_free(h);
    return NULL;
}

void heart_free(struct heart *h)
{
    if (h == NULL)
        return;
    atomic_store(&h->ends, true);
    if (h->has_thread) {
        poke(h->wake_fd);
        pthread_join(h->thread, NULL);
    }
    redis_link_free(h->link);
    watch_fini(&h->watch);
    heart_report_fini(&h->waiting);
    if (h->timer != NULL)
        event_free(h->timer);
    if (h->woken != NULL)
        event_free(h->woken);
    if (h->base != NULL) {
        event_base_loop(h->base, EVLOOP_NONBLOCK); /* what a resolver has left (redis_dial.h) */
        event_base_free(h->base);
    }
    if (h->wake_fd >= 0)
        close(h->wake_fd);
    if (h->has_mutex)
        pthread_mutex_destroy(&h->mutex);
    free(h);
}
