/*
 * fleet - what the modules of the redis store share: this node, its links to Redis, the other
 * nodes, and the lists of what is under way. Private to store_redis.c and fleet*, route, inbox,
 * reaper.
 *
 * Data flow: store_redis.c is called by the core and drives a turn: fleet_input (fence, links,
 *            timers) first and fleet_flush (what was gathered, then the links) last. Every module
 *            has functions of its own prefix that take the fleet.
 * Links:     `commands` (ordered; everything that writes), `channel` (pub/sub), `inbox` and `log`
 *            (blocking stream reads); one more with `durability: replica` (fleet_replicas.h), and
 *            that of the heart, in a thread of its own (heart.h).
 * Time:      `now_ms` CLOCK_MONOTONIC, `boot_ms` CLOCK_BOOTTIME, both as of this turn's input.
 */
#ifndef FLOTILLA_BROKER_FLEET_NODE_FLEET_H
#define FLOTILLA_BROKER_FLEET_NODE_FLEET_H

#include <hiredis/hiredis.h>
#include <sys/queue.h>
#include <uthash.h>

#include "broker/base/broker_config.h"
#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/fence/fleet_cut.h"
#include "broker/fleet/fence/fleet_resync.h"
#include "broker/fleet/fence/fleet_subscriptions.h"
#include "broker/fleet/fence/fleet_taken.h"
#include "broker/fleet/fleet_over.h"
#include "broker/fleet/lease/heart.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/log/fleet_epochs.h"
#include "broker/fleet/log/fleet_retell.h"
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/log/route.h"
#include "broker/fleet/membership/fleet_register.h"
#include "broker/fleet/membership/fleet_say_again.h"
#include "broker/fleet/node/fleet_clock.h"
#include "broker/fleet/node/fleet_metrics.h"
#include "broker/fleet/storage/fleet_replicas.h"
#include "broker/fleet/storage/fleet_usage.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "broker/fleet/wire/fleet_keys.h"
#include "broker/fleet/wire/scripts.h"
#include "broker/routing/router.h"
#include "broker/store/store.h"
#include "common/base/timebox.h"

enum fleet_state {
    FLEET_STARTING, /* entering the fleet, loading what the others have said so far */
    FLEET_READY,
    FLEET_LEAVING,
    FLEET_LEFT,
};

/* Another node. */
struct route_node {
    uint64_t id;
    UT_hash_handle hh;
    char hex[FLEET_HEX_SIZE];
    uint64_t known_since;    /* boot_ms */
    bool killing;            /* a kill script is under way */
    unsigned generation;     /* of the last load that found it */
    struct outbox outbox;    /* QoS 1 and 2, wake-ups, requests: to its inbox */
    struct fleet_bytes bulk; /* QoS 0: to its channel */
    uint32_t bulk_count;
    uint64_t bulk_sent_us; /* when the last batch went */
};

/* The store's part of a connection's hold on its client id. */
struct fleet_publish;
struct fleet_hold {
    struct fleet *fleet;
    struct store_hold *hold; /* NULL once disconnected */
    uint64_t ended_ms;       /* when that was */
    struct fleet_hold *next, *prev;
    unsigned refs, bucket;
    unsigned asserted;          /* in which round of fleet_say_again */
    struct fleet_behalf behalf; /* this connection */
    char run[9];                /* of Redis, in which its sequences are known to be right */
    bool fetch_later; /* something was fetched in another run, and is once that is known */
    uint64_t sent; /* highest sequence fetched here, or that was gone from the queue at connect */
    uint32_t expiry_s;
    struct fleet_publish *publishes, *publishes_tail; /* completed in order */
    unsigned behind;                                  /* how many of them wait to be matched */
    unsigned unsaid;         /* removals of subscriptions that aren't in the log yet */
    struct fleet_bytes acks; /* of this turn, see fleet_deliver.c */
    unsigned ack_count;
    struct fleet_release *releases;
    struct fleet_hold *next_acking;
    bool acking;
    struct fleet_bytes will; /* frame; for rule 9 */
    uint32_t will_delay_s;
    struct fleet_moment arrived; /* its CONNECT, by Redis' clock */
};

struct fleet_deferred;

/* Readings of retained values that go on. */
struct fleet_retained_reads {
    struct retained_read *first;
    bool large_under_way; /* one of them waits for a large value */
};

