/*
 * packet_ids - the packet ids of incoming QoS 2 messages that a client hasn't released (PUBREL)
 * yet.
 *
 * A message with an id in here was taken already and is only answered again. Embedded; sorted,
 * since clients count their ids upward and release the oldest first.
 */
#ifndef FLOTILLA_BROKER_MESSAGE_PACKET_IDS_H
#define FLOTILLA_BROKER_MESSAGE_PACKET_IDS_H

#include <stdbool.h>
#include <stdint.h>

struct packet_ids {
    uint16_t *items;
    uint32_t count, capacity;
};

void packet_ids_fini(struct packet_ids *p);
bool packet_ids_has(const struct packet_ids *p, uint16_t id);
/* False when out of memory. Adding twice is harmless. */
bool packet_ids_add(struct packet_ids *p, uint16_t id);
bool packet_ids_remove(struct packet_ids *p, uint16_t id);

#endif
