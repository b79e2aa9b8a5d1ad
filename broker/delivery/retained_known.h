/*
 * retained_known - what a client has received of each topic while its retained messages are sent,
 * so that no older value follows a newer one.
 *
 * A topic for which the client got a newer live message since its SUBSCRIBE came is left out. In a
 * fleet a live message may also come late, after a retained value that is newer (its broker learnt
 * of the subscription only while sending): such messages are left out as well, recognised by their
 * ids.
 *
 * Data flow: fanout.c and deliver.c note live messages and ask about them, retained_delivery.c the
 *            retained ones.
 * Ownership: embedded in struct retained_delivery, as its first member. Where it may be NULL nothing
 *            is known.
 * Bounds:    KNOWN_MAX topics, and as many as there is memory for; of others nothing is known.
 */
#ifndef FLOTILLA_BROKER_DELIVERY_RETAINED_KNOWN_H
#define FLOTILLA_BROKER_DELIVERY_RETAINED_KNOWN_H

#include "broker/message/message.h"

struct known_topic;
struct retained_delivery;

struct retained_known {
    uint64_t hash_key;
    uint32_t subscribes;        /* number of the newest SUBSCRIBE */
    uint32_t since;             /* live messages before this one's count by their ids only */
    struct known_topic *topics; /* an open-addressed table */
    uint32_t count, capacity;
};

/* NULL of NULL. */
static inline struct retained_known *retained_known_of(struct retained_delivery *d)
{
    return (struct retained_known *)(void *)d;
}

void retained_known_fini(struct retained_known *r);
/* What it takes beside the struct. */
size_t retained_known_bytes(const struct retained_known *r);

/* The client was sent the topic's retained value. */
void retained_known_note_told(struct retained_known *r, struct mqtt_slice topic,
                              struct message_id id);
/* A live message that was published with the retain flag went to the client. */
void retained_known_note_live(struct retained_known *r, struct mqtt_slice topic,
                              struct message_id id);
/* A live message that was published with the retain flag is older than (or is) the retained value
 * that the client got. */
bool retained_known_is_overtaken(const struct retained_known *r, struct mqtt_slice topic,
                                 struct message_id id);
/* A retained value of this topic is older than what the client got. `r` may be NULL. */
bool retained_known_is_stale(const struct retained_known *r, struct mqtt_slice topic,
                             struct message_id id);

#endif
