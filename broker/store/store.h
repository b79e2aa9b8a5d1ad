/*
 * store - where what must outlive a connection, or a broker, is kept; and the way to other brokers.
 *
 * Three kinds: `memory` (one broker, store_memory.c), `file` (the same with its state in a file, store/file/) and
 * `redis` (a fleet, broker/fleet/).
 *
 * Data flow: the protocol handlers and publish.c call store_* functions; each has one completion,
 *            called exactly once, either before the call returns (memory) or in a later turn of the
 *            loop (redis, file), also on failure and at shutdown. In the other direction the store calls
 *            struct store_host, which the broker's core implements.
 *            The redis store completes and calls its host only from store_input, never from
 *            another call.
 * Order:     operations of one session take effect in the order of the calls, and complete in it.
 * Fence:     while the redis store isn't sure to be alive (fleet protocol, rule 2) it completes
 *            nothing; so no acknowledgement that waits for a completion is sent. Therefore in core:
 *            CONNACK, SUBACK, UNSUBACK, PUBACK, PUBREC, PUBREL (outgoing) and PUBCOMP each wait for
 *            the completion of the operation they stand for.
 * Ownership: arguments are borrowed for the call; messages are referenced by the store as needed.
 *            Slices in results are valid during the completion only.
 * Errors:    enum store_status. STORE_UNAVAILABLE leaves the client unacknowledged (its own resend
 *            is the retry). The store does its retries itself first.
 */
#ifndef FLOTILLA_BROKER_STORE_STORE_H
#define FLOTILLA_BROKER_STORE_STORE_H

#include <stddef.h>

#include "broker/auth/identity.h"
#include "broker/message/message.h"
#include "broker/routing/subscriber.h"
#include "broker/routing/targets.h"

struct store;
struct timebox;

enum store_status {
    STORE_OK,
    STORE_UNAVAILABLE, /* the store can't be reached, or the node is shutting down */
    STORE_FULL,        /* refused: a bound was hit (Redis out of memory, a queue's limit) */
    STORE_FENCED,      /* the session now belongs to a newer connection elsewhere: close this one */
    STORE_NOT_OWNER,   /* store_connect: the client id is another user's. Nothing has changed */
};
typedef void store_done_fn(void *arg, enum store_status status);

/* ---- sessions -------------------------------------------------------------------------------- */

struct store_will {
    struct message *message; /* NULL: no will. Its retain and qos are the will's */
    uint32_t delay_s;
};

/* A connection's hold on its client id. The core makes one per CONNECT, embeds it in its client or
 * session, and passes it to every later call. */
struct store_hold {
    /* Whose the session is from now on: a user name, or NULL for who gave none. Another one's is
     * refused, unless `any_user`. Both stay as they are while the hold lives. The client id is
     * NUL-terminated and owned by the core. */
    union {
        struct identity who;
        struct { /* the same */
            const char *user;
            char *client_id;
            uint32_t client_id_len;
        };
    };
    bool any_user;
    bool durable; /* the session outlives the connection */
    /* Set before store_disconnect, 0 otherwise: the will waits at least this long, and a new
     * connection of the client cancels it (a draining broker's clients come back elsewhere). */
    uint32_t will_grace_s;
    /* When its CONNECT arrived (CLOCK_BOOTTIME). Of two connections of a client the one whose
     * CONNECT came later is the newer one, in whichever order the store learns of them. */
    uint64_t arrived_ms;
    uint64_t epoch;   /* set by store_connect: fences writes of an older owner */
    void *store_data; /* the store's own, NULL before connect and after disconnect */
};
_Static_assert(offsetof(struct store_hold, user) == offsetof(struct identity, username) &&
                   offsetof(struct store_hold, client_id) ==
                       offsetof(struct identity, client_id) + offsetof(struct mqtt_slice, data) &&
                   offsetof(struct store_hold, client_id_len) ==
                       offsetof(struct identity, client_id) + offsetof(struct mqtt_slice, len),
               "a hold begins with its identity");
static inline struct mqtt_slice store_hold_id(const struct store_hold *hold)
{
    return mqtt_slice_of(hold->client_id, hold->client_id_len);
}

