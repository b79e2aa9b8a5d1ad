/*
 * fleet_publish - rule 5: a message is done when it is in each queue, on its way to each node, and Redis had
 * no change that this node doesn't know.
 *
 * Data flow: store_redis.c and wills bring messages; fleet_queue.c, fleet_retained.c, fleet_outbox.c and
 *            fleet_channel.c take their parts.
 * Order:     those of one publisher complete in the order of the calls.
 */
#ifndef FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_PUBLISH_H
#define FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_PUBLISH_H

#include "broker/store/store.h"

struct fleet;
struct fleet_publish;

bool fleet_publishing_init(struct fleet *f);
void fleet_publishing_free(struct fleet *f);
void fleet_publish(struct fleet *f, const struct store_publish_request *req, store_done_fn *done,
                   void *arg);
void fleet_publish_tick(struct fleet *f);
void fleet_publish_reset(struct fleet *f);
/* Gathered parts of a publish: one more waits to be sent; was sent; came out so. */
void fleet_publish_gathered(struct fleet_publish *p);
void fleet_publish_issued(struct fleet_publish *p);
/* Redis had no room for this part: the message is held, and tried again when there is some. `client`,
 * `node`: whom the part was for, 0: nobody (a retained value). */
void fleet_publish_held(struct fleet_publish *p, uint64_t client, uint64_t node);
void fleet_publish_failed(struct fleet_publish *p, enum store_status status);
/* Marks those that were taken from this node (fleet_taken.h). */
void fleet_publish_void(struct fleet *f);
bool fleet_publish_is_void(const struct fleet_publish *p);
struct mqtt_slice fleet_publish_topic(const struct fleet_publish *p);
/* The node has no inbox: match again a little later. */
void fleet_publish_missed(struct fleet_publish *p, uint64_t node);
/* Redis doesn't know the session (hash of its client id). After a loss of data: the same. */
void fleet_publish_unknown(struct fleet_publish *p, uint64_t client);
void fleet_publish_end_qos2(struct fleet *f, struct store_hold *hold, uint16_t packet_id,
                            store_done_fn *done, void *arg);

#endif
