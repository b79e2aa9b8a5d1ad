/*
 * share_held - what one client has of groups of shared subscriptions: in which it is a member, and
 * what it has taken that isn't finished.
 *
 * Data flow: share.c decides; deliver.c sends.
 * Ownership: the client's, there while it is a member of a group or has something of one. Each
 *            struct store_taken in it is given back to the store once.
 * Bounds:    the client's window.
 */
#ifndef FLOTILLA_BROKER_DELIVERY_SHARE_HELD_H
#define FLOTILLA_BROKER_DELIVERY_SHARE_HELD_H

#include <sys/queue.h>

#include "broker/routing/subscriber.h"
#include "broker/store/store.h"
#include "common/base/hash_table.h"

struct client;

struct membership {
    LIST_ENTRY(membership) link;
    struct hash_link by_filter;
    struct client *client;
    uint32_t wanted;                     /* messages that it is to take: membership_expects */
    uint32_t asked;                      /* that it is taking now; the store will answer */
    uint32_t held;                       /* of struct share_held */
    struct subscription_options options; /* of its last SUBSCRIBE */
    bool takes;                          /* its SUBACK was sent */
    bool behind;                         /* with partitions: something may wait for it */
    bool passed;                         /* what waited last was for others, who may read it */
    bool gone;                           /* it has left: freed when nothing refers to it */
    uint32_t filter_len;
    char filter[];
};

struct share_held {
    TAILQ_ENTRY(share_held) link;
    struct membership *membership;
    struct store_taken *taken; /* NULL: finished already */
    struct message *message;   /* unsent ones only */
    uint64_t sequence;         /* sent ones: of the client's window */
    uint8_t qos;
};
TAILQ_HEAD(share_helds, share_held);

struct shares {
    LIST_HEAD(, membership) memberships; /* there may be ten thousand */
    struct hash_table by_filter;
    struct share_helds unsent, sent;
    uint32_t unsent_count;
    uint32_t expected; /* `wanted` and `asked` of all memberships */
};

static inline struct mqtt_slice membership_filter(const struct membership *m)
{
    return mqtt_slice_of(m->filter, m->filter_len);
}

/* Finds or makes it. NULL: out of memory. */
struct membership *shares_join(struct client *c, struct mqtt_slice filter);
/* NULL: it is no member. */
struct membership *shares_find(const struct client *c, struct mqtt_slice filter);
/* It is no member any more. */
void membership_leave(struct membership *m);
/* The store has answered its take; frees one that has left. */
void membership_answered(struct membership *m);

/* So many it is to take, and is taking, from now on. */
void membership_expects(struct membership *m, uint32_t wanted, uint32_t asked);

/* Messages that are on their way to the client. */
static inline uint32_t shares_expected(const struct shares *s)
{
    return s->unsent_count + s->expected;
}
/* Keeps an entry, to be sent. False: out of memory. */
bool shares_hold(struct client *c, struct membership *m, const struct store_share_entry *e);
/* An entry that isn't wanted any more goes back. */
void shares_refuse(struct client *c, const struct store_share_entry *e);
/* It was sent with this sequence; 0: without, at QoS 0, or not at all. Its message is the caller's. */
void shares_sent(struct client *c, struct share_held *h, uint64_t sequence);
/* The client acknowledged a sequence, perhaps of a group. */
void shares_finish(struct client *c, uint64_t sequence);
/* What of a membership wasn't sent goes back. */
void shares_put_back_unsent(struct client *c, const struct membership *m);
/* The connection ends: what was sent at QoS 2 is finished, all else goes back. */
void shares_give_back(struct client *c);
/* Nothing is in it any more. */
void shares_free(struct client *c);

#endif
