/* A table by the clients' hashes. */
#include "broker/fleet/fence/fleet_taken.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_bytes.h"

static struct fleet_taken *find(const struct fleet *f, uint64_t client)
{
    struct fleet_taken *t = NULL;
    HASH_FIND(hh, f->taken, &client, sizeof(client), t);
    return t;
}

void fleet_taken_add(struct fleet *f, const char *client_id, size_t len, uint64_t epoch)
{
    struct fleet_behalf behalf = fleet_behalf_of(f, client_id, len, epoch);
    struct fleet_taken *t = find(f, behalf.client);
    if (t != NULL) {
        t->behalf.epoch = epoch > t->behalf.epoch ? epoch : t->behalf.epoch;
        return;
    }
    t = calloc(1, sizeof(*t) + len);
    if (t == NULL) {
        fleet_declared_dead(f); /* what it isn't told it would do: begin anew */
        return;
    }
    t->behalf = behalf;
    t->len = len;
    memcpy(t->client, client_id, len);
    HASH_ADD(hh, f->taken, behalf.client, sizeof(t->behalf.client), t);
}

void fleet_taken_note(struct fleet *f, const char *data, size_t len)
{
    struct fleet_reader r = fleet_reader_of(data, len);
    while (fleet_reader_more(&r)) {
        struct mqtt_slice client = fleet_reader_slice(&r);
        uint64_t epoch = fleet_reader_varint(&r);
        if (!r.failed)
            fleet_taken_add(f, (const char *)client.data, client.len, epoch);
    }
}

bool fleet_taken_has(const struct fleet *f, struct fleet_behalf behalf)
{
    const struct fleet_taken *t = behalf.client != 0 ? find(f, behalf.client) : NULL;
    return t != NULL && behalf.epoch <= t->behalf.epoch;
}

size_t fleet_taken_count(const struct fleet *f)
{
    return HASH_COUNT(f->taken);
}

struct fleet_taken *fleet_taken_pop(struct fleet *f)
{
    struct fleet_taken *t = f->taken;
    if (t != NULL)
        HASH_DEL(f->taken, t);
    return t;
}

void fleet_taken_reset(struct fleet *f)
{
    struct fleet_taken *t;
    while ((t = fleet_taken_pop(f)) != NULL)
        free(t);
    f->closing_taken = false;
}