/* As a session's expiry: it waits for its client for ever. */
#define STORE_EXPIRES_NEVER UINT32_MAX

struct store_connect_request {
    struct store_hold *hold;   /* client_id and durable are set */
    bool clean_start;          /* drop what a durable session of this id has */
    uint32_t session_expiry_s; /* after the end of the connection; STORE_EXPIRES_NEVER */
    struct store_will will;
};
struct store_connect_result {
    bool session_present;
    const struct store_subscription *subscriptions; /* of the durable session */
    size_t subscription_count;
    bool subscriptions_kept;  /* they are what this broker knows of it already (memory store) */
    bool subscriptions_told;  /* by durable_subscribed, before (redis store) */
    const uint64_t *released; /* sequences PUBREC'd and not PUBCOMP'd, in order: send PUBREL */
    size_t released_count;
    uint64_t next_sequence; /* of the queue's first undelivered entry; fetch from here */
};
typedef void store_connect_fn(void *arg, enum store_status status,
                              const struct store_connect_result *result);

/* Completes when every durable_* change that other nodes made to this session before was passed to
 * the host, so that none arrives late and undoes what this connection does.
 * Takes the client id for this connection in the whole fleet: a living connection elsewhere is
 * closed first, a dead owner's will is published first. (A connection of the same id on this broker
 * was closed by the core, through store_disconnect, before this call.) STORE_FENCED: a connection
 * whose CONNECT arrived later has had the client id already. */
void store_connect(struct store *s, const struct store_connect_request *req, store_connect_fn *done,
                   void *arg);

/* The connection ended. `publish_will`: it ended without DISCONNECT, so the will given at connect
 * is due (with its delay); the store publishes it once through store_host.publish_will, or drops
 * it. A durable session goes on, expiring after session_expiry_s; another ends. */
void store_disconnect(struct store *s, struct store_hold *hold, bool publish_will,
                      uint32_t session_expiry_s, store_done_fn *done, void *arg);

/* Adds (or replaces) subscriptions. When it completes, every QoS 1/2 message acknowledged from now
 * on by any broker reaches this session. The core has put them in the topic tree before. */
void store_subscribe(struct store *s, struct store_hold *hold,
                     const struct store_subscription *subs, size_t count, store_done_fn *done,
                     void *arg);
/* The core has taken them from the topic tree before. */
void store_unsubscribe(struct store *s, struct store_hold *hold, const struct mqtt_slice *filters,
                       size_t count, store_done_fn *done, void *arg);

/* The last connected session of this broker that held the filter doesn't hold it any more (it
 * unsubscribed, ended or disconnected): the route isn't needed any more (the store lets it linger).
 * The first one to hold it needs no call of its own: store_subscribe and store_connect (its
 * subscriptions) tell. */
void store_interest_ended(struct store *s, struct mqtt_slice filter);

/* ---- publishing ------------------------------------------------------------------------------ */

struct store_publish_request {
    struct message *message;
    struct store_hold *hold; /* the publisher's; NULL for wills */
    /* Of a durable publisher, else 0: it is bound to the message's id first, so that a resend after
     * a crash, on any broker, is the same message. */
    uint16_t qos2_packet_id;
    struct store_targets targets;
    /* Set before the completion if anybody elsewhere, or a queue, gets it; may be NULL. (With
     * qos2_packet_id: also if anybody here does, or got it from an earlier try.) */
    bool *reached;
};
/* A request with qos2_packet_id: the core makes no local delivery itself (targets only, no
 * delivery); the store calls host->deliver once the packet id is bound and so the message's id is
 * known, and not at all when this broker had the message already. `targets` are used the same.
 * QoS 0: forwards to nodes' batches (and sets the retained value, if retain); `done` may be NULL.
 * QoS 1 and 2: completes when the message is in each queue and on its way to each node, and no
 * subscription that was there before the completion was missed (rule 5). An empty payload with
 * retain clears the retained value. */
void store_publish(struct store *s, const struct store_publish_request *req, store_done_fn *done,
                   void *arg);

