/*
 * kept_ids - the subscription identifiers of one delivery that waits in a queue (5.0: 3.3.2.3.8).
 *
 * Size:      twelve bytes, because queues have millions of entries, and few have several
 *            identifiers: none or one is inside, several are behind a pointer.
 * Ownership: embedded; kept_ids_drop frees what is behind it. A copy is a move.
 */
#ifndef FLOTILLA_BROKER_MESSAGE_KEPT_IDS_H
#define FLOTILLA_BROKER_MESSAGE_KEPT_IDS_H

#include "broker/base/account.h"
#include "common/mqtt/mqtt.h"

struct kept_ids {
    uint32_t count;
    uint32_t words[2]; /* one: the identifier; several: the bytes of a pointer to them */
};

/* A copy of them, counted as memory of this kind. False when out of memory: none then. */
bool kept_ids_take(struct kept_ids *k, struct mqtt_ids ids, enum account_kind kind);
void kept_ids_drop(struct kept_ids *k, enum account_kind kind);
/* Good until *k is dropped or moved. */
struct mqtt_ids kept_ids_all(const struct kept_ids *k);
/* Behind the pointer. */
static inline size_t kept_ids_bytes(const struct kept_ids *k)
{
    return k->count > 1 ? k->count * sizeof(uint32_t) : 0;
}

#endif
