/* See the header. */
#include "broker/client/paused.h"

#include <stdlib.h>

enum { CAPACITY_FIRST = 64 };

struct waiting {
    struct client *client; /* NULL: it left */
    uint32_t *place;
};

struct paused {
    struct waiting *all;
    uint32_t first; /* none before it is in use */
    uint32_t end, capacity;
    uint32_t count; /* of clients */
};

struct paused *paused_new(void)
{
    return calloc(1, sizeof(struct paused));
}

void paused_free(struct paused *p)
{
    if (p == NULL)
        return;
    free(p->all);
    free(p);
}

/* Closes the gaps. */
static void pack(struct paused *p)
{
    uint32_t used = 0;
    for (uint32_t i = p->first; i < p->end; i++) {
        if (p->all[i].client == NULL)
            continue;
        p->all[used] = p->all[i];
        *p->all[used].place = used;
        used++;
    }
    p->first = 0;
    p->end = used;
}

static bool grow(struct paused *p)
{
    uint32_t capacity = p->capacity > 0 ? p->capacity * 2 : CAPACITY_FIRST;
    struct waiting *grown = realloc(p->all, capacity * sizeof(*grown));
    if (grown == NULL)
        return false;
    p->all = grown;
    p->capacity = capacity;
    return true;
}

/* A place at the end. */
static bool reserve(struct paused *p)
{
    if (p->end < p->capacity)
        return true;
    if (p->capacity == 0 || p->count > p->capacity / 2)
        return grow(p);
    pack(p);
    return true;
}

bool paused_add(struct paused *p, struct client *c, uint32_t *place)
{
    if (!reserve(p))
        return false;
    p->all[p->end] = (struct waiting){.client = c, .place = place};
    *place = p->end++;
    p->count++;
    return true;
}

void paused_remove(struct paused *p, uint32_t place)
{
    p->all[place].client = NULL;
    p->count--;
    if (p->count == 0)
        p->first = p->end = 0;
}

struct client *paused_first(struct paused *p)
{
    if (p->count == 0)
        return NULL;
    while (p->all[p->first].client == NULL)
        p->first++;
    return p->all[p->first].client;
}

uint32_t paused_count(const struct paused *p)
{
    return p->count;
}
