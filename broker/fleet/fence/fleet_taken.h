/*
 * fleet_taken - clients that others took from this node while it was silent (fleet_cut.h).
 *
 * Data flow: fleet_register.c notes them while it registers; fleet_taken_apply.c then takes them out one by one.
 *            Meanwhile whoever wrote for a client asks here whether that was taken, and makes it void.
 * Ownership: the table owns its entries.
 */
#ifndef FLOTILLA_BROKER_FLEET_FENCE_FLEET_TAKEN_H
#define FLOTILLA_BROKER_FLEET_FENCE_FLEET_TAKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "broker/fleet/node/fleet_behalf.h"

struct fleet;

struct fleet_taken {
    UT_hash_handle hh;
    struct fleet_behalf behalf; /* epoch: up to this one */
    size_t len;
    char client[];
};

void fleet_taken_add(struct fleet *f, struct mqtt_slice client_id, uint64_t epoch);
/* Client, epoch, ... as a cut noted them. */
void fleet_taken_note(struct fleet *f, struct mqtt_slice noted);
size_t fleet_taken_count(const struct fleet *f);
/* One of them, the caller's to free; NULL: there is none. */
struct fleet_taken *fleet_taken_pop(struct fleet *f);
/* While it is applied: whether this was taken. */
bool fleet_taken_has(const struct fleet *f, struct fleet_behalf behalf);
void fleet_taken_reset(struct fleet *f);

#endif
