/* The deciding half of rule 1; heart.c feeds it with what beats are answered. */
#include "broker/fleet/lease/watch.h"

#include <stdlib.h>
#include <string.h>

enum { CLOCKS_APART_MS = 200 };

void watch_fini(struct watch *w)
{
    free(w->nodes);
    *w = (struct watch){0};
}

void watch_forget(struct watch *w)
{
    w->beat_count = 0;
    w->count = 0;
}

static uint64_t difference(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Since the last beat both clocks went on alike. Unsigned arithmetic: a step back wraps around and
 * is a large difference, too. */
static bool clocks_agree(const struct watch *w, uint64_t ours_ms, uint64_t redis_ms)
{
    uint64_t ours = ours_ms - w->beats[w->beat_count - 1].ours_ms;
    uint64_t redis = redis_ms - w->beats[w->beat_count - 1].redis_ms;
    return difference(ours, redis) <= CLOCKS_APART_MS;
}

void watch_begin(struct watch *w, uint64_t ours_ms, uint64_t redis_ms)
{
    if (w->beat_count > 0 && !clocks_agree(w, ours_ms, redis_ms))
        watch_forget(w);
    if (w->beat_count == WATCH_BEATS) {
        memmove(&w->beats[0], &w->beats[1], (WATCH_BEATS - 1) * sizeof(w->beats[0]));
        w->beat_count--;
    }
    w->beats[w->beat_count].ours_ms = ours_ms;
    w->beats[w->beat_count++].redis_ms = redis_ms;
    w->round++;
}

/* The oldest of our beats that came after it. */
static uint64_t stands_since(const struct watch *w, uint64_t beat_ms)
{
    for (size_t i = 0; i < w->beat_count; i++)
        if (w->beats[i].redis_ms >= beat_ms)
            return w->beats[i].ours_ms;
    return w->beats[w->beat_count - 1].ours_ms; /* from a future that Redis' clock left again */
}

static struct watch_node *find(struct watch *w, uint64_t id)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->nodes[i].id == id)
            return &w->nodes[i];
    return NULL;
}

static struct watch_node *add(struct watch *w, uint64_t id)
{
    if (w->count == w->size) {
        size_t size = w->size == 0 ? 8 : w->size * 2;
        struct watch_node *nodes = realloc(w->nodes, size * sizeof(*nodes));
        if (nodes == NULL)
            return NULL;
        w->nodes = nodes;
        w->size = size;
    }
    w->nodes[w->count] = (struct watch_node){.id = id};
    return &w->nodes[w->count++];
}

bool watch_see(struct watch *w, uint64_t id, uint64_t beat_ms, uint64_t *since_ms)
{
    struct watch_node *n = find(w, id);
    if (n == NULL || n->beat_ms != beat_ms) {
        if (n == NULL)
            n = add(w, id);
        if (n == NULL)
            return false;
        n->beat_ms = beat_ms;
        n->since_ms = stands_since(w, beat_ms);
    }
    n->round = w->round;
    *since_ms = n->since_ms;
    return true;
}

void watch_end(struct watch *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->count; i++)
        if (w->nodes[i].round == w->round)
            w->nodes[kept++] = w->nodes[i];
    w->count = kept;
}
