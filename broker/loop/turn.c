/*
 * The broker's loop, and its lists of clients. A client is on a list at most once; each list is
 * taken whole before it is worked through, so what is marked meanwhile is for the next turn (or the
 * next phase).
 */
#include "broker/loop/turn.h"

#include <event2/event.h>

#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/client/paused.h"
#include "broker/connection/admission.h"
#include "broker/connection/client_life.h"
#include "broker/delivery/deliver.h"
#include "broker/delivery/fanout.h"
#include "broker/delivery/retained_delivery.h"
#include "broker/delivery/share.h"
#include "broker/loop/input.h"
#include "broker/loop/shed.h"
#include "broker/net/websocket_frames.h"
#include "broker/protocol/claim.h"
#include "broker/protocol/handle.h"
#include "broker/routing/router.h"
#include "broker/store/store.h"
#include "common/base/clock.h"
#include "common/log/log.h"

enum {
    STALL_MS = 1000, /* a gap between turns that doesn't count as the clients' silence */
    TICK_MS = 100,   /* between two looks at the wheel */
    WRITE_US = 4,    /* about a write to a socket */
    RESUME_US = 1,
    END_US = 1000000000,
};

static struct client *take(struct client_list *list)
{
    struct client *head = list->head;
    list->head = NULL;
    list->tail = NULL;
    return head;
}

/* Three of a turn's phases do the same with a list of their own. */
struct list_phase {
    struct client_list *list;
    enum turn_phase phase;
    uint32_t cost_us; /* of a client, at least: how often the box looks at the clock */
    struct client **(*next_of)(struct client *c);
    void (*run)(struct broker *b, struct client *c);
};

static struct client **ready_next(struct client *c)
{
    return &c->ready_next;
}

static struct client **work_next(struct client *c)
{
    return &c->work_next;
}

static struct client **flush_next(struct client *c)
{
    return &c->flush_next;
}

/* What is left of a list goes before what was marked meanwhile. */
static void put_back(const struct list_phase *p, struct client *head, struct client *tail)
{
    *p->next_of(tail) = p->list->head;
    if (p->list->tail == NULL)
        p->list->tail = tail;
    p->list->head = head;
}

/* Clients of the list in order, one at least, until the broker's box is over. */
static void run_list(struct broker *b, const struct list_phase *p)
{
    struct client *tail = p->list->tail;
    for (struct client *c = take(p->list), *next; c != NULL; c = next) {
        next = *p->next_of(c);
        p->run(b, c);
        if (timebox_spend(&b->box, p->cost_us) && next != NULL) {
            put_back(p, next, tail);
            turn_clock_cut(&b->clock, p->phase);
            return;
        }
    }
}

static void flush_one(struct broker *b, struct client *c)
{
    (void)b;
    c->on_flush = false;
    client_flush(c);
}

static void flush_late_one(struct broker *b, struct client *c)
{
    flush_rule_written(&c->flush_rule);
    flush_one(b, c);
}

/* What was marked: close, claim, pump, retained. */
static void work(struct client *c)
{
    if (c->state == CLIENT_CLOSED)
        return;
    if (c->state == CLIENT_CLOSING) {
        client_close(c, (enum client_end)c->end);
        return;
    }
    if (c->state == CLIENT_AUTHENTICATING)
        handle_connect_login_done(c);
    if (c->state == CLIENT_CLAIMING)
        claim_client_id(c);
    if (client_is_connected(c)) {
        handle_list_go_on(c);
        deliver_pump(c);
        if (c->shares != NULL)
            share_pump(c);
        retained_delivery_go_on(c);
    }
    if (c->state == CLIENT_ANSWERING && c->last_request == NULL)
        client_close(c, (enum client_end)c->end);
}

static void work_one(struct broker *b, struct client *c)
{
    (void)b;
    c->on_work = false;
    work(c);
}

/* Writes the output that the last source caused and that needn't wait for others. */
static void flush_soon(struct broker *b)
{
    if (b->flush_soon.head != NULL)
        run_list(b, &(struct list_phase){.list = &b->flush_soon,
                                         .phase = TURN_FLUSH,
                                         .cost_us = WRITE_US,
                                         .next_of = flush_next,
                                         .run = flush_one});
    b->output_source++;
}

static void ready_one(struct broker *b, struct client *c)
{
    c->on_ready = false;
    input_run(c);
    flush_soon(b);
    shed_check(b);
}

static void run_ready(struct broker *b)
{
    run_list(b, &(struct list_phase){.list = &b->ready,
                                     .phase = TURN_CLIENTS,
                                     .cost_us = TIMEBOX_LOOK_US,
                                     .next_of = ready_next,
                                     .run = ready_one});
}

static void run_work(struct broker *b)
{
    run_list(b, &(struct list_phase){.list = &b->work,
                                     .phase = TURN_WORK,
                                     .cost_us = TIMEBOX_LOOK_US,
                                     .next_of = work_next,
                                     .run = work_one});
}

static void run_flush(struct broker *b)
{
    flush_soon(b);
    run_list(b, &(struct list_phase){.list = &b->flush,
                                     .phase = TURN_FLUSH,
                                     .cost_us = WRITE_US,
                                     .next_of = flush_next,
                                     .run = flush_late_one});
    b->flush_behind = b->flush.head != NULL;
}

/* Frees closed clients that nothing refers to any more. However late it is in the turn some are
 * looked at, or they would pile up. */