/* Puts a retained value (of QoS 1 or 2, with an id of its own: a queue drops an id that it has had)
 * into the queue of one durable session, whose new subscription it is for. It is delivered with the
 * retain flag. The retained value itself and other nodes are left alone. Completes when it is in
 * the queue. STORE_FULL: there is no room in Redis. */
void store_enqueue(struct store *s, struct message *m, const struct store_queue_target *target,
                   store_done_fn *done, void *arg);

/* The publisher sent PUBREL: forgets the packet id. Completion: send PUBCOMP. */
void store_qos2_end(struct store *s, struct store_hold *hold, uint16_t packet_id,
                    store_done_fn *done, void *arg);

/* ---- delivering from a durable session's queue ----------------------------------------------- */

struct store_entry {
    uint64_t sequence;       /* of the session, from 1; packet id = (sequence - 1) % 65535 + 1 */
    struct message *message; /* referenced by the receiver if kept */
    uint8_t qos;             /* effective */
    bool retain;             /* flag to send */
    bool is_value;           /* a retained value for a new subscription (store_enqueue), not live */
    bool duplicate;          /* was (maybe) sent before on an earlier connection */
    struct mqtt_ids ids;     /* of the subscriptions for which it was queued */
};
/* `more`: further entries are there already. */
typedef void store_fetch_fn(void *arg, enum store_status status, const struct store_entry *entries,
                            size_t count, bool more);
/* Reads entries with sequence >= from, at most `max` and at most about max_bytes. An empty answer
 * means: nothing now, store_host.wake tells when there is. One fetch per session at a time. */
void store_fetch(struct store *s, struct store_hold *hold, uint64_t from, size_t max,
                 size_t max_bytes, store_fetch_fn *done, void *arg);
/* PUBACK came (QoS 1). Nothing waits for it. */
void store_ack(struct store *s, struct store_hold *hold, uint64_t sequence);
/* PUBREC came (QoS 2): the entry goes, the sequence is noted as released. Completion: send PUBREL.
 */
void store_release(struct store *s, struct store_hold *hold, uint64_t sequence, store_done_fn *done,
                   void *arg);
/* PUBCOMP came. Nothing waits for it. */
void store_complete(struct store *s, struct store_hold *hold, uint64_t sequence);

/* ---- shared subscriptions: queues of groups ---------------------------------------------------- */

/* A group is named by its whole filter, "$share/<name>/<filter>". It gets each message of QoS 1 or 2
 * once (store_targets.groups), in its queue, from which members with room take; host.share_wake says
 * when there is something to take. */

/* How a client is a member. */
struct store_member {
    struct store_hold *hold;
    struct mqtt_slice filter;
    struct subscription_options options;
};
/* Those of its subscription; good as long as *m. */
static inline struct mqtt_ids store_member_ids(const struct store_member *m)
{
    const uint32_t *id = &m->options.subscription_id;
    return (struct mqtt_ids){.items = id, .count = *id != 0};
}
/* The connected client is a member from now on: after its SUBSCRIBE was granted, before
 * store_subscribe; or its durable session came back. */
void store_share_join(struct store *s, const struct store_member *m);
enum store_leave {
    STORE_LEAVE_AWAY, /* its connection ends: to be told before store_disconnect */
    STORE_LEAVE_ENDED /* it unsubscribed */
};
/* It takes nothing any more. Of a durable session what wasn't sent goes back to the group. */
void store_share_leave(struct store *s, struct store_hold *hold, struct mqtt_slice filter,
                       enum store_leave why);

/* A message that a member took: the store's own, the core only gives it back. */
struct store_taken;
struct store_share_entry {
    struct store_taken *taken; /* NULL: it is finished already (effective QoS 0) */
    struct message *message;   /* referenced by the receiver if kept */
    uint8_t qos;               /* effective */
};
enum store_more {
    STORE_MORE_NONE,
    STORE_MORE,        /* the group has more */
    STORE_MORE_OTHERS, /* what it has is for other members: this one may not read it */
};
typedef void store_take_fn(void *arg, enum store_status status,
                           const struct store_share_entry *entries, size_t count,
                           enum store_more more);