struct fleet {
    struct store store; /* first */
    struct event_base *base;
    struct event *wake, *tick;
    struct store_redis_config cfg;
    struct redis_url url;
    struct fleet_keys keys;
    struct store_host host;
    struct router *router;
    struct scripts scripts;
    struct redis_link *commands, *channel, *inbox_link, *log_link;
    struct redis_link *replica_link; /* durability `replica`, else NULL */
    struct redis_queue *q;           /* of `commands` */

    enum fleet_state state;
    uint64_t id;
    char hex[FLEET_HEX_SIZE];
    char run_id[48];     /* of the Redis that `commands` speaks with */
    char known_run[48];  /* of the Redis that last said that it knows this node */
    char run_tag[9];     /* its first characters, for what is stored */
    uint64_t connection; /* the id of `commands` at Redis, 0: unknown */
    bool may_kill;       /* connections of others there */
    struct fleet_registration registration;
    unsigned runs; /* how often it was another one */
    uint64_t now_ms, boot_ms;
    struct timebox *box;      /* of what is at work now */
    struct fleet_clock clock; /* Redis' */
    struct heart *heart;
    struct event *heart_event;
    int heart_fd;            /* the heart left a report */
    unsigned heart_connects; /* of its link, as counted */
    uint64_t log_started_ms; /* CLOCK_BOOTTIME; see fleet_beat_log_started */
    bool joined;             /* the lease runs */
    uint64_t joined_ms;      /* when the last join was answered; CLOCK_BOOTTIME */
    bool unsure;
    uint64_t unsure_since_ms;
    bool must_start_over; /* found out deep in a reply's function */
    struct fleet_over over;
    bool freeing;
    uint64_t lost_until_ms; /* Redis may have lost what its holders tell it again until then: see
                               fleet_may_be_lost */
    const char *trouble;    /* why no clients are taken, if it isn't the connection; a literal */
    bool full;              /* Redis has reached its maxmemory: fleet_full.c */
    uint64_t full_since_ms, full_ask_ms;
    size_t held_bytes; /* of messages that wait to be matched again */
    bool not_durable;  /* Redis isn't set to keep what `durability` promises */

    struct route_node *nodes;
    size_t outbox_bytes; /* of all of them together */
    struct fleet_log *log;
    struct fleet_load *load;
    struct fleet_append append;
    struct fleet_epochs epochs;
    struct fleet_taken *taken;
    bool closing_taken; /* it was applied, but for the connections that it still names */
    struct fleet_cutting *cuttings;
    uint64_t hash_key; /* of what clients choose */
    struct routes routes;
    struct fleet_versions versions;
    struct fleet_replicas replicas;
    struct fleet_publishing *publishing;
    struct fleet_queues *queues;
    struct fleet_retaining *retaining;
    struct fleet_retained_reads retained_reads;
    struct inbox *inbox;
    struct fleet_connects *connects;
    struct route_release *releases; /* fleet_restore.c */
    struct fleet_subscription_reads subscription_reads;
    struct reaper *reapers;
    struct fleet_wills *wills;
    struct fleet_usage usage;
    TAILQ_HEAD(, disconnect_op) disconnects; /* whose wills are under way; oldest first */
    struct fleet_hold *holds;
    struct fleet_hold *acking;
    struct fleet_deferred *deferred, *deferred_tail;
    struct fleet_metrics metrics;

    uint64_t ping_next_ms, sweep_next_ms, disk_ask_ms;
    uint64_t channel_answered_ms; /* when a PUBLISH was sent that is answered */
    struct fleet_hold *sweep_at;
    struct fleet_saying saying;
    uint64_t due_next_ms;
    unsigned due_bucket;
    uint64_t calls; /* numbers of idempotent script calls */

    store_done_fn *shutdown_done;
    void *shutdown_arg;
    uint64_t shutdown_deadline_ms;
    bool kill_sent;
};

/* ---- fleet.c: this node --------------------------------------------------------------------- */

struct fleet *fleet_new(struct event_base *base, const struct store_redis_config *cfg,
                        const struct store_host *host, struct router *router,
                        struct metrics *metrics, char *err, size_t errlen);
void fleet_free(struct fleet *f);
/* The box of this turn bounds what the links bring. */
void fleet_input(struct fleet *f, struct timebox *box);
void fleet_flush(struct fleet *f);
void fleet_shutdown(struct fleet *f, uint64_t deadline_ms, store_done_fn *done, void *arg);
enum store_health fleet_health(const struct fleet *f);
const char *fleet_trouble(const struct fleet *f);
bool fleet_accepts(const struct fleet *f);

