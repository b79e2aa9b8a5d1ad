/*
 * fleet_disk - `durability: disk`: whether Redis keeps what it was told.
 *
 * Without an append-only file that is synced at every write the broker isn't ready.
 */
#ifndef FLOTILLA_BROKER_FLEET_STORAGE_FLEET_DISK_H
#define FLOTILLA_BROKER_FLEET_STORAGE_FLEET_DISK_H

#include <stdbool.h>

struct fleet;

bool fleet_disk_init(struct fleet *f);
void fleet_disk_free(struct fleet *f);
void fleet_disk_greeted(struct fleet *f);
void fleet_disk_tick(struct fleet *f);

#endif
