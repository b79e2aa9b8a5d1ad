/*
 * retained_delivery - sends a new subscription what is retained: filter by filter, chunk by chunk,
 * no faster than the client takes it, and never cut short.
 *
 * Order:     no older value follows a newer one: retained_known.h. In a fleet that stays for
 *            LINGER_MS after the last value, for live messages that come late.
 *            A durable session at QoS 1/2 gets the value through its queue in the store, since
 *            packet ids are the queue's sequences; elsewhere it goes straight into the output.
 * Ownership: one per client, there only while something is to be sent.
 */
#ifndef FLOTILLA_BROKER_DELIVERY_RETAINED_DELIVERY_H
#define FLOTILLA_BROKER_DELIVERY_RETAINED_DELIVERY_H

#include <stddef.h>
#include <stdint.h>

#include "broker/routing/subscriber.h"

struct client;

/* A SUBSCRIBE is under way: live messages that it brings before its SUBACK count as newer ones.
 * Each call is followed by one of retained_delivery_expected once the SUBACK is decided. */
void retained_delivery_expect(struct client *c);
void retained_delivery_expected(struct client *c);
/* After the SUBACK of this filter, with the options that it was granted. Copies the filter. The values
 * carry this subscription's identifier alone; "no local" leaves out the client's own. */
void retained_delivery_add(struct client *c, struct mqtt_slice filter,
                           struct subscription_options granted);
/* The client unsubscribed: what of it wasn't sent isn't any more (3.10.4). */
void retained_delivery_remove(struct client *c, struct mqtt_slice filter);
/* Filters whose values aren't all sent yet: one for each of the client's subscriptions at most. */
size_t retained_delivery_waiting(const struct client *c);
/* Goes on as far as the client takes it: called when it may take more. */
void retained_delivery_go_on(struct client *c);
void retained_delivery_end(struct client *c);
/* What waiting takes. */
size_t retained_delivery_bytes(const struct client *c);

#endif