/* This node was declared dead: starts over at the end of this input. */
void fleet_is_dead(struct fleet *f);
/* Completes in the next input. */
void fleet_defer(struct fleet *f, store_done_fn *done, void *arg, enum store_status status);
void fleet_run_deferred(struct fleet *f, bool ok);
/* Makes the loop turn once more at once. */
void fleet_wake(struct fleet *f);
static inline bool fleet_can_act(const struct fleet *f)
{
    return f->joined && !f->unsure && redis_link_is_up(f->commands);
}
/* What Redis has of a session may be older than what its holder knows, who tells it a little later:
 * nobody ends a session or takes a will by that. */
static inline bool fleet_may_be_lost(const struct fleet *f)
{
    return f->now_ms < f->lost_until_ms;
}
/* False: of this session something newer is known. */
static inline bool fleet_session_is_new(struct fleet *f, struct fleet_session_ref session)
{
    return fleet_epochs_pass(&f->epochs, session.client, session.epoch, f->now_ms);
}
/* What an answer means to an operation: NULL is unavailable, an error reply is full or trouble. */
enum store_status fleet_reply_status(const redisReply *r);

/* ---- fleet_nodes.c: the other nodes --------------------------------------------------------- */

struct route_node *fleet_node_find(struct fleet *f, uint64_t id);
struct route_node *fleet_node_get(struct fleet *f,
                                  uint64_t id); /* made when new; NULL: no memory */
/* Dead or gone: its routes go, who waits for it is told. */
void fleet_node_remove(struct fleet *f, struct route_node *n);
/* This node's place among all, for shared work. */
void fleet_nodes_rank(struct fleet *f, unsigned *rank, unsigned *count);

/* ---- fleet_beat.c: rules 1 and 2 ------------------------------------------------------------ */

bool fleet_beat_init(struct fleet *f);
void fleet_beat_free(struct fleet *f);
/* The log is read from another point, perhaps of another history: what is asked from now on is
 * compared with that. */
void fleet_beat_log_started(struct fleet *f);
/* Acts on what the heart was told by Redis. */
void fleet_beat_input(struct fleet *f);
/* Notices at a turn's begin that the node is unsure. */
void fleet_fence(struct fleet *f);

/* ---- fleet_load.c: entering and reloading --------------------------------------------------- */

bool fleet_load_init(struct fleet *f);
void fleet_load_free(struct fleet *f);
void fleet_load_tick(struct fleet *f);
void fleet_load_reset(struct fleet *f);
/* Redis has another history than this node knows, or the log has a hole. */
void fleet_reload(struct fleet *f, const char *why);

/* ---- fleet_log.c: reading the log ----------------------------------------------------------- */

bool fleet_log_init(struct fleet *f);
void fleet_log_free(struct fleet *f);
void fleet_log_tick(struct fleet *f);
/* Applies more of what was read, within the turn's box. */
void fleet_log_go_on(struct fleet *f);
/* Reads from here on. */
void fleet_log_start(struct fleet *f, uint64_t from);
void fleet_log_stop(struct fleet *f);
bool fleet_log_is_valid(const struct fleet *f);
uint64_t fleet_log_applied(const struct fleet *f);

/* ---- fleet_channel.c: QoS 0 ----------------------------------------------------------------- */

bool fleet_channel_greeted(struct fleet *f);
void fleet_channel_message(struct fleet *f, const char *payload, size_t len);
void fleet_channel_add(struct fleet *f, struct route_node *n, const struct fleet_bytes *frame);
void fleet_channel_flush(struct fleet *f, bool now_all);
void fleet_channel_tick(struct fleet *f);

/* ---- fleet_publish.c: rule 5 ---------------------------------------------------------------- */

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

/* ---- fleet_queue.c: queues of durable sessions ---------------------------------------------- */

bool fleet_queues_init(struct fleet *f);
void fleet_queues_free(struct fleet *f);
struct fleet_queue_how {
    bool remember;   /* the message's id */
    bool is_value;   /* a retained value */
    uint64_t client; /* hash of the client id, for fleet_publish_unknown and _held */
};
void fleet_queue_add(struct fleet *f, struct fleet_publish *p, const struct message *m,
                     const struct store_queue_target *target, struct fleet_queue_how how);