static void free_dead(struct broker *b)
{
    enum { AT_LEAST = 16 };
    struct client *last = b->dead.tail;
    bool more = b->dead.head != NULL;
    for (unsigned looks = 0; more && (looks < AT_LEAST || !timebox_is_over(&b->box)); looks++) {
        struct client *c = b->dead.head;
        b->dead.head = c->next;
        if (c->next == NULL)
            b->dead.tail = NULL;
        more = c != last;
        if (c->on_ready || c->on_work || c->on_flush)
            client_mark_dead(c); /* next turn */
        else
            client_free(c);
        timebox_spend(&b->box, 1);
    }
    if (more)
        turn_clock_cut(&b->clock, TURN_FREE);
}

void turn_lost(struct broker *b, uint64_t ms)
{
    b->client_ms -= ms;
}

/* Clients that were held back because the store took no publishes. */
static void resume_paused(struct broker *b)
{
    b->resuming = false;
    if (paused_count(b->paused) == 0 || !store_accepts(b->store) || b->memory.level == MEMORY_FULL)
        return;
    struct client *c;
    while ((c = paused_first(b->paused)) != NULL) {
        client_resume(c, PAUSE_STORE);
        if (timebox_spend(&b->box, RESUME_US)) {
            b->resuming =
                paused_count(b->paused) > 0; /* in the next turn, if it still takes them */
            return;
        }
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct broker *b = arg;
    (void)fd;
    (void)what;
    b->tick_due = true;
}

static void open_box(struct broker *b, enum turn_phase phase)
{
    turn_clock_open(&b->clock, &b->box, phase);
}

static void begin(struct broker *b)
{
    uint64_t before = b->now_ms;
    turn_clock_begin(&b->clock);
    b->now_ms = b->clock.began_ns / 1000000;
    b->client_ms += b->now_ms - before;
    if (b->now_ms - before > STALL_MS)
        turn_lost(b, b->now_ms - before);
    b->expiry_now_ms = 0;
    b->securing_ns = 0;
    b->stats.turns++;
}

static void take_store_input(struct broker *b)
{
    b->first_output_source = b->output_source;
    open_box(b, TURN_STORE_INPUT);
    if (fanouts_busy(b->fanouts) && !b->store->suspended)
        fanouts_go_on(b->fanouts, b->flush_behind ? FANOUT_PIECE / 8 : FANOUT_PIECE, &b->box);
    store_input(b->store, &b->box);
    router_go_on(b->router, &b->box);
    if (timebox_is_over(&b->box))
        turn_clock_cut(&b->clock, TURN_STORE_INPUT);
    b->output_source++;
}

/* Nobody is let in before he can be answered: a load balancer, or a client with several addresses, takes another
 * broker until then. */
static void open_when_ready(struct broker *b)
{
    char err[256];
    if (b->listening || b->state != BROKER_SERVING || store_health(b->store) != STORE_READY ||
        admission_open(b, err, sizeof(err)))
        return;
    LOG_ERROR("listen_failed", KV_STR("err", err));
    b->failed = true;
    b->state = BROKER_STOPPED;
}

static void serve_clients(struct broker *b)
{
    open_when_ready(b);
    shed_check(b);
    resume_paused(b);
    open_box(b, TURN_CLIENTS);
    run_ready(b);
    if (b->tick_due) { /* after reading: what a client sent in time counts also if we were late */
        b->tick_due = false;
        open_box(b, TURN_TIMERS);
        wheel_advance(&b->wheel, b->now_ms);
        shed_tick(b);
    }
    open_box(b, TURN_WORK);
    run_work(b);
    open_box(b, TURN_FLUSH);
    run_flush(b);
    store_flush(b->store);
    open_box(b, TURN_FREE);
    free_dead(b);
    leftovers_release(&b->leftovers, &b->box);
}

void turn_pass(struct broker *b)
{
    begin(b);
    take_store_input(b);
    if (!b->store->suspended)
        serve_clients(b);
    b->expiry_now_ms = 0;
    turn_clock_end(&b->clock);
}

void turn_run(struct broker *b)
{
    turn_clock_start(&b->clock);
    while (b->state != BROKER_STOPPED) {
        bool pending = b->ready.head != NULL || b->work.head != NULL || b->dead.head != NULL ||
                       b->flush_soon.head != NULL || b->flush.head != NULL ||
                       router_is_behind(b->router) || b->resuming ||
                       leftovers_wait(&b->leftovers) || fanouts_busy(b->fanouts);
        if (b->config->gather && pace_turn(&b->pace, b->now_ms) && !pending)
            pace_rest(&b->pace);
        event_base_loop(b->base, EVLOOP_ONCE | (pending ? EVLOOP_NONBLOCK : 0));
        turn_pass(b);
    }
}

bool turn_init(struct broker *b)
{
    static const struct timeval period = {.tv_usec = TICK_MS * 1000};
    b->now_ms = b->client_ms = clock_monotonic_ms();
    wheel_init(&b->wheel, b->now_ms);
    b->steps = router_steps(b->router);
    b->paused = paused_new();
    if (b->paused == NULL || !turn_clock_init(&b->clock, b->metrics))
        return false;
    b->tick = event_new(b->base, -1, EV_PERSIST, on_tick, b);
    return b->tick != NULL && event_add(b->tick, &period) == 0;
}

void turn_fini(struct broker *b)
{
    if (b->tick != NULL)
        event_free(b->tick);
    timebox_open_at(&b->box, clock_monotonic_ns(), 0, END_US);
    fanouts_drop(b->fanouts);
    run_ready(b);
    run_work(b);
    run_flush(b);
    free_dead(b);
    leftovers_fini(&b->leftovers);
    paused_free(b->paused);
    chunk_pool_fini(&b->chunks);
    websocket_decoder_free(b->spare_decoder);
}
