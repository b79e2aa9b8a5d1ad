/*
 * session - what is known of one client id: its subscriptions, and its connection if it has one.
 *
 * Data flow: session_table finds sessions by client id; the topic tree points at the embedded
 *            subscriber; router.c and fanout.c ask `durable` and `client` to decide how a
 *            message gets there.
 *            What only a connected client needs (window, output, buffers) is in struct client.
 * Ownership: reference counted: the table holds one while the session is in it, its client another.
 * Size:      thousands of offline durable sessions are known to each broker, so it is small.
 */
#ifndef FLOTILLA_BROKER_ROUTING_SESSION_H
#define FLOTILLA_BROKER_ROUTING_SESSION_H

#include <string.h>

#include "broker/routing/subscriber.h"
#include "common/base/hash_table.h"

struct client;

struct session {
    struct subscriber subscriber; /* first member */
    struct client *client;        /* its connection on this broker, NULL when offline */
    struct hash_link by_id;
    uint32_t refs;
    uint32_t owed_at; /* its place among a message's receivers, checked before use: fanout.c */
    uint16_t id_len;
    bool durable; /* outlives its connection */
    bool listed;  /* is in the table */
    char id[];    /* NUL-terminated */
};

struct session_table;

struct session_table *session_table_new(uint64_t hash_key);
/* Frees the sessions too; they must have been removed from the topic tree. */
void session_table_free(struct session_table *t);

struct session *session_table_find(const struct session_table *t, struct mqtt_slice id);
/* Makes an offline session without subscriptions and lists it. NULL when out of memory. */
struct session *session_table_add(struct session_table *t, struct mqtt_slice id, bool durable);
/* Takes it out of the table; it has no subscriptions any more. */
void session_table_remove(struct session_table *t, struct session *s);
/* Calls for each session; `each` may remove the one it is called for. */
void session_table_each(struct session_table *t, void (*each)(void *arg, struct session *s),
                        void *arg);
/* One of them, NULL: there is none; see hash_table_any. */
struct session *session_table_any(const struct session_table *t, uint32_t *at);
/* Calls for some from place `from` on (0 at first), and returns where to go on; 0: that was all. See hash_table_some. */
uint32_t session_table_some(const struct session_table *t, uint32_t from,
                            void (*each)(void *arg, struct session *s), void *arg);
size_t session_table_count(const struct session_table *t);

static inline struct session *session_ref(struct session *s)
{
    s->refs++;
    return s;
}
void session_unref(struct session *s);

static inline struct session *session_of(struct subscriber *s)
{
    return (struct session *)s;
}
static inline struct mqtt_slice session_id(const struct session *s)
{
    return (struct mqtt_slice){.data = (const uint8_t *)s->id, .len = s->id_len};
}
static inline bool session_has_id(const struct session *s, struct mqtt_slice id)
{
    return id.len == s->id_len && memcmp(id.data, s->id, id.len) == 0;
}

#endif