void fleet_queues_flush(struct fleet *f);
/* What is void isn't written any more, although it was sent and isn't answered. */
void fleet_queues_void(struct fleet *f);
/* Another run of Redis gets what the former one didn't answer. */
void fleet_queues_run_changed(struct fleet *f);
void fleet_queues_reset(struct fleet *f);

/* ---- fleet_retained.c ----------------------------------------------------------------------- */

bool fleet_retaining_init(struct fleet *f);
void fleet_retaining_free(struct fleet *f);
/* `p` may be NULL (QoS 0). `remember`: a second message of this id sets nothing. */
void fleet_retain(struct fleet *f, struct fleet_publish *p, struct fleet_behalf behalf,
                  const struct message *m, bool remember);
void fleet_retaining_void(struct fleet *f);
void fleet_retaining_flush(struct fleet *f);
bool fleet_retaining_is_due(const struct fleet *f);
void fleet_retaining_reset(struct fleet *f);

/* ---- fleet_retained_read.c ------------------------------------------------------------------- */

struct store_retained_read *fleet_retained_start(struct fleet *f, struct mqtt_slice filter,
                                                 store_retained_fn *each,
                                                 store_retained_chunk_fn *chunk,
                                                 store_done_fn *done, void *arg);
void fleet_retained_continue(struct store_retained_read *read);
void fleet_retained_cancel(struct store_retained_read *read);
void fleet_retained_tick(struct fleet *f);
void fleet_retained_reset(struct fleet *f);

/* ---- fleet_disk.c: `durability: disk` -------------------------------------------------------- */

void fleet_disk_greeted(struct fleet *f);
void fleet_disk_tick(struct fleet *f);

/* ---- fleet_full.c: Redis is full -------------------------------------------------------------- */

/* A write was refused for want of memory. */
void fleet_full(struct fleet *f);
void fleet_full_tick(struct fleet *f);
/* Whether a publish that is begun now would be done: STORE_FULL when Redis has no room for it, or no
 * replica that must have it. Who would wait as well takes nothing from who waits. */
void fleet_full_ask(struct fleet *f, store_done_fn *done, void *arg);

/* ---- inbox.c: what other nodes sent to this one ---------------------------------------------- */

bool inbox_init(struct fleet *f);
void inbox_free(struct fleet *f);
/* A new inbox of this id, read from its beginning. */
void inbox_start(struct fleet *f);
/* The id of an entry that was just added. Below what was read already: the stream was made anew. */
void inbox_has_entry(struct fleet *f, const char *id);
void inbox_tick(struct fleet *f);
void inbox_flush(struct fleet *f);
/* A batch of the channel: a reply of that link. */
void inbox_take_channel(struct fleet *f, const char *payload, size_t len);
/* Goes on with what was read from the inbox and the channel, within the turn's box. */
void inbox_go_on(struct fleet *f);
/* True when the id was there already within the dedup window; notes it otherwise. */
bool inbox_knows(struct fleet *f, struct message_id id);
/* What came of it failed, and it will be tried again. */
void inbox_forget(struct fleet *f, struct message_id id);
/* Calls when everything was read that was in the inbox and on the channel at this moment. What isn't
 * known of the channel after a second, isn't waited for. */
typedef void inbox_barrier_fn(void *arg, bool ok);
void inbox_barrier(struct fleet *f, inbox_barrier_fn *fn, void *arg);
void inbox_reset(struct fleet *f);

/* ---- fleet_connect.c: rule 7 ----------------------------------------------------------------- */

bool fleet_connects_init(struct fleet *f);
void fleet_connects_free(struct fleet *f);
void fleet_connect(struct fleet *f, const struct store_connect_request *req, store_connect_fn *done,
                   void *arg);
void fleet_connect_tick(struct fleet *f);
/* Redis came back with less than it had: the claims of those that aren't connected yet may be lost
 * and are made again (rule 9). */
void fleet_connects_begin_again(struct fleet *f);
void fleet_connect_reset(struct fleet *f);
void fleet_connect_node_gone(struct fleet *f, uint64_t node);
/* Another node asks for a client; and the answer to such a request. */
void fleet_connect_asked(struct fleet *f, uint64_t node, uint64_t request, struct mqtt_slice client,
                         uint64_t epoch);