/* Takes up to `max` messages. A connection without a durable session gets them as entries. What a
 * durable session is to get at QoS 1 or 2 is copied into its own queue and comes from there, so it
 * isn't among the entries. What it may not read (host.share_reader) stays in the group, for others. One call at a
 * time for each member. */
void store_share_take(struct store *s, const struct store_member *m, size_t max,
                      store_take_fn *done, void *arg);
/* PUBACK or PUBREC came, or the message ends with its connection (sent at QoS 2). */
void store_share_finish(struct store *s, struct store_hold *hold, struct store_taken *taken);
/* It wasn't sent, or not acknowledged at QoS 1: another member gets it, at its old place. */
void store_share_put_back(struct store *s, struct store_hold *hold, struct store_taken *taken);
/* The group is in the configuration: without any member its messages stay for so long. At the start. */
void store_share_declare(struct store *s, struct mqtt_slice filter, uint64_t keep_ms);
/* The group has no member any more, in the whole fleet. */
void store_share_ended(struct store *s, struct mqtt_slice filter);
/* A message for members at QoS 0: to the node that was drawn, which gives it to one member.
 * `tried`: another one had nobody. */
void store_share_send(struct store *s, void *node, struct mqtt_slice filter, struct message *m,
                      bool tried);
/* How many of this broker's connected clients are members, and the highest of their QoS, has
 * changed: the nodes draw by it. */
void store_share_members(struct store *s, struct mqtt_slice filter, uint32_t members, uint8_t qos);

/* ---- retained messages ----------------------------------------------------------------------- */

typedef void store_retained_fn(void *arg, const struct message *m);
/* Reads all retained messages that match the filter, in chunks; `each` per message, then done.
 * Never cut short: a failed read is completed as such. The core pauses a reading by not calling
 * store_retained_continue: after each chunk `chunk` is called, and the next is read only on
 * continue. */
struct store_retained_read;
typedef void store_retained_chunk_fn(void *arg, struct store_retained_read *read);
struct store_retained_read *store_retained_start(struct store *s, struct mqtt_slice filter,
                                                 store_retained_fn *each,
                                                 store_retained_chunk_fn *chunk,
                                                 store_done_fn *done, void *arg);
void store_retained_continue(struct store_retained_read *read);
void store_retained_cancel(
    struct store_retained_read *read); /* no further calls; may be called in `each` */

/* ---- totals ---------------------------------------------------------------------------------- */

/* What each broker tells of itself, for the fleet's totals. They are stored in this order: what is as of
 * now comes first, and what is added goes to the end. */
enum store_total {
    STORE_TOTAL_CLIENTS,       /* connected */
    STORE_TOTAL_SUBSCRIPTIONS, /* of sessions that aren't durable */
    STORE_TOTAL_NOW,           /* so many are as of now; the others count up from the start */
    STORE_TOTAL_MESSAGES_RECEIVED = STORE_TOTAL_NOW, /* packets */
    STORE_TOTAL_MESSAGES_SENT,
    STORE_TOTAL_PUBLISH_RECEIVED,
    STORE_TOTAL_PUBLISH_SENT,
    STORE_TOTAL_PUBLISH_DROPPED,
    STORE_TOTAL_BYTES_RECEIVED,
    STORE_TOTAL_BYTES_SENT,
    STORE_TOTAL_PAYLOAD_RECEIVED,
    STORE_TOTAL_PAYLOAD_SENT,
    STORE_TOTAL_COUNT,
};
struct store_totals {
    uint64_t nodes;    /* brokers that share the store */
    uint64_t retained; /* topics that have a retained value */
    uint64_t expired;  /* durable sessions that this broker ended because their time was over */
    /* Of all these brokers. What one that is gone had counted stays in it, so that no count goes back. */
    uint64_t of_all[STORE_TOTAL_COUNT];
};
typedef void store_totals_fn(void *arg, enum store_status status,
                             const struct store_totals *totals);
/* Tells what this broker has, and asks what all have together. One at a time. */
void store_totals(struct store *s, const uint64_t mine[STORE_TOTAL_COUNT], store_totals_fn *done,
                  void *arg);
