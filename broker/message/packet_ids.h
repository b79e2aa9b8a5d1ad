/*
 * packet_ids - the packet ids of incoming QoS 2 messages that a client hasn't released (PUBREL)
 * yet.
 *
 * A message with an id in here was taken already and is only answered again. Embedded; sorted,
 * since clients count their ids upward and release the oldest first. Who publishes nothing at
 * QoS 2 has no list.
 */
#ifndef FLOTILLA_BROKER_MESSAGE_PACKET_IDS_H
#define FLOTILLA_BROKER_MESSAGE_PACKET_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packet_ids {
    struct packet_id_list *list; /* NULL: there were none */
};
struct packet_id_list {
    uint32_t count, capacity;
    uint16_t items[];
};

void packet_ids_fini(struct packet_ids *p);
static inline uint32_t packet_ids_count(const struct packet_ids *p)
{
    return p->list != NULL ? p->list->count : 0;
}
bool packet_ids_has(const struct packet_ids *p, uint16_t id);
/* False when out of memory. Adding twice is harmless. */
bool packet_ids_add(struct packet_ids *p, uint16_t id);
bool packet_ids_remove(struct packet_ids *p, uint16_t id);

#endif
