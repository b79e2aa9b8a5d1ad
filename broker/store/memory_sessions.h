/*
 * memory_sessions - what the memory store keeps of client ids: who is connected, durable sessions, wills that wait; and
 * the store itself, as its modules share it.
 *
 * Data flow: connect and disconnect are operations of the store (store.h); store_memory.c has the others, and
 *            memory_groups.c those of shared subscriptions.
 * Ownership: the store owns its sessions. One is freed when nobody is connected, it isn't durable and no will waits.
 */
#ifndef FLOTILLA_BROKER_STORE_MEMORY_SESSIONS_H
#define FLOTILLA_BROKER_STORE_MEMORY_SESSIONS_H

#include "broker/base/leftovers.h"
#include "broker/message/packet_ids.h"
#include "broker/store/memory_queue.h"
#include "broker/store/memory_shares.h"
#include "broker/store/memory_values.h"
#include "broker/store/store.h"
#include "common/base/hash_table.h"
#include "common/base/wheel.h"

enum { SHARE_TAKE_MAX = 64 };

/* What is kept of a client id: of a durable session always, else while a will or a connection is.
 */
struct memory_session {
    struct hash_link by_id;
    struct store_memory *store;
    struct store_hold *hold; /* NULL: offline */
    char *user;              /* whose it is; NULL: of who gave no user name */
    bool durable;
    bool full_said; /* that its queue is full; until it is half empty */
    struct memory_queue queue;
    struct packet_ids open_qos2;
    uint64_t *released; /* sequences, in order */
    uint32_t released_count, released_capacity;
    struct message *will;
    uint32_t will_delay_s;
    bool will_has_grace; /* it waits for its client to come back, to whatever session */
    uint32_t expiry_s;   /* after the end of its connection, as it was said at its start */
    uint64_t number;     /* in the journal; 0: there is none */
    struct wheel_timer will_due, expiry_due;
    struct wheel_timer redispatch_due; /* of what it has of groups */
    uint32_t id_len;
    char id[];
};

struct store_memory {
    struct store base; /* first member */
    struct store_memory_config config;
    struct store_host host;
    struct hash_table sessions; /* by id */
    uint32_t durable_count;
    struct memory_values values; /* retained */
    struct memory_shares shares;
    uint64_t expired;            /* durable sessions, since the start */
    struct wheel wheel;          /* wills and expiries */
    struct leftovers leftovers;  /* queues of sessions that ended */
    struct timebox *box;         /* of this turn; NULL outside of it */
    struct store_entry *scratch; /* what a fetch answers */
    size_t scratch_size;
    struct store_share_entry taken[SHARE_TAKE_MAX]; /* what a take answers */
    struct journal *journal;                        /* told of each change, NULL: none */
    uint64_t clock_ms; /* added to CLOCK_BOOTTIME: the clock by which messages expire */
    /* With a journal, of the last publish: what is to be delivered here once it is safe; borrowed. */
    struct message *to_deliver;
};

static inline struct store_memory *memory_of(struct store *s)
{
    return (struct store_memory *)s;
}

static inline struct mqtt_slice memory_session_id(const struct memory_session *m)
{
    return mqtt_slice_of(m->id, m->id_len);
}

/* The memory budget has room for one more of what lasts; for more in a queue that has so much. */
bool memory_takes_lasting(const struct store_memory *s);
bool memory_takes_queued(const struct store_memory *s, uint64_t queue_bytes);

/* NULL: nothing is known of the client id. */
struct memory_session *memory_session_find(struct store_memory *s, struct mqtt_slice id);
/* Makes an entry for a client id of which nothing is known. NULL: out of memory. */
struct memory_session *memory_session_add(struct store_memory *s, struct mqtt_slice id,
                                          uint64_t number);
/* The store ends: nobody is told. */
void memory_sessions_free(struct store_memory *s);
/* What the session has of groups (of this one only, unless NULL) goes back to them. */
void memory_session_return_shared(struct memory_session *m, enum memory_return what,
                                  const struct memory_group *group);

/* The partition of a group's queue in which a message is. */
uint8_t memory_partition_of(const struct store_memory *s, const struct message *m);
/* As fetch of store.h, but nothing from this sequence on. */
void memory_fetch_until(struct store_memory *s, struct store_hold *hold, uint64_t from,
                        uint64_t until, size_t max, size_t max_bytes, store_fetch_fn *done,
                        void *arg);
/* Makes `user` the session's, whose copy it takes; NULL: of who gave no name. False: out of memory. */
bool memory_session_set_user(struct memory_session *m, const char *user);
void memory_session_set_durable(struct store_memory *s, struct memory_session *m, bool durable);
/* Its connection, durability or will has changed: the journal is told. It is freed if nobody is connected, nothing is
 * durable and no will waits. */
void memory_session_settle(struct store_memory *s, struct memory_session *m);
bool memory_session_note_released(struct memory_session *m, uint64_t sequence);

/* store_connect, store_disconnect. */
void memory_connect(struct store *store, const struct store_connect_request *req,
                    store_connect_fn *done, void *arg);
void memory_disconnect(struct store *store, struct store_hold *hold, bool will,
                       uint32_t session_expiry_s, store_done_fn *done, void *arg);

#endif