/* This broker as the others know it, as text that is good until the next turn; NULL: there are no others. */
const char *store_node(const struct store *s);

/* ---- the turn -------------------------------------------------------------------------------- */

/* First in a turn: reads the store's input until there is none or the box is over; what is left
 * comes first in the next turn. */
void store_input(struct store *s, struct timebox *box);
/* Last in a turn: sends what this turn gathered, once. */
void store_flush(struct store *s);

/* The clock by which messages expire, in ms: one for all brokers that share the store, whatever their
 * own clocks say. */
uint64_t store_now_ms(const struct store *s);

enum store_health { STORE_STARTING, STORE_READY, STORE_TROUBLED };
enum store_health store_health(const struct store *s);
/* What an operator should know of it, in a sentence; NULL: nothing. It may be ready all the same. */
const char *store_trouble(const struct store *s);
/* True while a publish can be taken: false asks the core to stop reading publishers (rule 9). */
bool store_accepts(const struct store *s);
/* Ends: releases what can be released within the deadline, then calls done. For SIGTERM. */
void store_shutdown(struct store *s, uint64_t deadline_ms, store_done_fn *done, void *arg);
void store_free(struct store *s);

/* ---- what the store tells the core ----------------------------------------------------------- */

typedef void store_sequence_fn(void *arg, uint64_t sequence);

enum store_reader { STORE_READER_IT, STORE_READER_ANOTHER, STORE_READER_NOBODY };

struct store_host {
    void *arg;
    /* A message of another broker for this broker's own connected sessions: deliver to clean ones
     * at any QoS, to durable ones only where the effective QoS is 0 (the rest comes from their
     * queues). True: a session that is known here subscribes to it. */
    bool (*deliver)(void *arg, struct message *m);
    /* False: one of them waits until an earlier one is handed out, and the next ones should, too.
     * `worked_us`: microseconds, roughly, that matching and handing out such messages has taken so far: a
     * message may match thousands of filters, and be for thousands. Only differences mean something. */
    bool (*takes_more)(void *arg, uint32_t *worked_us);
    /* A will is due: publish it like any message (publish.h) and call done. */
    void (*publish_will)(void *arg, struct message *m, store_done_fn *done, void *done_arg);
    /* The queue of this client, if it is connected here, has (or may have) something new. */
    void (*wake)(void *arg, struct mqtt_slice client_id);
    /* The queue of a group has, or may have, so many messages more: members here that have room take
     * them. False: none of them has. */
    bool (*share_wake)(void *arg, struct mqtt_slice filter, uint32_t messages);
    /* Who of the group may read the topic: this member, another one who is connected here or away, or nobody that is
     * known here. NULL: all may. Not this one: another one that has room is to take, if there is one here. */
    enum store_reader (*share_reader)(void *arg, const struct store_hold *hold,
                                      struct mqtt_slice filter, struct mqtt_slice topic);
    /* Now and then (redis store): members with room try to take. `join`: their memberships are to be told
     * again before, Redis lost them. */
    void (*share_look)(void *arg, bool join);
    /* Another node's message for one member at QoS 0. `tried`: that node isn't the first one. */
    void (*share_deliver)(void *arg, struct mqtt_slice filter, struct message *m, bool tried);
    /* Another broker wants this client: if its connection here is of this epoch or an older one,
     * read its socket to EAGAIN, await what is under way, close it (reason: taken over), call
     * store_disconnect as for any close; then `done`. Also when it isn't here, or store_connect
     * goes on for it (the store ends that itself). */
    void (*hand_over)(void *arg, struct mqtt_slice client_id, uint64_t epoch, store_done_fn *done,
                      void *done_arg);
    /* A session's newer connection is elsewhere: close the one that has this hold, no will, no
     * store calls. */
    void (*fenced)(void *arg, struct store_hold *hold);
    /* Durable sessions of the fleet, for the topic tree (redis store only): what other nodes did,
     * in the log's order, and everything when a new node loads; and what a connection here subscribes
     * to from before, ahead of its completion. Not what this node did itself: the core has done that
     * already. A repeat of what is there is harmless. */
    void (*durable_subscribed)(void *arg, struct mqtt_slice client_id,
                               const struct store_subscription *sub);
    void (*durable_unsubscribed)(void *arg, struct mqtt_slice client_id, struct mqtt_slice filter);
    void (*durable_ended)(void *arg, struct mqtt_slice client_id);
    /* Calls `each` for each subscription of this session, if it is known here. For rule 9: Redis
     * lost them. */
    void (*each_subscription)(void *arg, struct mqtt_slice client_id, store_subscription_fn *each,
                              void *each_arg);
    /* The hold of this client's connection or connecting attempt here, NULL: there is none. */
    struct store_hold *(*hold_of)(void *arg, struct mqtt_slice client_id);
    /* The sequences that the durable session's connection here was sent and hasn't finished.
     * Returns the next one that it will fetch from, 0: there is no such connection. */
    uint64_t (*each_unfinished)(void *arg, struct mqtt_slice client_id, store_sequence_fn *each,
                                void *each_arg);
    /* QoS 1/2 messages for this broker were lost (its inbox was over its cap): close the clean
     * clients that have a subscription at QoS 1 or 2, so that they learn of it. */
    void (*gap)(void *arg);
    /* This node was declared dead: close all clients without wills and forget all sessions and
     * remote state; the store starts over under a new id. False: the box was over first, and it is
     * called again in the next turn. The store is suspended meanwhile. */
    bool (*start_over)(void *arg, struct timebox *box);
    /* Keep-alive clocks: time in which the broker was unsure doesn't count. */
    void (*clients_shift_clocks)(void *arg, uint64_t by_ms);

