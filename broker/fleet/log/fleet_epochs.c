/* Two generations of an open-addressed table: the young one becomes the old one when its time is
 * over or it is full, and the old one goes. So nothing is ever searched for what has expired. */
#include "broker/fleet/log/fleet_epochs.h"

#include <stdlib.h>

#include "broker/fleet/node/fleet.h"
#include "common/base/hash.h"

enum { FIRST_SIZE = 64 };

struct fleet_epochs *fleet_epochs_new(uint64_t key, uint64_t now_ms)
{
    struct fleet_epochs *e = malloc(sizeof(*e));
    if (e != NULL)
        *e = (struct fleet_epochs){.key = key, .turned_ms = now_ms};
    return e;
}

void fleet_epochs_free(struct fleet_epochs *e)
{
    if (e == NULL)
        return;
    free(e->young.places);
    free(e->old.places);
    free(e);
}

/* The client's place, or the free one where it belongs. NULL: the table has no places. */
static struct fleet_epoch *place_of(const struct fleet_epoch_table *t, uint64_t client)
{
    size_t at = client & (t->size - 1);
    if (t->size == 0)
        return NULL;
    while (t->places[at].client != 0 && t->places[at].client != client)
        at = (at + 1) & (t->size - 1);
    return &t->places[at];
}

static bool grow(struct fleet_epoch_table *t)
{
    struct fleet_epoch_table larger = {.size = t->size == 0 ? FIRST_SIZE : t->size * 2,
                                       .count = t->count};
    larger.places = calloc(larger.size, sizeof(*larger.places));
    if (larger.places == NULL)
        return false;
    for (size_t i = 0; i < t->size; i++)
        if (t->places[i].client != 0)
            *place_of(&larger, t->places[i].client) = t->places[i];
    free(t->places);
    *t = larger;
    return true;
}

static void turn_when_due(struct fleet_epochs *e, uint64_t now_ms)
{
    if (now_ms - e->turned_ms < FLEET_EPOCHS_KEEP_MS && e->young.count < FLEET_EPOCHS_MAX)
        return;
    free(e->old.places);
    e->old = e->young;
    e->young = (struct fleet_epoch_table){0};
    e->turned_ms = now_ms;
}

static void note(struct fleet_epoch_table *t, uint64_t client, uint64_t epoch)
{
    if (t->count >= t->size / 4 * 3 && !grow(t))
        return;
    struct fleet_epoch *place = place_of(t, client);
    t->count += place->client == 0 ? 1 : 0;
    *place = (struct fleet_epoch){.client = client, .epoch = epoch};
}

static uint64_t epoch_in(const struct fleet_epoch_table *t, uint64_t client)
{
    const struct fleet_epoch *place = place_of(t, client);
    return place != NULL ? place->epoch : 0;
}

bool fleet_epochs_pass(struct fleet_epochs *e, struct mqtt_slice client, uint64_t epoch,
                       uint64_t now_ms)
{
    uint64_t hash = hash_bytes(e->key, client.data, client.len) | 1; /* 0 is a free place */
    turn_when_due(e, now_ms);
    uint64_t young = epoch_in(&e->young, hash);
    if (epoch < young || epoch < epoch_in(&e->old, hash))
        return false;
    if (epoch != young)
        note(&e->young, hash, epoch);
    return true;
}

bool fleet_session_is_new(struct fleet *f, struct fleet_session_ref session)
{
    return fleet_epochs_pass(f->epochs, session.client, session.epoch, f->now_ms);
}