void fleet_connect_answered(struct fleet *f, uint64_t node, uint64_t request);
void fleet_connects_run_changed(struct fleet *f);
/* Connecting attempts of this client up to this epoch were taken from this node. */
void fleet_connect_taken(struct fleet *f, const char *client_id, size_t len, uint64_t epoch);
/* The subscriptions that the claim of a connecting attempt found. False: there is no such attempt. */
bool fleet_connect_each_subscription(struct fleet *f, const struct store_hold *hold,
                                     store_subscription_fn *each, void *arg);

/* ---- fleet_session.c: holds, subscriptions --------------------------------------------------- */

struct fleet_hold *fleet_hold_new(struct fleet *f, struct store_hold *hold);
/* Whose it is, as scripts want it: '' any user's, '-' of who gave no user name, '=' and the name. */
void fleet_hold_write_user(struct redis_queue *q, const struct store_hold *hold);
void fleet_hold_unref(struct fleet_hold *h);
/* Without a word to Redis, which knows nothing of it. */
void fleet_hold_drop(struct fleet_hold *h);
void fleet_holds_detach(struct fleet *f); /* the end */
void fleet_subscribe(struct fleet *f, struct store_hold *hold,
                     const struct store_subscription *subs, size_t count, store_done_fn *done,
                     void *arg);
void fleet_unsubscribe(struct fleet *f, struct store_hold *hold, const struct mqtt_slice *filters,
                       size_t count, store_done_fn *done, void *arg);
/* Begins a session's script; `args` beside client and epoch. */
void fleet_session_script(struct fleet *f, struct store_hold *hold, enum script id, size_t args);
/* Looks at queues without having been told to. */
void fleet_sweep_tick(struct fleet *f);
void fleet_sweep_soon(struct fleet *f);
/* The script found a newer connection of this client. */
void fleet_hold_fenced(struct fleet_hold *h);

/* Options of a subscription as bytes. */
struct fleet_options {
    uint8_t bytes[6];
    size_t len;
};
struct fleet_options fleet_options_write(const struct store_subscription *sub);
void fleet_options_read(const void *data, size_t len, struct store_subscription *sub);

/* ---- fleet_disconnect.c: the end of a connection --------------------------------------------- */

void fleet_disconnect(struct fleet *f, struct store_hold *hold, bool publish_will,
                      uint32_t session_expiry_s, store_done_fn *done, void *arg);
/* Wills that another run of Redis may not have, of connections that were taken from this node. */
void fleet_disconnects_void(struct fleet *f);
/* Those that the former run of Redis didn't answer: their sessions may be lost, and are asserted first. */
void fleet_disconnects_run_changed(struct fleet *f);
void fleet_disconnect_tick(struct fleet *f);

/* ---- fleet_deliver.c: rule 8 ----------------------------------------------------------------- */

void fleet_fetch(struct fleet *f, struct store_hold *hold, uint64_t from, size_t max,
                 size_t max_bytes, store_fetch_fn *done, void *arg);
void fleet_ack(struct fleet *f, struct store_hold *hold, char what, uint64_t sequence,
               store_done_fn *done, void *arg);
void fleet_acks_flush(struct fleet *f);
void fleet_acks_flush_hold(struct fleet *f, struct fleet_hold *h);
void fleet_acks_reset(struct fleet *f);

/* ---- fleet_will.c, reaper.c ------------------------------------------------------------------ */

bool fleet_wills_init(struct fleet *f);
void fleet_wills_free(struct fleet *f);
/* Publishes a will that a script gave to this node, clears it, then calls done. */
void fleet_will_publish(struct fleet *f, const char *client, size_t client_len, uint64_t epoch,
                        const void *frame, size_t len, store_done_fn *done, void *arg);
/* On whose behalf a will is published that is under way here; nobody's when it isn't one. */
struct fleet_behalf fleet_will_behalf(struct fleet *f, const struct message *m);
/* Calls for each will that is under way. */
void fleet_wills_each(struct fleet *f, void (*each)(struct fleet *, struct fleet_session_ref));
/* This message is a will being published: queues and inboxes must remember its id. */
bool fleet_will_is(struct fleet *f, const struct message *m);
void fleet_due_tick(struct fleet *f);
/* What the former run of Redis didn't answer isn't done by the data of another one. */
void fleet_due_run_changed(struct fleet *f);
void reapers_run_changed(struct fleet *f);

void reaper_start(struct fleet *f, uint64_t victim);
void reapers_free(struct fleet *f);

#endif