    /* Routes (redis store only). Another node wants what matches the filter. `node` is the store's, opaque
     * here; adding twice is harmless, and node_removed takes all of a node's routes. */
    void (*route_added)(void *arg, void *node, struct mqtt_slice filter);
    void (*route_removed)(void *arg, void *node, struct mqtt_slice filter);
    void (*node_removed)(void *arg, void *node);
    /* The same for a shared filter, with the number of its members there and the highest of their QoS. */
    void (*route_members)(void *arg, void *node, struct mqtt_slice filter, uint32_t members,
                          uint8_t qos);
    /* Matches again, for rule 5: the queue targets and nodes for a message as of now. The arrays are valid
     * until the next message is matched. */
    void (*match)(void *arg, const struct message *m, struct store_targets *out);
    /* A connected session here holds the filter: its route must stay announced. */
    bool (*has_interest)(void *arg, struct mqtt_slice filter);
};

struct event_base;
struct metrics;
struct store_redis_config; /* of broker_config.h: redis url, timeouts, lease, limits */

struct broker_stats;
struct journal;
struct memory_budget;

struct store_memory_config {
    uint64_t hash_key;
    uint32_t queue_limit;               /* messages per session; one more is dropped and counted */
    uint64_t queue_limit_bytes;         /* a session */
    uint32_t session_limit;             /* durable ones; one more is STORE_FULL; 0: no limit */
    int share_strategy;                 /* enum share_strategy */
    uint64_t redispatch_after_ms;       /* for a durable member of a group that is away */
    uint32_t retained_limit;            /* topics; one more is dropped and counted */
    const struct memory_budget *budget; /* what lasts keeps to a part of it; NULL: no bound */
    struct broker_stats *stats;         /* where it counts */
    struct journal *journal;            /* told of each change (journal.h); NULL: nobody is */
    uint64_t clock_ms; /* what the clock by which messages expire is ahead of CLOCK_BOOTTIME */
};
struct store *store_memory_new(const struct store_memory_config *cfg,
                               const struct store_host *host);
struct store_file_config {
    const char *path;
    int sync;                          /* enum store_sync, of broker_config.h */
    struct store_memory_config memory; /* without journal and clock */
};
/* The memory store with its state in a file, of one broker (store/file/store_file.h). NULL with a sentence in err. */
struct store *store_file_new(struct event_base *base, const struct store_file_config *cfg,
                             const struct store_host *host, struct metrics *metrics, char *err,
                             size_t errlen);
/* NULL with a sentence in err. */
struct store *store_redis_new(struct event_base *base, const struct store_redis_config *cfg,
                              const struct store_host *host, struct metrics *metrics, char *err,
                              size_t errlen);

