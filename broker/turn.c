/*
 * The broker's loop, and its lists of clients. A client is on a list at most once; each list is
 * taken whole before it is worked through, so what is marked meanwhile is for the next turn (or the
 * next phase).
 */
#include "broker/turn.h"

#include <event2/event.h>

#include "broker/client.h"
#include "common/clock.h"

enum {
    STALL_MS = 1000, /* a gap between turns that clients aren't to blame for */
    TICK_MS = 100,   /* between two looks at the wheel */
};

static void push(struct client_list *list, struct client *c)
{
    if (list->tail == NULL)
        list->head = c;
    list->tail = c;
}

void client_mark_ready(struct client *c)
{
    struct client_list *list = &c->broker->ready;
    if (c->on_ready)
        return;
    c->on_ready = true;
    c->ready_next = NULL;
    if (list->tail != NULL)
        list->tail->ready_next = c;
    push(list, c);
}

void client_mark_work(struct client *c)
{
    struct client_list *list = &c->broker->work;
    if (c->on_work)
        return;
    c->on_work = true;
    c->work_next = NULL;
    if (list->tail != NULL)
        list->tail->work_next = c;
    push(list, c);
}

void client_mark_flush(struct client *c)
{
    struct broker *b = c->broker;
    flush_rule_note(&c->flush_rule, b->feeder, b->first_feeder);
    if (c->on_flush)
        return;
    bool later =
        flush_rule_waits(&c->flush_rule) || b->feeder == b->first_feeder; /* that is the store */
    struct client_list *list = later ? &b->flush : &b->flush_soon;
    c->on_flush = true;
    c->flush_next = NULL;
    if (list->tail != NULL)
        list->tail->flush_next = c;
    push(list, c);
}

static struct client *take(struct client_list *list)
{
    struct client *head = list->head;
    list->head = NULL;
    list->tail = NULL;
    return head;
}

/* What the last feeder caused and needn't wait for others. */
static void flush_soon(struct broker *b)
{
    for (struct client *c = take(&b->flush_soon), *next; c != NULL; c = next) {
        next = c->flush_next;
        c->on_flush = false;
        client_flush(c);
    }
    b->feeder++;
}

static void run_ready(struct broker *b)
{
    for (struct client *c = take(&b->ready), *next; c != NULL; c = next) {
        next = c->ready_next;
        c->on_ready = false;
        client_run(c);
        flush_soon(b);
    }
}

static void run_work(struct broker *b)
{
    for (struct client *c = take(&b->work), *next; c != NULL; c = next) {
        next = c->work_next;
        c->on_work = false;
        client_work(c);
    }
}

static void run_flush(struct broker *b)
{
    flush_soon(b);
    for (struct client *c = take(&b->flush), *next; c != NULL; c = next) {
        next = c->flush_next;
        c->on_flush = false;
        flush_rule_written(&c->flush_rule);
        client_flush(c);
    }
}

/* Frees closed clients that nothing refers to any more. */
static void bury(struct broker *b)
{
    for (struct client *c = take(&b->dead), *next; c != NULL; c = next) {
        next = c->next;
        if (c->on_ready || c->on_work || c->on_flush) {
            c->next = b->dead.head; /* next turn */
            b->dead.head = c;
            continue;
        }
        client_free(c);
    }
}

static void shift_clocks(struct broker *b, uint64_t by_ms)
{
    for (struct client *c = b->clients; c != NULL; c = c->next)
        c->last_input_ms += by_ms;
}

/* Clients that were held back because the store took no publishes. */
static void resume_paused(struct broker *b)
{
    if (b->paused_for_store == 0 || !store_accepts(b->store))
        return;
    for (struct client *c = b->clients; c != NULL; c = c->next)
        if (c->pause & PAUSE_STORE)
            client_resume(c, PAUSE_STORE);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct broker *b = arg;
    (void)fd;
    (void)what;
    b->tick_due = true;
}

void turn_pass(struct broker *b)
{
    uint64_t before = b->now_ms;
    b->now_ms = clock_monotonic_ms();
    if (b->now_ms - before > STALL_MS)
        shift_clocks(b, b->now_ms - before);
    b->stats.turns++;

    b->first_feeder = b->feeder;
    store_input(b->store);
    b->feeder++;
    resume_paused(b);
    run_ready(b);
    if (b->tick_due) { /* after reading: what a client sent in time counts also if we were late */
        b->tick_due = false;
        wheel_advance(&b->wheel, b->now_ms);
    }
    run_work(b);
    run_flush(b);
    store_flush(b->store);
    bury(b);
}

void turn_run(struct broker *b)
{
    while (b->state != BROKER_STOPPED) {
        bool pending = b->ready.head != NULL || b->work.head != NULL || b->dead.head != NULL ||
                       b->flush_soon.head != NULL || b->flush.head != NULL;
        if (b->config->gather && pace_turn(&b->pace, b->now_ms) && !pending)
            pace_rest();
        event_base_loop(b->base, EVLOOP_ONCE | (pending ? EVLOOP_NONBLOCK : 0));
        turn_pass(b);
    }
}

bool turn_init(struct broker *b)
{
    static const struct timeval period = {.tv_usec = TICK_MS * 1000};
    b->now_ms = clock_monotonic_ms();
    wheel_init(&b->wheel, b->now_ms);
    b->tick = event_new(b->base, -1, EV_PERSIST, on_tick, b);
    return b->tick != NULL && event_add(b->tick, &period) == 0;
}

void turn_fini(struct broker *b)
{
    if (b->tick != NULL)
        event_free(b->tick);
    run_ready(b);
    run_work(b);
    run_flush(b);
    bury(b);
    chunk_pool_fini(&b->chunks);
}