/* ---- behind the functions above: one table per kind ------------------------------------------ */

struct store_ops {
    const char *name;
    /* A publish without queue targets, nodes and retain needs no call: this broker is alone.
     * publish.c makes no message for it then. */
    bool untargeted_is_done;
    /* A message may be delivered (host.deliver) after a newer value of its topic was read. */
    bool delivers_late;
    void (*connect)(struct store *, const struct store_connect_request *, store_connect_fn *,
                    void *);
    void (*disconnect)(struct store *, struct store_hold *, bool, uint32_t, store_done_fn *,
                       void *);
    void (*subscribe)(struct store *, struct store_hold *, const struct store_subscription *,
                      size_t, store_done_fn *, void *);
    void (*unsubscribe)(struct store *, struct store_hold *, const struct mqtt_slice *, size_t,
                        store_done_fn *, void *);
    void (*interest_ended)(struct store *, struct mqtt_slice);
    void (*publish)(struct store *, const struct store_publish_request *, store_done_fn *, void *);
    void (*enqueue)(struct store *, struct message *, const struct store_queue_target *,
                    store_done_fn *, void *);
    void (*qos2_end)(struct store *, struct store_hold *, uint16_t, store_done_fn *, void *);
    void (*fetch)(struct store *, struct store_hold *, uint64_t, size_t, size_t, store_fetch_fn *,
                  void *);
    void (*ack)(struct store *, struct store_hold *, uint64_t);
    void (*release)(struct store *, struct store_hold *, uint64_t, store_done_fn *, void *);
    void (*complete)(struct store *, struct store_hold *, uint64_t);
    void (*share_join)(struct store *, const struct store_member *);
    void (*share_leave)(struct store *, struct store_hold *, struct mqtt_slice, enum store_leave);
    void (*share_take)(struct store *, const struct store_member *, size_t, store_take_fn *,
                       void *);
    void (*share_finish)(struct store *, struct store_hold *, struct store_taken *);
    void (*share_put_back)(struct store *, struct store_hold *, struct store_taken *);
    void (*share_declare)(struct store *, struct mqtt_slice, uint64_t);
    void (*share_ended)(struct store *, struct mqtt_slice);
    void (*share_send)(struct store *, void *, struct mqtt_slice, struct message *, bool);
    void (*share_members)(struct store *, struct mqtt_slice, uint32_t, uint8_t);
    struct store_retained_read *(*retained_start)(struct store *, struct mqtt_slice,
                                                  store_retained_fn *, store_retained_chunk_fn *,
                                                  store_done_fn *, void *);
    void (*retained_continue)(struct store_retained_read *);
    void (*retained_cancel)(struct store_retained_read *);
    void (*totals)(struct store *, const uint64_t *, store_totals_fn *, void *);
    const char *(*node)(const struct store *); /* NULL: there are no others */
    void (*input)(struct store *, struct timebox *);
    void (*flush)(struct store *);
    uint64_t (*now_ms)(const struct store *);
    enum store_health (*health)(const struct store *);
    const char *(*trouble)(const struct store *); /* NULL: never any */
    bool (*accepts)(const struct store *);
    void (*shutdown)(struct store *, uint64_t, store_done_fn *, void *);
    void (*free)(struct store *);
};
/* First member of each kind's struct. */
struct store {
    const struct store_ops *ops;
    /* QoS 0 is published through the store even when nobody else is known to want it: a
     * subscription made elsewhere a moment ago may not be known yet (`consistency: strict`). */
    bool checks_qos0;
    bool suspended; /* no client is served: clients that may not act any more are being closed */
};
struct store_retained_read {
    struct store *store;
};

/* Other brokers have part in it: what concerns nobody here may concern somebody there, and isn't
 * safe before it completes. */
static inline bool store_is_shared(const struct store *s)
{
    return !s->ops->untargeted_is_done;
}

/* A live message may come to a client after a retained value that is newer. */
static inline bool store_delivers_late(const struct store *s)
{
    return store_is_shared(s) || s->ops->delivers_late;
}

#endif
